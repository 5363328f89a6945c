// SPDX-License-Identifier: Apache-2.0
//
// sampling - chooses the next id: argmax, or one of the top_k by temperature
//
//   v[0] >= v[1] >= ..  the top_k logits, the lower id first among equals;   top_k = 1: id[0]
//   e[i] = 2^-((v[0] - v[i]) * inv_t),   z = sum_i e[i],   target = random * z / 2^32
//   the id of the least i with e[0] + .. + e[i] > target
//
// A whole group of logits is compared with the list's last value at once, and the greater ones go
// into the list one by one. A stale last value only lets more logits through. The list is
// systolic_list, or serial_list if SystolicList is 0: 9,000 LUT4 and 6,000 flip-flops less.
//
// In      lg      Segments logits, Q14.16, of the ids base_id + s that have their bit in mask, ids
//                 ascending, last on a position's last group; valid/ready
//         start   loads the generator (xorshift64, shifts 13, 7, 17), which keeps its state between
//                 choices and steps once for each with top_k > 1; random is its upper half
// Out     choice  an id for each last group; valid/ready
// Rounds  v[0] - v[i] times inv_t down to 16 fraction bits; then as exp2_neg; target down
// Timing  a cycle per group, or one for each of its logits that passes: the first 64 all do, then
//         few (in random order the n-th logit passes with probability top_k / n);
//         4 cycles from the last group to the choice with top_k = 1, top_k + i + 17 for id[i], and
//         one for each further logit of that group that passes. The list is read from its head
//         while the last logit still walks down, one entry ahead of the read.
//         With serial_list a logit takes 4 cycles, and one for each entry that it passes, and the
//         choice waits for the last of them
// Keeps   one group, the list, 64 exponentials
// Assumes sampling_i held during a run, top_k 1..64, seed not 0
// Golden  golden/sampling.c: sampling_choose() - equal bit for bit

`include "assert.svh"

module sampling
  import gpt2_pkg::*;
#(
  parameter int unsigned Segments     = 16,
  parameter bit          SystolicList = 1'b1
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,
  input  logic                      start_i,
  input  sampling_t                 sampling_i,

  input  logic                      lg_valid_i,
  output logic                      lg_ready_o,
  input  logic [16:0]               lg_base_id_i,
  input  logic [Segments-1:0]       lg_mask_i,
  input  logic [Segments-1:0][31:0] lg_rows_i,
  input  logic                      lg_last_i,

  output logic                      choice_valid_o,
  input  logic                      choice_ready_i,
  output logic [16:0]               choice_id_o,

  output logic                      busy_o         // a group or a choice is being processed
);

  localparam int unsigned IndexBits = $clog2(MaxTopK);
  localparam int unsigned ZBits     = ExpFrac + IndexBits + 1;       // 64 exponentials of at most 1
  localparam int unsigned DBits     = RowBits;                        // a difference, unsigned
  localparam int unsigned TBits     = DBits + 24 - RowFrac;           // times inv_t

  typedef logic [IndexBits-1:0] index_t;

  typedef enum logic [2:0] {
    StCollect,                                   // logits into the list
    StInsert,                                    // the last one is compared with its head
    StFirst,                                     // the list's head is complete
    StExp,                                       // its entries leave for the exponentials
    StSum,                                       // the last exponentials arrive
    StDraw,                                      // a random target
    StScan,                                      // the cumulative sum up to it
    StChoice
  } state_e;

  state_e state_q, state_d;

  // ------------------------------------------------------------ 1: a group against the threshold

  logic                      group_valid_q, group_last_q;
  logic [16:0]               group_base_q;
  logic [Segments-1:0][31:0] group_rows_q;
  logic [Segments-1:0]       passed, waiting_q;  // logits beyond the threshold; not yet picked
  logic [Segments-1:0]       pick, waiting;      // the lowest of them; the others
  logic                      accept, group_done;
  logic                      list_ready;
  logic                      list_full;          // the list holds top_k
  logic [31:0]               threshold;          // its last value

  assign pick       = waiting_q & (~waiting_q + 1'b1);
  assign waiting    = list_ready ? waiting_q & ~pick : waiting_q;
  assign group_done = group_valid_q && waiting == '0;
  assign lg_ready_o = state_q == StCollect && (!group_valid_q || (group_done && !group_last_q));
  assign accept     = lg_valid_i && lg_ready_o;

  always_comb begin
    passed = '0;
    if (accept) begin
      for (int i = 0; i < int'(Segments); i++) begin
        passed[i] = lg_mask_i[i] && (!list_full || $signed(threshold) < $signed(lg_rows_i[i]));
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      group_valid_q <= 1'b0;
      waiting_q     <= '0;
    end else begin
      group_valid_q <= accept || (group_valid_q && !group_done);
      waiting_q     <= accept ? passed : waiting;
    end
  end

  always_ff @(posedge clk_i) begin
    if (accept) begin
      group_base_q <= lg_base_id_i;
      group_last_q <= lg_last_i;
    end
    if (accept && passed != '0) group_rows_q <= lg_rows_i;
  end

  // ------------------------------------------------------------------------- 2: one logit picked

  logic        candidate;
  logic [31:0] value;
  logic [16:0] id;

  assign candidate = waiting_q != '0;

  always_comb begin
    value = '0;
    id    = group_base_q;                         // a multiple of Segments
    if (candidate) begin
      for (int i = 0; i < int'(Segments); i++) begin
        value = value | (pick[i] ? group_rows_q[i] : '0);
        id    = id | (pick[i] ? 17'(i) : '0);
      end
    end
  end

  // -------------------------------------------------------------------------- 3: the sorted list

  index_t      last_entry;                       // of top_k
  index_t      read_index_q;
  logic [31:0] entry_value, first_value;
  logic [16:0] entry_id, first_id;
  logic [31:0] max_logit_q;
  logic [16:0] first_id_q;
  logic        clear, list_done;

  assign last_entry = index_t'(sampling_i.top_k - 7'd1);

  if (SystolicList) begin : gen_systolic
    systolic_list #(.Length(MaxTopK)) u_list (
      .clk_i, .rst_ni, .clear_i(clear), .last_i(last_entry),
      .in_valid_i(candidate), .in_ready_o(list_ready), .in_value_i(value), .in_id_i(id),
      .full_o(list_full), .threshold_o(threshold), .done_o(list_done),
      .first_value_o(first_value), .first_id_o(first_id),
      .read_index_i(read_index_q), .read_value_o(entry_value), .read_id_o(entry_id)
    );
  end else begin : gen_serial
    serial_list #(.Length(MaxTopK)) u_list (
      .clk_i, .rst_ni, .clear_i(clear), .last_i(last_entry),
      .in_valid_i(candidate), .in_ready_o(list_ready), .in_value_i(value), .in_id_i(id),
      .full_o(list_full), .threshold_o(threshold), .done_o(list_done),
      .first_value_o(first_value), .first_id_o(first_id),
      .read_index_i(read_index_q), .read_value_o(entry_value), .read_id_o(entry_id)
    );
  end

  always_ff @(posedge clk_i) begin
    if (state_q == StFirst) begin
      max_logit_q <= first_value;
      first_id_q  <= first_id;
    end
  end

  // Read: the last entry while logits come in, then each entry in turn, from StFirst on.
  always_ff @(posedge clk_i) begin
    unique case (state_q)
      StInsert:       read_index_q <= '0;
      StFirst, StExp: read_index_q <= read_index_q + 1'b1;
      default:        read_index_q <= last_entry;
    endcase
  end

  // ------------------------------------------------------------------------- 4: the exponentials

  // Each list entry in turn: its difference goes through a multiplier and exp2_neg, its id into a
  // memory.
  logic                  shift;                  // an entry has been read
  logic [6:0]            entries_q;              // those that count: top_k, or all there are
  index_t                last_index_q;           // of them
  index_t                out_index_q, in_index_q;
  logic [3:1]            exp_valid_q;
  logic [DBits-1:0]      d1_q;
  logic [DBits+24-1:0]   scaled3_q;
  logic                  e_valid;
  logic [ExpFrac:0]      e;
  logic [ZBits-1:0]      z_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) exp_valid_q <= '0;
    else         exp_valid_q <= {exp_valid_q[2:1], shift};
  end

  always_ff @(posedge clk_i) begin
    if (state_q == StFirst) begin
      last_index_q <= index_t'(entries_q - 7'd1);
      out_index_q  <= '0;
      in_index_q   <= '0;
      z_q          <= '0;
    end
    if (shift) begin
      d1_q        <= DBits'(max_logit_q - entry_value);
      out_index_q <= out_index_q + 1'b1;
    end
    if (e_valid) begin
      in_index_q <= in_index_q + 1'b1;
      z_q        <= z_q + ZBits'(e);
    end
  end

  wide_product #(.ABits(DBits), .BBits(24)) u_scaled (
    .clk_i, .in_valid_i(exp_valid_q[1]), .in_a_i(d1_q), .in_b_i(sampling_i.inv_t),
    .out_p_o(scaled3_q)
  );

  exp2_neg #(.Width(1), .TBits(TBits)) u_exp2_neg (
    .clk_i, .rst_ni, .in_valid_i(exp_valid_q[3]), .in_t_i(TBits'(scaled3_q >> RowFrac)),
    .out_valid_o(e_valid), .out_e_o(e)
  );

  // ------------------------------------------------------------------------ 5: the random target

  function automatic logic [63:0] xorshift64(logic [63:0] x);
    x = x ^ (x << 13);
    x = x ^ (x >> 7);
    return x ^ (x << 17);
  endfunction

  logic [63:0]         random_q;
  logic [1:0]          draw_q;                   // StDraw: multiply, add, take
  logic [32+ZBits-1:0] target_q;                 // times 2^32

  always_ff @(posedge clk_i) begin
    if (!rst_ni) draw_q <= '0;
    else         draw_q <= state_q == StDraw ? draw_q + 1'b1 : '0;
  end

  always_ff @(posedge clk_i) begin
    if (start_i) random_q <= sampling_i.seed;
    else if (state_q == StFirst && state_d == StExp) random_q <= xorshift64(random_q);
  end

  wide_product #(.ABits(32), .BBits(ZBits)) u_target (
    .clk_i, .in_valid_i(state_q == StDraw && draw_q == 2'd0), .in_a_i(random_q[63:32]),
    .in_b_i(z_q), .out_p_o(target_q)
  );

  // -------------------------------------------------------------- 6: down the list to the target

  index_t           scan_index_q;
  logic             scan_valid_q, scan2_valid_q; // read from the memories; a cycle later
  logic [ExpFrac:0] scan_e_q, scan2_e_q;
  logic [16:0]      scan_id_q, scan2_id_q;
  logic [ZBits-1:0] left_q;                      // target less the sum so far
  logic [ZBits:0]   left;                        // less this one; negative: it is the one
  logic             hit;

  assign left = {1'b0, left_q} - (ZBits+1)'(scan2_e_q);
  assign hit  = scan2_valid_q && left[ZBits];

  always_ff @(posedge clk_i) begin
    scan_valid_q  <= state_q == StScan && !hit;
    scan2_valid_q <= scan_valid_q && !hit;
    scan2_e_q     <= scan_e_q;
    scan2_id_q    <= scan_id_q;
    if (state_q == StDraw) begin
      scan_index_q <= '0;
      left_q       <= ZBits'(target_q >> 32);
    end
    if (state_q == StScan) begin
      scan_index_q <= scan_index_q + 1'b1;
      if (scan2_valid_q) left_q <= left[ZBits-1:0];
    end
  end

  ram_1r1w #(.Width(ExpFrac + 1), .Depth(MaxTopK)) u_exponentials (
    .clk_i,
    .wr_en_i(e_valid), .wr_addr_i(in_index_q), .wr_strb_i(1'b1), .wr_data_i(e),
    .rd_en_i(state_q == StScan), .rd_addr_i(scan_index_q), .rd_data_o(scan_e_q)
  );
  ram_1r1w #(.Width(17), .Depth(MaxTopK)) u_ids (
    .clk_i,
    .wr_en_i(shift), .wr_addr_i(out_index_q), .wr_strb_i(1'b1), .wr_data_i(entry_id),
    .rd_en_i(state_q == StScan), .rd_addr_i(scan_index_q), .rd_data_o(scan_id_q)
  );

  // ------------------------------------------------------------------------------------- control

  logic [16:0] choice_id_q;

  always_comb begin
    state_d = state_q;
    shift   = 1'b0;
    unique case (state_q)
      StCollect: if (group_done && group_last_q) state_d = StInsert;
      StInsert:  if (list_done) state_d = StFirst;
      StFirst:   state_d = sampling_i.top_k == 7'd1 ? StChoice : StExp;
      StExp: begin
        shift = 1'b1;
        if (out_index_q == last_index_q) state_d = StSum;
      end
      StSum:    if (e_valid && in_index_q == last_index_q) state_d = StDraw;
      StDraw:   if (draw_q == 2'd2) state_d = StScan;
      StScan:   if (hit) state_d = StChoice;
      StChoice: if (choice_ready_i) state_d = StCollect;
      default:  state_d = StCollect;
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) state_q <= StCollect;
    else         state_q <= state_d;
  end

  assign clear = state_q == StChoice;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear)                                entries_q <= '0;
    else if (candidate && list_ready && entries_q != sampling_i.top_k)
      entries_q <= entries_q + 1'b1;
  end

  always_ff @(posedge clk_i) begin
    if (state_q == StScan && hit) choice_id_q <= scan2_id_q;
  end

  assign busy_o         = group_valid_q || state_q != StCollect;
  assign choice_valid_o = state_q == StChoice;
  assign choice_id_o    = sampling_i.top_k == 7'd1 ? first_id_q : choice_id_q;

  // ---------------------------------------------------------------------------------- assertions

  `ASSERT(lg_valid_i |-> sampling_i.top_k >= 7'd1 && sampling_i.top_k <= 7'(MaxTopK),
          ("%m: top_k = %0d must be 1 to %0d", sampling_i.top_k, MaxTopK))
  `ASSERT(state_q == StDraw |-> random_q != '0,
          ("%m: the generator's state is 0, which it never leaves"))
  `ASSERT(choice_valid_o && !choice_ready_i |=> choice_valid_o && $stable(choice_id_o),
          ("%m: a choice changed before it was taken"))

endmodule
