// SPDX-License-Identifier: Apache-2.0
//
// axi_stream_out - sends the output of a run as packets of an AXI4-Stream
//
// In      in     data, valid bytes, last of the packet; valid/ready. gpt2_top may withdraw an offer
//                when a run ends
//         busy   gpt2_top's busy_o
// Out     t      TVALID and its payload stay until TREADY, as AXI4-Stream requires
// Ends    A run that ends in the middle of a packet (abort, error, reset) closes it with a transfer
//         without bytes: TKEEP 0 and TLAST
// Timing  one cycle from in to t; a transfer every second cycle. A run may be done while its last
//         transfer waits here
`include "assert.svh"

module axi_stream_out #(
  parameter int unsigned Bytes = 4
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               busy_i,

  input  logic               in_valid_i,
  output logic               in_ready_o,
  input  logic [8*Bytes-1:0] in_data_i,
  input  logic [Bytes-1:0]   in_keep_i,
  input  logic               in_last_i,

  output logic               tvalid_o,
  input  logic               tready_i,
  output logic [8*Bytes-1:0] tdata_o,
  output logic [Bytes-1:0]   tkeep_o,
  output logic               tlast_o
);

  logic inside_q;                                // a packet has begun and not ended
  logic close_q;                                 // its run is over
  logic take, close;

  assign in_ready_o = !tvalid_o && !close_q;
  assign take       = in_valid_i && in_ready_o;
  assign close      = close_q && !tvalid_o;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      tvalid_o <= 1'b0;
      inside_q <= 1'b0;
      close_q  <= 1'b0;
    end else begin
      tvalid_o <= take || close || (tvalid_o && !tready_i);
      if (take) inside_q <= !in_last_i;
      else if (close) inside_q <= 1'b0;
      close_q <= !close && (close_q || (inside_q && !busy_i));
    end
    if (take) tdata_o <= in_data_i;
    if (take || close) begin
      tkeep_o <= close ? '0 : in_keep_i;
      tlast_o <= close || in_last_i;
    end
  end

  // ------------------------------------------------------------------------------------ assertions

`ifdef ASSERTIONS
  stream_rules #(.Width(9 * Bytes + 1)) u_rules (
    .clk_i, .rst_ni, .may_drop_i(1'b0), .valid_i(tvalid_o), .ready_i(tready_i),
    .payload_i({tdata_o, tkeep_o, tlast_o})
  );
`endif

endmodule
