// SPDX-License-Identifier: Apache-2.0
//
// pos_embedding - one 16-bit row of the position table, which starts the residual
//
//   row[c] = sat((256 high[c] + low[c]) * scale),   scale = (2048 + f) * 2^(e - 35)
//
// In      the beats of an OpPos job, valid/ready: a side beat, whose word side_index holds the
//         row's scale, then 2 n_head beats whose segment row_in_group holds int8: block 2k the
//         high bytes of elements 64k .. 64k + 63, block 2k + 1 the low ones
// Out     rows, Q14.16, Segments a cycle, valid/ready; tag.group ascends over the whole row, with
//         tag.last on the last
// Rounds  half up; saturates at +-(2^30 - 1), which sat_o counts as rows are taken
// Timing  64 / Segments + 1 cycles a pair of beats, 1 for the side beat; latency 5 from a pair's
//         second beat to its first rows
// Stores  one segment of two beats; the next beat is taken with the last rows of a pair
// Golden  golden/pos_embedding.c: pos_embedding() up to the addition - equal bit for bit

`include "assert.svh"

module pos_embedding
  import gpt2_pkg::*;
#(
  parameter int unsigned Segments = 16
) (
  input  logic                               clk_i,
  input  logic                               rst_ni,

  input  logic                               in_valid_i,
  output logic                               in_ready_o,
  input  label_t                             in_label_i,
  input  logic [Segments-1:0][HeadDim*8-1:0] in_data_i,

  output logic                               out_valid_o,
  input  logic                               out_ready_i,
  output tag_t                               out_tag_o,
  output logic [Segments-1:0][31:0]          out_rows_o,

  output logic [6:0]                         sat_o
);

  embedding_row #(.Segments(Segments), .Bytes(2)) u_embedding_row (
    .clk_i, .rst_ni, .in_valid_i, .in_ready_o, .in_label_i, .in_data_i,
    .out_valid_o, .out_ready_i, .out_tag_o, .out_rows_o, .sat_o
  );

  `ASSERT(in_valid_i |-> in_label_i.tag.op == OpPos, ("pos_embedding: a beat of another job"))

endmodule
