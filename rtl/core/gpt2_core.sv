// SPDX-License-Identifier: Apache-2.0
//
// gpt2_core - one matrix engine, one vector path, one sequencer: a token in, its logits and the
// next id out
//
//   sequencer ▶ weight_stream ▶ matvec ▶ rescale ▶ transformer_block ▶ kv_cache ▶ matvec, memory
//                                                ▶ final_linear ▶ sampling
//                             ▶ embedding_row ▶ residual
//                             ▶ LayerNorm's parameters
//
// In      step    id, position, head wanted (valid/ready), only after the previous step has ended
// Out     choice  the sampled id, after a step with head (valid/ready); step_done for one without
//         logits  every group of logits if stream_logits_i (valid/ready)
//         memory  read bursts, strobed writes (docs/memory_image.md)
//         event   what happens in this cycle (event_t), with the residual's rows as they are
//                 written, Q14.12
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
  input  logic                      start_i,                 // loads the generator's seed
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
  output logic [Segments-1:0][31:0] residual_rows_o,
  input  logic [7:0]                count_sel_i,
  output counters_t                 counters_o
);

  // -------------------------------------------------------------------------- jobs and their beats

  logic                job_valid, job_ready, split, kv_idle, rd_busy, wr_busy;
  job_t                job;
  logic [AddrBits-1:0] side_addr, addr, beats;

  // At the start of a token: jobs, and the rows of the embedding.
  logic clk_begin, sequencer_active, embedding_wake, embedding_busy;

  localparam int unsigned BeginLinger = 8 + HeadDim / Segments;
  wire begin_wake = step_valid_i || embedding_wake;
  wire begin_hold = sequencer_active || embedding_busy;

  clock_gate #(.Gating(ClockGating), .Linger(BeginLinger)) u_gate_begin (
    .clk_i, .rst_ni, .test_en_i, .wake_i(begin_wake), .hold_i(begin_hold), .clk_o(clk_begin)
  );

  sequencer #(.Segments(Segments), .MaxHeads(MaxHeads), .MaxCtx(MaxCtx)) u_sequencer (
    .clk_i(clk_begin), .rst_ni, .cfg_i, .active_o(sequencer_active),
    .step_valid_i, .step_ready_o, .step_i, .kv_idle_i(kv_idle),
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

  logic                      emb_valid, emb_ready;
  tag_t                      emb_tag;
  logic [Segments-1:0][31:0] emb_rows;
  logic [6:0]                sat_emb;

  assign embedding_wake = beat_valid && is_row;
  assign embedding_busy = emb_valid;

  embedding_row #(.Segments(Segments)) u_embedding_row (
    .clk_i(clk_begin), .rst_ni,
    .in_valid_i(beat_valid && is_row), .in_ready_o(row_ready), .in_label_i(label), .in_data_i(data),
    .out_valid_o(emb_valid), .out_ready_i(emb_ready), .out_tag_o(emb_tag), .out_rows_o(emb_rows),
    .sat_o(sat_emb)
  );

  // ---------------------------------------------------------------------------------------- engine

  localparam int unsigned QuantWidth = quant_width(Segments, NormWidth);
  localparam int unsigned PartBits   = (QuantWidth < HeadDim) ? $clog2(HeadDim / QuantWidth) : 1;

  logic [7:0]                op_slot;
  logic                      op_valid, op_last, rd_en, rd_free, full;
  logic [PartBits-1:0]       op_part;
  logic [3:0]                op_exp;
  logic [QuantWidth-1:0][15:0] op_m;
  operand_t                  operand;
  logic [3:0]                entry_busy, entry_ready, entry_release;
  logic                      scores_free, scores_done, head_room;
  logic [1:0]                merge_entry;
  logic                      merge_valid, merge_is_v;
  logic [5:0]                merge_group;
  logic [HeadDim-1:0][7:0]   merge_k;
  logic [Segments-1:0][7:0]  merge_v;
  scale_t                    merge_k_scale, merge_v_scale;
  scale_t [1:0]              pv_scale;
  logic                      acc_valid;
  tag_t                      acc_tag;
  logic [Segments-1:0][63:0] acc;
  logic [3:0]                acc_e_max;
  logic [2:0]                acc_excess;
  logic [Segments-1:0][31:0] acc_side;

  operand_buffer #(
    .MaxHeads(MaxHeads), .MaxCtx(MaxCtx), .Width(QuantWidth)
  ) u_operand_buffer (
    .clk_i, .rst_ni,
    .wr_valid_i(op_valid), .wr_slot_i(op_slot), .wr_part_i(op_part), .wr_last_i(op_last),
    .wr_e_i(op_exp), .wr_m_i(op_m),
    .next_en_i(next_en), .next_slot_i(next_slot), .full_o(full),
    .rd_en_i(rd_en), .free_i(rd_free), .operand_o(operand)
  );

  matvec #(
    .Segments(Segments), .MaxHeads(MaxHeads), .AdderRetiming(AdderRetiming)
  ) u_matvec (
    .clk_i, .rst_ni,
    .in_valid_i(beat_valid && is_matvec), .in_ready_o(matvec_ready), .in_label_i(label),
    .in_data_i(data),
    .rd_en_o(rd_en), .rd_free_o(rd_free), .full_i(full), .operand_i(operand),
    .entry_busy_i(entry_busy), .entry_ready_i(entry_ready), .release_o(entry_release),
    .scores_free_i(scores_free), .scores_done_i(scores_done), .head_room_i(head_room),
    .merge_valid_o(merge_valid), .merge_entry_o(merge_entry), .merge_is_v_o(merge_is_v),
    .merge_group_o(merge_group), .merge_k_i(merge_k), .merge_v_i(merge_v),
    .merge_k_scale_i(merge_k_scale), .merge_v_scale_i(merge_v_scale),
    .out_valid_o(acc_valid), .out_tag_o(acc_tag), .out_acc_o(acc), .out_e_max_o(acc_e_max),
    .out_excess_o(acc_excess), .out_side_o(acc_side)
  );

  // The newest position's keys and values: merged into the beats, and written to memory.
  logic                    kv_valid, kv_is_v, clk_kv;
  logic [5:0]              kv_head;
  logic [7:0]              kv_layer;
  logic [9:0]              kv_position;
  logic [HeadDim-1:0][7:0] kv_q;
  scale_t                  kv_scale;

  localparam int unsigned KvLinger = 4;
  wire kv_hold = entry_busy != '0 || !kv_idle || wr_busy;

  clock_gate #(.Gating(ClockGating), .Linger(KvLinger)) u_gate_kv (
    .clk_i, .rst_ni, .test_en_i, .wake_i(kv_valid), .hold_i(kv_hold), .clk_o(clk_kv)
  );

  kv_cache #(.Segments(Segments), .MaxHeads(MaxHeads)) u_kv_cache (
    .clk_i(clk_kv), .rst_ni, .mem_rst_ni, .cfg_i,
    .kv_valid_i(kv_valid), .kv_is_v_i(kv_is_v), .kv_head_i(kv_head), .kv_layer_i(kv_layer),
    .kv_position_i(kv_position), .kv_q_i(kv_q), .kv_scale_i(kv_scale),
    .entry_busy_o(entry_busy), .entry_ready_o(entry_ready), .release_i(entry_release),
    .wr_valid_o, .wr_ready_i, .wr_addr_o, .wr_data_o, .wr_strb_o, .wr_ack_i,
    .idle_o(kv_idle), .mem_busy_o(wr_busy),
    .merge_valid_i(merge_valid), .merge_entry_i(merge_entry), .merge_is_v_i(merge_is_v),
    .merge_group_i(merge_group), .k_o(merge_k), .v_o(merge_v), .k_scale_o(merge_k_scale),
    .v_scale_o(merge_v_scale)
  );

  logic                      rows_valid;
  tag_t                      rows_tag;
  logic [Segments-1:0][31:0] rows;
  logic [Segments-1:0][15:0] v_scales;
  logic [7:0]                sat_rows;

  // Rows in flight: rescale, then pipelines of a few cycles.
  localparam int unsigned RowsLinger = 16;
  logic clk_rows, rows_wake_block;
  wire  rows_wake = acc_valid || rows_valid || rows_wake_block;

  clock_gate #(.Gating(ClockGating), .Linger(RowsLinger)) u_gate_rows (
    .clk_i, .rst_ni, .test_en_i, .wake_i(rows_wake), .hold_i(1'b0), .clk_o(clk_rows)
  );

  rescale #(.Segments(Segments)) u_rescale (
    .clk_i(clk_rows), .rst_ni,
    .in_valid_i(acc_valid), .in_tag_i(acc_tag), .in_acc_i(acc), .in_e_max_i(acc_e_max),
    .in_excess_i(acc_excess), .in_side_i(acc_side), .in_pv_scale_i(pv_scale[acc_tag.head[0]]),
    .rows_valid_o(rows_valid), .rows_tag_o(rows_tag), .rows_o(rows), .v_scales_o(v_scales),
    .sat_o(sat_rows)
  );

  assign scores_done = rows_valid && rows_tag.op == OpScores && rows_tag.last;

  // ---------------------------------------------------------------------------------------- layers

  logic        residual_valid;
  tag_t        residual_tag;
  logic [8:0]  sat_block;
  logic [31:0] heads, heads_skipped;

  transformer_block #(
    .Segments(Segments), .MaxHeads(MaxHeads), .MaxCtx(MaxCtx),
    .NormWidth(NormWidth), .ExpWidth(ExpWidth), .ClockGating(ClockGating)
  ) u_transformer_block (
    .clk_i, .rst_ni, .test_en_i, .cfg_i,
    .clk_rows_i(clk_rows), .rows_wake_o(rows_wake_block),
    .rows_valid_i(rows_valid), .rows_tag_i(rows_tag), .rows_i(rows), .v_scales_i(v_scales),
    .emb_valid_i(emb_valid), .emb_ready_o(emb_ready), .emb_tag_i(emb_tag), .emb_rows_i(emb_rows),
    .par_valid_i(beat_valid && is_norm), .par_ready_o(norm_ready), .par_label_i(label),
    .par_data_i(data),
    .op_valid_o(op_valid), .op_slot_o(op_slot), .op_part_o(op_part), .op_last_o(op_last),
    .op_exp_o(op_exp), .op_m_o(op_m),
    .scores_free_o(scores_free), .pv_scale_o(pv_scale),
    .kv_valid_o(kv_valid), .kv_is_v_o(kv_is_v), .kv_head_o(kv_head), .kv_layer_o(kv_layer),
    .kv_position_o(kv_position), .kv_q_o(kv_q), .kv_scale_o(kv_scale),
    .step_done_o, .heads_o(heads), .heads_skipped_o(heads_skipped),
    .residual_valid_o(residual_valid), .residual_tag_o(residual_tag), .residual_rows_o,
    .sat_o(sat_block)
  );

  // ------------------------------------------------------------------------------- head and choice

  logic                      smp_valid, smp_ready, smp_last;
  logic [16:0]               smp_base_id;
  logic [Segments-1:0]       smp_mask;
  logic [Segments-1:0][31:0] smp_rows;

  logic clk_head, logits_busy, sampling_busy;

  localparam int unsigned HeadLinger = 16;
  wire head_wake = start_i || (rows_valid && rows_tag.op == OpHead);
  wire head_hold = logits_busy || sampling_busy;

  clock_gate #(.Gating(ClockGating), .Linger(HeadLinger)) u_gate_head (
    .clk_i, .rst_ni, .test_en_i, .wake_i(head_wake), .hold_i(head_hold), .clk_o(clk_head)
  );

  final_linear #(.Segments(Segments)) u_final_linear (
    .clk_i(clk_head), .rst_ni, .cfg_i, .busy_o(logits_busy), .stream_logits_i,
    .rows_valid_i(rows_valid), .rows_tag_i(rows_tag), .rows_i(rows), .room_o(head_room),
    .lg_valid_o(smp_valid), .lg_ready_i(smp_ready), .lg_base_id_o(smp_base_id),
    .lg_mask_o(smp_mask),
    .lg_rows_o(smp_rows), .lg_last_o(smp_last),
    .out_valid_o(lg_valid_o), .out_ready_i(lg_ready_i)
  );

  assign lg_base_id_o = smp_base_id;
  assign lg_mask_o    = smp_mask;
  assign lg_rows_o    = smp_rows;
  assign lg_last_o    = smp_last;

  sampling #(.Segments(Segments), .SystolicList(SystolicList)) u_sampling (
    .clk_i(clk_head), .rst_ni, .busy_o(sampling_busy), .start_i, .sampling_i,
    .lg_valid_i(smp_valid), .lg_ready_o(smp_ready), .lg_base_id_i(smp_base_id),
    .lg_mask_i(smp_mask),
    .lg_rows_i(smp_rows), .lg_last_i(smp_last),
    .choice_valid_o, .choice_ready_i, .choice_id_o
  );

  // ------------------------------------------------------------------------------------ at rest

  assign quiet_o    = !sequencer_active && !stream_waits && !beat_valid && kv_idle &&
                      !logits_busy && !sampling_busy;
  assign mem_busy_o = rd_busy || wr_busy;

  // -------------------------------------------------------------------------- events and counters

  logic [9:0]  saturations_q;
  logic [39:0] count;
  logic [31:0] saturations;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) saturations_q <= '0;
    else         saturations_q <= 10'(sat_rows) + 10'(sat_emb) + 10'(sat_block);
  end

  assign event_o = '{
    residual_tag: residual_tag, choice: choice_id_o, step: step_i, saturations: saturations_q,
    residual: residual_valid, step_end: step_done_o || (choice_valid_o && choice_ready_i),
    step_start: step_valid_i && step_ready_o
  };
  assign counters_o = '{
    count: count, heads: heads, heads_skipped: heads_skipped, saturations: saturations
  };

  counters #(.Segments(Segments)) u_counters (
    .clk_i, .rst_ni, .mem_rst_ni, .start_i, .busy_i(counting_i),
    .step_i(step_valid_i && step_ready_o),
    .n_vocab_i(cfg_i.n_vocab),
    .beat_valid_i(beat_valid), .beat_ready_i(beat_ready), .beat_label_i(label),
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
  `ASSERT(acc_valid == issued_q[MatvecLatency-1],
          ("%m: sums did not come MatvecLatency = %0d cycles after their last beat", MatvecLatency))
  `ASSERT(rows_valid == issued_q[MatvecLatency+RescaleLatency-1],
          ("%m: rows did not come RescaleLatency = %0d cycles after their sums", RescaleLatency))

  // A gated clock stops only when the unit it serves has drained.
  rest_rules #(.Linger(BeginLinger), .Width(5)) u_rest_begin (
    .clk_i, .rst_ni, .wake_i(begin_wake), .hold_i(begin_hold),
    .active_i({u_embedding_row.beat_valid_q, u_embedding_row.valid1_q, u_embedding_row.valid2_q,
               u_embedding_row.valid3_q, u_embedding_row.valid4_q})
  );
  rest_rules #(.Linger(RowsLinger), .Width(19)) u_rest_rows (
    .clk_i, .rst_ni, .wake_i(rows_wake), .hold_i(1'b0),
    .active_i({u_rescale.valid1_q, u_rescale.valid2_q, u_rescale.valid3_q, u_rescale.valid4_q,
               u_rescale.valid5_q,
               u_transformer_block.u_residual_add.valid1_q,
               u_transformer_block.u_residual_add.valid2_q,
               u_transformer_block.u_residual_add.valid3_q,
               u_transformer_block.u_residual_add.valid4_q,
               u_transformer_block.u_residual_add.valid5_q,
               u_transformer_block.sums_valid,
               u_transformer_block.u_mlp_ffn.u_gelu.valid1_q,
               u_transformer_block.u_mlp_ffn.u_gelu.valid2_q,
               u_transformer_block.u_mlp_ffn.u_gelu.valid3_q,
               u_transformer_block.u_mlp_ffn.u_gelu.valid4_q,
               u_transformer_block.u_block_quant.valid1_q,
               u_transformer_block.u_block_quant.valid2_q,
               u_transformer_block.u_block_quant.valid3_q, op_valid})
  );
  rest_rules #(.Linger(KvLinger), .Width(3)) u_rest_kv (
    .clk_i, .rst_ni, .wake_i(kv_valid), .hold_i(kv_hold),
    .active_i({u_kv_cache.todo_valid, u_kv_cache.state_q != '0, u_kv_cache.out_valid_q})
  );
  rest_rules #(.Linger(HeadLinger), .Width(10)) u_rest_head (
    .clk_i, .rst_ni, .wake_i(head_wake), .hold_i(head_hold),
    .active_i({u_final_linear.valid_q, u_sampling.group_valid_q, u_sampling.scan_valid_q,
               u_sampling.scan2_valid_q,
               u_sampling.exp_valid_q, u_sampling.u_exp2_neg.valid_q[4:2]})
  );
`endif

endmodule
