#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# testbench.sh - examples/testbench: the sources through verilator --binary, the plain Verilog file through Icarus; ids = golden ids
echo "[==========] Running 2 test(s)."
status=0
check() {                                                     # tool
  if examples/testbench/run.sh "$1"; then echo "[       OK ] testbench.$1"; else echo "[  FAILED  ] testbench.$1"; status=1; fi
}
check verilator
if ! syn/venv.sh; then
  echo "[  SKIPPED ] testbench.icarus: Yosys could not be fetched from PyPI (build/venv.log)"
elif ! command -v iverilog > /dev/null; then
  echo "[  SKIPPED ] testbench.icarus: Icarus is not installed"
else
  check icarus
fi
exit $status
