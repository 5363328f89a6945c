// SPDX-License-Identifier: Apache-2.0
//
// clock_gate_cell - a clock-gating cell: clk_o has the pulses of clk_i in whose cycle en_i or
// test_en_i is high
//
// A technology file: this generic form is a latch and an AND gate. Replace it with a file that
// instantiates the library's integrated clock-gating cell under this name and with these ports.
//
// In      en       settles before clk_i rises, like any register's input
//         test_en  high in scan test: every pulse passes
// Out     clk      no glitches: the latch holds while clk_i is high
module clock_gate_cell (
  input  logic clk_i,
  input  logic en_i,
  input  logic test_en_i,
  output logic clk_o
);

  logic en_q;

  always_latch begin
    if (!clk_i) en_q = en_i || test_en_i;
  end

  assign clk_o = clk_i && en_q;

endmodule
