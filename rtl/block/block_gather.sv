// SPDX-License-Identifier: Apache-2.0
//
// block_gather - collects the rows of one maker into blocks of 64, and finds the bits that the
// largest row of each needs
//
//   used = the OR of row ^ sign(row) over the 64 rows of a block
//
// It holds two blocks: one fills while block_quant reads the other.
//
// In      groups of InWidth rows (31 bits sign-extended to 32), ascending, gaps anywhere;
//         valid/ready. slot: sampled with the last group of a block. transformer_block asserts
//         that makers that cannot wait never have to
// Out     blk    the older whole block: its slot and used. The rd_en_i of its last part removes it
//         rows   part rd_part_i of it, OutWidth rows, a cycle after rd_en_i
// Rounds  nothing
// Timing  a block is offered a cycle after its last group
// Keeps   128 rows
// Golden  none: it orders rows

`include "assert.svh"

module block_gather
  import gpt2_pkg::*;
#(
  parameter int unsigned InWidth  = 4,
  parameter int unsigned OutWidth = 64,          // a multiple of InWidth
  parameter int unsigned SlotBits = 8,
  localparam int unsigned Parts    = HeadDim / OutWidth,
  localparam int unsigned PartBits = (Parts > 1) ? $clog2(Parts) : 1
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,

  input  logic                      in_valid_i,
  output logic                      in_ready_o,
  input  logic [SlotBits-1:0]       in_slot_i,
  input  logic [InWidth-1:0][31:0]  in_rows_i,

  output logic                      blk_valid_o,
  output logic [SlotBits-1:0]       blk_slot_o,
  output logic [29:0]               blk_used_o,
  input  logic                      rd_en_i,
  input  logic [PartBits-1:0]       rd_part_i,
  output logic [OutWidth-1:0][31:0] rows_o
);

  localparam int unsigned Groups    = HeadDim / InWidth;
  localparam int unsigned GroupBits = (Groups > 1) ? $clog2(Groups) : 1;
  localparam int unsigned PartGroups = OutWidth / InWidth;
  localparam int unsigned PlaceBits  = $clog2(2 * Parts);

  // ------------------------------------------------------------------------------------- the blocks

  logic [GroupBits-1:0] group_q;                 // the next group's place in its block
  logic                 in_half_q, out_half_q;   // of the memory
  logic [1:0]           blocks_q;                // whole ones
  logic                 put, put_last, take_last;

  assign in_ready_o  = !blocks_q[1];
  assign put         = in_valid_i && in_ready_o;
  assign put_last    = put && group_q == GroupBits'(Groups - 1);
  assign take_last   = rd_en_i && rd_part_i == PartBits'(Parts - 1);
  assign blk_valid_o = blocks_q != 0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      group_q    <= '0;
      in_half_q  <= 1'b0;
      out_half_q <= 1'b0;
      blocks_q   <= '0;
    end else begin
      if (put)       group_q    <= put_last ? '0 : group_q + 1'b1;
      if (put_last)  in_half_q  <= !in_half_q;
      if (take_last) out_half_q <= !out_half_q;
      blocks_q <= blocks_q + 2'(put_last) - 2'(take_last);
    end
  end

  // ---------------------------------------------------------------------------------- bits in use

  logic [31:0]      used;                        // of this group; 30 bits
  logic [29:0]      used_q;                      // of the groups of its block so far
  logic [1:0][29:0] blk_used_q;
  logic [1:0][SlotBits-1:0] blk_slot_q;

  always_comb begin
    used = '0;
    if (put) begin
      for (int i = 0; i < int'(InWidth); i++) begin
        used = used | (in_rows_i[i] ^ 32'($signed(in_rows_i[i]) >>> 31));
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (put) used_q <= used[29:0] | (group_q == '0 ? '0 : used_q);
    if (put_last) begin
      blk_used_q[in_half_q] <= used[29:0] | (group_q == '0 ? '0 : used_q);
      blk_slot_q[in_half_q] <= in_slot_i;
    end
  end

  assign blk_used_o = blk_used_q[out_half_q];
  assign blk_slot_o = blk_slot_q[out_half_q];

  // ----------------------------------------------------------------------------------- their rows
  //
  // A part is a word of the memories, one for each group in it. No address is read and written in the
  // same cycle.

  localparam int unsigned IndexBits = (PartGroups > 1) ? $clog2(PartGroups) : 1;

  logic [IndexBits-1:0] index;                   // of this group in its part
  logic [PlaceBits-1:0] in_addr, out_addr;

  assign index    = IndexBits'(32'(group_q) % PartGroups);
  assign in_addr  = PlaceBits'(32'(in_half_q) * Parts + 32'(group_q) / PartGroups);
  assign out_addr = PlaceBits'(32'(out_half_q) * Parts + 32'(rd_part_i));

  for (genvar g = 0; g < int'(PartGroups); g++) begin : gen_group
    ram_1r1w #(.Width(32 * InWidth), .Depth(2 * Parts)) u_rows (
      .clk_i,
      .wr_en_i(put && index == IndexBits'(g)), .wr_addr_i(in_addr), .wr_strb_i(1'b1),
      .wr_data_i(in_rows_i),
      .rd_en_i, .rd_addr_i(out_addr), .rd_data_o(rows_o[InWidth*g +: InWidth])
    );
  end

  // ---------------------------------------------------------------------------------- assertions

  `ERROR_IF(widths,
            InWidth == 0 || HeadDim % InWidth != 0 || OutWidth % InWidth != 0 ||
            HeadDim % OutWidth != 0,
            ("InWidth = %0d, OutWidth = %0d must be powers of two, InWidth <= OutWidth <= 64",
             InWidth, OutWidth))
  `ASSERT(put |-> used[31:30] == 2'b00, ("%m: a row needs more than 31 bits"))
  `ASSERT(rd_en_i |-> blk_valid_o, ("%m: a block was read before it was whole"))

endmodule
