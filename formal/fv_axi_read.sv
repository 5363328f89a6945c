// SPDX-License-Identifier: Apache-2.0
//
// fv_axi_read - what is proved of axi_read, at its ports (axi_rules) and here:
//
//   every burst lies within 4 KB, is aligned, and asks for the next bytes of the beats requested
//   what is owed to the machine is being asked, under way, gathered or queued: nothing is lost, and
//   nothing comes that was not asked for
//   the stripes of a beat come together, in order, with the data and the error of their transfers
//   an answer to a run that gave up never reaches a later one, which is served after the last
//
// Two ports, two transfers a stripe, queues of two. Assumed: the memory answers only what it was
// asked; a request has 1 to MaxBurst beats, of which at most 256 are outstanding, and stays until
// it is taken or the run ends; bases and stride do not change.
module fv_axi_read
  import gpt2_pkg::*;
(
  input logic                clk_i,
  input logic                rst_ni,
  input logic                busy_i,
  input logic [63:12]        image_base_i,
  input logic [63:12]        kv_base_i,
  input logic [63:12]        stripe_stride_i,
  input logic                rd_req_valid_i,
  input logic [AddrBits-1:0] rd_req_addr_i,
  input logic [7:0]          rd_req_len_i,
  input logic [1:0]          arready_i,
  input logic [1:0]          rvalid_i,
  input logic [1:0][127:0]   rdata_i,
  input logic [1:0][1:0]     rresp_i,
  input logic                mark_i                        // follow port 1's transfer
);

  localparam int unsigned Lanes = 64, Ports = 2, PortBits = 128, Skew = 2, Gather = 2;

  logic             rd_req_ready, rd_rsp_valid, rd_rsp_error, fault_valid, fault_decerr;
  logic [511:0]     rd_rsp_data;
  logic [1:0]       arvalid, rready;
  logic [1:0][63:0] araddr;
  logic [1:0][7:0]  arlen;
  logic [4:0]       fault_port;

  axi_read #(.Lanes(Lanes), .Ports(Ports), .PortBits(PortBits), .Skew(Skew)) dut (
    .clk_i, .rst_ni, .busy_i, .image_base_i, .kv_base_i, .stripe_stride_i,
    .rd_req_valid_i, .rd_req_ready_o(rd_req_ready), .rd_req_addr_i, .rd_req_len_i,
    .rd_rsp_valid_o(rd_rsp_valid), .rd_rsp_data_o(rd_rsp_data), .rd_rsp_error_o(rd_rsp_error),
    .arvalid_o(arvalid), .arready_i, .araddr_o(araddr), .arlen_o(arlen),
    .rvalid_i, .rready_o(rready), .rdata_i, .rresp_i,
    .fault_valid_o(fault_valid), .fault_decerr_o(fault_decerr), .fault_port_o(fault_port)
  );

  logic [1:0][10:0] under_way;                             // transfers of each port

  for (genvar p = 0; p < 2; p++) begin : gen_rules
    axi_rules #(.PortBits(PortBits), .Assume(1'b1), .CountBits(11)) rules (
      .clk_i, .rst_ni, .arvalid_i(arvalid[p]), .arready_i(arready_i[p]), .araddr_i(araddr[p]),
      .arlen_i(arlen[p]), .rvalid_i(rvalid_i[p]), .rready_i(rready[p]), .rdata_i(rdata_i[p]),
      .rresp_i(rresp_i[p]), .awvalid_i(1'b0), .awready_i(1'b0), .awaddr_i('0), .wvalid_i(1'b0),
      .wready_i(1'b0), .wdata_i('0), .wstrb_i('0), .bvalid_i(1'b0), .bready_i(1'b0), .bresp_i('0)
    );
    assign under_way[p] = rules.reads_q;
  end

  // ------------------------------------------------------------------------- the machine, assumed

  logic                first_q = 1'b1, held_q = 1'b0;
  logic [AddrBits-1:0] addr_q;
  logic [7:0]          len_q;
  logic [9:0]          beats_q = '0;                       // outstanding, as the present run knows
  logic [63:12]        image_base_q, kv_base_q, stripe_stride_q;

  wire taken = rd_req_valid_i && rd_req_ready;

  always_ff @(posedge clk_i) begin
    first_q <= 1'b0;
    held_q  <= rst_ni && rd_req_valid_i && !rd_req_ready;
    addr_q  <= rd_req_addr_i;
    len_q   <= rd_req_len_i;
    if (!rst_ni || !busy_i) beats_q <= '0;
    else beats_q <= beats_q + (taken ? 10'(rd_req_len_i) : '0) - 10'(rd_rsp_valid);
    image_base_q    <= image_base_i;
    kv_base_q       <= kv_base_i;
    stripe_stride_q <= stripe_stride_i;
  end

  always_comb begin
    if (first_q) assume (!rst_ni);
    if (!busy_i) assume (!rd_req_valid_i);
    if (rd_req_valid_i) begin
      assume (rd_req_len_i >= 8'd1 && rd_req_len_i <= 8'(MaxBurst));
      assume (32'(beats_q) + 32'(rd_req_len_i) <= 32'd256);
    end
    if (held_q && busy_i) begin
      assume (rd_req_valid_i && rd_req_addr_i == addr_q && rd_req_len_i == len_q);
    end
    if (!first_q) begin
      assume (image_base_i == image_base_q && kv_base_i == kv_base_q);
      assume (stripe_stride_i == stripe_stride_q);
    end
  end

  // ------------------------------------------------------------------ addresses: the next in a row

  logic [63:0] next_q;                                     // stripe 0's next transfer to ask for
  logic [63:0] stripe0_q, stripe1_q;                       // what is asked of each port

  always_ff @(posedge clk_i) begin
    if (dut.issue) begin
      stripe0_q <= dut.addr_q;
      stripe1_q <= {dut.addr_q[63:12] + dut.gen_ar[1].offset_q, dut.addr_q[11:0]};
    end
    if (taken) begin
      next_q <= {rd_req_addr_i[31] ? kv_base_i : image_base_i, 12'd0} +
                (64'(rd_req_addr_i[30:0]) << 5);
    end else if (dut.issue) begin                          // up to the next 4 KB
      next_q <= {next_q[63:12] + 1'b1, 12'd0};
    end
  end

  // -------------------------------------------------------- one transfer of port 1, and the counts

  logic         marked_q = 1'b0;                           // a transfer is followed,
  logic         queued_q;                                  // in the queue,
  logic         second_q;                                  // the second of its stripe
  logic [127:0] data_q;
  logic         error_q;
  logic [1:0]   ahead_q;                                   // stripes before it

  wire          r1    = rvalid_i[1] && rready[1];
  wire          came1 = dut.gen_r[1].gen_gather.came_q;
  wire [1:0]    count0 = dut.gen_r[0].gen_skew.u_stripes.count_o;
  wire [1:0]    count1 = dut.gen_r[1].gen_skew.u_stripes.count_o;
  wire          read1  = dut.gen_r[1].gen_skew.u_stripes.rd_count_q[0];
  wire [256:0]  kept   = dut.gen_r[1].gen_skew.u_stripes.gen_regs.mem[1'(read1 + ahead_q[0])];
  wire [255:0]  stripe = rd_rsp_data[511:256];

  logic [1:0][10:0] owed;                                  // transfers of each port to come

  always_comb begin
    for (int p = 0; p < 2; p++) begin
      owed[p] = (dut.valid_q ? 11'(dut.left_q) : '0) + (arvalid[p] ? 11'(arlen[p]) + 11'd1 : '0)
              + under_way[p];
    end
    owed[0] = owed[0] + 11'(dut.gen_r[0].gen_gather.came_q) + 11'(count0) * 11'(Gather);
    owed[1] = owed[1] + 11'(dut.gen_r[1].gen_gather.came_q) + 11'(count1) * 11'(Gather);
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      marked_q <= 1'b0;
    end else if (!marked_q) begin
      if (mark_i && r1) begin
        marked_q <= 1'b1;
        queued_q <= came1;
        second_q <= came1;
        data_q   <= rdata_i[1];
        error_q  <= rresp_i[1][1];
        ahead_q  <= count1 - 2'(dut.beat_comes);
      end
    end else begin
      if (dut.beat_comes && ahead_q != '0) ahead_q <= ahead_q - 1'b1;
      if (!queued_q && r1) queued_q <= 1'b1;
      if (queued_q && dut.beat_comes && ahead_q == '0) marked_q <= 1'b0;
    end

    if (!first_q) begin
      a_owed0:  assert (owed[0] == 11'(dut.owed_q) * 11'(Gather));
      a_owed1:  assert (owed[1] == 11'(dut.owed_q) * 11'(Gather));
      a_most:   assert (dut.owed_q <= 10'd256 && under_way[0] <= 11'd512 &&
                        under_way[1] <= 11'd512);
      a_run:    assert (beats_q == (dut.drop_q ? '0 : dut.owed_q));
      a_beat:   assert (!rst_ni || !rd_rsp_valid || beats_q != '0);
      a_wait:   assert (!taken || dut.owed_q == beats_q);
      a_left:   assert (!dut.valid_q || dut.left_q != '0);
      a_size:   assert (!dut.valid_q || dut.left_q <= 9'(MaxBurst * Gather));
      a_room:   assert (count0 <= 2'(Skew) && count1 <= 2'(Skew));
      a_offset: assert (dut.gen_ar[0].offset_q == '0 && dut.gen_ar[1].offset_q == stripe_stride_i);
      a_align:  assert (dut.addr_q[3:0] == '0 || !dut.valid_q);
      if (dut.valid_q) a_next: assert (dut.addr_q == next_q);
      if (dut.issue && !dut.last) begin
        a_edge: assert (32'(next_q[11:0]) + 32'(dut.edge_left) * 32'd16 == 32'd4096);
      end
      if (arvalid[0]) a_stripe0: assert (araddr[0] == stripe0_q);
      if (arvalid[1]) a_stripe1: assert (araddr[1] == stripe1_q);
      if (rst_ni && marked_q) begin
        if (!queued_q) begin
          a_first: assert (came1 && !second_q && dut.gen_r[1].gen_gather.data_q == data_q &&
                           dut.gen_r[1].gen_gather.error_q == error_q && ahead_q == count1);
        end else begin
          a_place: assert (ahead_q < count1);
          a_kept:  assert ((second_q ? kept[255:128] : kept[127:0]) == data_q);
          a_error: assert (!error_q || kept[256]);
          if (dut.beat_comes && ahead_q == '0) begin
            a_data: assert ((second_q ? stripe[255:128] : stripe[127:0]) == data_q);
            a_told: assert (!error_q || rd_rsp_error);
          end
        end
      end
    end
    c_cut:   cover (rst_ni && dut.issue && !dut.last);
    c_skew:  cover (rst_ni && count0 == 2'(Skew) && count1 == '0);
    c_late:  cover (rst_ni && dut.drop_q && busy_i && rd_req_valid_i && dut.beat_comes);
    c_data:  cover (rst_ni && marked_q && queued_q && second_q && dut.beat_comes && ahead_q == '0);
    c_error: cover (rst_ni && rd_rsp_valid && rd_rsp_error);
  end

endmodule
