// SPDX-License-Identifier: Apache-2.0
//
// clock_gate - stops a unit's clock while the unit is at rest
//
// A unit is at rest when no data arrives, it holds no data, and its pipelines have drained. None of
// its registers would then change, so gating its clock changes no value and no cycle. Gating saves
// power on silicon, and time in simulation, which is spent on clock edges.
//
// In      wake   data arrives in this cycle
//         hold   the unit holds data
//         test_en  in scan test every clock pulse passes
// Out     clk    clk_i, without the pulses of cycles in which the unit is at rest
// Timing  clk_o runs in each cycle of wake_i or hold_i, and for Linger cycles after the last
// Assumes Linger cycles drain the unit's pipelines, which rest_rules asserts beside each gate;
//         wake_i and hold_i settle before clk_i rises, like any register's input
//
// Gating 0: clk_o is clk_i, for FPGAs, whose clock nets cannot pass through logic. Gating 1:
// clock_gate_cell, a technology file.
module clock_gate #(
  parameter bit          Gating = 1'b0,
  parameter int unsigned Linger = 32
) (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic wake_i,
  input  logic hold_i,
  input  logic test_en_i,
  output logic clk_o
);

  if (Gating) begin : gen_gate
    localparam int unsigned CountBits = $clog2(Linger + 1);

    logic                 run;
    logic [CountBits-1:0] left_q;                  // cycles left to run

    assign run = !rst_ni || wake_i || hold_i || left_q != '0;

    always_ff @(posedge clk_o) begin
      if (!rst_ni)                 left_q <= '0;
      else if (wake_i || hold_i)   left_q <= CountBits'(Linger);
      else                         left_q <= left_q - 1'b1;
    end

    clock_gate_cell u_cell (.clk_i, .en_i(run), .test_en_i, .clk_o);
  end else begin : gen_wire
    logic unused_inputs;
    assign unused_inputs = ^{rst_ni, wake_i, hold_i, test_en_i};
    assign clk_o = clk_i;
  end

endmodule
