// SPDX-License-Identifier: Apache-2.0
//
// axi_memory - gpt2_top's memory port on Ports AXI4 managers of PortBits bits
//
//   stripe p of beat a = W bytes at base + p stride + (a mod 2^31) W,  W = Lanes / Ports
//   base               = a < 2^31 ? image_base : kv_base
//
// Reads and writes are independent: axi_read.sv and axi_write.sv have the rules of each. Only
// rst_ni, the ports' ARESETn, resets them: after gpt2_top's own reset they complete the transfers
// under way.
//
// AXI4    one ID (no ID signals: tie an interconnect's to 0); reads are INCR bursts of 1 to 256
//         transfers within 4 KB, writes are single transfers with strobes; both are aligned.
//         AxCACHE 0011, modifiable and bufferable; AxPROT 000
// Fault   a pulse for a transfer that was answered with an error; of several in one cycle, a read
//         before a write, then the lowest port
// Legal   Ports a power of two, 1 to 32; PortBits 32, 64, ... 1024; Ports x PortBits at most
//         8 Lanes. If it is less, a beat takes several transfers of each port
`include "assert.svh"

module axi_memory
  import gpt2_pkg::*;
#(
  parameter int unsigned Lanes    = 256,
  parameter int unsigned Ports    = 2,
  parameter int unsigned PortBits = 1024,
  parameter int unsigned Skew     = 32,          // stripes that a port may be ahead of another
  parameter int unsigned Depth    = 32,          // writes of a port that are not answered
  localparam bit Legal = Ports >= 1 && Ports <= 32 && (Ports & (Ports - 1)) == 0 &&
                         PortBits >= 32 && PortBits <= 1024 && (PortBits & (PortBits - 1)) == 0 &&
                         Ports * PortBits <= 8 * Lanes
) (
  input  logic                             clk_i,
  input  logic                             rst_ni,

  input  logic                             busy_i,
  input  logic [63:12]                     image_base_i,
  input  logic [63:12]                     kv_base_i,
  input  logic [63:12]                     stripe_stride_i,

  input  logic                             rd_req_valid_i,
  output logic                             rd_req_ready_o,
  input  logic [AddrBits-1:0]              rd_req_addr_i,
  input  logic [7:0]                       rd_req_len_i,
  output logic                             rd_rsp_valid_o,
  output logic [8*Lanes-1:0]               rd_rsp_data_o,
  output logic                             rd_rsp_error_o,
  input  logic                             wr_valid_i,
  output logic                             wr_ready_o,
  input  logic [AddrBits-1:0]              wr_addr_i,
  input  logic [8*Lanes-1:0]               wr_data_i,
  input  logic [Lanes-1:0]                 wr_strb_i,
  output logic                             wr_ack_o,
  output logic                             wr_ack_error_o,

  output logic [Ports-1:0]                 m_axi_arvalid_o,
  input  logic [Ports-1:0]                 m_axi_arready_i,
  output logic [Ports-1:0][63:0]           m_axi_araddr_o,
  output logic [Ports-1:0][7:0]            m_axi_arlen_o,
  output logic [Ports-1:0][2:0]            m_axi_arsize_o,
  output logic [Ports-1:0][1:0]            m_axi_arburst_o,
  output logic [Ports-1:0][3:0]            m_axi_arcache_o,
  output logic [Ports-1:0][2:0]            m_axi_arprot_o,
  input  logic [Ports-1:0]                 m_axi_rvalid_i,
  output logic [Ports-1:0]                 m_axi_rready_o,
  input  logic [Ports-1:0][PortBits-1:0]   m_axi_rdata_i,
  input  logic [Ports-1:0][1:0]            m_axi_rresp_i,
  input  logic [Ports-1:0]                 m_axi_rlast_i,
  output logic [Ports-1:0]                 m_axi_awvalid_o,
  input  logic [Ports-1:0]                 m_axi_awready_i,
  output logic [Ports-1:0][63:0]           m_axi_awaddr_o,
  output logic [Ports-1:0][7:0]            m_axi_awlen_o,
  output logic [Ports-1:0][2:0]            m_axi_awsize_o,
  output logic [Ports-1:0][1:0]            m_axi_awburst_o,
  output logic [Ports-1:0][3:0]            m_axi_awcache_o,
  output logic [Ports-1:0][2:0]            m_axi_awprot_o,
  output logic [Ports-1:0]                 m_axi_wvalid_o,
  input  logic [Ports-1:0]                 m_axi_wready_i,
  output logic [Ports-1:0][PortBits-1:0]   m_axi_wdata_o,
  output logic [Ports-1:0][PortBits/8-1:0] m_axi_wstrb_o,
  output logic [Ports-1:0]                 m_axi_wlast_o,
  input  logic [Ports-1:0]                 m_axi_bvalid_i,
  output logic [Ports-1:0]                 m_axi_bready_o,
  input  logic [Ports-1:0][1:0]            m_axi_bresp_i,

  output logic                             fault_valid_o,
  output logic                             fault_write_o,
  output logic                             fault_decerr_o,
  output logic [4:0]                       fault_port_o
);

  localparam logic [2:0] Size  = 3'($clog2(PortBits / 8));
  localparam logic [1:0] Incr  = 2'b01;
  localparam logic [3:0] Cache = 4'b0011;

  logic       rd_fault, rd_decerr, wr_fault, wr_decerr;
  logic [4:0] rd_port, wr_port;

  if (Legal) begin : gen_legal
    axi_read #(.Lanes(Lanes), .Ports(Ports), .PortBits(PortBits), .Skew(Skew)) u_read (
      .clk_i, .rst_ni, .busy_i, .image_base_i, .kv_base_i, .stripe_stride_i,
      .rd_req_valid_i, .rd_req_ready_o, .rd_req_addr_i, .rd_req_len_i,
      .rd_rsp_valid_o, .rd_rsp_data_o, .rd_rsp_error_o,
      .arvalid_o(m_axi_arvalid_o), .arready_i(m_axi_arready_i), .araddr_o(m_axi_araddr_o),
      .arlen_o(m_axi_arlen_o), .rvalid_i(m_axi_rvalid_i), .rready_o(m_axi_rready_o),
      .rdata_i(m_axi_rdata_i), .rresp_i(m_axi_rresp_i),
      .fault_valid_o(rd_fault), .fault_decerr_o(rd_decerr), .fault_port_o(rd_port)
    );

    axi_write #(.Lanes(Lanes), .Ports(Ports), .PortBits(PortBits), .Depth(Depth)) u_write (
      .clk_i, .rst_ni, .busy_i, .image_base_i, .kv_base_i, .stripe_stride_i,
      .wr_valid_i, .wr_ready_o, .wr_addr_i, .wr_data_i, .wr_strb_i, .wr_ack_o, .wr_ack_error_o,
      .awvalid_o(m_axi_awvalid_o), .awready_i(m_axi_awready_i), .awaddr_o(m_axi_awaddr_o),
      .wvalid_o(m_axi_wvalid_o), .wready_i(m_axi_wready_i), .wdata_o(m_axi_wdata_o),
      .wstrb_o(m_axi_wstrb_o), .bvalid_i(m_axi_bvalid_i), .bresp_i(m_axi_bresp_i),
      .fault_valid_o(wr_fault), .fault_decerr_o(wr_decerr), .fault_port_o(wr_port)
    );
  end

  assign m_axi_arsize_o  = {Ports{Size}};
  assign m_axi_arburst_o = {Ports{Incr}};
  assign m_axi_arcache_o = {Ports{Cache}};
  assign m_axi_arprot_o  = '0;
  assign m_axi_awlen_o   = '0;
  assign m_axi_awsize_o  = {Ports{Size}};
  assign m_axi_awburst_o = {Ports{Incr}};
  assign m_axi_awcache_o = {Ports{Cache}};
  assign m_axi_awprot_o  = '0;
  assign m_axi_wlast_o   = '1;
  assign m_axi_bready_o  = '1;

  assign fault_valid_o  = rd_fault || wr_fault;
  assign fault_write_o  = !rd_fault;
  assign fault_decerr_o = rd_fault ? rd_decerr : wr_decerr;
  assign fault_port_o   = rd_fault ? rd_port : wr_port;

  // Beats are counted, so RLAST is not needed.
  logic unused_rlast;
  assign unused_rlast = ^m_axi_rlast_i;

  // ------------------------------------------------------------------------------------ assertions

`ifdef ASSERTIONS
  for (genvar p = 0; p < int'(Ports); p++) begin : gen_rules
    axi_rules #(.PortBits(PortBits)) u_rules (
      .clk_i, .rst_ni, .arvalid_i(m_axi_arvalid_o[p]), .arready_i(m_axi_arready_i[p]),
      .araddr_i(m_axi_araddr_o[p]), .arlen_i(m_axi_arlen_o[p]), .rvalid_i(m_axi_rvalid_i[p]),
      .rready_i(m_axi_rready_o[p]), .rdata_i(m_axi_rdata_i[p]), .rresp_i(m_axi_rresp_i[p]),
      .awvalid_i(m_axi_awvalid_o[p]), .awready_i(m_axi_awready_i[p]),
      .awaddr_i(m_axi_awaddr_o[p]), .wvalid_i(m_axi_wvalid_o[p]), .wready_i(m_axi_wready_i[p]),
      .wdata_i(m_axi_wdata_o[p]), .wstrb_i(m_axi_wstrb_o[p]), .bvalid_i(m_axi_bvalid_i[p]),
      .bready_i(m_axi_bready_o[p]), .bresp_i(m_axi_bresp_i[p])
    );
  end
`endif

  if (Ports < 1 || Ports > 32 || (Ports & (Ports - 1)) != 0) begin : gen_ports
    $fatal(1, "gpt2_axi: Ports must be 1, 2, 4, ... 32, not %0d", Ports);
  end
  if (PortBits < 32 || PortBits > 1024 || (PortBits & (PortBits - 1)) != 0) begin : gen_bits
    $fatal(1, "gpt2_axi: PortBits must be 32, 64, 128, ... 1024, not %0d", PortBits);
  end
  if (Ports * PortBits > 8 * Lanes) begin : gen_beat
    $fatal(1, "gpt2_axi: Ports x PortBits = %0d must be at most a beat, 8 Lanes = %0d",
           Ports * PortBits, 8 * Lanes);
  end

endmodule
