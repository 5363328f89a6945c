// SPDX-License-Identifier: Apache-2.0
//
// ram_1r1w - a memory with one write port and one registered read port
//
// A technology file: FPGA tools infer block RAM or LUT RAM from this generic form. Replace the file
// to instantiate an SRAM macro, a vendor's primitive, or a memory with ECC. It serves only memories
// with one registered read. A few small arrays are read in the cycle of their address, as LUT RAM
// and registers are: fifo with RegisteredRead 0, kv_cache. counters has two registered reads.
//
// In      wr  a word, or those of its parts of WriteBits bits whose strobe is set
//         rd  the address of a word
// Out     rd_data   the word, one cycle after rd_en_i; held until the next rd_en_i
// Timing  a write and a read per cycle
// Keeps   Depth words, uninitialised; there is no reset
// Assumes that no word is used that was read in the cycle of its write: it is undefined, so block
//         RAM needs no bypass. The tests' simulators return garbage then (RAM_COLLISIONS)
module ram_1r1w #(
  parameter int unsigned Width     = 32,
  parameter int unsigned Depth     = 16,
  parameter int unsigned WriteBits = Width,      // a divisor of Width
  parameter              Style     = "auto",     // "block": in block RAM, whatever the tool thinks
  localparam int unsigned Strobes  = Width / WriteBits,
  localparam int unsigned AddrBits = (Depth > 1) ? $clog2(Depth) : 1
) (
  input  logic                clk_i,

  input  logic                wr_en_i,
  input  logic [AddrBits-1:0] wr_addr_i,
  input  logic [Strobes-1:0]  wr_strb_i,
  input  logic [Width-1:0]    wr_data_i,

  input  logic                rd_en_i,
  input  logic [AddrBits-1:0] rd_addr_i,
  output logic [Width-1:0]    rd_data_o
);

  (* no_rw_check, ram_style = Style *)
  logic [Width-1:0] mem [Depth];

  if (Strobes == 1) begin : gen_word
    always_ff @(posedge clk_i) begin
      if (wr_en_i && wr_strb_i[0]) mem[wr_addr_i] <= wr_data_i;
    end
  end else begin : gen_parts
    always_ff @(posedge clk_i) begin
      if (wr_en_i) begin
        for (int i = 0; i < int'(Strobes); i++) begin
          if (wr_strb_i[i]) begin
            mem[wr_addr_i][i*WriteBits +: WriteBits] <= wr_data_i[i*WriteBits +: WriteBits];
          end
        end
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (rd_en_i) rd_data_o <= mem[rd_addr_i];
`ifdef RAM_COLLISIONS
    if (rd_en_i && wr_en_i && wr_strb_i != '0 && rd_addr_i == wr_addr_i) begin
      rd_data_o <= ~mem[rd_addr_i];
    end
`endif
  end

endmodule
