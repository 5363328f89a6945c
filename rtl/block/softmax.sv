// SPDX-License-Identifier: Apache-2.0
//
// softmax - exponentials of one head's scores, times the V scales, and the reciprocal of their sum
//
//   e[t] = exp(s[t] - max(s)),   p[t] = e[t] * v_scale[t],   inv_z = 1 / sum_t e[t],   0 <= t < len
//
// In      s, v_scale   len scores (Q14.16) and V scales, Segments per cycle, t ascending, lanes
//                      beyond len ignored; rigid. Every group has len, and bank, which is passed on
// Out     p            ceil(len/64) blocks of 64, ExpWidth per cycle, Q2.28, zero beyond len, with
//                      tile number and bank; valid/ready
//         inv_z        a scale, with its bank; pulses before the last rows are offered
//         scores_free  there is room for a whole head's scores
// Rounds  half up: d * log2(e) to 16 fraction bits, exp2_neg's own, p to 28 fraction bits, 1/z to
//         12 bits. p saturates to a row's range; saturations are counted
// Timing  9 + ceil(log4 Segments) cycles from the last score to the first exponentials, ExpWidth
//         per cycle; 5 more to the queue. The pipeline from memory to queue never stalls: a group
//         is read only when the queue has room for it. The next head's scores may arrive once this
//         head's are read; its exponentials wait until this head's last block is taken
// Keeps   MaxCtx scores and scales; ExpWidth sums; a queue of 16 groups
// Golden  golden/softmax.c: softmax() without its block_quant - equal bit for bit

`include "assert.svh"

module softmax
  import gpt2_pkg::*;
#(
  parameter int unsigned Segments = 16,
  parameter int unsigned MaxCtx   = 1024,
  parameter int unsigned ExpWidth = Segments       // exponentials per cycle, a power of two
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,

  input  logic                      in_valid_i,
  input  logic                      in_first_i,
  input  logic                      in_last_i,
  input  logic                      in_bank_i,
  input  logic [10:0]               in_len_i,
  input  logic [Segments-1:0][31:0] in_scores_i,
  input  logic [Segments-1:0][15:0] in_scales_i,
  output logic                      scores_free_o,

  output logic                      blk_valid_o,
  input  logic                      blk_ready_i,
  output logic                      blk_bank_o,
  output logic [3:0]                blk_tile_o,
  output logic [ExpWidth-1:0][31:0] blk_rows_o,

  output logic                      inv_z_valid_o,
  output logic                      inv_z_bank_o,
  output scale_t                    inv_z_o,

  output logic                      busy_o,        // from the first step to the last block
  output logic [6:0]                sat_o
);

  localparam int unsigned LogS     = $clog2(Segments);
  localparam int unsigned LogE     = $clog2(ExpWidth);
  localparam int unsigned Words    = MaxCtx / Segments;         // of the score memory
  localparam int unsigned WordBits = (Words > 1) ? $clog2(Words) : 1;
  localparam int unsigned StepBits = 10 - LogE;                 // a step: ExpWidth positions
  localparam int unsigned TileLog  = 6 - LogE;                  // a tile is 2^TileLog steps
  localparam int unsigned QueueLog = 4;

  localparam logic [16:0] Log2E  = 17'd94548;                   // round(log2(e) * 2^16)
  localparam logic [31:0] Gone   = 32'h003f_ffff;               // a t whose exponential is 0

  typedef logic [StepBits-1:0] step_idx_t;

  // The word that holds a step's scores, and its first lane there.
  function automatic logic [WordBits-1:0] word_of(step_idx_t s);
    return WordBits'(s >> (LogS - LogE));
  endfunction

  function automatic int unsigned lane_of(step_idx_t s);
    return (32'(s) & (Segments / ExpWidth - 1)) << LogE;
  endfunction

  // -------------------------------------------------------------- scores in, and the greatest score

  logic [10:0]               len_q;
  logic                      bank_q;
  step_idx_t                 last_step_q;          // the last step of the last tile
  logic                      max_valid;
  logic [31:0]               max_score;            // holds until the next head's
  logic                      issue;                // a step enters
  step_idx_t                 step, step_q;
  logic [7:1]                valid_q;
  step_idx_t                 scale_step_q;
  logic                      scale_last;
  logic [Segments-1:0][31:0] score1_q;
  logic [Segments-1:0][15:0] scale7_q;

  always_ff @(posedge clk_i) begin
    if (in_valid_i) begin
      len_q       <= in_len_i;
      bank_q      <= in_bank_i;
      last_step_q <= step_idx_t'(((((32'(in_len_i) - 1) >> 6) + 1) << TileLog) - 1);
    end
  end

  softmax_scores #(.Segments(Segments), .MaxCtx(MaxCtx)) u_scores (
    .clk_i, .rst_ni,
    .in_valid_i, .in_first_i, .in_last_i, .in_len_i, .in_scores_i, .in_scales_i,
    .free_o(scores_free_o), .max_valid_o(max_valid), .max_score_o(max_score),
    .score_rd_en_i(issue), .score_rd_word_i(word_of(step)), .scores_o(score1_q),
    .scale_rd_en_i(valid_q[6]), .scale_rd_word_i(word_of(scale_step_q)), .scales_o(scale7_q),
    .read_done_i(scale_last)
  );

  // ------------------------------------------------------- 0: steps enter while the queue has room

  logic                busy_q;                     // from first step to last block's handover
  logic                waiting_q;                  // scores complete, previous head not done
  logic                reading_q;
  logic [QueueLog:0]   under_way_q;                // groups between memory and queue, and in it
  logic [3:0]          run_last_tile_q;            // of the blocks that come out
  logic                run_bank_q;
  logic                start, pop, finished;

  assign start = (max_valid || waiting_q) && !busy_q;
  assign busy_o = busy_q || waiting_q;
  assign issue = start || (reading_q && !under_way_q[QueueLog]);
  assign step  = start ? '0 : step_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      busy_q      <= 1'b0;
      waiting_q   <= 1'b0;
      reading_q   <= 1'b0;
      under_way_q <= '0;
    end else begin
      busy_q      <= start || (busy_q && !finished);
      waiting_q   <= (max_valid || waiting_q) && !start;
      if (issue) reading_q <= step != last_step_q;
      under_way_q <= under_way_q + (QueueLog+1)'(issue) - (QueueLog+1)'(pop);
    end
  end

  always_ff @(posedge clk_i) begin
    if (issue) step_q <= step + 1'b1;
    if (start) begin
      run_last_tile_q <= 4'(last_step_q >> TileLog);
      run_bank_q      <= bank_q;
    end
  end

  // ------------------------------------------------------------------------------- 1: scores, read

  step_idx_t step1_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_q <= '0;
    else         valid_q <= {valid_q[6:1], issue};
  end

  always_ff @(posedge clk_i) begin
    if (issue) step1_q <= step;
  end

  // ------------------------------------------------ 2 to 4: distance to the maximum, times log2(e)

  logic [ExpWidth-1:0][31:0] t4_q;                 // 22 bits, 16 of them fraction

  for (genvar i = 0; i < int'(ExpWidth); i++) begin : gen_distance
    logic [31:0] d2_q;
    logic        within2_q;                        // t < len

    always_ff @(posedge clk_i) begin
      if (valid_q[1]) begin
        d2_q      <= max_score - score1_q[lane_of(step1_q) + i];
        within2_q <= (32'(step1_q) << LogE) + 32'(i) < 32'(len_q);
      end
    end

    logic [37:0] product3_q;
    logic        gone3_q;                          // beyond len, or d >= 32

    always_ff @(posedge clk_i) begin
      if (valid_q[2]) begin
        product3_q <= 38'(d2_q[20:0]) * 38'(Log2E);
        gone3_q    <= !within2_q || d2_q[31:21] != 0;
      end
    end

    always_ff @(posedge clk_i) begin
      if (valid_q[3]) t4_q[i] <= gone3_q ? Gone : 32'((product3_q + 38'h8000) >> 16);
    end
  end

  // -------------------------------------------------------- 5 to 8: exponentials, and their scales

  logic                           valid8;
  logic [ExpWidth-1:0][ExpFrac:0] e8;

  exp2_neg #(.Width(ExpWidth), .TBits(32)) u_exp2_neg (
    .clk_i, .rst_ni, .in_valid_i(valid_q[4]), .in_t_i(t4_q), .out_valid_o(valid8), .out_e_o(e8)
  );

  // The scales have their own read counter, which reads them just in time.
  step_idx_t                 step7_q;
  logic                      last7_q, first8_q, last8_q;
  logic [ExpWidth-1:0][15:0] scale8_q;

  assign scale_last = valid_q[6] && scale_step_q == last_step_q;

  always_ff @(posedge clk_i) begin
    if (start) scale_step_q <= '0;
    else if (valid_q[6]) scale_step_q <= scale_step_q + 1'b1;
  end

  always_ff @(posedge clk_i) begin
    if (valid_q[6]) begin
      step7_q  <= scale_step_q;
      last7_q  <= scale_last;
    end
    if (valid_q[7]) begin
      scale8_q <= scale7_q[lane_of(step7_q) +: ExpWidth];
      first8_q <= step7_q == 0;
      last8_q  <= last7_q;
    end
  end

  // -------------------------------------------------------------------- 9 to 11: times the V scale

  logic                      valid9_q, valid10_q, valid11_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) {valid9_q, valid10_q, valid11_q} <= '0;
    else         {valid9_q, valid10_q, valid11_q} <= {valid8, valid9_q, valid10_q};
  end

  // p = e * 2^-22 * mantissa * 2^(exponent - 35): product * 4 / 2^(31 - exponent)
  logic [ExpWidth-1:0][31:0] prob11_q;
  logic [ExpWidth-1:0]       sat11_q;

  for (genvar i = 0; i < int'(ExpWidth); i++) begin : gen_weigh

    // ---- 9: times the mantissa

    logic [34:0] product9_q;                       // below 2^34: e8 is 2^22 at most
    logic [4:0]  shift9_q;

    multiplier #(.ABits(ExpFrac + 1), .BBits(12)) u_product (
      .clk_i, .en_i(valid8), .a_i(e8[i]), .b_i({1'b1, scale8_q[i][10:0]}), .p_o(product9_q)
    );

    always_ff @(posedge clk_i) begin
      if (valid8) shift9_q <= 5'd31 - scale8_q[i][15:11];
    end

    // ---- 10: shifted, with one more bit

    logic [36:0] shifted10_q;

    always_ff @(posedge clk_i) begin
      if (valid9_q) shifted10_q <= 37'({product9_q, 3'b000} >> shift9_q);
    end

    // ---- 11: rounded; half up, (x + 1) / 2 passes the largest row if x is above twice that

    always_ff @(posedge clk_i) begin
      if (valid10_q) begin
        automatic logic over;
        over = shifted10_q > {5'd0, RowMax, 1'b0};
        sat11_q[i]  <= over;
        prob11_q[i] <= over ? 32'(RowMax) : 32'((shifted10_q + 37'd1) >> 1);
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) sat_o <= '0;
    else         sat_o <= valid11_q ? 7'($countones(sat11_q)) : '0;
  end

  // ------------------------------------------------------------------------------ queue of groups

  logic [ExpWidth-1:0][31:0] group;                // the oldest in the queue
  logic                      group_waits, group_wanted, push_ready;
  step_idx_t                 out_step_q;
  logic                      blk_last, z_done_q;   // the last group of the last block

  assign pop = group_waits && group_wanted;

  fifo #(.Width(32 * ExpWidth), .Depth(2**QueueLog)) u_groups (
    .clk_i, .rst_ni,
    .wr_valid_i(valid11_q), .wr_ready_o(push_ready), .wr_data_i(prob11_q),
    .rd_valid_o(group_waits), .rd_ready_i(group_wanted), .rd_data_o(group), .count_o()
  );

  always_ff @(posedge clk_i) begin
    if (start)     out_step_q <= '0;
    else if (pop)  out_step_q <= out_step_q + 1'b1;
  end

  // The last group of the last block waits for 1/z.
  assign blk_last     = blk_tile_o == run_last_tile_q
                     && ((32'(out_step_q) + 1) & ((1 << TileLog) - 1)) == 0;
  assign group_wanted = blk_ready_i && (!blk_last || z_done_q);
  assign blk_valid_o  = group_waits && (!blk_last || z_done_q);
  assign blk_bank_o   = run_bank_q;
  assign blk_tile_o   = 4'(32'(out_step_q) >> TileLog);
  assign blk_rows_o   = group;
  assign finished     = pop && blk_last;

  // --------------------------------------------------------------------- the total of exponentials

  // A sum per lane; after the last step they are folded in place: pairs, LogE times.
  // exp(0) is 2^22 - 31, so that 1024 of them stay below 2^32.
  logic [ExpWidth-1:0][31:0] z_q;
  logic [3:0]                folds_q;              // folds still to do
  logic                      z_valid_q;            // z_q[0] is the total

  for (genvar i = 0; i < int'(ExpWidth); i++) begin : gen_sum
    always_ff @(posedge clk_i) begin
      if (valid8) z_q[i] <= (first8_q ? '0 : z_q[i]) + 32'(e8[i]);
      else if (folds_q != 0 && 2*i < int'(ExpWidth)) begin
        z_q[i] <= z_q[2*i % ExpWidth] + z_q[(2*i+1) % ExpWidth];
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      folds_q   <= '0;
      z_valid_q <= 1'b0;
    end else begin
      if (valid8 && last8_q) folds_q <= 4'(LogE);
      else if (folds_q != 0) folds_q <= folds_q - 1'b1;
      z_valid_q <= (LogE == 0) ? valid8 && last8_q : folds_q == 4'd1;
    end
  end

  // -------------------------------------------------------------------------------- its reciprocal

  // z = m * 2^(length - 16), m in [2^15, 2^16): 1/m = r * 2^-31
  logic        length_valid_q, m_valid_q, r_valid;
  logic [5:0]  length_q;
  logic [15:0] m_q;
  logic [16:0] r;
  logic [11:0] r_rounded;                          // 2048 .. 4096; 0 is 4096, which is 2048 * 2

  always_ff @(posedge clk_i) begin
    if (!rst_ni) {length_valid_q, m_valid_q, inv_z_valid_o, z_done_q} <= '0;
    else begin
      length_valid_q <= z_valid_q;
      m_valid_q      <= length_valid_q;
      inv_z_valid_o  <= r_valid;
      z_done_q       <= (z_done_q || inv_z_valid_o) && !start;
    end
  end

  always_ff @(posedge clk_i) begin
    if (z_valid_q)      length_q <= 6'(bit_length(64'(z_q[0])));
    if (length_valid_q) m_q      <= 16'(z_q[0] >> (length_q - 6'd16));
  end

  reciprocal u_reciprocal (
    .clk_i, .rst_ni, .in_valid_i(m_valid_q), .in_x_i(m_q), .out_valid_o(r_valid), .out_r_o(r)
  );

  assign r_rounded = 12'((r + 17'd8) >> 4);

  always_ff @(posedge clk_i) begin
    if (r_valid) begin
      inv_z_o <= {5'(6'd46 + 6'(!r_rounded[11]) - length_q), r_rounded[10:0]};
    end
  end

  assign inv_z_bank_o = run_bank_q;

  // ------------------------------------------------------------------------------------ assertions

  `ERROR_IF(widths,
            2**LogS != Segments || 2**LogE != ExpWidth || ExpWidth > Segments || Segments > HeadDim,
            ("softmax: ExpWidth %0d and Segments %0d must be powers of two, up to Segments and 64",
             ExpWidth, Segments))
  `ERROR_IF(max_ctx,
            MaxCtx % HeadDim != 0 || MaxCtx == 0 || MaxCtx > 1024,
            ("softmax: MaxCtx = %0d must be a multiple of 64 up to 1024", MaxCtx))
  `ASSERT(valid11_q |-> push_ready, ("%m: the queue of groups overflowed"))
  `ASSERT(folds_q != 0 |-> !valid8,
          ("%m: the next head's exponentials came before this one's total was ready"))
  `ASSERT(blk_valid_o && !blk_ready_i |=> blk_valid_o && $stable(blk_tile_o) && $stable(blk_rows_o),
          ("%m: a block that was not taken changed"))

endmodule
