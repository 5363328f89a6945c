#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# fusesoc.sh - gpt2rtl.core through FuseSoC, from a copy of the files that git tracks, like a fresh
# clone: alone, with --Lanes only, and as a dependency of another core whose top has none of its
# parameters. FuseSoC comes from PyPI in build/venv; skipped if PyPI cannot be reached
if ! syn/venv.sh edalize==0.6.8 || ! syn/venv.sh fusesoc==2.4.7; then
  echo "[  SKIPPED ] fusesoc: FuseSoC could not be fetched from PyPI (build/venv.log): $(tail -n 1 build/venv.log)"
  exit 0
fi
work=build/fusesoc
rm -rf $work
mkdir -p $work/{gpt2rtl,soc}
if git rev-parse --git-dir > /dev/null 2>&1; then sources=$(git ls-files gpt2rtl.core rtl lint); else sources=$(ls gpt2rtl.core rtl/*/*.sv lint/*.vlt); fi
cp --parents $sources $work/gpt2rtl/
cat > $work/soc/soc.core << 'END'
CAPI=2:
name: ::soc:0
filesets:
  rtl:
    depend: [gpt2rtl]
    files: [soc.sv: {file_type: systemVerilogSource}]
targets:
  default: &default {filesets: [rtl], toplevel: soc}
  lint:
    <<: *default
    default_tool: verilator
    tools: {verilator: {mode: lint-only, verilator_options: [-Wno-PINMISSING]}}
END
cat > $work/soc/soc.sv << 'END'
module soc (input logic clk_i);
  gpt2_top #(.Lanes(64), .MaxHeads(2), .MaxCtx(64)) u_gpt2_top (.clk_i);
endmodule
END
status=0
check() {                                                     # NAME CORE OPTION...
  echo "[ RUN      ] fusesoc.$1"
  if (cd $work && ../venv/bin/fusesoc --cores-root gpt2rtl --cores-root soc run --build-root "build_$1" --target lint "${@:2}") \
      > "$work/$1.log" 2>&1; then
    echo "[       OK ] fusesoc.$1"
  else
    tail -n 8 "$work/$1.log"
    echo "[  FAILED  ] fusesoc.$1"
    status=1
  fi
}
echo "[==========] Running 3 test(s)."
check alone gpt2rtl
check lanes_64 gpt2rtl --Lanes 64
check dependency soc
exit $status
