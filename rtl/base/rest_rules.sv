// SPDX-License-Identifier: Apache-2.0
//
// rest_rules - what clock_gate assumes; no hardware, assertions alone
//
// When a gate with these inputs and this Linger would stop the clock, the unit must be empty:
// active_i, the OR of its valid bits, must be 0. This is checked whether or not clocks are gated.
module rest_rules #(
  parameter int unsigned Linger = 32,
  parameter int unsigned Width  = 1
) (
  input logic             clk_i,
  input logic             rst_ni,
  input logic             wake_i,
  input logic             hold_i,
  input logic [Width-1:0] active_i
);

  int unsigned left_q;                           // as clock_gate's
  initial left_q = 0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni)               left_q <= 0;
    else if (wake_i || hold_i) left_q <= Linger;
    else if (left_q != 0)      left_q <= left_q - 1;
    if (rst_ni && !wake_i && !hold_i && left_q == 0) a_rest: assert (active_i == '0);
  end

endmodule
