// SPDX-License-Identifier: Apache-2.0
//
// qkv_linear - turns a head's query into an operand block, and its key and value into int8 with a
// scale
//
//   q[i] = round(127 x[i] / max|x|),   scale = max|x| / 127
//
// In      rows    of OpQkv: 64 of Q, 64 of K, 64 of V, Segments per cycle, gaps anywhere; rigid
// Out     blk     Segments rows of Q, for slot 6 MaxHeads + head % 2; rigid, as they arrive
//         kv      K, then V: 64 int8 and a scale, with head and layer; rigid, a pulse for each
//                 vector
// Rounds  max|x| is truncated to its 16 highest bits m; half up: 127/m to 24 fraction bits, x to
//         max|x|'s 16 bits, their product to an integer, the scale to 12 bits; q clamps to +-127
// Timing  12 + ceil(log4 Segments) + 64/Segments cycles from a vector's last rows to its pulse; V
//         may follow K at full rate
// Keeps   a queue of rows, for two vectors and the pipeline; the vector being finished
// Golden  golden/kv_cache.c: kv_quantize(); golden/qkv_linear.c - equal bit for bit

`include "assert.svh"

module qkv_linear
  import gpt2_pkg::*;
#(
  parameter int unsigned Segments = 16,
  parameter int unsigned MaxHeads = 25
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,

  input  logic                      rows_valid_i,
  input  tag_t                      rows_tag_i,
  input  logic [Segments-1:0][31:0] rows_i,

  output logic                      blk_valid_o,
  output logic [7:0]                blk_slot_o,
  output logic [Segments-1:0][31:0] blk_rows_o,

  output logic                      kv_valid_o,
  output logic                      kv_is_v_o,
  output logic [5:0]                kv_head_o,
  output logic [7:0]                kv_layer_o,
  output logic [HeadDim-1:0][7:0]   kv_q_o,
  output scale_t                    kv_scale_o
);

  localparam int unsigned Groups    = HeadDim / Segments;        // of a vector
  localparam int unsigned GroupLog  = $clog2(Groups);
  localparam int unsigned IndexBits = (Groups > 1) ? GroupLog : 1;
  localparam int unsigned SlotQ     = q_slot(MaxHeads);
  // A vector waits for its last rows, then up to 12 cycles for its reciprocal. Meanwhile the next
  // may arrive.
  localparam int unsigned QueueLog  = $clog2(2 * Groups + 16);

  typedef logic [IndexBits-1:0] index_t;

  localparam index_t LastIndex = index_t'(Groups - 1);

  typedef struct packed {
    logic       is_v;
    logic [5:0] head;
    logic [7:0] layer;
  } place_t;

  // ------------------------------------------------------------------------------------- Q, K or V

  logic is_qkv, is_kv, is_v, group_first, group_last;

  assign is_qkv      = rows_valid_i && rows_tag_i.op == OpQkv;
  assign is_kv       = is_qkv && rows_tag_i.group >= 17'(Groups);
  assign is_v        = rows_tag_i.group >= 17'(2 * Groups);
  assign group_first = (rows_tag_i.group & 17'(Groups - 1)) == 0;
  assign group_last  = (rows_tag_i.group & 17'(Groups - 1)) == 17'(Groups - 1);

  assign blk_valid_o = is_qkv && rows_tag_i.group < 17'(Groups);
  assign blk_slot_o  = 8'(SlotQ) + 8'(rows_tag_i.head[0]);
  assign blk_rows_o  = rows_i;

  // -------------------------------------- K and V wait for their maximum, a place with each vector

  logic                      read;                 // a group leaves the queue
  logic                      rows_ready, rows_waiting, place_ready, place_waiting;
  logic [Segments-1:0][31:0] rows1_q;
  place_t                    new_place, place;

  assign new_place = '{is_v: is_v, head: rows_tag_i.head, layer: rows_tag_i.layer};

  fifo #(.Width(32 * Segments), .Depth(2**QueueLog), .RegisteredRead(1'b1)) u_rows (
    .clk_i, .rst_ni,
    .wr_valid_i(is_kv), .wr_ready_o(rows_ready), .wr_data_i(rows_i),
    .rd_valid_o(rows_waiting), .rd_ready_i(read), .rd_data_o(rows1_q), .count_o()
  );

  fifo #(.Width($bits(place_t)), .Depth(16)) u_places (
    .clk_i, .rst_ni,
    .wr_valid_i(is_kv && group_last), .wr_ready_o(place_ready), .wr_data_i(new_place),
    .rd_valid_o(place_waiting), .rd_ready_i(kv_valid_o), .rd_data_o(place), .count_o()
  );

  // ----------------------------------------------------------------------- magnitudes, lane maxima

  logic                      abs_valid_q, abs_first_q, abs_last_q, lane_valid_q;
  logic [Segments-1:0][31:0] abs_q, lane_max_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      abs_valid_q  <= 1'b0;
      lane_valid_q <= 1'b0;
    end else begin
      abs_valid_q  <= is_kv;
      lane_valid_q <= abs_valid_q && abs_last_q;
    end
  end

  always_ff @(posedge clk_i) begin
    if (is_kv) begin
      abs_first_q <= group_first;
      abs_last_q  <= group_last;
    end
  end

  for (genvar s = 0; s < int'(Segments); s++) begin : gen_max
    always_ff @(posedge clk_i) begin
      if (is_kv) abs_q[s] <= rows_i[s][31] ? -rows_i[s] : rows_i[s];
      if (abs_valid_q && (abs_first_q || abs_q[s] > lane_max_q[s])) lane_max_q[s] <= abs_q[s];
    end
  end

  // -------------------------------------------------------------- the maximum: m * 2^(length - 16)

  logic        max_valid, length_valid_q, m_valid_q;
  logic [31:0] abs_max, abs_max_q;
  logic [4:0]  length_q, m_length_q;               // 0 .. 30; 0: all 64 are zero
  logic [15:0] m_q;

  max_tree #(.Width(Segments)) u_max_tree (
    .clk_i, .rst_ni,
    .in_valid_i(lane_valid_q), .in_x_i(lane_max_q), .out_valid_o(max_valid), .out_max_o(abs_max)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      length_valid_q <= 1'b0;
      m_valid_q      <= 1'b0;
    end else begin
      length_valid_q <= max_valid;
      m_valid_q      <= length_valid_q;
    end
  end

  always_ff @(posedge clk_i) begin
    if (max_valid) begin
      abs_max_q <= abs_max;
      length_q  <= 5'(bit_length(64'(abs_max)));
    end
    if (length_valid_q) begin
      m_q        <= (length_q == 0) ? 16'h8000 : 16'((64'(abs_max_q) << 16) >> length_q);
      m_length_q <= length_q;
    end
  end

  // ---------------------------------------- its reciprocal; meanwhile, in stages 1 to 3, the scale

  // scale = m * 2^(length - 32) / 127; 33026 = round(2^22 / 127): a product of 31 or 32 bits
  logic        recip_valid;
  logic [16:0] recip;
  logic [2:1]  scale_valid_q;
  logic [13:0] product1_q;                         // its highest bits; the others are not needed
  logic [4:0]  length1_q, length2_q, length3_q;
  logic        long2_q, long3_q;                   // the product has 32 bits
  logic [13:0] mantissa2_q;                        // its highest 12 bits and the next
  logic [11:0] mantissa3_q;                        // 2048 .. 4096; 0 is 4096

  reciprocal u_reciprocal (
    .clk_i, .rst_ni, .in_valid_i(m_valid_q), .in_x_i(m_q),
    .out_valid_o(recip_valid), .out_r_o(recip)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) scale_valid_q <= '0;
    else         scale_valid_q <= {scale_valid_q[1], m_valid_q};
  end

  always_ff @(posedge clk_i) begin
    if (m_valid_q) begin
      product1_q  <= 14'((32'(m_q) * 32'd33026) >> 18);
      length1_q   <= m_length_q;
    end
    if (scale_valid_q[1]) begin
      long2_q     <= product1_q[13];
      mantissa2_q <= product1_q[13] ? product1_q >> 1 : product1_q;
      length2_q   <= length1_q;
    end
    if (scale_valid_q[2]) begin
      long3_q     <= long2_q;
      mantissa3_q <= 12'((mantissa2_q + 14'd1) >> 1);
      length3_q   <= length2_q;
    end
  end

  // -------------------------------------------------------------------- the factor for its 64 rows

  typedef struct packed {
    logic [4:0]  length;
    logic [16:0] r;                                // 127 / m, 24 fraction bits
    scale_t      scale;
  } factor_t;

  logic    factor_valid_q;
  factor_t factor_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) factor_valid_q <= 1'b0;
    else         factor_valid_q <= recip_valid;
  end

  always_ff @(posedge clk_i) begin
    if (recip_valid) begin
      factor_q.length <= length3_q;
      factor_q.r      <= 17'(((32'(recip) << 7) - 32'(recip) + 32'd64) >> 7);
      factor_q.scale  <= (length3_q == 0) ? '0
                       : {length3_q + 5'(long3_q) + 5'(!mantissa3_q[11]), mantissa3_q[10:0]};
    end
  end

  // ----------------------------------------------------------------------------- 1: its rows, read

  index_t                    read_index, read_index_q;
  logic                      reading_q;
  logic [4:1]                valid_q;
  factor_t                   factor1_q;
  logic [16:0]               r2_q, r3_q;
  logic [2:0]                rest2_q;              // length % 8
  scale_t                    scale2_q, scale3_q, scale4_q;

  assign read       = factor_valid_q || reading_q;
  assign read_index = factor_valid_q ? '0 : read_index_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      reading_q <= 1'b0;
      valid_q   <= '0;
    end else begin
      reading_q <= read && read_index != LastIndex;
      valid_q   <= {valid_q[3:1], read};
    end
  end

  always_ff @(posedge clk_i) begin
    if (read) begin
      read_index_q <= read_index + 1'b1;
      factor1_q    <= factor_q;
    end
  end

  // ------------------------------------------------- 2 to 5: x * 127 / max|x|, rounded and clamped

  index_t                               q_index_q;
  logic [Groups-1:0][Segments-1:0][7:0] q_q;           // groups move down to make room on top

  if (Groups > 1) begin : gen_shift
    always_ff @(posedge clk_i) begin
      if (valid_q[4]) q_q[Groups-2:0] <= q_q[Groups-1:1];
    end
  end

  for (genvar s = 0; s < int'(Segments); s++) begin : gen_lane

    // ---- 2: shifted by 8 x (length / 8), after the queue's memory; 3: by the rest, to units of
    //         2^(length - 17), and rounded to 2^(length - 16)

    logic signed [25:0] x2_q;
    logic signed [17:0] x3_q;

    always_ff @(posedge clk_i) begin
      if (valid_q[1]) begin
        x2_q <= 26'((64'($signed(rows1_q[s])) <<< 17) >>> {factor1_q.length[4:3], 3'd0});
      end
      if (valid_q[2]) x3_q <= 18'(($signed(19'(x2_q >>> rest2_q)) + 19'sd1) >>> 1);
    end

    // ---- 4: times 127/m

    logic [34:0] product4_q;                       // signed

    multiplier #(.ABits(18), .BBits(17), .ASigned(1'b1)) u_product (
      .clk_i, .en_i(valid_q[3]), .a_i(x3_q), .b_i(r3_q), .p_o(product4_q)
    );

    // ---- 5: without its 24 fraction bits

    always_ff @(posedge clk_i) begin
      if (valid_q[4]) begin
        automatic logic signed [11:0] y;
        y = 12'(($signed(product4_q) + 35'sh80_0000) >>> 24);
        q_q[Groups-1][s] <= (y > 12'sd127) ? 8'sd127 : (y < -12'sd127) ? -8'sd127 : 8'(y);
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (valid_q[1]) begin
      rest2_q  <= factor1_q.length[2:0];
      r2_q     <= factor1_q.r;
      scale2_q <= factor1_q.scale;
    end
    if (valid_q[2]) begin
      r3_q     <= r2_q;
      scale3_q <= scale2_q;
    end
    if (valid_q[3]) scale4_q   <= scale3_q;
    if (valid_q[4]) kv_scale_o <= scale4_q;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      q_index_q  <= '0;
      kv_valid_o <= 1'b0;
    end else begin
      if (valid_q[4]) q_index_q <= (q_index_q == LastIndex) ? '0 : q_index_q + 1'b1;
      kv_valid_o <= valid_q[4] && q_index_q == LastIndex;
    end
  end

  assign kv_q_o     = q_q;
  assign kv_is_v_o  = place.is_v;
  assign kv_head_o  = place.head;
  assign kv_layer_o = place.layer;

  // ------------------------------------------------------------------------------------ assertions

  `ERROR_IF(segments,
            Segments == 0 || (Segments & (Segments - 1)) != 0 || Segments > HeadDim,
            ("Segments = %0d must be a power of two, 1 to 64", Segments))
  `ASSERT(factor_valid_q |-> !reading_q,
          ("%m: a vector's rows were not all read when the next one's came"))
  `ASSERT(is_kv |-> rows_ready && (!group_last || place_ready),
          ("%m: the queue of rows overflowed"))
  `ASSERT(read |-> rows_waiting, ("%m: a row was read that did not come"))
  `ASSERT(kv_valid_o |-> place_waiting, ("%m: a vector was finished that did not come"))

endmodule
