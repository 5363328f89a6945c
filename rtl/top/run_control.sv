// SPDX-License-Identifier: Apache-2.0
//
// run_control - the life of a run: start, refusal, end, abort, error, watchdog, reset
//
//   StReset ▶ StIdle ▶ StCheck ▶ StRun ▶ StEnd ▶ StIdle
//                         │         └────────┴──▶ StFlush ▶ StIdle
//                         └▶ StIdle (refused)
//
// StEnd waits until the core is at rest: every write is acknowledged, every logit is taken, and
// sampling has given its last choice. StFlush and StReset hold the core in reset until the memory
// has answered every request. So whenever busy_o is low, nothing is in flight and the memory is the
// host's.
//
// In      start     taken when busy_o is low, ignored otherwise
//         abort     ends a run; ignored when there is none
//         cfg, sampling   of the run, held from the cycle after take_o
//         loop      the token loop is done, with its error
//         quiet     the core is at rest
//         mem_busy  requests, beats or acknowledgements are outstanding
//         rd_error, wr_error   the memory has answered with an error
//         progress  a transfer at any port
// Out     take      start is taken: the settings are to be registered
//         check     a cycle later: counts and the generator are set up
//         loop_start   in that cycle too, unless the settings are refused
//         busy      from the cycle after take_o to the run's end, and after a reset until the
//                   memory is idle
//         done      a pulse in the first cycle in which busy_o is low again, after each run; with
//         error     error_e, held until the next start is taken
//         core_rst_n   the core's reset: low with the port's, in StReset and in StFlush
//         mem_rst_n    the reset of outstanding memory transfers: low with the port's
//         counting  the cycles of a run, for counters
// Watchdog   0: none. Otherwise a run with no transfer for this many cycles ends with ErrTimeout.
//         After a run's end or a reset, transfers that the memory does not answer for this many
//         cycles count as lost. Watchdog must exceed every delay of the memory and the host, and
//         the machine's longest computation between two transfers, which is below 8192 cycles with
//         the narrowest parameters
// Timing  a run begins 1 cycle after its start is taken; it ends 1 cycle after the core is at rest
// Golden  none; test/test_life_cycle.c has a model of the rules

`include "assert.svh"

module run_control
  import gpt2_pkg::*;
#(
  parameter int unsigned MaxHeads = 25,
  parameter int unsigned MaxCtx   = 1024,
  parameter int unsigned Watchdog = 0
) (
  input  logic      clk_i,
  input  logic      rst_ni,
  input  logic      mem_rst_ni,

  input  logic      start_i,
  input  logic      abort_i,
  output logic      busy_o,
  output logic      done_o,
  output error_e    error_o,

  input  config_t   cfg_i,
  input  sampling_t sampling_i,
  output logic      take_o,
  output logic      check_o,
  output logic      loop_start_o,
  input  logic      loop_done_i,
  input  error_e    loop_error_i,

  input  logic      quiet_i,
  input  logic      mem_busy_i,
  input  logic      rd_error_i,
  input  logic      wr_error_i,
  input  logic      progress_i,
  output logic      core_rst_no,
  output logic      mem_rst_no,
  output logic      counting_o
);

  typedef enum logic [2:0] {StReset, StIdle, StCheck, StRun, StEnd, StFlush} state_e;

  // The core's reset lasts at least this many cycles.
  localparam int unsigned ResetCycles = 4;
  localparam int unsigned ResetBits   = $clog2(ResetCycles);

  state_e               state_q, state_d;
  error_e               error_d, refusal;
  logic                 done_d, timeout, lost_q, lost_d;
  logic [ResetBits-1:0] reset_q;

  // -------------------------------------------------------------------------------------- settings

  always_comb begin
    if (cfg_i.n_layer == '0)                                                   refusal = ErrLayers;
    else if (cfg_i.n_head == '0 || 32'(cfg_i.n_head) > MaxHeads)               refusal = ErrHeads;
    else if (cfg_i.n_ctx < 11'd2 || 32'(cfg_i.n_ctx) > MaxCtx)                 refusal = ErrContext;
    else if (cfg_i.n_vocab == '0)                                              refusal = ErrVocab;
    else if (cfg_i.eps_term[47:16] == '0)                                      refusal = ErrNorm;
    else if (sampling_i.top_k == '0 || sampling_i.top_k > 7'(MaxTopK))         refusal = ErrTopK;
    else if (sampling_i.seed == '0)                                            refusal = ErrSeed;
    else                                                                       refusal = ErrNone;
  end

  // ---------------------------------------------------------------------------------------- states

  always_comb begin
    state_d = state_q;
    error_d = error_o;
    done_d  = 1'b0;
    lost_d  = 1'b0;
    unique case (state_q)
      StIdle: if (start_i) begin
        state_d = StCheck;
        error_d = ErrNone;
      end

      StCheck: begin
        if (abort_i) begin
          state_d = StFlush;
          error_d = ErrAborted;
        end else if (refusal != ErrNone) begin
          state_d = StIdle;
          error_d = refusal;
          done_d  = 1'b1;
        end else begin
          state_d = StRun;
        end
      end

      StRun, StEnd: begin
        if (rd_error_i || wr_error_i || abort_i || timeout) begin
          state_d = StFlush;
          error_d = rd_error_i ? ErrRead : wr_error_i ? ErrWrite
                  : abort_i ? ErrAborted : ErrTimeout;
        end else if (state_q == StRun) begin
          if (loop_done_i) begin
            state_d = StEnd;
            error_d = loop_error_i;
          end
        end else if (quiet_i && !mem_busy_i) begin
          state_d = StIdle;
          done_d  = 1'b1;
        end
      end

      default: begin                             // StReset, StFlush
        lost_d = timeout;
        if (reset_q == ResetBits'(ResetCycles - 1) && !mem_busy_i) begin
          state_d = StIdle;
          done_d  = state_q == StFlush;
        end
      end
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || !mem_rst_ni) begin
      state_q <= StReset;
      error_o <= ErrNone;
      done_o  <= 1'b0;
      lost_q  <= 1'b0;
      reset_q <= '0;
    end else begin
      state_q <= state_d;
      error_o <= error_d;
      done_o  <= done_d;
      lost_q  <= lost_d;
      if (core_rst_no) reset_q <= '0;
      else if (reset_q != ResetBits'(ResetCycles - 1)) reset_q <= reset_q + 1'b1;
    end
  end

  assign busy_o       = state_q != StIdle;
  assign take_o       = state_q == StIdle && start_i && rst_ni && mem_rst_ni;
  assign check_o      = state_q == StCheck;
  assign loop_start_o = state_q == StCheck && state_d == StRun;
  assign core_rst_no  = rst_ni && mem_rst_ni && state_q != StReset && state_q != StFlush;
  assign mem_rst_no   = mem_rst_ni && !lost_q;
  assign counting_o   = state_q != StIdle && state_q != StReset;

  // -------------------------------------------------------------------------------------- watchdog

  if (Watchdog != 0) begin : gen_watchdog
    localparam int unsigned Bits = $clog2(Watchdog);

    logic [Bits-1:0] idle_q;

    assign timeout = idle_q == Bits'(Watchdog - 1);

    always_ff @(posedge clk_i) begin
      if (!rst_ni || !mem_rst_ni || state_q == StIdle || state_q != state_d || progress_i ||
          timeout) begin
        idle_q <= '0;
      end else begin
        idle_q <= idle_q + 1'b1;
      end
    end
  end else begin : gen_no_watchdog
    logic unused_progress;
    assign unused_progress = progress_i;
    assign timeout = 1'b0;
  end

  // ------------------------------------------------------------------------------------ assertions

  `ERROR_IF(watchdog,
            Watchdog != 0 && Watchdog < 8192,
            ("Watchdog must be 0, or 8192 cycles or more, not %0d", Watchdog))
  `ASSERT_UNLESS(!rst_ni || !mem_rst_ni, done_o |-> !busy_o, ("%m: done while busy"))
  `ASSERT_UNLESS(!rst_ni || !mem_rst_ni,
                 !busy_o |-> !mem_busy_i,
                 ("%m: something is under way at the memory port between two runs"))
  `ASSERT_UNLESS(!rst_ni || !mem_rst_ni,
                 loop_done_i |-> state_q == StRun,
                 ("%m: the token loop was done when no run was under way"))

endmodule
