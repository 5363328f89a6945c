#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# lint.sh - Verilator -Wall over every module of rtl/ as the top: no warning may remain. Waivers: lint/waivers.vlt
status=0
modules=$(ls rtl/*.sv | grep -v _pkg)
echo "[==========] Running $(wc -w <<< "$modules") test(s)."
for file in $modules; do
  module=$(basename "$file" .sv)
  echo "[ RUN      ] lint.$module"
  if verilator --lint-only -Wall -Irtl --top-module "$module" lint/waivers.vlt rtl/gpt2_pkg.sv build/gen/gpt2_tables_pkg.sv "$file" 2>&1; then
    echo "[       OK ] lint.$module"
  else
    echo "[  FAILED  ] lint.$module"
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
