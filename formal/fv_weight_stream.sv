// SPDX-License-Identifier: Apache-2.0
//
// fv_weight_stream - what is proved of weight_stream, at its memory port (memory_rules) and here:
//
//   every beat that arrives finds room; requested and queued beats add up to the reserved ones
//   beats leave in the order in which they arrived, none lost, none twice, and hold until taken
//
// Assumed: the memory answers only what it was asked; rst_ni rises when the port is at rest;
// a job has beats, and its settings hold while it is offered.
module fv_weight_stream
  import gpt2_pkg::*;
(
  input logic                clk_i,
  input logic                rst_ni,
  input logic                mem_rst_ni,
  input logic                job_valid_i,
  input job_t                job_i,
  input logic                split_i,
  input logic [AddrBits-1:0] side_addr_i,
  input logic [AddrBits-1:0] addr_i,
  input logic [AddrBits-1:0] beats_i,
  input logic                rd_req_ready_i,
  input logic                rd_rsp_valid_i,
  input logic [511:0]        rd_rsp_data_i,
  input logic                beat_ready_i,
  input logic                mark_i                        // follow the beat that comes now
);

  localparam int unsigned Depth = 64;

  logic                job_ready, rd_req_valid, rd_rsp_ready, mem_busy, beat_valid, waits;
  logic [AddrBits-1:0] rd_req_addr;
  logic [7:0]          rd_req_len;
  label_t              beat_label;
  logic [511:0]        beat_data;

  weight_stream #(.Segments(1), .Depth(Depth), .JobDepth(2)) dut (
    .clk_i, .rst_ni, .mem_rst_ni,
    .job_valid_i, .job_ready_o(job_ready), .job_i, .split_i, .side_addr_i, .addr_i, .beats_i,
    .rd_req_valid_o(rd_req_valid), .rd_req_ready_i, .rd_req_addr_o(rd_req_addr),
    .rd_req_len_o(rd_req_len), .rd_rsp_valid_i, .rd_rsp_ready_o(rd_rsp_ready), .rd_rsp_data_i,
    .mem_busy_o(mem_busy),
    .beat_valid_o(beat_valid), .beat_ready_i, .beat_label_o(beat_label), .beat_data_o(beat_data),
    .waits_o(waits)
  );

  memory_rules #(.Lanes(64), .Depth(Depth), .Assume(1'b1)) rules (
    .clk_i, .mem_rst_ni,
    .rd_req_valid_i(rd_req_valid), .rd_req_ready_i, .rd_req_addr_i(rd_req_addr),
    .rd_req_len_i(rd_req_len), .rd_rsp_valid_i,
    .wr_valid_i(1'b0), .wr_ready_i(1'b0), .wr_addr_i('0), .wr_data_i('0), .wr_strb_i('0),
    .wr_ack_i(1'b0)
  );

  stream_rules #(.Width(512)) beat (
    .clk_i, .rst_ni, .may_drop_i(1'b0), .valid_i(beat_valid), .ready_i(beat_ready_i),
    .payload_i(beat_data)
  );

  // ---------------------------------------------------------------------------------- assumptions

  logic first_q = 1'b1, rst_q = 1'b0;

  always_ff @(posedge clk_i) begin
    first_q <= 1'b0;
    rst_q   <= rst_ni;
  end

  always_comb begin
    if (first_q) assume (!mem_rst_ni);
    if (!mem_rst_ni) assume (!rst_ni);
    if (rst_ni && !rst_q) assume (!mem_busy);
    if (job_valid_i) assume (beats_i != '0);
  end

  // ------------------------------------------------------------------------- one beat, and counts

  logic         marked_q = 1'b0;                           // a beat is followed
  logic [511:0] data_q;
  logic [6:0]   ahead_q;                                   // beats in the queue before it
  logic         at_output_q;                               // it is the one that is offered

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      marked_q    <= 1'b0;
      at_output_q <= 1'b0;
    end else if (!marked_q) begin
      at_output_q <= 1'b0;
      if (mark_i && dut.beat_comes) begin
        marked_q <= 1'b1;
        data_q   <= rd_rsp_data_i;
        ahead_q  <= 7'(dut.u_beats.count_o) - 7'(dut.load);
      end
    end else if (!at_output_q) begin
      if (dut.load) begin
        ahead_q     <= ahead_q - 1'b1;
        at_output_q <= ahead_q == '0;
      end
    end else if (beat_ready_i) begin
      marked_q <= 1'b0;
    end

    if (!first_q) begin
      a_ready:    assert (rd_rsp_ready);
      a_busy:     assert (mem_busy == (rd_req_valid || rules.beats_q != '0));
      a_asked:    assert (10'(dut.asked_q) == rules.beats_q);
      a_reserved: assert (8'(dut.reserved_q) == 8'(dut.asked_q) + 8'(dut.u_beats.count_o));
      a_most:     assert (dut.reserved_q <= 7'(Depth));
      a_count:    assert (dut.u_beats.count_o <= 7'(Depth));
      a_queue:    assert (!(dut.beat_comes && rst_ni) || dut.u_beats.count_o < 7'(Depth));
      a_beats:    assert (!dut.busy_q || (dut.beats_q != '0 && (!dut.split_q || dut.row_beats_q != '0)));
      if (marked_q && !at_output_q) begin
        a_place: assert (ahead_q < 7'(dut.u_beats.count_o));
        a_kept:  assert (dut.u_beats.gen_ram.u_ram.mem[6'(dut.u_beats.rd_count_q + ahead_q)] == data_q);
      end
      if (marked_q && at_output_q) begin
        a_order: assert (beat_valid && beat_data == data_q);
      end
    end
    c_queue: cover (rst_ni && dut.u_beats.count_o == 7'd3);
    c_drain: cover (!rst_ni && mem_rst_ni && rd_req_valid && rules.beats_q != '0);
    c_order: cover (marked_q && at_output_q && beat_ready_i);
  end

endmodule
