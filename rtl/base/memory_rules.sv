// SPDX-License-Identifier: Apache-2.0
//
// memory_rules - what must hold at gpt2_top's memory port; no hardware, assertions alone
//
// The machine: requests and writes are streams, also through the core's reset; a burst has 1 to
// MaxBurst beats; at most Depth beats are outstanding; a write strobes at least one byte; at most
// 255 writes are unacknowledged. The memory: it answers only requests that it received. Assume 1
// assumes the memory's rule, which a proof of the machine needs; Assume 0 checks it.
module memory_rules
  import gpt2_pkg::*;
#(
  parameter int unsigned Lanes  = 64,
  parameter int unsigned Depth  = 256,
  parameter bit          Assume = 1'b0
) (
  input logic                clk_i,
  input logic                mem_rst_ni,
  input logic                rd_req_valid_i,
  input logic                rd_req_ready_i,
  input logic [AddrBits-1:0] rd_req_addr_i,
  input logic [7:0]          rd_req_len_i,
  input logic                rd_rsp_valid_i,
  input logic                wr_valid_i,
  input logic                wr_ready_i,
  input logic [AddrBits-1:0] wr_addr_i,
  input logic [8*Lanes-1:0]  wr_data_i,
  input logic [Lanes-1:0]    wr_strb_i,
  input logic                wr_ack_i
);

  stream_rules #(.Width(AddrBits + 8)) u_read (
    .clk_i, .rst_ni(mem_rst_ni), .may_drop_i(1'b0), .valid_i(rd_req_valid_i),
    .ready_i(rd_req_ready_i), .payload_i({rd_req_addr_i, rd_req_len_i})
  );

  stream_rules #(.Width(AddrBits + 9 * Lanes)) u_write (
    .clk_i, .rst_ni(mem_rst_ni), .may_drop_i(1'b0), .valid_i(wr_valid_i), .ready_i(wr_ready_i),
    .payload_i({wr_addr_i, wr_data_i, wr_strb_i})
  );

  logic [9:0] beats_q;                           // requested, not arrived
  logic [8:0] writes_q;                          // taken, not acknowledged
  initial {beats_q, writes_q} = '0;

  always_ff @(posedge clk_i) begin
    if (!mem_rst_ni) begin
      beats_q  <= '0;
      writes_q <= '0;
    end else begin
      beats_q  <= beats_q + (rd_req_valid_i && rd_req_ready_i ? 10'(rd_req_len_i) : '0)
                - 10'(rd_rsp_valid_i);
      writes_q <= writes_q + 9'(wr_valid_i && wr_ready_i) - 9'(wr_ack_i);
      if (rd_req_valid_i) begin
        a_burst: assert (rd_req_len_i >= 8'd1 && rd_req_len_i <= 8'(MaxBurst));
        a_room:  assert (32'(beats_q) + 32'(rd_req_len_i) <= Depth);
      end
      if (wr_valid_i) begin
        a_strobe: assert (wr_strb_i != '0);
        a_writes: assert (writes_q < 9'd255);
      end
    end
  end

  if (Assume) begin : gen_assume
    always_comb begin
      if (rd_rsp_valid_i) assume (beats_q != '0);
      if (wr_ack_i)       assume (writes_q != '0);
    end
  end else begin : gen_assert
    always_ff @(posedge clk_i) begin
      if (mem_rst_ni && rd_rsp_valid_i) a_beat: assert (beats_q != '0);
      if (mem_rst_ni && wr_ack_i)       a_ack:  assert (writes_q != '0);
    end
  end

endmodule
