// SPDX-License-Identifier: Apache-2.0
//
// fifo - a queue: words leave in the order in which they entered
//
// In      wr  a word, valid/ready; ready while there is room, whether or not a word leaves
// Out     rd  the oldest word, valid/ready. With RegisteredRead 0 it comes with rd_valid_o, as from
//             LUT RAM and registers. With RegisteredRead 1 it comes one cycle after its transfer
//             and holds until the next, as from block RAM (ram_1r1w)
//         count  words in the queue
// Timing  a word in and a word out per cycle. No word passes in the cycle in which it enters: it
//         may leave one cycle later
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

  // Words entered and words left: the lower bits are places in the memory.
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
    // No place is read and written in the same cycle: the queue would be empty or full.
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
