// SPDX-License-Identifier: Apache-2.0
//
// multiplier - a product of two numbers, in a register
//
// A technology file: tools infer a DSP block from this generic form. Replace the file to
// instantiate a family's block. InputRegs 1 adds registers before the multiplication, as such
// blocks have them. Products with a constant, products that are added to or truncated in their
// cycle, and matvec's products with AdderRetiming 1 do not use this module.
//
// In      a, b   each signed or unsigned; with en_i
// Out     p      the product, signed if one of them is; held until the next one
// Timing  1 cycle, 2 with InputRegs; a product per cycle
// Golden  none: C's multiplication
module multiplier #(
  parameter int unsigned ABits     = 18,
  parameter int unsigned BBits     = 18,
  parameter bit          ASigned   = 1'b0,
  parameter bit          BSigned   = 1'b0,
  parameter bit          InputRegs = 1'b0,
  parameter int unsigned PBits     = ABits + BBits    // fewer: the lower ones
) (
  input  logic             clk_i,
  input  logic             en_i,
  input  logic [ABits-1:0] a_i,
  input  logic [BBits-1:0] b_i,
  output logic [PBits-1:0] p_o
);

  logic             en;
  logic [ABits-1:0] a;
  logic [BBits-1:0] b;

  if (InputRegs) begin : gen_input_regs
    always_ff @(posedge clk_i) begin
      en <= en_i;
      if (en_i) begin
        a <= a_i;
        b <= b_i;
      end
    end
  end else begin : gen_no_input_regs
    assign en = en_i;
    assign a  = a_i;
    assign b  = b_i;
  end

  if (ASigned && BSigned) begin : gen_signed
    always_ff @(posedge clk_i) if (en) p_o <= PBits'($signed(a)) * PBits'($signed(b));
  end else if (ASigned) begin : gen_a_signed
    always_ff @(posedge clk_i) if (en) p_o <= PBits'($signed(a)) * PBits'($signed({1'b0, b}));
  end else if (BSigned) begin : gen_b_signed
    always_ff @(posedge clk_i) if (en) p_o <= PBits'($signed({1'b0, a})) * PBits'($signed(b));
  end else begin : gen_unsigned
    always_ff @(posedge clk_i) if (en) p_o <= PBits'(a) * PBits'(b);
  end

endmodule
