// SPDX-License-Identifier: Apache-2.0
//
// gpt2_top - GPT-2 as hardware: ids of prompts in, generated ids out, weights and the KV caches in
// one external memory
//
// In      start   taken when busy_o is low, with cfg, sampling and the settings of the run;
//                 ignored otherwise
//         abort   ends the current run; ignored when there is none
//         more_prompts   prompts of the run after the first
//         prompt  ids, last on a prompt's last one (valid/ready). In a run of several prompts each
//                 brings the seed of its sequence: sampling.seed in the cycle in which its last id
//                 is taken
// Out     busy    from the cycle after start to the run's end, and after a reset until the memory
//                 port is idle. While it is low nothing is in flight: the memory is the host's
//         done    a pulse in the first cycle after a run in which busy_o is low, with error
//         error   error_e: why the run ended, 0 for success; held to the next start
//         tok     chosen ids, each with the number of its prompt, last on that sequence's last
//                 (valid/ready). Up to Positions sequences are under way at a time (controller.sv)
//         lg      logits of every position if all_heads_i (valid/ready): S a beat, ids base ..
//                 base + S - 1, mask of those below the vocabulary, rows Q14.16, last on a
//                 position's last beat
//         memory  read bursts {beat address, beats} answered in order; byte-strobed writes, each
//                 acknowledged; an answer or acknowledgement with its error bit ends the run
//         event   what happens in this cycle (event_t): a step starts or ends; rows of the
//                 residual are written, residual_rows_o, Q14.12; numbers saturate
//         counters   counters_t; the selected count comes a cycle after count_sel_i (counters.sv)
// Reset   synchronous, active low. rst_ni ends a run at once, without done; outstanding memory
//         transfers complete and are dropped, and busy_o is high until then. mem_rst_ni resets
//         these too: use it at power-up, and with a reset of the memory itself; it implies rst_ni
// Rules   docs/life_cycle.md; run_control.sv, stream_rules.sv, memory_rules.sv
// Golden  golden/controller.c, golden/gpt2_core.c

`include "assert.svh"

module gpt2_top
  import gpt2_pkg::*;
#(
  parameter int unsigned Lanes     = 256,                    // int8 weights a cycle: 64 S
  parameter int unsigned MaxHeads  = 25,                     // width up to 64 MaxHeads
  parameter int unsigned MaxCtx    = 1024,
  parameter int unsigned NormWidth = 64,  // elements LayerNorm normalises a cycle
  parameter int unsigned ExpWidth  = Lanes / 64,             // exponentials a cycle
  parameter int unsigned Positions = 1,  // of prompts or sequences that share a beat of weights
  parameter int unsigned Engines   = Positions,              // and meet it in the same cycle
  parameter int unsigned Folding   = 1,  // cycles a beat is held by Lanes / Folding multipliers
  parameter bit          ClockGating = 1'b0,  // units at rest get no clock (clock_gate.sv)
  parameter bit          AdderRetiming = 1'b0,  // for tools that retime, and simulators (matvec.sv)
  parameter bit          SystolicList = 1'b1,  // top-k list: a candidate a cycle (sampling.sv)
  parameter int unsigned Watchdog  = 0,  // cycles without a transfer that end a run; 0: none
  localparam int unsigned Segments = Lanes / 64
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,
  input  logic                      mem_rst_ni,
  input  logic                      test_en_i,               // scan test: gated clocks run

  input  config_t                   cfg_i,
  input  sampling_t                 sampling_i,
  input  logic                      start_i,
  input  logic                      abort_i,
  input  logic [31:0]               max_new_i,               // ids to generate
  input  logic                      stop_en_i,               // stop after stop_id_i
  input  logic [16:0]               stop_id_i,
  input  logic                      all_heads_i,  // the head at every position, logits streamed
  input  logic [15:0]               more_prompts_i,
  output logic                      busy_o,
  output logic                      done_o,
  output error_e                    error_o,

  input  logic                      prompt_valid_i,
  output logic                      prompt_ready_o,
  input  logic [16:0]               prompt_id_i,
  input  logic                      prompt_last_i,
  output logic                      tok_valid_o,
  input  logic                      tok_ready_i,
  output logic [16:0]               tok_id_o,
  output logic                      tok_last_o,
  output logic [15:0]               tok_prompt_o,

  output logic                      lg_valid_o,
  input  logic                      lg_ready_i,
  output logic [16:0]               lg_base_id_o,
  output logic [Segments-1:0]       lg_mask_o,
  output logic [Segments-1:0][31:0] lg_rows_o,
  output logic                      lg_last_o,

  output logic                      rd_req_valid_o,
  input  logic                      rd_req_ready_i,
  output logic [AddrBits-1:0]       rd_req_addr_o,
  output logic [7:0]                rd_req_len_o,
  input  logic                      rd_rsp_valid_i,
  output logic                      rd_rsp_ready_o,
  input  logic [8*Lanes-1:0]        rd_rsp_data_i,
  input  logic                      rd_rsp_error_i,
  output logic                      wr_valid_o,
  input  logic                      wr_ready_i,
  output logic [AddrBits-1:0]       wr_addr_o,
  output logic [8*Lanes-1:0]        wr_data_o,
  output logic [Lanes-1:0]          wr_strb_o,
  input  logic                      wr_ack_i,
  input  logic                      wr_ack_error_i,

  output event_t                    event_o,
  output logic [Positions-1:0][Segments-1:0][31:0] residual_rows_o,
  input  logic [7:0]                count_sel_i,
  output counters_t                 counters_o
);

  // An illegal parameter is reported once, at the end of this file: the modules inside get a legal
  // value in its place, so that they add no errors of their own.
  function automatic bit power_of_two(int unsigned x, int unsigned low, int unsigned high);
    return x >= low && x <= high && (x & (x - 1)) == 0;
  endfunction

  localparam bit LanesLegal = power_of_two(Lanes, 64, 4096);
  localparam bit HeadsLegal = MaxHeads >= 1 && MaxHeads <= 25;
  localparam bit CtxLegal   = MaxCtx >= 64 && MaxCtx <= 1024 && MaxCtx % 64 == 0;
  localparam bit NormLegal  = power_of_two(NormWidth, 1, 64);
  localparam bit ExpLegal   = power_of_two(ExpWidth, 1, Segments);
  localparam bit PosLegal   = power_of_two(Positions, 1, MaxPositions);
  localparam bit EngLegal   = power_of_two(Engines, 1, Positions);
  localparam bit FoldLegal  = power_of_two(Folding, 1, 16);

  logic        step_valid, step_ready, step_done;
  step_t       step;
  logic        choice_valid, choice_ready, seed_valid;
  logic [3:0]  choice_seq, seed_seq;
  logic [16:0] choice_id;

  // The life of a run.
  config_t   cfg_q;
  sampling_t sampling_q;
  error_e    loop_error;
  logic      take, check, loop_start, loop_busy, loop_done, counting, progress;
  logic      core_rst_n, port_rst_n, quiet, mem_busy;

  assign progress = (prompt_valid_i && prompt_ready_o) || (tok_valid_o && tok_ready_i) ||
                    (lg_valid_o && lg_ready_i) || (rd_req_valid_o && rd_req_ready_i) ||
                    (rd_rsp_valid_i && rd_rsp_ready_o) || (wr_valid_o && wr_ready_i) || wr_ack_i;

  run_control #(
    .MaxHeads(HeadsLegal ? MaxHeads : 1), .MaxCtx(CtxLegal ? MaxCtx : 64), .Watchdog(Watchdog)
  ) u_run_control (
    .clk_i, .rst_ni, .mem_rst_ni, .start_i, .abort_i, .busy_o, .done_o, .error_o,
    .cfg_i(cfg_q), .sampling_i(sampling_q), .take_o(take), .check_o(check),
    .loop_start_o(loop_start), .loop_done_i(loop_done), .loop_error_i(loop_error),
    .quiet_i(quiet), .mem_busy_i(mem_busy), .rd_error_i(rd_rsp_valid_i && rd_rsp_error_i),
    .wr_error_i(wr_ack_i && wr_ack_error_i), .progress_i(progress),
    .core_rst_no(core_rst_n), .mem_rst_no(port_rst_n), .counting_o(counting)
  );

  // The settings of the run and the token loop need their clock for a few cycles a token.
  logic        stop_en_q, all_heads_q, clk_control, waits;
  logic [16:0] stop_id_q;
  logic [31:0] max_new_q;
  logic [15:0] more_prompts_q;
  wire         several = more_prompts_q != '0;   // each prompt brings its seed

  clock_gate #(.Gating(ClockGating), .Linger(1)) u_gate_control (
    .clk_i, .rst_ni(core_rst_n), .test_en_i,
    .wake_i(start_i || loop_start || choice_valid || step_done), .hold_i(loop_busy && !waits),
    .clk_o(clk_control)
  );

  always_ff @(posedge clk_control) begin
    if (take) begin
      cfg_q       <= cfg_i;
      sampling_q  <= sampling_i;
      max_new_q   <= max_new_i;
      stop_en_q   <= stop_en_i;
      stop_id_q   <= stop_id_i;
      all_heads_q <= all_heads_i;
      more_prompts_q <= more_prompts_i;
    end
    if (several && prompt_valid_i && prompt_ready_o && prompt_last_i) begin
      sampling_q.seed <= sampling_i.seed;
    end
  end

  controller #(
    .MaxCtx(CtxLegal ? MaxCtx : 64), .Positions(PosLegal ? Positions : 1)
  ) u_controller (
    .clk_i(clk_control), .rst_ni(core_rst_n), .cfg_i(cfg_q), .start_i(loop_start),
    .max_new_i(max_new_q), .waits_o(waits),
    .stop_en_i(stop_en_q), .stop_id_i(stop_id_q), .all_heads_i(all_heads_q),
    .more_prompts_i(more_prompts_q), .busy_o(loop_busy), .done_o(loop_done), .error_o(loop_error),
    .prompt_valid_i, .prompt_ready_o, .prompt_id_i, .prompt_last_i,
    .no_seed_i(several && sampling_i.seed == '0),
    .tok_valid_o, .tok_ready_i, .tok_id_o, .tok_last_o, .tok_prompt_o,
    .seed_valid_o(seed_valid), .seed_seq_o(seed_seq),
    .step_valid_o(step_valid), .step_ready_i(step_ready), .step_o(step), .step_done_i(step_done),
    .choice_valid_i(choice_valid), .choice_ready_o(choice_ready), .choice_id_i(choice_id),
    .choice_seq_i(choice_seq)
  );

  gpt2_core #(
    .Segments(LanesLegal ? Segments : 1), .MaxHeads(HeadsLegal ? MaxHeads : 1),
    .MaxCtx(CtxLegal ? MaxCtx : 64), .NormWidth(NormLegal ? NormWidth : 64),
    .ExpWidth(ExpLegal && LanesLegal ? ExpWidth : 1), .Positions(PosLegal ? Positions : 1),
    .Engines(EngLegal && PosLegal ? Engines : 1), .Folding(FoldLegal ? Folding : 1),
    .ClockGating(ClockGating), .AdderRetiming(AdderRetiming), .SystolicList(SystolicList)
  ) u_core (
    .clk_i, .rst_ni(core_rst_n), .mem_rst_ni(port_rst_n), .test_en_i, .cfg_i(cfg_q),
    .sampling_i(sampling_q), .start_i(check), .seed_valid_i(seed_valid), .seed_seq_i(seed_seq),
    .counting_i(counting), .quiet_o(quiet),
    .mem_busy_o(mem_busy), .stream_logits_i(all_heads_q),
    .step_valid_i(step_valid), .step_ready_o(step_ready), .step_i(step), .step_done_o(step_done),
    .choice_valid_o(choice_valid), .choice_ready_i(choice_ready), .choice_id_o(choice_id),
    .choice_seq_o(choice_seq),
    .lg_valid_o, .lg_ready_i, .lg_base_id_o, .lg_mask_o, .lg_rows_o, .lg_last_o,
    .rd_req_valid_o, .rd_req_ready_i, .rd_req_addr_o, .rd_req_len_o,
    .rd_rsp_valid_i, .rd_rsp_ready_o, .rd_rsp_data_i,
    .wr_valid_o, .wr_ready_i, .wr_addr_o, .wr_data_o, .wr_strb_o, .wr_ack_i,
    .event_o, .residual_rows_o, .count_sel_i, .counters_o
  );

  // ------------------------------------------------------------------- the rules at the boundary

`ifdef ASSERTIONS
  // The core's reset withdraws what is offered. The host withdraws an id not taken by the end of
  // the run.
  wire may_drop = !core_rst_n;

  stream_rules #(.Width(18)) u_prompt_rules (
    .clk_i, .rst_ni, .may_drop_i(may_drop || !busy_o),
    .valid_i(prompt_valid_i), .ready_i(prompt_ready_o), .payload_i({prompt_id_i, prompt_last_i})
  );
  stream_rules #(.Width(18)) u_token_rules (
    .clk_i, .rst_ni, .may_drop_i(may_drop), .valid_i(tok_valid_o), .ready_i(tok_ready_i),
    .payload_i({tok_id_o, tok_last_o})
  );
  stream_rules #(.Width(18 + 33 * Segments)) u_logits_rules (
    .clk_i, .rst_ni, .may_drop_i(may_drop), .valid_i(lg_valid_o), .ready_i(lg_ready_i),
    .payload_i({lg_base_id_o, lg_mask_o, lg_rows_o, lg_last_o})
  );
  memory_rules #(.Lanes(LanesLegal ? Lanes : 64)) u_memory_rules (
    .clk_i, .mem_rst_ni(port_rst_n), .rd_req_valid_i(rd_req_valid_o), .rd_req_ready_i,
    .rd_req_addr_i(rd_req_addr_o), .rd_req_len_i(rd_req_len_o), .rd_rsp_valid_i,
    .wr_valid_i(wr_valid_o), .wr_ready_i, .wr_addr_i(wr_addr_o), .wr_data_i(wr_data_o),
    .wr_strb_i(wr_strb_o), .wr_ack_i
  );

  // start: a run begins in the next cycle if and only if busy_o is low.
  logic start_q, busy_q, rst_q;
  initial rst_q = 1'b0;
  always_ff @(posedge clk_i) begin
    start_q <= start_i;
    busy_q  <= busy_o;
    rst_q   <= rst_ni && mem_rst_ni;
    if (rst_q && rst_ni && mem_rst_ni) begin
      a_start: assert (busy_q || busy_o == start_q);
      a_done:  assert (!done_o || (busy_q && !busy_o));
    end
    if (!busy_o) begin
      a_idle: assert (!tok_valid_o && !lg_valid_o && !rd_req_valid_o && !wr_valid_o &&
                      !prompt_ready_o);
    end
  end
`endif

  // ---------------------------------------------------------------- parameters: docs/parameters.md

  if (!LanesLegal) begin : gen_lanes
    $fatal(1, "gpt2_top: Lanes must be 64, 128, 256, ... 4096, not %0d", Lanes);
  end
  if (!HeadsLegal) begin : gen_heads
    $fatal(1, "gpt2_top: MaxHeads must be 1 to 25, not %0d", MaxHeads);
  end
  if (!CtxLegal) begin : gen_ctx
    $fatal(1, "gpt2_top: MaxCtx must be a multiple of 64 from 64 to 1024, not %0d", MaxCtx);
  end
  if (!NormLegal) begin : gen_norm
    $fatal(1, "gpt2_top: NormWidth must be 1, 2, 4, ... 64, not %0d", NormWidth);
  end
  if (!ExpLegal) begin : gen_exp
    $fatal(1, "gpt2_top: ExpWidth must be 1, 2, 4, ... Lanes / 64 = %0d, not %0d", Segments,
           ExpWidth);
  end
  if (!PosLegal) begin : gen_positions
    $fatal(1, "gpt2_top: Positions must be 1, 2, 4, 8 or 16, not %0d", Positions);
  end
  if (!EngLegal) begin : gen_engines
    $fatal(1, "gpt2_top: Engines must be 1, 2, 4, ... Positions = %0d, not %0d", Positions,
           Engines);
  end
  if (!FoldLegal) begin : gen_folding
    $fatal(1, "gpt2_top: Folding must be 1, 2, 4, 8 or 16, not %0d", Folding);
  end

endmodule
