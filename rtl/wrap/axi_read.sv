// SPDX-License-Identifier: Apache-2.0
//
// axi_read - translates gpt2_top's read bursts to the read channels of AXI4 ports
//
//   stripe p of beat a = W bytes at base + p stride + (a mod 2^31) W,  W = Lanes / Ports
//   base               = a < 2^31 ? image_base : kv_base
//
// Each beat is cut into Ports stripes of W bytes: port p reads bytes p W .. p W + W - 1 of every
// beat, and the stripes of successive beats follow each other in memory. A port narrower than W
// gathers a stripe from Gather = 8 W / PortBits transfers, the lowest bytes first.
//
// In      req     bursts {address of the first beat, beats}, valid/ready
//         base, stride   of bytes, multiples of 4096: their upper 52 bits. They do not change while
//                 busy_i is high
//         busy    gpt2_top's busy_o
//         r       transfers, answered in order (no IDs). RRESP's SLVERR and DECERR count as errors
// Out     ar      INCR bursts; none crosses a multiple of Window = min(4096, 32 PortBits) bytes, so
//                 none has more than 256 transfers or crosses 4 KB. Only the next request depends
//                 on arready
//         rsp     beats in order, with an error bit: a transfer of the beat had an error. gpt2_top
//                 always takes them
//         fault   a pulse for each cycle with an error: the lowest port that has one; decerr
// Late    answers that arrive while busy_i is low belong to a run that has given them up
//         (ErrTimeout): they are dropped, and no request is taken until the last of them has
//         arrived
// Reset   rst_ni forgets everything, as AXI's ARESETn does
// Timing  arvalid 2 cycles after req; rsp in the cycle of r if one port carries the beat, otherwise
//         a cycle later. A beat per cycle if Gather is 1. A port may be Skew stripes ahead of
//         another before its rready falls
// Keeps   Ports x Skew stripes if there are several ports
// Rules   axi_rules.sv
`include "assert.svh"

module axi_read
  import gpt2_pkg::*;
#(
  parameter int unsigned Lanes    = 256,
  parameter int unsigned Ports    = 2,
  parameter int unsigned PortBits = 1024,
  parameter int unsigned Skew     = 32
) (
  input  logic                           clk_i,
  input  logic                           rst_ni,

  input  logic                           busy_i,
  input  logic [63:12]                   image_base_i,
  input  logic [63:12]                   kv_base_i,
  input  logic [63:12]                   stripe_stride_i,

  input  logic                           rd_req_valid_i,
  output logic                           rd_req_ready_o,
  input  logic [AddrBits-1:0]            rd_req_addr_i,
  input  logic [7:0]                     rd_req_len_i,
  output logic                           rd_rsp_valid_o,
  output logic [8*Lanes-1:0]             rd_rsp_data_o,
  output logic                           rd_rsp_error_o,

  output logic [Ports-1:0]               arvalid_o,
  input  logic [Ports-1:0]               arready_i,
  output logic [Ports-1:0][63:0]         araddr_o,
  output logic [Ports-1:0][7:0]          arlen_o,
  input  logic [Ports-1:0]               rvalid_i,
  output logic [Ports-1:0]               rready_o,
  input  logic [Ports-1:0][PortBits-1:0] rdata_i,
  input  logic [Ports-1:0][1:0]          rresp_i,

  output logic                           fault_valid_o,
  output logic                           fault_decerr_o,
  output logic [4:0]                     fault_port_o
);

  localparam int unsigned PortBytes   = PortBits / 8;
  localparam int unsigned StripeBits  = 8 * Lanes / Ports;
  localparam int unsigned Gather      = StripeBits / PortBits;         // transfers of a stripe
  localparam int unsigned Window      = (256 * PortBytes < 4096) ? 256 * PortBytes : 4096;
  localparam int unsigned LogPort     = $clog2(PortBytes);
  localparam int unsigned LogStripe   = $clog2(StripeBits / 8);
  localparam int unsigned LogGather   = $clog2(Gather);
  localparam int unsigned LogWindow   = $clog2(Window);
  localparam int unsigned EdgeBits    = LogWindow - LogPort + 1;       // transfers to Window's end
  localparam int unsigned LeftBits    = 8 + LogGather;                 // transfers of a request

  // -------------------------------------------------------------------------------------- requests

  // One request at a time, cut at each multiple of Window. All ports get the same bursts, at the
  // same time, each at its own stripe's address.
  logic                valid_q;
  logic [63:0]         addr_q;                   // stripe 0 of the next transfer to request
  logic [LeftBits-1:0] left_q;                   // transfers still to request
  logic                drop, drop_q, issue, last;
  logic [EdgeBits-1:0] edge_left;                // transfers to the next multiple of Window
  logic [7:0]          arlen_q;
  logic [63:12]        base;

  assign base      = rd_req_addr_i[AddrBits-1] ? kv_base_i : image_base_i;
  assign edge_left = EdgeBits'(Window / PortBytes) - EdgeBits'(addr_q[LogWindow-1:LogPort]);
  assign last      = 32'(left_q) <= 32'(edge_left);
  assign issue     = valid_q && arvalid_o == '0;

  assign rd_req_ready_o = !valid_q && !drop;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_q <= 1'b0;
    else if (!valid_q) valid_q <= rd_req_valid_i && rd_req_ready_o;
    else if (issue && last) valid_q <= 1'b0;

    if (!valid_q) begin
      addr_q <= {base, 12'd0} + (64'(rd_req_addr_i[AddrBits-2:0]) << LogStripe);
      left_q <= LeftBits'(rd_req_len_i) << LogGather;
    end else if (issue) begin
      addr_q <= {addr_q[63:LogWindow] + 1'b1, LogWindow'(0)};
      left_q <= left_q - LeftBits'(edge_left);
    end
    if (issue) arlen_q <= (last ? 8'(left_q) : 8'(edge_left)) - 8'd1;
  end

  for (genvar p = 0; p < int'(Ports); p++) begin : gen_ar
    logic [63:12] offset_q;                      // of port p's stripes

    always_ff @(posedge clk_i) begin
      offset_q <= 52'(p) * stripe_stride_i;
      if (!rst_ni) arvalid_o[p] <= 1'b0;
      else if (issue) arvalid_o[p] <= 1'b1;
      else if (arready_i[p]) arvalid_o[p] <= 1'b0;
      if (issue) araddr_o[p] <= {addr_q[63:12] + offset_q, addr_q[11:0]};
    end
    assign arlen_o[p] = arlen_q;
  end

  // ---------------------------------------------------------------------------- transfers to beats

  logic [Ports-1:0]                 stripe_valid, stripe_error;
  logic [Ports-1:0][StripeBits-1:0] stripe_data;
  logic                             beat_comes;

  assign beat_comes = &stripe_valid;

  for (genvar p = 0; p < int'(Ports); p++) begin : gen_r
    logic                  r, whole, error;
    logic [StripeBits-1:0] data;                 // the stripe, with its last transfer

    assign r = rvalid_i[p] && rready_o[p];

    if (Gather == 1) begin : gen_whole
      assign whole = r;
      assign data  = rdata_i[p];
      assign error = rresp_i[p][1];
    end else begin : gen_gather
      logic [LogGather-1:0]           came_q;    // transfers of this stripe so far
      logic [StripeBits-PortBits-1:0] data_q;    // the latest of them at the upper end
      logic                           error_q;

      assign whole = r && came_q == LogGather'(Gather - 1);
      assign data  = {rdata_i[p], data_q};
      assign error = rresp_i[p][1] || (came_q != '0 && error_q);

      always_ff @(posedge clk_i) begin
        if (!rst_ni) came_q <= '0;
        else if (r) came_q <= came_q + 1'b1;
        if (r) begin
          data_q  <= (StripeBits - PortBits)'(data >> PortBits);
          error_q <= error;
        end
      end
    end

    if (Ports == 1 && Gather == 1) begin : gen_direct
      assign rready_o[p]     = 1'b1;
      assign stripe_valid[p] = whole;
      assign stripe_data[p]  = data;
      assign stripe_error[p] = error;
    end else if (Ports == 1) begin : gen_register
      assign rready_o[p] = 1'b1;

      always_ff @(posedge clk_i) begin
        stripe_valid[p] <= rst_ni && whole;
        if (whole) begin
          stripe_data[p]  <= data;
          stripe_error[p] <= error;
        end
      end
    end else begin : gen_skew
      logic [$clog2(Skew):0] unused_count;

      fifo #(.Width(1 + StripeBits), .Depth(Skew)) u_stripes (
        .clk_i, .rst_ni, .wr_valid_i(whole), .wr_ready_o(rready_o[p]), .wr_data_i({error, data}),
        .rd_valid_o(stripe_valid[p]), .rd_ready_i(beat_comes),
        .rd_data_o({stripe_error[p], stripe_data[p]}), .count_o(unused_count)
      );
    end
  end

  assign rd_rsp_valid_o = beat_comes && !drop;
  assign rd_rsp_data_o  = stripe_data;
  assign rd_rsp_error_o = |stripe_error;

  // ---------------------------------------------------------------------------------- late answers

  logic [9:0] owed_q, owed_d;                    // beats requested that have not arrived

  assign drop   = drop_q || !busy_i;
  assign owed_d = owed_q + (rd_req_valid_i && rd_req_ready_o ? 10'(rd_req_len_i) : '0)
                - 10'(beat_comes);

  always_ff @(posedge clk_i) begin
    owed_q <= rst_ni ? owed_d : '0;
    drop_q <= rst_ni && drop && owed_d != '0;
  end

  // ---------------------------------------------------------------------------------------- faults

  always_ff @(posedge clk_i) begin
    fault_valid_o <= 1'b0;
    for (int p = int'(Ports) - 1; p >= 0; p--) begin
      if (rst_ni && rvalid_i[p] && rready_o[p] && rresp_i[p][1]) begin
        fault_valid_o  <= 1'b1;
        fault_decerr_o <= rresp_i[p][0];
        fault_port_o   <= 5'(p);
      end
    end
  end

  // ------------------------------------------------------------------------------------ assertions

  `ASSERT(beat_comes |-> owed_q != '0, ("%m: a beat came that was not asked for"))
  `ASSERT(rd_req_valid_i && rd_req_ready_o |-> 32'(owed_q) + 32'(rd_req_len_i) < 32'd1024,
          ("%m: more beats are asked for than can be counted"))

endmodule
