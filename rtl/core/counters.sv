// SPDX-License-Identifier: Apache-2.0
//
// counters - what each cycle of a run was spent on, by phase; and how many numbers saturated
//
// Every cycle with busy_i high is counted once: by what the engine's input did, and by the job that
// it was doing or waiting for. The counts therefore sum to the run's cycles.
//
//   spent (count_what_e)                         when
//   WhatWeights   weights, every segment a row   a beat is taken
//   WhatPadding   weights, but not every segment   (the head's last group)
//   WhatScales    scales and biases, of keys too   (side beats)
//   WhatKv        keys or values
//   WhatOther     embedding rows; LayerNorm's gains and biases
//   WhatMemory    the next beat has not come     none is taken
//   WhatNorm      a beat waits for LayerNorm
//   WhatSoftmax   a beat waits for softmax: for probabilities, or for room for scores
//   WhatSampling  the head waits for sampling, or everything waits for its choice
//   WhatHandOver  the rest: query, attention's output, GELU's, the KV cache; between steps
//
// A beat that meets several rounds of a batch counts once in each: beat_ready_i is high in all of
// them.
//
// In      beat    label and handshake at the engine's input; what may be missing: operand, entry
//         sel     {phase, what}: phase 0..9 as op_e, 10 from a step's start to its first beat, and
//                 before the first step; {15, 0}: beats written to the KV cache; {15, 1}: cycles
//         saturations  of this cycle
// Out     count   40 bits, of this run so far, a cycle after sel; 0 before the first start
//         saturations  of this run so far, 32 bits
// Timing  a cycle is counted three cycles later; the run's last three are those that end it
// Keeps   256 x 40 bits, cleared by start and kept through the core's reset, so that an aborted
//         run leaves its counts
// Golden  none: test_gpt2_top holds the counts against the image's shape and the clock
module counters
  import gpt2_pkg::*;
#(
  parameter int unsigned Segments = 16
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        mem_rst_ni,                // clears the counts
  input  logic        start_i,
  input  logic        busy_i,
  input  logic        step_i,                    // a step is taken
  input  logic [16:0] n_vocab_i,

  input  logic        beat_valid_i,
  input  logic        beat_ready_i,
  input  label_t      beat_label_i,
  input  logic        operand_full_i,
  input  logic        entry_ready_i,             // of the label's head
  input  logic        stream_waits_i,            // the current job has beats still to come
  input  logic        write_i,                   // a beat goes to the KV cache
  input  logic [13:0] saturations_i,

  input  logic [7:0]  sel_i,
  output logic [39:0] count_o,
  output logic [31:0] saturations_o
);

  localparam logic [3:0] PhaseStart = 4'd10;

  // ---------------------------------------------------------------------------- what happens now

  op_e         op;
  logic        begun_q;                          // the step's first beat has come
  count_what_e spent, spent_q;
  logic [3:0]  phase_q;
  logic        busy_q;

  assign op = beat_label_i.tag.op;

  always_comb begin
    spent = WhatHandOver;
    if (beat_valid_i && beat_ready_i) begin
      if (beat_label_i.side) spent = WhatScales;
      else begin
        unique case (op)
          OpPos, OpToken, OpNorm: spent = WhatOther;
          OpScores, OpPv:         spent = WhatKv;
          OpHead:  spent = (beat_label_i.tag.last && n_vocab_i % 17'(Segments) != 0) ? WhatPadding
                                                                                      : WhatWeights;
          default: spent = WhatWeights;
        endcase
      end
    end else if (beat_valid_i) begin
      unique case (op)
        OpNorm:                spent = WhatNorm;
        OpQkv, OpMlp1, OpHead: if (!operand_full_i)    spent = WhatNorm;
                               else if (op == OpHead)  spent = WhatSampling;
        OpScores: if (entry_ready_i && (operand_full_i || beat_label_i.side)) spent = WhatSoftmax;
        OpPv:                  spent = WhatSoftmax;
        default: ;
      endcase
    end else if (stream_waits_i) begin
      spent = WhatMemory;
    end else if (begun_q && op == OpHead) begin
      spent = WhatSampling;
    end
  end

  always_ff @(posedge clk_i) begin
    begun_q <= rst_ni && !step_i && !start_i && (begun_q || beat_valid_i);
    busy_q  <= mem_rst_ni && busy_i;
    spent_q <= spent;
    phase_q <= (begun_q || beat_valid_i) ? op : PhaseStart;
  end

  // ---------------------------------------------------------------------------------- the counts

  // A count is read in one cycle, and written back plus one in the next. It is 0 until it is first
  // written. A count that is read while it is written is taken from last_q, not from the memory.

  // {phase, what} of the phases and of count_what_e
  function automatic logic [255:0] used_indices();
    used_indices = '0;
    for (int phase = 0; phase <= int'(PhaseStart); phase++) begin
      for (int what_i = 0; what_i <= int'(WhatHandOver); what_i++) begin
        used_indices[16*phase + what_i] = 1'b1;
      end
    end
  endfunction

  localparam logic [255:0] Used = used_indices();

  (* no_rw_check *)
  logic [39:0]  mem [256];
  logic [255:0] written_q;
  logic [39:0]  writes_q, cycles_q;
  logic [7:0]   index, index1_q;
  logic         busy1_q, again1_q, written1_q;   // again: the count of the cycle before
  logic [39:0]  read1_q, count1, count1_more, last_q;

  assign index       = {phase_q, spent_q};
  assign count1      = again1_q ? last_q : written1_q ? read1_q : '0;
  assign count1_more = count1 + 1'b1;

  always_ff @(posedge clk_i) begin
    busy1_q <= mem_rst_ni && !start_i && busy_q;
    if (busy_q) begin
      index1_q   <= index;
      again1_q   <= busy1_q && index == index1_q;
      written1_q <= written_q[index];
      read1_q    <= mem[index];
    end
    if (busy1_q) begin
      mem[index1_q] <= count1_more;
      last_q        <= count1_more;
    end
    if (start_i || !mem_rst_ni)                      written_q <= '0;
    else if (busy1_q && !again1_q && !written1_q) begin
      written_q <= (written_q | (256'd1 << index1_q)) & Used;
    end
  end

  always_ff @(posedge clk_i) begin
    if (start_i || !mem_rst_ni) begin
      writes_q      <= '0;
      cycles_q      <= '0;
      saturations_o <= '0;
    end else begin
      writes_q      <= writes_q + 40'(write_i);
      cycles_q      <= cycles_q + 40'(busy1_q);
      saturations_o <= saturations_o + 32'(saturations_i);
    end
  end

  // -------------------------------------------------------------------------------------- the port

  logic [7:0]  sel_q;
  logic        sel_now_q, sel_written_q;         // now: written while it was read
  logic [39:0] sel_read_q;

  always_ff @(posedge clk_i) begin
    sel_q         <= sel_i;
    sel_now_q     <= busy1_q && sel_i == index1_q;
    sel_written_q <= written_q[sel_i];
    sel_read_q    <= mem[sel_i];
  end

  assign count_o = sel_q == 8'hf0 ? writes_q
                 : sel_q == 8'hf1 ? cycles_q
                 : sel_now_q      ? last_q
                 : sel_written_q  ? sel_read_q : '0;

endmodule
