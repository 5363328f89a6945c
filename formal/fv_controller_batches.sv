// SPDX-License-Identifier: Apache-2.0
//
// fv_controller_batches - what is proved of controller with two sequences at a time:
//
//   steps and tokens hold until they are taken
//   it is busy from start to done, and done comes once a run; it takes as many prompts as it is told,
//   each in a free place; without an error it is done when all have come and none is under way
//   each place's steps and tokens are of its own prompt; a step's position is below n_ctx and is the
//   next or that of a crop; no more tokens than requested, and none after the last
//   a batch of several has one step of each, all with head, and waits for each choice
//
// Assumed: what fv_controller assumes; a choice is for a sequence whose step is to get one.
module fv_controller_batches
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

  localparam int unsigned MaxCtx = 64, Positions = 2;
  localparam logic [2:0]  StIdle = 3'd0, StPrompt = 3'd1, StRead = 3'd2, StStep = 3'd3, StWait = 3'd4, StToken = 3'd5, StDone = 3'd6;   // its state_e

  logic        busy, waits, done, prompt_ready, tok_valid, tok_last, step_valid, choice_ready;
  error_e      error;
  logic [16:0] tok_id;
  logic [15:0] tok_prompt;
  step_t       step;

  controller #(.MaxCtx(MaxCtx), .Positions(Positions)) dut (
    .clk_i, .rst_ni, .cfg_i, .start_i, .max_new_i, .stop_en_i, .stop_id_i, .all_heads_i,
    .more_prompts_i, .seed_valid_o(), .seed_seq_o(), .busy_o(busy), .waits_o(waits), .done_o(done), .error_o(error),
    .prompt_valid_i, .prompt_ready_o(prompt_ready), .prompt_id_i, .prompt_last_i, .no_seed_i,
    .tok_valid_o(tok_valid), .tok_ready_i, .tok_id_o(tok_id), .tok_last_o(tok_last), .tok_prompt_o(tok_prompt),
    .step_valid_o(step_valid), .step_ready_i, .step_o(step),
    .step_done_i, .choice_valid_i, .choice_ready_o(choice_ready), .choice_id_i, .choice_seq_i
  );

  stream_rules #(.Width(34)) tok (
    .clk_i, .rst_ni, .may_drop_i(1'b0), .valid_i(tok_valid), .ready_i(tok_ready_i),
    .payload_i({tok_id, tok_prompt, tok_last})
  );
  stream_rules #(.Width($bits(step_t))) steps (
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

  logic [1:0] pending_q;                                   // of a batch of several: choices to come

  always_comb begin
    if (first_q) assume (!rst_ni);
    if (busy) begin
      assume (!start_i);
      assume (cfg_i == cfg_q && max_new_i == max_new_q && all_heads_i == all_heads_q);
      assume (stop_en_i == stop_en_q && stop_id_i == stop_id_q && more_prompts_i == more_q);
    end
    assume (cfg_i.n_ctx >= 2 && 32'(cfg_i.n_ctx) <= MaxCtx);
    if (choice_valid_i && dut.several_q) assume (choice_seq_i < 4'd2 && pending_q[choice_seq_i[0]]);
  end

  // ------------------------------------------------------------------------------------- the rules

  logic        run_q = 1'b0;                               // started and not done
  logic [16:0] prompts_q = '0;                             // that were begun
  logic [1:0]  live_q = '0;                                // by place: a prompt was begun whose last token has not come
  logic [15:0] prompt_q   [2];                             // its number
  logic [31:0] tokens_q   [2];                             // and tokens so far
  logic [1:0]  follows_q;                                  // a step was taken before
  logic [9:0]  position_q [2];                             // its position

  wire         begins = dut.begins;
  wire         place  = dut.new_seq;
  wire         seq    = dut.seq_q;
  wire         takes  = step_valid && step_ready_i;
  wire         in_loop = dut.state_q inside {StRead, StStep, StWait, StToken};

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      run_q     <= 1'b0;
      live_q    <= '0;
      pending_q <= '0;
    end else begin
      if (start_i)   {run_q, live_q, pending_q, prompts_q} <= {1'b1, 2'd0, 2'd0, 17'd0};
      else if (done) run_q <= 1'b0;
      if (begins) begin
        live_q[place]    <= 1'b1;
        prompt_q[place]  <= prompts_q[15:0];
        tokens_q[place]  <= '0;
        follows_q[place] <= 1'b0;
        prompts_q        <= prompts_q + 17'd1;
      end
      if (takes) begin
        follows_q[seq]  <= 1'b1;
        position_q[seq] <= step.position;
        if (step.several) pending_q[seq] <= 1'b1;
      end
      if (choice_valid_i && choice_ready && dut.several_q) pending_q[choice_seq_i[0]] <= 1'b0;
      if (tok_valid && tok_ready_i) begin
        tokens_q[seq] <= tokens_q[seq] + 1'b1;
        if (tok_last) live_q[seq] <= 1'b0;
      end
      // Without tokens a prompt ends with its last step.
      if (dut.ends && dut.state_q == StWait) live_q[seq] <= 1'b0;
    end

    if (!first_q) begin
      a_busy: assert (busy == run_q);
      a_done: assert (!done || run_q);
      a_one:  assert (32'(done) + 32'(tok_valid) + 32'(step_valid) + 32'(waits) + 32'(prompt_ready) <= 1);
      if (busy) begin
        a_begun: assert (prompts_q[15:0] == dut.come_q && dut.all_came_q == (prompts_q == 17'(more_prompts_i) + 17'd1));
        a_live:  assert (live_q == dut.active_q);
        if (!dut.all_came_q) a_more: assert (prompts_q <= 17'(more_prompts_i));
        if (done) a_over: assert (error != ErrNone || (dut.all_came_q && live_q == '0));
        else if (dut.state_q != StPrompt) a_error: assert (error == ErrNone);
        if (prompt_ready) a_first: assert (live_q[seq] && dut.position == '0 && tokens_q[seq] == '0 && !follows_q[seq]);
        if (begins) a_free: assert (!live_q[place]);
      end
      if (busy && live_q == 2'b11) a_other: assert (prompt_q[0] != prompt_q[1]);
      if (in_loop) begin
        a_active: assert (live_q[seq] || (dut.several_q && dut.state_q == StWait));
        if (dut.several_q) begin
          a_steps: assert ((dut.steps_q & ~dut.choices_q) == '0);
          if (dut.state_q inside {StRead, StStep}) begin
            a_mine: assert (dut.steps_q[seq] && pending_q == (dut.choices_q & ~dut.steps_q));
          end else begin
            a_waits: assert (dut.steps_q == '0);
            if (dut.state_q == StWait) a_choices: assert (pending_q == dut.choices_q && dut.choices_q != '0 && choice_ready);
            else a_chosen: assert (dut.choices_q[seq] && pending_q == (dut.choices_q & ~(2'b01 << seq)));
          end
        end else begin
          a_none: assert (pending_q == '0);
        end
      end else if (busy) begin
        a_rest: assert (pending_q == '0);
      end
      if (tok_valid) begin
        a_wanted: assert (tokens_q[seq] < max_new_i && dut.left != '0 && dut.position + 1'b1 == dut.count);
        a_whose:  assert (live_q[seq] && tok_prompt == prompt_q[seq]);
        if (tokens_q[seq] + 1'b1 == max_new_i) a_last: assert (tok_last);
      end
      if (step_valid) begin
        a_below: assert (11'(step.position) < 11'(cfg_i.n_ctx) && 11'(step.position) == 11'(dut.position));
        a_step:  assert (step.seq == 4'(seq) && live_q[seq] && step.prompt == prompt_q[seq]);
        if (step.several) a_several: assert (step.head && !pending_q[seq]);
      end
    end
    c_both:  cover (tok_valid && tok_last && pending_q != '0);
    c_done:  cover (done && error == ErrNone && tokens_q[0] == 32'd1);
    c_error: cover (done && error != ErrNone && live_q == 2'b11);
  end

  for (genvar s = 0; s < 2; s++) begin : gen_place
    always_ff @(posedge clk_i) begin
      if (!first_q) begin
        if (busy && live_q[s]) begin
          a_number: assert (prompt_q[s] == dut.prompt_q[s] && 17'(prompt_q[s]) < prompts_q);
          a_count:  assert (dut.count_q[s] <= cfg_i.n_ctx);
          a_left:   assert (dut.left_q[s] + tokens_q[s] == max_new_i && tokens_q[s] <= max_new_i);
          a_ends:   assert (dut.left_q[s] != '0 || max_new_i == '0);
          if (!(dut.state_q == StPrompt && seq == 1'(s))) a_place: assert (dut.position_q[s] < dut.count_q[s]);
          // Its position follows that of its last step, or is that step's; or it begins again.
          if (dut.state_q inside {StWait, StToken} && seq == 1'(s) && !dut.several_q) begin
            a_taken: assert (follows_q[s] && 11'(position_q[s]) == 11'(dut.position_q[s]));
          end else if (!dut.several_q || !dut.choices_q[s] || dut.steps_q[s] || !in_loop) begin
            a_next: assert (dut.position_q[s] == '0 ||
                            (follows_q[s] && 11'(dut.position_q[s]) == 11'(position_q[s]) + 11'd1));
          end else begin
            a_held: assert (follows_q[s] && 11'(position_q[s]) == 11'(dut.position_q[s]));
          end
        end
        if (in_loop && dut.several_q && dut.choices_q[s]) begin
          a_head: assert (live_q[s] && dut.left_q[s] != '0 && dut.position_q[s] + 1'b1 == dut.count_q[s] && !all_heads_i);
        end
      end
    end
  end

endmodule
