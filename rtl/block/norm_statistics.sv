// SPDX-License-Identifier: Apache-2.0
//
// norm_statistics - from LayerNorm's two sums to the mean and to the ratio by which rows are scaled
//
//   mean = sum / C,   R = C / sqrt(V),   V = C sum_sq - sum^2 + epsilon C^2     (exact)
//
// In      start   pulse with a member, and sum (Q.12) and sum_sq (Q.24) of its C numbers; neither
//                 needs to be held
//         cfg     inv_width, n_head and eps_term of the model
// Out     mean    of each member, 16 fraction bits, two cycles after its start; held until its next
//         ratio   R less 2^17, the highest of its 18 bits, and a shift: (x - mean) R has 19 fraction
//                 bits when shifted right by it; valid from 13 cycles after start to the next one
// Rounds  mean to 16 fraction bits, half up; R cut to 18 bits
// Timing  a start per cycle
// Keeps   its pipeline registers; the results of each member
// Golden  golden/layernorm.c: the first half of layernorm() - equal bit for bit

`include "assert.svh"

module norm_statistics
  import gpt2_pkg::*;
#(
  parameter int unsigned Positions = 1,
  localparam int unsigned MemberBits = (Positions > 1) ? $clog2(Positions) : 1
) (
  input  logic                       clk_i,
  input  logic                       rst_ni,
  input  config_t                    cfg_i,

  input  logic                       start_i,
  input  logic [MemberBits-1:0]      member_i,
  input  logic signed [37:0]         sum_i,
  input  logic [62:0]                sum_sq_i,

  output logic [Positions-1:0][31:0] mean_o,               // signed
  output logic [Positions-1:0]       ratio_valid_o,
  output logic [Positions-1:0][16:0] ratio_o,
  output logic [Positions-1:0][5:0]  ratio_shift_o
);

  // The member at stages 1, 3 and 12.
  logic [MemberBits-1:0] member1, member3, member12;

  if (Positions == 1) begin : gen_one
    logic unused_member;
    assign unused_member = ^member_i;
    assign {member1, member3, member12} = '0;
  end else begin : gen_members
    logic [12:1][MemberBits-1:0] member_q;

    always_ff @(posedge clk_i) member_q <= {member_q[11:1], member_i};
    assign member1  = member_q[1];
    assign member3  = member_q[3];
    assign member12 = member_q[12];
  end

  // ---------------------------------------------------- 1: products; 2: mean, and V, which is exact
  //
  // Wide products are built from parts that fit one FPGA multiplier: of sum = a 2^26 + b 2^13 + c,
  // inv_width = u 2^13 + w, and sum_sq's words of 16 bits. Products that do not overlap are
  // concatenated. The mean is ready when the first block has been read.

  logic stats1_q, stats2_q, stats3_q;                              // valid; stage 4 feeds rsqrt

  logic [11:0]      sum_a;                                         // signed
  logic [12:0]      sum_b, sum_c, inv_w;
  logic [11:0]      inv_u;
  logic [3:0][15:0] sq_words;

  assign sum_a    = sum_i[37:26];
  assign sum_b    = sum_i[25:13];
  assign sum_c    = sum_i[12:0];
  assign inv_u    = cfg_i.inv_width[24:13];
  assign inv_w    = cfg_i.inv_width[12:0];
  assign sq_words = 64'(sum_sq_i);

  logic [23:0] au_q;                                               // those of a: signed
  logic [24:0] bu_q, cu_q, aw_q, ab_q, ac_q;
  logic [25:0] bw_q, cw_q, bb_q, bc_q, cc_q;
  logic [23:0] aa_q;
  logic [3:0][21:0]   sq_q;                                        // n_head sum_sq
  logic [75:0]        v_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      stats1_q <= 1'b0;
      stats2_q <= 1'b0;
      stats3_q <= 1'b0;
    end else begin
      stats1_q <= start_i;
      stats2_q <= stats1_q;
      stats3_q <= stats2_q;
    end
    if (stats1_q) begin
      mean_o[member1] <= 32'(round_shift(
          64'({bu_q, cw_q}) + (64'($signed({au_q, 1'b0, cu_q})) <<< 13)
          + (64'(bw_q) <<< 13) + (64'($signed(aw_q)) <<< 26), 6'd26));
      v_q <= 76'({sq_q[2], 10'd0, sq_q[0], 6'd0}) + 76'({sq_q[3], 10'd0, sq_q[1], 22'd0})
             + 76'(cfg_i.eps_term) - 76'({aa_q, bb_q, cc_q})
             - (76'($signed({ab_q, bc_q})) <<< 14) - (76'($signed(ac_q)) <<< 27);
    end
  end

  multiplier #(.ABits(12), .BBits(12), .ASigned(1'b1)) u_au (
    .clk_i, .en_i(start_i), .a_i(sum_a), .b_i(inv_u), .p_o(au_q)
  );
  multiplier #(.ABits(13), .BBits(12)) u_bu (
    .clk_i, .en_i(start_i), .a_i(sum_b), .b_i(inv_u), .p_o(bu_q)
  );
  multiplier #(.ABits(13), .BBits(12)) u_cu (
    .clk_i, .en_i(start_i), .a_i(sum_c), .b_i(inv_u), .p_o(cu_q)
  );
  multiplier #(.ABits(12), .BBits(13), .ASigned(1'b1)) u_aw (
    .clk_i, .en_i(start_i), .a_i(sum_a), .b_i(inv_w), .p_o(aw_q)
  );
  multiplier #(.ABits(13), .BBits(13)) u_bw (
    .clk_i, .en_i(start_i), .a_i(sum_b), .b_i(inv_w), .p_o(bw_q)
  );
  multiplier #(.ABits(13), .BBits(13)) u_cw (
    .clk_i, .en_i(start_i), .a_i(sum_c), .b_i(inv_w), .p_o(cw_q)
  );
  multiplier #(.ABits(12), .BBits(12), .ASigned(1'b1), .BSigned(1'b1)) u_aa (
    .clk_i, .en_i(start_i), .a_i(sum_a), .b_i(sum_a), .p_o(aa_q)
  );
  multiplier #(.ABits(12), .BBits(13), .ASigned(1'b1)) u_ab (
    .clk_i, .en_i(start_i), .a_i(sum_a), .b_i(sum_b), .p_o(ab_q)
  );
  multiplier #(.ABits(12), .BBits(13), .ASigned(1'b1)) u_ac (
    .clk_i, .en_i(start_i), .a_i(sum_a), .b_i(sum_c), .p_o(ac_q)
  );
  multiplier #(.ABits(13), .BBits(13)) u_bb (
    .clk_i, .en_i(start_i), .a_i(sum_b), .b_i(sum_b), .p_o(bb_q)
  );
  multiplier #(.ABits(13), .BBits(13)) u_bc (
    .clk_i, .en_i(start_i), .a_i(sum_b), .b_i(sum_c), .p_o(bc_q)
  );
  multiplier #(.ABits(13), .BBits(13)) u_cc (
    .clk_i, .en_i(start_i), .a_i(sum_c), .b_i(sum_c), .p_o(cc_q)
  );
  for (genvar i = 0; i < 4; i++) begin : gen_sq
    multiplier #(.ABits(16), .BBits(6)) u_sq (
      .clk_i, .en_i(start_i), .a_i(sq_words[i]), .b_i(cfg_i.n_head), .p_o(sq_q[i])
    );
  end

  // ------------------------------------------------------- 3, 4: V = m * 2^shift, m in [2^30, 2^32)
  //
  // The shift is even, so V's bits go in pairs: the first pair not 00 becomes m's upper two.

  logic [5:0]  pair_d, pair3_q;            // its number, 0..37: shift = 2 pair - 30
  logic [Positions-1:0][5:0] pair_q;       // stays until the member's next start
  logic [75:0] v3_q;
  logic [31:0] m_q;
  logic        m_valid_q;

  logic [37:0] pairs;                      // that are not 00

  always_comb begin
    for (int i = 0; i < 38; i++) pairs[i] = v_q[2*i +: 2] != 0;
    pair_d = highest_bit(64'(pairs));
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) m_valid_q <= 1'b0;
    else         m_valid_q <= stats3_q;
    if (stats2_q) begin
      pair3_q <= pair_d;
      v3_q    <= v_q;
    end
    if (stats3_q) begin
      m_q    <= 32'((v3_q << {6'd37 - pair3_q, 1'b0}) >> 44);
      pair_q[member3] <= pair3_q;
    end
  end

  // ----------------------------------------------------------------------------- 5 to 11: 1/sqrt(m)

  logic        y_valid;
  logic [22:0] y;

  rsqrt u_rsqrt (
    .clk_i, .rst_ni,
    .in_valid_i(m_valid_q), .in_m_i(m_q), .out_valid_o(y_valid), .out_y_o(y)
  );

  // ----------------------------------------------------------------- 12, 13: R = C y, 18 bits of it
  //
  // R is the upper 18 of the `length` bits of n_head y. With the exponents of V and of 64, the
  // product (x - mean) R has 18 fraction bits when shifted by 20 + pair - length.

  logic        product_valid_q;
  logic [28:0] product_q;                  // n_head y: 21 bits or more
  logic [16:0] ratio_d;
  logic [4:0]  length;

  always_comb begin
    ratio_d = '0;
    length  = '0;
    if (product_valid_q) begin
      for (int i = 17; i < 29; i++) begin
        if (product_q[i]) begin
          ratio_d = product_q[i-1 -: 17];
          length  = 5'(i) + 5'd1;
        end
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      product_valid_q <= 1'b0;
      ratio_valid_o   <= '0;
    end else begin
      product_valid_q <= y_valid;
      if (product_valid_q) ratio_valid_o[member12] <= 1'b1;
      if (start_i)         ratio_valid_o[member_i] <= 1'b0;
    end
    if (product_valid_q) begin
      ratio_o[member12]       <= ratio_d;
      ratio_shift_o[member12] <= 6'd19 + pair_q[member12] - 6'(length);
    end
  end

  multiplier #(.ABits(23), .BBits(6)) u_product (
    .clk_i, .en_i(y_valid), .a_i(y), .b_i(cfg_i.n_head), .p_o(product_q)
  );

  // ------------------------------------------------------------------------------------ assertions

  `ASSERT(stats2_q |-> v_q >= 76'd65536,
          ("%m: V is below 2^16: not the sums of C numbers, or epsilon is too small"))

endmodule
