// SPDX-License-Identifier: Apache-2.0
//
// gpt2_core - tokens in, their logits and the next ids out: one weight stream, sequencer and
// LayerNorm; rescale, GELU and the residual for each of Engines; a vector path for each of Positions
//
//   sequencer ▶ weight_stream ▶ matvec ▶ rescale ▶ transformer_block ▶ kv_cache ▶ matvec, memory
//                                                ▶ mlp_ffn ▶ transformer_block
//                                                ▶ residual_add ▶ layernorm ▶ transformer_block
//                                                ▶ final_linear ▶ sampling
//                             ▶ embedding_row ▶ residual_add
//                             ▶ layernorm: its parameters
//
// A batch is up to Positions steps: at consecutive positions of one sequence, or one of each of
// several sequences (step_t). They meet each beat of weights together, and those of one sequence
// also its keys and values. Each goes through a member: operands and transformer_block, and its
// place in the units of its engine. Engines members meet a beat in a cycle, then the next, as long as
// the beat is for some: member m is engine m % Engines's in round m / Engines. From QKV of layer 0
// on, all run in step but for that. Sequence s has sampler s.
//
// In      step    id, position, its place in the batch, head wanted (valid/ready); a batch's first
//                 only after the previous batch has ended. Of one sequence, only the last has a head
//         seed    a pulse: a sequence begins; loads its generator's seed
// Out     choice  the sampled id, of choice_seq, after a step with head (valid/ready); step_done at
//                 the end of a batch without
//         logits  every group of sequence 0's logits if stream_logits_i (valid/ready)
//         memory  read bursts, strobed writes (docs/memory_image.md)
//         event   what happens in this cycle (event_t), with the residual's rows as they are
//                 written, Q14.12: those of residual_members, each at its member's place
//         counters   counters_t; count a cycle after count_sel_i
//         quiet   nothing is in flight: no job, no write, no logit, no choice
//         mem_busy  requests, beats or acknowledgements are outstanding at the memory port
// Reset   rst_ni ends all computation; outstanding memory transfers complete and are dropped as
//         they come, until mem_busy_o is low. mem_rst_ni forgets them
// Golden  golden/gpt2_core.c

`include "assert.svh"

module gpt2_core
  import gpt2_pkg::*;
#(
  parameter int unsigned Segments  = 4,
  parameter int unsigned MaxHeads  = 25,
  parameter int unsigned MaxCtx    = 1024,
  parameter int unsigned NormWidth = 64,
  parameter int unsigned ExpWidth  = Segments,
  parameter int unsigned Positions = 1,
  parameter int unsigned Engines   = Positions,
  parameter int unsigned Folding   = 1,
  parameter bit          ClockGating = 1'b0,
  parameter bit          AdderRetiming = 1'b0,
  parameter bit          SystolicList  = 1'b1
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,
  input  logic                      mem_rst_ni,
  input  logic                      test_en_i,
  input  config_t                   cfg_i,
  input  sampling_t                 sampling_i,
  input  logic                      start_i,                 // a run begins
  input  logic                      seed_valid_i,
  input  logic [3:0]                seed_seq_i,
  input  logic                      counting_i,              // a run is under way
  output logic                      quiet_o,
  output logic                      mem_busy_o,
  input  logic                      stream_logits_i,

  input  logic                      step_valid_i,
  output logic                      step_ready_o,
  input  step_t                     step_i,
  output logic                      step_done_o,
  output logic                      choice_valid_o,
  input  logic                      choice_ready_i,
  output logic [16:0]               choice_id_o,
  output logic [3:0]                choice_seq_o,

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
  input  logic [512*Segments-1:0]   rd_rsp_data_i,
  output logic                      wr_valid_o,
  input  logic                      wr_ready_i,
  output logic [AddrBits-1:0]       wr_addr_o,
  output logic [512*Segments-1:0]   wr_data_o,
  output logic [64*Segments-1:0]    wr_strb_o,
  input  logic                      wr_ack_i,

  output event_t                    event_o,
  output logic [Positions-1:0][Segments-1:0][31:0] residual_rows_o,
  input  logic [7:0]                count_sel_i,
  output counters_t                 counters_o
);

  // --------------------------------------------------------------------------- a batch's positions

  localparam int unsigned LogS       = $clog2(Segments);
  localparam int unsigned MemberBits = (Positions > 1) ? $clog2(Positions) : 1;
  localparam int unsigned EngineBits = (Engines > 1) ? $clog2(Engines) : 1;
  localparam int unsigned Rounds     = Positions / Engines;
  localparam int unsigned RoundBits  = (Rounds > 1) ? $clog2(Rounds) : 1;

  // A member's engine, and its place among that engine's members.
  function automatic logic [EngineBits-1:0] engine_of(logic [3:0] member);
    return EngineBits'(32'(member) % Engines);
  endfunction
  function automatic logic [RoundBits-1:0] round_of(logic [MemberBits-1:0] member);
    return RoundBits'(32'(member) / Engines);
  endfunction

  typedef logic [Positions-1:0] members_t;

  batch_t                    batch;
  logic [Positions-1:0][9:0] position;             // of its members

  // The tag of a batch's rows for member p. Scores end with the position's own, as if it were alone;
  // only a head of its own is wanted.
  function automatic tag_t member_tag(tag_t tag, logic [3:0] p);
    automatic tag_t own = tag;
    own.alone     = 1'b1;
    own.member    = p;
    own.position  = position[MemberBits'(p)];
    own.want_head = tag.want_head && (batch.several || p == batch.last);
    if (tag.op == OpScores) own.last = tag.group == kv_key_group(own.position, LogS);
    return own;
  endfunction

  // -------------------------------------------------------------------------- jobs and their beats

  logic                job_valid, job_ready, split, kv_idle, rd_busy, wr_busy;
  job_t                job;
  logic [AddrBits-1:0] side_addr, addr, beats, kv_seq_beats;

  // The clock of a step's start, for the sequencer and embedding_row.
  logic clk_begin, sequencer_active, embedding_wake, embedding_busy;

  localparam int unsigned BeginLinger = 8 + HeadDim / Segments;
  wire begin_wake = step_valid_i || embedding_wake;
  wire begin_hold = sequencer_active || embedding_busy;

  clock_gate #(.Gating(ClockGating), .Linger(BeginLinger)) u_gate_begin (
    .clk_i, .rst_ni, .test_en_i, .wake_i(begin_wake), .hold_i(begin_hold), .clk_o(clk_begin)
  );

  sequencer #(
    .Segments(Segments), .MaxHeads(MaxHeads), .MaxCtx(MaxCtx), .Positions(Positions)
  ) u_sequencer (
    .clk_i(clk_begin), .rst_ni, .cfg_i, .active_o(sequencer_active),
    .step_valid_i, .step_ready_o, .step_i, .kv_idle_i(kv_idle),
    .batch_o(batch), .position_o(position), .kv_seq_beats_o(kv_seq_beats),
    .job_valid_o(job_valid), .job_ready_i(job_ready), .job_o(job), .split_o(split),
    .side_addr_o(side_addr), .addr_o(addr), .beats_o(beats)
  );

  logic                    beat_valid, beat_ready, stream_waits, next_en;
  logic [7:0]              next_slot;
  label_t                  label;
  logic [512*Segments-1:0] data;

  weight_stream #(.Segments(Segments)) u_weight_stream (
    .clk_i, .rst_ni, .mem_rst_ni,
    .job_valid_i(job_valid), .job_ready_o(job_ready), .job_i(job), .split_i(split),
    .side_addr_i(side_addr), .addr_i(addr), .beats_i(beats),
    .rd_req_valid_o, .rd_req_ready_i, .rd_req_addr_o, .rd_req_len_o,
    .rd_rsp_valid_i, .rd_rsp_ready_o, .rd_rsp_data_i, .mem_busy_o(rd_busy),
    .beat_valid_o(beat_valid), .beat_ready_i(beat_ready), .beat_label_o(label), .beat_data_o(data),
    .next_en_o(next_en), .next_slot_o(next_slot), .waits_o(stream_waits)
  );

  wire is_row    = label.tag.op == OpPos || label.tag.op == OpToken;
  wire is_norm   = label.tag.op == OpNorm;
  wire is_matvec = !is_row && !is_norm;
  logic row_ready, norm_ready, matvec_ready;

  assign beat_ready = is_row  ? row_ready  :
                      is_norm ? norm_ready : matvec_ready;

  // ------------------------------------------------------------------------------------- embedding

  logic                      emb_valid;
  logic [Engines-1:0]        emb_ready;
  logic [EngineBits-1:0]     emb_engine;
  tag_t                      emb_tag;
  logic [Segments-1:0][31:0] emb_rows;
  logic [6:0]                sat_emb;

  assign embedding_wake = beat_valid && is_row;
  assign embedding_busy = emb_valid;
  assign emb_engine     = engine_of(emb_tag.member);

  embedding_row #(.Segments(Segments)) u_embedding_row (
    .clk_i(clk_begin), .rst_ni,
    .in_valid_i(beat_valid && is_row), .in_ready_o(row_ready), .in_label_i(label), .in_data_i(data),
    .out_valid_o(emb_valid), .out_ready_i(emb_ready[emb_engine]),
    .out_tag_o(emb_tag), .out_rows_o(emb_rows),
    .sat_o(sat_emb)
  );

  // ---------------------------------------------------------------------------------------- engine

  localparam int unsigned QuantWidth = quant_width(Segments, NormWidth);
  localparam int unsigned PartBits   = (QuantWidth < HeadDim) ? $clog2(HeadDim / QuantWidth) : 1;

  logic [Positions-1:0]      rd_en;
  logic                      rd_free, full, held;
  localparam int unsigned StepBits = (Folding > 1) ? $clog2(Folding) : 1;
  logic [StepBits-1:0]       fold_step;
  operand_t [Positions-1:0]  operand;
  logic [3:0]                entry_busy, entry_ready, entry_release;
  logic [Positions-1:0]      scores_free, scores_done;
  logic                      head_room;
  logic [1:0]                merge_entry;
  logic [3:0]                merge_member;
  logic                      merge_valid, merge_is_v;
  logic [5:0]                merge_group;
  logic [Positions-1:0][HeadDim-1:0][7:0]  merge_k;
  logic [Positions-1:0][Segments-1:0][7:0] merge_v;
  scale_t [Positions-1:0]    merge_k_scale, merge_v_scale;
  logic                      acc_valid;
  tag_t                      acc_tag;

  logic [RoundBits-1:0]      acc_round;
  logic [Engines-1:0][Segments-1:0][63:0] acc;
  logic [Engines-1:0][3:0]   acc_e_max;
  logic [2:0]                acc_excess;
  logic [Segments-1:0][31:0] acc_side;

  matvec #(
    .Segments(Segments), .MaxHeads(MaxHeads), .Positions(Positions), .Engines(Engines),
    .Folding(Folding), .AdderRetiming(AdderRetiming)
  ) u_matvec (
    .clk_i, .rst_ni,
    .in_valid_i(beat_valid && is_matvec), .in_ready_o(matvec_ready), .in_label_i(label),
    .in_data_i(data), .batch_i(batch),
    .rd_en_o(rd_en), .rd_free_o(rd_free), .step_o(fold_step), .full_i(full), .operand_i(operand),
    .entry_busy_i(entry_busy), .entry_ready_i(entry_ready), .release_o(entry_release),
    .scores_free_i(scores_free), .scores_done_i(scores_done), .head_room_i(head_room),
    .merge_valid_o(merge_valid), .merge_entry_o(merge_entry), .merge_member_o(merge_member),
    .merge_is_v_o(merge_is_v),
    .merge_group_o(merge_group), .merge_k_i(merge_k), .merge_v_i(merge_v),
    .merge_k_scale_i(merge_k_scale), .merge_v_scale_i(merge_v_scale),
    .held_o(held), .out_valid_o(acc_valid), .out_tag_o(acc_tag), .out_round_o(acc_round),
    .out_acc_o(acc), .out_e_max_o(acc_e_max),
    .out_excess_o(acc_excess), .out_side_o(acc_side)
  );

  // The batch's keys and values: matvec merges them into the beats, and they are written to memory.
  // The members of a round are quantised in step, so head, layer and kind may be taken from any.
  logic [Positions-1:0]                   kv_valid, kv_is_v;
  logic [Positions-1:0][5:0]              kv_head;
  logic [Positions-1:0][7:0]              kv_layer;
  logic [Positions-1:0][HeadDim-1:0][7:0] kv_q;
  scale_t [Positions-1:0]                 kv_scale;
  logic [MemberBits-1:0]                  kv_any;  // a position of the batch
  logic                                   clk_kv;

  always_comb begin
    kv_any = '0;
    for (int unsigned p = 0; p < Positions; p++) if (kv_valid[p]) kv_any = MemberBits'(p);
  end

  localparam int unsigned KvLinger = 4;
  wire kv_hold = entry_busy != '0 || !kv_idle || wr_busy;

  clock_gate #(.Gating(ClockGating), .Linger(KvLinger)) u_gate_kv (
    .clk_i, .rst_ni, .test_en_i, .wake_i(kv_valid != '0), .hold_i(kv_hold), .clk_o(clk_kv)
  );

  kv_cache #(.Segments(Segments), .MaxHeads(MaxHeads), .Positions(Positions)) u_kv_cache (
    .clk_i(clk_kv), .rst_ni, .mem_rst_ni, .cfg_i, .kv_seq_beats_i(kv_seq_beats),
    .batch_i(batch), .position_i(position),
    .kv_valid_i(kv_valid), .kv_is_v_i(kv_is_v[kv_any]), .kv_head_i(kv_head[kv_any]),
    .kv_layer_i(kv_layer[kv_any]), .kv_q_i(kv_q), .kv_scale_i(kv_scale),
    .entry_busy_o(entry_busy), .entry_ready_o(entry_ready), .release_i(entry_release),
    .wr_valid_o, .wr_ready_i, .wr_addr_o, .wr_data_o, .wr_strb_o, .wr_ack_i,
    .idle_o(kv_idle), .mem_busy_o(wr_busy),
    .merge_valid_i(merge_valid), .merge_entry_i(merge_entry), .merge_member_i(merge_member),
    .merge_is_v_i(merge_is_v),
    .merge_group_i(merge_group), .k_o(merge_k), .v_o(merge_v), .k_scale_o(merge_k_scale),
    .v_scale_o(merge_v_scale)
  );

  // --------------------------------------------------------------------------------------- members

  members_t                                 takes;  // the beat is for member p
  logic [Positions-1:0]                     rows_valid, member_full;
  tag_t [Positions-1:0]                     rows_tag;
  logic [Positions-1:0][Segments-1:0][31:0] rows;
  logic [Positions-1:0][Segments-1:0][15:0] v_scales;
  scale_t [Positions-1:0][1:0]              pv_scale;
  logic [Positions-1:0]                     op_valid, op_last;
  logic [Positions-1:0][7:0]                op_slot;
  logic [Positions-1:0][PartBits-1:0]       op_part;
  logic [Positions-1:0][3:0]                op_exp;
  logic [Positions-1:0][QuantWidth-1:0][15:0] op_m;
  logic [Positions-1:0]                     residual_valid;
  logic [Positions-1:0][6:0]                sat_block;

  // to LayerNorm and from it
  logic [Positions-1:0]                     sums_valid, x_valid, x_rd_en;
  logic [Engines-1:0]                       norm_rd_en;
  tag_t [Engines-1:0]                       sums_tag;
  logic [Engines-1:0][37:0]                 sum;
  logic [Engines-1:0][62:0]                 sum_sq;
  logic [MemberBits-1:0]                    sum_member, norm_rd_member, x_member;
  logic [10:0]                              norm_rd_row;
  logic [Engines-1:0][QuantWidth-1:0][31:0] norm_rd_rows;
  logic                                     x_any;
  logic [7:0]                               x_blk_slot;
  logic [29:0]                              x_used;
  logic [Positions-1:0][PartBits-1:0]       x_rd_part;
  logic [QuantWidth-1:0][31:0]              x_rows;

  // Rows in flight: rescale, then pipelines of a few cycles.
  localparam int unsigned RowsLinger = 16;
  logic                 clk_rows;
  logic [Positions-1:0] rows_wake_block;
  wire  rows_wake = acc_valid || rows_valid != '0 || emb_valid || norm_rd_en != '0 ||
                    rows_wake_block != '0;

  clock_gate #(.Gating(ClockGating), .Linger(RowsLinger)) u_gate_rows (
    .clk_i, .rst_ni, .test_en_i, .wake_i(rows_wake), .hold_i(1'b0), .clk_o(clk_rows)
  );

  // Engine e's sums become rows of member acc_round * Engines + e, which go to the member, or through
  // GELU, or to its residual.
  logic [Engines-1:0]                     engine_valid, g_valid, engine_residual;
  tag_t [Engines-1:0]                     engine_tag, residual_tag;
  logic [Engines-1:0][Segments-1:0][31:0] engine_rows, g_rows, residual_rows;
  logic [Engines-1:0][Segments-1:0][15:0] engine_v_scales;
  logic [Engines-1:0][3:0]                g_member;
  logic [Engines-1:0][7:0]                g_blk_slot;
  logic [Engines-1:0][Rounds-1:0]         engine_sums;
  logic [Engines-1:0][7:0]                sat_rows;
  logic [Engines-1:0][6:0]                sat_residual;

  for (genvar e = 0; e < int'(Engines); e++) begin : gen_engine
    logic [3:0]            m;
    logic [MemberBits-1:0] index;
    tag_t                  own_tag;
    logic                  takes_rows;

    assign m       = (Positions > Engines) ? 4'(acc_round) << $clog2(Engines) | 4'(e) : 4'(e);
    assign index   = MemberBits'(m);
    assign own_tag = (Positions > 1) ? member_tag(acc_tag, m) : acc_tag;

    // The batch's newest position decides how many scores come. The others drop those beyond their
    // own positions.
    assign takes_rows = Positions == 1 ||
                        (is_for(acc_tag.alone, acc_tag.member, batch.members, m) &&
                         (acc_tag.op != OpScores ||
                          acc_tag.group <= kv_key_group(own_tag.position, LogS)));

    rescale #(.Segments(Segments)) u_rescale (
      .clk_i(clk_rows), .rst_ni,
      .in_valid_i(acc_valid && takes_rows),
      .in_tag_i(own_tag), .in_acc_i(acc[e]), .in_e_max_i(acc_e_max[e]),
      .in_excess_i(acc_excess), .in_side_i(acc_side),
      .in_pv_scale_i(pv_scale[index][acc_tag.head[0]]),
      .rows_valid_o(engine_valid[e]), .rows_tag_o(engine_tag[e]), .rows_o(engine_rows[e]),
      .v_scales_o(engine_v_scales[e]), .sat_o(sat_rows[e])
    );

    mlp_ffn #(
      .Segments(Segments), .MaxHeads(MaxHeads), .Positions(Positions), .Engines(Engines)
    ) u_mlp_ffn (
      .clk_i(clk_rows), .rst_ni,
      .rows_valid_i(engine_valid[e]), .rows_tag_i(engine_tag[e]), .rows_i(engine_rows[e]),
      .blk_valid_o(g_valid[e]), .blk_member_o(g_member[e]), .blk_slot_o(g_blk_slot[e]),
      .blk_rows_o(g_rows[e])
    );

    residual_add #(
      .Segments(Segments), .MaxHeads(MaxHeads), .ReadWidth(QuantWidth), .Positions(Positions),
      .Engines(Engines)
    ) u_residual_add (
      .clk_i(clk_rows), .rst_ni,
      .rows_valid_i(engine_valid[e]), .rows_tag_i(engine_tag[e]), .rows_i(engine_rows[e]),
      .emb_valid_i(emb_valid && emb_engine == EngineBits'(e)), .emb_ready_o(emb_ready[e]),
      .emb_tag_i(emb_tag), .emb_rows_i(emb_rows),
      .sums_valid_o(engine_sums[e]), .sums_tag_o(sums_tag[e]),
      .sums_place_i(round_of(sum_member)), .sum_o(sum[e]), .sum_sq_o(sum_sq[e]),
      .rd_en_i(norm_rd_en[e]), .rd_place_i(round_of(norm_rd_member)), .rd_row_i(norm_rd_row),
      .rd_rows_o(norm_rd_rows[e]),
      .residual_valid_o(engine_residual[e]), .residual_tag_o(residual_tag[e]),
      .residual_rows_o(residual_rows[e]), .sat_o(sat_residual[e])
    );

    // A gated clock stops only when the unit it serves has drained.
`ifdef ASSERTIONS
    rest_rules #(.Linger(RowsLinger), .Width(15)) u_rest_rows (
      .clk_i, .rst_ni, .wake_i(rows_wake), .hold_i(1'b0),
      .active_i({u_rescale.valid1_q, u_rescale.valid2_q, u_rescale.valid3_q, u_rescale.valid4_q,
                 u_rescale.valid5_q,
                 u_residual_add.valid1_q, u_residual_add.valid2_q, u_residual_add.valid3_q,
                 u_residual_add.valid4_q, u_residual_add.valid5_q, engine_sums[e] != '0,
                 u_mlp_ffn.u_gelu.valid1_q, u_mlp_ffn.u_gelu.valid2_q, u_mlp_ffn.u_gelu.valid3_q,
                 u_mlp_ffn.u_gelu.valid4_q})
    );
`endif
  end

  for (genvar p = 0; p < int'(Positions); p++) begin : gen_member
    assign takes[p]   = is_for(label.tag.alone, label.tag.member, batch.members, 4'(p));
    assign x_valid[p] = x_any && (Positions == 1 || x_member == MemberBits'(p));

    operand_buffer #(
      .MaxHeads(MaxHeads), .MaxCtx(MaxCtx), .Width(QuantWidth), .Folding(Folding)
    ) u_operand_buffer (
      .clk_i, .rst_ni,
      .wr_valid_i(op_valid[p]), .wr_slot_i(op_slot[p]), .wr_part_i(op_part[p]),
      .wr_last_i(op_last[p]), .wr_e_i(op_exp[p]), .wr_m_i(op_m[p]),
      .next_en_i(next_en), .next_slot_i(next_slot), .full_o(member_full[p]), .step_i(fold_step),
      .rd_en_i(rd_en[p]), .free_i(rd_free), .operand_o(operand[p])
    );

    // Member p's rows come from engine E.
    localparam int unsigned E   = p % Engines;
    localparam bit          All = Positions == Engines;    // it has no other member

    assign rows_valid[p]      = engine_valid[E] && (All || engine_tag[E].member == 4'(p));
    assign rows_tag[p]        = engine_tag[E];
    assign rows[p]            = engine_rows[E];
    assign v_scales[p]        = engine_v_scales[E];
    assign sums_valid[p]      = engine_sums[E][p / Engines];
    assign residual_valid[p]  = engine_residual[E] && (All || residual_tag[E].member == 4'(p));
    assign residual_rows_o[p] = residual_rows[E];

    transformer_block #(
      .Segments(Segments), .MaxHeads(MaxHeads), .MaxCtx(MaxCtx),
      .NormWidth(NormWidth), .ExpWidth(ExpWidth), .ClockGating(ClockGating)
    ) u_transformer_block (
      .clk_i, .rst_ni, .test_en_i,
      .clk_rows_i(clk_rows), .rows_wake_o(rows_wake_block[p]),
      .rows_valid_i(rows_valid[p]), .rows_tag_i(rows_tag[p]), .rows_i(rows[p]),
      .v_scales_i(v_scales[p]),
      .g_valid_i(g_valid[E] && (All || g_member[E] == 4'(p))), .g_slot_i(g_blk_slot[E]),
      .g_rows_i(g_rows[E]),
      .x_valid_i(x_valid[p]), .x_slot_i(x_blk_slot), .x_used_i(x_used), .x_rd_en_o(x_rd_en[p]),
      .x_rd_part_o(x_rd_part[p]), .x_rows_i(x_rows),
      .op_valid_o(op_valid[p]), .op_slot_o(op_slot[p]), .op_part_o(op_part[p]),
      .op_last_o(op_last[p]), .op_exp_o(op_exp[p]), .op_m_o(op_m[p]),
      .scores_free_o(scores_free[p]), .pv_scale_o(pv_scale[p]),
      .kv_valid_o(kv_valid[p]), .kv_is_v_o(kv_is_v[p]), .kv_head_o(kv_head[p]),
      .kv_layer_o(kv_layer[p]), .kv_q_o(kv_q[p]), .kv_scale_o(kv_scale[p]),
      .sat_o(sat_block[p])
    );

    // A gated clock stops only when the unit it serves has drained.
`ifdef ASSERTIONS
    rest_rules #(.Linger(RowsLinger), .Width(4)) u_rest_quant (
      .clk_i, .rst_ni, .wake_i(rows_wake), .hold_i(1'b0),
      .active_i({u_transformer_block.u_block_quant.valid1_q,
                 u_transformer_block.u_block_quant.valid2_q,
                 u_transformer_block.u_block_quant.valid3_q, op_valid[p]})
    );
`endif
  end

  assign full = (member_full | ~takes) == '1;

  always_comb begin
    for (int unsigned p = 0; p < Positions; p++) begin
      scores_done[p] = rows_valid[p] && rows_tag[p].op == OpScores && rows_tag[p].last;
    end
  end

  // ------------------------------------------------------------------------------------- LayerNorm

  logic                       norm_start, norm_busy, norm_done, head_ready, clk_norm;
  logic [Positions-1:0]       norm_members;
  logic [31:0]                heads, heads_skipped;
  logic [6:0]                 sat_norm, sat_norm_row;
  logic                       y_valid, y_ready;
  logic [MemberBits-1:0]      y_member;
  logic [7:0]                 y_slot;
  logic [NormWidth-1:0][31:0] y_rows;
  logic [PartBits-1:0]        x_part;

  final_layernorm #(.Positions(Positions)) u_final_layernorm (
    .clk_i, .rst_ni, .batch_i(batch),
    .sums_valid_i(sums_valid), .sums_tag_i(sums_tag[engine_of(batch.last)]),
    .norm_done_i(norm_done), .norm_start_o(norm_start), .norm_members_o(norm_members),
    .step_done_o, .head_ready_o(head_ready), .heads_o(heads), .heads_skipped_o(heads_skipped)
  );

  localparam int unsigned NormLinger = 8;
  wire norm_wake = (beat_valid && is_norm) || norm_start;
  wire norm_hold = norm_busy || x_any;

  clock_gate #(.Gating(ClockGating), .Linger(NormLinger)) u_gate_norm (
    .clk_i, .rst_ni, .test_en_i, .wake_i(norm_wake), .hold_i(norm_hold), .clk_o(clk_norm)
  );

  layernorm #(
    .Segments(Segments), .MaxHeads(MaxHeads), .NormWidth(NormWidth), .Positions(Positions),
    .Engines(Engines)
  ) u_layernorm (
    .clk_i(clk_norm), .rst_ni, .cfg_i,
    .par_valid_i(beat_valid && is_norm), .par_ready_o(norm_ready), .par_label_i(label),
    .par_data_i(data),
    .start_i(norm_start), .members_i(norm_members), .sum_member_o(sum_member), .sum_i(sum),
    .sum_sq_i(sum_sq), .busy_o(norm_busy), .done_o(norm_done),
    .rd_en_o(norm_rd_en), .rd_member_o(norm_rd_member), .rd_row_o(norm_rd_row),
    .rd_rows_i(norm_rd_rows),
    .blk_valid_o(y_valid), .blk_ready_i(y_ready), .blk_member_o(y_member), .blk_slot_o(y_slot),
    .blk_rows_o(y_rows), .sat_norm_o(sat_norm), .sat_row_o(sat_norm_row)
  );

  // A block goes to its member's quantiser.
  block_gather #(
    .InWidth(NormWidth), .OutWidth(QuantWidth), .SlotBits(MemberBits + 8)
  ) u_gather_x (
    .clk_i(clk_norm), .rst_ni,
    .in_valid_i(y_valid), .in_ready_o(y_ready), .in_slot_i({y_member, y_slot}), .in_rows_i(y_rows),
    .blk_valid_o(x_any), .blk_slot_o({x_member, x_blk_slot}), .blk_used_o(x_used),
    .rd_en_i(x_rd_en != '0), .rd_part_i(x_part), .rows_o(x_rows)
  );

  always_comb begin
    x_part = '0;
    for (int unsigned p = 0; p < Positions; p++) begin
      x_part = x_part | (x_rd_en[p] ? x_rd_part[p] : '0);
    end
  end

  // ------------------------------------------------------------------------------ heads and choices
  //
  // With `several`, a member's rows go to its sequence's sampler; otherwise those of the batch's last
  // to that of the batch's sequence.

  logic [Positions-1:0]      is_head, head_room_of, logits_busy, sampling_busy;
  logic [Positions-1:0]      smp_valid, smp_ready, lg_valid, lg_last, choice_valid;
  logic [Positions-1:0][16:0]                lg_base_id, choice_id;
  logic [Positions-1:0][Segments-1:0]        lg_mask;
  logic [Positions-1:0][Segments-1:0][31:0]  lg_rows;
  logic                      clk_head;
  logic [MemberBits-1:0]     choice_any;
  tag_t                      last_tag;
  logic [Segments-1:0][31:0] last_rows;

  assign last_tag  = rows_tag[MemberBits'(batch.last)];
  assign last_rows = rows[MemberBits'(batch.last)];

  localparam int unsigned HeadLinger = 16;
  wire head_wake = seed_valid_i || is_head != '0;
  wire head_hold = logits_busy != '0 || sampling_busy != '0;

  clock_gate #(.Gating(ClockGating), .Linger(HeadLinger)) u_gate_head (
    .clk_i, .rst_ni, .test_en_i, .wake_i(head_wake), .hold_i(head_hold), .clk_o(clk_head)
  );

  for (genvar s = 0; s < int'(Positions); s++) begin : gen_seq
    logic                      mine;               // the batch's one sequence

    assign is_head[s] = rows_valid[s] && rows_tag[s].op == OpHead;
    assign mine       = Positions == 1 || batch.seq == 4'(s);

    final_linear #(.Segments(Segments)) u_final_linear (
      .clk_i(clk_head), .rst_ni, .cfg_i, .busy_o(logits_busy[s]),
      .stream_logits_i(stream_logits_i && s == 0),
      .rows_valid_i(batch.several ? is_head[s] : mine && is_head != '0),
      .rows_tag_i(batch.several ? rows_tag[s] : last_tag),
      .rows_i(batch.several ? rows[s] : last_rows), .room_o(head_room_of[s]),
      .lg_valid_o(smp_valid[s]), .lg_ready_i(smp_ready[s]), .lg_base_id_o(lg_base_id[s]),
      .lg_mask_o(lg_mask[s]), .lg_rows_o(lg_rows[s]), .lg_last_o(lg_last[s]),
      .out_valid_o(lg_valid[s]), .out_ready_i(lg_ready_i)
    );

    sampling #(.Segments(Segments), .SystolicList(SystolicList)) u_sampling (
      .clk_i(clk_head), .rst_ni, .busy_o(sampling_busy[s]),
      .start_i(seed_valid_i && (Positions == 1 || seed_seq_i == 4'(s))), .sampling_i,
      .lg_valid_i(smp_valid[s]), .lg_ready_o(smp_ready[s]), .lg_base_id_i(lg_base_id[s]),
      .lg_mask_i(lg_mask[s]), .lg_rows_i(lg_rows[s]), .lg_last_i(lg_last[s]),
      .choice_valid_o(choice_valid[s]),
      .choice_ready_i(choice_ready_i && choice_any == MemberBits'(s)), .choice_id_o(choice_id[s])
    );

    // A gated clock stops only when the unit it serves has drained.
`ifdef ASSERTIONS
    rest_rules #(.Linger(HeadLinger), .Width(10)) u_rest_head (
      .clk_i, .rst_ni, .wake_i(head_wake), .hold_i(head_hold),
      .active_i({u_final_linear.valid_q, u_sampling.group_valid_q, u_sampling.scan_valid_q,
                 u_sampling.scan2_valid_q,
                 u_sampling.exp_valid_q, u_sampling.u_exp2_neg.valid_q[4:2]})
    );
`endif
  end

  // The choices go one after the other.
  always_comb begin
    choice_any = '0;
    for (int unsigned s = Positions; s > 0; s--) begin
      if (choice_valid[s-1]) choice_any = MemberBits'(s - 1);
    end
  end

  // A group is for the last of a sequence's positions, or for each sequence.
  assign head_room      = batch.several ? (head_room_of | ~takes) == '1
                                        : head_room_of[MemberBits'(batch.seq)];
  logic unused_lg_valid;
  assign unused_lg_valid = ^lg_valid;

  assign lg_valid_o     = lg_valid[0];
  assign lg_base_id_o   = lg_base_id[0];
  assign lg_mask_o      = lg_mask[0];
  assign lg_rows_o      = lg_rows[0];
  assign lg_last_o      = lg_last[0];
  assign choice_valid_o = choice_valid != '0;
  assign choice_id_o    = choice_id[choice_any];
  assign choice_seq_o   = 4'(choice_any);

  // ------------------------------------------------------------------------------------ at rest

  assign quiet_o    = !sequencer_active && !stream_waits && !beat_valid && kv_idle &&
                      logits_busy == '0 && sampling_busy == '0;
  assign mem_busy_o = rd_busy || wr_busy;

  // -------------------------------------------------------------------------- events and counters

  logic [13:0] saturations_d, saturations_q;
  logic [39:0] count;
  logic [31:0] saturations;
  tag_t        first_residual_tag;

  always_comb begin
    saturations_d      = 14'(sat_emb) + 14'(sat_norm) + 14'(sat_norm_row);
    for (int unsigned p = 0; p < Positions; p++) begin
      saturations_d = saturations_d + 14'(sat_block[p]);
    end
    first_residual_tag = residual_tag[0];
    for (int unsigned e = Engines; e > 0; e--) begin
      saturations_d = saturations_d + 14'(sat_rows[e-1]) + 14'(sat_residual[e-1]);
      if (engine_residual[e-1]) first_residual_tag = residual_tag[e-1];
    end
  end

  always_ff @(posedge clk_i) begin
    saturations_q <= rst_ni ? saturations_d : '0;
  end

  assign event_o = '{
    residual_tag: first_residual_tag, residual_members: 16'(residual_valid), choice: choice_id_o,
    choice_seq: choice_seq_o, step: step_i, saturations: saturations_q,
    residual: residual_valid != '0, step_end: step_done_o || (choice_valid_o && choice_ready_i),
    step_start: step_valid_i && step_ready_o
  };
  assign counters_o = '{
    count: count, heads: heads, heads_skipped: heads_skipped, saturations: saturations
  };

  counters #(.Segments(Segments)) u_counters (
    .clk_i, .rst_ni, .mem_rst_ni, .start_i, .busy_i(counting_i),
    .step_i(step_valid_i && step_ready_o),
    .n_vocab_i(cfg_i.n_vocab),
    .beat_valid_i(beat_valid), .beat_ready_i(beat_ready || held), .beat_label_i(label),
    .operand_full_i(full), .entry_ready_i(entry_ready[label.tag.head[1:0]]),
    .stream_waits_i(stream_waits), .write_i(wr_valid_o && wr_ready_i),
    .saturations_i(saturations_q), .sel_i(count_sel_i), .count_o(count),
    .saturations_o(saturations)
  );

  // ------------------------------------------------------------------------------------ assertions

`ifdef ASSERTIONS
  // The latencies stated in the package, from which final_linear's room is derived.
  logic [MatvecLatency+RescaleLatency-1:0] issued_q;
  logic                                    issued;

  assign issued = beat_valid && is_matvec && matvec_ready && !label.side && label.issue.last &&
                  label.last_block;

  always_ff @(posedge clk_i) begin
    issued_q <= rst_ni ? {issued_q[MatvecLatency+RescaleLatency-2:0], issued} : '0;
  end
  `ASSERT(issued_q[MatvecLatency-1] |-> acc_valid,
          ("%m: sums did not come MatvecLatency = %0d cycles after their last beat", MatvecLatency))
  // (With several rounds, a round may hold only scores that its members drop.)
  `ASSERT(issued_q[MatvecLatency+RescaleLatency-1] && Positions == Engines |-> rows_valid != '0,
          ("%m: rows did not come RescaleLatency = %0d cycles after their sums", RescaleLatency))

  `ASSERT(emb_valid |-> !norm_busy,
          ("%m: an embedding row came while LayerNorm reads the residual"))
  `ASSERT(is_head != '0 |-> head_ready,
          ("%m: a logit came before the final LayerNorm was complete"))

  // The members of a round are in step.
  for (genvar p = 0; p < int'(Positions); p++) begin : gen_in_step
    `ASSERT(kv_valid[p] |-> kv_is_v[p] == kv_is_v[kv_any] && kv_head[p] == kv_head[kv_any] &&
                            kv_layer[p] == kv_layer[kv_any],
            ("%m: a key or value of layer %0d, head %0d came with that of another", kv_layer[p],
             kv_head[p]))
  end

  // A gated clock stops only when the unit it serves has drained.
  rest_rules #(.Linger(BeginLinger), .Width(5)) u_rest_begin (
    .clk_i, .rst_ni, .wake_i(begin_wake), .hold_i(begin_hold),
    .active_i({u_embedding_row.beat_valid_q, u_embedding_row.valid1_q, u_embedding_row.valid2_q,
               u_embedding_row.valid3_q, u_embedding_row.valid4_q})
  );
  rest_rules #(.Linger(NormLinger), .Width(8)) u_rest_norm (
    .clk_i, .rst_ni, .wake_i(norm_wake), .hold_i(norm_hold),
    .active_i({u_layernorm.u_statistics.stats1_q, u_layernorm.u_statistics.stats2_q,
               u_layernorm.u_statistics.stats3_q, u_layernorm.u_statistics.m_valid_q,
               u_layernorm.u_statistics.product_valid_q, u_layernorm.valid_q != '0,
               u_layernorm.u_statistics.u_rsqrt.valid_q != '0, u_layernorm.stats_start})
  );
  rest_rules #(.Linger(KvLinger), .Width(3)) u_rest_kv (
    .clk_i, .rst_ni, .wake_i(kv_valid != '0), .hold_i(kv_hold),
    .active_i({u_kv_cache.todo_valid, u_kv_cache.state_q != '0, u_kv_cache.out_valid_q})
  );
`endif

endmodule
