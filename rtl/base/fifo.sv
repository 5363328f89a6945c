// SPDX-License-Identifier: Apache-2.0
//
// fifo - a queue: words leave in the order in which they came
//
// In      wr  a word, valid/ready; ready while there is room, whether or not a word leaves
// Out     rd  the oldest word, valid/ready. RegisteredRead 0: with rd_valid_o, as LUT RAM and
//             registers give it. RegisteredRead 1: one cycle after its transfer, held until the
//             next, as block RAM gives it (ram_1r1w)
//         count  words inside
// Timing  a word in and a word out a cycle. Nothing flows through: a word may leave one cycle after
//         it came
// Keeps   Depth words
// Golden  none; formal/fv_fifo.sv proves order and counts

`include "assert.svh"

module fifo #(
  parameter int unsigned Width          = 32,
  parameter int unsigned Depth          = 16,    // a power of two, 2 or more
  parameter bit          RegisteredRead = 1'b0,
  localparam int unsigned AddrBits = $clog2(Depth)
) (
  input  logic              clk_i,
  input  logic              rst_ni,

  input  logic              wr_valid_i,
  output logic              wr_ready_o,
  input  logic [Width-1:0]  wr_data_i,

  output logic              rd_valid_o,
  input  logic              rd_ready_i,
  output logic [Width-1:0]  rd_data_o,

  output logic [AddrBits:0] count_o
);

  // Words that came and that left: the lower bits are places in the memory.
  logic [AddrBits:0] wr_count_q, rd_count_q;
  logic              push, pop;

  assign count_o    = wr_count_q - rd_count_q;
  assign wr_ready_o = (wr_count_q ^ rd_count_q) != (AddrBits+1)'(Depth);
  assign rd_valid_o = wr_count_q != rd_count_q;
  assign push       = wr_valid_i && wr_ready_o;
  assign pop        = rd_valid_o && rd_ready_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      wr_count_q <= '0;
      rd_count_q <= '0;
    end else begin
      if (push) wr_count_q <= wr_count_q + 1'b1;
      if (pop)  rd_count_q <= rd_count_q + 1'b1;
    end
  end

  if (RegisteredRead) begin : gen_ram
    // Never read and written at one place in one cycle: it would be empty or full.
    ram_1r1w #(.Width(Width), .Depth(Depth)) u_ram (
      .clk_i,
      .wr_en_i(push), .wr_addr_i(wr_count_q[AddrBits-1:0]), .wr_strb_i(1'b1), .wr_data_i,
      .rd_en_i(pop), .rd_addr_i(rd_count_q[AddrBits-1:0]), .rd_data_o
    );
  end else begin : gen_regs
    logic [Width-1:0] mem [Depth];

    always_ff @(posedge clk_i) begin
      if (push) mem[wr_count_q[AddrBits-1:0]] <= wr_data_i;
    end

    assign rd_data_o = mem[rd_count_q[AddrBits-1:0]];
  end

  // ------------------------------------------------------------------------------------ assertions

  `ERROR_IF(depth,
            Depth < 2 || (Depth & (Depth - 1)) != 0,
            ("Depth = %0d must be a power of two, 2 or more", Depth))

endmodule
