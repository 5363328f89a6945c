// SPDX-License-Identifier: Apache-2.0

// layernorm - mean and variance of the residuals of a batch's positions, and the normalised
// residuals as operand blocks
//
//   V = C sum(x^2) - sum(x)^2 + epsilon C^2     (exact; sqrt(V) = C times the standard deviation)
//   y[c] = (x[c] - mean) * R * gain[c] + bias[c],   R = C / sqrt(V)
//
// In      par    beats of an OpNorm job, valid/ready: word c holds two halfs, gain[c] (15..0) and
//                bias[c] (31..16); label.tag.group counts the beats, label.tag.last marks the last
//         start  pulse with the members of a pass; from then on each engine has sum (Q.12) and sum_sq
//                (Q.24) of the C numbers of its member sum_member_o, in the same cycle
//         rd     the residual of member rd_member_o, Q14.12, the row rd_row_o of max(Segments,
//                NormWidth) numbers: from its engine, one cycle after rd_en_o, held until the next.
//                Member m's engine is m % Engines
// Out     blk    NormWidth rows, Q14.16, of a member's block for operand slot 0 .. n_head - 1,
//                valid/ready. Block 0 of each member comes first, then block 1 of each: so the
//                engine, which needs a block of all, begins soon
//         done   pulse with the last rows
// Rounds  mean to 16 fraction bits, half up; V is exact; R truncated to 18 bits; (x - mean) R to
//         Q6.18, half up, saturating at +-(2^24 - 1) (sat_norm_o); times gain half up; plus bias,
//         saturating at +-(2^30 - 1) (sat_row_o)
// Timing  20 + 64 / NormWidth cycles from start to the last rows of the first block, if the
//         parameters have arrived; then 64 / NormWidth cycles a block. A pass consumes its
//         parameters: par_ready_o falls with their last beat and rises when the pass has read them
//         all
// Stores  32 bits a parameter, a beat in one write
// Assumes start_i only when busy_o is low; no residual changes while busy_o is high
// Golden  golden/layernorm.c: layernorm() up to the quantising - equal bit for bit

`include "assert.svh"

module layernorm
  import gpt2_pkg::*;
#(
  parameter int unsigned Segments  = 16,
  parameter int unsigned MaxHeads  = 25,
  parameter int unsigned NormWidth = 64,   // elements normalised a cycle: 1, 2, 4, ... 64
  parameter int unsigned Positions = 1,
  parameter int unsigned Engines   = Positions,
  localparam int unsigned RowWidth   = quant_width(Segments, NormWidth),
  localparam int unsigned MemberBits = (Positions > 1) ? $clog2(Positions) : 1
) (
  input  logic                          clk_i,
  input  logic                          rst_ni,
  input  config_t                       cfg_i,

  input  logic                          par_valid_i,
  output logic                          par_ready_o,
  input  label_t                        par_label_i,
  input  logic [HeadDim*Segments*8-1:0] par_data_i,

  input  logic                          start_i,
  input  logic [Positions-1:0]          members_i,
  output logic [MemberBits-1:0]         sum_member_o,
  input  logic [Engines-1:0][37:0]      sum_i,     // signed
  input  logic [Engines-1:0][62:0]      sum_sq_i,
  output logic                          busy_o,
  output logic                          done_o,

  output logic [Engines-1:0]            rd_en_o,
  output logic [MemberBits-1:0]         rd_member_o,
  output logic [10:0]                   rd_row_o,
  input  logic [Engines-1:0][RowWidth-1:0][31:0] rd_rows_i,

  output logic                          blk_valid_o,
  input  logic                          blk_ready_i,
  output logic [MemberBits-1:0]         blk_member_o,
  output logic [7:0]                    blk_slot_o,
  output logic [NormWidth-1:0][31:0]    blk_rows_o,

  output logic [6:0]                    sat_norm_o,
  output logic [6:0]                    sat_row_o
);

  // ---------------------------------------------------------------------------------------- a pass

  localparam int unsigned NumParts = HeadDim / NormWidth;          // of a block, one a cycle
  localparam int unsigned PartBits = (NumParts > 1) ? $clog2(NumParts) : 1;
  localparam int unsigned RowParts = RowWidth / NormWidth;         // of a row of the residual
  localparam int unsigned RowPartBits = (RowParts > 1) ? $clog2(RowParts) : 1;

  typedef struct packed {                  // what travels with a pipeline stage
    logic [MemberBits-1:0] member;
    logic [5:0]            block;
    logic [PartBits-1:0]   part;
    logic                  last;           // of the pass
  } place_t;

  logic                  advance;          // the normalising pipeline moves
  logic                  reading_q, par_full_q;
  logic [5:0]            block_q;          // what is read next
  logic [PartBits-1:0]   part_q;
  logic [MemberBits-1:0] member;
  logic                  last_part, last_member, last;

  assign last_part = part_q == PartBits'(NumParts - 1);
  assign last      = last_part && last_member && block_q == cfg_i.n_head - 6'd1;

  assign rd_row_o = 11'((32'(block_q) * NumParts + 32'(part_q)) / RowParts);

  // The engine of a member.
  localparam int unsigned EngineBits = (Engines > 1) ? $clog2(Engines) : 1;

  function automatic logic [EngineBits-1:0] engine_of(logic [MemberBits-1:0] m);
    return EngineBits'(32'(m) % Engines);
  endfunction

  assign rd_member_o = member;

  for (genvar e = 0; e < int'(Engines); e++) begin : gen_read
    assign rd_en_o[e] = reading_q && advance && engine_of(member) == EngineBits'(e);
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      reading_q <= 1'b0;
    end else if (start_i) begin
      reading_q <= 1'b1;
    end else if (advance && last) begin
      reading_q <= 1'b0;
    end
    if (start_i) begin
      block_q <= '0;
      part_q  <= '0;
    end else if (reading_q && advance) begin
      part_q <= last_part ? '0 : part_q + 1'b1;
      if (last_part && last_member) block_q <= block_q + 6'd1;
    end
  end

  // ----------------------------------------------------- the members, in turn: their sums; a block

  logic                  stats_start;
  logic [MemberBits-1:0] stats_member;

  if (Positions == 1) begin : gen_one_member
    logic unused_members;
    assign unused_members = ^members_i;
    assign stats_start    = start_i;
    assign stats_member   = '0;
    assign member         = '0;
    assign last_member    = 1'b1;
  end else begin : gen_members
    logic [Positions-1:0] members_q;       // of the pass
    logic [Positions-1:0] sums, sums_q;    // whose sums have not been taken
    logic [Positions-1:0] block_of_q;      // whose block block_q has not been read

    function automatic logic [MemberBits-1:0] first(logic [Positions-1:0] of);
      first = '0;
      for (int unsigned p = Positions; p > 0; p--) if (of[p-1]) first = MemberBits'(p - 1);
    endfunction

    function automatic logic [Positions-1:0] others(logic [Positions-1:0] of);
      return of & (of - 1'b1);
    endfunction

    assign sums         = start_i ? members_i : sums_q;
    assign stats_start  = sums != '0;
    assign stats_member = first(sums);
    assign member       = first(block_of_q);
    assign last_member  = others(block_of_q) == '0;

    always_ff @(posedge clk_i) begin
      sums_q <= rst_ni ? others(sums) : '0;
      if (start_i) begin
        members_q  <= members_i;
        block_of_q <= members_i;
      end else if (reading_q && advance && last_part) begin
        block_of_q <= last_member ? members_q : others(block_of_q);
      end
    end
  end

  assign sum_member_o = stats_member;

  // ------------------------------------------------------------------------------ mean, and ratio

  logic [Positions-1:0][31:0] mean;        // signed
  logic [Positions-1:0]       ratio_valid;
  logic [Positions-1:0][16:0] ratio;       // R less 2^17, its highest bit
  logic [Positions-1:0][5:0]  ratio_shift; // one place less: it is needed for rounding

  norm_statistics #(.Positions(Positions)) u_statistics (
    .clk_i, .rst_ni, .cfg_i, .start_i(stats_start), .member_i(stats_member),
    .sum_i(sum_i[engine_of(stats_member)]), .sum_sq_i(sum_sq_i[engine_of(stats_member)]),
    .mean_o(mean), .ratio_valid_o(ratio_valid), .ratio_o(ratio), .ratio_shift_o(ratio_shift)
  );

  // ------------------------------------------------------------------- parameters: one row a write
  //
  // A row of the memory is a beat or, if a beat is less than a part, a bank for each beat of a part.

  localparam int unsigned BeatWords   = SideGroups * Segments;
  localparam int unsigned NumBanks    = (BeatWords < NormWidth) ? NormWidth / BeatWords : 1;
  localparam int unsigned ParParts    = NumBanks * BeatWords / NormWidth;   // of a row
  localparam int unsigned NumRows     = (MaxHeads * NumParts + ParParts - 1) / ParParts;
  localparam int unsigned RowAddrBits = (NumRows > 1) ? $clog2(NumRows) : 1;
  localparam int unsigned ParPartBits = (ParParts > 1) ? $clog2(ParParts) : 1;

  logic                                    par_write, par_read, par_read_last;
  logic [RowAddrBits-1:0]                  par_row;        // to read
  logic [ParPartBits-1:0]                  par_part;       // of the row read
  logic [NumBanks-1:0][32*BeatWords-1:0]   par_row_q;
  logic [ParParts-1:0][NormWidth-1:0][31:0] par_words;     // the same

  assign par_words = par_row_q;

  assign par_ready_o = !par_full_q;
  assign par_write   = par_valid_i && par_ready_o;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      par_full_q <= 1'b0;
    end else if (par_write && par_label_i.tag.last) begin
      par_full_q <= 1'b1;
    end else if (par_read_last) begin
      par_full_q <= 1'b0;
    end
  end

  for (genvar b = 0; b < NumBanks; b++) begin : gen_bank
    ram_1r1w #(.Width(32 * BeatWords), .Depth(NumRows)) u_parameters (
      .clk_i,
      .wr_en_i(par_write && 32'(par_label_i.tag.group) % NumBanks == b),
      .wr_addr_i(RowAddrBits'(32'(par_label_i.tag.group) / NumBanks)), .wr_strb_i(1'b1),
      .wr_data_i(par_data_i),
      .rd_en_i(par_read), .rd_addr_i(par_row), .rd_data_o(par_row_q[b])
    );
  end

  // ------------------------------------------------------------------ normalising: stage occupancy
  //
  // All stages move together. They stop while the output is full and not taken, or while stage 1,
  // x - mean, waits for R or for the parameters.

  localparam int unsigned Stages = 9;

  logic   [Stages-1:0] valid_q;            // stage 0 is the read register of the residual's memory
  place_t [Stages-1:0] place_q;

  assign advance = (!blk_valid_o || blk_ready_i)
                && (!valid_q[1] || (ratio_valid[place_q[1].member] && par_full_q));

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q <= '0;
    end else if (advance) begin
      valid_q <= {valid_q[Stages-2:0], reading_q};
    end
    if (advance) begin
      place_q <= {place_q[Stages-2:0], place_t'{member, block_q, part_q, last}};
    end
  end

  assign par_read      = advance && valid_q[2];
  assign par_read_last = par_read && place_q[2].last;
  assign par_row       = RowAddrBits'((32'(place_q[2].block) * NumParts + 32'(place_q[2].part))
                                      / ParParts);

  // -------------------------------------------------- normalising: NormWidth elements side by side

  logic [RowParts-1:0][NormWidth-1:0][31:0] rd_parts;
  logic [RowPartBits-1:0]                   rd_part;
  logic [NormWidth-1:0]                     norm_saturated5_q, row_saturated9_q;
  logic                                     fresh9_q;      // counted only once
  logic [NormWidth-1:0][31:0]               rows9_q;

  assign rd_parts = rd_rows_i[engine_of(place_q[0].member)];
  assign rd_part  = RowPartBits'(32'(place_q[0].part) % RowParts);
  assign par_part = ParPartBits'((32'(place_q[3].block) * NumParts + 32'(place_q[3].part))
                                 % ParParts);

  // Of the stages' members.
  logic [31:0] mean0;                      // signed
  logic [16:0] ratio1;
  logic [5:0]  shift3;

  assign mean0  = mean[place_q[0].member];
  assign ratio1 = ratio[place_q[1].member];
  assign shift3 = ratio_shift[place_q[3].member];

  localparam logic [NormBits-1:0] NormMax = NormBits'((1 << (NormBits - 1)) - 1);

  for (genvar i = 0; i < int'(NormWidth); i++) begin : gen_element

    // ---- 1: x - mean; 2: halves of it times R less its highest bit; 3: their sum; 4: shifted
    //
    // The shift goes by 16s, 4s and 1s. After each, what lies above the places that can still come
    // into a number of 27 bits must equal its sign, or the number is beyond 27 bits.

    logic signed [31:0] centred1_q, centred2_q;    // 16 fraction bits
    logic        [32:0] high2_q, low2_q;           // signed; unsigned
    logic signed [50:0] product3_q;
    logic signed [26:0] shifted4_q;                // 19 fraction bits
    logic               beyond4_q, negative4_q;

    always_ff @(posedge clk_i) begin
      if (advance && valid_q[0]) centred1_q <= (rd_parts[rd_part][i] << 4) - mean0;
      if (advance && valid_q[1]) begin
        centred2_q <= centred1_q;
      end
      if (advance && valid_q[2]) begin
        product3_q <= (51'(centred2_q) <<< 17) + (51'($signed(high2_q)) <<< 16)
                      + $signed(51'(low2_q));
      end
      if (advance && valid_q[3]) begin
        automatic logic signed [50:0] by16;
        automatic logic signed [41:0] by4;
        automatic logic signed [29:0] by1;
        by16 = product3_q >>> {shift3[5:4], 4'd0};
        by4  = 42'(by16) >>> {shift3[3:2], 2'd0};
        by1  = 30'(by4) >>> shift3[1:0];
        shifted4_q  <= 27'(by1);
        beyond4_q   <= by16[50:41] != {10{by16[50]}} || by4[41:29] != {13{by4[41]}}
                    || by1[29:26] != {4{by1[29]}};
        negative4_q <= by16[50];
      end
    end

    multiplier #(.ABits(16), .BBits(17), .ASigned(1'b1)) u_high2 (
      .clk_i, .en_i(advance && valid_q[1]), .a_i(centred1_q[31:16]), .b_i(ratio1), .p_o(high2_q)
    );
    multiplier #(.ABits(16), .BBits(17)) u_low2 (
      .clk_i, .en_i(advance && valid_q[1]), .a_i(centred1_q[15:0]), .b_i(ratio1), .p_o(low2_q)
    );

    // ---- 5: round to Q6.18, saturate

    logic signed [NormBits-1:0] norm5_q;

    always_ff @(posedge clk_i) begin
      if (advance && valid_q[4]) begin
        automatic logic signed [25:0] rounded;
        automatic logic               saturates;
        rounded              = 26'(shifted4_q >>> 1) + 26'(shifted4_q[0]);
        saturates            = beyond4_q || (rounded[25] ? !rounded[24] || rounded[23:0] == '0
                                                         : rounded[24]);
        norm_saturated5_q[i] <= saturates;
        norm5_q              <= !saturates ? NormBits'(rounded) : negative4_q ? -NormMax : NormMax;
      end
    end

    // ---- gain and bias: 4: this part's words; 5: the gain's significand; 6, 7: the bias as a row
    //
    // bias = significand * 2^exponent / 2^9 with 16 fraction bits, rounded. Of the gain's exponent,
    // the last two bits go into the product, and the others shift it.

    logic        [31:0] word4_q;
    logic signed [14:0] gain5_q;
    half_t              half5_q;           // bias
    logic        [2:0]  exponent5_q;       // of the gain, in fours
    logic signed [42:0] bias6_q;           // 25 fraction bits
    logic signed [35:0] bias7_q;           // 16 fraction bits

    always_ff @(posedge clk_i) begin
      if (advance && valid_q[3]) word4_q <= par_words[par_part][i];
      if (advance && valid_q[4]) begin
        automatic logic [4:0] exponent;
        exponent    = half_exponent(word4_q[15:0]);
        gain5_q     <= 15'(half_significand(word4_q[15:0])) <<< exponent[1:0];
        exponent5_q <= exponent[4:2];
        half5_q     <= word4_q[31:16];
      end
      if (advance && valid_q[5]) begin
        bias6_q <= 43'(half_significand(half5_q)) <<< half_exponent(half5_q);
      end
      if (advance && valid_q[6]) bias7_q <= 36'((bias6_q + 43'sd256) >>> 9);
    end

    // ---- 6: halves of it times gain; 7: their sum, shifted
    //
    // scaled = n * significand * 2^4 / 2^(31 - exponent), here with one fraction bit more

    logic        [27:0] high6_q;           // signed
    logic        [26:0] low6_q;            // signed
    logic        [2:0]  exponent6_q;
    logic signed [41:0] scaled7_q;         // 17 fraction bits

    always_ff @(posedge clk_i) begin
      if (advance && valid_q[5]) begin
        exponent6_q <= exponent5_q;
      end
      if (advance && valid_q[6]) begin
        automatic logic signed [39:0] scaled;
        scaled    = (40'($signed(high6_q)) <<< 12) + 40'($signed(low6_q));
        scaled7_q <= $signed({scaled, 2'd0}) >>> {~exponent6_q, 2'd0};
      end
    end

    multiplier #(.ABits(NormBits - 12), .BBits(15), .ASigned(1'b1), .BSigned(1'b1)) u_high6 (
      .clk_i, .en_i(advance && valid_q[5]), .a_i(norm5_q[NormBits-1:12]), .b_i(gain5_q),
      .p_o(high6_q)
    );
    multiplier #(.ABits(12), .BBits(15), .BSigned(1'b1)) u_low6 (
      .clk_i, .en_i(advance && valid_q[5]), .a_i(norm5_q[11:0]), .b_i(gain5_q), .p_o(low6_q)
    );

    // ---- 8: plus bias, round; 9: saturate

    logic signed [41:0] sum8_q;

    always_ff @(posedge clk_i) begin
      if (advance && valid_q[7]) begin
        sum8_q <= 42'((43'(scaled7_q) + 43'($signed({bias7_q, 1'b1}))) >>> 1);
      end
      if (advance && valid_q[8]) begin
        automatic logic saturates;
        saturates = sum8_q[41] ? sum8_q[40:30] != '1 || sum8_q[29:0] == '0 : sum8_q[40:30] != '0;
        row_saturated9_q[i] <= saturates;
        rows9_q[i] <= !saturates ? 32'(sum8_q) : sum8_q[41] ? -32'(RowMax) : 32'(RowMax);
      end
    end
  end

  logic                  blk_valid_q, pass_last_q;
  logic [MemberBits-1:0] blk_member_q;
  logic [7:0]            blk_slot_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni)      blk_valid_q <= 1'b0;
    else if (advance) blk_valid_q <= valid_q[8];
    if (advance && valid_q[8]) begin
      blk_member_q <= place_q[8].member;
      blk_slot_q   <= 8'(x_slot()) + 8'(place_q[8].block);
      pass_last_q  <= place_q[8].last;
    end
  end

  assign blk_valid_o  = blk_valid_q;
  assign blk_member_o = blk_member_q;
  assign blk_slot_o   = blk_slot_q;
  assign blk_rows_o   = rows9_q;
  assign done_o       = blk_valid_q && blk_ready_i && pass_last_q;

  // ----------------------------------------------------------------------------- busy; saturations

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      busy_o     <= 1'b0;
      fresh9_q   <= 1'b0;
      sat_norm_o <= '0;
      sat_row_o  <= '0;
    end else begin
      if (start_i) begin
        busy_o <= 1'b1;
      end else if (done_o) begin
        busy_o <= 1'b0;
      end
      fresh9_q   <= advance && valid_q[8];
      sat_norm_o <= (advance && valid_q[5]) ? 7'($countones(norm_saturated5_q)) : '0;
      sat_row_o  <= fresh9_q ? 7'($countones(row_saturated9_q)) : '0;
    end
  end

  `ERROR_IF(segments,
            Segments > HeadDim || HeadDim % Segments != 0,
            ("Segments is %0d; it must divide a block of 64 rows", Segments))
  `ERROR_IF(norm_width,
            NormWidth > HeadDim || HeadDim % NormWidth != 0,
            ("NormWidth is %0d; it must divide a block of 64 rows", NormWidth))
  `ERROR_IF(max_heads,
            MaxHeads > 25,
            ("MaxHeads is %0d; the sums' widths hold 25 heads, 1600 numbers", MaxHeads))
  `ASSERT(!(start_i && busy_o), ("layernorm: a pass was started before the previous one was over"))
  `ASSERT(start_i |-> cfg_i.n_head != 0 && 32'(cfg_i.n_head) <= MaxHeads,
          ("layernorm: n_head must be 1 .. MaxHeads"))
  `ASSERT(start_i |-> members_i != '0, ("layernorm: a pass without members was started"))
  `ASSERT(par_write |-> 32'(par_label_i.tag.group) < NumRows * NumBanks,
          ("layernorm: more parameters than MaxHeads x 64"))
  `ASSERT(blk_valid_o && !blk_ready_i |=> blk_valid_o && $stable(blk_slot_o) && $stable(blk_rows_o),
          ("layernorm: a block changed before it was taken"))

endmodule
