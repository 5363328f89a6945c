// SPDX-License-Identifier: Apache-2.0
//
// softmax_quarter - softmax with a quarter of the exponentials a cycle, for test_softmax.c
module softmax_quarter
  import gpt2_pkg::*;
#(
  parameter int unsigned Segments = 16
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,

  input  logic                      in_valid_i,
  input  logic                      in_first_i,
  input  logic                      in_last_i,
  input  logic                      in_bank_i,
  input  logic [10:0]               in_len_i,
  input  logic [Segments-1:0][31:0] in_scores_i,
  input  logic [Segments-1:0][15:0] in_scales_i,
  output logic                      scores_free_o,

  output logic                      blk_valid_o,
  input  logic                      blk_ready_i,
  output logic                      blk_bank_o,
  output logic [3:0]                blk_tile_o,
  output logic [Segments/4-1:0][31:0] blk_rows_o,

  output logic                      inv_z_valid_o,
  output logic                      inv_z_bank_o,
  output scale_t                    inv_z_o,

  output logic                      busy_o,
  output logic [6:0]                sat_o
);

  softmax #(.Segments(Segments), .ExpWidth(Segments / 4)) u_softmax (.*);

endmodule
