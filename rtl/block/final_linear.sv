// SPDX-License-Identifier: Apache-2.0
//
// final_linear - turns the head's rows into a stream of logits
//
//   logit[id] = rows[s] of group g,   id = g * Segments + s, in the mask while id < n_vocab
//
// The engine computes the matrix product. Its rows cannot wait, but their readers can stall.
// Therefore a queue holds them, and matvec issues a group of OpHead only while room_o is high.
//
// In      rows  the rows bus; takes groups of OpHead; rigid
// Out     lg    Segments logits, Q14.16, ids base_id .. base_id + Segments - 1, last on the last
//               group of a position; valid/ready
//         out   the same payload to a second reader if stream_logits_i; each takes it at its own
//               pace, and the next group follows when both have taken it
//         room  the queue has room for at least InFlight groups
// Rounds  nothing
// Timing  2 cycles through an empty queue, a group per cycle
// Keeps   33 groups
// Assumes that stream_logits_i and n_vocab hold during a run, and that at most InFlight groups are
//         in flight between the test of room_o and rows_valid_i
// Golden  golden/final_linear.c; this module only orders

`include "assert.svh"

module final_linear
  import gpt2_pkg::*;
#(
  parameter int unsigned Segments = 16
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,
  input  config_t                   cfg_i,
  input  logic                      stream_logits_i,

  input  logic                      rows_valid_i,
  input  tag_t                      rows_tag_i,
  input  logic [Segments-1:0][31:0] rows_i,
  output logic                      room_o,

  output logic                      lg_valid_o,
  input  logic                      lg_ready_i,
  output logic [16:0]               lg_base_id_o,
  output logic [Segments-1:0]       lg_mask_o,
  output logic [Segments-1:0][31:0] lg_rows_o,
  output logic                      lg_last_o,
  output logic                      out_valid_o,
  input  logic                      out_ready_i,

  output logic                      busy_o         // groups are waiting
);

  localparam int unsigned Depth     = 32;
  localparam int unsigned InFlight  = MatvecLatency + RescaleLatency + 2;  // count, room_q
  localparam int unsigned CountBits = $clog2(Depth);
  localparam int unsigned GroupLog2 = $clog2(Segments);

  // ----------------------------------------------------------------------------------- the queue

  typedef struct packed {
    logic [16:0]               base_id;
    logic                      last;
    logic [Segments-1:0][31:0] rows;
  } group_t;

  logic               push, pop, push_ready, waits, wanted;
  logic [CountBits:0] count;
  logic               room_q;
  group_t             new_group, group;

  assign push      = rows_valid_i && rows_tag_i.op == OpHead;
  assign pop       = waits && wanted;
  assign new_group = '{base_id: rows_tag_i.group << GroupLog2, last: rows_tag_i.last, rows: rows_i};

  fifo #(.Width($bits(group_t)), .Depth(Depth)) u_groups (
    .clk_i, .rst_ni,
    .wr_valid_i(push), .wr_ready_o(push_ready), .wr_data_i(new_group),
    .rd_valid_o(waits), .rd_ready_i(wanted), .rd_data_o(group), .count_o(count)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) room_q <= 1'b1;
    else         room_q <= count <= (CountBits+1)'(Depth - InFlight);
  end

  assign room_o = room_q;

  // ------------------------------------------------------------------- the group that is offered

  logic                      valid_q;
  logic [16:0]               base_id_q;
  logic [Segments-1:0]       mask_q;
  logic [Segments-1:0][31:0] rows_q;
  logic                      last_q;
  logic                      taken;              // by all its readers

  assign wanted = !valid_q || taken;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_q <= 1'b0;
    else         valid_q <= pop || (valid_q && !taken);
  end

  always_ff @(posedge clk_i) begin
    if (pop) begin
      automatic logic [16:0]         ids     = cfg_i.n_vocab - group.base_id;  // from it on
      automatic logic [Segments-1:0] mask    = '1;
      if (ids < 17'(Segments)) begin
        for (int i = 0; i < int'(Segments); i++) mask[i] = 17'(i) < ids;
      end
      base_id_q <= group.base_id;
      mask_q    <= mask;
      rows_q    <= group.rows;
      last_q    <= group.last;
    end
  end

  assign busy_o       = waits || valid_q;
  assign lg_base_id_o = base_id_q;
  assign lg_mask_o    = mask_q;
  assign lg_rows_o    = rows_q;
  assign lg_last_o    = last_q;

  // ------------------------------------------------------------------------------------ the fork

  logic lg_done_q, out_done_q;                   // this reader has taken the group, the other not

  assign lg_valid_o  = valid_q && !lg_done_q;
  assign out_valid_o = valid_q && !out_done_q && stream_logits_i;
  assign taken       = valid_q && (lg_done_q || lg_ready_i)
                     && (out_done_q || out_ready_i || !stream_logits_i);

  always_ff @(posedge clk_i) begin
    if (!rst_ni || taken) begin
      lg_done_q  <= 1'b0;
      out_done_q <= 1'b0;
    end else begin
      if (lg_valid_o && lg_ready_i)   lg_done_q  <= 1'b1;
      if (out_valid_o && out_ready_i) out_done_q <= 1'b1;
    end
  end

  // ---------------------------------------------------------------------------------- assertions

  `ASSERT(push |-> push_ready,
          ("%m: the queue overflows: more groups under way than room_o promises"))
  `ASSERT(push |-> (rows_tag_i.group << GroupLog2) < cfg_i.n_vocab,
          ("%m: group %0d of OpHead has no id below the vocabulary", rows_tag_i.group))
  `ASSERT(lg_valid_o && !lg_ready_i |=> lg_valid_o && $stable(lg_base_id_o) && $stable(lg_rows_o),
          ("%m: a group changed before sampling took it"))
  `ASSERT(out_valid_o && !out_ready_i
          |=> out_valid_o && $stable(lg_base_id_o) && $stable(lg_rows_o),
          ("%m: a group changed before the second reader took it"))

endmodule
