// SPDX-License-Identifier: Apache-2.0
//
// attention_core - for each head: turns scores into probabilities, and weighted values into an
// operand
//
//   p = softmax(scores) * v_scale,   o = p V / z        (the engine multiplies by K and by V)
//
// In      rows         of OpScores: position + 1 of them, the last group may hold fewer than
//                      Segments; v_scales: theirs. Of OpPv: 64 rows, already divided, because
//                      rescale multiplies them by pv_scale. Rigid
// Out     p_blk        probabilities, ExpWidth rows of the block of a tile of 64 positions, for
//                      slot 6 MaxHeads + 2 + (head % 2) MaxCtx/64 + tile; valid/ready
//         o_blk        Segments rows of the head's output, for slot MaxHeads + head; rigid
//         pv_scale     1/z of the newest even and odd head; valid before the last p_blk is offered
//         scores_free  a scores job may be issued; falls with the first rows of one
// Rounds  nothing itself
// Timing  softmax's; o_blk as rows arrive
// Keeps   two scales; the state of softmax
// Assumes that PV rows of a head are scaled before the scores of the head after the next arrive
// Golden  golden/attention_core.c: attention_core() between its jobs - equal bit for bit

`include "assert.svh"

module attention_core
  import gpt2_pkg::*;
#(
  parameter int unsigned Segments = 16,
  parameter int unsigned MaxHeads = 25,
  parameter int unsigned MaxCtx   = 1024,
  parameter int unsigned ExpWidth = Segments
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,

  input  logic                      rows_valid_i,
  input  tag_t                      rows_tag_i,
  input  logic [Segments-1:0][31:0] rows_i,
  input  logic [Segments-1:0][15:0] v_scales_i,

  output logic                      p_blk_valid_o,
  input  logic                      p_blk_ready_i,
  output logic [7:0]                p_blk_slot_o,
  output logic [ExpWidth-1:0][31:0] p_blk_rows_o,

  output logic                      o_blk_valid_o,
  output logic [7:0]                o_blk_slot_o,
  output logic [Segments-1:0][31:0] o_blk_rows_o,

  output scale_t [1:0]              pv_scale_o,
  output logic                      scores_free_o,
  output logic                      busy_o,      // a head's softmax is under way
  output logic [6:0]                sat_o
);

  localparam int unsigned MaxTiles = MaxCtx / HeadDim;
  localparam int unsigned SlotO    = o_slot(MaxHeads);
  localparam int unsigned SlotP    = p_slot(MaxHeads);

  // ----------------------------------------------------------------------- scores to probabilities

  logic       is_score, p_bank, inv_z_valid, inv_z_bank;
  logic [3:0] p_tile;
  scale_t     inv_z;

  assign is_score = rows_valid_i && rows_tag_i.op == OpScores;

  softmax #(
    .Segments(Segments), .MaxCtx(MaxCtx), .ExpWidth(ExpWidth)
  ) u_softmax (
    .clk_i, .rst_ni,
    .in_valid_i(is_score), .in_first_i(rows_tag_i.group == 0), .in_last_i(rows_tag_i.last),
    .in_bank_i(rows_tag_i.head[0]), .in_len_i(11'(rows_tag_i.position) + 11'd1),
    .in_scores_i(rows_i), .in_scales_i(v_scales_i), .scores_free_o,
    .blk_valid_o(p_blk_valid_o), .blk_ready_i(p_blk_ready_i), .blk_bank_o(p_bank),
    .blk_tile_o(p_tile), .blk_rows_o(p_blk_rows_o),
    .inv_z_valid_o(inv_z_valid), .inv_z_bank_o(inv_z_bank), .inv_z_o(inv_z), .busy_o, .sat_o
  );

  assign p_blk_slot_o = 8'(SlotP) + (p_bank ? 8'(MaxTiles) : 8'd0) + 8'(p_tile);

  // ---------------------------------------------------------------------------- division, by scale

  scale_t [1:0] pv_scale_q;

  always_ff @(posedge clk_i) begin
    if (inv_z_valid) pv_scale_q[inv_z_bank] <= inv_z;
  end

  assign pv_scale_o = pv_scale_q;

  // -------------------------------------------------------------------- weighted values to a block

  assign o_blk_valid_o = rows_valid_i && rows_tag_i.op == OpPv;
  assign o_blk_slot_o  = 8'(SlotO) + 8'(rows_tag_i.head);
  assign o_blk_rows_o  = rows_i;

  // ------------------------------------------------------------------------------------ assertions

  `ERROR_IF(max_heads,
            slot_count(MaxHeads, MaxCtx) > 256,
            ("MaxHeads = %0d and MaxCtx = %0d need more than 256 operand slots", MaxHeads, MaxCtx))
  `ASSERT(is_score
          |-> rows_tag_i.last == (32'(rows_tag_i.group) == 32'(rows_tag_i.position) / Segments),
          ("%m: the last scores are not those of the newest position"))

endmodule
