// SPDX-License-Identifier: Apache-2.0
//
// gelu - GELU in GPT-2's tanh form, Width rows per cycle
//
//   gelu(x) = max(x, 0) - g(|x|),   g(a) = a - gelu(a): even, 0 to 0.17, 0 beyond 8
//
// g is a straight line in each of 512 segments of 1/64; base has 20 fraction bits, slope 10 more.
//
// In      rows  Width rows, 31 bits sign-extended to 32; rigid
// Out     rows  their GELU in the same format; rigid
// Rounds  slope * rest half up to 20 fraction bits, g half up to 16. The two become one floor:
//         g = floor(X / 2^14) with X = base * 2^10 + slope * rest + 512 + 8 * 2^10, so
//         max(x, 0) - g = floor((max(x, 0) * 2^14 + 2^14 - 1 - X) / 2^14)
// Timing  4 cycles, Width rows per cycle, never stalls
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
  // The constants of rounding and of the outer floor, see above.
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
  logic [18:0]            base2_q  [Width];
  logic [15:0]            slope2_q [Width];      // signed
  logic [9:0]             rest2_q  [Width];
  logic [Width-1:0][31:0] relu2_q;

  for (genvar i = 0; i < Width; i++) begin : gen_segment
    always_ff @(posedge clk_i) begin
      if (valid1_q) begin
        near2_q[i]  <= size1_q[i] < Limit;
        rest2_q[i]  <= size1_q[i][9:0];
        relu2_q[i]  <= relu1_q[i];
      end
    end

    rom #(.Width(19), .Depth(512), .Contents(GeluBase)) u_base (
      .clk_i, .rd_en_i(valid1_q), .rd_addr_i(size1_q[i][18:10]), .rd_data_o(base2_q[i])
    );
    rom #(.Width(16), .Depth(512), .Contents(GeluSlope)) u_slope (
      .clk_i, .rd_en_i(valid1_q), .rd_addr_i(size1_q[i][18:10]), .rd_data_o(slope2_q[i])
    );
  end

  // ----------------------------------------------- 3: slope * rest, and what it is subtracted from
  //
  // The base is subtracted a cycle later, because the table may be block RAM, which is slow.

  logic [25:0]            product3_q [Width];    // signed
  logic [Width-1:0][31:0] base3_q;
  logic [Width-1:0][63:0] from3_q;               // 46 bits

  for (genvar i = 0; i < Width; i++) begin : gen_product
    always_ff @(posedge clk_i) begin
      if (valid2_q) begin
        base3_q[i]    <= near2_q[i] ? 32'(base2_q[i]) : '0;
        from3_q[i]    <= (64'(relu2_q[i]) << Shift) + (near2_q[i] ? Rounding : '0);
      end
    end

    multiplier #(.ABits(16), .BBits(10), .ASigned(1'b1)) u_product (
      .clk_i, .en_i(valid2_q), .a_i(slope2_q[i]), .b_i(near2_q[i] ? rest2_q[i] : '0),
      .p_o(product3_q[i])
    );
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
