// SPDX-License-Identifier: Apache-2.0
//
// weight_stream - reads each job's beats from memory ahead of the engine and labels each with its
// place in the job
//
// In      job     from sequencer, with the addresses of its beats: contiguous, or with split one
//                 side beat elsewhere, which comes first
//         rd_rsp  beats, in the order of the requests, after any time
// Out     rd_req  bursts {address of the first beat, beats}, at most MaxBurst long, sent only when
//                 the queue has room for all outstanding beats: rd_rsp_ready_o never falls
//         beat    the data and its label: position in the job, first side beats, then weights
//                 (model/image/image.h, 2 and 3)
//         next    its operand slot, in the cycle before the beat
//         mem_busy  a request is offered, or beats are still to come
// Reset   rst_ni drops the jobs and the queued beats. A request that is offered stays until taken,
//         and outstanding beats are taken and dropped as they come: mem_busy_o falls when the last
//         has come. mem_rst_ni forgets these too; it is low only while rst_ni is
// Timing  one beat a cycle; two cycles from rd_rsp to beat; up to Depth beats and JobDepth jobs
//         ahead of the engine
// Golden  golden/weight_stream.c: the addresses

`include "assert.svh"

module weight_stream
  import gpt2_pkg::*;
#(
  parameter int unsigned Segments = 4,
  parameter int unsigned Depth    = 256,                     // beats; above the memory's latency
  parameter int unsigned JobDepth = 32
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,
  input  logic                    mem_rst_ni,

  input  logic                    job_valid_i,
  output logic                    job_ready_o,
  input  job_t                    job_i,
  input  logic                    split_i,
  input  logic [AddrBits-1:0]     side_addr_i,
  input  logic [AddrBits-1:0]     addr_i,
  input  logic [AddrBits-1:0]     beats_i,

  output logic                    rd_req_valid_o,
  input  logic                    rd_req_ready_i,
  output logic [AddrBits-1:0]     rd_req_addr_o,
  output logic [7:0]              rd_req_len_o,
  input  logic                    rd_rsp_valid_i,
  output logic                    rd_rsp_ready_o,
  input  logic [512*Segments-1:0] rd_rsp_data_i,
  output logic                    mem_busy_o,

  output logic                    beat_valid_o,
  input  logic                    beat_ready_i,
  output label_t                  beat_label_o,
  output logic [512*Segments-1:0] beat_data_o,
  output logic                    next_en_o,
  output logic [7:0]              next_slot_o,
  output logic                    waits_o  // the current job has beats still to come
);

  localparam int unsigned DepthBits = $clog2(Depth);

  // -------------------------------------------------------------------------------------- requests

  logic                room_for_job;
  logic                busy_q, split_q;                      // a job's beats are being requested
  logic [AddrBits-1:0] addr_q, beats_q;
  logic [AddrBits-1:0] row_addr_q, row_beats_q;              // the rest of a split job
  logic [DepthBits:0]  asked_q, asked_d;                     // beats requested that have not come
  logic [DepthBits:0]  reserved_q;                           // asked_q + the beats in the queue
  logic                burst, take_job, beat_comes, pop;

  wire [AddrBits-1:0] burst_len  = (beats_q > AddrBits'(MaxBurst)) ? AddrBits'(MaxBurst) : beats_q;
  wire                has_credit = (DepthBits+1)'(Depth) - reserved_q >= (DepthBits+1)'(MaxBurst);

  assign job_ready_o    = room_for_job && !busy_q;
  assign take_job       = job_valid_i && job_ready_o;
  assign rd_req_valid_o = busy_q && has_credit;
  assign rd_req_addr_o  = addr_q;
  assign rd_req_len_o   = 8'(burst_len);
  assign burst          = rd_req_valid_o && rd_req_ready_i;
  assign beat_comes     = rd_rsp_valid_i && asked_q != '0;   // unrequested beats are not taken
  assign asked_d        = asked_q + (burst ? (DepthBits+1)'(burst_len) : '0)
                        - (DepthBits+1)'(beat_comes);
  assign mem_busy_o     = rd_req_valid_o || asked_q != '0;

  always_ff @(posedge clk_i) begin
    asked_q <= mem_rst_ni ? asked_d : '0;
    if (!mem_rst_ni) begin
      busy_q     <= 1'b0;
      reserved_q <= '0;
    end else if (!rst_ni) begin
      busy_q     <= rd_req_valid_o && !rd_req_ready_i;
      reserved_q <= asked_d;
    end else begin
      if (take_job) busy_q <= 1'b1;
      else if (burst && beats_q == burst_len && !split_q) busy_q <= 1'b0;
      reserved_q <= reserved_q + (burst ? (DepthBits+1)'(burst_len) : '0) - (DepthBits+1)'(pop);
    end
    if (take_job) begin
      split_q     <= split_i;
      addr_q      <= split_i ? side_addr_i : addr_i;
      beats_q     <= split_i ? AddrBits'(1) : beats_i;
      row_addr_q  <= addr_i;
      row_beats_q <= beats_i;
    end else if (burst) begin
      if (beats_q == burst_len && split_q) begin  // the side beat is requested; now the row
        split_q <= 1'b0;
        addr_q  <= row_addr_q;
        beats_q <= row_beats_q;
      end else begin
        addr_q  <= addr_q + burst_len;
        beats_q <= beats_q - burst_len;
      end
    end
  end

  // --------------------------------------------------------------------------------- queue of jobs

  logic               job_waits, job_pop, job_push_to_walk;
  job_t               next_job, job_q;                       // job_q's beats come out
  logic [7:0]         last_block_q, side_block_q;
  logic [16:0]        last_group_q;
  logic               side_first_q;                          // its first beat is a side beat
  logic               job_valid_q;

  // A side beat precedes the first beat of every 16th group; by columns, only in the last block.
  wire [7:0] side_block = next_job.issue.by_columns ? next_job.blocks - 8'd1 : 8'd0;

  fifo #(.Width($bits(job_t)), .Depth(JobDepth)) u_jobs (
    .clk_i, .rst_ni,
    .wr_valid_i(take_job), .wr_ready_o(room_for_job), .wr_data_i(job_i),
    .rd_valid_o(job_waits), .rd_ready_i(!job_valid_q || job_pop), .rd_data_o(next_job), .count_o()
  );

  assign job_push_to_walk = job_waits && (!job_valid_q || job_pop);

  always_ff @(posedge clk_i) begin
    if (!rst_ni)               job_valid_q <= 1'b0;
    else if (job_push_to_walk) job_valid_q <= 1'b1;
    else if (job_pop)          job_valid_q <= 1'b0;

    if (job_push_to_walk) begin
      job_q        <= next_job;
      last_block_q <= next_job.blocks - 8'd1;
      last_group_q <= next_job.groups - 17'd1;
      side_block_q <= side_block;
      side_first_q <= next_job.sides && side_block == 0;
    end
  end

  // -------------------------------------------------------------------------------- queue of beats

  logic beat_waits, room_for_beat, beat_wanted;
  logic load;  // the queue's first beat goes to its output register

  fifo #(.Width(512 * Segments), .Depth(Depth), .RegisteredRead(1'b1)) u_beats (
    .clk_i, .rst_ni,
    .wr_valid_i(beat_comes), .wr_ready_o(room_for_beat), .wr_data_i(rd_rsp_data_i),
    .rd_valid_o(beat_waits), .rd_ready_i(beat_wanted), .rd_data_o(beat_data_o), .count_o()
  );

  assign rd_rsp_ready_o = 1'b1;
  assign beat_wanted = job_valid_q && (!beat_valid_o || beat_ready_i);
  assign load = beat_waits && beat_wanted;
  assign pop  = load;
  assign waits_o = job_valid_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni)           beat_valid_o <= 1'b0;
    else if (load)         beat_valid_o <= 1'b1;
    else if (beat_ready_i) beat_valid_o <= 1'b0;
  end

  // ------------------------------------------------------------------ walk through the job's beats

  logic        start_q;                                      // at the job's first beat
  logic        first_q;                                      // at group 0, block 0
  logic        is_side, is_side_q;
  logic [16:0] group_q, group_next;
  logic [7:0]  block_q, block_next;

  wire last_block = block_q == last_block_q;
  wire last_group = group_q == last_group_q;

  assign is_side = start_q ? side_first_q : is_side_q;

  always_comb begin
    group_next = group_q;
    block_next = block_q;
    if (job_q.issue.by_columns) begin
      group_next = last_group ? '0 : group_q + 17'd1;
      if (last_group) block_next = block_q + 8'd1;
    end else begin
      block_next = last_block ? '0 : block_q + 8'd1;
      if (last_block) group_next = group_q + 17'd1;
    end
  end

  assign next_en_o   = load;
  assign next_slot_o = job_q.issue.slot + block_q;

  assign job_pop = load && !is_side && last_block && last_group;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      start_q   <= 1'b1;
      first_q   <= 1'b1;
      is_side_q <= 1'b0;
      group_q   <= '0;
      block_q   <= '0;
    end else if (load) begin
      if (is_side) begin
        start_q   <= 1'b0;
        is_side_q <= 1'b0;
      end else if (job_pop) begin
        start_q <= 1'b1;
        first_q <= 1'b1;
        group_q <= '0;
        block_q <= '0;
      end else begin
        start_q   <= 1'b0;
        first_q   <= 1'b0;
        is_side_q <= job_q.sides && group_next[3:0] == 0 && block_next == side_block_q;
        group_q   <= group_next;
        block_q   <= block_next;
      end
    end
    if (load) begin
      beat_label_o <= '{tag: '{op: job_q.op, layer: job_q.layer, head: job_q.head,
                               final_layer: job_q.final_layer, want_head: job_q.want_head,
                               position: job_q.position, alone: job_q.alone,
                               member: job_q.member, group: group_q, last: last_group},
                        issue: job_q.issue, place: job_q.place, side: is_side, block: block_q,
                        last_block: last_block, start: first_q};
    end
  end

  // ------------------------------------------------------------------------------------ assertions

  `ERROR_IF(depth,
            Depth < 2 * MaxBurst,
            ("a queue of %0d beats is too short for two bursts of %0d", Depth, MaxBurst))
  `ERROR_IF(depth_bits, 2**DepthBits != Depth, ("Depth must be a power of two, not %0d", Depth))
  `ERROR_IF(segments,
            2**$clog2(Segments) != Segments || Segments > 64,
            ("Segments must be 1, 2, 4, ... 64, not %0d", Segments))
  `ASSERT(beat_comes |-> room_for_beat, ("%m: a beat came for which no room was reserved"))
  `ASSERT(beat_valid_o && !beat_ready_i |=> beat_valid_o && $stable(beat_label_o),
          ("%m: a beat changed before it was taken"))

endmodule
