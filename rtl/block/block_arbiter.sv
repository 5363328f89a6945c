// SPDX-License-Identifier: Apache-2.0
//
// block_arbiter - passes one block of 64 rows at a time from five operand sources to block_quant
//
// In      blocks with their slots, valid/ready, by source: 0 attention's output (o), 1 queries (q),
//         2 GELU (g), 3 LayerNorm (x), 4 probabilities (p). The lowest waiting source wins: 0 to 2
//         end rigid pipelines and hold one block while the next is collected; 3 and 4 can wait.
//         Each source has its own rows port: an array of wide ports would be copied every cycle
// Out     a block a cycle, rigid
// Timing  one cycle
// Golden  golden/block_quant.c, which takes its output
module block_arbiter (
  input  logic              clk_i,
  input  logic              rst_ni,

  input  logic [4:0]        in_valid_i,
  output logic [4:0]        in_ready_o,
  input  logic [4:0][7:0]   in_slot_i,
  input  logic [63:0][31:0] o_rows_i,
  input  logic [63:0][31:0] q_rows_i,
  input  logic [63:0][31:0] g_rows_i,
  input  logic [63:0][31:0] x_rows_i,
  input  logic [63:0][31:0] p_rows_i,

  output logic              out_valid_o,
  output logic [7:0]        out_slot_o,
  output logic [63:0][31:0] out_rows_o
);

  assign in_ready_o = {in_valid_i[3:0] == 0, in_valid_i[2:0] == 0, in_valid_i[1:0] == 0,
                       !in_valid_i[0], 1'b1};

  always_ff @(posedge clk_i) begin
    if (!rst_ni) out_valid_o <= 1'b0;
    else out_valid_o <= in_valid_i != 0;
    if (in_valid_i[0]) begin
      out_slot_o <= in_slot_i[0];
      out_rows_o <= o_rows_i;
    end else if (in_valid_i[1]) begin
      out_slot_o <= in_slot_i[1];
      out_rows_o <= q_rows_i;
    end else if (in_valid_i[2]) begin
      out_slot_o <= in_slot_i[2];
      out_rows_o <= g_rows_i;
    end else if (in_valid_i[3]) begin
      out_slot_o <= in_slot_i[3];
      out_rows_o <= x_rows_i;
    end else if (in_valid_i[4]) begin
      out_slot_o <= in_slot_i[4];
      out_rows_o <= p_rows_i;
    end
  end

`ifndef SYNTHESIS
  for (genvar p = 0; p < 5; p++) begin : gen_assert
    assert property (@(posedge clk_i) disable iff (!rst_ni)
        in_valid_i[p] && !in_ready_o[p] |=> in_valid_i[p] && $stable(in_slot_i[p]))
      else $error("%m: a block that was not taken changed");
  end
`endif

endmodule
