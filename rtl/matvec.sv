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
//           OpScores: the newest K and V stand in their entry, softmax is free, no other scores are
//           under way;
//           OpHead: final_linear has room for what the pipeline holds.
//         From here on nothing stalls, so whatever takes the rows need not either.
// Merge   the newest position is not in memory yet: its K, V and scales replace the bytes read
//         there
// In      beats with labels (OpQkv ... OpHead); operands two-stage: slot out, operand a cycle later
// Out     S sums, 52 bits (sign-extended to 64), the largest exponent, S side words, a tag; rigid
// Timing  5 cycles from taking the last block's beat to its sums, a beat a cycle
// Golden  golden/matvec.c: matvec_row() - equal bit for bit
module matvec
  import gpt2_pkg::*;
#(
  parameter int unsigned Segments = 4,
  parameter int unsigned MaxHeads = 25
) (
  input  logic                       clk_i,
  input  logic                       rst_ni,

  input  logic                       in_valid_i,
  output logic                       in_ready_o,
  input  label_t                     in_label_i,
  input  logic [512*Segments-1:0]    in_data_i,

  output logic [7:0]                 rd_slot_o,
  output logic                       rd_en_o,
  output logic                       rd_free_o,
  input  logic                       full_i,
  input  operand_t                   operand_i,

  // issue rule
  input  logic [3:0]                 entry_busy_i,
  input  logic [3:0]                 entry_ready_i,
  output logic [3:0]                 release_o,  // PV of the entry's head has taken its last beat
  input  logic                       scores_free_i,
  input  logic                       scores_done_i,  // the last score has come out of rescale
  input  logic                       head_room_i,

  // newest position
  output logic [1:0]                 merge_entry_o,
  input  logic [HeadDim-1:0][7:0]    merge_k_i,
  input  logic [HeadDim-1:0][7:0]    merge_v_i,
  input  scale_t                     merge_k_scale_i,
  input  scale_t                     merge_v_scale_i,

  output logic                       out_valid_o,
  output tag_t                       out_tag_o,
  output logic [Segments-1:0][63:0]  out_acc_o,
  output logic [3:0]                 out_e_max_o,
  output logic [2:0]                 out_norm_o,
  output logic [Segments-1:0][31:0]  out_side_o
);

  localparam int unsigned LogS       = $clog2(Segments);
  localparam int unsigned HeadGroups = HeadDim / Segments;
  // all groups of the width, and PV's
  localparam int unsigned AccDepth   = (MaxHeads + 1) * HeadGroups;
  localparam int unsigned AccAddr    = $clog2(AccDepth);

  // ----------------------------------------------------------------------------------------- issue

  job_t job;
  logic fire, job_start, scores_busy_q;

  assign job           = in_label_i.job;
  assign job_start     = in_label_i.group == 0 && in_label_i.block == 0;
  assign rd_slot_o     = job.slot + in_label_i.block;
  assign merge_entry_o = job.head[1:0];

  always_comb begin
    in_ready_o = in_label_i.side || full_i;
    unique case (job.op)
      OpQkv:    if (job_start && entry_busy_i[job.head[1:0]]) in_ready_o = 1'b0;
      OpScores: if (!entry_ready_i[job.head[1:0]] ||
                    (in_label_i.side && job_start &&
                        (scores_busy_q || !scores_free_i))) in_ready_o = 1'b0;
      OpHead:   if (!in_label_i.side && in_label_i.last_block && !head_room_i) in_ready_o = 1'b0;
      default: ;
    endcase
  end

  assign fire      = in_valid_i && in_ready_o;
  assign rd_en_o   = fire && !in_label_i.side;
  assign rd_free_o = job.free && in_label_i.last_group;

  always_comb begin
    release_o = '0;
    release_o[job.head[1:0]] = fire && job.op == OpPv && in_label_i.last_group &&
        in_label_i.last_block;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) scores_busy_q <= 1'b0;
    else if (fire && job.op == OpScores && in_label_i.side && job_start) scores_busy_q <= 1'b1;
    else if (scores_done_i) scores_busy_q <= 1'b0;
  end

  // ----------------------------------------------------- stage 1: weights with the newest position

  typedef struct packed {
    tag_t        tag;
    logic [2:0]  norm;
    logic        by_columns;
    logic        first;                    // starts its sums
    logic        last;                     // ends them
  } place_t;

  logic                    valid1_q, valid2_q, valid3_q, valid4_q;
  place_t                  place1_q, place2_q, place3_q;
  logic [512*Segments-1:0] weights_q, side_q;

  wire [16:0] newest_group = 17'(job.position) >> LogS;
  wire        merge_scales = job.op == OpScores && in_label_i.side &&
                             in_label_i.group == (newest_group & ~17'(SideGroups - 1));
  wire        merge_key    = job.op == OpScores && in_label_i.group == newest_group;
  wire        merge_value  = job.op == OpPv && in_label_i.last_block;
  wire [9:0]  newest_word  = job.position & 10'(SideGroups * Segments - 1);
  wire [9:0]  newest_row   = job.position & 10'(Segments - 1);
  wire [5:0]  newest_byte  = job.position[5:0];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid1_q <= 1'b0;
    else valid1_q <= fire && !in_label_i.side;
    if (fire) begin
      if (in_label_i.side) begin
        side_q <= in_data_i;
        if (merge_scales) side_q[32*newest_word +: 32] <= {merge_v_scale_i, merge_k_scale_i};
      end else begin
        weights_q <= in_data_i;
        if (merge_key) weights_q[512*newest_row +: 512] <= merge_k_i;
        if (merge_value) begin
          for (int s = 0; s < int'(Segments); s++) begin
            weights_q[512*s + 8*int'(newest_byte) +: 8] <=
              merge_v_i[6'(32'(in_label_i.group) * Segments + 32'(s))];
          end
        end
        place1_q.tag <= '{op: job.op, layer: job.layer, head: job.head,
            final_layer: job.final_layer,
                          want_head: job.want_head, position: job.position, group: in_label_i.group,
                          last: in_label_i.last_group};
        place1_q.norm       <= job.norm;
        place1_q.by_columns <= job.by_columns;
        place1_q.first      <= job.first && in_label_i.block == 0;
        place1_q.last       <= job.last && in_label_i.last_block;
      end
    end
  end

  // ------------------------------------------------------------------- stages 2 to 5: the segments
  //
  // 2 products and their sum, 3 shifted by the block's exponent, 4 accumulated, 5 out. By columns
  // every group of rows has its accumulator in a memory; PV's stand behind those of the width.

  logic               valid5_q;
  tag_t               tag4_q;
  logic [2:0]         norm4_q;
  logic               columns4_q;                            // by columns, but PV
  logic [3:0]         e2_q, e3_q, e4_d;
  logic [3:0]         e_rows_q, e_columns_q;  // PV counts as rows: nothing comes between its beats
  logic [AccAddr-1:0] acc_addr;

  wire       is_pv    = place3_q.tag.op == OpPv;
  wire [3:0] e_before = (place3_q.by_columns && !is_pv) ? e_columns_q : e_rows_q;
  // By columns, the first group starts the largest exponent; the others of the first block belong
  // to it.
  wire       e_start  = place3_q.first && (!place3_q.by_columns || place3_q.tag.group == 0);

  assign acc_addr = AccAddr'(place3_q.tag.group) + (is_pv ? AccAddr'(MaxHeads * HeadGroups) : '0);
  assign e4_d     = (e_start || e3_q > e_before) ? e3_q : e_before;

  for (genvar s = 0; s < int'(Segments); s++) begin : gen_segment
    logic signed [31:0]        dot, sum2_q;
    logic signed [AccBits-1:0] shifted3_q, acc4_q;
    logic signed [AccBits-1:0] accs [2**AccAddr];
    logic [31:0]               side2_q, side3_q, side4_q;

    // Four products a step on byte-aligned slices: the shape that Verilator leaves rolled and
    // compilers vectorise.
    always_comb begin
      dot = 0;
      for (int i = 0; i < 16; i++) begin
        dot = dot + 32'($signed(weights_q[512*s + 32*i +: 8])    * $signed(operand_i[64*i +: 16]))
            + 32'($signed(weights_q[512*s + 32*i + 8 +: 8])  * $signed(operand_i[64*i + 16 +: 16]))
            + 32'($signed(weights_q[512*s + 32*i + 16 +: 8]) * $signed(operand_i[64*i + 32 +: 16]))
            + 32'($signed(weights_q[512*s + 32*i + 24 +: 8]) * $signed(operand_i[64*i + 48 +: 16]));
      end
    end

    always_ff @(posedge clk_i) begin
      if (valid1_q) sum2_q     <= dot;
      if (valid2_q) shifted3_q <= AccBits'(64'(sum2_q) <<< e2_q);
      if (valid3_q) begin
        automatic logic signed [AccBits-1:0] acc;
        acc = shifted3_q;
        if (!place3_q.first) acc = acc + (place3_q.by_columns ? accs[acc_addr] : acc4_q);
        acc4_q <= acc;
        if (place3_q.by_columns) accs[acc_addr] <= acc;
      end
      if (valid4_q) out_acc_o[s] <= 64'(acc4_q);
    end

    always_ff @(posedge clk_i) begin
      if (valid1_q && place1_q.last) begin
        side2_q <= side_q[32*(int'(Segments)*int'(place1_q.tag.group[3:0]) + s) +: 32];
      end
      if (valid2_q && place2_q.last) side3_q <= side2_q;
      if (valid3_q && place3_q.last) side4_q <= side3_q;
      if (valid4_q) out_side_o[s] <= side4_q;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) {valid2_q, valid3_q, valid4_q, valid5_q} <= '0;
    else {valid2_q, valid3_q, valid4_q, valid5_q}
             <= {valid1_q, valid2_q, valid3_q && place3_q.last, valid4_q};
    if (valid1_q) begin
      e2_q     <= operand_i.e;
      place2_q <= place1_q;
    end
    if (valid2_q) begin
      e3_q     <= e2_q;
      place3_q <= place2_q;
    end
    if (valid3_q) begin
      if (place3_q.by_columns && !is_pv) e_columns_q <= e4_d;
      else e_rows_q <= e4_d;
      tag4_q     <= place3_q.tag;
      norm4_q    <= place3_q.norm;
      columns4_q <= place3_q.by_columns && !is_pv;
    end
    if (valid4_q) begin
      out_tag_o   <= tag4_q;
      out_norm_o  <= norm4_q;
      out_e_max_o <= columns4_q ? e_columns_q : e_rows_q;
    end
  end

  assign out_valid_o = valid5_q;

  // ------------------------------------------------------------------------------------ assertions

`ifndef SYNTHESIS
  initial begin
    if (2**$clog2(Segments) != Segments || Segments > 64)
      $fatal(1, "%m: Segments must be 1, 2, 4, ... 64, not %0d", Segments);
  end
  assert property (@(posedge clk_i) disable iff (!rst_ni)
    fire |-> job.op != OpPos && job.op != OpToken && job.op != OpNorm)
    else $error("%m: a beat that is not for the engine");
  assert property (@(posedge clk_i) disable iff (!rst_ni)
    fire && !in_label_i.side && job.by_columns |-> 32'(in_label_i.group) < MaxHeads * HeadGroups)
    else $error("%m: group %0d has no accumulators, there are %0d", in_label_i.group,
                MaxHeads * HeadGroups);
  assert property (@(posedge clk_i) disable iff (!rst_ni) scores_done_i |-> scores_busy_q)
    else $error("%m: scores ended that were not under way");
`endif

endmodule
