// SPDX-License-Identifier: Apache-2.0
//
// operand_buffer - holds operand blocks between the units that make them and the engine
//
// A slot is empty or full: block_quant fills it, a part of Width numbers at a time, and the job
// that reads it for the last time empties it. The engine's issue waits for a full slot; this alone
// synchronizes blocks and engine.
//
// Slots   gpt2_pkg: x_slot, o_slot, g_slot, q_slot, p_slot
// Timing  full_o: combinational, from the cycle after a slot's last part; the operand a cycle after
//         rd_en_i; one write and one read per cycle

`include "assert.svh"

module operand_buffer
  import gpt2_pkg::*;
#(
  parameter int unsigned MaxHeads = 25,
  parameter int unsigned MaxCtx   = 1024,
  parameter int unsigned Width    = 64,
  localparam int unsigned Parts    = HeadDim / Width,
  localparam int unsigned PartBits = (Parts > 1) ? $clog2(Parts) : 1
) (
  input  logic       clk_i,
  input  logic       rst_ni,

  input  logic                   wr_valid_i,
  input  logic [7:0]             wr_slot_i,
  input  logic [PartBits-1:0]    wr_part_i,
  input  logic                   wr_last_i,      // of the slot's parts
  input  logic [3:0]             wr_e_i,
  input  logic [Width-1:0][15:0] wr_m_i,

  input  logic [7:0] rd_slot_i,
  output logic       full_o,
  input  logic       rd_en_i,
  input  logic       free_i,  // with rd_en_i: the slot is empty from now on
  output operand_t   operand_o
);

  localparam int unsigned Slots = slot_count(MaxHeads, MaxCtx);

  localparam int unsigned SlotBits = $clog2(Slots);

  logic [Slots-1:0]    full_q;
  logic [SlotBits-1:0] wr_slot, rd_slot;

  assign wr_slot = SlotBits'(wr_slot_i);
  assign rd_slot = SlotBits'(rd_slot_i);
  assign full_o  = full_q[rd_slot];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      full_q <= '0;
    end else begin
      if (wr_valid_i && wr_last_i) full_q[wr_slot] <= 1'b1;
      if (rd_en_i && free_i) full_q[rd_slot] <= 1'b0;
    end
  end

  // A bank for each part, the first with the exponent. Only empty slots are written and only full
  // ones read.
  if (Parts == 1) begin : gen_whole
    ram_1r1w #(.Width($bits(operand_t)), .Depth(Slots)) u_slots (
      .clk_i,
      .wr_en_i(wr_valid_i && wr_part_i == '0), .wr_addr_i(wr_slot), .wr_strb_i(1'b1),
      .wr_data_i({wr_e_i, wr_m_i}),
      .rd_en_i, .rd_addr_i(rd_slot), .rd_data_o(operand_o)
    );
  end else begin : gen_parts
    ram_1r1w #(.Width(4 + 16 * Width), .Depth(Slots)) u_first (
      .clk_i,
      .wr_en_i(wr_valid_i && wr_part_i == '0), .wr_addr_i(wr_slot), .wr_strb_i(1'b1),
      .wr_data_i({wr_e_i, wr_m_i}),
      .rd_en_i, .rd_addr_i(rd_slot), .rd_data_o({operand_o.e, operand_o.m[0 +: Width]})
    );
    for (genvar p = 1; p < int'(Parts); p++) begin : gen_bank
      ram_1r1w #(.Width(16 * Width), .Depth(Slots)) u_slots (
        .clk_i,
        .wr_en_i(wr_valid_i && wr_part_i == PartBits'(p)), .wr_addr_i(wr_slot), .wr_strb_i(1'b1),
        .wr_data_i(wr_m_i),
        .rd_en_i, .rd_addr_i(rd_slot), .rd_data_o(operand_o.m[p*Width +: Width])
      );
    end
  end

  `ERROR_IF(slots, Slots > 256, ("%0d operand slots, a slot number has 8 bits", Slots))
  `ASSERT(wr_valid_i |-> !full_q[wr_slot],
          ("%m: slot %0d was written while it was full", wr_slot_i))
  `ASSERT(rd_en_i |-> full_q[rd_slot], ("%m: slot %0d was read while it was empty", rd_slot_i))

endmodule
