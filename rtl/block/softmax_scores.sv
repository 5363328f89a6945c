// SPDX-License-Identifier: Apache-2.0
//
// softmax_scores - stores one head's scores and V scales for softmax, and finds the greatest score
//
// In      s, v_scale   len scores (Q14.16) and V scales, Segments per cycle, t ascending, lanes
//                      beyond len ignored; rigid
//         score_rd, scale_rd   a word: Segments of each, one cycle later, held until the next
//         read_done    with the last read of a head's words
// Out     max          the greatest score, with a pulse, 2 + ceil(log4 Segments) cycles after the
//                      last score; held until the next head's
//         free         every word has been read: a head's scores may arrive
// Keeps   MaxCtx scores and scales
// Golden  golden/softmax.c: the maximum of softmax() - equal bit for bit

`include "assert.svh"

module softmax_scores
  import gpt2_pkg::*;
#(
  parameter int unsigned Segments = 16,
  parameter int unsigned MaxCtx   = 1024,
  localparam int unsigned Words    = MaxCtx / Segments,
  localparam int unsigned WordBits = (Words > 1) ? $clog2(Words) : 1
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,

  input  logic                      in_valid_i,
  input  logic                      in_first_i,
  input  logic                      in_last_i,
  input  logic [10:0]               in_len_i,
  input  logic [Segments-1:0][31:0] in_scores_i,
  input  logic [Segments-1:0][15:0] in_scales_i,
  output logic                      free_o,

  output logic                      max_valid_o,
  output logic [31:0]               max_score_o,

  input  logic                      score_rd_en_i,
  input  logic [WordBits-1:0]       score_rd_word_i,
  output logic [Segments-1:0][31:0] scores_o,
  input  logic                      scale_rd_en_i,
  input  logic [WordBits-1:0]       scale_rd_word_i,
  output logic [Segments-1:0][15:0] scales_o,
  input  logic                      read_done_i
);

  localparam int unsigned LogS = $clog2(Segments);

  localparam logic [31:0] Lowest = 32'h8000_0000;

  logic [WordBits-1:0]       in_word, in_word_q;
  logic [Segments-1:0][31:0] lane_max_q;           // of lane s so far
  logic                      in_last_q;
  logic                      free_q;

  assign in_word = in_first_i ? '0 : in_word_q;

  always_ff @(posedge clk_i) begin
    if (in_valid_i) in_word_q <= in_word + 1'b1;
  end

  for (genvar s = 0; s < int'(Segments); s++) begin : gen_max
    always_ff @(posedge clk_i) begin
      if (in_valid_i) begin
        if (in_first_i) begin
          lane_max_q[s] <= (11'(s) < in_len_i) ? in_scores_i[s] : Lowest;
        end else if (((32'(in_word) << LogS) + 32'(s) < 32'(in_len_i)) &&
                     $signed(lane_max_q[s]) < $signed(in_scores_i[s])) begin
          lane_max_q[s] <= in_scores_i[s];
        end
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) in_last_q <= 1'b0;
    else         in_last_q <= in_valid_i && in_last_i;
  end

  max_tree #(.Width(Segments)) u_max_tree (
    .clk_i, .rst_ni,
    .in_valid_i(in_last_q), .in_x_i(lane_max_q), .out_valid_o(max_valid_o), .out_max_o(max_score_o)
  );

  // free_q ensures that neither memory is read while it is written.
  ram_1r1w #(.Width(32 * Segments), .Depth(Words)) u_scores (
    .clk_i,
    .wr_en_i(in_valid_i), .wr_addr_i(in_word), .wr_strb_i(1'b1), .wr_data_i(in_scores_i),
    .rd_en_i(score_rd_en_i), .rd_addr_i(score_rd_word_i), .rd_data_o(scores_o)
  );
  ram_1r1w #(.Width(16 * Segments), .Depth(Words)) u_scales (
    .clk_i,
    .wr_en_i(in_valid_i), .wr_addr_i(in_word), .wr_strb_i(1'b1), .wr_data_i(in_scales_i),
    .rd_en_i(scale_rd_en_i), .rd_addr_i(scale_rd_word_i), .rd_data_o(scales_o)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) free_q <= 1'b1;
    else         free_q <= (free_q || read_done_i) && !in_valid_i;
  end

  assign free_o = free_q && !in_valid_i;

  // ------------------------------------------------------------------------------------ assertions

  `ASSERT(in_valid_i && in_first_i |-> free_q,
          ("%m: a score arrived while the last head's scores were still needed"))
  `ASSERT(in_valid_i |-> in_len_i != 0 && in_len_i <= 11'(MaxCtx),
          ("%m: a head has no scores or more than MaxCtx"))

endmodule
