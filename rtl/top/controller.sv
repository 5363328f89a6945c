// SPDX-License-Identifier: Apache-2.0
//
// controller - the token loop: the prompts, then generation, the context crop, the stop
//
//   The prompt's ids run at positions 0, 1, ... The head's choice after the last is a token, which
//   runs at the next position, and so on until max_new tokens or the stop id
//
// An id that would need position n_ctx crops the history to its newest n_ctx / 2 ids, that id
// included; these run again from position 0. The history is a ring: only its base moves.
//
// Up to Positions sequences, each from a prompt of its own, are under way, in places 0 ..
// Positions - 1. Between two batches it decides, in this order:
//   1. a prompt that waits goes to the lowest free place; it is taken whole
//   2. a sequence that has more than its newest id to run, the lowest first, gets a batch of its
//      own: up to a multiple of Positions, its history's end, or a head
//   3. otherwise all run their newest ids in one batch
// A sequence that ends leaves its place at once. The run ends when no prompt is to come and none is
// under way.
//
// In      start   a pulse: a run begins; its settings are held until done
//         more_prompts   how many follow the first
//         prompt  ids in order, last on a prompt's last; valid/ready
//         no_seed   with a prompt's last id: its seed is 0
//         choice  the id chosen by a step with head, and its sequence; valid/ready
//         step_done  a pulse: a batch without head is over
// Out     seed    a pulse, a cycle after a prompt's last id: sets up the sequence's generator
//         step    id, position and the rest of step_t; head at a history's last position if a token
//                 is wanted; valid/ready. With all_heads_i each step is a batch, with head, and
//                 only place 0 is used
//         tok     the tokens of each sequence in order, the stop id included, with the number of its
//                 prompt; last on the sequence's last; valid/ready
//         done    a pulse: the loop is over. error: ErrNone, or ErrPromptLong, ErrPromptId or
//                 ErrSeed if a prompt was refused (the port cannot express an empty prompt): the
//                 loop ends when its last id has come, other sequences too; held to the next start
// Timing  3 cycles from a choice to the next step; with Positions > 1 one more, and each step of a
//         batch takes 2
// Keeps   MaxCtx ids for each of Positions
// Assumes 2 <= n_ctx <= MaxCtx, start_i only when busy_o is low: run_control ensures both
// Golden  golden/controller.c: controller_run() for each sequence

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
  input  logic [15:0] more_prompts_i,
  output logic        busy_o,
  output logic        waits_o,  // for a choice or the end of a step
  output logic        done_o,
  output error_e      error_o,

  input  logic        prompt_valid_i,
  output logic        prompt_ready_o,
  input  logic [16:0] prompt_id_i,
  input  logic        prompt_last_i,
  input  logic        no_seed_i,

  output logic        tok_valid_o,
  input  logic        tok_ready_i,
  output logic [16:0] tok_id_o,
  output logic        tok_last_o,  // the sequence's last
  output logic [15:0] tok_prompt_o,

  output logic        seed_valid_o,
  output logic [3:0]  seed_seq_o,
  output logic        step_valid_o,
  input  logic        step_ready_i,
  output step_t       step_o,
  input  logic        step_done_i,
  input  logic        choice_valid_i,
  output logic        choice_ready_o,
  input  logic [16:0] choice_id_i,
  input  logic [3:0]  choice_seq_i
);

  localparam int unsigned AddrWidth = $clog2(MaxCtx);
  localparam int unsigned CountBits = $bits(cfg_i.n_ctx);

  typedef logic [AddrWidth-1:0] addr_t;          // in the ring
  typedef logic [CountBits-1:0] count_t;         // of ids
  typedef logic [$clog2(Positions)+AddrWidth-1:0] ring_t;  // in all rings

  localparam bit          Several = Positions > 1;
  localparam int unsigned SeqBits = Several ? $clog2(Positions) : 1;

  typedef logic [SeqBits-1:0]   seq_t;
  typedef logic [Positions-1:0] places_t;

  typedef enum logic [2:0] {
    StIdle,
    StPrompt,                                    // ids to a history
    StRead,                                      // an id from a history
    StStep,                                      // to the core
    StWait,                                      // for the end of a batch, or for a choice
    StToken,                                     // the choice goes out and to the history
    StDone,
    StPick                                       // what is next
  } state_e;

  state_e      state_q;
  error_e      error_q;
  logic [16:0] choice_q;

  // The sequence of each place.
  places_t     active_q;                         // there is one
  addr_t       base_q       [Positions];         // where position 0 is
  count_t      count_q      [Positions];         // ids in the history
  count_t      position_q   [Positions];         // the next to run, or the last that ran
  logic        recomputed_q [Positions];
  logic [31:0] left_q       [Positions];         // tokens to come
  logic [15:0] prompt_q     [Positions];         // the number of its prompt
  logic [15:0] come_q;                           // prompts that were taken before
  logic        all_came_q;

  // The one that the loop is about.
  seq_t        seq_q;
  addr_t       base;
  count_t      count, position;
  logic [31:0] left;
  logic [16:0] id_q;
  logic        came_q;                           // its prompt, in the last cycle

  assign base     = base_q[seq_q];
  assign count    = count_q[seq_q];
  assign position = position_q[seq_q];
  assign left     = left_q[seq_q];

  // ------------------------------------------------------------------------------ what comes next

  function automatic seq_t lowest(places_t places);
    lowest = '0;
    for (int unsigned s = Positions; s > 0; s--) if (places[s-1]) lowest = seq_t'(s - 1);
  endfunction

  // Behind: more than the newest id is to run, or it has no head.
  places_t free, behind, ready;
  logic    picks_prompt, run_over;
  seq_t    pick;

  always_comb begin
    for (int unsigned s = 0; s < Positions; s++) begin
      behind[s] = active_q[s] && (all_heads_i || left_q[s] == '0 ||
                                  position_q[s] != count_q[s] - 1'b1);
    end
  end

  assign ready        = active_q & ~behind;
  assign free         = ~active_q & (all_heads_i ? places_t'(1) : '1);
  assign picks_prompt = !all_came_q && free != '0 && (prompt_valid_i || active_q == '0);
  assign run_over     = all_came_q && active_q == '0;
  assign pick         = picks_prompt   ? lowest(free)
                      : behind != '0   ? lowest(behind) : lowest(ready);

  // ------------------------------------------------------------------------------------ the loop

  logic       full, last, head, more, batch_over, stops, bad_id, bad_seed, begins, ends;
  logic [3:0] rest;
  count_t     half_ctx;

  // Of a batch of several: whose steps, and whose choices, are to come.
  logic       several_q;
  places_t    steps_q, choices_q, other_steps, other_choices;

  assign full       = count == cfg_i.n_ctx;
  assign half_ctx   = cfg_i.n_ctx >> 1;
  assign last       = position == count - 1'b1;
  assign head       = several_q || all_heads_i || (last && left != '0);
  assign batch_over = head ? choice_valid_i : step_done_i;
  assign stops      = left == 32'd1 || (stop_en_i && choice_q == stop_id_i);
  assign bad_id     = prompt_id_i >= cfg_i.n_vocab;
  assign bad_seed   = prompt_last_i && no_seed_i;

  assign other_steps   = steps_q & ~(places_t'(1) << seq_q);
  assign other_choices = choices_q & ~(places_t'(1) << seq_q);

  // Of one sequence: up to a multiple of Positions, or the history's end.
  assign rest = ~4'(position) & 4'(Positions - 1);
  assign more = several_q ? other_steps != '0 : !all_heads_i && rest != '0 && !last;

  // A sequence begins: seq, in the next cycle. One ends.
  assign begins = (state_q == StIdle && start_i && !Several) || (state_q == StPick && picks_prompt);
  assign ends   = (state_q == StToken && tok_ready_i && stops) ||
                  (state_q == StWait && batch_over && !several_q && last && left == '0);

  wire seq_t      new_seq  = (state_q == StIdle) ? '0 : pick;
  wire     [15:0] new_come = (state_q == StIdle) ? '0 : come_q;

  // After a batch, or a sequence.
  wire state_e after_batch = Several ? StPick : StRead;
  wire state_e after_end   = (Several || !all_came_q) ? StPick : StDone;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= StIdle;
      error_q <= ErrNone;
      seq_q   <= '0;
      came_q  <= 1'b0;
    end else begin
      came_q <= state_q == StPrompt && prompt_valid_i && prompt_last_i;
      unique case (state_q)
        StIdle: if (start_i) begin
          state_q    <= Several ? StPick : StPrompt;
          error_q    <= ErrNone;
          active_q   <= '0;
          come_q     <= '0;
          all_came_q <= 1'b0;
          several_q  <= 1'b0;
        end

        StPick: begin
          state_q   <= run_over ? StDone : picks_prompt ? StPrompt : StRead;
          seq_q     <= pick;
          several_q <= Several && !picks_prompt && behind == '0;
          steps_q   <= ready;
          choices_q <= ready;
        end

        StPrompt: if (prompt_valid_i) begin
          if (full) begin
            error_q <= ErrPromptLong;
          end else begin
            if (bad_id) error_q <= ErrPromptId;
            else if (bad_seed && error_q == ErrNone) error_q <= ErrSeed;
            count_q[seq_q] <= count + 1'b1;
          end
          if (prompt_last_i) begin
            state_q <= (error_q == ErrNone && !full && !bad_id && !bad_seed) ? after_batch
                                                                             : StDone;
          end
        end

        StRead: begin
          state_q <= StStep;
        end

        StStep: if (step_ready_i) begin
          state_q <= more ? StRead : StWait;
          steps_q <= other_steps;
          if (several_q && more)  seq_q             <= lowest(other_steps);
          if (!several_q && more) position_q[seq_q] <= position + 1'b1;
        end

        StWait: if (batch_over) begin
          choice_q <= choice_id_i;
          if (several_q) begin
            seq_q   <= seq_t'(choice_seq_i);
            state_q <= StToken;
          end else if (!last) begin
            position_q[seq_q] <= position + 1'b1;
            state_q           <= after_batch;
          end else begin
            state_q <= left != '0 ? StToken : after_end;
          end
        end

        StToken: if (tok_ready_i) begin
          left_q[seq_q] <= left - 1'b1;
          choices_q     <= other_choices;
          state_q       <= (several_q && other_choices != '0) ? StWait
                         : stops ? after_end : after_batch;
          if (!stops) begin
            recomputed_q[seq_q] <= full;
            count_q[seq_q]      <= full ? half_ctx : count + 1'b1;
            position_q[seq_q]   <= full ? '0 : count;
            if (full) base_q[seq_q] <= base + addr_t'(cfg_i.n_ctx + 1'b1 - half_ctx);
          end
        end

        default: state_q <= StIdle;              // StDone
      endcase
      if (begins) begin
        active_q[new_seq]     <= 1'b1;
        base_q[new_seq]       <= '0;
        count_q[new_seq]      <= '0;
        position_q[new_seq]   <= '0;
        recomputed_q[new_seq] <= 1'b0;
        left_q[new_seq]       <= max_new_i;
        prompt_q[new_seq]     <= new_come;
        come_q                <= new_come + 1'b1;
        all_came_q            <= new_come == more_prompts_i;
      end
      if (ends) active_q[seq_q] <= 1'b0;
    end
  end

  // The history: ids from base on, in a ring for each place.
  wire write = (state_q == StPrompt && prompt_valid_i && !full) ||
               (state_q == StToken && tok_ready_i && !stops);

  addr_t wr_addr, rd_addr;
  assign wr_addr = base + addr_t'(count);
  assign rd_addr = base + addr_t'(position);

  ram_1r1w #(.Width(17), .Depth(Positions * 2**AddrWidth)) u_history (
    .clk_i,
    .wr_en_i(write), .wr_addr_i(ring_t'({seq_q, wr_addr})), .wr_strb_i(1'b1),
    .wr_data_i(state_q == StPrompt ? prompt_id_i : choice_q),
    .rd_en_i(state_q == StRead), .rd_addr_i(ring_t'({seq_q, rd_addr})), .rd_data_o(id_q)
  );

  assign busy_o         = state_q != StIdle;
  assign waits_o        = state_q == StWait;
  assign done_o         = state_q == StDone;
  assign error_o        = error_q;
  assign prompt_ready_o = state_q == StPrompt;
  assign tok_valid_o    = state_q == StToken;
  assign tok_id_o       = choice_q;
  assign tok_last_o     = stops;
  assign tok_prompt_o   = prompt_q[seq_q];
  assign seed_valid_o   = came_q;
  assign seed_seq_o     = 4'(seq_q);
  assign step_valid_o   = state_q == StStep;
  assign step_o         = '{
    id: id_q, position: position[9:0], seq: 4'(seq_q), prompt: prompt_q[seq_q],
    several: several_q, more: more, head: head, recomputed: recomputed_q[seq_q]
  };
  assign choice_ready_o = state_q == StWait && head;

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
  `ASSERT(choice_valid_i && choice_ready_o && several_q |-> choices_q[seq_t'(choice_seq_i)],
          ("%m: a choice for sequence %0d, which has none to come", choice_seq_i))
  `ASSERT(choice_valid_i && choice_ready_o |-> choice_id_i < cfg_i.n_vocab,
          ("%m: id %0d was chosen, beyond the vocabulary", choice_id_i))
  `ASSERT(step_valid_o && !step_ready_i |=> step_valid_o && $stable(step_o),
          ("%m: a step changed before it was taken"))
  `ASSERT(tok_valid_o && !tok_ready_i |=> tok_valid_o && $stable(tok_id_o),
          ("%m: a token changed before it was taken"))

endmodule
