// SPDX-License-Identifier: Apache-2.0

// token_embedding - one int8 row of the token table as rows of the residual
//
//   row[c] = w[c] * scale,   scale = (2048 + f) * 2^(e - 35)
//
// In      the beats of an OpToken job, valid/ready: a side beat, whose word job.side_index holds
//         the row's scale, then n_head beats whose segment job.row_in_group holds 64 of its int8
// Out     rows, Q14.16, Segments a cycle, valid/ready; tag.group ascends over the whole row, with
//         tag.last on the last
// Rounds  half up; nothing saturates: the largest scale gives 32 bits, one more than a row_t
// Timing  64 / Segments cycles a beat, 1 for the side beat; latency 5 from a beat to its first rows
// Stores  one segment of the beat in work; the next beat is taken with that one's last rows
// Golden  golden/token_embedding.c: token_embedding() - equal bit for bit
module token_embedding
  import gpt2_pkg::*;
#(
  parameter int unsigned Segments = 16
) (
  input  logic                               clk_i,
  input  logic                               rst_ni,

  input  logic                               in_valid_i,
  output logic                               in_ready_o,
  input  label_t                             in_label_i,
  input  logic [Segments-1:0][HeadDim*8-1:0] in_data_i,

  output logic                               out_valid_o,
  input  logic                               out_ready_i,
  output tag_t                               out_tag_o,
  output logic [Segments-1:0][31:0]          out_rows_o
);

  localparam int unsigned NumSlices   = HeadDim / Segments;
  localparam int unsigned SliceBits   = (NumSlices > 1) ? $clog2(NumSlices) : 1;
  localparam int unsigned SegmentBits = (Segments > 1) ? $clog2(Segments) : 1;

  logic advance;                           // the stages behind the beat move
  assign advance = !out_valid_o || out_ready_i;

  // ----------------------------------------------------------------------- the segment of the beat
  //
  // Word i of a side beat stands in segment i / 16, so both kinds of beats need one segment only.

  logic                   beat_valid_q, beat_done;
  logic                   side_q;
  logic [3:0]             word_q;          // of the side beat's segment
  tag_t                   tag_q;           // tag.group of slice 0
  logic [NumSlices-1:0][Segments-1:0][7:0] beat_q;
  logic [SliceBits-1:0]   slice_q;         // which of the beat's Segments elements come next
  logic                   slice_last;
  scale_t                 scale_q;
  logic [5:0]             segment;

  logic [SideGroups-1:0][31:0] beat_words; // the same, as a side beat's
  assign beat_words = beat_q;

  assign segment    = in_label_i.side ? in_label_i.job.side_index[9:4]
                                      : in_label_i.job.row_in_group;
  assign slice_last = slice_q == SliceBits'(NumSlices - 1);
  assign beat_done  = beat_valid_q && (side_q || (slice_last && advance));
  assign in_ready_o = !beat_valid_q || beat_done;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      beat_valid_q <= 1'b0;
    end else if (in_ready_o) begin
      beat_valid_q <= in_valid_i;
    end
    if (in_valid_i && in_ready_o) begin
      side_q            <= in_label_i.side;
      word_q            <= in_label_i.job.side_index[3:0];
      beat_q            <= in_data_i[SegmentBits'(segment)];
      slice_q           <= '0;
      tag_q.op          <= in_label_i.job.op;
      tag_q.layer       <= in_label_i.job.layer;
      tag_q.head        <= in_label_i.job.head;
      tag_q.final_layer <= in_label_i.job.final_layer;
      tag_q.want_head   <= in_label_i.job.want_head;
      tag_q.position    <= in_label_i.job.position;
      tag_q.group       <= 17'(in_label_i.block) * 17'(NumSlices);
      tag_q.last        <= in_label_i.last_block;
    end else if (advance) begin
      slice_q <= slice_q + 1'b1;
    end
    if (beat_valid_q && side_q) scale_q <= beat_words[word_q][15:0];
  end

  // Registers named k_q are stage k's. The scale goes along: the next row's may already be here.
  logic       valid1_q, valid2_q, valid3_q;
  tag_t       tag1_q, tag2_q, tag3_q;
  scale_t     scale1_q;
  logic [4:0] exponent2_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid1_q    <= 1'b0;
      valid2_q    <= 1'b0;
      valid3_q    <= 1'b0;
      out_valid_o <= 1'b0;
    end else if (advance) begin
      valid1_q    <= beat_valid_q && !side_q;
      valid2_q    <= valid1_q;
      valid3_q    <= valid2_q;
      out_valid_o <= valid3_q;
    end
  end

  // -------------------------------------------------------------------------- 1: Segments elements

  logic [Segments-1:0][7:0] weight1_q;     // int8

  always_ff @(posedge clk_i) begin
    if (advance && beat_valid_q && !side_q) begin
      weight1_q    <= beat_q[slice_q];
      scale1_q     <= scale_q;
      tag1_q       <= tag_q;
      tag1_q.group <= tag_q.group + 17'(slice_q);
      tag1_q.last  <= tag_q.last && slice_last;
    end
  end

  // ------------------------------------------------------------------------- 2: times the mantissa

  logic [Segments-1:0][20:0] product2_q;   // signed

  always_ff @(posedge clk_i) begin
    if (advance && valid1_q) begin
      for (int s = 0; s < Segments; s++) begin
        product2_q[s] <= 21'($signed(weight1_q[s])) * 21'(scale_mantissa(scale1_q));
      end
      exponent2_q <= scale1_q[15:11];
      tag2_q      <= tag1_q;
    end
  end

  // ---------------------------------------- 3: shift, with one fraction bit more; 4: round half up
  //
  // row = product * 2^(e - 35 + 16) = product * 2^12 / 2^(31 - e)

  logic [Segments-1:0][33:0] shifted3_q;   // signed, 17 fraction bits

  always_ff @(posedge clk_i) begin
    if (advance && valid2_q) begin
      for (int s = 0; s < Segments; s++) begin
        shifted3_q[s] <= 34'($signed({product2_q[s], 13'd0}) >>> (5'd31 - exponent2_q));
      end
      tag3_q <= tag2_q;
    end
    if (advance && valid3_q) begin
      for (int s = 0; s < Segments; s++) begin
        out_rows_o[s] <= 32'(($signed(shifted3_q[s]) + 34'sd1) >>> 1);
      end
      out_tag_o <= tag3_q;
    end
  end

  logic unused_label;
  assign unused_label = ^in_label_i;       // where the beat stands is all that matters here

`ifndef SYNTHESIS
  initial begin
    if (Segments > HeadDim || HeadDim % Segments != 0) begin
      $fatal(1, "%m: Segments is %0d; it must divide a block of 64 rows", Segments);
    end
  end

  assert property (@(posedge clk_i) disable iff (!rst_ni)
                   in_valid_i |-> in_label_i.job.op == OpToken && 32'(segment) < Segments)
    else $error("token_embedding: a beat of another job, or of a segment that does not exist");
  assert property (@(posedge clk_i) disable iff (!rst_ni)
                   out_valid_o && !out_ready_i
                   |=> out_valid_o && $stable(out_tag_o) && $stable(out_rows_o))
    else $error("token_embedding: rows changed before they were taken");
`endif

endmodule
