#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# configs.sh [all] - gpt2_top's parameters (docs/parameters.md): legal combinations lint and run nano as the golden model does, illegal
# ones are refused with their sentence
#
# all: every combination of the grid (make test-configs). Otherwise (make test): a part of it in which each value of a parameter
# meets each value of every other is linted, and four are run: those lanes that test_gpt2_top has not, and every other value.
files="rtl/gpt2_pkg.sv build/gen/gpt2_tables_pkg.sv rtl/gpt2_top.sv"
nano=build/config/nano ids=3,77,1 tokens=66                   # past the context of 64
mkdir -p build/config
status=0
passed() { echo "[       OK ] configs.$1"; }
failed() { echo "[  FAILED  ] configs.$1"; status=1; }

# Prints one combination a line: Lanes MaxHeads MaxCtx NormWidth ExpWidth. maxima: nano, gpt2, gpt2-xl.
grid() {
  local i=0 j n e lanes maxima norm divisor
  for lanes in 64 128 256 512 1024 2048 4096; do
    j=0
    for maxima in '2 64' '12 1024' '25 1024'; do
      n=0
      for norm in 64 32 16; do
        e=0
        for divisor in 1 2 4; do
          if [ $((lanes / 64 / divisor)) -gt 0 ] && { [ "$1" = all ] || { [ $(((i + j) % 3)) = $n ] && [ $(((i + 2 * j) % 3)) = $e ]; }; }; then
            echo "$lanes $maxima $norm $((lanes / 64 / divisor))"
          fi
          ((e++))
        done
        ((n++))
      done
      ((j++))
    done
    ((i++))
  done
}
few='128 2 64 16 1
512 25 1024 32 4
2048 25 1024 16 8
4096 12 1024 64 64'

lint() {                                                      # Lanes MaxHeads MaxCtx NormWidth ExpWidth
  verilator --lint-only -Wall -Irtl --top-module gpt2_top -GLanes="$1" -GMaxHeads="$2" -GMaxCtx="$3" -GNormWidth="$4" -GExpWidth="$5" \
    lint/waivers.vlt $files 2>&1
}

chosen() { sed -nE 's/.*"next": *([0-9]+).*/\1/p' "$1"; }
generate() {                                                  # OUT.json OPTION...
  local out=$1
  shift
  build/gpt2rtl generate --model $nano --ids $ids --tokens $tokens --temperature 1 --seed 5 --ignore-eos --stats "$out" "$@" 2>&1 > /dev/null
}
run() {
  local name=$1-MaxHeads.$2-MaxCtx.$3-NormWidth.$4-ExpWidth.$5
  make -s --no-print-directory "build/sim/gpt2_top_${name}_check.so" > build/config/$name.log 2>&1 || { tail -n 5 build/config/$name.log; return 1; }
  GPT2RTL_SIMULATOR=build/sim/gpt2_top_${name}_check.so generate build/config/$name.json --engine rtl --lanes "$1" > build/config/$name.log ||
    { tail -n 5 build/config/$name.log; return 1; }
  diff <(chosen build/config/$name.json) <(chosen build/config/golden.json) > build/config/$name.log ||
    { echo "the ids differ (<: RTL, >: golden):"; head -n 5 build/config/$name.log; return 1; }
}

# The sentence that each illegal value is refused with.
refused() {                                                   # PARAMETER VALUE SENTENCE
  local said
  if said=$(verilator --lint-only -Irtl --top-module gpt2_top -G"$1=$2" $files 2>&1); then
    echo "$1 = $2 is not refused"
  elif ! grep -qF "$3, not $2" <<< "$said"; then
    echo "$1 = $2 is refused without \"$3, not $2\":"; grep -m 3 Error <<< "$said"
  else
    return 0
  fi
  return 1
}

if [ "$1" = all ]; then combinations=$(grid all); runs=$combinations; else combinations=$(grid); runs=$few; fi
[ -e $nano/config.json ] || { rm -rf $nano; build/gpt2rtl random-model --config nano --seed 1 --output $nano || exit 1; }
generate build/config/golden.json --engine golden || exit 1
echo "[==========] Running $(wc -l <<< "$combinations") test(s) of lint, $(wc -l <<< "$runs") of runs."

if while read -r parameter value sentence; do
     refused "$parameter" "$value" "$sentence" || bad=1
   done && [ -z "$bad" ]; then passed illegal; else failed illegal; fi << 'END'
Lanes 0 Lanes must be 64, 128, 256, ... 4096
Lanes 32 Lanes must be 64, 128, 256, ... 4096
Lanes 96 Lanes must be 64, 128, 256, ... 4096
Lanes 8192 Lanes must be 64, 128, 256, ... 4096
MaxHeads 0 MaxHeads must be 1 to 25
MaxHeads 26 MaxHeads must be 1 to 25
MaxCtx 0 MaxCtx must be a multiple of 64 from 64 to 1024
MaxCtx 100 MaxCtx must be a multiple of 64 from 64 to 1024
MaxCtx 1088 MaxCtx must be a multiple of 64 from 64 to 1024
NormWidth 0 NormWidth must be 1, 2, 4, ... 64
NormWidth 3 NormWidth must be 1, 2, 4, ... 64
NormWidth 128 NormWidth must be 1, 2, 4, ... 64
ExpWidth 0 ExpWidth must be 1, 2, 4, ... Lanes / 64 = 4
ExpWidth 3 ExpWidth must be 1, 2, 4, ... Lanes / 64 = 4
ExpWidth 8 ExpWidth must be 1, 2, 4, ... Lanes / 64 = 4
END

while read -r combination; do
  if lint $combination; then passed "lint.${combination// /-}"; else failed "lint.${combination// /-}"; fi
done <<< "$combinations"
while read -r combination; do
  if run $combination; then passed "run.${combination// /-}"; else failed "run.${combination// /-}"; fi
done <<< "$runs"
exit $status
