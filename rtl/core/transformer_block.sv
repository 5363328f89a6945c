// SPDX-License-Identifier: Apache-2.0
//
// transformer_block - one position's vector path around the shared engine, reused by every layer
//
//   [layernorm, engine] ▶ qkv_linear ▶ [kv_cache, engine] ▶ attention_core ▶ [engine, residual_add]
//   [layernorm, engine, mlp_ffn, engine, residual_add]
//
// In brackets is what gpt2_core has for several positions. Each unit takes its rows off the bus
// after rescale and makes rows that are gathered into operand blocks of 64, for which the engine's
// issue waits. Nothing else orders the units.
//
// In      rows bus; g: GELU's rows; x: LayerNorm's blocks, as block_gather has them
// Out     operands for operand_buffer; kv: the position's key and value for kv_cache; status
//         for matvec's issue rule
// Golden  golden/transformer_block.c

`include "assert.svh"

module transformer_block
  import gpt2_pkg::*;
#(
  parameter int unsigned Segments  = 4,
  parameter int unsigned MaxHeads  = 25,
  parameter int unsigned MaxCtx    = 1024,
  parameter int unsigned NormWidth = 64,
  parameter int unsigned ExpWidth  = Segments,
  parameter bit          ClockGating = 1'b0,
  localparam int unsigned QuantWidth = quant_width(Segments, NormWidth),
  localparam int unsigned PartBits   = (QuantWidth < HeadDim) ? $clog2(HeadDim / QuantWidth) : 1
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,
  input  logic                      test_en_i,
  input  logic                      clk_rows_i,  // for the units on the rows bus: clk_i, gated
  output logic                      rows_wake_o,

  // rows from rescale and from GELU (rigid)
  input  logic                      rows_valid_i,
  input  tag_t                      rows_tag_i,
  input  logic [Segments-1:0][31:0] rows_i,
  input  logic [Segments-1:0][15:0] v_scales_i,
  input  logic                      g_valid_i,
  input  logic [7:0]                g_slot_i,
  input  logic [Segments-1:0][31:0] g_rows_i,

  // LayerNorm's blocks
  input  logic                        x_valid_i,
  input  logic [7:0]                  x_slot_i,
  input  logic [29:0]                 x_used_i,
  output logic                        x_rd_en_o,
  output logic [PartBits-1:0]         x_rd_part_o,
  input  logic [QuantWidth-1:0][31:0] x_rows_i,

  // operands
  output logic                        op_valid_o,
  output logic [7:0]                  op_slot_o,
  output logic [PartBits-1:0]         op_part_o,
  output logic                        op_last_o,
  output logic [3:0]                  op_exp_o,
  output logic [QuantWidth-1:0][15:0] op_m_o,

  // to matvec and rescale
  output logic                      scores_free_o,
  output scale_t [1:0]              pv_scale_o,

  // to kv_cache (rigid)
  output logic                      kv_valid_o,
  output logic                      kv_is_v_o,
  output logic [5:0]                kv_head_o,
  output logic [7:0]                kv_layer_o,
  output logic [HeadDim-1:0][7:0]   kv_q_o,
  output scale_t                    kv_scale_o,

  output logic [6:0]                sat_o    // saturations of this cycle
);

  // ---------------------------------------------------- rows of operand blocks, by the unit that
  // makes them: o attention's output, q queries, g GELU's output, x LayerNorm's, p probabilities

  logic                       o_valid, q_valid, p_valid, p_ready;
  logic [7:0]                 o_to, q_to, p_to;
  logic [Segments-1:0][31:0]  o_rows, q_rows;
  logic [ExpWidth-1:0][31:0]  p_rows;
  logic [4:0]                 blk_valid;
  logic                       quant_busy;

  assign rows_wake_o = blk_valid != '0 || quant_busy;

  // ------------------------------------------------------------------------------------- attention

  logic clk_qkv;

  // Quantising the last vector takes 64 / Segments cycles and a pipeline of less than 24.
  localparam int unsigned QkvLinger = 24 + HeadDim / Segments;
  wire qkv_wake = rows_valid_i && rows_tag_i.op == OpQkv;
  wire qkv_hold = blk_valid[1];

  clock_gate #(.Gating(ClockGating), .Linger(QkvLinger)) u_gate_qkv (
    .clk_i, .rst_ni, .test_en_i, .wake_i(qkv_wake), .hold_i(qkv_hold), .clk_o(clk_qkv)
  );

  qkv_linear #(.Segments(Segments), .MaxHeads(MaxHeads)) u_qkv_linear (
    .clk_i(clk_qkv), .rst_ni,
    .rows_valid_i, .rows_tag_i, .rows_i,
    .blk_valid_o(q_valid), .blk_slot_o(q_to), .blk_rows_o(q_rows),
    .kv_valid_o, .kv_is_v_o, .kv_head_o, .kv_layer_o, .kv_q_o, .kv_scale_o
  );

  logic clk_attention, attention_busy;

  localparam int unsigned AttentionLinger = 32;
  wire attention_wake = rows_valid_i && (rows_tag_i.op == OpScores || rows_tag_i.op == OpPv);
  wire attention_hold = attention_busy || blk_valid[0] || blk_valid[4];

  clock_gate #(.Gating(ClockGating), .Linger(AttentionLinger)) u_gate_attention (
    .clk_i, .rst_ni, .test_en_i, .wake_i(attention_wake), .hold_i(attention_hold),
    .clk_o(clk_attention)
  );

  attention_core #(
    .Segments(Segments), .MaxHeads(MaxHeads), .MaxCtx(MaxCtx), .ExpWidth(ExpWidth)
  ) u_attention_core (
    .clk_i(clk_attention), .rst_ni, .busy_o(attention_busy),
    .rows_valid_i, .rows_tag_i, .rows_i, .v_scales_i,
    .p_blk_valid_o(p_valid), .p_blk_ready_i(p_ready), .p_blk_slot_o(p_to), .p_blk_rows_o(p_rows),
    .o_blk_valid_o(o_valid), .o_blk_slot_o(o_to), .o_blk_rows_o(o_rows),
    .pv_scale_o, .scores_free_o, .sat_o
  );

  // -------------------------------------------------------------------------------------- operands
  //
  // Each gather has the clock of the unit that fills it. This clock runs until its blocks are
  // taken.

  logic [4:0][7:0]             blk_slot;
  logic [4:0][29:0]            blk_used;
  logic [4:0]                  part_en;
  logic [PartBits-1:0]         part;
  logic [QuantWidth-1:0][31:0] o_part, q_part, g_part, p_part;
  logic [2:0]                  rigid_ready;

  block_gather #(.InWidth(Segments), .OutWidth(QuantWidth)) u_gather_o (
    .clk_i(clk_attention), .rst_ni,
    .in_valid_i(o_valid), .in_ready_o(rigid_ready[0]), .in_slot_i(o_to), .in_rows_i(o_rows),
    .blk_valid_o(blk_valid[0]), .blk_slot_o(blk_slot[0]), .blk_used_o(blk_used[0]),
    .rd_en_i(part_en[0]), .rd_part_i(part), .rows_o(o_part)
  );

  block_gather #(.InWidth(Segments), .OutWidth(QuantWidth)) u_gather_q (
    .clk_i(clk_qkv), .rst_ni,
    .in_valid_i(q_valid), .in_ready_o(rigid_ready[1]), .in_slot_i(q_to), .in_rows_i(q_rows),
    .blk_valid_o(blk_valid[1]), .blk_slot_o(blk_slot[1]), .blk_used_o(blk_used[1]),
    .rd_en_i(part_en[1]), .rd_part_i(part), .rows_o(q_part)
  );

  block_gather #(.InWidth(Segments), .OutWidth(QuantWidth)) u_gather_g (
    .clk_i(clk_rows_i), .rst_ni,
    .in_valid_i(g_valid_i), .in_ready_o(rigid_ready[2]), .in_slot_i(g_slot_i), .in_rows_i(g_rows_i),
    .blk_valid_o(blk_valid[2]), .blk_slot_o(blk_slot[2]), .blk_used_o(blk_used[2]),
    .rd_en_i(part_en[2]), .rd_part_i(part), .rows_o(g_part)
  );

  assign blk_valid[3] = x_valid_i;
  assign blk_slot[3]  = x_slot_i;
  assign blk_used[3]  = x_used_i;
  assign x_rd_en_o    = part_en[3];
  assign x_rd_part_o  = part;

  block_gather #(.InWidth(ExpWidth), .OutWidth(QuantWidth)) u_gather_p (
    .clk_i(clk_attention), .rst_ni,
    .in_valid_i(p_valid), .in_ready_o(p_ready), .in_slot_i(p_to), .in_rows_i(p_rows),
    .blk_valid_o(blk_valid[4]), .blk_slot_o(blk_slot[4]), .blk_used_o(blk_used[4]),
    .rd_en_i(part_en[4]), .rd_part_i(part), .rows_o(p_part)
  );

  block_quant #(.Width(QuantWidth)) u_block_quant (
    .clk_i(clk_rows_i), .rst_ni,
    .blk_valid_i(blk_valid), .blk_slot_i(blk_slot), .blk_used_i(blk_used),
    .rd_en_o(part_en), .rd_part_o(part),
    .o_rows_i(o_part), .q_rows_i(q_part), .g_rows_i(g_part), .x_rows_i, .p_rows_i(p_part),
    .busy_o(quant_busy),
    .out_valid_o(op_valid_o), .out_slot_o(op_slot_o), .out_part_o(op_part_o),
    .out_last_o(op_last_o), .out_e_o(op_exp_o), .out_m_o(op_m_o)
  );

`ifdef ASSERTIONS
  `ASSERT(({g_valid_i, q_valid, o_valid} & ~rigid_ready) == '0,
          ("%m: rows came for which there was no room: o, q, g: 0b%b", rigid_ready))

  // A gated clock stops only when the unit it serves has drained.
  rest_rules #(.Linger(QkvLinger), .Width(9)) u_rest_qkv (
    .clk_i, .rst_ni, .wake_i(qkv_wake), .hold_i(qkv_hold),
    .active_i({u_qkv_linear.abs_valid_q, u_qkv_linear.lane_valid_q, u_qkv_linear.length_valid_q,
               u_qkv_linear.m_valid_q, u_qkv_linear.scale_valid_q != '0,
               u_qkv_linear.factor_valid_q, u_qkv_linear.valid_q != '0,
               u_qkv_linear.u_reciprocal.valid_q != '0, kv_valid_o})
  );
  rest_rules #(.Linger(AttentionLinger), .Width(11)) u_rest_attention (
    .clk_i, .rst_ni, .wake_i(attention_wake), .hold_i(attention_hold),
    .active_i({u_attention_core.u_softmax.valid_q != '0, u_attention_core.u_softmax.valid8,
               u_attention_core.u_softmax.valid9_q, u_attention_core.u_softmax.valid10_q,
               u_attention_core.u_softmax.valid11_q, u_attention_core.u_softmax.z_valid_q,
               u_attention_core.u_softmax.length_valid_q, u_attention_core.u_softmax.m_valid_q,
               u_attention_core.u_softmax.u_reciprocal.valid_q != '0,
               u_attention_core.u_softmax.busy_q, u_attention_core.inv_z_valid})
  );

  // Attention's scales: a bank does not change from its write to the last row that it scales.
  logic [1:0] in_use_q;                          // by an even or odd head

  always_ff @(posedge clk_i) begin
    for (int i = 0; i < 2; i++) begin
      if (!rst_ni) in_use_q[i] <= 1'b0;
      else if (u_attention_core.inv_z_valid && u_attention_core.inv_z_bank == 1'(i))
        in_use_q[i] <= 1'b1;
      else if (rows_valid_i && rows_tag_i.op == OpPv && rows_tag_i.head[0] == 1'(i) &&
               rows_tag_i.last) in_use_q[i] <= 1'b0;
    end
  end
  `ASSERT(u_attention_core.inv_z_valid |-> !in_use_q[u_attention_core.inv_z_bank],
          ("%m: a head's 1 / z was replaced while its rows were being scaled"))
`endif

endmodule
