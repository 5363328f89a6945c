// SPDX-License-Identifier: Apache-2.0
//
// embedding_row - a row of the position table (int16) or of the token table (int8), with one scale,
// as rows of the residual
//
//   row[c] = w[c] * scale,   scale = (2048 + f) * 2^(e - 35);   int16: w[c] = 256 high[c] + low[c]
//
// In      the beats of a job, valid/ready: a side beat, whose word side_index holds the scale, then
//         beats whose segment row_in_group holds 64 int8. OpToken: n_head of them. OpPos: 2 n_head;
//         block 2k holds the high bytes of elements 64k .. 64k + 63, block 2k + 1 the low ones
// Out     rows, Q14.16, Segments a cycle, valid/ready; tag.group ascends over the whole row, with
//         tag.last on the last
// Rounds  half up; int16 saturates at +-(2^30 - 1), which sat_o counts as rows are taken; int8
//         never saturates: the largest scale gives 32 bits, one more than a row_t
// Timing  64 / Segments + 1 cycles a beat of int8 or of low bytes, 1 for each of high bytes; a side
//         beat is always taken, beside the rows of the beat before. Latency 6 from a beat (int16: a
//         pair's second) to its first rows. in_ready_o does not depend on out_ready_i
// Stores  one segment of two beats; the next beat is taken after the last rows
// Golden  golden/token_embedding.c, golden/pos_embedding.c up to the addition - equal bit for bit

`include "assert.svh"

module embedding_row
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
  output logic [Segments-1:0][31:0]          out_rows_o,

  output logic [6:0]                         sat_o
);

  localparam int unsigned NumSlices   = HeadDim / Segments;
  localparam int unsigned SliceBits   = (NumSlices > 1) ? $clog2(NumSlices) : 1;
  localparam int unsigned SegmentBits = (Segments > 1) ? $clog2(Segments) : 1;
  localparam int unsigned ElementBits = 17;                          // high and low: with a carry
  localparam int unsigned FactorBits  = 15;                          // a mantissa times 1, 2, 4, 8
  localparam int unsigned ProductBits = ElementBits + FactorBits;
  localparam int unsigned ShiftBits   = ProductBits + 10;

  logic advance;                           // the stages after the beat move
  assign advance = !out_valid_o || out_ready_i;

  // ----------------------------------------------------------------------- the segment of the beat
  //
  // Word i of a side beat is in segment i / 16, so both kinds of beats need only one segment.

  logic                   beat_valid_q, beat_done, beat_taken;
  logic                   is_pos, high_q, wide_q;  // high bytes; the low ones of int16
  tag_t                   tag_q;           // tag.group of slice 0
  logic [NumSlices-1:0][Segments-1:0][7:0] beat_q, high_bytes_q;
  logic [SliceBits-1:0]   slice_q;         // which of the beat's Segments elements come next
  logic                   slice_last_q;
  scale_t                 next_scale_q, scale_q;   // of the beats to come, of beat_q
  logic [5:0]             segment;

  assign segment    = in_label_i.side ? in_label_i.place.side_index[9:4]
                                      : in_label_i.place.row_in_group;

  assign is_pos     = in_label_i.tag.op == OpPos;
  assign beat_done  = beat_valid_q && (high_q || (slice_last_q && advance));
  assign in_ready_o = in_label_i.side || !beat_valid_q || high_q;
  assign beat_taken = in_valid_i && in_ready_o && !in_label_i.side;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      beat_valid_q <= 1'b0;
    end else if (beat_taken || beat_done) begin
      beat_valid_q <= beat_taken;
    end
    if (in_valid_i && in_label_i.side) begin
      next_scale_q <= in_data_i[SegmentBits'(segment)]
                               [32*int'(in_label_i.place.side_index[3:0]) +: 16];
    end
    if (beat_taken) begin
      scale_q     <= next_scale_q;
      high_q      <= is_pos && !in_label_i.block[0];
      wide_q      <= is_pos;
      beat_q      <= in_data_i[SegmentBits'(segment)];
      slice_q     <= '0;
      slice_last_q <= 1'(NumSlices == 1);
      tag_q       <= in_label_i.tag;
      tag_q.group <= (17'(in_label_i.block) >> is_pos) * 17'(NumSlices);
      tag_q.last  <= in_label_i.last_block;
    end else if (advance) begin
      slice_q      <= slice_q + 1'b1;
      slice_last_q <= 32'(slice_q) + 2 == NumSlices;
    end
    if (beat_valid_q && high_q) high_bytes_q <= beat_q;
  end

  // Registers named k_q are stage k's. The scale travels along: the next row's may already be here.
  logic       valid1_q, valid2_q, valid3_q, valid4_q;
  tag_t       tag1_q, tag2_q, tag3_q, tag4_q;
  logic [FactorBits-1:0] factor1_q, factor2_q;
  logic [2:0] exponent1_q, exponent2_q, exponent3_q;   // in fours

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid1_q    <= 1'b0;
      valid2_q    <= 1'b0;
      valid3_q    <= 1'b0;
      valid4_q    <= 1'b0;
      out_valid_o <= 1'b0;
    end else if (advance) begin
      valid1_q    <= beat_valid_q && !high_q;
      valid2_q    <= valid1_q;
      valid3_q    <= valid2_q;
      valid4_q    <= valid3_q;
      out_valid_o <= valid4_q;
    end
  end

  // ------------------------------------------------------ 1: a slice's bytes; 2: Segments elements

  logic [Segments-1:0][7:0]             bytes1_q, high_bytes1_q;   // these 0 for int8
  logic [Segments-1:0][ElementBits-1:0] element2_q;   // signed

  always_ff @(posedge clk_i) begin
    if (advance && beat_valid_q && !high_q) begin
      bytes1_q      <= beat_q[slice_q];
      high_bytes1_q <= wide_q ? high_bytes_q[slice_q] : '0;
      factor1_q     <= FactorBits'({1'b1, scale_q[10:0]}) << scale_q[12:11];
      exponent1_q   <= scale_q[15:13];
      tag1_q        <= tag_q;
      tag1_q.group  <= tag_q.group + 17'(slice_q);
      tag1_q.last   <= tag_q.last && slice_last_q;
    end
    if (advance && valid1_q) begin
      for (int s = 0; s < Segments; s++) begin
        element2_q[s] <= ElementBits'($signed(bytes1_q[s]))
                       + ElementBits'($signed({high_bytes1_q[s], 8'd0}));
      end
      factor2_q   <= factor1_q;
      exponent2_q <= exponent1_q;
      tag2_q      <= tag1_q;
    end
  end

  // ------------------------------------------------------------------------- 3: times the mantissa
  //
  // The exponent's last two bits are in the factor already.

  logic [ProductBits-1:0] product3_q [Segments];      // signed

  always_ff @(posedge clk_i) begin
    if (advance && valid2_q) begin
      exponent3_q <= exponent2_q;
      tag3_q      <= tag2_q;
    end
  end

  for (genvar s = 0; s < int'(Segments); s++) begin : gen_product
    multiplier #(.ABits(ElementBits), .BBits(FactorBits), .ASigned(1'b1)) u_product (
      .clk_i, .en_i(advance && valid2_q), .a_i(element2_q[s]), .b_i(factor2_q),
      .p_o(product3_q[s])
    );
  end

  // -------------------------------------- 4: shift, with one fraction bit more; 5: round, saturate
  //
  // row = product * 2^(e - 35 + 16) = product * 2^12 / 2^(31 - e)

  logic [Segments-1:0][ShiftBits-1:0] shifted4_q;     // signed, 17 fraction bits
  logic [Segments-1:0]                saturated5_q;

  always_ff @(posedge clk_i) begin
    if (advance && valid3_q) begin
      for (int s = 0; s < Segments; s++) begin
        shifted4_q[s] <= $signed({product3_q[s], 10'd0}) >>> {~exponent3_q, 2'd0};
      end
      tag4_q <= tag3_q;
    end
    if (advance && valid4_q) begin
      for (int s = 0; s < Segments; s++) begin
        automatic logic signed [ShiftBits-1:0] row;
        automatic logic                        saturates;
        row       = ShiftBits'($signed(shifted4_q[s]) >>> 1) + ShiftBits'(shifted4_q[s][0]);
        saturates = tag4_q.op == OpPos && (row[ShiftBits-1]
                  ? row[ShiftBits-2:RowBits-1] != '1 || row[RowBits-2:0] == '0
                  : row[ShiftBits-2:RowBits-1] != '0);
        saturated5_q[s] <= saturates;
        out_rows_o[s]   <= !saturates         ? 32'(row)
                         : row[ShiftBits-1]   ? -32'(RowMax) : 32'(RowMax);
      end
      out_tag_o <= tag4_q;
    end
    if (!rst_ni) sat_o <= '0;
    else         sat_o <= (out_valid_o && out_ready_i) ? 7'($countones(saturated5_q)) : '0;
  end

  `ERROR_IF(segments,
            Segments > HeadDim || HeadDim % Segments != 0,
            ("Segments is %0d; it must divide a block of 64 rows", Segments))
  `ASSERT(in_valid_i |-> in_label_i.tag.op inside {OpPos, OpToken}, ("%m: a beat of another job"))
  `ASSERT(in_valid_i |-> 32'(segment) < Segments, ("%m: a beat of a segment that does not exist"))
  `ASSERT(out_valid_o && !out_ready_i |=> out_valid_o && $stable(out_tag_o) && $stable(out_rows_o),
          ("%m: rows changed before they were taken"))

endmodule
