// SPDX-License-Identifier: Apache-2.0
//
// block_arbiter - one block of 64 rows at a time from those who make operands to block_quant
//
// In      Ports blocks with their slots, valid/ready; the lowest numbered waiting port goes first.
//         Ports fed by rigid
//         pipelines come first: they hold one block while the next is collected.
// Out     one block a cycle, rigid
// Timing  one cycle
module block_arbiter #(
  parameter int unsigned Ports = 5
) (
  input  logic                       clk_i,
  input  logic                       rst_ni,

  input  logic [Ports-1:0]           in_valid_i,
  output logic [Ports-1:0]           in_ready_o,
  input  logic [Ports-1:0][7:0]      in_slot_i,
  input  logic [63:0][31:0]          in_rows_i [Ports],

  output logic                       out_valid_o,
  output logic [7:0]                 out_slot_o,
  output logic [63:0][31:0]          out_rows_o
);

  always_comb begin
    logic taken;
    taken = 1'b0;
    for (int p = 0; p < int'(Ports); p++) begin
      in_ready_o[p] = !taken;
      taken |= in_valid_i[p];
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) out_valid_o <= 1'b0;
    else out_valid_o <= |in_valid_i;
    for (int p = 0; p < int'(Ports); p++) begin
      if (in_valid_i[p] && in_ready_o[p]) begin
        out_slot_o <= in_slot_i[p];
        out_rows_o <= in_rows_i[p];
      end
    end
  end

endmodule
