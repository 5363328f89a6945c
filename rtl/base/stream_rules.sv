// SPDX-License-Identifier: Apache-2.0
//
// stream_rules - what must hold at a valid/ready port; no hardware, assertions alone
//
//   valid and the payload hold until the transfer
//
// The assertions are immediate, on registered values: simulators check them, and Yosys' SMT flow
// proves them (formal/). While may_drop_i is high, an abort, an error or a reset may withdraw the
// offer.
module stream_rules #(
  parameter int unsigned Width = 1
) (
  input logic             clk_i,
  input logic             rst_ni,
  input logic             may_drop_i,
  input logic             valid_i,
  input logic             ready_i,
  input logic [Width-1:0] payload_i
);

  logic             held_q;
  logic [Width-1:0] payload_q;
  initial held_q = 1'b0;

  always_ff @(posedge clk_i) begin
    held_q    <= rst_ni && !may_drop_i && valid_i && !ready_i;
    payload_q <= payload_i;
    if (rst_ni && held_q && !may_drop_i) begin
      a_valid:   assert (valid_i);
      a_payload: assert (payload_i == payload_q);
    end
  end

endmodule
