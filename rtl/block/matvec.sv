// SPDX-License-Identifier: Apache-2.0
//
// matvec - the matrix engine: Segments x 64 multiplications a cycle, and the rule by which a beat
// may enter
//
//   acc[s] = sum_k (sum_i w_k[s][i] * x_k[i]) << e_k     s: a row, a cached position, a dimension
//
// By rows, one set of accumulators is enough: a group's blocks follow each other. By columns, every
// group keeps its own in a memory until the last block has come: the projection and the MLP's
// second layer start on their first operand block and end with S rows a cycle. PV has 64 / S
// accumulators of its own, since it runs between projections.
//
// Issue   a beat enters when
//           its operand slot is full (side beats need none);
//           OpQkv: the KV cache's entry for this head is empty;
//           OpScores: the newest K and V are in their entry, softmax is free, no other scores are
//           under way;
//           OpHead: final_linear has room for what the pipeline holds.
//         From here on nothing stalls, so whatever takes the rows need not either.
// Merge   the newest position is not in memory yet: its K, V and scales replace the bytes read
//         there, in the cycle after the beat. With the beat merge_valid_o asks for the key of an
//         entry (and the scales), or for a group of its value
// In      beats with labels (OpQkv ... OpHead), and whether the beat's operand slot is full; its
//         operand a cycle after rd_en
// Out     S sums, 52 bits (sign-extended to 64), the largest exponent, S side words, a tag; rigid
// Timing  12 cycles from taking the last block's beat to its sums, a beat a cycle
//           1 taken                         7 sums of 64
//           2 newest position merged        8 shifted by 0..3; accumulator read
//           3 products                      9 shifted by 0, 4, 8, 12; accumulator chosen
//           4 sums of 4                    10 accumulated
//           5 sums of 16                   11 the last block's on their way
//           6 sums of 32                   12 out, with tag and side words
//         Between two registers there is one multiplication, two additions, or one of 52 bits;
//         what is read from the accumulators' memory, which may be block RAM, is not added to
//         in the same cycle.
//         AdderRetiming = 1: 3 has the sum of 64 already, and 4 to 7 repeat it. A synthesis tool
//         that retimes (Vivado, Quartus) moves these registers between the multipliers and adders;
//         a simulator's compiler makes better vector code of it. Same sums in the same cycles.
// Golden  golden/matvec.c: matvec_row() - equal bit for bit

`include "assert.svh"

module matvec
  import gpt2_pkg::*;
#(
  parameter int unsigned Segments = 4,
  parameter int unsigned MaxHeads = 25,
  parameter bit          AdderRetiming = 1'b0
) (
  input  logic                       clk_i,
  input  logic                       rst_ni,

  input  logic                       in_valid_i,
  output logic                       in_ready_o,
  input  label_t                     in_label_i,
  input  logic [512*Segments-1:0]    in_data_i,

  output logic                       rd_en_o,
  output logic                       rd_free_o,
  input  logic                       full_i,
  input  operand_t                   operand_i,

  // issue rule
  input  logic [3:0]                 entry_busy_i,
  input  logic [3:0]                 entry_ready_i,
  output logic [3:0]                 release_o,  // PV of the entry's head took its last beat
  input  logic                       scores_free_i,
  input  logic                       scores_done_i,  // the last score has come out of rescale
  input  logic                       head_room_i,

  // newest position
  output logic                       merge_valid_o,
  output logic [1:0]                 merge_entry_o,
  output logic                       merge_is_v_o,
  output logic [5:0]                 merge_group_o,
  input  logic [HeadDim-1:0][7:0]    merge_k_i,
  input  logic [Segments-1:0][7:0]   merge_v_i,
  input  scale_t                     merge_k_scale_i,
  input  scale_t                     merge_v_scale_i,

  output logic                       out_valid_o,
  output tag_t                       out_tag_o,
  output logic [Segments-1:0][63:0]  out_acc_o,
  output logic [3:0]                 out_e_max_o,
  output logic [2:0]                 out_excess_o,
  output logic [Segments-1:0][31:0]  out_side_o
);

  localparam int unsigned LogS       = $clog2(Segments);
  localparam int unsigned RowIdx     = (LogS > 0) ? LogS : 1;
  localparam int unsigned HeadGroups = HeadDim / Segments;
  // all groups of the width, and PV's
  localparam int unsigned AccDepth   = (MaxHeads + 1) * HeadGroups;
  localparam int unsigned AccAddr    = $clog2(AccDepth);

  // ----------------------------------------------------------------------------------------- issue

  tag_t   tag;
  issue_t issue;
  logic   fire, scores_busy_q;

  assign tag           = in_label_i.tag;
  assign issue         = in_label_i.issue;

  logic unused_slot;
  assign unused_slot = ^issue.slot;                // weight_stream gives it to operand_buffer

  logic waits_operand, waits_entry, waits_scores, waits_room;

  assign waits_operand = !in_label_i.side && !full_i;
  assign waits_entry   = (tag.op == OpQkv && in_label_i.start && entry_busy_i[tag.head[1:0]]) ||
                         (tag.op == OpScores && !entry_ready_i[tag.head[1:0]]);
  assign waits_scores  = tag.op == OpScores && in_label_i.side && in_label_i.start &&
                         (scores_busy_q || !scores_free_i);
  assign waits_room    = tag.op == OpHead && !in_label_i.side && in_label_i.last_block &&
                         !head_room_i;

  assign in_ready_o = !(waits_operand || waits_entry || waits_scores || waits_room);
  assign fire      = in_valid_i && in_ready_o;
  assign rd_en_o   = fire && !in_label_i.side;
  assign rd_free_o = issue.free && tag.last;

  always_ff @(posedge clk_i) begin
    release_o <= '0;
    release_o[tag.head[1:0]] <= fire && tag.op == OpPv && tag.last && in_label_i.last_block;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) scores_busy_q <= 1'b0;
    else if (fire && tag.op == OpScores && in_label_i.side && in_label_i.start) scores_busy_q <= 1'b1;
    else if (scores_done_i) scores_busy_q <= 1'b0;
  end

  // ------------------------------------------------------ what goes with a beat through the stages
  //
  // A beat's data, and what goes with it, are copied while it waits, too: only valid_q, and what
  // merges, waits until it is taken.

  typedef struct packed {
    logic               by_columns;         // has an accumulator in the memory
    logic               is_pv;
    logic               first;              // starts its sums
    logic               last;               // ends them
    logic               start_e;            // starts the largest exponent
    logic [AccAddr-1:0] addr;
    logic [3:0]         e;                  // of its operand, from stage 2 on
  } place_t;

  // What a group's last beat leaves for its sums; at most 11 groups are in between. Memory is
  // smaller than eleven stages of registers.
  typedef struct packed {
    tag_t                   tag;
    logic [2:0]             excess;
    logic [32*Segments-1:0] side_words;
  } in_flight_t;

  logic [12:1]             valid_q;          // of each stage; from 11 on, of a last block
  place_t                  place1_d, place1_q, place2_q, place3_q, place4_q, place5_q, place6_q,
                           place7_q, place8_q, place9_q;
  logic                    last10_q, columns10_q;
  tag_t                    tag1_q;
  logic [2:0]              excess1_q;
  in_flight_t              in_flight1, in_flight12_q;
  logic                    in_flight_ready, in_flight_waits;
  logic                    forward8_q, forward9_q;

  // PV counts as rows where exponents are concerned: nothing comes between its beats.
  wire columns9 = place9_q.by_columns && !place9_q.is_pv;

  always_comb begin
    place1_d.by_columns = issue.by_columns;
    place1_d.is_pv      = tag.op == OpPv;
    place1_d.first      = issue.first && in_label_i.block == 0;
    place1_d.last       = issue.last && in_label_i.last_block;
    // By columns, the first group starts the largest exponent; the others of the first block belong
    // to it.
    place1_d.start_e    = place1_d.first && (!issue.by_columns || tag.group == 0);
    // PV's accumulators follow those of the width.
    place1_d.addr       = AccAddr'(tag.group)
                        + (tag.op == OpPv ? AccAddr'(MaxHeads * HeadGroups) : '0);
    place1_d.e          = '0;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q <= '0;
    end else begin
      valid_q <= {valid_q[11], valid_q[10] && last10_q, valid_q[9:1],
                  fire && !in_label_i.side};
    end
    if (in_valid_i) begin
      place1_q  <= place1_d;
      tag1_q    <= tag;
      excess1_q <= issue.excess;
    end
    place2_q   <= place1_q;
    place2_q.e <= operand_i.e;
    place3_q   <= place2_q;
    place4_q   <= place3_q;
    place5_q   <= place4_q;
    place6_q   <= place5_q;
    place7_q   <= place6_q;
    place8_q   <= place7_q;
    place9_q   <= place8_q;
    last10_q    <= place9_q.last;
    columns10_q <= columns9;
    // Its accumulator is not in the memory yet when it is read: by rows never, by columns when the
    // beat before has the same, or (8) the one before that.
    forward8_q <= valid_q[9] && place9_q.by_columns && place9_q.addr == place7_q.addr;
    forward9_q <= !place8_q.by_columns ||
                  (valid_q[9] && place9_q.by_columns && place9_q.addr == place8_q.addr);
  end

  // The largest exponent.
  logic [3:0] e_rows_q, e_columns_q;
  wire [3:0]  e9_before = columns9 ? e_columns_q : e_rows_q;
  wire [3:0]  e10_d     = (place9_q.start_e || place9_q.e > e9_before) ? place9_q.e : e9_before;
  logic [3:0] e_max11_q;

  always_ff @(posedge clk_i) begin
    if (valid_q[9] && columns9)  e_columns_q <= e10_d;
    if (valid_q[9] && !columns9) e_rows_q    <= e10_d;
    e_max11_q <= columns10_q ? e_columns_q : e_rows_q;
    if (valid_q[11]) out_e_max_o <= e_max11_q;
  end

  assign out_valid_o  = valid_q[12];
  assign out_tag_o    = in_flight12_q.tag;
  assign out_excess_o = in_flight12_q.excess;
  assign out_side_o   = in_flight12_q.side_words;

  // -------------------------------------------------------- the newest position, scales and biases

  logic       merge_key, merge_value, merge_key_q, merge_value_q;
  logic [9:0] newest_q;
  wire [16:0] newest_group = kv_key_group(tag.position, LogS);

  assign merge_key   = fire && tag.op == OpScores && !in_label_i.side && tag.group == newest_group;
  assign merge_value = fire && tag.op == OpPv && in_label_i.last_block;

  always_ff @(posedge clk_i) begin
    merge_key_q   <= merge_key;
    merge_value_q <= merge_value;
    newest_q      <= tag.position;
  end

  assign merge_valid_o = merge_key || merge_value;
  assign merge_entry_o = tag.head[1:0];
  assign merge_is_v_o  = tag.op == OpPv;
  assign merge_group_o = tag.group[5:0];

  wire [RowIdx-1:0] newest_row = RowIdx'(kv_key_segment(newest_q, LogS));
  wire [5:0] newest_byte = kv_value_byte(newest_q);

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
      in_flight1.side_words[32*int'(newest_row) +: 32] = {merge_v_scale_i, merge_k_scale_i};
    end
  end

  fifo #(.Width($bits(in_flight_t)), .Depth(16), .RegisteredRead(1'b1)) u_in_flight (
    .clk_i, .rst_ni,
    .wr_valid_i(valid_q[1] && place1_q.last), .wr_ready_o(in_flight_ready), .wr_data_i(in_flight1),
    .rd_valid_o(in_flight_waits), .rd_ready_i(valid_q[11]), .rd_data_o(in_flight12_q), .count_o()
  );

  // ------------------------------------------------------------------------ multipliers and adders

  logic [512*Segments-1:0]   weights1_q, weights2_d, weights2_q;
  logic [1023:0]             operand2_q;
  // 30 bits, sign-extended: words of 32 bits are what simulators move at once.
  logic [Segments-1:0][31:0] sum7_q;

  always_comb begin
    weights2_d = weights1_q;
    if (merge_key_q) weights2_d[512*int'(newest_row) +: 512] = merge_k_i;
    if (merge_value_q) begin
      for (int s = 0; s < int'(Segments); s++) begin
        weights2_d[512*s + 8*int'(newest_byte) +: 8] = merge_v_i[s];
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (in_valid_i && !in_label_i.side) weights1_q <= in_data_i;
    weights2_q <= weights2_d;
    operand2_q <= operand_i.m;
  end

  if (AdderRetiming) begin : gen_retimed
    logic [Segments-1:0][31:0] sum_d, sum3_q, sum4_q, sum5_q, sum6_q;

    for (genvar s = 0; s < int'(Segments); s++) begin : gen_sum
      logic signed [31:0] sum;

      // Compilers make vector code of this form, four bytes of a word of weights per iteration
      // (sim/vector_check.sh).
      always_comb begin
        sum = 0;
        for (int i = 0; i < 16; i++) begin
          sum = sum
              + 32'($signed(weights2_q[512*s+32*i    +: 8]) * $signed(operand2_q[64*i    +: 16]))
              + 32'($signed(weights2_q[512*s+32*i+8  +: 8]) * $signed(operand2_q[64*i+16 +: 16]))
              + 32'($signed(weights2_q[512*s+32*i+16 +: 8]) * $signed(operand2_q[64*i+32 +: 16]))
              + 32'($signed(weights2_q[512*s+32*i+24 +: 8]) * $signed(operand2_q[64*i+48 +: 16]));
        end
      end
      assign sum_d[s] = sum;
    end

    always_ff @(posedge clk_i) begin
      sum3_q <= sum_d;
      sum4_q <= sum3_q;
      sum5_q <= sum4_q;
      sum6_q <= sum5_q;
      sum7_q <= sum6_q;
    end
  end else begin : gen_tree
    for (genvar s = 0; s < int'(Segments); s++) begin : gen_sum
      logic signed [23:0] product3_q [64];
      logic signed [25:0] sum4_d [16], sum4_q [16];
      logic signed [27:0] sum5_d [4], sum5_q [4];
      logic signed [28:0] sum6_d [2], sum6_q [2];
      logic signed [29:0] sum7_d;

      for (genvar i = 0; i < 64; i++) begin : gen_product
        multiplier #(.ABits(8), .BBits(16), .ASigned(1'b1), .BSigned(1'b1)) u_product (
          .clk_i, .en_i(1'b1), .a_i(weights2_q[512*s + 8*i +: 8]), .b_i(operand2_q[16*i +: 16]),
          .p_o(product3_q[i])
        );
      end

      always_comb begin
        for (int i = 0; i < 16; i++) begin
          sum4_d[i] = (26'(product3_q[i])    + 26'(product3_q[i+16]))
                    + (26'(product3_q[i+32]) + 26'(product3_q[i+48]));
        end
        for (int i = 0; i < 4; i++) begin
          sum5_d[i] = (28'(sum4_q[i])   + 28'(sum4_q[i+4]))
                    + (28'(sum4_q[i+8]) + 28'(sum4_q[i+12]));
        end
        for (int i = 0; i < 2; i++) sum6_d[i] = 29'(sum5_q[i]) + 29'(sum5_q[i+2]);
        sum7_d = 30'(sum6_q[0]) + 30'(sum6_q[1]);
      end

      always_ff @(posedge clk_i) begin
        sum4_q     <= sum4_d;
        sum5_q     <= sum5_d;
        sum6_q     <= sum6_d;
        sum7_q[s]  <= 32'(sum7_d);
      end
    end
  end

  // ---------------------------------------------------------------------------------- accumulators

  for (genvar s = 0; s < int'(Segments); s++) begin : gen_segment
    logic signed [32:0]        shifted8_q;
    logic signed [AccBits-1:0] shifted9_q, read8_q, read9_q, acc10_d, acc10_q, acc11_q;

    // What is read while it is written is not taken: forward8_q says so.
    ram_1r1w #(.Width(AccBits), .Depth(AccDepth)) u_accs (
      .clk_i,
      .wr_en_i(valid_q[9] && place9_q.by_columns), .wr_addr_i(place9_q.addr), .wr_strb_i(1'b1),
      .wr_data_i(acc10_d),
      .rd_en_i(1'b1), .rd_addr_i(place7_q.addr), .rd_data_o(read8_q)
    );

    assign acc10_d = shifted9_q + (place9_q.first ? '0 : forward9_q ? acc10_q : read9_q);

    always_ff @(posedge clk_i) begin
      shifted8_q <= 33'($signed(sum7_q[s])) <<< place7_q.e[1:0];
      shifted9_q <= AccBits'(shifted8_q) <<< {place8_q.e[3:2], 2'b00};
      read9_q    <= forward8_q ? acc10_q : read8_q;
      if (valid_q[9]) acc10_q <= acc10_d;
      if (valid_q[10]) acc11_q <= acc10_q;
      if (valid_q[11]) out_acc_o[s] <= 64'(acc11_q);
    end
  end

  // ------------------------------------------------------------------------------------ assertions

  `ERROR_IF(segments,
            2**$clog2(Segments) != Segments || Segments > 64,
            ("Segments must be 1, 2, 4, ... 64, not %0d", Segments))
  `ASSERT(fire |-> tag.op != OpPos && tag.op != OpToken && tag.op != OpNorm,
          ("%m: a beat that is not for the engine"))
  `ASSERT(fire && !in_label_i.side && issue.by_columns
          |-> 32'(tag.group) < MaxHeads * HeadGroups,
          ("%m: group %0d has no accumulators, there are %0d",
           tag.group, MaxHeads * HeadGroups))
  `ASSERT(valid_q[1] && place1_q.last |-> in_flight_ready,
          ("%m: no room for a group's tag, scales and biases"))
  `ASSERT(valid_q[11] |-> in_flight_waits, ("%m: sums without a tag, scales and biases"))
  `ASSERT(scores_done_i |-> scores_busy_q, ("%m: scores ended that were not under way"))

endmodule
