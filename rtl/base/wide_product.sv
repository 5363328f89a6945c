// SPDX-License-Identifier: Apache-2.0
//
// wide_product - a product of two numbers that are wider than an FPGA's multipliers
//
//   p = a * b                       a = high_a 2^HalfA + low_a,  b = high_b 2^HalfB + low_b
//     = {high_a high_b, low_a low_b} + high_a low_b 2^HalfA + low_a high_b 2^HalfB
//
// In      a, b   unsigned; rigid
// Out     p      unsigned, exact; holds until the next one
// Timing  2 cycles, a product per cycle: four multiplications, then their sum
// Golden  none: C's multiplication
module wide_product #(
  parameter int unsigned ABits = 32,
  parameter int unsigned BBits = 32
) (
  input  logic                   clk_i,
  input  logic                   in_valid_i,
  input  logic [ABits-1:0]       in_a_i,
  input  logic [BBits-1:0]       in_b_i,
  output logic [ABits+BBits-1:0] out_p_o
);

  localparam int unsigned PBits = ABits + BBits;
  localparam int unsigned HalfA = (ABits + 1) / 2;
  localparam int unsigned HalfB = (BBits + 1) / 2;
  localparam int unsigned Half  = HalfA + HalfB;

  wire [HalfA-1:0]       low_a  = in_a_i[HalfA-1:0];
  wire [HalfB-1:0]       low_b  = in_b_i[HalfB-1:0];
  wire [ABits-HalfA-1:0] high_a = in_a_i[ABits-1:HalfA];
  wire [BBits-HalfB-1:0] high_b = in_b_i[BBits-1:HalfB];

  logic                   valid1_q;
  logic [Half-1:0]        low_low1_q;
  logic [HalfA+BBits-HalfB-1:0] low_high1_q;
  logic [ABits-HalfA+HalfB-1:0] high_low1_q;
  logic [PBits-Half-1:0]  high_high1_q;

  always_ff @(posedge clk_i) begin
    valid1_q <= in_valid_i;
    if (valid1_q) begin
      out_p_o <= {high_high1_q, low_low1_q}
               + (PBits'(high_low1_q) << HalfA) + (PBits'(low_high1_q) << HalfB);
    end
  end

  multiplier #(.ABits(HalfA), .BBits(HalfB)) u_low_low (
    .clk_i, .en_i(in_valid_i), .a_i(low_a), .b_i(low_b), .p_o(low_low1_q)
  );
  multiplier #(.ABits(HalfA), .BBits(BBits - HalfB)) u_low_high (
    .clk_i, .en_i(in_valid_i), .a_i(low_a), .b_i(high_b), .p_o(low_high1_q)
  );
  multiplier #(.ABits(ABits - HalfA), .BBits(HalfB)) u_high_low (
    .clk_i, .en_i(in_valid_i), .a_i(high_a), .b_i(low_b), .p_o(high_low1_q)
  );
  multiplier #(.ABits(ABits - HalfA), .BBits(BBits - HalfB)) u_high_high (
    .clk_i, .en_i(in_valid_i), .a_i(high_a), .b_i(high_b), .p_o(high_high1_q)
  );

endmodule
