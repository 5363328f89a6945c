// SPDX-License-Identifier: Apache-2.0
//
// bare_engine - only matvec's multiplications: the reference for the speed of simulating the whole
// machine
//
// Each cycle, a beat of Segments x 64 int8 weights meets 64 x int16. A segment's sum of products is
// added to its previous sum, or starts anew if first_q is set. There is no queue, no exponent and
// no wait. Inputs are registered, as the weights are in the machine's engine, so that a simulator
// computes the products once a cycle and not at every evaluation of the ports.
module bare_engine #(
  parameter int unsigned Segments = 16
) (
  input  logic                      clk_i,
  input  logic                      first_i,
  input  logic [512*Segments-1:0]   weights_i,
  input  logic [1023:0]             operand_i,
  output logic [Segments-1:0][31:0] sums_o
);

  logic                    first_q;
  logic [512*Segments-1:0] weights_q;
  logic [1023:0]           operand_q;

  always_ff @(posedge clk_i) begin
    first_q   <= first_i;
    weights_q <= weights_i;
    operand_q <= operand_i;
  end

  for (genvar s = 0; s < int'(Segments); s++) begin : gen_segment
    logic signed [31:0] sum_d, sum_q;

    // The form that compilers vectorise: see rtl/block/matvec.sv.
    always_comb begin
      sum_d = first_q ? 0 : sum_q;
      for (int i = 0; i < 16; i++) begin
        sum_d = sum_d
            + 32'($signed(weights_q[512*s + 32*i +: 8])      * $signed(operand_q[64*i +: 16]))
            + 32'($signed(weights_q[512*s + 32*i + 8 +: 8])  * $signed(operand_q[64*i + 16 +: 16]))
            + 32'($signed(weights_q[512*s + 32*i + 16 +: 8]) * $signed(operand_q[64*i + 32 +: 16]))
            + 32'($signed(weights_q[512*s + 32*i + 24 +: 8]) * $signed(operand_q[64*i + 48 +: 16]));
      end
    end

    always_ff @(posedge clk_i) sum_q <= sum_d;
    assign sums_o[s] = sum_q;
  end

endmodule
