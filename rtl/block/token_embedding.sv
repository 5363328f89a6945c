// SPDX-License-Identifier: Apache-2.0
//
// token_embedding - one int8 row of the token table as rows of the residual
//
//   row[c] = w[c] * scale,   scale = (2048 + f) * 2^(e - 35)
//
// In      the beats of an OpToken job, valid/ready: a side beat, whose word side_index holds
//         the row's scale, then n_head beats whose segment row_in_group holds 64 of its int8
// Out     rows, Q14.16, Segments a cycle, valid/ready; tag.group ascends over the whole row, with
//         tag.last on the last
// Rounds  half up; nothing saturates: the largest scale gives 32 bits, one more than a row_t
// Timing  64 / Segments cycles a beat, 1 for the side beat; latency 5 from a beat to its first rows
// Stores  one segment of the current beat; the next beat is taken with its last rows
// Golden  golden/token_embedding.c: token_embedding() - equal bit for bit

`include "assert.svh"

module token_embedding
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
  output logic [Segments-1:0][31:0]          out_rows_o
);

  embedding_row #(.Segments(Segments), .Bytes(1)) u_embedding_row (
    .clk_i, .rst_ni, .in_valid_i, .in_ready_o, .in_label_i, .in_data_i,
    .out_valid_o, .out_ready_i, .out_tag_o, .out_rows_o, .sat_o()
  );

  `ASSERT(in_valid_i |-> in_label_i.tag.op == OpToken, ("token_embedding: a beat of another job"))

endmodule
