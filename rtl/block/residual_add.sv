// SPDX-License-Identifier: Apache-2.0

// residual_add - the residual memory of an engine's members: adds rows to it and accumulates
// LayerNorm's two sums
//
//   x[c] = sat(x[c] + round(row[c])),   sum = sum_c x[c],   sum_sq = sum_c x[c]^2
//
// Member m of the machine has place m / Engines here; the rows of different members may alternate.
//
// In      rows  the engine's rows, Q14.16, Segments a cycle, rigid: OpProj and OpMlp2 are taken
//         emb   the embeddings' rows, the same but valid/ready: OpPos (x[c] is taken as 0) and
//               OpToken; they yield to the engine's, and a pass of them begins when the results of
//               the previous one are in the memory
//         A pass is a member's C rows of one job: groups 0, 1, ... up to the one with tag.last
// Out     sums  a pulse for a member's pass, with its tag; not for OpPos, which is half an embedding.
//               sum (Q.12) and sum_sq (Q.24) of place sums_place_i, exact, until its next pass begins
//         residual   the new x, Q14.12 sign-extended, Segments a cycle as they are written, rigid
//         rd    ReadWidth numbers of place rd_place_i, row rd_row_i, one cycle after rd_en_i, held
//               until the next
// Rounds  rows to Q14.12 half up; x saturates at +-(2^26 - 1), which sat_o counts
// Timing  Segments numbers a cycle; 3 cycles from a row to residual, 6 from its last row to sums
// Stores  MaxHeads x 64 numbers of 27 bits of each member, sign-extended to 32, ReadWidth in a row
// Assumes that no row is read while rows arrive: the two share the memory's read port. Three cycles
//         or more lie between two passes if the engine's rows are the second: LayerNorm and matrices
//         lie between them
// Golden  golden/residual_add.c: residual_add() - equal bit for bit

`include "assert.svh"

module residual_add
  import gpt2_pkg::*;
#(
  parameter int unsigned Segments = 16,    // rows a cycle: 1, 2, 4, ... 64
  parameter int unsigned MaxHeads = 25,    // C is at most 64 MaxHeads
  parameter int unsigned ReadWidth = HeadDim,    // numbers a read: Segments or more, 64 or fewer
  parameter int unsigned Positions = 1,
  parameter int unsigned Engines   = Positions,
  localparam int unsigned Members   = Positions / Engines,
  localparam int unsigned PlaceBits = (Members > 1) ? $clog2(Members) : 1
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,

  input  logic                      rows_valid_i,
  input  tag_t                      rows_tag_i,
  input  logic [Segments-1:0][31:0] rows_i,

  input  logic                      emb_valid_i,
  output logic                      emb_ready_o,
  input  tag_t                      emb_tag_i,
  input  logic [Segments-1:0][31:0] emb_rows_i,

  output logic [Members-1:0]        sums_valid_o,
  output tag_t                      sums_tag_o,
  input  logic [PlaceBits-1:0]      sums_place_i,
  output logic signed [37:0]        sum_o,
  output logic [62:0]               sum_sq_o,

  input  logic                      rd_en_i,
  input  logic [PlaceBits-1:0]      rd_place_i,
  input  logic [10:0]               rd_row_i,
  output logic [ReadWidth-1:0][31:0] rd_rows_o,

  output logic                      residual_valid_o,
  output tag_t                      residual_tag_o,
  output logic [Segments-1:0][31:0] residual_rows_o,

  output logic [6:0]                sat_o
);

  localparam int unsigned RowGroups = ReadWidth / Segments;
  localparam int unsigned GroupBits = (RowGroups > 1) ? $clog2(RowGroups) : 1;
  localparam int unsigned NumRows   = MaxHeads * HeadDim / ReadWidth * Members;
  localparam int unsigned RowAddrBits = (NumRows > 1) ? $clog2(NumRows) : 1;

  typedef logic [GroupBits-1:0] group_t;
  typedef logic [RowAddrBits-1:0] addr_t;

  localparam group_t LastGroup = group_t'(RowGroups - 1);

  // A group of Segments numbers is in one row. One member's groups come in order, so the place of the
  // next is known before it comes; its tag would come too late.
  typedef struct packed {
    addr_t  row;
    group_t group;                         // of the row
  } place_t;

  function automatic logic [PlaceBits-1:0] place_of(logic [3:0] member);
    return (Members > 1) ? PlaceBits'(32'(member) / Engines) : '0;
  endfunction

  function automatic addr_t row_of(logic [PlaceBits-1:0] of_member, logic [16:0] row);
    return (Members > 1) ? addr_t'(row << $clog2(Members)) | addr_t'(of_member) : addr_t'(row);
  endfunction

  // Registers named k_q are k cycles after the input: 1 has read the old x's row, 2 has the old x, 3
  // has the new x and writes it, 4 squares, 5 sums of up to 16. The total sums are 6 cycles after it.
  logic valid1_q, valid2_q, valid3_q, valid4_q, valid5_q;
  logic first5_q;                          // a pass's first group
  tag_t tag1_q, tag2_q, tag3_q, tag4_q, tag5_q;

  // ------------------------------------------------------------- 0: one of the two inputs, rounded

  logic   from_rows, valid;
  logic   hazard;                          // a pass's first group may be on its way to the memory
  tag_t   tag;
  place_t place, place1_q, place2_q, place3_q;     // place: of the next group

  assign hazard      = emb_tag_i.group == '0 && (valid1_q || valid2_q || valid3_q);
  assign from_rows   = rows_valid_i && (rows_tag_i.op == OpProj || rows_tag_i.op == OpMlp2);
  assign emb_ready_o = !from_rows && !hazard;
  assign valid       = from_rows || (emb_valid_i && emb_ready_o);
  assign tag         = from_rows ? rows_tag_i : emb_tag_i;

  logic [Segments-1:0][31:0] delta1_q;     // Q14.12, signed; a token's may be wider than a row_t

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid1_q <= 1'b0;
    else         valid1_q <= valid;
    if (valid) begin
      tag1_q   <= tag;
      place1_q <= place;
      for (int s = 0; s < Segments; s++) begin
        delta1_q[s] <= 32'((33'($signed(from_rows ? rows_i[s] : emb_rows_i[s])) + 33'sd8) >>> 4);
      end
    end
  end

  if (Members == 1) begin : gen_place
    place_t place_q;

    always_ff @(posedge clk_i) begin
      if (!rst_ni) place_q <= '0;
      else if (valid) begin
        place_q.group <= (tag.last || place_q.group == LastGroup) ? '0 : place_q.group + 1'b1;
        if (tag.last)                        place_q.row <= '0;
        else if (place_q.group == LastGroup) place_q.row <= place_q.row + 1'b1;
      end
    end
    assign place = place_q;
  end else begin : gen_places
    assign place = '{row: row_of(place_of(tag.member), 17'(32'(tag.group) / RowGroups)),
                     group: group_t'(32'(tag.group) % RowGroups)};
  end

  // ------------------------------------------------------------ 0, 3: the memory, read and written
  //
  // x is sign-extended everywhere, so that it is extended only once.

  logic [RowGroups-1:0][Segments-1:0][31:0] row1_q;        // read
  logic [Segments-1:0][31:0]                x3_q, x4_q;
  addr_t                                    read_row;

  assign read_row = rd_en_i ? row_of(rd_place_i, 17'(rd_row_i)) : place.row;

  logic unused_rd_row;
  assign unused_rd_row = ^{rd_row_i, rd_place_i};  // MaxHeads and Members may need fewer bits

  // A memory for each group of a row.
  for (genvar g = 0; g < int'(RowGroups); g++) begin : gen_group
    ram_1r1w #(.Width(32 * Segments), .Depth(NumRows)) u_residual (
      .clk_i,
      .wr_en_i(valid3_q && place3_q.group == group_t'(g)), .wr_addr_i(place3_q.row),
      .wr_strb_i(1'b1), .wr_data_i(x3_q),
      .rd_en_i(rd_en_i || (valid && place.group == group_t'(g))), .rd_addr_i(read_row),
      .rd_data_o(row1_q[g])
    );
  end

  assign rd_rows_o = row1_q;

  // --------------------------------------------------------- 1: the old x; 2: add to it and saturate

  logic [Segments-1:0][31:0] old2_q, delta2_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid2_q <= 1'b0;
    end else begin
      valid2_q <= valid1_q;
    end
    if (valid1_q) begin
      tag2_q   <= tag1_q;
      place2_q <= place1_q;
      old2_q   <= tag1_q.op == OpPos ? '0 : row1_q[place1_q.group];
      delta2_q <= delta1_q;
    end
  end

  // Beyond the symmetric range: detected without the carry chain of a comparison.
  function automatic logic overflows(logic [31:0] x);
    return x[31] ? x[30:ResBits-1] != '1 || x[ResBits-2:0] == '0 : x[30:ResBits-1] != '0;
  endfunction

  logic [Segments-1:0][31:0] added, new_x;
  logic [Segments-1:0]       saturated, saturated3_q;

  always_comb begin
    added     = '0;
    saturated = '0;
    new_x     = '0;
    if (valid2_q) begin
      for (int s = 0; s < Segments; s++) begin
        added[s]     = old2_q[s] + delta2_q[s];
        saturated[s] = overflows(added[s]);
        new_x[s]     = 32'($signed(!saturated[s] ? added[s][ResBits-1:0]
                                                 : added[s][31] ? -ResMax : ResMax));
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid3_q <= 1'b0;
    end else begin
      valid3_q <= valid2_q;
    end
    if (valid2_q) begin
      tag3_q       <= tag2_q;
      place3_q     <= place2_q;
      x3_q         <= new_x;
      saturated3_q <= saturated;
    end
  end

  assign residual_valid_o = valid3_q;
  assign residual_tag_o   = tag3_q;
  assign residual_rows_o  = x3_q;

  // --------------------------------------------------------------- 3: squares; 4: sums of up to 16
  //
  // x = high 2^13 + low, so x^2 = {high^2, low^2} + high low 2^14: three small multiplications, and
  // one addition after their registers.

  localparam int unsigned NumParts = (Segments < 4) ? Segments : 4;
  localparam int unsigned PartSize = Segments / NumParts;

  localparam int unsigned LowBits  = 13;
  localparam int unsigned HighBits = ResBits - LowBits;

  logic [2*HighBits-1:0]     high_high4_q [Segments];
  logic [2*LowBits-1:0]      low_low4_q   [Segments];
  logic [ResBits-1:0]        high_low4_q  [Segments];    // signed
  logic [NumParts-1:0][37:0]        sum5_q;      // signed
  logic [NumParts-1:0][62:0]        sum_sq5_q;

  logic [NumParts-1:0][37:0]        part_sum;
  logic [NumParts-1:0][62:0]        part_sum_sq;

  always_comb begin
    part_sum    = '0;
    part_sum_sq = '0;
    if (valid4_q) begin
      for (int s = 0; s < Segments; s++) begin
        part_sum[s/PartSize]    = part_sum[s/PartSize] + 38'($signed(x4_q[s]));
        part_sum_sq[s/PartSize] = part_sum_sq[s/PartSize] + 63'({high_high4_q[s], low_low4_q[s]})
                                + (63'($signed(high_low4_q[s])) << (LowBits + 1));
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid4_q <= 1'b0;
      valid5_q <= 1'b0;
      sat_o    <= '0;
    end else begin
      valid4_q <= valid3_q;
      valid5_q <= valid4_q;
      sat_o    <= valid3_q ? 7'($countones(saturated3_q)) : '0;
    end
    if (valid3_q) begin
      tag4_q <= tag3_q;
      x4_q   <= x3_q;
    end
    if (valid4_q) begin
      tag5_q    <= tag4_q;
      first5_q  <= tag4_q.group == 0;
      sum5_q    <= part_sum;
      sum_sq5_q <= part_sum_sq;
    end
  end

  for (genvar s = 0; s < int'(Segments); s++) begin : gen_square
    logic [HighBits-1:0] high;                   // signed
    logic [LowBits-1:0]  low;

    assign high = x3_q[s][ResBits-1:LowBits];
    assign low  = x3_q[s][LowBits-1:0];

    multiplier #(.ABits(HighBits), .BBits(HighBits), .ASigned(1'b1), .BSigned(1'b1)) u_high_high (
      .clk_i, .en_i(valid3_q), .a_i(high), .b_i(high), .p_o(high_high4_q[s])
    );
    multiplier #(.ABits(LowBits), .BBits(LowBits)) u_low_low (
      .clk_i, .en_i(valid3_q), .a_i(low), .b_i(low), .p_o(low_low4_q[s])
    );
    multiplier #(.ABits(HighBits), .BBits(LowBits), .ASigned(1'b1)) u_high_low (
      .clk_i, .en_i(valid3_q), .a_i(high), .b_i(low), .p_o(high_low4_q[s])
    );
  end

  // ---------------------------------------------------------------------------- 5: each one's sums

  logic [PlaceBits-1:0] place5;
  logic signed [37:0]   sum_d, sum_q [Members];          // 1600 x 2^26 < 2^37
  logic [62:0]          sum_sq_d, sum_sq_q [Members];    // 1600 x 2^52 < 2^63
  logic                 pass_ends;

  assign place5    = place_of(tag5_q.member);
  assign pass_ends = valid5_q && tag5_q.last && tag5_q.op != OpPos;

  always_comb begin
    sum_d    = sum_q[place5];
    sum_sq_d = sum_sq_q[place5];
    if (valid5_q) begin
      if (first5_q) begin
        sum_d    = '0;
        sum_sq_d = '0;
      end
      for (int p = 0; p < NumParts; p++) begin
        sum_d    = sum_d + $signed(sum5_q[p]);
        sum_sq_d = sum_sq_d + sum_sq5_q[p];
      end
    end
  end

  always_ff @(posedge clk_i) begin
    for (int unsigned m = 0; m < Members; m++) begin
      sums_valid_o[m] <= rst_ni && pass_ends && place5 == PlaceBits'(m);
    end
    if (valid5_q) begin
      sum_q[place5]    <= sum_d;
      sum_sq_q[place5] <= sum_sq_d;
    end
    if (pass_ends) sums_tag_o <= tag5_q;
  end

  assign sum_o    = sum_q[sums_place_i];
  assign sum_sq_o = sum_sq_q[sums_place_i];

  `ERROR_IF(segments,
            Segments > HeadDim || HeadDim % Segments != 0,
            ("Segments is %0d; it must divide a block of 64 rows", Segments))
  `ERROR_IF(max_heads,
            MaxHeads > 25,
            ("MaxHeads is %0d; the sums' widths hold 25 heads, 1600 numbers", MaxHeads))
  `ERROR_IF(read_width,
            ReadWidth < Segments || ReadWidth > HeadDim || HeadDim % ReadWidth != 0,
            ("ReadWidth is %0d; it must divide a block of 64 rows, and hold Segments", ReadWidth))
  `ASSERT(!(rd_en_i && valid), ("residual_add: a row was read while rows were being added"))
  `ASSERT(valid |-> 32'(tag.group) < RowGroups * NumRows / Members,
          ("residual_add: a row beyond MaxHeads x 64"))
  `ASSERT(valid && Members == 1
          |-> 32'(tag.group) == 32'(place.row) * RowGroups + 32'(place.group),
          ("residual_add: group %0d is not the next one", tag.group))
  `ASSERT(valid |-> !(valid1_q && place1_q == place) && !(valid2_q && place2_q == place) &&
                    !(valid3_q && place3_q == place),
          ("residual_add: rows came before those that they are added to were in the memory"))
  `ASSERT(emb_valid_i |-> emb_tag_i.op == OpPos || emb_tag_i.op == OpToken,
          ("residual_add: an embedding row's job is neither OpPos nor OpToken"))
  `ASSERT(emb_valid_i && !emb_ready_o |=> emb_valid_i && $stable(emb_tag_i) && $stable(emb_rows_i),
          ("residual_add: an embedding row changed before it was taken"))

endmodule
