// SPDX-License-Identifier: Apache-2.0

// layernorm_quarter - layernorm with a quarter of its elements a cycle, for test_layernorm
module layernorm_quarter
  import gpt2_pkg::*;
#(
  parameter int unsigned Segments = 4
) (
  input  logic                          clk_i,
  input  logic                          rst_ni,
  input  config_t                       cfg_i,

  input  logic                          par_valid_i,
  output logic                          par_ready_o,
  input  label_t                        par_label_i,
  input  logic [HeadDim*Segments*8-1:0] par_data_i,

  input  logic                          start_i,
  input  logic signed [37:0]            sum_i,
  input  logic [62:0]                   sum_sq_i,
  output logic                          busy_o,

  output logic                          rd_en_o,
  output logic [5:0]                    rd_block_o,
  input  logic [HeadDim-1:0][31:0]      rd_rows_i,

  output logic                          blk_valid_o,
  input  logic                          blk_ready_i,
  output logic [7:0]                    blk_slot_o,
  output logic                          blk_last_o,
  output logic [HeadDim/4-1:0][31:0]    blk_rows_o,

  output logic [6:0]                    sat_norm_o,
  output logic [6:0]                    sat_row_o
);

  layernorm #(.Segments, .NormWidth(HeadDim / 4)) u_layernorm (.*);

endmodule
