// SPDX-License-Identifier: Apache-2.0
//
// matvec_sums - one engine, for one position a cycle: products, their sums, accumulators
//
//   acc[s] = sum_k (sum_i w_k[s][i] * x_k[i]) << e_k
//
// In      weights2   64 / Folding weights of each segment, in the engine's stage 2, which holds
//                    them in a register
//         operand    their operand, a cycle earlier: as many int16, and their exponent
//         the rest   about the beat in the stage that the number names. A beat passes Folding times
//                    for each of its rounds, each time with another operand
// Out     acc        in stage 12: S sums, 52 bits (sign-extended to 64), and e_max: the largest
//                    exponent
// Timing  matvec's stages 3 to 12. Between two registers there is one multiplication, two
//         additions, or one addition of 52 bits. What the accumulators' memory gives, which may be
//         block RAM, is registered before it is added to.
//         AdderRetiming = 1: 3 has the sum of 64 already, and 4 to 7 repeat it. A synthesis tool
//         that retimes (Vivado, Quartus) moves these registers between the multipliers and adders;
//         a simulator's compiler makes better vector code of it. Same sums in the same cycles.
// Keeps   AccDepth x S accumulators, and the largest exponents of each round
// Golden  golden/matvec.c: matvec_row() - equal bit for bit

module matvec_sums
  import gpt2_pkg::*;
#(
  parameter int unsigned Segments = 4,
  parameter int unsigned AccDepth = 32,
  parameter int unsigned Rounds   = 1,
  parameter int unsigned Folding  = 1,
  parameter bit          AdderRetiming = 1'b0,
  localparam int unsigned Width     = HeadDim / Folding,         // multipliers a segment
  localparam int unsigned AccAddr   = $clog2(AccDepth),
  localparam int unsigned RoundBits = (Rounds > 1) ? $clog2(Rounds) : 1
) (
  input  logic                      clk_i,
  input  logic [8*Width*Segments-1:0] weights2_i,
  input  operand_t                  operand_i,

  input  logic [AccAddr-1:0]        rd_addr7_i,
  input  logic                      forward8_i,    // take the sum in stage 10, not what is read
  input  logic                      valid9_i,
  input  logic [RoundBits-1:0]      round9_i,
  input  logic                      columns9_i,    // its exponents are those by columns
  input  logic                      in_memory9_i,  // its accumulator is in the memory
  input  logic [AccAddr-1:0]        addr9_i,
  input  logic                      first9_i,      // starts its sums
  input  logic                      start_e9_i,    // starts the largest exponent
  input  logic                      forward9_i,    // the accumulator is the sum in stage 10
  input  logic                      valid10_i,
  input  logic [RoundBits-1:0]      round10_i,
  input  logic                      columns10_i,
  input  logic                      valid11_i,     // of a last block

  output logic [Segments-1:0][63:0] acc_o,
  output logic [3:0]                e_max_o
);

  // ------------------------------------------------------------------------ multipliers and adders

  logic [3:0]                e2_q, e3_q, e4_q, e5_q, e6_q, e7_q, e8_q, e9_q;
  logic [16*Width-1:0]       operand2_q;
  // 30 bits, sign-extended: words of 32 bits are what simulators move at once.
  logic [Segments-1:0][31:0] sum7_q;

  always_ff @(posedge clk_i) begin
    operand2_q <= operand_i.m[Width-1:0];
    e2_q       <= operand_i.e;
    e3_q       <= e2_q;
    e4_q       <= e3_q;
    e5_q       <= e4_q;
    e6_q       <= e5_q;
    e7_q       <= e6_q;
    e8_q       <= e7_q;
    e9_q       <= e8_q;
  end

  if (AdderRetiming) begin : gen_retimed
    logic [Segments-1:0][31:0] sum_d, sum3_q, sum4_q, sum5_q, sum6_q;

    for (genvar s = 0; s < int'(Segments); s++) begin : gen_sum
      localparam int W = 8 * Width;
      logic signed [31:0] sum;

      // Compilers make vector code of this form, four bytes of a word of weights per iteration
      // (sim/vector_check.sh).
      always_comb begin
        sum = 0;
        for (int i = 0; i < int'(Width / 4); i++) begin
          sum = sum
              + 32'($signed(weights2_i[W*s+32*i    +: 8]) * $signed(operand2_q[64*i    +: 16]))
              + 32'($signed(weights2_i[W*s+32*i+8  +: 8]) * $signed(operand2_q[64*i+16 +: 16]))
              + 32'($signed(weights2_i[W*s+32*i+16 +: 8]) * $signed(operand2_q[64*i+32 +: 16]))
              + 32'($signed(weights2_i[W*s+32*i+24 +: 8]) * $signed(operand2_q[64*i+48 +: 16]));
        end
      end
      assign sum_d[s] = sum;
    end

    always_ff @(posedge clk_i) begin
      sum3_q <= sum_d;
      sum4_q <= sum3_q;
      sum5_q <= sum4_q;
      sum6_q <= sum5_q;
      sum7_q <= sum6_q;
    end
  end else begin : gen_tree
    for (genvar s = 0; s < int'(Segments); s++) begin : gen_sum
      logic signed [23:0] product3_q [64];
      logic signed [25:0] sum4_d [16], sum4_q [16];
      logic signed [27:0] sum5_d [4], sum5_q [4];
      logic signed [28:0] sum6_d [2], sum6_q [2];
      logic signed [29:0] sum7_d;

      // A product is each Folding-th input of the tree; the others are 0, and synthesis removes
      // their adders.
      for (genvar i = 0; i < 64; i++) begin : gen_input
        if (i % Folding == 0) begin : gen_product
          localparam int unsigned N = i / Folding;

          multiplier #(.ABits(8), .BBits(16), .ASigned(1'b1), .BSigned(1'b1)) u_product (
            .clk_i, .en_i(1'b1), .a_i(weights2_i[8*(Width*s + N) +: 8]),
            .b_i(operand2_q[16*N +: 16]), .p_o(product3_q[i])
          );
        end else begin : gen_none
          assign product3_q[i] = '0;
        end
      end

      always_comb begin
        for (int i = 0; i < 16; i++) begin
          sum4_d[i] = (26'(product3_q[i])    + 26'(product3_q[i+16]))
                    + (26'(product3_q[i+32]) + 26'(product3_q[i+48]));
        end
        for (int i = 0; i < 4; i++) begin
          sum5_d[i] = (28'(sum4_q[i])   + 28'(sum4_q[i+4]))
                    + (28'(sum4_q[i+8]) + 28'(sum4_q[i+12]));
        end
        for (int i = 0; i < 2; i++) sum6_d[i] = 29'(sum5_q[i]) + 29'(sum5_q[i+2]);
        sum7_d = 30'(sum6_q[0]) + 30'(sum6_q[1]);
      end

      always_ff @(posedge clk_i) begin
        sum4_q     <= sum4_d;
        sum5_q     <= sum5_d;
        sum6_q     <= sum6_d;
        sum7_q[s]  <= 32'(sum7_d);
      end
    end
  end

  // ---------------------------------------------------------------------------------- accumulators

  for (genvar s = 0; s < int'(Segments); s++) begin : gen_segment
    logic signed [32:0]        shifted8_q;
    logic signed [AccBits-1:0] shifted9_q, read8_q, read9_q, acc10_d, acc10_q, acc11_q;

    // What is read while it is written is not taken: forward8_i says so.
    ram_1r1w #(.Width(AccBits), .Depth(AccDepth)) u_accs (
      .clk_i,
      .wr_en_i(valid9_i && in_memory9_i), .wr_addr_i(addr9_i), .wr_strb_i(1'b1),
      .wr_data_i(acc10_d),
      .rd_en_i(1'b1), .rd_addr_i(rd_addr7_i), .rd_data_o(read8_q)
    );

    assign acc10_d = shifted9_q + (first9_i ? '0 : forward9_i ? acc10_q : read9_q);

    always_ff @(posedge clk_i) begin
      shifted8_q <= 33'($signed(sum7_q[s])) <<< e7_q[1:0];
      shifted9_q <= AccBits'(shifted8_q) <<< {e8_q[3:2], 2'b00};
      read9_q    <= forward8_i ? acc10_q : read8_q;
      if (valid9_i) acc10_q <= acc10_d;
      if (valid10_i) acc11_q <= acc10_q;
      if (valid11_i) acc_o[s] <= 64'(acc11_q);
    end
  end

  // -------------------------------------------------------------------------- the largest exponent

  logic [Rounds-1:0][3:0] e_rows_q, e_columns_q;
  logic [3:0]             e_max11_q;

  wire [3:0] e9_before = columns9_i ? e_columns_q[round9_i] : e_rows_q[round9_i];
  wire [3:0] e10_d     = (start_e9_i || e9_q > e9_before) ? e9_q : e9_before;

  always_ff @(posedge clk_i) begin
    if (valid9_i && columns9_i)  e_columns_q[round9_i] <= e10_d;
    if (valid9_i && !columns9_i) e_rows_q[round9_i]    <= e10_d;
    e_max11_q <= columns10_i ? e_columns_q[round10_i] : e_rows_q[round10_i];
    if (valid11_i) e_max_o <= e_max11_q;
  end

endmodule
