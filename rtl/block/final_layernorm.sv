// SPDX-License-Identifier: Apache-2.0

// final_layernorm - decides what follows an addition to the residual: a LayerNorm, ln_f, or nothing
//
//   OpToken, OpProj, OpMlp2 of any layer but the last:        ln_1 or ln_2 of the next sublayer
//   OpMlp2 of the last layer, head wanted:                    ln_f, which makes the head's operands
//   OpMlp2 of the last layer, head not wanted:                the position is over
//
// ln_f has the arithmetic of every LayerNorm, with its own parameters, so it runs on layernorm.
// This module only detects the last pass, and when the head's operands are complete.
//
// In      sums   pulse and tag of a pass of residual_add
//         blk    a block of layernorm is taken
// Out     norm_start   pulse, in the cycle of the sums: layernorm begins
//         step_done    pulse, in the cycle of the sums: the position ends without logits
//         head_ready   high from the last block of ln_f on, until the next step's first sums
//         heads, heads_skipped   counts of both since reset, 32 bits each, wrapping
// Golden  golden/final_layernorm.c and the order of calls in golden/gpt2_core.c

`include "assert.svh"

module final_layernorm
  import gpt2_pkg::*;
(
  input  logic        clk_i,
  input  logic        rst_ni,
  input  config_t     cfg_i,

  input  logic        sums_valid_i,
  input  tag_t        sums_tag_i,
  input  logic        blk_taken_i,

  output logic        norm_start_o,
  output logic        step_done_o,
  output logic        head_ready_o,

  output logic [31:0] heads_o,
  output logic [31:0] heads_skipped_o
);

  typedef enum logic [1:0] {
    StLayers,                              // LayerNorms of the layers
    StNorm,                                // ln_f under way
    StReady                                // all its blocks are taken
  } state_e;

  state_e     state_q, state_d;
  logic [5:0] blocks_q, blocks_d;          // of ln_f, taken so far
  logic       step_ends, head;

  assign step_ends = sums_tag_i.op == OpMlp2 && sums_tag_i.final_layer;
  assign head      = sums_tag_i.want_head;

  always_comb begin
    state_d      = state_q;
    blocks_d     = blocks_q;
    norm_start_o = 1'b0;
    step_done_o  = 1'b0;

    unique case (state_q)
      StNorm: begin
        if (blk_taken_i) begin
          blocks_d = blocks_q + 6'd1;
          if (blocks_d == cfg_i.n_head) state_d = StReady;
        end
      end
      default: ;                           // StLayers, StReady: wait for the next sums
    endcase

    if (sums_valid_i) begin
      norm_start_o = !step_ends || head;
      step_done_o  = step_ends && !head;
      state_d      = (step_ends && head) ? StNorm : StLayers;
      blocks_d     = '0;
    end
  end

  assign head_ready_o = state_q == StReady;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q         <= StLayers;
      blocks_q        <= '0;
      heads_o         <= '0;
      heads_skipped_o <= '0;
    end else begin
      state_q  <= state_d;
      blocks_q <= blocks_d;
      if (state_q == StNorm && state_d == StReady) heads_o <= heads_o + 32'd1;
      if (sums_valid_i && step_ends && !head) heads_skipped_o <= heads_skipped_o + 32'd1;
    end
  end

  `ASSERT(sums_valid_i |-> state_q != StNorm,
          ("final_layernorm: the residual was changed while ln_f was reading it"))
  `ASSERT(sums_valid_i |-> sums_tag_i.op inside {OpToken, OpProj, OpMlp2},
          ("final_layernorm: sums of a job that does not end a pass of the residual"))
  `ASSERT(blk_taken_i |-> state_q != StReady, ("final_layernorm: more blocks than ln_f has"))

endmodule
