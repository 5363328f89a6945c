// SPDX-License-Identifier: Apache-2.0

// rsqrt - reciprocal square root of a normalised number, by a table and one Newton step
//
//   u = m / 2^30 in [1, 4),   y0 = table(u),   y = y0 (3 - u y0^2) / 2
//
// In      m   32 bits unsigned, 30 of them fraction, one of the upper two bits set
// Out     y   23 bits unsigned, 22 of them fraction, in (1/2, 1]
// Rounds  half up at the end and in the table's linear term; y0^2 and u y0^2 are truncated to 30
//         fraction bits; relative error below 2.5e-7 (docs/numerics.md, "rsqrt")
// Timing  7 cycles, one result per cycle, rigid. No multiplier is wider than 20 x 18 bits
// Assumes m is normalised; the table's relative error is below 2^-13, so that delta fits 19 bits
// Golden  golden/rsqrt.c: rsqrt() - equal bit for bit

`include "assert.svh"

module rsqrt
  import gpt2_pkg::*;
  import gpt2_tables_pkg::*;
(
  input  logic        clk_i,
  input  logic        rst_ni,

  input  logic        in_valid_i,
  input  logic [31:0] in_m_i,

  output logic        out_valid_o,
  output logic [22:0] out_y_o
);

  localparam int unsigned Latency = 7;

  logic [Latency-1:0] valid_q;             // bit k: stage k + 1 holds a number

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_q <= '0;
    else         valid_q <= {valid_q[Latency-2:0], in_valid_i};
  end

  // ----------------------------------------------------------- 1: the segment of 1/32 and its line

  logic [31:0]        m1_q, m2_q, m3_q;
  logic [17:0]        base_q;              // 17 fraction bits
  logic [11:0]        slope_q;             // the line falls

  logic [6:0] segment;
  assign segment = in_m_i[31:25] - 7'd32;  // u from 1 on

  always_ff @(posedge clk_i) begin
    if (in_valid_i) m1_q <= in_m_i;
  end

  rom #(.Width(18), .Depth(96), .Contents(RsqrtBase)) u_base (
    .clk_i, .rd_en_i(in_valid_i), .rd_addr_i(segment), .rd_data_o(base_q)
  );
  rom #(.Width(12), .Depth(96), .Contents(RsqrtSlope)) u_slope (
    .clk_i, .rd_en_i(in_valid_i), .rd_addr_i(segment), .rd_data_o(slope_q)
  );

  // ---------------------------------------------------------- 2: y0 = base - slope * rest, rounded
  //
  // base - ((p + 512) >> 10) = (1024 base + 511 - p) >> 10: the rounding needs no further adder.

  logic [17:0] y0_2_q, y0_3_q, y0_4_q, y0_5_q, y0_6_q;  // 17 fraction bits, one for each stage

  always_ff @(posedge clk_i) begin
    if (valid_q[0]) begin
      y0_2_q <= 18'(({1'b0, base_q, 10'd511} - 29'(slope_q) * 29'(m1_q[24:15])) >> 10);
      m2_q   <= m1_q;
    end
  end

  // --------------------------------------------------------------------------------------- 3: y0^2

  logic [31:0] square_q;                   // 30 fraction bits, below 2^31

  always_ff @(posedge clk_i) begin
    if (valid_q[1]) begin
      square_q <= 32'((36'(y0_2_q) * 36'(y0_2_q)) >> 4);
      y0_3_q   <= y0_2_q;
      m3_q     <= m2_q;
    end
  end

  // -------------------------------------------------- 4: u y0^2, as four products of 16-bit halves

  logic [31:0] high_high_q, high_low_q, low_high_q, low_low_q;

  always_ff @(posedge clk_i) begin
    if (valid_q[2]) y0_4_q <= y0_3_q;
  end

  multiplier #(.ABits(16), .BBits(16)) u_high_high (
    .clk_i, .en_i(valid_q[2]), .a_i(m3_q[31:16]), .b_i(square_q[31:16]), .p_o(high_high_q)
  );
  multiplier #(.ABits(16), .BBits(16)) u_high_low (
    .clk_i, .en_i(valid_q[2]), .a_i(m3_q[31:16]), .b_i(square_q[15:0]), .p_o(high_low_q)
  );
  multiplier #(.ABits(16), .BBits(16)) u_low_high (
    .clk_i, .en_i(valid_q[2]), .a_i(m3_q[15:0]), .b_i(square_q[31:16]), .p_o(low_high_q)
  );
  multiplier #(.ABits(16), .BBits(16)) u_low_low (
    .clk_i, .en_i(valid_q[2]), .a_i(m3_q[15:0]), .b_i(square_q[15:0]), .p_o(low_low_q)
  );

  // ------------------------------------------------------------------ 5: delta = 1 - floor(u y0^2)
  //
  // The step's factor is 3 - u y0^2 = 2 + delta. u y0^2 is within 2^-12 of 1, so 19 bits are enough
  // for delta. 2^30 - floor(p / 2^30) = floor((2^60 + 2^30 - 1 - p) / 2^30).

  logic signed [33:0] delta;               // 30 fraction bits

  assign delta = 34'(({4'd1, 60'h3fffffff} - {high_high_q, low_low_q}
                      - ((64'(high_low_q) + 64'(low_high_q)) << 16)) >> 30);

  always_ff @(posedge clk_i) begin
    if (valid_q[3]) y0_5_q <= y0_4_q;
  end

  // ----------------------------------------------------- 5 to 7: y = y0 + y0 * delta / 2, rounded

  logic [36:0] correction_q;               // 47 fraction bits, signed: y0 delta

  multiplier #(.ABits(18), .BBits(19), .BSigned(1'b1), .InputRegs(1'b1)) u_correction (
    .clk_i, .en_i(valid_q[3]), .a_i(y0_4_q), .b_i(19'(delta)), .p_o(correction_q)
  );

  always_ff @(posedge clk_i) begin
    if (valid_q[4]) y0_6_q <= y0_5_q;
    if (valid_q[5]) begin
      out_y_o <= 23'(($signed({1'b0, y0_6_q, 31'd1 << 25}) + 50'($signed(correction_q))) >>> 26);
    end
  end

  assign out_valid_o = valid_q[Latency-1];

  `ASSERT(in_valid_i |-> in_m_i[31:30] != 0,
          ("rsqrt: the number is not normalised: one of its two upper bits must be set"))
  `ASSERT(valid_q[3] |-> 34'(19'(delta)) == delta,
          ("rsqrt: the table's y0 is so far off that 1 - u y0^2 does not fit 19 bits"))

endmodule
