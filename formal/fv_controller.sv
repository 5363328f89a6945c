// SPDX-License-Identifier: Apache-2.0
//
// fv_controller - what is proved of controller:
//
//   steps and tokens hold until they are taken; only named states occur
//   it is busy from start to done, and done comes once a run; of each prompt it gives no more tokens
//   than requested, and no step after the last; a step's position is below n_ctx and counts up from 0
//   a step with head gives one choice; it takes as many prompts as it is told
//
// Assumed: start only when not busy; 2 <= n_ctx <= MaxCtx; settings are held during a run.
module fv_controller
  import gpt2_pkg::*;
(
  input logic        clk_i,
  input logic        rst_ni,
  input config_t     cfg_i,
  input logic        start_i,
  input logic [31:0] max_new_i,
  input logic        stop_en_i,
  input logic [16:0] stop_id_i,
  input logic        all_heads_i,
  input logic [15:0] more_prompts_i,
  input logic        prompt_valid_i,
  input logic [16:0] prompt_id_i,
  input logic        prompt_last_i,
  input logic        no_seed_i,
  input logic        tok_ready_i,
  input logic        step_ready_i,
  input logic        step_done_i,
  input logic        choice_valid_i,
  input logic [16:0] choice_id_i,
  input logic [3:0]  choice_seq_i
);

  localparam int unsigned MaxCtx = 64;
  localparam logic [2:0]  StRead = 3'd2, StStep = 3'd3, StWait = 3'd4, StToken = 3'd5, StDone = 3'd6, StPick = 3'd7;   // its state_e

  logic        busy, waits, done, prompt_ready, tok_valid, step_valid, choice_ready;
  error_e      error;
  logic [16:0] tok_id;
  step_t       step;

  controller #(.MaxCtx(MaxCtx)) dut (
    .clk_i, .rst_ni, .cfg_i, .start_i, .max_new_i, .stop_en_i, .stop_id_i, .all_heads_i,
    .more_prompts_i, .seed_valid_o(), .seed_seq_o(), .busy_o(busy), .waits_o(waits), .done_o(done), .error_o(error),
    .prompt_valid_i, .prompt_ready_o(prompt_ready), .prompt_id_i, .prompt_last_i, .no_seed_i,
    .tok_valid_o(tok_valid), .tok_ready_i, .tok_id_o(tok_id), .tok_last_o(), .tok_prompt_o(),
    .step_valid_o(step_valid), .step_ready_i, .step_o(step),
    .step_done_i, .choice_valid_i, .choice_ready_o(choice_ready), .choice_id_i, .choice_seq_i
  );

  stream_rules #(.Width(17)) tok (
    .clk_i, .rst_ni, .may_drop_i(1'b0), .valid_i(tok_valid), .ready_i(tok_ready_i),
    .payload_i(tok_id)
  );
  stream_rules #(.Width($bits(step_t) + 1)) steps (
    .clk_i, .rst_ni, .may_drop_i(1'b0), .valid_i(step_valid), .ready_i(step_ready_i),
    .payload_i(step)
  );

  // ---------------------------------------------------------------------------------- assumptions

  logic        first_q = 1'b1;
  config_t     cfg_q;
  logic [31:0] max_new_q;
  logic        stop_en_q, all_heads_q;
  logic [16:0] stop_id_q;
  logic [15:0] more_q;

  always_ff @(posedge clk_i) begin
    first_q     <= 1'b0;
    cfg_q       <= cfg_i;
    max_new_q   <= max_new_i;
    stop_en_q   <= stop_en_i;
    stop_id_q   <= stop_id_i;
    all_heads_q <= all_heads_i;
    more_q      <= more_prompts_i;
  end

  always_comb begin
    if (first_q) assume (!rst_ni);
    if (busy) begin
      assume (!start_i);
      assume (cfg_i == cfg_q && max_new_i == max_new_q && all_heads_i == all_heads_q);
      assume (stop_en_i == stop_en_q && stop_id_i == stop_id_q && more_prompts_i == more_q);
    end
    assume (cfg_i.n_ctx >= 2 && 32'(cfg_i.n_ctx) <= MaxCtx);
  end

  // ------------------------------------------------------------------------------------- the rules

  logic        run_q = 1'b0;                               // started and not done
  logic [31:0] tokens_q = '0;                              // of this prompt
  logic [15:0] prompts_q = '0;                             // that began
  logic        follows_q = 1'b0;                           // a step of this prompt was taken before
  logic [9:0]  position_q;                                 // its position
  logic        choice_q = 1'b0;                            // of the last step a choice is to come

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      run_q     <= 1'b0;
      follows_q <= 1'b0;
      choice_q  <= 1'b0;
    end else begin
      if (start_i)   run_q <= 1'b1;
      else if (done) run_q <= 1'b0;
      if (dut.begins) begin
        tokens_q  <= '0;
        follows_q <= 1'b0;
        prompts_q <= (start_i ? 16'd0 : prompts_q) + 16'd1;
      end
      if (tok_valid && tok_ready_i) tokens_q <= tokens_q + 1'b1;
      if (step_valid && step_ready_i) begin
        follows_q  <= 1'b1;
        position_q <= step.position;
        choice_q   <= step.head;
      end else if (choice_valid_i && choice_ready) begin
        choice_q <= 1'b0;
      end
    end

    if (!first_q) begin
      if (busy)      a_begun:  assert (prompts_q == dut.come_q && dut.all_came_q == (prompts_q == more_prompts_i + 16'd1));
      if (dut.state_q == StPick) a_free: assert (!dut.active_q && !dut.all_came_q && error == ErrNone);
      else if (dut.state_q == StDone) a_over: assert (error != ErrNone || (dut.all_came_q && !dut.active_q));
      else if (busy) a_active: assert (dut.active_q);
      if (busy && !dut.all_came_q) a_more: assert (prompts_q <= more_prompts_i);
      a_place0: assert (!dut.seq_q);
      a_single: assert (!busy || !dut.several_q);
      a_busy:   assert (busy == run_q);
      a_done:   assert (!done || run_q);
      a_one:    assert (32'(done) + 32'(tok_valid) + 32'(step_valid) + 32'(waits) + 32'(prompt_ready) <= 1);
      a_count:  assert (!busy || dut.count <= cfg_i.n_ctx);
      if (dut.state_q inside {StRead, StStep, StWait, StToken}) begin
        a_place: assert (dut.position < dut.count);
        a_error: assert (error == ErrNone);
      end
      if (prompt_ready) a_first: assert (dut.position == '0 && tokens_q == '0);
      if (busy)      a_left:   assert (dut.left + tokens_q == max_new_i);
      if (busy)      a_most:   assert (tokens_q <= max_new_i);
      if (tok_valid) a_wanted: assert (tokens_q < max_new_i && dut.left != '0);
      if (tok_valid) a_last:   assert (dut.position + 1'b1 == dut.count);
      if (dut.state_q inside {StRead, StStep, StWait}) a_ends: assert (dut.left != '0 || max_new_i == '0);
      if (dut.state_q == StWait) a_choice: assert (choice_q == choice_ready);
      if (dut.state_q inside {StWait, StToken}) begin
        a_taken: assert (follows_q && 11'(position_q) == 11'(dut.position));
      end
      if (dut.state_q inside {StRead, StStep}) begin
        a_next: assert (dut.position == '0 || (follows_q && 11'(dut.position) == 11'(position_q) + 1'b1));
      end
      if (step_valid) begin
        a_below: assert (11'(step.position) < 11'(cfg_i.n_ctx));
        a_same:  assert (11'(step.position) == 11'(dut.position));
      end
    end
    c_done:  cover (done && tokens_q == 32'd2);
    c_crop:  cover (step_valid && step.recomputed);
    c_error: cover (done && error != ErrNone);
  end

endmodule
