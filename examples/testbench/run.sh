#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh [verilator|icarus] - runs nano through testbench.sv: the printed ids must be those of
# gpt2rtl generate --engine golden
#
# verilator (the default): the sources, through verilator --binary. icarus: the single file that
# make verilog writes.
set -e
cd "$(dirname "$0")/../.."
tool=${1:-verilator} out=build/testbench seed=5
mkdir -p $out
if ! [ -e $out/nano/config.json ]; then
  rm -rf $out/nano
  build/gpt2rtl random-model --config nano --seed 1 --output $out/nano
fi
build/gpt2rtl compile --model $out/nano --lanes 64 --hex --output $out/model.hex 2> /dev/null

if [ "$tool" = icarus ]; then
  prompt=3 tokens=2                # about 7,000 cycles a position, a few hundred cycles a second
  make -s --no-print-directory verilog LANES=64 MAX_HEADS=2 MAX_CTX=64 NORM_WIDTH=16 > $out/verilog.log 2>&1 || { cat $out/verilog.log; exit 1; }
  iverilog -g2012 -DNETLIST -DFOUR_STATE -I$out -s testbench -o $out/netlist.vvp examples/testbench/testbench.sv build/verilog/gpt2_top.v
  run="vvp $out/netlist.vvp"
else
  prompt='3 77 1' tokens=70        # past the context of 64
  verilator --binary -O3 --top-module testbench $(printf -- "-I%s " rtl/*/) -I$out --Mdir $out/obj -o testbench \
    rtl/base/gpt2_pkg.sv rtl/base/gpt2_tables_pkg.sv examples/testbench/testbench.sv > $out/verilator.log || { cat $out/verilator.log; exit 1; }
  run=$out/obj/testbench
fi

echo "$prompt" > $out/prompt.ids
$run +image=$out/model.hex +prompt=$out/prompt.ids +tokens=$tokens +seed=$seed | tee $out/$tool.out | grep cycles
build/gpt2rtl generate --model $out/nano --ids "${prompt// /,}" --tokens $tokens --temperature 1 --top-k 40 --seed $seed \
  --engine golden --stats $out/golden.json > /dev/null 2>&1
sed -nE 's/^token ([0-9]+)$/\1/p' $out/$tool.out > $out/$tool.ids
sed -nE 's/.*"next": *([0-9]+).*/\1/p' $out/golden.json > $out/golden.ids
diff $out/$tool.ids $out/golden.ids > $out/$tool.diff || { echo "the ids differ (<: testbench, >: golden):"; cat $out/$tool.diff; exit 1; }
echo "$(wc -l < $out/golden.ids) ids equal those of gpt2rtl generate --engine golden"
