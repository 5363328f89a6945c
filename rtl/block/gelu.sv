// SPDX-License-Identifier: Apache-2.0
//
// gelu - the tanh form of GPT-2, Width rows a cycle
//
//   gelu(x) = max(x, 0) - g(|x|),   g(a) = a - gelu(a): even, 0 to 0.17, nothing beyond 8
//
// g is a straight line in each of 512 segments of 1/64; base has 20 fraction bits, slope 10 more.
//
// In      rows  Width rows, 31 bits sign-extended to 32; rigid
// Out     rows  the same of their gelu; rigid
// Rounds  slope * rest half up to 20 fraction bits, g half up to 16. The two become one floor:
//         g = floor(X / 2^14) with X = base * 2^10 + slope * rest + 512 + 8 * 2^10, so
//         max(x, 0) - g = floor((max(x, 0) * 2^14 + 2^14 - 1 - X) / 2^14)
// Timing  4 cycles, Width rows a cycle, never stalls
// Keeps   its pipeline registers and Width copies of the table, 512 x 36 bits
// Golden  golden/gelu.c: gelu() - equal bit for bit
module gelu
  import gpt2_pkg::*;
  import gpt2_tables_pkg::*;
#(
  parameter int unsigned Width = 16
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,

  input  logic                   in_valid_i,
  input  logic [Width-1:0][31:0] in_rows_i,

  output logic                   out_valid_o,
  output logic [Width-1:0][31:0] out_rows_o
);

  localparam int unsigned Shift = 14;            // 30 fraction bits to 16
  localparam logic [31:0] Limit = 32'd8 << RowFrac;
  // what rounding and the outer floor add, see above
  localparam logic signed [63:0] Rounding = 64'sd16383 - 64'sd512 - 64'sd8192;

  logic valid1_q, valid2_q, valid3_q, valid4_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      {valid1_q, valid2_q, valid3_q, valid4_q} <= '0;
    end else begin
      {valid1_q, valid2_q, valid3_q, valid4_q} <= {in_valid_i, valid1_q, valid2_q, valid3_q};
    end
  end

  // ------------------------------------------------------------------ 1: magnitude and max(x, 0)

  logic [Width-1:0][31:0] size1_q, relu1_q;

  for (genvar i = 0; i < Width; i++) begin : gen_size
    always_ff @(posedge clk_i) begin
      if (in_valid_i) begin
        size1_q[i] <= in_rows_i[i][31] ? -in_rows_i[i] : in_rows_i[i];
        relu1_q[i] <= in_rows_i[i][31] ? '0 : in_rows_i[i];
      end
    end
  end

  // ------------------------------------------------------------------------------ 2: the segment

  logic [Width-1:0]       near2_q;               // within the table
  logic [Width-1:0][31:0] base2_q;               // 20 bits
  logic [Width-1:0][15:0] slope2_q;
  logic [Width-1:0][15:0] rest2_q;               // 10 bits
  logic [Width-1:0][31:0] relu2_q;

  for (genvar i = 0; i < Width; i++) begin : gen_segment
    always_ff @(posedge clk_i) begin
      if (valid1_q) begin
        near2_q[i]  <= size1_q[i] < Limit;
        base2_q[i]  <= 32'(GeluBase[size1_q[i][18:10]]);
        slope2_q[i] <= GeluSlope[size1_q[i][18:10]];
        rest2_q[i]  <= 16'(size1_q[i][9:0]);
        relu2_q[i]  <= relu1_q[i];
      end
    end
  end

  // ----------------------------------------------- 3: slope * rest, and what it is subtracted from
  //
  // Base is subtracted a cycle later: the table may be block RAM, which is slow.

  logic [Width-1:0][31:0] product3_q;            // 26 bits
  logic [Width-1:0][31:0] base3_q;
  logic [Width-1:0][63:0] from3_q;               // 46 bits

  for (genvar i = 0; i < Width; i++) begin : gen_product
    always_ff @(posedge clk_i) begin
      if (valid2_q) begin
        product3_q[i] <= near2_q[i] ? 32'($signed(slope2_q[i])) * 32'(rest2_q[i]) : '0;
        base3_q[i]    <= near2_q[i] ? base2_q[i] : '0;
        from3_q[i]    <= (64'(relu2_q[i]) << Shift) + (near2_q[i] ? Rounding : '0);
      end
    end
  end

  // --------------------------------------------------------------------------- 4: the difference

  logic [Width-1:0][31:0] rows4_q;

  for (genvar i = 0; i < Width; i++) begin : gen_row
    always_ff @(posedge clk_i) begin
      if (valid3_q) begin
        rows4_q[i] <= 32'($signed(from3_q[i] - (64'($signed(base3_q[i])) << 10)
                                  - 64'($signed(product3_q[i]))) >>> Shift);
      end
    end
  end

  assign out_valid_o = valid4_q;
  assign out_rows_o  = rows4_q;

endmodule
