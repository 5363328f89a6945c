// SPDX-License-Identifier: Apache-2.0
//
// axi_stream_in - takes the prompts from an AXI4-Stream: a packet is a prompt, a transfer an id
//
// In      t       TDATA: an id in the lower 17 bits, zeros above; TLAST with the last id
//         enable  the run takes its prompt from here; does not change while busy_i is high
//         busy    gpt2_top's busy_o
// Out     prompt  gpt2_top's, valid/ready. An id with a bit above the 17 becomes 2^17 - 1, which no
//                 vocabulary has
// Ends    If a run ends in the middle of its packet (abort, error, reset), the rest of the packet
//         is taken and dropped, up to TLAST. A packet of which nothing was taken waits for the next
//         run
// Timing  combinational
module axi_stream_in (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        enable_i,
  input  logic        busy_i,

  input  logic        tvalid_i,
  output logic        tready_o,
  input  logic [31:0] tdata_i,
  input  logic        tlast_i,

  output logic        prompt_valid_o,
  input  logic        prompt_ready_i,
  output logic [16:0] prompt_id_o,
  output logic        prompt_last_o
);

  logic inside_q;                                // a packet has begun and not ended
  logic drop_q;                                  // the rest of it is dropped

  assign prompt_valid_o = tvalid_i && enable_i && !drop_q;
  assign prompt_id_o    = tdata_i[16:0] | {17{tdata_i[31:17] != '0}};
  assign prompt_last_o  = tlast_i;
  assign tready_o       = drop_q || (enable_i && prompt_ready_i);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      inside_q <= 1'b0;
      drop_q   <= 1'b0;
    end else begin
      if (tvalid_i && tready_o) inside_q <= !tlast_i;
      if (drop_q) drop_q <= !(tvalid_i && tlast_i);
      else        drop_q <= inside_q && !busy_i;
    end
  end

endmodule
