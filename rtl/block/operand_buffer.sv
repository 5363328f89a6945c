// SPDX-License-Identifier: Apache-2.0
//
// operand_buffer - holds operand blocks between the units that make them and the engine
//
// A slot is empty or full: block_quant fills it, a part of Width numbers at a time, and the job
// that reads it for the last time empties it. The engine's issue waits for a full slot; this alone
// synchronizes blocks and engine.
//
// In      wr    a part of a block
//         next  the slot of the beat that comes to the engine with next_en_i: it is the slot asked
//               about and read from the next cycle on. So full_o comes from a register
//         step  which 64 / Folding numbers of that slot's block are read
//         rd    that slot's block is taken; free: for the last time
// Out     operand  these numbers, a cycle later, the first ones of m, and the block's exponent
// Slots   gpt2_pkg: x_slot, o_slot, g_slot, q_slot, p_slot
// Timing  full_o: from the cycle after a slot's last part; one write and one read per cycle. Flags
//         are cleared a cycle late, which full_o does not show

`include "assert.svh"

module operand_buffer
  import gpt2_pkg::*;
#(
  parameter int unsigned MaxHeads = 25,
  parameter int unsigned MaxCtx   = 1024,
  parameter int unsigned Width    = 64,
  parameter int unsigned Folding  = 1,
  localparam int unsigned Parts    = HeadDim / Width,
  localparam int unsigned PartBits = (Parts > 1) ? $clog2(Parts) : 1,
  localparam int unsigned StepBits = (Folding > 1) ? $clog2(Folding) : 1
) (
  input  logic       clk_i,
  input  logic       rst_ni,

  input  logic                   wr_valid_i,
  input  logic [7:0]             wr_slot_i,
  input  logic [PartBits-1:0]    wr_part_i,
  input  logic                   wr_last_i,      // of the slot's parts
  input  logic [3:0]             wr_e_i,
  input  logic [Width-1:0][15:0] wr_m_i,

  input  logic       next_en_i,
  input  logic [7:0] next_slot_i,
  output logic       full_o,
  input  logic [StepBits-1:0] step_i,
  input  logic       rd_en_i,
  input  logic       free_i,  // with rd_en_i: the slot is empty from now on
  output operand_t   operand_o
);

  localparam int unsigned Slots = slot_count(MaxHeads, MaxCtx);

  localparam int unsigned SlotBits = $clog2(Slots);

  logic [Slots-1:0]    full_q;
  logic [SlotBits-1:0] wr_slot, rd_slot_q, next_slot;
  logic                fills, empties;
  logic                empties_q;                // emptied_q a cycle ago
  logic [SlotBits-1:0] emptied_q;

  assign wr_slot   = SlotBits'(wr_slot_i);
  assign next_slot = SlotBits'(next_slot_i);

  logic unused_slot;
  assign unused_slot = ^next_slot_i;             // there may be fewer slots than numbers

  assign fills     = wr_valid_i && wr_last_i;
  assign empties   = rd_en_i && free_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      full_q <= '0;
      full_o <= 1'b0;
      empties_q <= 1'b0;
    end else begin
      if (empties_q) full_q[emptied_q] <= 1'b0;
      if (fills) full_q[wr_slot] <= 1'b1;
      empties_q <= empties;
      if (next_en_i) begin
        full_o <= ((full_q[next_slot] && !(empties_q && emptied_q == next_slot)) ||
                   (fills && wr_slot == next_slot)) && !(empties && rd_slot_q == next_slot);
      end else begin
        full_o <= (full_o || (fills && wr_slot == rd_slot_q)) && !empties;
      end
    end
    emptied_q <= rd_slot_q;
    if (next_en_i) rd_slot_q <= next_slot;
  end

  // A slot is read in each cycle in which it is asked about; only what is read of a full one is
  // taken, and only empty ones are written. A bank is as wide as a part or a step, whichever is
  // narrower: a part is written to one of several banks, or a step is read from one of them. The
  // banks are in block RAM: in LUT RAM, the nets of their addresses crowd an FPGA's wires.
  localparam int unsigned ReadWidth = HeadDim / Folding;
  localparam int unsigned BankWidth = (Width < ReadWidth) ? Width : ReadWidth;
  localparam int unsigned RowWidth  = (Width < ReadWidth) ? ReadWidth : Width;
  localparam int unsigned Banks     = RowWidth / BankWidth;
  localparam int unsigned LogBanks  = $clog2(Banks);
  localparam int unsigned LogRows   = $clog2(HeadDim / RowWidth);       // addresses of a slot
  localparam int unsigned RowAddrBits = SlotBits + LogRows;

  logic [RowAddrBits-1:0]                wr_addr, rd_addr;
  logic [Banks-1:0]                      wr_banks;
  logic [Banks-1:0][BankWidth-1:0][15:0] wr_m, rd_m;

  if (Width <= ReadWidth) begin : gen_narrow_parts
    assign wr_addr  = RowAddrBits'(wr_slot) << LogRows | RowAddrBits'(32'(wr_part_i) >> LogBanks);
    assign wr_banks = Banks'(1) << (wr_part_i & PartBits'(Banks - 1));
    assign wr_m     = {Banks{wr_m_i}};
    assign rd_addr  = RowAddrBits'(rd_slot_q) << LogRows | RowAddrBits'(step_i);

    assign operand_o.m = 1024'(rd_m);
  end else begin : gen_narrow_steps
    logic [LogBanks-1:0] bank_q;

    assign wr_addr  = RowAddrBits'(wr_slot) << LogRows | RowAddrBits'(wr_part_i);
    assign wr_banks = '1;
    assign wr_m     = wr_m_i;
    assign rd_addr  = RowAddrBits'(rd_slot_q) << LogRows | RowAddrBits'(32'(step_i) >> LogBanks);

    always_ff @(posedge clk_i) bank_q <= LogBanks'(step_i);

    assign operand_o.m = 1024'(rd_m[bank_q]);
  end

  for (genvar b = 0; b < int'(Banks); b++) begin : gen_bank
    ram_1r1w #(.Width(16 * BankWidth), .Depth(Slots << LogRows), .Style("block")) u_slots (
      .clk_i,
      .wr_en_i(wr_valid_i && wr_banks[b]), .wr_addr_i(wr_addr), .wr_strb_i(1'b1),
      .wr_data_i(wr_m[b]),
      .rd_en_i(1'b1), .rd_addr_i(rd_addr), .rd_data_o(rd_m[b])
    );
  end

  ram_1r1w #(.Width(4), .Depth(Slots)) u_exponents (
    .clk_i,
    .wr_en_i(wr_valid_i), .wr_addr_i(wr_slot), .wr_strb_i(1'b1), .wr_data_i(wr_e_i),
    .rd_en_i(1'b1), .rd_addr_i(rd_slot_q), .rd_data_o(operand_o.e)
  );

  `ERROR_IF(slots, Slots > 256, ("%0d operand slots, a slot number has 8 bits", Slots))
  `ERROR_IF(folding,
            2**$clog2(Folding) != Folding || Folding > 16,
            ("Folding must be 1, 2, 4, 8 or 16, not %0d", Folding))
  `ASSERT(wr_valid_i |-> !full_q[wr_slot] || (empties_q && emptied_q == wr_slot),
          ("%m: slot %0d was written while it was full", wr_slot_i))
  `ASSERT(rd_en_i |-> full_q[rd_slot_q], ("%m: slot %0d was read while it was empty", rd_slot_q))

endmodule
