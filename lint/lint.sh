#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# lint.sh [PREFIX] - Verilator -Wall over every module of rtl/ as the top: no warning may remain.
# Waivers are in lint/waivers.vlt. VERILATOR names another Verilator. PREFIX begins the tests'
# names: lint unless given
prefix=${1:-lint}
status=0
tests="$(basename -s .sv rtl/*/*.sv | grep -v _pkg) matvec:AdderRetiming=1'b1 sampling:SystolicList=1'b0 axi_memory:Ports=1 axi_memory:PortBits=128"  # MODULE[:PARAMETER=VALUE]
echo "[==========] Running $(wc -w <<< "$tests") test(s)."
for test in $tests; do
  IFS=: read -r module parameter <<< "$test"
  name=$prefix.${test//[^A-Za-z0-9_]/_}
  echo "[ RUN      ] $name"
  if ${VERILATOR:-verilator} --lint-only -Wall $(printf -- "-I%s " rtl/*/) --top-module "$module" ${parameter:+"-G$parameter"} lint/waivers.vlt rtl/base/gpt2_pkg.sv \
      rtl/base/gpt2_tables_pkg.sv rtl/wrap/gpt2_csr_pkg.sv rtl/*/"$module.sv" 2>&1; then
    echo "[       OK ] $name"
  else
    echo "[  FAILED  ] $name"
    status=1
  fi
done
[ "$prefix" = lint ] || exit $status

listed() { diff <(grep -oE '(rtl|formal)/[a-z0-9_/]+\.svh?' gpt2rtl.core | LC_ALL=C sort) <(ls rtl/*/*.sv rtl/*/*.svh formal/*.sv | LC_ALL=C sort); }
tables() { build/make_tables sv | diff - rtl/base/gpt2_tables_pkg.sv; }
check() {                                                     # NAME FUNCTION SENTENCE
  if "$2"; then echo "[       OK ] lint.$1"; else printf '%s\n[  FAILED  ] lint.%s\n' "$3" "$1"; status=1; fi
}
check gpt2rtl.core listed "gpt2rtl.core (<) does not list the files of rtl/ and formal/ (>)"
check gpt2_tables_pkg tables "rtl/base/gpt2_tables_pkg.sv (>) is not what tools/make_tables.c writes (<): make tables"
exit $status
