// SPDX-License-Identifier: Apache-2.0
//
// reciprocal - 2^31 / x of a normalised x
//
//   r = base[i] - slope[i] * rest / 2^8,   x = 1 i (7 bits) rest (8 bits)
//
// In      x   16 bits unsigned, 2^15 <= x; rigid
// Out     r   17 bits unsigned, 2^15 < r <= 2^16; relative error below 2^-15
// Rounds  half up: the linear term (docs/numerics.md, "reciprocal")
// Timing  3 cycles, one result per cycle
// Keeps   a table of 128 segments
// Golden  golden/softmax.c: reciprocal() - equal bit for bit

`include "assert.svh"

module reciprocal
  import gpt2_tables_pkg::*;
(
  input  logic        clk_i,
  input  logic        rst_ni,

  input  logic        in_valid_i,
  input  logic [15:0] in_x_i,

  output logic        out_valid_o,
  output logic [16:0] out_r_o
);

  logic [3:1] valid_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_q <= '0;
    else         valid_q <= {valid_q[2:1], in_valid_i};
  end

  // --------------------------------------------------------------- 1: the segment's base and slope

  logic [16:0] base1_q;
  logic [9:0]  slope1_q;
  logic [7:0]  rest1_q;

  always_ff @(posedge clk_i) begin
    if (in_valid_i) rest1_q <= in_x_i[7:0];
  end

  rom #(.Width(17), .Depth(128), .Contents(ReciprocalBase)) u_base (
    .clk_i, .rd_en_i(in_valid_i), .rd_addr_i(in_x_i[14:8]), .rd_data_o(base1_q)
  );
  rom #(.Width(10), .Depth(128), .Contents(ReciprocalSlope)) u_slope (
    .clk_i, .rd_en_i(in_valid_i), .rd_addr_i(in_x_i[14:8]), .rd_data_o(slope1_q)
  );

  // ---------------------------------------------------------------------------- 2: the linear term

  logic [16:0] base2_q;
  logic [17:0] product2_q;

  always_ff @(posedge clk_i) begin
    if (valid_q[1]) base2_q <= base1_q;
  end

  multiplier #(.ABits(10), .BBits(8)) u_product (
    .clk_i, .en_i(valid_q[1]), .a_i(slope1_q), .b_i(rest1_q), .p_o(product2_q)
  );

  // ----------------------------------------------------------------------------------- 3: 2^31 / x

  logic [16:0] r3_q;

  always_ff @(posedge clk_i) begin
    if (valid_q[2]) r3_q <= base2_q - 17'((product2_q + 18'd128) >> 8);
  end

  assign out_valid_o = valid_q[3];
  assign out_r_o     = r3_q;

  // ------------------------------------------------------------------------------------ assertions

  `ASSERT(in_valid_i |-> in_x_i[15], ("%m: x is not normalised: its highest bit is 0"))

endmodule
