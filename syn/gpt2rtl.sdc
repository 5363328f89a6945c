# SPDX-License-Identifier: Apache-2.0
#
# Constraints of gpt2_axi and gpt2_top: one clock, synchronous resets, no false and no multicycle paths. Every path between two
# registers counts. Set the period, and the shares of it that the surroundings take, to yours.
set period       10.0
set outside_in   [expr 0.3 * $period]
set outside_out  [expr 0.3 * $period]

create_clock -name clk -period $period [get_ports clk_i]
set inputs [remove_from_collection [all_inputs] [get_ports clk_i]]
set_input_delay  $outside_in  -clock clk $inputs
set_output_delay $outside_out -clock clk [all_outputs]
