#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# lint.sh - Verilator -Wall over every module of rtl/ as the top: no warning may remain. Waivers: lint/waivers.vlt
status=0
tests="$(basename -s .sv rtl/*.sv | grep -v _pkg) matvec:AdderRetiming=1'b1"          # MODULE[:PARAMETER=VALUE]
echo "[==========] Running $(($(wc -w <<< "$tests") + 1)) test(s)."
for test in $tests; do
  IFS=: read -r module parameter <<< "$test"
  echo "[ RUN      ] lint.$test"
  if verilator --lint-only -Wall -Irtl --top-module "$module" ${parameter:+"-G$parameter"} lint/waivers.vlt rtl/gpt2_pkg.sv \
      build/gen/gpt2_tables_pkg.sv "rtl/$module.sv" 2>&1; then
    echo "[       OK ] lint.$test"
  else
    echo "[  FAILED  ] lint.$test"
    status=1
  fi
done
# gpt2rtl.core lists what is in rtl/.
if diff <(grep -oE 'rtl/[a-z0-9_]+\.sv' gpt2rtl.core | sort) <(ls rtl/*.sv | LC_ALL=C sort) > /dev/null; then
  echo "[       OK ] lint.gpt2rtl.core"
else
  echo "[  FAILED  ] lint.gpt2rtl.core"
  echo "gpt2rtl.core does not list the files of rtl/"
  status=1
fi
exit $status
