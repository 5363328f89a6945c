// SPDX-License-Identifier: Apache-2.0
//
// axi_rules - what must hold at one of gpt2_axi's AXI4 ports; no hardware, assertions alone
//
// The manager: what is offered stays until it is taken; a read burst lies within 4 KB and is
// aligned to its transfers; a write is one aligned transfer with at least one byte; neither AW nor
// W is more than one transfer ahead of the other. The subordinate: what it offers stays; it answers
// only requests that it received, and a write only after both its AW and its W. Assume 1 assumes
// the subordinate's rules, which a proof of the manager needs; Assume 0 checks them.
module axi_rules #(
  parameter int unsigned PortBits  = 512,
  parameter bit          Assume    = 1'b0,
  parameter int unsigned CountBits = 20          // of transfers: 256 beats of 4096 bytes by 4
) (
  input logic                  clk_i,
  input logic                  rst_ni,
  input logic                  arvalid_i,
  input logic                  arready_i,
  input logic [63:0]           araddr_i,
  input logic [7:0]            arlen_i,
  input logic                  rvalid_i,
  input logic                  rready_i,
  input logic [PortBits-1:0]   rdata_i,
  input logic [1:0]            rresp_i,
  input logic                  awvalid_i,
  input logic                  awready_i,
  input logic [63:0]           awaddr_i,
  input logic                  wvalid_i,
  input logic                  wready_i,
  input logic [PortBits-1:0]   wdata_i,
  input logic [PortBits/8-1:0] wstrb_i,
  input logic                  bvalid_i,
  input logic                  bready_i,
  input logic [1:0]            bresp_i
);

  localparam int unsigned LogPort = $clog2(PortBits / 8);

  stream_rules #(.Width(72)) u_ar (
    .clk_i, .rst_ni, .may_drop_i(1'b0), .valid_i(arvalid_i), .ready_i(arready_i),
    .payload_i({araddr_i, arlen_i})
  );
  stream_rules #(.Width(64)) u_aw (
    .clk_i, .rst_ni, .may_drop_i(1'b0), .valid_i(awvalid_i), .ready_i(awready_i),
    .payload_i(awaddr_i)
  );
  stream_rules #(.Width(PortBits + PortBits / 8)) u_w (
    .clk_i, .rst_ni, .may_drop_i(1'b0), .valid_i(wvalid_i), .ready_i(wready_i),
    .payload_i({wdata_i, wstrb_i})
  );

  logic [CountBits-1:0] reads_q;                 // transfers of bursts taken that have not come
  logic [CountBits-1:0] aw_q, w_q;               // taken, not answered
  initial {reads_q, aw_q, w_q} = '0;

  wire ar = arvalid_i && arready_i;
  wire r  = rvalid_i && rready_i;
  wire aw = awvalid_i && awready_i;
  wire w  = wvalid_i && wready_i;
  wire b  = bvalid_i && bready_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      reads_q <= '0;
      aw_q    <= '0;
      w_q     <= '0;
    end else begin
      reads_q <= reads_q + (ar ? CountBits'(arlen_i) + 1'b1 : '0) - CountBits'(r);
      aw_q    <= aw_q + CountBits'(aw) - CountBits'(b);
      w_q     <= w_q + CountBits'(w) - CountBits'(b);
      if (arvalid_i) begin
        a_page: assert (32'(araddr_i[11:0]) + ((32'(arlen_i) + 32'd1) << LogPort) <= 32'd4096);
        a_read: assert (araddr_i[LogPort-1:0] == '0);
      end
      if (awvalid_i) a_write:  assert (awaddr_i[LogPort-1:0] == '0);
      if (wvalid_i)  a_strobe: assert (wstrb_i != '0);
      a_pairs: assert (aw_q + CountBits'(awvalid_i) == w_q + CountBits'(wvalid_i));
    end
  end

  // A subordinate sends an answer one cycle after the last part of its question, or later.
  wire read_owed  = reads_q != '0;
  wire write_owed = aw_q != '0 && w_q != '0;

  if (Assume) begin : gen_assume
    logic r_held_q, b_held_q;
    logic [PortBits+1:0] r_q;
    logic [1:0]          b_q;
    initial {r_held_q, b_held_q} = '0;

    always_ff @(posedge clk_i) begin
      r_held_q <= rst_ni && rvalid_i && !rready_i;
      r_q      <= {rdata_i, rresp_i};
      b_held_q <= rst_ni && bvalid_i && !bready_i;
      b_q      <= bresp_i;
    end
    always_comb begin
      if (rvalid_i) assume (read_owed);
      if (bvalid_i) assume (write_owed);
      if (r_held_q) assume (rvalid_i && {rdata_i, rresp_i} == r_q);
      if (b_held_q) assume (bvalid_i && bresp_i == b_q);
    end
  end else begin : gen_assert
    stream_rules #(.Width(PortBits + 2)) u_r (
      .clk_i, .rst_ni, .may_drop_i(1'b0), .valid_i(rvalid_i), .ready_i(rready_i),
      .payload_i({rdata_i, rresp_i})
    );
    stream_rules #(.Width(2)) u_b (
      .clk_i, .rst_ni, .may_drop_i(1'b0), .valid_i(bvalid_i), .ready_i(bready_i),
      .payload_i(bresp_i)
    );
    always_ff @(posedge clk_i) begin
      if (rst_ni && rvalid_i) a_asked:   assert (read_owed);
      if (rst_ni && bvalid_i) a_written: assert (write_owed);
    end
  end

endmodule
