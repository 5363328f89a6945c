// SPDX-License-Identifier: Apache-2.0
//
// fv_axi_write - what is proved of axi_write, at its ports (axi_rules) and here:
//
//   AW and W stay until they are taken, and belong together: of none is one more than the other
//   any byte that is to be written goes out once with its address, and no other does
//   a write is acknowledged when all its transfers are answered, once, in order, with their errors;
//   when nothing is under way no acknowledgement is missing
//   an answer to a run that gave up never reaches a later one
//
// Two ports, two parts a stripe, room for two transfers. Assumed: the memory answers only what it
// was asked; a write has a byte to write and stays until it is taken or the run ends; at most 7
// are offered or unacknowledged, of numbers of 3 bits; bases and stride do not change.
module fv_axi_write
  import gpt2_pkg::*;
(
  input logic                clk_i,
  input logic                rst_ni,
  input logic                busy_i,
  input logic [63:12]        image_base_i,
  input logic [63:12]        kv_base_i,
  input logic [63:12]        stripe_stride_i,
  input logic                wr_valid_i,
  input logic [AddrBits-1:0] wr_addr_i,
  input logic [127:0]        wr_data_i,
  input logic [15:0]         wr_strb_i,
  input logic [1:0]          awready_i,
  input logic [1:0]          wready_i,
  input logic [1:0]          bvalid_i,
  input logic [1:0][1:0]     bresp_i
);

  localparam int unsigned Lanes = 16, Ports = 2, PortBits = 32, Depth = 2;
  localparam int unsigned SeqBits = 3;

  logic              wr_ready, wr_ack, wr_ack_error, fault_valid, fault_decerr;
  logic [1:0]        awvalid, wvalid;
  logic [1:0][63:0]  awaddr;
  logic [1:0][31:0]  wdata;
  logic [1:0][3:0]   wstrb;
  logic [4:0]        fault_port;

  axi_write #(.Lanes(Lanes), .Ports(Ports), .PortBits(PortBits), .Depth(Depth),
              .SeqBits(SeqBits)) dut (
    .clk_i, .rst_ni, .busy_i, .image_base_i, .kv_base_i, .stripe_stride_i,
    .wr_valid_i, .wr_ready_o(wr_ready), .wr_addr_i, .wr_data_i, .wr_strb_i, .wr_ack_o(wr_ack),
    .wr_ack_error_o(wr_ack_error), .awvalid_o(awvalid), .awready_i, .awaddr_o(awaddr),
    .wvalid_o(wvalid), .wready_i, .wdata_o(wdata), .wstrb_o(wstrb), .bvalid_i, .bresp_i,
    .fault_valid_o(fault_valid), .fault_decerr_o(fault_decerr), .fault_port_o(fault_port)
  );

  logic [1:0][2:0] unanswered;                             // addresses taken, of each port

  for (genvar p = 0; p < 2; p++) begin : gen_rules
    axi_rules #(.PortBits(PortBits), .Assume(1'b1), .CountBits(3)) rules (
      .clk_i, .rst_ni, .arvalid_i(1'b0), .arready_i(1'b0), .araddr_i('0), .arlen_i('0),
      .rvalid_i(1'b0), .rready_i(1'b0), .rdata_i('0), .rresp_i('0), .awvalid_i(awvalid[p]),
      .awready_i(awready_i[p]), .awaddr_i(awaddr[p]), .wvalid_i(wvalid[p]),
      .wready_i(wready_i[p]), .wdata_i(wdata[p]), .wstrb_i(wstrb[p]), .bvalid_i(bvalid_i[p]),
      .bready_i(1'b1), .bresp_i(bresp_i[p])
    );
    assign unanswered[p] = rules.aw_q;
  end

  // ------------------------------------------------------------------------- the machine, assumed

  logic                first_q = 1'b1, held_q = 1'b0;
  logic [AddrBits-1:0] addr_q;
  logic [127:0]        data_q;
  logic [15:0]         strb_q;
  logic [8:0]          writes_q = '0;                      // taken, not acknowledged, of this run
  logic                error_q = 1'b0;                     // the next acknowledgement must say so
  logic [63:12]        image_base_q, kv_base_q, stripe_stride_q;

  wire taken = wr_valid_i && wr_ready;

  always_ff @(posedge clk_i) begin
    first_q <= 1'b0;
    held_q  <= rst_ni && wr_valid_i && !wr_ready;
    addr_q  <= wr_addr_i;
    data_q  <= wr_data_i;
    strb_q  <= wr_strb_i;
    if (!rst_ni || !busy_i) writes_q <= '0;
    else writes_q <= writes_q + 9'(taken) - 9'(wr_ack);
    if (!rst_ni || !busy_i || dut.drop) error_q <= 1'b0;
    else error_q <= (bvalid_i[0] && bresp_i[0][1]) || (bvalid_i[1] && bresp_i[1][1]) ||
                    (error_q && !wr_ack);
    image_base_q    <= image_base_i;
    kv_base_q       <= kv_base_i;
    stripe_stride_q <= stripe_stride_i;
  end

  always_comb begin
    if (first_q) assume (!rst_ni);
    if (!busy_i) assume (!wr_valid_i);
    if (wr_valid_i) assume (wr_strb_i != '0 && writes_q < 9'd7);
    if (held_q && busy_i) begin
      assume (wr_valid_i && wr_addr_i == addr_q && wr_data_i == data_q && wr_strb_i == strb_q);
    end
    if (!first_q) begin
      assume (image_base_i == image_base_q && kv_base_i == kv_base_q);
      assume (stripe_stride_i == stripe_stride_q);
    end
  end

  // -------------------------------------------------------------------------------- a byte's way

  // Byte 13 of the beat: byte 1 of the second part of the second port's stripe.
  localparam int unsigned Byte = 13;
  localparam logic        port = 1'b1, part = 1'b1;
  wire [63:0] place = {dut.addr_q[63:12] + dut.gen_port[port].offset_q, dut.addr_q[11:3], part,
                       2'd0};

  // Where stripe 0 of the write is, from the moment at which it is offered.
  logic [63:0] stripe_q;

  logic        out_q = 1'b0;                               // this write's byte was sent,
  logic        just_q = 1'b0;                              // in the cycle before
  logic [63:0] place_q;
  logic [7:0]  value_q;

  wire sends = dut.step && dut.part_q == part && dut.issue[port] && wr_strb_i[Byte];

  always_ff @(posedge clk_i) begin
    out_q   <= rst_ni && wr_valid_i && !wr_ready && (out_q || sends);
    just_q  <= rst_ni && sends;
    place_q <= place;
    if (!dut.ready_q) begin
      stripe_q <= {wr_addr_i[31] ? kv_base_i : image_base_i, 12'd0} + (64'(wr_addr_i[30:0]) << 3);
    end
    value_q <= wr_data_i[8*Byte +: 8];
  end

  // ---------------------------------------------------- the transfers of a port, and their writes

  wire [1:0] count0 = dut.gen_port[0].u_seqs.count_o, count1 = dut.gen_port[1].u_seqs.count_o;
  wire       read0 = dut.gen_port[0].u_seqs.rd_count_q[0];
  wire       read1 = dut.gen_port[1].u_seqs.rd_count_q[0];
  wire [2:0] open = dut.seq_q - dut.acked_q;               // writes taken, not acknowledged

  // Of the places in use, which belong to writes that the design still counts, in order.
  function automatic logic sound(logic [1:0] count, logic [2:0] a, logic [2:0] b,
                                 logic [2:0] acked, logic [2:0] most);
    return (count == 2'd0) ||
           (3'(a - acked) <= most && (count == 2'd1 ||
           (3'(b - acked) <= most && 3'(a - acked) <= 3'(b - acked))));
  endfunction

  wire [2:0] head0 = dut.gen_port[0].u_seqs.gen_regs.mem[read0];
  wire [2:0] next0 = dut.gen_port[0].u_seqs.gen_regs.mem[!read0];
  wire [2:0] head1 = dut.gen_port[1].u_seqs.gen_regs.mem[read1];
  wire [2:0] next1 = dut.gen_port[1].u_seqs.gen_regs.mem[!read1];

  always_ff @(posedge clk_i) begin
    if (!first_q) begin
      a_count0: assert (3'(count0) == unanswered[0] + 3'(awvalid[0]) && count0 <= 2'(Depth));
      a_count1: assert (3'(count1) == unanswered[1] + 3'(awvalid[1]) && count1 <= 2'(Depth));
      a_most:   assert (unanswered[0] <= 3'(Depth) && unanswered[1] <= 3'(Depth));
      a_open:   assert (9'(open) == writes_q || dut.drop_q);
      a_run:    assert (!dut.drop_q || writes_q == '0);
      a_full:   assert (open != '1 || !wr_valid_i || dut.drop);
      a_order0: assert (sound(count0, head0, next0, dut.acked_q, open));
      a_order1: assert (sound(count1, head1, next1, dut.acked_q, open));
      a_offset: assert (dut.gen_port[0].offset_q == '0 &&
                        dut.gen_port[1].offset_q == stripe_stride_i);
      a_align:  assert (dut.addr_q[2:0] == '0 || !dut.ready_q);
      a_addr0:  assert (!awvalid[0] || awaddr[0][1:0] == '0);
      a_addr1:  assert (!awvalid[1] || awaddr[1][1:0] == '0);
      a_room:   assert (!dut.issue[0] || count0 < 2'(Depth));
      a_place:  assert (!dut.ready_q || dut.addr_q == stripe_q);
      a_ready:  assert (!dut.ready_q || held_q || !rst_ni);
      a_part:   assert (dut.part_q == '0 || dut.ready_q);
      a_begun:  assert (!out_q || dut.ready_q);
      if (rst_ni && wr_valid_i && dut.ready_q && busy_i) begin
        a_sent:  assert (out_q == (wr_strb_i[Byte] && 2'(dut.part_q) > 2'(part)));
      end
      if (rst_ni && taken) a_out: assert (!wr_strb_i[Byte] || out_q || sends);
      if (rst_ni && just_q) begin
        a_byte: assert (awvalid[port] && wvalid[port] && awaddr[port] == place_q &&
                        wstrb[port][Byte % 4] && wdata[port][8*(Byte % 4) +: 8] == value_q);
      end
      if (rst_ni && wr_ack) begin
        a_ack:      assert (writes_q != '0);
        a_answered: assert ((count0 == '0 || head0 != dut.acked_q) &&
                            (count0 != 2'd2 || next0 != dut.acked_q) &&
                            (count1 == '0 || head1 != dut.acked_q) &&
                            (count1 != 2'd2 || next1 != dut.acked_q));
        a_error:    assert (wr_ack_error == error_q);
      end
      a_told:   assert (dut.error_q == error_q);
      a_lost:   assert (!rst_ni || dut.drop || writes_q == '0 || count0 != '0 || count1 != '0 ||
                        wr_ack);
    end
    c_apart: cover (rst_ni && awvalid == 2'b01 && wvalid == 2'b10);
    c_part:  cover (rst_ni && dut.step && dut.part_q && dut.issue == 2'b10);
    c_late:  cover (rst_ni && dut.drop_q && busy_i && wr_valid_i && bvalid_i != '0);
    c_error: cover (rst_ni && wr_ack && wr_ack_error);
    c_byte:  cover (rst_ni && just_q && port && part);
  end

endmodule
