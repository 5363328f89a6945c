// SPDX-License-Identifier: Apache-2.0
//
// gpt2_pkg - number formats, stream types and shared arithmetic
//
// The C twin is golden/fixed.h: same constants, same functions. docs/numerics.md derives the
// widths.
package gpt2_pkg;

  // -------------------------------------------------------------------------------- number formats

  // Numbers in a head, in an operand block, and in a segment of the engine.
  localparam int unsigned HeadDim   = 64;
  // A row is Q14.16 signed, 31 bits: an int16 with an exponent of 0..15 covers it. Ports and
  // memories carry rows, and the residual's numbers, sign-extended to 32 bits, and sums of 52 bits
  // in 64: simulators move whole words. Synthesis merges registers that repeat a sign (in Vivado
  // unless -keep_equivalent_registers is set); memories of rows keep the extra bit.
  localparam int unsigned RowFrac   = 16;
  localparam int unsigned RowBits   = 31;
  // The residual is Q14.12 signed, 27 bits: the sum of 1600 squares fits in 64 bits.
  localparam int unsigned ResFrac   = 12;
  localparam int unsigned ResBits   = 27;
  localparam int unsigned NormFrac  = 18;  // normalised x, Q6.18 signed
  localparam int unsigned NormBits  = 25;
  localparam int unsigned ProbFrac  = 28;  // exp * V scale, Q2.28
  localparam int unsigned ExpFrac   = 22;  // an exponential: 1.0 = 2^22
  localparam int unsigned ScaleBias = 35;  // value of a scale = (2048 + f) * 2^(e - 35)
  localparam int unsigned SumBits   = 30;  // a sum of 64 products of int8 and int16
  localparam int unsigned AccBits   = 52;  // SumBits + 15 of exponent + 7 for 128 blocks
  localparam int unsigned SideGroups = 16; // groups whose scales and biases travel in a side beat
  localparam int unsigned MaxTopK   = 64;
  localparam int unsigned MaxPositions = 16; // in a batch, at most
  localparam int unsigned AddrBits  = 32;  // beat addresses
  localparam int unsigned MaxBurst  = 32;  // beats of a read request
  localparam int unsigned MatvecLatency  = 12;  // cycles from a group's last beat to its sums
  localparam int unsigned RescaleLatency = 5;   // cycles from a group's sums to its rows

  typedef logic signed [RowBits-1:0] row_t;
  typedef logic signed [ResBits-1:0] res_t;
  typedef logic [15:0] scale_t;            // e = [15:11], f = [10:0]
  typedef logic [15:0] half_t;             // sign, 5 exponent, 10 fraction; exponent 31 is ordinary

  localparam row_t RowMax = row_t'((1 << (RowBits - 1)) - 1);
  localparam res_t ResMax = res_t'((1 << (ResBits - 1)) - 1);

  // Rows that block_quant takes per cycle: as many as the widest source of rows gives. ExpWidth is
  // at most Segments.
  function automatic int unsigned quant_width(int unsigned segments, int unsigned norm_width);
    return segments > norm_width ? segments : norm_width;
  endfunction

  // The engine's right-hand side: value = m * 2^(e - F).
  typedef struct packed {
    logic [3:0] e;
    logic [HeadDim-1:0][15:0] m;           // int16
  } operand_t;

  // x / 2^n to nearest, ties upwards; n = 0 gives x. Needs |x| < 2^62.
  function automatic logic signed [63:0] round_shift(logic signed [63:0] x, logic [5:0] n);
    logic signed [63:0] half;
    half = (n == 0) ? 64'sd0 : (64'sd1 <<< (n - 6'd1));
    return (x + half) >>> n;
  endfunction

  function automatic row_t saturate_row(logic signed [63:0] x);
    if (x > 64'(RowMax)) return RowMax;
    if (x < -64'(RowMax)) return -RowMax;
    return row_t'(x);
  endfunction

  function automatic logic row_overflows(logic signed [63:0] x);
    return x > 64'(RowMax) || x < -64'(RowMax);
  endfunction

  function automatic logic signed [12:0] scale_mantissa(scale_t s);
    return {2'b01, s[10:0]};
  endfunction

  function automatic logic [4:0] half_exponent(half_t h);
    return (h[14:10] == 0) ? 5'd1 : h[14:10];
  endfunction

  function automatic logic signed [11:0] half_significand(half_t h);
    logic signed [11:0] m;
    m = {1'b0, h[14:10] != 0, h[9:0]};
    return h[15] ? -m : m;
  endfunction

  // A half as a number with 16 fraction bits, rounded; |result| < 2^34.
  function automatic logic signed [63:0] half_to_row(half_t h);
    return round_shift(64'(half_significand(h)) <<< half_exponent(h), 6'd9);
  endfunction

  // The index of the highest 1 in x; 0 if x is 0. It is found in each 16 bits, then among the four
  // results: a loop over all bits would be a chain of gates.
  function automatic logic [5:0] highest_bit(logic [63:0] x);
    logic [3:0][3:0] at;
    logic [3:0]      four;
    at          = '0;
    highest_bit = '0;
    for (int i = 0; i < 16; i++) begin
      four = x[4*i +: 4];
      if (four != 0) at[i/4] = {2'(i), four[3:2] != 0, four[3] || four[2:1] == 2'b01};
    end
    for (int i = 0; i < 4; i++) if (x[16*i +: 16] != 0) highest_bit = {2'(i), at[i]};
  endfunction

  // Number of bits needed for x: 0 for 0, floor(log2 x) + 1 otherwise.
  function automatic logic [6:0] bit_length(logic [63:0] x);
    return 7'(highest_bit(x)) + 7'(x != 0);
  endfunction

  // --------------------------------------------------------------------------------- configuration

  // One model: loop bounds, constants derived from the width, and the memory map
  // (model/image/image.h).
  typedef struct packed {
    logic [7:0]  n_layer;
    logic [5:0]  n_head;                   // width = 64 n_head
    logic [10:0] n_ctx;
    logic [16:0] n_vocab;
    logic [24:0] inv_width;                // round(2^30 / width)
    logic [47:0] eps_term;                 // epsilon * width^2 * 2^24, at least 2^16
    logic [AddrBits-1:0] wpe_base, wte_base, stream_base, head_base;
    logic [AddrBits-1:0] kv_base, kv_stride, kv_v_off;
  } config_t;

  // Sampling settings; top_k = 1 is argmax. inv_t = round(log2(e) / temperature * 2^16).
  typedef struct packed {
    logic [6:0]  top_k;                    // 1..64
    logic [23:0] inv_t;
    logic [63:0] seed;                     // state of the generator at start, never 0
  } sampling_t;

  // Why a run ended (error_o); docs/life_cycle.md.
  typedef enum logic [3:0] {
    ErrNone,
    ErrAborted,     // abort_i
    ErrPromptLong,  // more ids than n_ctx
    ErrPromptId,    // an id that is not in the vocabulary
    ErrLayers,      // n_layer is 0
    ErrHeads,       // n_head is not 1 .. MaxHeads
    ErrContext,     // n_ctx is not 2 .. MaxCtx
    ErrVocab,       // n_vocab is 0
    ErrNorm,        // eps_term is below 2^16
    ErrTopK,        // top_k is not 1 .. MaxTopK
    ErrSeed,        // seed is 0
    ErrRead,        // the memory answered a read with an error
    ErrWrite,       // the memory acknowledged a write with an error
    ErrTimeout      // Watchdog cycles without a transfer at any port
  } error_e;

  // One token's work. Steps that go through the engine together are a batch: all but its last have
  // `more`. A batch has consecutive positions of one sequence, within one multiple of the machine's
  // Positions; or, with `several`, one position each of some sequences, in ascending order of seq.
  typedef struct packed {
    logic [16:0] id;
    logic [9:0]  position;
    logic [3:0]  seq;                      // its sequence: where the KV cache, history, sampler are
    logic [15:0] prompt;                   // the number of its prompt in the run, for observers
    logic        several;
    logic        more;                     // steps of this batch follow
    logic        head;                     // logits and a choice are wanted
    logic        recomputed;               // the id has run before: the context was cropped
  } step_t;

  // The batch that is under way, from its first step to the end of its last. Each of its positions
  // goes through a member of the machine: position % Positions, or seq with `several`.
  typedef struct packed {
    logic                    several;
    logic [3:0]              seq;          // without `several`
    logic [3:0]              last;         // the highest member
    logic                    more;         // members will join it
    logic [MaxPositions-1:0] members;
  } batch_t;

  // ------------------------------------------------------------------------------------------ jobs

  typedef enum logic [3:0] {
    OpPos,      // position row to the residual
    OpToken,    // token row to the residual
    OpNorm,     // gain and bias words to layernorm
    OpQkv,      // one head's Q, K and V rows
    OpScores,   // one head's q . k
    OpPv,       // one head's sum of p v
    OpProj,     // attention projection, one head's column block
    OpMlp1,
    OpMlp2,
    OpHead
  } op_e;

  // Fields that the engine uses when it issues a job's beats, and when it completes their sums.
  typedef struct packed {
    logic        by_columns;
    logic        first;                    // starts the sums
    logic        last;                     // ends them: rows come out
    logic [7:0]  slot;                     // operand slot of block 0
    logic        free;                     // this job empties its slots
    logic [2:0]  excess;                   // max(0, ceil(log2(blocks summed)) - 3)
  } issue_t;

  // OpPos, OpToken: where a row of an embedding is in its beats.
  typedef struct packed {
    logic [5:0]  row_in_group;             // which segment
    logic [9:0]  side_index;               // which word of the side beat
  } row_place_t;

  // A job: `groups` x `blocks` beats, contiguous in memory. The engine walks them by rows (for
  // group: for block) or by columns (for block: for group), with side beats in between
  // (model/image/image.h, 2 and 3).
  typedef struct packed {
    op_e         op;
    logic [7:0]  layer;
    logic [5:0]  head;
    logic        final_layer;
    logic        want_head;                // of the batch's last step
    logic [9:0]  position;                 // the batch's last; if alone, that member's
    logic        alone;                    // for one member, not for all of the batch
    logic [3:0]  member;                   // for which, if alone
    logic [16:0] groups;
    logic [7:0]  blocks;
    // side beats precede groups 0, 16, ... (by columns: in the last block)
    logic        sides;
    issue_t      issue;
    row_place_t  place;
  } job_t;

  // Operand slots by content, for a machine with these maxima (operand_buffer.sv):
  //   X  LayerNorm's output, block k               x_slot + k     max_heads of them
  //   O  attention's output, head h                o_slot + h     max_heads
  //   G  GELU's output, block k                    g_slot + k     4 max_heads
  //   Q  queries, head h                           q_slot + h % 2
  //   P  probabilities, head h, tile t             p_slot + (h % 2) max_ctx / 64 + t
  function automatic int unsigned x_slot();
    return 0;
  endfunction
  function automatic int unsigned o_slot(int unsigned max_heads);
    return x_slot() + max_heads;
  endfunction
  function automatic int unsigned g_slot(int unsigned max_heads);
    return o_slot(max_heads) + max_heads;
  endfunction
  function automatic int unsigned q_slot(int unsigned max_heads);
    return g_slot(max_heads) + 4 * max_heads;
  endfunction
  function automatic int unsigned p_slot(int unsigned max_heads);
    return q_slot(max_heads) + 2;
  endfunction
  function automatic int unsigned slot_count(int unsigned max_heads, int unsigned max_ctx);
    return p_slot(max_heads) + 2 * (max_ctx / HeadDim);
  endfunction

  // The tag of S rows, and of the beats that they come from. A beat is for all members of its batch
  // or for one, `alone`; rows always are.
  typedef struct packed {
    op_e         op;
    logic [7:0]  layer;
    logic [5:0]  head;
    logic        final_layer;
    logic        want_head;
    logic [9:0]  position;
    logic        alone;
    logic [3:0]  member;
    logic [16:0] group;                    // rows group * S .. group * S + S - 1 of the job
    logic        last;                     // last group of the job
  } tag_t;

  // A beat: its place in its job, and what the units do with it.
  typedef struct packed {
    tag_t        tag;
    issue_t      issue;
    row_place_t  place;
    logic        side;                     // a side beat
    logic [7:0]  block;
    logic        last_block;
    logic        start;                    // group 0, block 0
  } label_t;

  // The member of position t, in a machine of `positions`.
  function automatic logic [3:0] batch_member(logic [9:0] t, logic [4:0] positions);
    return 4'(t & (10'(positions) - 10'd1));
  endfunction

  // Whether a job, beat or row of a batch is for member m.
  function automatic logic is_for(logic alone, logic [3:0] member,
                                  logic [MaxPositions-1:0] members, logic [3:0] m);
    return alone ? member == m : members[m];
  endfunction

  // --------------------------------------------------------------------------------- for observers

  // What happens in this cycle. residual_tag, choice and step are valid only with their flags.
  typedef struct packed {
    tag_t        residual_tag;             // rows group * S .. group * S + S - 1 of the residual
    logic [15:0] residual_members;         // whose rows these are; the tag is that of the first
    logic [16:0] choice;                   // the id chosen at a step's end, if it was with head
    logic [3:0]  choice_seq;               // for this sequence
    step_t       step;                     // the step that starts
    logic [13:0] saturations;              // numbers that saturated, of any kind; no flag
    logic        residual;                 // flags: rows of the residual are written,
    logic        step_end;                 // a batch without head ends, or a choice is taken,
    logic        step_start;               // a step starts
  } event_t;

  // Counts. heads and heads_skipped: since the core's reset, which an abort implies; the others are
  // cleared when a run starts.
  typedef struct packed {
    logic [39:0] count;                    // the one that count_sel_i selects (counters.sv)
    logic [31:0] heads;                    // positions with a head
    logic [31:0] heads_skipped;            // and without
    logic [31:0] saturations;
  } counters_t;

  // -------------------------------------------------------------------------------------- KV cache
  //
  // A head's part (model/image/image.h, 6): keys, S positions per beat, and before each 16 of these
  // beats a side beat with their scales, a word each; from kv_v_off on values, S dimensions of 64
  // positions per beat. log_s is log2(S).

  // the part's first beat; sequences follow each other
  function automatic logic [AddrBits-1:0] kv_part(config_t c, logic [3:0] seq, logic [7:0] layer,
                                                  logic [5:0] head);
    return c.kv_base + ((AddrBits'(seq) * AddrBits'(c.n_layer) + AddrBits'(layer))
                        * AddrBits'(c.n_head) + AddrBits'(head)) * c.kv_stride;
  endfunction

  // a position's key: which group of S, which of the group, its beat after the side beat's
  function automatic logic [16:0] kv_key_group(logic [9:0] p, int unsigned log_s);
    return 17'(p) >> log_s;
  endfunction
  function automatic logic [5:0] kv_key_segment(logic [9:0] p, int unsigned log_s);
    return 6'(p & 10'((1 << log_s) - 1));
  endfunction
  function automatic logic [4:0] kv_key_after_side(logic [9:0] p, int unsigned log_s);
    return 5'(4'(p >> log_s)) + 5'd1;
  endfunction

  // its scales: their beat, counted from the part's first, and which word of it
  function automatic logic [10:0] kv_side_beat(logic [9:0] p, int unsigned log_s);
    logic [10:0] sixteens;                 // of groups; 17 beats each
    sixteens = 11'(p) >> (log_s + 4);
    return (sixteens << 4) + sixteens;
  endfunction
  function automatic logic [9:0] kv_side_word(logic [9:0] p, int unsigned log_s);
    return p & 10'((16 << log_s) - 1);
  endfunction

  // its value: which tile, the tile's first beat counted from the first value's, which byte of 64
  function automatic logic [3:0] kv_tile(logic [9:0] p);
    return p[9:6];
  endfunction
  function automatic logic [9:0] kv_tile_beat(logic [9:0] p, int unsigned log_s);
    return 10'(p[9:6]) << (6 - log_s);
  endfunction
  function automatic logic [5:0] kv_value_byte(logic [9:0] p);
    return p[5:0];
  endfunction

  // What a cycle of the engine is spent on (counters.sv).
  typedef enum logic [3:0] {
    WhatWeights, WhatPadding, WhatScales, WhatKv, WhatOther,
    WhatMemory, WhatNorm, WhatSoftmax, WhatSampling, WhatHandOver
  } count_what_e;

endpackage
