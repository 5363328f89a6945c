// SPDX-License-Identifier: Apache-2.0
//
// sequencer - a batch of steps as a list of jobs, in the order of the engine's work and of the
// memory image
//
//   ln_1(0), position row, token row - with Positions > 1 the rows of each step of the batch, then
//   ln_1(0) -; then for each layer
//     QKV(h), scores(h-1), PV(h-2)   for h = 0 .. H-1: softmax overlaps the next head's QKV
//     ln_2, the remaining scores and PV, interleaved with projections of completed heads
//     MLP first layer, the next LayerNorm's parameters, MLP second layer
//   then the head, if wanted
// A batch of several sequences has a scores and a PV job for each of them in place of one.
//
// In      step   its place in its batch, head wanted; a batch's first is taken when idle and every KV
//                write of earlier tokens is acknowledged, so no KV beat of this batch can be read
//                before it is written
// Out     batch, position   the batch under way, and each member's position: from its first step to
//                the next batch's
//         kv_seq_beats   of one sequence's KV cache; a few cycles after cfg_i
//         job    what the engine does; side_addr, addr, beats: what weight_stream reads for it.
//                With `split`, one beat at side_addr, then `beats` at addr; otherwise `beats` at
//                addr, side beats included
// Timing  a job every 3 cycles at most; weight_stream runs ahead of the engine by its queue
// Golden  golden/weight_stream.c (addresses), golden/transformer_block.c (dependencies)

`include "assert.svh"

module sequencer
  import gpt2_pkg::*;
#(
  parameter int unsigned Segments = 4,
  parameter int unsigned MaxHeads = 25,
  parameter int unsigned MaxCtx   = 1024,
  parameter int unsigned Positions = 1
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  config_t             cfg_i,

  input  logic                step_valid_i,
  output logic                step_ready_o,
  input  step_t               step_i,
  input  logic                kv_idle_i,
  output batch_t              batch_o,
  output logic [Positions-1:0][9:0] position_o,
  output logic [AddrBits-1:0] kv_seq_beats_o,

  output logic                active_o,    // needs its clock: low if idle or without room for a job
  output logic                job_valid_o,
  input  logic                job_ready_i,
  output job_t                job_o,
  output logic                split_o,
  output logic [AddrBits-1:0] side_addr_o,
  output logic [AddrBits-1:0] addr_o,
  output logic [AddrBits-1:0] beats_o
);

  localparam int unsigned LogS     = $clog2(Segments);
  localparam int unsigned SlotX    = x_slot();
  localparam int unsigned SlotO    = o_slot(MaxHeads);
  localparam int unsigned SlotG    = g_slot(MaxHeads);
  localparam int unsigned SlotQ    = q_slot(MaxHeads);
  localparam int unsigned SlotP    = p_slot(MaxHeads);
  localparam int unsigned MaxTiles = MaxCtx / HeadDim;
  localparam int unsigned LogHeadGroups = 6 - LogS;          // 64 rows are 2^LogHeadGroups groups
  localparam int unsigned MemberBits = (Positions > 1) ? $clog2(Positions) : 1;

  // -------------------------------------------------------------------------- which job comes next

  typedef enum logic [4:0] {
    StIdle, StNorm1, StPos, StToken,
    StMore,                                                  // waits for the batch's next step
    StQkv, StScores, StPv,                                   // the heads' loop
    StNorm2, StTailP0, StTailS, StTailPa, StTailV2, StTailPb, StTailV1, StTailPc,
    StMlp1, StNormNext, StMlp2, StHead
  } state_e;

  state_e      state_q, state_d;
  step_t       step_q;                                       // the last one taken
  batch_t      batch_q;
  logic [Positions-1:0][9:0] position_q;                     // of the batch's members
  logic [Positions-1:0] turn_q, turn_d;                      // members whose KV job is to come
  logic [7:0]  layer_q, layer_d;
  logic [5:0]  head_q, head_d;                               // of the QKV loop
  logic [5:0]  proj_q, proj_d;                               // next head to project
  logic        advance;  // the state's job goes into stage 1, or the state has none

  // The previous step is over: stages 1 to 3 are empty.
  wire take_step  = step_valid_i && step_ready_o;
  wire take_batch = take_step && state_q == StIdle;
  // The batch goes on. One position of one sequence is a batch.
  wire       step_more   = step_i.more && Positions > 1;
  wire       step_several = step_i.several && Positions > 1;
  wire [3:0] step_member = step_several ? step_i.seq & 4'(Positions - 1)
                                        : batch_member(step_i.position, 5'(Positions));
  wire [5:0] heads      = cfg_i.n_head;
  wire       last_layer = layer_q == cfg_i.n_layer - 8'd1;

  op_e         op;
  logic        emit;
  logic [5:0]  op_head;
  logic        goes_round;                                   // for each sequence
  logic        stays;                                        // the next sequence's turn

  always_comb begin
    state_d = state_q;
    layer_d = layer_q;
    head_d  = head_q;
    proj_d  = proj_q;
    op      = OpQkv;
    op_head = head_q;
    emit    = 1'b1;
    unique case (state_q)
      StIdle: begin
        emit = 1'b0;
        if (take_step) state_d = (Positions == 1) ? StNorm1 : StPos;
        layer_d = '0;
        head_d  = '0;
        proj_d  = '0;
      end
      // After the rows, the batch is known.
      StNorm1: begin op = OpNorm; state_d = (Positions == 1) ? StPos : StQkv; end
      StPos:   begin op = OpPos; state_d = StToken; end
      StToken: begin
        op = OpToken;
        state_d = (Positions == 1) ? StQkv : step_q.more ? StMore : StNorm1;
      end
      StMore:  begin emit = 1'b0; state_d = StPos; end

      StQkv: begin
        op = OpQkv;
        state_d = (head_q != 0) ? StScores : (heads == 6'd1) ? StNorm2 : StQkv;
        if (head_q == 0 && heads != 6'd1) head_d = 6'd1;
      end
      StScores: begin
        op = OpScores;
        op_head = head_q - 6'd1;
        if (head_q >= 6'd2) state_d = StPv;
        else if (head_q == heads - 6'd1) state_d = StNorm2;
        else begin state_d = StQkv; head_d = head_q + 6'd1; end
      end
      StPv: begin
        op = OpPv;
        op_head = head_q - 6'd2;
        if (head_q == heads - 6'd1) state_d = StNorm2;
        else begin state_d = StQkv; head_d = head_q + 6'd1; end
      end

      // Heads 0 .. H-3 lack only their projection; the last two still need softmax.
      StNorm2:  begin op = OpNorm; state_d = (heads >= 6'd3) ? StTailP0 : StTailS; end
      StTailP0: begin op = OpProj; op_head = 6'd0; proj_d = 6'd1; state_d = StTailS; end
      StTailS:  begin op = OpScores; op_head = heads - 6'd1; state_d = StTailPa; end
      StTailPa: begin
        op = OpProj; op_head = proj_q;
        emit = proj_q < 6'd4 && proj_q + 6'd2 < heads;
        if (emit) proj_d = proj_q + 6'd1; else state_d = StTailV2;
      end
      StTailV2: begin
        op = OpPv; op_head = heads - 6'd2; emit = heads >= 6'd2; state_d = StTailPb;
      end
      StTailPb: begin
        op = OpProj; op_head = proj_q;
        emit = proj_q + 6'd2 < heads;
        if (emit) proj_d = proj_q + 6'd1; else state_d = StTailV1;
      end
      StTailV1: begin op = OpPv; op_head = heads - 6'd1; state_d = StTailPc; end
      StTailPc: begin
        op = OpProj; op_head = proj_q;
        emit = proj_q < heads;
        if (emit) proj_d = proj_q + 6'd1; else state_d = StMlp1;
      end

      StMlp1:     begin op = OpMlp1; state_d = StNormNext; end
      // The last layer's is ln_f. Without a head its parameters are skipped (drop1_q).
      StNormNext: begin op = OpNorm; state_d = StMlp2; end
      StMlp2: begin
        op = OpMlp2;
        head_d = '0;
        proj_d = '0;
        if (!last_layer) begin state_d = StQkv; layer_d = layer_q + 8'd1; end
        else state_d = step_q.head ? StHead : StIdle;
      end
      StHead: begin op = OpHead; state_d = StIdle; end
      default: begin emit = 1'b0; state_d = StIdle; end
    endcase

    goes_round = batch_q.several && emit && (op == OpScores || op == OpPv);
    stays      = goes_round && (turn_q & (turn_q - 1'b1)) != '0;
    turn_d     = stays ? turn_q & (turn_q - 1'b1) : Positions'(batch_q.members);
    if (stays) begin
      state_d = state_q;
      head_d  = head_q;
    end
  end

  // The member whose turn it is.
  logic [3:0] turn;

  always_comb begin
    turn = '0;
    for (int unsigned p = Positions; p > 0; p--) if (turn_q[p-1]) turn = 4'(p - 1);
  end

  // In StMore a step is taken only when stage 1 is empty: stage 2 reads step_q for stage 1's job.
  logic valid1_q;
  assign step_ready_o = (state_q == StIdle && kv_idle_i) || (state_q == StMore && !valid1_q);

  logic stage1_ready;
  assign advance = (state_q == StIdle || state_q == StMore) ? take_step : (!emit || stage1_ready);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= StIdle;
      layer_q <= '0;
      head_q  <= '0;
      proj_q  <= '0;
    end else if (advance) begin
      state_q <= state_d;
      layer_q <= layer_d;
      head_q  <= head_d;
      proj_q  <= proj_d;
    end
    if (advance) turn_q <= turn_d;
    if (take_step) begin
      step_q      <= step_i;
      step_q.more <= step_more;
      batch_q     <= '{
        several: step_several, seq: step_i.seq & 4'(Positions - 1), last: step_member,
        more: step_more,
        members: MaxPositions'(Positions'((take_batch ? '0 : batch_q.members)
                                          | MaxPositions'(1) << step_member))
      };
      for (int unsigned p = 0; p < Positions; p++) begin
        if (step_member == 4'(p)) position_q[p] <= step_i.position;
      end
    end
  end

  assign batch_o    = batch_q;
  assign position_o = position_q;

  // ---------------------------------------------------------------------- stage 1: the job's shape

  logic        drop1_q;                                      // not sent: only stream_q moves on
  job_t        job1_q;

  wire [16:0] width_groups = 17'(heads) << LogHeadGroups;
  // Its positions, as far as the KV cache is concerned, go up to this one.
  wire [9:0]  newest       = goes_round ? position_q[MemberBits'(turn)] : step_q.position;

  // max(0, ceil(log2(blocks)) - 3)
  function automatic logic [2:0] excess_of(logic [7:0] blocks);
    return (blocks > 8'd64) ? 3'd4 : (blocks > 8'd32) ? 3'd3 :
           (blocks > 8'd16) ? 3'd2 : (blocks > 8'd8)  ? 3'd1 : 3'd0;
  endfunction

  job_t job;
  always_comb begin
    job = '0;
    job.op          = op;
    job.layer       = layer_q;
    job.head        = op_head;
    job.final_layer = last_layer;
    job.want_head   = step_q.head;
    job.position    = newest;
    job.alone       = goes_round;
    job.member      = turn;
    job.issue.first = 1'b1;
    job.issue.last  = 1'b1;
    job.issue.free  = 1'b1;
    job.issue.slot  = 8'(SlotX);
    unique case (op)
      OpNorm: begin
        job.groups = (17'(heads) * 17'd4 + 17'(Segments - 1)) >> LogS;   // 64 heads / (16 S) beats
        job.blocks = 8'd1;
      end
      OpPos: begin
        job.alone              = 1'b1;
        job.member             = batch_q.last;
        job.groups             = 17'd1;
        job.blocks             = 8'(heads) << 1;
        job.sides              = 1'b1;
        job.place.row_in_group = 6'(step_q.position) & 6'(Segments - 1);
        job.place.side_index   = step_q.position & 10'(SideGroups * Segments - 1);
      end
      OpToken: begin
        job.alone              = 1'b1;
        job.member             = batch_q.last;
        job.groups             = 17'd1;
        job.blocks             = 8'(heads);
        job.sides              = 1'b1;
        job.place.row_in_group = 6'(step_q.id) & 6'(Segments - 1);
        job.place.side_index   = 10'(step_q.id) & 10'(SideGroups * Segments - 1);
      end
      OpQkv: begin
        job.groups     = 17'd3 << LogHeadGroups;
        job.blocks     = 8'(heads);
        job.sides      = 1'b1;
        job.issue.free = op_head == heads - 6'd1;
      end
      OpScores: begin
        job.groups     = kv_key_group(newest, LogS) + 17'd1;
        job.blocks     = 8'd1;
        job.sides      = 1'b1;
        job.issue.slot = 8'(SlotQ) + 8'(op_head[0]);
      end
      OpPv: begin
        job.groups           = 17'd1 << LogHeadGroups;
        job.blocks           = 8'(kv_tile(newest)) + 8'd1;
        job.issue.by_columns = 1'b1;
        job.issue.slot       = 8'(SlotP) + (op_head[0] ? 8'(MaxTiles) : 8'd0);
      end
      OpProj: begin
        job.groups           = width_groups;
        job.blocks           = 8'd1;
        job.issue.by_columns = 1'b1;
        job.sides            = op_head == heads - 6'd1;
        job.issue.first      = op_head == 0;
        job.issue.last       = op_head == heads - 6'd1;
        job.issue.slot       = 8'(SlotO) + 8'(op_head);
      end
      OpMlp1: begin
        job.groups = width_groups << 2;
        job.blocks = 8'(heads);
        job.sides  = 1'b1;
      end
      OpMlp2: begin
        job.groups           = width_groups;
        job.blocks           = 8'(heads) << 2;
        job.issue.by_columns = 1'b1;
        job.sides            = 1'b1;
        job.issue.slot       = 8'(SlotG);
      end
      default: begin                                         // OpHead
        job.groups = (cfg_i.n_vocab + 17'(Segments - 1)) >> LogS;
        job.blocks = 8'(heads);
        job.sides  = 1'b1;
      end
    endcase
    // Of a sequence's positions, ln_f and the head are for the last.
    if (!batch_q.several && (op == OpHead || (state_q == StNormNext && last_layer))) begin
      job.alone  = 1'b1;
      job.member = batch_q.last;
    end
  end

  logic stage2_ready;
  assign stage1_ready = !valid1_q || stage2_ready;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid1_q <= 1'b0;
    else if (stage1_ready) valid1_q <= state_q != StIdle && emit;
    if (stage1_ready && emit) begin
      job1_q  <= job;
      drop1_q <= state_q == StNormNext && last_layer && !step_q.head;
    end
  end

  // ----------------------------------------------------- stage 2: products for beats and addresses

  logic                valid2_q, drop2_q;
  job_t                job2_q;
  logic [24:0]         product2_q;  // groups * blocks, or the row's group * blocks
  logic [AddrBits-1:0] sides2_q;  // side beats, or those before the row's group
  logic [20:0]         sixteens2_q;  // the row's whole sixteens of groups * blocks
  // start of the layer's keys or values in the KV cache; the head's offset from it
  logic [AddrBits-1:0] kv_from2_q, kv_head2_q;
  logic [AddrBits-1:0] kv_seq2_q;                            // the sequence's, from the first's
  logic [AddrBits-1:0] kv_layer_q;                           // start of the layer's head 0
  logic [AddrBits-1:0] kv_heads_q;                           // beats of a layer's cache in this run

  wire        is_row          = job1_q.op == OpPos || job1_q.op == OpToken;
  wire [16:0] table_row       = (job1_q.op == OpPos) ? 17'(step_q.position) : step_q.id;
  wire [16:0] table_row_group = table_row >> LogS;
  wire [16:0] factor          = is_row ? table_row_group : job1_q.groups;

  logic stage3_ready;
  assign stage2_ready = !valid2_q || stage3_ready;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid2_q <= 1'b0;
    else if (stage2_ready) valid2_q <= valid1_q;
    if (stage2_ready && valid1_q) begin
      job2_q     <= job1_q;
      job2_q.issue.excess <= excess_of((job1_q.op == OpProj) ? 8'(heads) : job1_q.blocks);
      drop2_q    <= drop1_q;
      sides2_q   <= is_row       ? AddrBits'(table_row_group[16:4])
                  : job1_q.sides ? (AddrBits'(job1_q.groups) + AddrBits'(15)) >> 4 : '0;
      kv_from2_q <= kv_layer_q + (job1_q.op == OpPv ? cfg_i.kv_v_off : '0);
    end
    if (take_batch) kv_layer_q <= cfg_i.kv_base;
    else if (stage2_ready && valid1_q && job1_q.op == OpMlp2) begin
      kv_layer_q <= kv_layer_q + kv_heads_q;
    end
  end

  wire take1 = stage2_ready && valid1_q;

  multiplier #(.ABits(17), .BBits(8)) u_product (
    .clk_i, .en_i(take1), .a_i(factor), .b_i(job1_q.blocks), .p_o(product2_q)
  );
  multiplier #(.ABits(13), .BBits(8)) u_sixteens (
    .clk_i, .en_i(take1), .a_i(table_row_group[16:4]), .b_i(job1_q.blocks), .p_o(sixteens2_q)
  );
  multiplier #(.ABits(6), .BBits(AddrBits), .PBits(AddrBits)) u_kv_head (
    .clk_i, .en_i(take1), .a_i(job1_q.head), .b_i(cfg_i.kv_stride), .p_o(kv_head2_q)
  );
  multiplier #(.ABits(6), .BBits(AddrBits), .PBits(AddrBits)) u_kv_heads (
    .clk_i, .en_i(1'b1), .a_i(heads), .b_i(cfg_i.kv_stride), .p_o(kv_heads_q)
  );

  if (Positions > 1) begin : gen_kv_seq
    multiplier #(.ABits(8), .BBits(AddrBits), .PBits(AddrBits)) u_beats (
      .clk_i, .en_i(1'b1), .a_i(cfg_i.n_layer), .b_i(kv_heads_q), .p_o(kv_seq_beats_o)
    );
    multiplier #(.ABits(4), .BBits(AddrBits), .PBits(AddrBits)) u_kv_seq (
      .clk_i, .en_i(take1), .a_i(job1_q.alone ? job1_q.member : batch_q.seq), .b_i(kv_seq_beats_o),
      .p_o(kv_seq2_q)
    );
  end else begin : gen_one_seq
    assign kv_seq_beats_o = '0;
    assign kv_seq2_q      = '0;
  end

  // ------------------------------------------------------------------- stage 3: addresses, job out

  logic                valid3_q, split3_q;
  job_t                job3_q;
  // stream_q: next beat of the stream region
  logic [AddrBits-1:0] side_addr3_q, addr3_q, beats3_q, stream_q;

  wire is_row2 = job2_q.op == OpPos || job2_q.op == OpToken;
  wire [AddrBits-1:0] beats    = is_row2 ? AddrBits'(job2_q.blocks)
                                         : AddrBits'(product2_q) + sides2_q;
  wire [AddrBits-1:0] row_base = (job2_q.op == OpPos) ? cfg_i.wpe_base : cfg_i.wte_base;
  // Whole sixteens of groups before the row, each with its side beat.
  wire [AddrBits-1:0] group_of_16 = (AddrBits'(sixteens2_q) << 4) + sides2_q;

  assign stage3_ready = !valid3_q || job_ready_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid3_q <= 1'b0;
      stream_q <= '0;
    end else begin
      if (stage3_ready) valid3_q <= valid2_q && !drop2_q;
      if (take_batch) stream_q <= cfg_i.stream_base;
      else if (stage3_ready && valid2_q && job2_q.op != OpPos && job2_q.op != OpToken &&
               job2_q.op != OpScores && job2_q.op != OpPv) stream_q <= stream_q + beats;
    end
    if (stage3_ready && valid2_q) begin
      job3_q       <= job2_q;
      split3_q     <= is_row2;
      beats3_q     <= beats;
      side_addr3_q <= row_base + group_of_16;
      unique case (job2_q.op)
        OpPos, OpToken: addr3_q <= row_base + sides2_q + 1 + AddrBits'(product2_q);
        OpScores, OpPv: addr3_q <= kv_from2_q + kv_head2_q + kv_seq2_q;
        OpHead:         addr3_q <= cfg_i.head_base;
        default:        addr3_q <= stream_q;
      endcase
    end
  end

  assign active_o    = (valid1_q && valid2_q && valid3_q) ? job_ready_i
                     : state_q != StIdle || valid1_q || valid2_q || valid3_q;
  assign job_valid_o = valid3_q;
  assign job_o       = job3_q;
  assign split_o     = split3_q;
  assign side_addr_o = side_addr3_q;
  assign addr_o      = addr3_q;
  assign beats_o     = beats3_q;

  // ------------------------------------------------------------------------------------ assertions

  `ERROR_IF(segments,
            2**$clog2(Segments) != Segments || Segments > 64,
            ("Segments must be 1, 2, 4, ... 64, not %0d", Segments))
  `ASSERT(take_batch |-> !valid1_q && !valid2_q && !valid3_q,
          ("%m: a step was taken before its predecessor's jobs"))
  `ASSERT(take_step && state_q == StMore
          |-> step_several == batch_q.several && step_member > batch_q.last &&
              (step_several || (step_i.position == step_q.position + 1'b1 &&
                                step_i.seq == step_q.seq)),
          ("%m: a step does not follow the one before it in its batch"))
  `ASSERT(job_valid_o && (job_o.op == OpScores || job_o.op == OpPv)
          |-> addr_o == kv_part(cfg_i, batch_q.several ? job_o.member : batch_q.seq, job_o.layer,
                                job_o.head)
                        + (job_o.op == OpPv ? cfg_i.kv_v_off : '0),
          ("%m: layer %0d, head %0d: beat %0d is not that of its part of the KV cache",
           job_o.layer, job_o.head, addr_o))
  `ASSERT(job_valid_o && !job_ready_i |=> job_valid_o && $stable(job_o) && $stable(addr_o),
          ("%m: a job changed before it was taken"))

endmodule
