// SPDX-License-Identifier: Apache-2.0
//
// rescale - turns the engine's 52-bit sums into rows, Q14.16, Segments per cycle
//
//   row = acc * 2^-F * scale + bias,   F = 16 + extra,   scale = mantissa * 2^(exponent - 35)
//
// The sum is first reduced to 32 bits, so the product needs only 44. The bound of a sum is known
// (2^28 per block, times 2^e_max), so this first shift is the same for the whole group.
//
// In      acc   Segments sums, 52 bits sign-extended to 64; e_max, the largest operand exponent in
//               them; excess, the binary places by which the blocks summed exceed 8 (job_t); rigid
//         side  bias << 16 | scale of each row. OpScores: the upper half is the position's V scale;
//               OpPv: in_pv_scale_i is the scale of all rows, side is ignored; both have no bias
// Out     rows  Segments rows, 31 bits in 32; their tag; v_scales, side's upper half: V
//               scales, of OpScores; rigid
//         sat   number of rows clamped, by either clamp; one cycle after the rows, 0 otherwise
// Rounds  half up, twice: to 32 bits before the mantissa, to 16 fraction bits after it; each time
//         it then clamps to the symmetric range
// Timing  5 cycles, a group per cycle, never stalls
// Keeps   its pipeline registers
// Assumes excess <= 4 (128 blocks). Scores beyond the step's position come from unwritten memory:
//         they pass through, but their clamps are not counted.
// Golden  golden/rescale.c: rescale_row() - equal bit for bit

`include "assert.svh"

module rescale
  import gpt2_pkg::*;
#(
  parameter int unsigned Segments = 16
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,

  input  logic                      in_valid_i,
  input  tag_t                      in_tag_i,
  input  logic [3:0]                in_e_max_i,
  input  logic [2:0]                in_excess_i,
  input  scale_t                    in_pv_scale_i,
  input  logic [Segments-1:0][63:0] in_acc_i,
  input  logic [Segments-1:0][31:0] in_side_i,

  output logic                      rows_valid_o,
  output tag_t                      rows_tag_o,
  output logic [Segments-1:0][31:0] rows_o,
  output logic [Segments-1:0][15:0] v_scales_o,
  output logic [7:0]                sat_o
);

  localparam int unsigned GroupLog2 = $clog2(Segments);

  // ------------------------------------------------------------------- shared by a group's rows

  // The first shift is 0..19. The second is 35 + extra - (the scale's exponent) - the first. The
  // product is kept 15 places further left, so the second is 0..62, always to the right.
  logic [4:0] first;
  logic [3:0] extra;

  always_comb begin
    first = 5'(in_e_max_i) + 5'(in_excess_i);
    unique case (in_tag_i.op)
      OpScores: extra = 4'd3;                    // 1 / sqrt(64)
      OpPv:     extra = 4'(ProbFrac - RowFrac);
      default:  extra = 4'd0;
    endcase
  end

  logic       valid1_q, valid2_q, valid3_q, valid4_q, valid5_q;
  tag_t       tag1_q, tag2_q, tag3_q, tag4_q, tag5_q;
  logic [5:0] second1_q, second2_q;              // of a scale with exponent 0: 31..62

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      {valid1_q, valid2_q, valid3_q, valid4_q, valid5_q} <= '0;
    end else begin
      {valid1_q, valid2_q, valid3_q, valid4_q, valid5_q}
          <= {in_valid_i, valid1_q, valid2_q, valid3_q, valid4_q};
    end
  end

  always_ff @(posedge clk_i) begin
    if (in_valid_i) begin
      tag1_q    <= in_tag_i;
      second1_q <= 6'(ScaleBias + 15) + 6'(extra) - 6'(first);
    end
    if (valid1_q) begin
      tag2_q    <= tag1_q;
      second2_q <= second1_q;
    end
    if (valid2_q) tag3_q <= tag2_q;
    if (valid3_q) tag4_q <= tag3_q;
    if (valid4_q) tag5_q <= tag4_q;
  end

  // --------------------------------------------------------------------------- 1: shift the sums

  // Numbers are sign-extended to lanes of 64 bits, the simulator's word. Rounding half up takes two
  // stages: x >>> n with one more bit below the point; then that bit is added to the rest.

  function automatic logic signed [63:0] add_half(logic [63:0] x);
    return ($signed(x) >>> 1) + $signed({63'd0, x[0]});
  endfunction

  logic [Segments-1:0][63:0] shifted1_q;         // 53 bits
  logic [Segments-1:0][31:0] side_words1_q;

  for (genvar i = 0; i < Segments; i++) begin : gen_shift
    always_ff @(posedge clk_i) begin
      if (in_valid_i) begin
        shifted1_q[i]    <= $signed({in_acc_i[i][62:0], 1'b0}) >>> first;
        side_words1_q[i] <= in_tag_i.op == OpPv ? {16'd0, in_pv_scale_i} : in_side_i[i];
      end
    end
  end

  // -------------------------------------------------------- 2: round them, clamp them to 32 bits

  localparam logic [31:0] SumMax = 32'h7fff_ffff;

  // Whether add_half(x) is beyond the symmetric range: seen in x, while it is rounded.
  function automatic logic sum_overflows(logic [63:0] x);
    return x[63] ? x[62:32] != '1 || x[31:0] == '0 : x[62:32] != '0 || x[31:0] == '1;
  endfunction

  function automatic logic [31:0] saturate_sum(logic [63:0] x);
    if (sum_overflows(x)) return x[63] ? -SumMax : SumMax;
    return 32'(add_half(x));
  endfunction

  logic [Segments-1:0][31:0] sum2_q;
  logic [Segments-1:0]       over2_q;
  logic [Segments-1:0][31:0] side_words2_q;

  for (genvar i = 0; i < Segments; i++) begin : gen_round
    always_ff @(posedge clk_i) begin
      if (valid1_q) begin
        sum2_q[i]        <= saturate_sum(shifted1_q[i]);
        over2_q[i]       <= sum_overflows(shifted1_q[i]);
        side_words2_q[i] <= side_words1_q[i];
      end
    end
  end

  // -------------------------- 3: times the mantissas, 2048..4095; the biases to 25 fraction bits

  function automatic logic [63:0] half_to_25(half_t h);
    return 64'(half_significand(h)) << half_exponent(h);
  endfunction

  logic [43:0]               product3_q [Segments];   // signed
  logic [Segments-1:0][7:0]  second3_q;          // 0..62
  logic [Segments-1:0][63:0] bias3_q;            // 43 bits
  logic [Segments-1:0][15:0] v_scales3_q;
  logic [Segments-1:0]       over3_q;

  for (genvar i = 0; i < Segments; i++) begin : gen_product
    always_ff @(posedge clk_i) begin
      if (valid2_q) begin
        second3_q[i]   <= 8'(second2_q) - 8'(side_words2_q[i][15:11]);
        bias3_q[i]     <= tag2_q.op == OpScores ? '0 : half_to_25(side_words2_q[i][31:16]);
        v_scales3_q[i] <= side_words2_q[i][31:16];
        over3_q[i]     <= over2_q[i];
      end
    end

    multiplier #(.ABits(32), .BBits(12), .ASigned(1'b1)) u_product (
      .clk_i, .en_i(valid2_q), .a_i(sum2_q[i]), .b_i({1'b1, side_words2_q[i][10:0]}),
      .p_o(product3_q[i])
    );
  end

  // ------------------------- 4: shift the products to 16 fraction bits, round the biases to them

  logic [Segments-1:0][63:0] shifted4_q;         // 60 bits
  logic [Segments-1:0][63:0] bias4_q;            // 35 bits
  logic [Segments-1:0][15:0] v_scales4_q;
  logic [Segments-1:0]       over4_q;

  for (genvar i = 0; i < Segments; i++) begin : gen_point
    always_ff @(posedge clk_i) begin
      if (valid3_q) begin
        shifted4_q[i]  <= 64'($signed({product3_q[i], 16'd0})) >>> second3_q[i];
        bias4_q[i]     <= add_half($signed(bias3_q[i]) >>> 8);
        v_scales4_q[i] <= v_scales3_q[i];
        over4_q[i]     <= over3_q[i];
      end
    end
  end

  // ------------------------------------------- 5: round them, add the biases, clamp them to rows

  // Half and bias by one adder: the bit below the point meets a one, which carries it into the sum.
  function automatic logic [63:0] add_bias(logic [63:0] x, logic [63:0] bias);
    return 64'($signed((x | 64'd1) + (bias << 1 | (x & 64'd1))) >>> 1);
  endfunction

  function automatic logic overflows(logic [63:0] x);
    return x[63] ? x[62:30] != '1 || x[29:0] == '0 : x[62:30] != '0;
  endfunction

  function automatic row_t saturate(logic [63:0] x);
    if (overflows(x)) return x[63] ? -RowMax : RowMax;
    return x[RowBits-1:0];
  endfunction

  logic [Segments-1:0][31:0] rows5_q;
  logic [Segments-1:0][15:0] v_scales5_q;
  logic [Segments-1:0]       over5_q;

  for (genvar i = 0; i < Segments; i++) begin : gen_row
    always_ff @(posedge clk_i) begin
      if (valid4_q) begin
        rows5_q[i]     <= 32'(saturate(add_bias(shifted4_q[i], bias4_q[i])));
        over5_q[i]     <= overflows(add_bias(shifted4_q[i], bias4_q[i]));
        v_scales5_q[i] <= v_scales4_q[i];
      end
    end
  end

  assign rows_valid_o = valid5_q;
  assign rows_tag_o   = tag5_q;
  assign rows_o       = rows5_q;
  assign v_scales_o   = v_scales5_q;

  // ------------------------------------------------------------------- 6: count what was clamped

  logic [Segments-1:0] over4_5_q;                // rows of stage 5 that the first clamp changed
  logic [16:0]         real5_q;                  // how many rows of the group count
  logic [7:0]          count, sat_q;

  always_ff @(posedge clk_i) begin
    if (valid4_q) begin
      over4_5_q <= over4_q;
      real5_q   <= tag4_q.op != OpScores ? 17'(Segments)
                 : 17'(tag4_q.position) + 17'd1 - (tag4_q.group << GroupLog2);
    end
  end

  always_comb begin
    count = '0;
    if (valid5_q && (over4_5_q != '0 || over5_q != '0)) begin
      for (int i = 0; i < int'(Segments); i++) begin
        if (17'(i) < real5_q) count = count + 8'(over4_5_q[i]) + 8'(over5_q[i]);
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) sat_q <= '0;
    else         sat_q <= count;
  end

  assign sat_o = sat_q;

  // ---------------------------------------------------------------------------------- assertions

  `ERROR_IF(segments,
            Segments == 0 || Segments > 64 || (Segments & (Segments - 1)) != 0,
            ("Segments = %0d must be a power of two, 1 to 64", Segments))
  `ASSERT(in_valid_i |-> in_excess_i <= 3'd4,
          ("%m: excess = %0d, but no sum has more than 128 blocks", in_excess_i))
  `ASSERT(in_valid_i && in_tag_i.op == OpScores
          |-> (in_tag_i.group << GroupLog2) <= 17'(in_tag_i.position),
          ("%m: a group of scores begins beyond the step's position"))

endmodule
