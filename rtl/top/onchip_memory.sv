// SPDX-License-Identifier: Apache-2.0
//
// onchip_memory - on-chip memory for gpt2_top: the image in ROM, the KV cache in RAM
//
//   beat a = a < RomBeats ? rom[a] : ram[a - RomBeats]
//
// It is for models that fit on the chip. RomBeats is the image's n_beats, so the RAM begins at the
// KV cache, cfg_i.kv_base. RamBeats is n_layer * n_head * kv_stride.
//
// In      rd_req  bursts {address of the first beat, 1 to 255 beats}, valid/ready
//         wr      a beat's bytes where wr_strb_i is set, valid/ready; only to the RAM
// Out     rd_rsp  the beats of the bursts, in order, valid/ready
//         wr_ack  a pulse a cycle after each write: reads requested from then on see it
// Timing  a beat a cycle, bursts back to back; 2 cycles from rd_req to its first beat. A read
//         never waits for a write. A write waits while the beat that it changes is being read, so
//         the read-during-write behaviour of block RAM does not matter
// Keeps   RomBeats x Lanes bytes of ROM from RomFile (one beat a line in hex, byte Lanes-1 first),
//         RamBeats x Lanes bytes of RAM in words of 32 bits with byte enables, uninitialised
// Golden  none: model/image/image.h defines the layout

`include "assert.svh"

module onchip_memory
  import gpt2_pkg::*;
#(
  parameter int unsigned Lanes    = 64,
  parameter int unsigned RomBeats = 1024,
  parameter              RomFile  = "",
  parameter int unsigned RamBeats = 1024
) (
  input  logic                clk_i,
  input  logic                rst_ni,

  input  logic                rd_req_valid_i,
  output logic                rd_req_ready_o,
  input  logic [AddrBits-1:0] rd_req_addr_i,
  input  logic [7:0]          rd_req_len_i,
  output logic                rd_rsp_valid_o,
  input  logic                rd_rsp_ready_i,
  output logic [8*Lanes-1:0]  rd_rsp_data_o,

  input  logic                wr_valid_i,
  output logic                wr_ready_o,
  input  logic [AddrBits-1:0] wr_addr_i,
  input  logic [8*Lanes-1:0]  wr_data_i,
  input  logic [Lanes-1:0]    wr_strb_i,
  output logic                wr_ack_o
);

  localparam int unsigned RomAddr = (RomBeats > 1) ? $clog2(RomBeats) : 1;
  localparam int unsigned RamAddr = (RamBeats > 1) ? $clog2(RamBeats) : 1;
  localparam int unsigned Words   = Lanes / 4;

  // ---------------------------------------------------------------------------------------- bursts

  logic                busy_q;
  logic [AddrBits-1:0] addr_q;                               // the beat to read next
  logic [7:0]          left_q;                               // beats still to read
  logic                read, take_burst;

  assign read           = busy_q && (!rd_rsp_valid_o || rd_rsp_ready_i);
  assign rd_req_ready_o = !busy_q || (read && left_q == 8'd1);
  assign take_burst     = rd_req_valid_i && rd_req_ready_o;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) busy_q <= 1'b0;
    else if (take_burst) busy_q <= 1'b1;
    else if (read && left_q == 8'd1) busy_q <= 1'b0;

    if (take_burst) begin
      addr_q <= rd_req_addr_i;
      left_q <= rd_req_len_i;
    end else if (read) begin
      addr_q <= addr_q + 1'b1;
      left_q <= left_q - 8'd1;
    end
  end

  // -------------------------------------------------------------------------- where a beat is read

  logic               read_ram, from_ram_q, write;
  logic [RamAddr-1:0] read_ram_addr, write_ram_addr;

  assign read_ram       = addr_q >= AddrBits'(RomBeats);
  assign read_ram_addr  = RamAddr'(addr_q - AddrBits'(RomBeats));
  assign write_ram_addr = RamAddr'(wr_addr_i - AddrBits'(RomBeats));
  assign wr_ready_o     = !(read && read_ram && read_ram_addr == write_ram_addr);
  assign write          = wr_valid_i && wr_ready_o;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      rd_rsp_valid_o <= 1'b0;
      wr_ack_o       <= 1'b0;
    end else begin
      if (read) rd_rsp_valid_o <= 1'b1;
      else if (rd_rsp_ready_i) rd_rsp_valid_o <= 1'b0;
      wr_ack_o <= write;
    end
    if (read) from_ram_q <= read_ram;
  end

  // -------------------------------------------------------------------------------------- memories

  logic [8*Lanes-1:0] rom_q, ram_q;

  rom #(.Width(8 * Lanes), .Depth(RomBeats), .File(RomFile)) u_rom (
    .clk_i, .rd_en_i(read && !read_ram), .rd_addr_i(addr_q[RomAddr-1:0]), .rd_data_o(rom_q)
  );

  for (genvar w = 0; w < int'(Words); w++) begin : gen_ram
    ram_1r1w #(.Width(32), .Depth(RamBeats), .WriteBits(8)) u_ram (
      .clk_i,
      .wr_en_i(write), .wr_addr_i(write_ram_addr), .wr_strb_i(wr_strb_i[4*w +: 4]),
      .wr_data_i(wr_data_i[32*w +: 32]),
      .rd_en_i(read && read_ram), .rd_addr_i(read_ram_addr), .rd_data_o(ram_q[32*w +: 32])
    );
  end

  assign rd_rsp_data_o = from_ram_q ? ram_q : rom_q;

  // ------------------------------------------------------------------------------------ assertions

  `ERROR_IF(lanes,
            Lanes < 64 || Lanes > 4096 || 2**$clog2(Lanes) != Lanes,
            ("Lanes must be 64, 128, 256, ... 4096, not %0d", Lanes))
`ifdef ASSERTIONS
  initial if (RomFile == "") $fatal(1, "%m: RomFile must name the image in hex");
`endif
  `ERROR_IF(rom_beats,
            RomBeats == 0 || RamBeats == 0,
            ("%0d beats of ROM and %0d of RAM, there must be some", RomBeats, RamBeats))
  `ASSERT(rd_req_valid_i |-> rd_req_len_i != 0, ("%m: a burst of no beats"))
  `ASSERT(read |-> addr_q < AddrBits'(RomBeats) + AddrBits'(RamBeats),
          ("%m: beat %0d was read, there are %0d", addr_q, RomBeats + RamBeats))
  `ASSERT(wr_valid_i
          |-> wr_addr_i >= AddrBits'(RomBeats) &&
              wr_addr_i < AddrBits'(RomBeats) + AddrBits'(RamBeats),
          ("%m: a write to beat %0d, the RAM is %0d to %0d",
           wr_addr_i, RomBeats, RomBeats + RamBeats - 1))
  `ASSERT(rd_rsp_valid_o && !rd_rsp_ready_i |=> rd_rsp_valid_o && $stable(rd_rsp_data_o),
          ("%m: a beat changed before it was taken"))

endmodule
