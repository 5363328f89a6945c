// SPDX-License-Identifier: Apache-2.0
//
// exp2_neg - powers of two with negative exponents, Width of them a cycle
//
//   e = 2^-t = (base[i] - slope[i] * rest / 2^10) * 2^-whole,   t = whole . i (6) rest (10 bits)
//
// In      t   TBits unsigned, 16 of them fraction; rigid
// Out     e   Q1.22 unsigned, below 2^22; 0 where whole > 23
// Rounds  half up: the linear term to 22 fraction bits, then e to its place
// Timing  4 cycles, Width results a cycle
// Keeps   one table of 64 segments per lane
// Golden  golden/softmax.c: exp2_neg() - equal bit for bit
module exp2_neg
  import gpt2_pkg::*;
  import gpt2_tables_pkg::*;
#(
  parameter int unsigned Width = 1,
  parameter int unsigned TBits = 40
) (
  input  logic                          clk_i,
  input  logic                          rst_ni,

  input  logic                          in_valid_i,
  input  logic [Width-1:0][TBits-1:0]   in_t_i,

  output logic                          out_valid_o,
  output logic [Width-1:0][ExpFrac:0]   out_e_o
);

  localparam logic [4:0] Vanished = 5'(ExpFrac + 2);   // a shift by this leaves nothing

  logic [4:1] valid_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_q <= '0;
    else         valid_q <= {valid_q[3:1], in_valid_i};
  end

  // --------------------------------------------------------------- 1: the segment's base and slope

  logic [Width-1:0][31:0] base1_q, slope1_q;
  logic [Width-1:0][15:0] rest1_q;
  logic [Width-1:0][7:0]  whole1_q;

  always_ff @(posedge clk_i) begin
    if (in_valid_i) begin
      for (int i = 0; i < int'(Width); i++) begin
        base1_q[i]  <= 32'(Exp2Base[in_t_i[i][15:10]]);
        slope1_q[i] <= 32'(Exp2Slope[in_t_i[i][15:10]]);
        rest1_q[i]  <= 16'(in_t_i[i][9:0]);
        whole1_q[i] <= (in_t_i[i][TBits-1:16] >= (TBits-16)'(Vanished)) ? 8'(Vanished)
                                                                      : 8'(in_t_i[i][20:16]);
      end
    end
  end

  // ---------------------------------------------------------------------------- 2: the linear term

  logic [Width-1:0][31:0] base2_q, product2_q;            // 26 bits
  logic [Width-1:0][7:0]  whole2_q;

  always_ff @(posedge clk_i) begin
    if (valid_q[1]) begin
      for (int i = 0; i < int'(Width); i++) product2_q[i] <= slope1_q[i] * 32'(rest1_q[i]);
      base2_q  <= base1_q;
      whole2_q <= whole1_q;
    end
  end

  // -------------------------------------------------------------------------------- 3: 2^-fraction

  logic [Width-1:0][31:0] mantissa3_q;
  logic [Width-1:0][7:0]  whole3_q;

  always_ff @(posedge clk_i) begin
    if (valid_q[2]) begin
      for (int i = 0; i < int'(Width); i++) begin
        mantissa3_q[i] <= base2_q[i] - ((product2_q[i] + 32'd512) >> 10);
      end
      whole3_q <= whole2_q;
    end
  end

  // ------------------------------------------------------------------------- 4: its place, rounded

  // (m / 2^whole) to nearest: one binary place more, plus 1, halved
  logic [Width-1:0][ExpFrac:0] e4_q;

  always_ff @(posedge clk_i) begin
    if (valid_q[3]) begin
      for (int i = 0; i < int'(Width); i++) begin
        e4_q[i] <= (ExpFrac+1)'((((mantissa3_q[i] << 1) >> whole3_q[i][4:0]) + 32'd1) >> 1);
      end
    end
  end

  assign out_valid_o = valid_q[4];
  assign out_e_o     = e4_q;

  // ------------------------------------------------------------------------------------ assertions

`ifndef SYNTHESIS
  if (Width == 0 || TBits < 21) begin : gen_check
    $fatal(1, "%m: Width = %0d must be positive and TBits = %0d at least 21", Width, TBits);
  end
`endif

endmodule
