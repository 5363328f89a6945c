// SPDX-License-Identifier: Apache-2.0
//
// multiplier_forms - every form of multiplier with the same inputs, for test_multiplier.c
//
// p_o[i]: bit 0 of i: a is signed; bit 1: b is signed; bit 2: with InputRegs. cut_o: the lower bits of p_o[0].
module multiplier_forms #(
  localparam int unsigned ABits = 18,
  localparam int unsigned BBits = 14
) (
  input  logic                        clk_i,
  input  logic                        en_i,
  input  logic [ABits-1:0]            a_i,
  input  logic [BBits-1:0]            b_i,
  output logic [7:0][ABits+BBits-1:0] p_o,
  output logic [19:0]                 cut_o
);

  for (genvar i = 0; i < 8; i++) begin : gen_form
    multiplier #(
      .ABits(ABits), .BBits(BBits), .ASigned((i & 1) != 0), .BSigned((i & 2) != 0), .InputRegs((i & 4) != 0)
    ) u_multiplier (.clk_i, .en_i, .a_i, .b_i, .p_o(p_o[i]));
  end

  multiplier #(.ABits(ABits), .BBits(BBits), .PBits(20)) u_cut (.clk_i, .en_i, .a_i, .b_i, .p_o(cut_o));

endmodule
