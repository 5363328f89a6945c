// SPDX-License-Identifier: Apache-2.0
//
// assert.svh - the assertions of modules, in simulation; none if SYNTHESIS is defined
//
//   `ASSERT(PROPERTY, (MESSAGE...))                at each rising edge of clk_i, unless rst_ni is low
//   `ASSERT_UNLESS(DISABLE, PROPERTY, (MESSAGE...))
//                                                  the same, unless DISABLE holds
//   `ERROR_IF(NAME, CONDITION, (MESSAGE...))       illegal parameters, at elaboration; NAME is
//                                                  unique in the module
//
// MESSAGE... are the arguments of $error, in brackets. Code that serves only assertions is within
// `ifdef ASSERTIONS. A tool that compiles the sources finds this file by its folder, rtl/base.
`ifndef GPT2RTL_ASSERT_SVH
`define GPT2RTL_ASSERT_SVH

`ifdef SYNTHESIS

`define ASSERT_UNLESS(DISABLE, PROPERTY, MESSAGE)
`define ERROR_IF(NAME, CONDITION, MESSAGE)

`else

`define ASSERTIONS
`define ASSERT_UNLESS(DISABLE, PROPERTY, MESSAGE) \
  assert property (@(posedge clk_i) disable iff (DISABLE) PROPERTY) else $error MESSAGE;
`define ERROR_IF(NAME, CONDITION, MESSAGE) \
  if (CONDITION) begin : gen_``NAME``_error \
    $error MESSAGE; \
  end

`endif

`define ASSERT(PROPERTY, MESSAGE) `ASSERT_UNLESS(!rst_ni, PROPERTY, MESSAGE)

`endif
