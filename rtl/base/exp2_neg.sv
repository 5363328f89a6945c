// SPDX-License-Identifier: Apache-2.0
//
// exp2_neg - powers of two with negative exponents, Width of them per cycle
//
//   e = 2^-t = (base[i] - slope[i] * rest / 2^10) * 2^-whole,   t = whole . i (6) rest (10 bits)
//
// In      t   TBits unsigned, 16 of them fraction; rigid
// Out     e   Q1.22 unsigned, below 2^22; 0 where whole > 23
// Rounds  half up: the linear term to 22 fraction bits, then e after its shift
// Timing  4 cycles, Width results per cycle
// Keeps   one table of 64 segments per lane
// Golden  golden/softmax.c: exp2_neg() - equal bit for bit

`include "assert.svh"

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

  logic [Width-1:0][ExpFrac:0] e4_q;

  for (genvar i = 0; i < int'(Width); i++) begin : gen_lane

    // ---- 1: the segment's base and slope

    logic [TBits-1:0] t;
    logic [22:0]      base1_q;
    logic [15:0]      slope1_q;
    logic [9:0]       rest1_q;
    logic [4:0]       whole1_q;

    assign t = in_t_i[i];

    always_ff @(posedge clk_i) begin
      if (in_valid_i) begin
        rest1_q  <= t[9:0];
        whole1_q <= (t[TBits-1:16] >= (TBits-16)'(Vanished)) ? Vanished : t[20:16];
      end
    end

    rom #(.Width(23), .Depth(64), .Contents(Exp2Base)) u_base (
      .clk_i, .rd_en_i(in_valid_i), .rd_addr_i(t[15:10]), .rd_data_o(base1_q)
    );
    rom #(.Width(16), .Depth(64), .Contents(Exp2Slope)) u_slope (
      .clk_i, .rd_en_i(in_valid_i), .rd_addr_i(t[15:10]), .rd_data_o(slope1_q)
    );

    // ---- 2: the linear term

    logic [22:0] base2_q;
    logic [25:0] product2_q;
    logic [4:0]  whole2_q;

    always_ff @(posedge clk_i) begin
      if (valid_q[1]) begin
        base2_q    <= base1_q;
        whole2_q   <= whole1_q;
      end
    end

    multiplier #(.ABits(16), .BBits(10)) u_product (
      .clk_i, .en_i(valid_q[1]), .a_i(slope1_q), .b_i(rest1_q), .p_o(product2_q)
    );

    // ---- 3: 2^-fraction

    logic [22:0] mantissa3_q;
    logic [4:0]  whole3_q;

    always_ff @(posedge clk_i) begin
      if (valid_q[2]) begin
        mantissa3_q <= base2_q - 23'((product2_q + 26'd512) >> 10);
        whole3_q    <= whole2_q;
      end
    end

    // ---- 4: shifted, with one more bit, and rounded

    always_ff @(posedge clk_i) begin
      if (valid_q[3]) e4_q[i] <= 23'((({mantissa3_q, 1'b0} >> whole3_q) + 24'd1) >> 1);
    end
  end

  assign out_valid_o = valid_q[4];
  assign out_e_o     = e4_q;

  // ------------------------------------------------------------------------------------ assertions

  `ERROR_IF(width,
            Width == 0 || TBits < 21,
            ("Width = %0d must be positive and TBits = %0d at least 21", Width, TBits))

endmodule
