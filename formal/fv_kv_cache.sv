// SPDX-License-Identifier: Apache-2.0
//
// fv_kv_cache - what is proved of kv_cache's writes, at its memory port (memory_rules) and here:
//
//   a write holds until it is taken, also through the core's reset, and has a byte to write
//   the count of unacknowledged writes is that of writes offered or taken and not acknowledged: at
//   rest it is 0, and no acknowledgement is lost
//   a head's scales go out, then K, then V's beats, and only then is its entry empty
//
// for two positions of one sequence, and for those of one or two sequences.
//
// Assumed: the memory acknowledges only what it took; rst_ni rises when the port is at rest; a batch
// changes when the block is idle, and its first K comes three cycles later or more; K comes for an
// entry that is empty or has only K, and V after its K, the last member's last; an entry is released
// once, when it holds both. Members come together or one after the other.
module fv_kv_cache
  import gpt2_pkg::*;
(
  input logic                    clk_i,
  input logic                    rst_ni,
  input logic                    mem_rst_ni,
  input config_t                 cfg_i,
  input logic [AddrBits-1:0]     kv_seq_beats_i,
  input batch_t                  batch_i,
  input logic [1:0][9:0]         position_i,
  input logic [1:0]              kv_valid_i,
  input logic                    kv_is_v_i,
  input logic [5:0]              kv_head_i,
  input logic [7:0]              kv_layer_i,
  input logic [1:0][HeadDim-1:0][7:0] kv_q_i,
  input scale_t [1:0]            kv_scale_i,
  input logic [3:0]              release_i,
  input logic                    wr_ready_i,
  input logic                    wr_ack_i,
  input logic                    merge_valid_i,
  input logic [1:0]              merge_entry_i,
  input logic [3:0]              merge_member_i,
  input logic                    merge_is_v_i,
  input logic [5:0]              merge_group_i
);

  localparam int unsigned Segments = 2;
  localparam logic [1:0]  StIdle = 2'd0, StScales = 2'd1, StK = 2'd2, StV = 2'd3;   // its state_e

  logic [3:0]              entry_busy, entry_ready;
  logic                    wr_valid, idle, mem_busy;
  logic [AddrBits-1:0]     wr_addr;
  logic [512*Segments-1:0] wr_data;
  logic [64*Segments-1:0]  wr_strb;
  logic [1:0][HeadDim-1:0][7:0] k;
  logic [1:0][Segments-1:0][7:0] v;
  scale_t [1:0]            k_scale, v_scale;

  kv_cache #(.Segments(Segments), .MaxHeads(25), .Positions(2)) dut (
    .clk_i, .rst_ni, .mem_rst_ni, .cfg_i, .kv_seq_beats_i, .batch_i, .position_i,
    .kv_valid_i, .kv_is_v_i, .kv_head_i, .kv_layer_i, .kv_q_i, .kv_scale_i,
    .entry_busy_o(entry_busy), .entry_ready_o(entry_ready), .release_i,
    .wr_valid_o(wr_valid), .wr_ready_i, .wr_addr_o(wr_addr), .wr_data_o(wr_data),
    .wr_strb_o(wr_strb), .wr_ack_i, .idle_o(idle), .mem_busy_o(mem_busy),
    .merge_valid_i, .merge_entry_i, .merge_member_i, .merge_is_v_i, .merge_group_i, .k_o(k), .v_o(v), .k_scale_o(k_scale), .v_scale_o(v_scale)
  );

  memory_rules #(.Lanes(64 * Segments), .Depth(64), .Assume(1'b1)) rules (
    .clk_i, .mem_rst_ni,
    .rd_req_valid_i(1'b0), .rd_req_ready_i(1'b0), .rd_req_addr_i('0), .rd_req_len_i('0),
    .rd_rsp_valid_i(1'b0),
    .wr_valid_i(wr_valid), .wr_ready_i, .wr_addr_i(wr_addr), .wr_data_i(wr_data),
    .wr_strb_i(wr_strb), .wr_ack_i
  );

  // ---------------------------------------------------------------------------------- assumptions

  logic       first_q = 1'b1, rst_q = 1'b0;
  logic [3:0] released_q = '0;                             // by this environment, till it is empty
  wire  [1:0] entry = kv_head_i[1:0];

  // Cycles since the batch came, and since the writes of a position or a batch began, up to 3.
  batch_t          batch_q;
  logic [1:0][9:0] at_q;
  logic [1:0]      stable_q = '0, begun_q = '0;
  wire  [1:0]      members   = batch_i.members[1:0];
  wire             changes   = batch_i != batch_q || position_i != at_q;

  always_ff @(posedge clk_i) begin
    batch_q  <= batch_i;
    at_q     <= position_i;
    stable_q <= (!rst_ni || changes) ? '0 : stable_q + 2'(stable_q != 2'd3);
    begun_q  <= (!rst_ni || dut.begins) ? '0 : begun_q + 2'(begun_q != 2'd3);
  end

  always_ff @(posedge clk_i) begin
    first_q    <= 1'b0;
    rst_q      <= rst_ni;
    released_q <= rst_ni ? (released_q | release_i) & entry_busy : '0;
  end

  always_comb begin
    if (first_q) assume (!mem_rst_ni);
    if (!mem_rst_ni) assume (!rst_ni);
    if (rst_ni && !rst_q) assume (!mem_busy);
    if (rst_ni && kv_valid_i != '0) begin
      assume (!entry_ready[entry]);
      if (kv_is_v_i) assume (entry_busy[entry]);
      assume (stable_q == 2'd3 && (kv_valid_i & ~members) == '0);
    end
    assume (members != '0 && batch_i.members[MaxPositions-1:2] == '0);
    assume (batch_i.last == 4'(members[1]) && batch_i.seq < 4'd2);
    if (!first_q && changes) assume (idle && kv_valid_i == '0);
    if (rst_ni) assume ((release_i & (~entry_ready | released_q)) == '0);
    if (!rst_ni) assume (release_i == '0 && kv_valid_i == '0);
  end

  // --------------------------------------------------------------------------- a head that is seen

  // Writes taken since reset, less those of the heads that came: at rest none is missing.
  localparam logic [8:0] PerPosition = 9'(2 + HeadDim / Segments);
  wire             two     = batch_i.several && members == 2'b11;   // heads are written twice
  wire       [8:0] PerHead = two ? 9'd2 * PerPosition : PerPosition;

  logic [8:0] due_q = '0;                                  // writes to come of the heads with V
  wire        taken = wr_valid && wr_ready_i;
  wire  [2:0] todo = dut.u_todo.count_o;

  // The beats to come by the machine's state: the one that goes out, and those to be made.
  logic [8:0] left;

  always_comb begin
    unique case (dut.state_q)
      StScales: left = PerPosition;
      StK:      left = PerPosition - 9'd1;
      StV:      left = PerPosition - 9'd2 - 9'(dut.v_beat_q);
      default:      left = '0;
    endcase
    if (dut.state_q != StIdle && dut.others_q) left = left + PerPosition;
    left = left + 9'(todo) * PerHead;
  end

  // The entries that wait, that are being written, or whose last beat goes out: each once.
  logic [3:0] on_its_way;
  logic       twice, nobody;                               // nobody: no position, or none of a batch

  always_comb begin
    on_its_way = '0;
    twice      = 1'b0;
    nobody     = dut.state_q != StIdle && (dut.places_q == '0 || dut.k_last_q != '0 || dut.position_q[0]);
    for (int i = 0; i < 4; i++) begin
      automatic logic [1:0] e;                              // todo_t's last field
      e = 2'(dut.u_todo.gen_regs.mem[2'(dut.u_todo.rd_count_q + 3'(i))]);
      if (3'(i) < todo) begin
        twice         = twice || on_its_way[e];
        on_its_way[e] = 1'b1;
      end
    end
    if (dut.state_q != StIdle) begin
      twice                   = twice || on_its_way[dut.entry_q];
      on_its_way[dut.entry_q] = 1'b1;
    end
    if (wr_valid && dut.out_last_q) begin
      twice                       = twice || on_its_way[dut.out_entry_q];
      on_its_way[dut.out_entry_q] = 1'b1;
    end
  end

  // What follows, by the members that are left: a cycle later in the first registers, then in the
  // second.
  logic       others;
  logic [1:0] places;
  wire        first_left = dut.gen_positions.rest_q[0];

  always_comb begin
    others = two && dut.gen_positions.rest_q == 2'b11;
    places = !batch_i.several ? members
           : 2'b01 << position_i[(batch_i.several && first_left) ? 1'b0 : batch_i.last[0]][0];
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) due_q <= '0;
    else begin
      due_q <= due_q + (kv_valid_i != '0 && kv_is_v_i && kv_valid_i[batch_i.last[0]] ? PerHead : '0)
             - 9'(dut.make);
    end

    if (!first_q && rst_ni && rst_q) begin
      // The members that are left: all, or the second of two.
      if (stable_q != '0 && !changes) begin
        a_left:   assert (dut.gen_positions.rest_q == members || (two && dut.gen_positions.rest_q == 2'b10));
        a_second: assert (dut.gen_positions.rest_q == members || (dut.state_q != StIdle && dut.others_q));
        a_others: assert (dut.state_q == StIdle || !dut.others_q || (two && dut.gen_positions.rest_q == 2'b10));
      end
      if (stable_q > 2'd1 && !changes && begun_q > 2'd0) begin
        a_next1: assert (dut.gen_positions.others_q1 == others && dut.gen_positions.places_q1 == places);
        a_even1: assert (!dut.gen_positions.block_q1[0]);
      end
      if (stable_q > 2'd2 && !changes && begun_q > 2'd1) begin
        a_next2: assert (dut.gen_positions.others_q2 == others && dut.gen_positions.places_q2 == places);
        a_even2: assert (!dut.gen_positions.block_q2[0]);
      end
      if ((entry_busy & ~dut.written_q) != '0 || todo != '0 || dut.state_q != StIdle) a_stable: assert (stable_q == 2'd3);
      if (dut.state_q == StK) a_begun1: assert (begun_q > 2'd0);
      if (dut.state_q == StV) a_begun2: assert (begun_q > 2'd1);
      if (dut.state_q == StIdle && stable_q == 2'd3) a_begun3: assert (begun_q > 2'd1);
    end

    if (!first_q) begin
      a_unacked: assert (9'(dut.unacked_q) == rules.writes_q + 9'(wr_valid));
      a_busy:    assert (mem_busy == (wr_valid || rules.writes_q != '0));
      a_due:     assert (due_q == left);
      a_first:   assert (!(dut.state_q inside {StScales, StK}) || (dut.v_beat_q == '0 && dut.k_beat_q == '0));
      a_todo:    assert (todo <= 3'd4);
      a_ready:   assert ((entry_ready & ~entry_busy) == '0 && (dut.written_q & ~entry_ready) == '0);
      a_release: assert (dut.released_q == (released_q & entry_busy) && (dut.released_q & (dut.written_q | ~entry_ready)) == '0);
      if (rst_ni) begin
        a_once:  assert (!twice);
        a_some:  assert (!nobody);
        a_holds: assert ((on_its_way & (~entry_ready | dut.written_q)) == '0);
        a_rest:  assert (!idle || (!wr_valid && rules.writes_q == '0 && due_q == '0));
        a_none:  assert (on_its_way == (entry_ready & ~dut.written_q));
      end
    end
    c_full:  cover (todo == 3'd2 && wr_valid && !wr_ready_i);
    c_reset: cover (!rst_ni && mem_rst_ni && wr_valid && rules.writes_q != '0);
    c_v:     cover (taken && dut.state_q == StV && dut.v_beat_q == 5'd2);
    c_two:   cover (two && dut.state_q == StV && dut.others_q);
  end

endmodule
