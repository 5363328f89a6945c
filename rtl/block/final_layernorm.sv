// SPDX-License-Identifier: Apache-2.0

// final_layernorm - decides what follows an addition to the residual: a LayerNorm, ln_f, or nothing
//
//   OpToken, OpProj, OpMlp2 of any layer but the last:        ln_1 or ln_2 of the next sublayer
//   OpMlp2 of the last layer, head wanted:                    ln_f, which makes the head's operands
//   OpMlp2 of the last layer, head not wanted:                the batch is over
//
// It follows when the sums of all the batch's members have come. ln_f is for those with a head: of
// one sequence's positions the last.
//
// ln_f has the arithmetic of every LayerNorm, with its own parameters, so it runs on layernorm.
// This module only detects the last pass, and when the head's operands are complete.
//
// In      sums   a pulse for each member, and the tag of the last member's, of a pass of residual_add
//         norm_done    the last block of a LayerNorm is taken
// Out     norm_start   pulse, in the cycle of the last sums: layernorm begins, for norm_members
//         step_done    pulse, in the cycle of the last sums: the batch ends without logits
//         head_ready   high from the last block of ln_f on, until the next batch's first LayerNorm
//         heads, heads_skipped   positions with and without since reset, 32 bits each, wrapping
// Golden  golden/final_layernorm.c and the order of calls in golden/gpt2_core.c

`include "assert.svh"

module final_layernorm
  import gpt2_pkg::*;
#(
  parameter int unsigned Positions = 1
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  batch_t      batch_i,

  input  logic [Positions-1:0] sums_valid_i,
  input  tag_t        sums_tag_i,
  input  logic        norm_done_i,

  output logic        norm_start_o,
  output logic [Positions-1:0] norm_members_o,
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

  typedef logic [Positions-1:0] members_t;

  state_e   state_q, state_d;
  members_t members, with_head;            // of the batch
  members_t came, came_q;                  // those whose sums have come
  logic     all_came, step_ends, head;

  assign members   = members_t'(batch_i.members);
  assign with_head = batch_i.several ? members : members_t'(MaxPositions'(1) << batch_i.last);
  assign came      = came_q | sums_valid_i;
  assign all_came  = sums_valid_i != '0 && came == members && !batch_i.more;
  assign step_ends = sums_tag_i.op == OpMlp2 && sums_tag_i.final_layer;
  assign head      = sums_tag_i.want_head;

  assign norm_start_o   = all_came && (!step_ends || head);
  assign norm_members_o = step_ends ? with_head : members;
  assign step_done_o    = all_came && step_ends && !head;

  always_comb begin
    state_d = state_q;
    if (all_came)                               state_d = (step_ends && head) ? StNorm : StLayers;
    else if (state_q == StNorm && norm_done_i) state_d = StReady;
  end

  assign head_ready_o = state_q == StReady;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q         <= StLayers;
      came_q          <= '0;
      heads_o         <= '0;
      heads_skipped_o <= '0;
    end else begin
      state_q <= state_d;
      came_q  <= all_came ? '0 : came;
      if (all_came && step_ends) begin
        heads_o         <= heads_o + (head ? 32'($countones(with_head)) : '0);
        heads_skipped_o <= heads_skipped_o
                           + 32'($countones(head ? members & ~with_head : members));
      end
    end
  end

  `ASSERT(sums_valid_i != '0 |-> state_q != StNorm,
          ("final_layernorm: the residual was changed while ln_f was reading it"))
  `ASSERT((sums_valid_i & came_q) == '0, ("final_layernorm: a member's sums came twice"))
  `ASSERT((sums_valid_i & ~members) == '0, ("final_layernorm: sums of no member of the batch"))
  `ASSERT(all_came |-> sums_tag_i.op inside {OpToken, OpProj, OpMlp2},
          ("final_layernorm: sums of a job that does not end a pass of the residual"))

endmodule
