// SPDX-License-Identifier: Apache-2.0
//
// controller - the token loop: the prompt, then generation, the context crop, the stop
//
//   The prompt's ids run at positions 0, 1, ... The head's choice after the last is a token, which
//   runs at the next position, and so on until max_new tokens or the stop id
//
// An id that would need position n_ctx crops the history to its newest n_ctx / 2 ids, that id
// included; these run again from position 0. The history is a ring: only its base moves.
//
// In      start   a pulse: a run begins; its settings are held until done
//         prompt  ids in order, last on the last; valid/ready. All are taken before the first step
//         choice  the id chosen by a step with head; valid/ready
//         step_done  a pulse: a step without head is over
// Out     step    id, position; head: at the history's last position if a token is wanted, or at
//                 every position if all_heads; recomputed: the history was just cropped; after: how
//                 many steps follow in its batch. A batch ends before a multiple of Positions, with
//                 the history, or with a head; valid/ready
//         tok     the tokens, the stop id included; last on the run's last; valid/ready
//         done    a pulse: the loop is over. error: ErrNone, or why no step ran: ErrPromptLong,
//                 ErrPromptId (the port cannot express an empty prompt); held to the next start
// Timing  3 cycles from a choice to the next step
// Keeps   MaxCtx ids
// Assumes 2 <= n_ctx <= MaxCtx, start_i only when busy_o is low: run_control ensures both
// Golden  golden/controller.c: controller_run()

`include "assert.svh"

module controller
  import gpt2_pkg::*;
#(
  parameter int unsigned MaxCtx    = 1024,
  parameter int unsigned Positions = 1           // of a batch
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  config_t     cfg_i,

  input  logic        start_i,
  input  logic [31:0] max_new_i,
  input  logic        stop_en_i,
  input  logic [16:0] stop_id_i,
  input  logic        all_heads_i,
  output logic        busy_o,
  output logic        waits_o,  // for a choice or the end of a step
  output logic        done_o,
  output error_e      error_o,

  input  logic        prompt_valid_i,
  output logic        prompt_ready_o,
  input  logic [16:0] prompt_id_i,
  input  logic        prompt_last_i,

  output logic        tok_valid_o,
  input  logic        tok_ready_i,
  output logic [16:0] tok_id_o,
  output logic        tok_last_o,  // the run's last

  output logic        step_valid_o,
  input  logic        step_ready_i,
  output step_t       step_o,
  input  logic        step_done_i,
  input  logic        choice_valid_i,
  output logic        choice_ready_o,
  input  logic [16:0] choice_id_i
);

  localparam int unsigned AddrWidth = $clog2(MaxCtx);
  localparam int unsigned CountBits = $bits(cfg_i.n_ctx);

  typedef logic [AddrWidth-1:0] addr_t;          // in the ring
  typedef logic [CountBits-1:0] count_t;         // of ids

  typedef enum logic [2:0] {
    StIdle,
    StPrompt,                                    // ids to the history
    StRead,                                      // an id from the history
    StStep,                                      // to the core
    StWait,                                      // for its end
    StToken,                                     // the choice goes out and to the history
    StDone
  } state_e;

  state_e      state_q;
  error_e      error_q;
  addr_t       base_q;                           // where position 0 is
  count_t      count_q;                          // ids in the history
  count_t      position_q;
  logic        recomputed_q;
  logic [31:0] left_q;                           // tokens to come
  logic [16:0] choice_q;

  // The history: ids from base_q on, in a ring.
  logic [16:0] id_q;
  logic        write;

  // ------------------------------------------------------------------------------------ the loop

  logic       full, last, head, step_over, stops, bad_id;
  logic [3:0] rest, after;
  count_t     half_ctx, known;

  assign full      = count_q == cfg_i.n_ctx;
  assign half_ctx  = cfg_i.n_ctx >> 1;
  assign last      = position_q == count_q - 1'b1;
  assign head      = all_heads_i || (last && left_q != '0);
  assign step_over = head ? choice_valid_i : step_done_i;
  // How many positions follow this one before the next multiple of Positions, and in the history.
  assign rest      = ~4'(position_q) & 4'(Positions - 1);
  assign known     = count_q - 1'b1 - position_q;
  assign after     = all_heads_i ? '0 : (known <= count_t'(rest)) ? 4'(known) : rest;
  assign stops     = left_q == 32'd1 || (stop_en_i && choice_q == stop_id_i);
  assign bad_id    = prompt_id_i >= cfg_i.n_vocab;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= StIdle;
      error_q <= ErrNone;
    end else begin
      unique case (state_q)
        StIdle: if (start_i) begin
          state_q      <= StPrompt;
          error_q      <= ErrNone;
          base_q       <= '0;
          count_q      <= '0;
          position_q   <= '0;
          recomputed_q <= 1'b0;
          left_q       <= max_new_i;
        end

        StPrompt: if (prompt_valid_i) begin
          if (full) begin
            error_q <= ErrPromptLong;
          end else begin
            if (bad_id) error_q <= ErrPromptId;
            count_q <= count_q + 1'b1;
          end
          if (prompt_last_i) state_q <= (error_q == ErrNone && !full && !bad_id) ? StRead : StDone;
        end

        StRead: begin
          state_q <= StStep;
        end

        StStep: if (step_ready_i) begin
          state_q <= (after == '0) ? StWait : StRead;
          if (after != '0) position_q <= position_q + 1'b1;
        end

        StWait: if (step_over) begin
          choice_q <= choice_id_i;
          if (!last) begin
            position_q <= position_q + 1'b1;
            state_q    <= StRead;
          end else begin
            state_q <= left_q != '0 ? StToken : StDone;
          end
        end

        StToken: if (tok_ready_i) begin
          left_q  <= left_q - 1'b1;
          state_q <= stops ? StDone : StRead;
          if (!stops) begin
            recomputed_q <= full;
            count_q      <= full ? half_ctx : count_q + 1'b1;
            position_q   <= full ? '0 : count_q;
            if (full) base_q <= base_q + addr_t'(cfg_i.n_ctx + 1'b1 - half_ctx);
          end
        end

        default: state_q <= StIdle;              // StDone
      endcase
    end
  end

  assign write = (state_q == StPrompt && prompt_valid_i && !full) ||
                 (state_q == StToken && tok_ready_i && !stops);

  ram_1r1w #(.Width(17), .Depth(2**AddrWidth)) u_history (
    .clk_i,
    .wr_en_i(write), .wr_addr_i(base_q + addr_t'(count_q)), .wr_strb_i(1'b1),
    .wr_data_i(state_q == StPrompt ? prompt_id_i : choice_q),
    .rd_en_i(state_q == StRead), .rd_addr_i(base_q + addr_t'(position_q)), .rd_data_o(id_q)
  );

  assign busy_o            = state_q != StIdle;
  assign waits_o           = state_q == StWait;
  assign done_o            = state_q == StDone;
  assign error_o           = error_q;
  assign prompt_ready_o    = state_q == StPrompt;
  assign tok_valid_o       = state_q == StToken;
  assign tok_id_o          = choice_q;
  assign tok_last_o        = stops;
  assign step_valid_o      = state_q == StStep;
  assign step_o            = '{id: id_q, position: position_q[9:0], after: after, head: head,
                               recomputed: recomputed_q};
  assign choice_ready_o    = state_q == StWait && head;

  // ---------------------------------------------------------------------------------- assertions

  `ERROR_IF(max_ctx,
            MaxCtx < 2 || MaxCtx > 1024,
            ("MaxCtx = %0d must be 2 to 1024, which a position's 10 bits can tell", MaxCtx))
  `ERROR_IF(positions,
            Positions < 1 || Positions > MaxPositions || (Positions & (Positions - 1)) != 0,
            ("Positions must be 1, 2, 4, 8 or 16, not %0d", Positions))
  `ASSERT(busy_o |-> cfg_i.n_ctx >= 2 && 32'(cfg_i.n_ctx) <= MaxCtx,
          ("%m: n_ctx = %0d must be 2 to %0d", cfg_i.n_ctx, MaxCtx))
  `ASSERT(start_i |-> !busy_o, ("%m: the loop was started before the last one was done"))
  `ASSERT(choice_valid_i && choice_ready_o |-> choice_id_i < cfg_i.n_vocab,
          ("%m: id %0d was chosen, beyond the vocabulary", choice_id_i))
  `ASSERT(step_valid_o && !step_ready_i |=> step_valid_o && $stable(step_o),
          ("%m: a step changed before it was taken"))
  `ASSERT(tok_valid_o && !tok_ready_i |=> tok_valid_o && $stable(tok_id_o),
          ("%m: a token changed before it was taken"))

endmodule
