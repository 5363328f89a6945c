// SPDX-License-Identifier: Apache-2.0
//
// block_quant - turns blocks of 64 rows from five makers into operand blocks: one exponent and 64
// int16
//
//   e = the least exponent, 0..15, at which all fit;   m[i] = round(row[i] / 2^e)
//
// The exponent comes from the OR of all row ^ sign(row), which block_gather keeps: only 15 of its
// 30 bits matter. It takes one block at a time, a part of Width rows per cycle.
//
// In      blk   whole blocks with slot and used, by maker: 0 attention's output (o), 1 queries (q),
//               2 GELU (g), 3 LayerNorm (x), 4 probabilities (p). The lowest waiting maker is next,
//               because 0 to 2 end rigid pipelines; 3 and 4 can wait
//         rows  of the maker of rd_en_o, a cycle after it. Each maker has its own port: an array of
//               wide ports would be copied every cycle
// Out     m     Width of a block's numbers, with slot, part and e; last with a block's last part;
//               rigid
// Rounds  half up; a result of 2^15 becomes 32767 (part of the rounding, not counted)
// Timing  3 cycles from a waiting block to its first part; 64 / Width cycles per block
// Keeps   its pipeline registers
// Golden  golden/block_quant.c: block_quant() - equal bit for bit
module block_quant
  import gpt2_pkg::*;
#(
  parameter int unsigned Width = 64,
  localparam int unsigned Parts    = HeadDim / Width,
  localparam int unsigned PartBits = (Parts > 1) ? $clog2(Parts) : 1
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,

  input  logic [4:0]             blk_valid_i,
  input  logic [4:0][7:0]        blk_slot_i,
  input  logic [4:0][29:0]       blk_used_i,
  output logic [4:0]             rd_en_o,
  output logic [PartBits-1:0]    rd_part_o,
  input  logic [Width-1:0][31:0] o_rows_i,
  input  logic [Width-1:0][31:0] q_rows_i,
  input  logic [Width-1:0][31:0] g_rows_i,
  input  logic [Width-1:0][31:0] x_rows_i,
  input  logic [Width-1:0][31:0] p_rows_i,

  output logic                   busy_o,
  output logic                   out_valid_o,
  output logic [7:0]             out_slot_o,
  output logic [PartBits-1:0]    out_part_o,
  output logic                   out_last_o,
  output logic [3:0]             out_e_o,
  output logic [Width-1:0][15:0] out_m_o
);

  typedef struct packed {
    logic [7:0]          slot;
    logic [PartBits-1:0] part;
    logic                last;
    logic [3:0]          e;                      // from stage 2 on
  } place_t;

  // -------------------------------------------------------------- 0: the maker, and its next part

  logic [4:0]          first, maker_q, maker;    // one-hot; maker: the current one
  logic                going_q;                  // parts of the block are left
  logic [PartBits-1:0] part_q, part;
  logic                read, last;

  assign first = blk_valid_i & (~blk_valid_i + 5'd1);
  assign maker = going_q ? maker_q : first;
  assign part  = going_q ? part_q : '0;
  assign read  = maker != '0;
  assign last  = part == PartBits'(Parts - 1);

  assign rd_en_o   = maker;
  assign rd_part_o = part;

  always_ff @(posedge clk_i) begin
    if (!rst_ni)   going_q <= 1'b0;
    else if (read) going_q <= !last;
    if (read) begin
      maker_q <= maker;
      part_q  <= part + 1'b1;
    end
  end

  // ----------------------------------------------------------------------------- 1: its exponent

  logic [7:0]  slot;
  logic [29:0] used;
  logic [14:0] used1_q;

  always_comb begin
    slot = '0;
    used = '0;
    if (read) begin
      for (int i = 0; i < 5; i++) begin
        slot = slot | (maker[i] ? blk_slot_i[i] : '0);
        used = used | (maker[i] ? blk_used_i[i] : '0);
      end
    end
  end

  logic       valid1_q, valid2_q, valid3_q;
  logic [3:0] maker1_q;                          // none of them: probabilities
  place_t     place1_q, place2_q, place3_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) {valid1_q, valid2_q, valid3_q} <= '0;
    else         {valid1_q, valid2_q, valid3_q} <= {read, valid1_q, valid2_q};
  end

  always_ff @(posedge clk_i) begin
    if (read) begin
      maker1_q <= maker[3:0];
      place1_q <= '{slot: slot, part: part, last: last, e: '0};
      used1_q  <= used[29:15];
    end
    if (valid1_q) begin
      place2_q   <= place1_q;
      place2_q.e <= 4'(bit_length(64'(used1_q)));
    end
    if (valid2_q) place3_q <= place2_q;
  end

  // --------------------------------------------------------------------------------- 2: the rows

  logic [Width-1:0][31:0] rows2_q;

  always_ff @(posedge clk_i) begin
    if (valid1_q) begin
      unique case (1'b1)
        maker1_q[0]: rows2_q <= o_rows_i;
        maker1_q[1]: rows2_q <= q_rows_i;
        maker1_q[2]: rows2_q <= g_rows_i;
        maker1_q[3]: rows2_q <= x_rows_i;
        default:     rows2_q <= p_rows_i;
      endcase
    end
  end

  // ------------------------------------------------------------------ 3: shift, round and clamp

  // A row and one zero below it, shifted: bits 16..1 are the floor, bit 0 rounds it up.
  // The sum can overflow int16 only upwards, from 32767.
  function automatic logic [15:0] shift(row_t row, logic [3:0] n);
    logic [16:0] x;
    x = 17'($signed({row, 1'b0}) >>> n);
    return x[16:1] == 16'h7fff ? 16'h7fff : x[16:1] + 16'(x[0]);
  endfunction

  logic [Width-1:0][15:0] m3_q;

  for (genvar i = 0; i < int'(Width); i++) begin : gen_shift
    always_ff @(posedge clk_i) begin
      if (valid2_q) m3_q[i] <= shift(row_t'(rows2_q[i]), place2_q.e);
    end
  end

  assign busy_o      = read || valid1_q || valid2_q || valid3_q;
  assign out_valid_o = valid3_q;
  assign out_slot_o  = place3_q.slot;
  assign out_part_o  = place3_q.part;
  assign out_last_o  = place3_q.last;
  assign out_e_o     = place3_q.e;
  assign out_m_o     = m3_q;

endmodule
