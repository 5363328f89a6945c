// SPDX-License-Identifier: Apache-2.0
//
// block_quant - 64 rows to an operand block: one exponent, 64 int16
//
//   e = the least exponent, 0..15, at which all fit;   m[i] = round(row[i] / 2^e)
//
// The exponent comes from the OR of all row ^ sign(row): 15 of its 30 bits are kept.
//
// In      rows  64 rows, 31 bits sign-extended to 32, with the slot they are for; rigid
// Out     operand  with its slot; rigid
// Rounds  half up; a result of 2^15 becomes 32767 (part of the rounding, not counted)
// Timing  3 cycles, a block a cycle, never stalls
// Keeps   its pipeline registers
// Golden  golden/block_quant.c: block_quant() - equal bit for bit
module block_quant
  import gpt2_pkg::*;
(
  input  logic                     clk_i,
  input  logic                     rst_ni,

  input  logic                     in_valid_i,
  input  logic [7:0]               in_slot_i,
  input  logic [HeadDim-1:0][31:0] in_rows_i,

  output logic                     out_valid_o,
  output logic [7:0]               out_slot_o,
  output operand_t                 out_operand_o
);

  logic       valid1_q, valid2_q, valid3_q;
  logic [7:0] slot1_q, slot2_q, slot3_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) {valid1_q, valid2_q, valid3_q} <= '0;
    else         {valid1_q, valid2_q, valid3_q} <= {in_valid_i, valid1_q, valid2_q};
  end

  // ----------------------------------------------------------------- 1: which bits any row needs

  logic [31:0]              used;
  logic [31:0]              used1_q;             // 30 bits
  logic [HeadDim-1:0][31:0] rows1_q;

  always_comb begin
    used = '0;
    if (in_valid_i) begin
      for (int i = 0; i < int'(HeadDim); i++) begin
        used = used | (in_rows_i[i] ^ 32'($signed(in_rows_i[i]) >>> 31));
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (in_valid_i) begin
      slot1_q <= in_slot_i;
      used1_q <= used;
      rows1_q <= in_rows_i;
    end
  end

  // ----------------------------------------------------------------------------- 2: the exponent

  logic [3:0]               e2_q;
  logic [HeadDim-1:0][31:0] rows2_q;

  always_ff @(posedge clk_i) begin
    if (valid1_q) begin
      automatic logic [3:0] e = '0;
      for (int i = 0; i < 15; i++) if (used1_q[15 + i]) e = 4'(i + 1);
      slot2_q <= slot1_q;
      e2_q    <= e;
      rows2_q <= rows1_q;
    end
  end

  // ------------------------------------------------------------------- 3: shift, round and clamp

  // A row and one zero below it, shifted: bits 16..1 are the floor, bit 0 rounds it up.
  // The sum can overflow int16 only upwards, from 32767.
  function automatic logic [15:0] shift(row_t row, logic [3:0] n);
    logic [16:0] x;
    x = 17'($signed({row, 1'b0}) >>> n);
    return x[16:1] == 16'h7fff ? 16'h7fff : x[16:1] + 16'(x[0]);
  endfunction

  operand_t operand3_q;

  for (genvar i = 0; i < HeadDim; i++) begin : gen_shift
    always_ff @(posedge clk_i) begin
      if (valid2_q) operand3_q.m[i] <= shift(row_t'(rows2_q[i]), e2_q);
    end
  end

  always_ff @(posedge clk_i) begin
    if (valid2_q) begin
      slot3_q      <= slot2_q;
      operand3_q.e <= e2_q;
    end
  end

  assign out_valid_o   = valid3_q;
  assign out_slot_o    = slot3_q;
  assign out_operand_o = operand3_q;

  // ---------------------------------------------------------------------------------- assertions

`ifndef SYNTHESIS
  assert property (@(posedge clk_i) disable iff (!rst_ni) in_valid_i |-> used[31:30] == 2'b00)
    else $error("%m: a row needs more than 31 bits");
`endif

endmodule
