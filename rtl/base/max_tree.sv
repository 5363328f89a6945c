// SPDX-License-Identifier: Apache-2.0
//
// max_tree - the largest of Width numbers
//
// In      x   Width numbers, 32 bits signed; rigid
// Out     max 32 bits signed; holds until the next one
// Timing  ceil(log4 Width) cycles, one vector per cycle; each stage keeps the largest of four
// Golden  none: softmax's and qkv_linear's maximum

`include "assert.svh"

module max_tree #(
  parameter int unsigned Width = 16
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,

  input  logic                   in_valid_i,
  input  logic [Width-1:0][31:0] in_x_i,

  output logic                   out_valid_o,
  output logic [31:0]            out_max_o
);

  localparam int unsigned Stages = ($clog2(Width) + 1) / 2;

  function automatic logic [31:0] larger(logic [31:0] a, logic [31:0] b);
    return ($signed(b) < $signed(a)) ? a : b;    // Yosys makes > from < and a test for equality
  endfunction

  // ------------------------------------------------------------------------- four to one per stage

  for (genvar k = 0; k <= Stages; k++) begin : gen_stage
    localparam int unsigned Left = (Width >> 2 * k) == 0 ? 1 : Width >> 2 * k;   // numbers out

    logic                  valid;
    logic [Left-1:0][31:0] x;

    if (k == 0) begin : gen_input
      assign valid = in_valid_i;
      assign x     = in_x_i;
    end else begin : gen_level
      localparam int unsigned Before = Width >> 2 * (k - 1);                     // numbers in
      localparam int unsigned Ratio  = Before / Left;                            // 4; last: 2 or 4

      logic                  valid_q;
      logic [Left-1:0][31:0] x_q;

      always_ff @(posedge clk_i) begin
        if (!rst_ni) valid_q <= 1'b0;
        else         valid_q <= gen_stage[k-1].valid;
      end

      always_ff @(posedge clk_i) begin
        if (gen_stage[k-1].valid) begin
          for (int i = 0; i < int'(Left); i++) begin
            if (Ratio == 4) begin
              x_q[i] <= larger(larger(gen_stage[k-1].x[4*i],   gen_stage[k-1].x[4*i+1]),
                               larger(gen_stage[k-1].x[4*i+2], gen_stage[k-1].x[4*i+3]));
            end else begin
              x_q[i] <= larger(gen_stage[k-1].x[0], gen_stage[k-1].x[1]);
            end
          end
        end
      end

      assign valid = valid_q;
      assign x     = x_q;
    end
  end

  if (Stages == 0) begin : gen_no_clock
    logic unused_clock;
    assign unused_clock = ^{clk_i, rst_ni};
  end

  assign out_valid_o = gen_stage[Stages].valid;
  assign out_max_o   = gen_stage[Stages].x[0];

  // ------------------------------------------------------------------------------------ assertions

  `ERROR_IF(width,
            Width == 0 || (Width & (Width - 1)) != 0,
            ("Width = %0d must be a power of two", Width))

endmodule
