#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# fusesoc.sh [all] - runs gpt2rtl.core through FuseSoC, from a copy of what git keeps, like a fresh
# clone: alone; with only --Lanes; as a library; as a dependency of a core whose top has none of its
# parameters; the testbench on nano; the plain Verilog that target synth takes. FuseSoC is in
# build/venv, from PyPI; the test is skipped if PyPI cannot be reached. all: target formal too, which
# fetches Yosys again for the copy
if ! syn/venv.sh edalize==0.6.8 || ! syn/venv.sh fusesoc==2.4.7; then
  echo "[  SKIPPED ] fusesoc: FuseSoC could not be fetched from PyPI (build/venv.log): $(tail -n 1 build/venv.log)"
  exit 0
fi
work=build/fusesoc
rm -rf $work
mkdir -p $work/{gpt2rtl,soc,library}
parts="gpt2rtl.core rtl lint formal syn examples/testbench"
if git rev-parse --git-dir > /dev/null 2>&1; then sources=$(git ls-files $parts); else sources=$(find $parts -type f); fi
cp --parents $sources $work/gpt2rtl/
cat > $work/soc/soc.core << 'END'
CAPI=2:
name: ::soc:0
filesets:
  rtl:
    depend: [gpt2rtl]
    files: [soc.sv: {file_type: systemVerilogSource}]
  generators:
    depend: [gpt2rtl_generators]
generate:
  small:
    generator: plain_verilog
    parameters: {top: gpt2_axi, Lanes: 64, MaxHeads: 1, MaxCtx: 64, NormWidth: 1, Ports: 1, PortBits: 128}
targets:
  default: &default {filesets: [rtl], toplevel: soc}
  lint:
    <<: *default
    default_tool: verilator
    tools: {verilator: {mode: lint-only, verilator_options: [-Wno-PINMISSING]}}
  synth: {filesets: [generators], generate: [small], toplevel: gpt2_axi, default_tool: yosys, tools: {yosys: {arch: ecp5}}}
END
cat > $work/soc/soc.sv << 'END'
module soc (input logic clk_i);
  gpt2_top #(.Lanes(64), .MaxHeads(2), .MaxCtx(64)) u_gpt2_top (.clk_i);
  gpt2_axi #(.Lanes(64), .MaxHeads(2), .MaxCtx(64), .Ports(1), .PortBits(256)) u_gpt2_axi (.clk_i);
endmodule
END
status=0
result() {                                                    # NAME STATUS
  if [ "$2" = 0 ]; then echo "[       OK ] fusesoc.$1"; else tail -n 8 "$work/$1.log"; echo "[  FAILED  ] fusesoc.$1"; status=1; fi
}
check() {                                                     # NAME ARGUMENT... of fusesoc run
  echo "[ RUN      ] fusesoc.$1"
  (cd $work && ../venv/bin/fusesoc --cores-root gpt2rtl --cores-root soc run --build-root "build_$1" "${@:2}") > "$work/$1.log" 2>&1
  result "$1" $?
}
echo "[==========] Running $([ "$1" = all ] && echo 8 || echo 7) test(s)."
check alone --target lint gpt2rtl
check lanes_64 --target lint gpt2rtl --Lanes 64
check axi --target lint_axi gpt2rtl
check dependency --target lint soc

echo "[ RUN      ] fusesoc.library"
(cd $work/library && ../../venv/bin/fusesoc library add gpt2rtl "$PWD/../gpt2rtl" --sync-type local &&
  ../../venv/bin/fusesoc run --target lint gpt2rtl) > $work/library.log 2>&1
result library $?

# The testbench on nano: golden's ids.
model=$PWD/$work/model
sim() {
  mkdir -p $model
  build/gpt2rtl random-model --config nano --seed 1 --output $model/nano && build/gpt2rtl compile --model $model/nano --lanes 64 --hex --output $model/model.hex &&
    echo 3 77 1 > $model/prompt.ids || return 1
  (cd $work && ../venv/bin/fusesoc --cores-root gpt2rtl run --target sim gpt2rtl --image=$model/model.hex --prompt=$model/prompt.ids --tokens=6 --verilator_options=-I$model) || return 1
  build/gpt2rtl generate --model $model/nano --ids 3,77,1 --tokens 6 --ignore-eos --engine golden --stats $model/golden.json
}
echo "[ RUN      ] fusesoc.sim"
sim > $work/sim.log 2>&1 && [ -s $model/golden.json ] &&
  diff <(sed -nE 's/^token ([0-9]+)$/\1/p' $work/sim.log) <(sed -nE 's/.*"next": *([0-9]+).*/\1/p' $model/golden.json)
result sim $?

# What Edalize gives to Yosys is plain Verilog, which a tool without SystemVerilog reads.
echo "[ RUN      ] fusesoc.synth"
(cd $work && ../venv/bin/fusesoc --cores-root gpt2rtl --cores-root soc run --build-root build_synth --target synth --setup soc) > $work/synth.log 2>&1 &&
  plain=$(find $work/build_synth/*/synth-yosys/src -name gpt2_axi.v) && grep -q "read_verilog .*gpt2_axi.v" $work/build_synth/*/synth-yosys/edalize_yosys_procs.tcl &&
  iverilog -g2005 -s gpt2_axi -o /dev/null $plain >> $work/synth.log 2>&1
result synth $?
[ "$1" = all ] && check formal --target formal gpt2rtl
exit $status
