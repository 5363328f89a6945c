// SPDX-License-Identifier: Apache-2.0
//
// rom - a read-only memory with one registered read port
//
// A technology file: FPGA tools infer block RAM or LUTs from this generic form. Replace the file to
// instantiate a ROM macro.
//
// In      rd  the address of a word, below Depth
// Out     rd_data   the word, one cycle after rd_en_i; held until the next rd_en_i
// Keeps   Contents, or the hexadecimal words of File unless it is ""
module rom #(
  parameter int unsigned      Width = 32,
  parameter int unsigned      Depth = 16,
  parameter logic [Width-1:0] Contents [Depth] = '{default: '0},
  parameter                   File = "",
  localparam int unsigned     AddrBits = (Depth > 1) ? $clog2(Depth) : 1
) (
  input  logic                clk_i,
  input  logic                rd_en_i,
  input  logic [AddrBits-1:0] rd_addr_i,
  output logic [Width-1:0]    rd_data_o
);

  if (File != "") begin : gen_file
    logic [Width-1:0] mem [Depth];

    initial $readmemh(File, mem);

    always_ff @(posedge clk_i) begin
      if (rd_en_i) rd_data_o <= mem[rd_addr_i];
    end
  end else begin : gen_table
    always_ff @(posedge clk_i) begin
      if (rd_en_i) rd_data_o <= Contents[rd_addr_i];
    end
  end

endmodule
