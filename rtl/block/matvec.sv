// SPDX-License-Identifier: Apache-2.0
//
// matvec - the matrix engine: Engines x Segments x 64 / Folding multiplications a cycle, and the
// rule by which a beat may enter
//
//   acc[p][s] = sum_k (sum_i w_k[s][i] * x_k[p][i]) << e_k[p]
//                         s: a row, a cached position or a dimension; p: a position of the batch
//
// A beat meets the operands of its batch's positions in rounds of Engines members (matvec_sums). It
// is held for each round in which the batch has a position. In such a round all Engines members are
// computed; the sums of those without a position are ignored. A round takes Folding cycles, its
// steps: each multiplies the next 64 / Folding weights of each segment.
//
// By rows, one set of accumulators is enough: a group's blocks follow each other. By columns, every
// group keeps its own in a memory until the last block has come: the projection and the MLP's
// second layer start on their first operand block and end with S rows a cycle. PV has 64 / S
// accumulators of its own, since it runs between projections.
//
// Issue   a beat enters when
//           its operand slot is full, for each position of the batch (side beats need none);
//           OpQkv: the KV cache's entry for this head is empty;
//           OpScores: the newest K and V are in their entry; of each of its positions, softmax is
//           free, and no other scores are under way;
//           OpHead: final_linear has room for what the pipeline holds.
//         It is taken in its last cycle. From here on nothing stalls: whatever takes the rows must
//         have room for them.
// Merge   the batch's positions are not in memory yet: their K, V and scales replace the bytes read
//         there, in the cycle after each step. In the step merge_valid_o asks for the keys of an
//         entry (and the scales), or for a group of its values. Without `several`, position t is
//         member t % Positions; with it, merge_k_i and the others have the one member's in each place.
//         Member m is engine m % Engines's in round m / Engines
// In      beats with labels (OpQkv ... OpHead), and whether the beat's operand slots are full; its
//         operands a cycle later, in each step the part that step_o names
// Out     S sums of each engine, 52 bits (sign-extended to 64), the largest exponent; the round, S
//         side words, a tag; rigid
//         rd_en   the members whose operands the beat has used; held: this cycle is not its last
// Timing  12 cycles from a round's last step, of the last block's beat, to its sums
//           1 taken                         7 sums of 64
//           2 newest position merged        8 shifted by 0..3; accumulator read
//           3 products                      9 shifted by 0, 4, 8, 12; accumulator chosen
//           4 sums of 4                    10 accumulated
//           5 sums of 16                   11 the last block's on their way
//           6 sums of 32                   12 out, with tag and side words
//         Stages 3 to 12 of the sums are matvec_sums'.
// Golden  golden/matvec.c: matvec_row() - equal bit for bit

`include "assert.svh"

module matvec
  import gpt2_pkg::*;
#(
  parameter int unsigned Segments = 4,
  parameter int unsigned MaxHeads = 25,
  parameter int unsigned Positions = 1,
  parameter int unsigned Engines   = Positions,
  parameter int unsigned Folding   = 1,
  parameter bit          AdderRetiming = 1'b0,
  localparam int unsigned Rounds    = Positions / Engines,
  localparam int unsigned RoundBits = (Rounds > 1) ? $clog2(Rounds) : 1,
  localparam int unsigned StepBits  = (Folding > 1) ? $clog2(Folding) : 1
) (
  input  logic                       clk_i,
  input  logic                       rst_ni,

  input  logic                       in_valid_i,
  output logic                       in_ready_o,
  input  label_t                     in_label_i,
  input  logic [512*Segments-1:0]    in_data_i,

  input  batch_t                     batch_i,
  output logic [Positions-1:0]       rd_en_o,
  output logic                       rd_free_o,
  output logic [StepBits-1:0]        step_o,
  input  logic                       full_i,       // every operand that the beat needs is
  input  operand_t [Positions-1:0]   operand_i,

  // issue rule
  input  logic [3:0]                 entry_busy_i,
  input  logic [3:0]                 entry_ready_i,
  output logic [3:0]                 release_o,  // PV of the entry's head took its last beat
  input  logic [Positions-1:0]       scores_free_i,
  input  logic [Positions-1:0]       scores_done_i,  // the last score has come out of rescale
  input  logic                       head_room_i,

  // newest position
  output logic                       merge_valid_o,
  output logic [1:0]                 merge_entry_o,
  output logic [3:0]                 merge_member_o,
  output logic                       merge_is_v_o,
  output logic [5:0]                 merge_group_o,
  input  logic [Positions-1:0][HeadDim-1:0][7:0]  merge_k_i,
  input  logic [Positions-1:0][Segments-1:0][7:0] merge_v_i,
  input  scale_t [Positions-1:0]     merge_k_scale_i,
  input  scale_t [Positions-1:0]     merge_v_scale_i,

  output logic                       held_o,
  output logic                       out_valid_o,
  output tag_t                       out_tag_o,
  output logic [RoundBits-1:0]       out_round_o,
  output logic [Engines-1:0][Segments-1:0][63:0] out_acc_o,
  output logic [Engines-1:0][3:0]    out_e_max_o,
  output logic [2:0]                 out_excess_o,
  output logic [Segments-1:0][31:0]  out_side_o
);

  localparam int unsigned LogS       = $clog2(Segments);
  localparam int unsigned HeadGroups = HeadDim / Segments;
  localparam int unsigned LogP       = $clog2(Positions);
  localparam int unsigned LogE       = $clog2(Engines);
  localparam int unsigned MemberBits = (LogP > 0) ? LogP : 1;
  // Accumulators in the memory: one for each group of the width and of PV. With several rounds, one
  // more for jobs by rows, whose rounds would overwrite each other's; and all of these per round.
  localparam int unsigned AccRows    = (MaxHeads + 1) * HeadGroups;
  localparam int unsigned AccDepth   = (Rounds > 1) ? (AccRows + 1) * Rounds : AccRows;
  localparam int unsigned AccAddr    = $clog2(AccDepth);

  typedef logic [RoundBits-1:0] round_t;
  typedef logic [StepBits-1:0]  fold_t;

  // ----------------------------------------------------------------------------------------- issue

  tag_t   tag;
  issue_t issue;
  logic   goes, fire;
  logic [Positions-1:0] members;                   // that the beat is for
  logic [Positions-1:0] scores_busy_q;

  assign tag           = in_label_i.tag;
  assign issue         = in_label_i.issue;

  logic unused_slot;
  assign unused_slot = ^{issue.slot, batch_i.seq}; // weight_stream gives slots to operand_buffer

  logic waits_operand, waits_entry, waits_scores, waits_room;

  assign waits_operand = !in_label_i.side && !full_i;
  assign waits_entry   = (tag.op == OpQkv && in_label_i.start && entry_busy_i[tag.head[1:0]]) ||
                         (tag.op == OpScores && !entry_ready_i[tag.head[1:0]]);
  assign waits_scores  = tag.op == OpScores && in_label_i.side && in_label_i.start &&
                         (members & (scores_busy_q | ~scores_free_i)) != '0;
  assign waits_room    = tag.op == OpHead && !in_label_i.side && in_label_i.last_block &&
                         !head_room_i;

  for (genvar p = 0; p < int'(Positions); p++) begin : gen_member
    assign members[p] = is_for(tag.alone, tag.member, batch_i.members, 4'(p));
  end

  // The rounds of a beat: those with a member that it is for, in order; in each, its steps.
  round_t round;
  fold_t  step;
  logic   first_round, last_round, last_step;

  if (Folding == 1) begin : gen_one_step
    assign step      = '0;
    assign last_step = 1'b1;
  end else begin : gen_steps
    fold_t step_q;

    assign step      = step_q;
    assign last_step = in_label_i.side || step_q == fold_t'(Folding - 1);

    always_ff @(posedge clk_i) begin
      if (!rst_ni) step_q <= '0;
      else if (goes) step_q <= last_step ? '0 : step_q + 1'b1;
    end
  end

  if (Rounds == 1) begin : gen_one_round
    assign round       = '0;
    assign first_round = 1'b1;
    assign last_round  = 1'b1;
  end else begin : gen_rounds
    logic              more_q;                     // rounds_q are the beat's others
    logic [Rounds-1:0] all_rounds, rounds, others, rounds_q;

    always_comb begin
      for (int unsigned r = 0; r < Rounds; r++) all_rounds[r] = members[Engines*r +: Engines] != '0;
      rounds = more_q ? rounds_q : all_rounds;
      others = rounds & (rounds - 1'b1);
      round  = '0;
      for (int unsigned r = 0; r < Rounds; r++) if (rounds[r] && !others[r]) round = round_t'(r);
    end

    assign first_round = !more_q;
    assign last_round  = in_label_i.side || others == '0;

    always_ff @(posedge clk_i) begin
      if (!rst_ni) more_q <= 1'b0;
      else if (goes && last_step) more_q <= !last_round;
      if (goes && last_step) rounds_q <= others;
    end
  end

  wire waits = waits_operand || waits_entry || waits_scores || waits_room;

  assign goes       = in_valid_i && !waits;
  assign in_ready_o = last_round && last_step && !waits;
  assign fire       = goes && last_round && last_step;
  assign held_o     = goes && !(last_round && last_step);
  assign step_o     = step;
  assign rd_en_o    = (fire && !in_label_i.side) ? members : '0;
  assign rd_free_o  = issue.free && tag.last;

  // With `several`, an entry is free after the last one's PV.
  wire release_entry = fire && tag.op == OpPv && tag.last && in_label_i.last_block &&
                       (!tag.alone || tag.member == batch_i.last);
  wire scores_begin  = fire && tag.op == OpScores && in_label_i.side && in_label_i.start;

  always_ff @(posedge clk_i) begin
    release_o <= '0;
    release_o[tag.head[1:0]] <= release_entry;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) scores_busy_q <= '0;
    else scores_busy_q <= (scores_busy_q & ~scores_done_i) | (scores_begin ? members : '0);
  end

  // ------------------------------------------------------ what goes with a beat through the stages
  //
  // The first stage also copies a beat that still waits: only valid_q and the merge depend on
  // whether it is taken.

  typedef struct packed {
    logic               by_columns;         // has an accumulator in the memory
    logic               is_pv;
    logic               first;              // starts its sums
    logic               last;               // ends them
    logic               start_e;            // starts the largest exponent
    logic [AccAddr-1:0] addr;               // without the round
    logic               enters;             // in its first round
    round_t             round;
  } place_t;

  // What a group's last beat leaves for its sums. At most 11 groups are in flight; a memory is
  // smaller than eleven stages of registers.
  typedef struct packed {
    tag_t                   tag;
    logic [2:0]             excess;
    logic [32*Segments-1:0] side_words;
  } in_flight_t;

  logic [12:1]             valid_q;          // of each stage; from 11 on, of a last block
  place_t                  place1_d, place1_q, place2_q, place3_q, place4_q, place5_q, place6_q,
                           place7_q, place8_q, place9_q;
  logic                    last10_q, columns10_q, enters10_q, enters11_q;
  round_t                  round10_q, round11_q, round12_q;
  tag_t                    tag1_q;
  fold_t                   step1_q;
  logic [2:0]              excess1_q;
  in_flight_t              in_flight1, in_flight12_q;
  logic                    in_flight_ready, in_flight_waits;
  logic                    forward8_q, forward9_q;

  // PV counts as rows where exponents are concerned: nothing comes between its beats.
  wire columns9 = place9_q.by_columns && !place9_q.is_pv;

  always_comb begin
    place1_d.by_columns = issue.by_columns;
    place1_d.is_pv      = tag.op == OpPv;
    place1_d.first      = issue.first && in_label_i.block == 0 && step == '0;
    place1_d.last       = issue.last && in_label_i.last_block && last_step;
    // By columns, the first group starts the largest exponent; the others of the first block belong
    // to it.
    place1_d.start_e    = place1_d.first && (!issue.by_columns || tag.group == 0);
    // PV's accumulators follow those of the width.
    place1_d.addr       = AccAddr'(tag.group)
                        + (tag.op == OpPv ? AccAddr'(MaxHeads * HeadGroups) : '0);
    if (Rounds > 1 && !issue.by_columns) place1_d.addr = AccAddr'(AccRows);
    place1_d.enters     = first_round;
    place1_d.round      = round;
  end

  // Whether a beat's accumulator is in the memory, and where.
  wire                in_memory8 = place8_q.by_columns || Rounds > 1;
  wire                in_memory9 = place9_q.by_columns || Rounds > 1;
  logic [AccAddr-1:0] addr7, addr8, addr9;

  function automatic logic [AccAddr-1:0] address(logic [AccAddr-1:0] addr, round_t in_round);
    return (Rounds > 1) ? addr << (LogP - LogE) | AccAddr'(in_round) : addr;
  endfunction

  assign addr7 = address(place7_q.addr, place7_q.round);
  assign addr8 = address(place8_q.addr, place8_q.round);
  assign addr9 = address(place9_q.addr, place9_q.round);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q <= '0;
    end else begin
      valid_q <= {valid_q[11], valid_q[10] && last10_q, valid_q[9:1],
                  goes && !in_label_i.side};
    end
    if (in_valid_i) begin
      place1_q  <= place1_d;
      tag1_q    <= tag;
      step1_q   <= step;
      excess1_q <= issue.excess;
    end
    place2_q   <= place1_q;
    place3_q   <= place2_q;
    place4_q   <= place3_q;
    place5_q   <= place4_q;
    place6_q   <= place5_q;
    place7_q   <= place6_q;
    place8_q   <= place7_q;
    place9_q   <= place8_q;
    last10_q    <= place9_q.last;
    columns10_q <= columns9;
    enters10_q  <= place9_q.enters;
    enters11_q  <= enters10_q;
    round10_q   <= place9_q.round;
    round11_q   <= round10_q;
    round12_q   <= round11_q;
    // Whether the accumulator is taken from the adder: always if it is not in the memory; otherwise
    // if the memory does not have it yet, because the beat before (forward9_q) or the one before
    // that (forward8_q) has changed it.
    forward8_q <= valid_q[9] && in_memory9 && addr9 == addr7;
    forward9_q <= !in_memory8 || (valid_q[9] && in_memory9 && addr9 == addr8);
  end

  assign out_valid_o  = valid_q[12];
  assign out_round_o  = round12_q;
  assign out_tag_o    = in_flight12_q.tag;
  assign out_excess_o = in_flight12_q.excess;
  assign out_side_o   = in_flight12_q.side_words;

  // -------------------------------------------------------- the newest position, scales and biases

  // The position of the key in a beat's segment s, by the beat's group: its place in a multiple of
  // Positions, and which multiple.
  function automatic logic [MemberBits-1:0] member_of(logic [16:0] group, logic [16:0] s);
    return (Positions > 1) ? MemberBits'((group << LogS) + s) : '0;
  endfunction
  function automatic logic [9:0] block_of(logic [16:0] group, logic [16:0] s);
    return 10'(((group << LogS) + s) >> LogP);
  endfunction

  logic                 merge_key, merge_value, merge_key_q, merge_value_q;
  logic [9:0]           position_q;                // of the batch, or of the one member
  logic [16:0]          group_q;                   // of the job
  logic [Segments-1:0]  new_rows, new_rows_q;      // segments with a key of the batch
  logic [Positions-1:0] newest, newest_q;          // places of the multiple that have a position

  always_comb begin
    newest = members;
    if (batch_i.several) newest = Positions'(1) << batch_member(tag.position, 5'(Positions));
  end

  for (genvar s = 0; s < int'(Segments); s++) begin : gen_new_row
    assign new_rows[s] = block_of(tag.group, 17'(s)) == tag.position >> LogP &&
                         newest[member_of(tag.group, 17'(s))];
  end

  assign merge_key   = goes && tag.op == OpScores && !in_label_i.side && new_rows != '0;
  assign merge_value = goes && tag.op == OpPv && in_label_i.last_block;

  always_ff @(posedge clk_i) begin
    merge_key_q   <= merge_key;
    merge_value_q <= merge_value;
    position_q    <= tag.position;
    group_q       <= tag.group;
    new_rows_q    <= new_rows;
    newest_q      <= newest;
  end

  assign merge_valid_o = merge_key || merge_value;
  assign merge_entry_o  = tag.head[1:0];
  assign merge_member_o = tag.member;
  assign merge_is_v_o   = tag.op == OpPv;
  assign merge_group_o  = tag.group[5:0];

  logic [512*Segments-1:0] side_beat_q;

  always_ff @(posedge clk_i) begin
    if (in_valid_i && in_label_i.side) side_beat_q <= in_data_i;
  end

  always_comb begin
    in_flight1 = '{
      tag: tag1_q, excess: excess1_q,
      side_words: side_beat_q[32*Segments*int'(tag1_q.group[3:0]) +: 32*Segments]
    };
    if (merge_key_q) begin
      for (int unsigned s = 0; s < Segments; s++) begin
        if (new_rows_q[s]) begin
          in_flight1.side_words[32*s +: 32] = {merge_v_scale_i[member_of(group_q, 17'(s))],
                                               merge_k_scale_i[member_of(group_q, 17'(s))]};
        end
      end
    end
  end

  fifo #(.Width($bits(in_flight_t)), .Depth(16), .RegisteredRead(1'b1)) u_in_flight (
    .clk_i, .rst_ni,
    .wr_valid_i(valid_q[1] && place1_q.last && place1_q.enters), .wr_ready_o(in_flight_ready),
    .wr_data_i(in_flight1), .rd_valid_o(in_flight_waits), .rd_ready_i(valid_q[11] && enters11_q),
    .rd_data_o(in_flight12_q), .count_o()
  );

  // ----------------------------------------------------------- the beat, merged; sums per position

  localparam int unsigned StepBytes = HeadDim / Folding;         // of a segment, in a step

  logic [512*Segments-1:0]         weights1_q;
  logic [8*StepBytes*Segments-1:0] weights2_d, weights2_q;
  // of the value's tile, whose bytes are positions
  wire  [5:0]                      first_byte = kv_value_byte(position_q) & ~6'(Positions - 1);
  wire  [5:0]                      step_byte  = (Folding > 1)
                                              ? 6'(32'(step1_q) * StepBytes) : '0;

  function automatic fold_t step_of(logic [5:0] at_byte);
    return fold_t'(32'(at_byte) / StepBytes);
  endfunction

  always_comb begin
    if (Folding == 1) begin
      weights2_d = $bits(weights2_d)'(weights1_q);               // one copy, for simulators
    end else begin
      for (int unsigned s = 0; s < Segments; s++) begin
        weights2_d[8*StepBytes*s +: 8*StepBytes] =
            weights1_q[512*s + 8*32'(step_byte) +: 8*StepBytes];
      end
    end
    if (merge_key_q) begin
      for (int unsigned s = 0; s < Segments; s++) begin
        if (new_rows_q[s]) begin
          weights2_d[8*StepBytes*s +: 8*StepBytes] =
              merge_k_i[member_of(group_q, 17'(s))][step_byte +: StepBytes];
        end
      end
    end
    if (merge_value_q) begin
      for (int unsigned p = 0; p < Positions; p++) begin
        if (newest_q[p] &&
            (Folding == 1 || step_of(first_byte + 6'(p)) == step1_q)) begin
          for (int unsigned s = 0; s < Segments; s++) begin
            weights2_d[8*(StepBytes*s + (32'(first_byte) + p) % StepBytes) +: 8] = merge_v_i[p][s];
          end
        end
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (in_valid_i && !in_label_i.side) weights1_q <= in_data_i;
    weights2_q <= weights2_d;
  end

  for (genvar e = 0; e < int'(Engines); e++) begin : gen_sums
    operand_t operand;

    if (Rounds == 1) begin : gen_own
      assign operand = operand_i[e];
    end else begin : gen_rounds
      operand_t [Rounds-1:0] operands;             // of the engine's members
      for (genvar r = 0; r < int'(Rounds); r++) begin : gen_round
        assign operands[r] = operand_i[r*Engines + e];
      end
      assign operand = operands[place1_q.round];
    end

    matvec_sums #(
      .Segments(Segments), .AccDepth(AccDepth), .Rounds(Rounds), .Folding(Folding),
      .AdderRetiming(AdderRetiming)
    ) u_sums (
      .clk_i, .weights2_i(weights2_q), .operand_i(operand),
      .rd_addr7_i(addr7), .forward8_i(forward8_q),
      .valid9_i(valid_q[9]), .round9_i(place9_q.round), .columns9_i(columns9),
      .in_memory9_i(in_memory9), .addr9_i(addr9), .first9_i(place9_q.first),
      .start_e9_i(place9_q.start_e), .forward9_i(forward9_q),
      .valid10_i(valid_q[10]), .round10_i(round10_q), .columns10_i(columns10_q),
      .valid11_i(valid_q[11]), .acc_o(out_acc_o[e]), .e_max_o(out_e_max_o[e])
    );
  end

  // ------------------------------------------------------------------------------------ assertions

  `ERROR_IF(segments,
            2**$clog2(Segments) != Segments || Segments > 64,
            ("Segments must be 1, 2, 4, ... 64, not %0d", Segments))
  `ERROR_IF(positions,
            2**LogP != Positions || Positions > MaxPositions,
            ("Positions must be 1, 2, 4, 8 or 16, not %0d", Positions))
  `ERROR_IF(engines,
            2**LogE != Engines || Engines > Positions,
            ("Engines must be 1, 2, 4, ... Positions = %0d, not %0d", Positions, Engines))
  `ASSERT(fire |-> tag.op != OpPos && tag.op != OpToken && tag.op != OpNorm,
          ("%m: a beat that is not for the engine"))
  `ASSERT(fire && !in_label_i.side && issue.by_columns
          |-> 32'(tag.group) < MaxHeads * HeadGroups,
          ("%m: group %0d has no accumulators, there are %0d",
           tag.group, MaxHeads * HeadGroups))
  `ASSERT(valid_q[1] && place1_q.last && place1_q.enters |-> in_flight_ready,
          ("%m: no room for a group's tag, scales and biases"))
  `ASSERT(valid_q[11] && enters11_q |-> in_flight_waits,
          ("%m: sums without a tag, scales and biases"))
  `ASSERT((scores_done_i & ~scores_busy_q) == '0, ("%m: scores ended that were not under way"))

endmodule
