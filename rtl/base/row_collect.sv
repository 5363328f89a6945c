// SPDX-License-Identifier: Apache-2.0
//
// row_collect - 64/Segments groups of rows to one block of 64
//
//   block[j*Segments + s] = rows[s] of the j-th group,   0 <= j < 64/Segments
//
// In      groups of Segments rows (32 bits), ascending, gaps anywhere; rigid
//         slot: sampled with the last group of a block
// Out     blocks of 64 rows with their slot, valid/ready
// Rounds  nothing
// Timing  a block is valid one cycle after its last group and held until taken; the next one may
//         begin at once
// Keeps   64 - Segments gathered rows and the finished block
// Assumes that a block is taken before the next one is complete, 64/Segments groups later
// Golden  none: it orders rows and computes nothing
module row_collect
  import gpt2_pkg::*;
#(
  parameter int unsigned Segments = 16
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,

  input  logic                      in_valid_i,
  input  logic [7:0]                in_slot_i,
  input  logic [Segments-1:0][31:0] in_rows_i,

  output logic                      blk_valid_o,
  input  logic                      blk_ready_i,
  output logic [7:0]                blk_slot_o,
  output logic [HeadDim-1:0][31:0]  blk_rows_o
);

  localparam int unsigned Groups = HeadDim / Segments;

  // -------------------------------------------------------------------- groups of the block so far

  localparam int unsigned GatherBits = (Groups > 2) ? $clog2(Groups) : 1;

  logic [Segments-1:0][31:0] gathered_q [Groups];    // the last is never written: it passes on
  logic [GatherBits-1:0]     index_q;
  logic                      in_done;                // this group completes a block

  assign in_done = in_valid_i && index_q == GatherBits'(Groups - 1);

  always_ff @(posedge clk_i) begin
    if (!rst_ni)         index_q <= '0;
    else if (in_valid_i) index_q <= in_done ? '0 : index_q + 1'b1;
  end

  always_ff @(posedge clk_i) begin
    if (in_valid_i && !in_done) gathered_q[index_q] <= in_rows_i;
  end

  // ---------------------------------------------------------------------------- the finished block

  logic                     blk_valid_q;
  logic [7:0]               blk_slot_q;
  logic [HeadDim-1:0][31:0] blk_rows_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) blk_valid_q <= 1'b0;
    else         blk_valid_q <= in_done || (blk_valid_q && !blk_ready_i);
  end

  always_ff @(posedge clk_i) begin
    if (in_done) begin
      automatic logic [HeadDim-1:0][31:0] whole;
      for (int i = 0; i < int'(Groups) - 1; i++) whole[i*Segments +: Segments] = gathered_q[i];
      whole[HeadDim-Segments +: Segments] = in_rows_i;
      blk_rows_q <= whole;
      blk_slot_q <= in_slot_i;
    end
  end

  assign blk_valid_o = blk_valid_q;
  assign blk_slot_o  = blk_slot_q;
  assign blk_rows_o  = blk_rows_q;

  // ------------------------------------------------------------------------------------ assertions

`ifndef SYNTHESIS
  if (Segments == 0 || HeadDim % Segments != 0) begin : gen_check
    $fatal(1, "%m: Segments = %0d must be a power of two, 1 to 64", Segments);
  end

  assert property (@(posedge clk_i) disable iff (!rst_ni)
      !(in_done && blk_valid_q && !blk_ready_i))
    else $error("%m: a block was overwritten before it was taken");

  assert property (@(posedge clk_i) disable iff (!rst_ni)
      blk_valid_o && !blk_ready_i |=> blk_valid_o && $stable(blk_slot_o) && $stable(blk_rows_o))
    else $error("%m: a block that was not taken changed");
`endif

endmodule
