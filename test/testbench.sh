#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# testbench.sh - tests examples/testbench: the sources with verilator --binary, the plain Verilog file
# with Icarus
#
# The ids must be golden's. A missing or short image, or a prompt without ids, must end the run with
# its message.
echo "[==========] Running 4 test(s)."
status=0
check() {                                                     # tool
  if examples/testbench/run.sh "$1"; then echo "[       OK ] testbench.$1"; else echo "[  FAILED  ] testbench.$1"; status=1; fi
}
# The testbench that run.sh has just built fails, with this message.
refuses() {                                                   # SIMULATOR... IMAGE PROMPT SENTENCE
  local said
  said=$(timeout 60 "${@:1:$#-3}" "+image=${*: -3:1}" "+prompt=${*: -2:1}" 2>&1) && { echo "exit status 0: $said"; return 1; }
  grep -qF -- "${*: -1}" <<< "$said" || { echo "\"${*: -1}\" expected, found: $said"; return 1; }
}
refusals() {                                                  # TOOL SIMULATOR...
  local tool=$1 out=build/testbench lines digits=128
  shift
  lines=$(sed -nE 's/^localparam ImageBeats = ([0-9]+);.*/\1/p' $out/model.vh)
  head -c -1 $out/model.hex > $out/short.hex                  # its last character is missing
  : > $out/empty.ids
  if refuses "$@" $out/none.hex $out/prompt.ids "$out/none.hex cannot be read" &&
     refuses "$@" $out/short.hex $out/prompt.ids \
       "$out/short.hex has $((lines * (digits + 1) - 1)) bytes, expected $((lines * (digits + 1))): model.vh says $lines lines of $digits digits" &&
     refuses "$@" $out/model.hex $out/empty.ids "$out/empty.ids has no ids"; then
    echo "[       OK ] testbench.refusals_$tool"
  else
    echo "[  FAILED  ] testbench.refusals_$tool"
    status=1
  fi
}
check verilator
refusals verilator build/testbench/obj/testbench
if ! syn/venv.sh; then
  echo "[  SKIPPED ] testbench.icarus: Yosys could not be fetched from PyPI (build/venv.log)"
elif ! command -v iverilog > /dev/null; then
  echo "[  SKIPPED ] testbench.icarus: Icarus is not installed"
else
  check icarus
  refusals icarus vvp build/testbench/netlist.vvp
fi
exit $status
