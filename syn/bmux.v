// SPDX-License-Identifier: Apache-2.0
//
// bmux - for syn/verilog.py: Yosys's indexed choice as an indexed part select, which is one operation in plain Verilog
(* techmap_celltype = "$bmux" *)
module bmux #(
  parameter WIDTH = 1,
  parameter S_WIDTH = 1
) (
  input  [(WIDTH << S_WIDTH)-1:0] A,
  input  [S_WIDTH-1:0]            S,
  output [WIDTH-1:0]              Y
);

  wire [31:0] at = S * WIDTH;
  assign Y = A[at +: WIDTH];

endmodule
