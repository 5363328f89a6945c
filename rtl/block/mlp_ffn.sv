// SPDX-License-Identifier: Apache-2.0
//
// mlp_ffn - connects the two layers of the MLP: GELU, and rows for the blocks of the second layer
//
//   G[k] = gelu(W1 x + b1)[64 k .. 64 k + 63],   0 <= k < 4 n_head
//
// The engine computes the layers themselves: OpMlp1's rows enter here, OpMlp2's blocks leave.
//
// In      rows  the rows bus; takes groups of OpMlp1, ascending, gaps anywhere; rigid
// Out     blk   Segments rows of the block for slot 2 MaxHeads + k, ascending; rigid; with
//               the rows' member, if Positions is above Engines
// Rounds  as gelu
// Timing  4 cycles
// Keeps   its pipeline registers
// Golden  golden/mlp_ffn.c: between rescale_matrix(w1) and block_quant() - equal bit for bit

`include "assert.svh"

module mlp_ffn
  import gpt2_pkg::*;
#(
  parameter int unsigned Segments = 16,
  parameter int unsigned MaxHeads = 25,
  parameter int unsigned Positions = 1,
  parameter int unsigned Engines   = Positions
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,

  input  logic                      rows_valid_i,
  input  tag_t                      rows_tag_i,
  input  logic [Segments-1:0][31:0] rows_i,

  output logic                      blk_valid_o,
  output logic [3:0]                blk_member_o,
  output logic [7:0]                blk_slot_o,
  output logic [Segments-1:0][31:0] blk_rows_o
);

  localparam int unsigned SlotG      = g_slot(MaxHeads);
  localparam int unsigned BlockShift = $clog2(HeadDim / Segments);    // groups of a block
  localparam int unsigned GeluCycles = 4;

  // ---------------------------------------------------------------------------------------- GELU

  logic mlp1;

  assign mlp1 = rows_valid_i && rows_tag_i.op == OpMlp1;

  gelu #(.Width(Segments)) u_gelu (
    .clk_i, .rst_ni, .in_valid_i(mlp1), .in_rows_i(rows_i), .out_valid_o(blk_valid_o),
    .out_rows_o(blk_rows_o)
  );

  // The slot travels beside the rows.
  logic [GeluCycles-1:0][7:0] slot_q;

  always_ff @(posedge clk_i) begin
    slot_q <= {slot_q[GeluCycles-2:0], 8'(SlotG) + 8'(rows_tag_i.group >> BlockShift)};
  end

  assign blk_slot_o = slot_q[GeluCycles-1];

  if (Positions == Engines) begin : gen_one_member
    assign blk_member_o = '0;
  end else begin : gen_members
    logic [GeluCycles-1:0][3:0] member_q;

    always_ff @(posedge clk_i) member_q <= {member_q[GeluCycles-2:0], rows_tag_i.member};
    assign blk_member_o = member_q[GeluCycles-1];
  end

  // ---------------------------------------------------------------------------------- assertions

  `ERROR_IF(max_heads,
            6 * MaxHeads > 256,
            ("MaxHeads = %0d leaves no slot for every block, at most 42", MaxHeads))
  `ASSERT(mlp1 |-> (rows_tag_i.group >> BlockShift) < 17'(4 * MaxHeads),
          ("%m: group %0d of OpMlp1 is beyond the last block", rows_tag_i.group))

endmodule
