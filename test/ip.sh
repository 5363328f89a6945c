#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# ip.sh - tests the archive of make ip, unpacked by itself
#
# It contains nothing that it should not, its two tops pass Verilator's lint, its driver compiles,
# its testbench gives golden's ids on nano, and making it again gives the same bytes.
status=0
out=build/ip_test
rm -rf $out
echo "[==========] Running 5 test(s)."
check() {                                                     # NAME FUNCTION
  echo "[ RUN      ] ip.$1"
  if "$2"; then echo "[       OK ] ip.$1"; else echo "[  FAILED  ] ip.$1"; status=1; fi
}
repeatable() {
  tools/ip.sh $out/a > $out.log 2>&1 && tools/ip.sh $out/b >> $out.log 2>&1 && cmp $out/a/*.tar.gz $out/b/*.tar.gz && return
  cat $out.log
  return 1
}
contents() {
  local extra wrong
  tar -xzf $out/a/*.tar.gz -C $out || return 1
  root=$(echo $out/gpt2rtl-ip-*/)
  extra=$(cd $root && find . -type f | grep -vE '^\./(LICENSE|README\.md|gpt2rtl\.core|(rtl|driver|docs|formal)/.*|examples/(driver|testbench)/.*|lint/waivers\.vlt|syn/(gpt2rtl\.sdc|verilog\.py|fusesoc_verilog\.py|gpt2rtl_generators\.core|bmux\.v|venv\.sh))$')
  wrong=$(diff <(cd $root && find rtl driver -type f | LC_ALL=C sort) <(git ls-files rtl driver 2> /dev/null | LC_ALL=C sort))
  [ -z "$extra$wrong" ] && [ -s $root/docs/integration.md ] && [ -s $root/syn/gpt2rtl.sdc ] && return
  printf '%s\n' "$extra" "$wrong"
  return 1
}
lint() {
  local includes
  includes=$(cd $root && printf -- '-I%s ' rtl/*/)
  for top in gpt2_top gpt2_axi; do
    (cd $root && verilator --lint-only -Wall $includes --top-module $top lint/waivers.vlt rtl/base/gpt2_pkg.sv rtl/base/gpt2_tables_pkg.sv \
      rtl/wrap/gpt2_csr_pkg.sv rtl/*/$top.sv) || return 1
  done
}
driver() {
  for file in gpt2hw gpt2hw_image; do
    ${CC:-clang} -std=c11 -ffreestanding -Wall -Wextra -Wpedantic -Werror -c $root/driver/$file.c -o $out/$file.o || return 1
  done
}
simulation() {
  local project=$PWD build=$PWD/$out
  build/gpt2rtl random-model --config nano --seed 1 --output $out/nano > $out/sim.log 2>&1 &&
    build/gpt2rtl compile --model $out/nano --lanes 64 --hex --output $out/model.hex >> $out/sim.log 2>&1 &&
    (cd $root && verilator --binary -O3 --top-module testbench $(printf -- '-I%s ' rtl/*/) -I"$build" --Mdir "$build/obj" -o testbench \
      rtl/base/gpt2_pkg.sv rtl/base/gpt2_tables_pkg.sv examples/testbench/testbench.sv) >> $out/sim.log 2>&1 || { tail $out/sim.log; return 1; }
  echo '3 77 1' > $out/prompt.ids
  $out/obj/testbench +image=$out/model.hex +prompt=$out/prompt.ids +tokens=8 | sed -nE 's/^token ([0-9]+)$/\1/p' > $out/found
  build/gpt2rtl generate --model $out/nano --ids 3,77,1 --tokens 8 --ignore-eos --engine golden --stats $out/golden.json > /dev/null 2>&1
  sed -nE 's/.*"next": *([0-9]+).*/\1/p' $out/golden.json > $out/want
  [ -s $out/want ] && diff $out/found $out/want
}
mkdir -p $out
check repeatable repeatable
check contents contents
check lint lint
check driver driver
check simulation simulation
exit $status
