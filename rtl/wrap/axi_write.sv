// SPDX-License-Identifier: Apache-2.0
//
// axi_write - translates gpt2_top's writes to the write channels of AXI4 ports
//
// A beat's stripes and addresses are those of axi_read. A write becomes single transfers: each port
// sends those PortBits-wide parts of its stripe that have a byte to write, and no others. The
// acknowledgement comes when all transfers of the write have been answered.
//
// In      wr      {beat address, data, byte strobes}, valid/ready
//         base, stride, busy   as in axi_read
//         b       a response for each transfer; SLVERR and DECERR are errors. Always taken
// Out     aw, w   valid until ready, independent of each other; the next transfer of any port
//                 is offered when all AW and W have been taken
//         ack     a pulse for each write, in order. An error means that a transfer of this write or
//                 of a later one was answered with an error
//         fault   a pulse for each cycle with an error: the lowest port that has one; decerr
// Late    responses that arrive while busy_i is low belong to a run that has given them up
//         (ErrTimeout): they are dropped, and no write is taken until the last of them has arrived
// Reset   rst_ni forgets everything, as AXI's ARESETn does. gpt2_top's own reset does not reach
//         this module: an offered transfer stays, and a taken one is counted until it is answered
// Timing  awvalid and wvalid 2 cycles after wr; 1 + Gather cycles per write if the ports take
//         everything at once; ack 2 cycles after the last b
// Keeps   Ports x Depth unanswered transfers
// Assumes that at most 2^SeqBits - 1 writes are offered or unacknowledged, as kv_cache ensures
// Rules   axi_rules.sv
`include "assert.svh"

module axi_write
  import gpt2_pkg::*;
#(
  parameter int unsigned Lanes    = 256,
  parameter int unsigned Ports    = 2,
  parameter int unsigned PortBits = 1024,
  parameter int unsigned Depth    = 32,          // unanswered transfers of a port
  parameter int unsigned SeqBits  = 8            // of a write's number
) (
  input  logic                             clk_i,
  input  logic                             rst_ni,

  input  logic                             busy_i,
  input  logic [63:12]                     image_base_i,
  input  logic [63:12]                     kv_base_i,
  input  logic [63:12]                     stripe_stride_i,

  input  logic                             wr_valid_i,
  output logic                             wr_ready_o,
  input  logic [AddrBits-1:0]              wr_addr_i,
  input  logic [8*Lanes-1:0]               wr_data_i,
  input  logic [Lanes-1:0]                 wr_strb_i,
  output logic                             wr_ack_o,
  output logic                             wr_ack_error_o,

  output logic [Ports-1:0]                 awvalid_o,
  input  logic [Ports-1:0]                 awready_i,
  output logic [Ports-1:0][63:0]           awaddr_o,
  output logic [Ports-1:0]                 wvalid_o,
  input  logic [Ports-1:0]                 wready_i,
  output logic [Ports-1:0][PortBits-1:0]   wdata_o,
  output logic [Ports-1:0][PortBits/8-1:0] wstrb_o,
  input  logic [Ports-1:0]                 bvalid_i,
  input  logic [Ports-1:0][1:0]            bresp_i,

  output logic                             fault_valid_o,
  output logic                             fault_decerr_o,
  output logic [4:0]                       fault_port_o
);

  localparam int unsigned PortBytes  = PortBits / 8;
  localparam int unsigned StripeBits = 8 * Lanes / Ports;
  localparam int unsigned Gather     = StripeBits / PortBits;
  localparam int unsigned LogPort    = $clog2(PortBytes);
  localparam int unsigned LogStripe  = $clog2(StripeBits / 8);
  localparam int unsigned PartBits   = (Gather > 1) ? $clog2(Gather) : 1;

  typedef logic [SeqBits-1:0] seq_t;             // a write's number, modulo 2^SeqBits

  // ------------------------------------------------------------------------------- writes to parts

  // An offered write takes one cycle for its address, then one for each of its parts: the same part
  // of all stripes at once.
  logic                ready_q;                  // the address is valid
  logic [63:0]         addr_q;                   // stripe 0 of the beat
  logic [PartBits-1:0] part_q;
  logic                drop, drop_q, step, last;
  logic [Ports-1:0]    room, issue;
  logic [63:12]        base;
  seq_t                seq_q;                    // of the offered write
  seq_t                acked_q;                  // of the oldest unacknowledged write

  assign base       = wr_addr_i[AddrBits-1] ? kv_base_i : image_base_i;
  assign last       = part_q == PartBits'(Gather - 1);
  assign step       = wr_valid_i && ready_q && !drop && awvalid_o == '0 && wvalid_o == '0 && &room;
  assign wr_ready_o = step && last;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || !wr_valid_i) begin
      ready_q <= 1'b0;
      part_q  <= '0;
    end else begin
      ready_q <= !wr_ready_o;
      if (step) part_q <= last ? '0 : part_q + 1'b1;
    end
    if (!ready_q) addr_q <= {base, 12'd0} + (64'(wr_addr_i[AddrBits-2:0]) << LogStripe);

    if (!rst_ni) seq_q <= '0;
    else if (wr_ready_o) seq_q <= seq_q + 1'b1;
  end

  // ------------------------------------------------------------------------- each port's transfers

  logic [Ports-1:0] owed;                        // a transfer is unanswered
  logic [Ports-1:0] waits;                       // a transfer of the oldest write is

  for (genvar p = 0; p < int'(Ports); p++) begin : gen_port
    logic [63:12]             offset_q;
    logic [Gather-1:0][PortBits-1:0]  data;
    logic [Gather-1:0][PortBytes-1:0] strb;

    assign data     = wr_data_i[p*StripeBits +: StripeBits];
    assign strb     = wr_strb_i[p*StripeBits/8 +: StripeBits/8];
    assign issue[p] = step && strb[part_q] != '0;

    always_ff @(posedge clk_i) begin
      offset_q <= 52'(p) * stripe_stride_i;
      if (!rst_ni) begin
        awvalid_o[p] <= 1'b0;
        wvalid_o[p]  <= 1'b0;
      end else if (issue[p]) begin
        awvalid_o[p] <= 1'b1;
        wvalid_o[p]  <= 1'b1;
      end else begin
        if (awready_i[p]) awvalid_o[p] <= 1'b0;
        if (wready_i[p])  wvalid_o[p]  <= 1'b0;
      end
      if (issue[p]) begin
        awaddr_o[p] <= {addr_q[63:12] + offset_q, addr_q[11:0] | (12'(part_q) << LogPort)};
        wdata_o[p]  <= data[part_q];
        wstrb_o[p]  <= strb[part_q];
      end
    end

    // The write to which each unanswered transfer belongs, in order.
    seq_t                   oldest;
    logic [$clog2(Depth):0] unused_count;

    fifo #(.Width(SeqBits), .Depth(Depth)) u_seqs (
      .clk_i, .rst_ni, .wr_valid_i(issue[p]), .wr_ready_o(room[p]), .wr_data_i(seq_q),
      .rd_valid_o(owed[p]), .rd_ready_i(bvalid_i[p]), .rd_data_o(oldest), .count_o(unused_count)
    );
    assign waits[p] = owed[p] && oldest == acked_q;
  end

  // ------------------------------------------------------------------------------ acknowledgements

  logic [Ports-1:0] errors;
  logic             done, error_q;

  assign done           = acked_q != seq_q && waits == '0;
  assign wr_ack_o       = done && !drop;
  assign wr_ack_error_o = error_q;

  for (genvar p = 0; p < int'(Ports); p++) begin : gen_error
    assign errors[p] = bvalid_i[p] && bresp_i[p][1];
  end

  // Responses that are owed to a finished run are dropped.
  assign drop = drop_q || !busy_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      acked_q <= '0;
      error_q <= 1'b0;
      drop_q  <= 1'b0;
    end else begin
      if (done) acked_q <= acked_q + 1'b1;
      error_q <= !drop && (errors != '0 || (error_q && !done));
      drop_q  <= drop && (acked_q != seq_q || owed != '0);
    end
  end

  // ---------------------------------------------------------------------------------------- faults

  always_ff @(posedge clk_i) begin
    fault_valid_o <= rst_ni && errors != '0;
    for (int p = int'(Ports) - 1; p >= 0; p--) begin
      if (errors[p]) begin
        fault_decerr_o <= bresp_i[p][0];
        fault_port_o   <= 5'(p);
      end
    end
  end

  // ------------------------------------------------------------------------------------ assertions

  for (genvar p = 0; p < int'(Ports); p++) begin : gen_check
    `ASSERT(bvalid_i[p] |-> owed[p], ("%m: port %0d answered a write that it was not sent", p))
  end
  `ASSERT(wr_valid_i && wr_ready_o |-> seq_t'(seq_q + 1'b1) != acked_q,
          ("%m: more writes are unacknowledged than can be counted"))

endmodule
