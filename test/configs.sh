#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# configs.sh [all] - gpt2_top's parameters (docs/parameters.md): legal combinations pass lint and
# write what the golden model writes; illegal ones are refused with their message
#
# all (make test-configs): each of the 196 combinations of Lanes, NormWidth and ExpWidth. A
# combination runs with one of the seven pairs of maxima below, chosen so that each pair of maxima
# runs with each pair of Lanes and ExpWidth, and with each NormWidth. It is elaborated and linted
# with that pair, the least and the largest. build/config/passed records what passed, with a hash of
# everything that it depends on, and those are not run again: a stopped run resumes. More than an
# hour on two cores.
#
# Without it (make test): 70 combinations, in which each value of a parameter meets each compatible
# value of every other, are elaborated and linted, all of one Lanes at once. Four run, with those
# Lanes that test_gpt2_top does not run.
#
# A run is nano past its context of 64, or, if MaxHeads is 1, a model of one head, with the RTL's
# assertions on. JOBS is the number of combinations at a time, by default the number of processors;
# one takes up to 1.5 GB.
maxima=(1,64 2,64 3,192 7,320 12,1024 25,64 25,1024)          # MaxHeads,MaxCtx: the least, nano, odd ones, gpt2, gpt2-xl
batches=(1,1 2,2 8,8 4,1 16,4 8,2 4,4)                        # Positions,Engines
foldings=(1 4 2 1 16 8 1)
few='128_1_64_16_1_16_4_1 512_25_1024_1_4_8_1_2 2048_3_192_8_8_2_2_4 4096_12_1024_64_64_1_1_1'
files="$(printf -- "-I%s " rtl/*/) rtl/base/gpt2_pkg.sv rtl/base/gpt2_tables_pkg.sv rtl/top/gpt2_top.sv"
work=build/config
export VERILATOR=${VERILATOR:-verilator} files work

# A combination is LANES_MAXHEADS_MAXCTX_NORMWIDTH_EXPWIDTH_POSITIONS_ENGINES_FOLDING. Those of the i-th number of lanes, 64 2^i:
norms=(1 2 4 8 16 32 64)
part() {                                                      # I
  local n e
  for n in {0..6}; do combination "$1" $n "$1" $((n + $1)); done
  for ((e = 0; e < $1; e++)); do combination "$1" $((($1 + e) % 7)) $e $((2 * $1 + e)); done
}
# Those of all lanes: first the ones in which each two widths meet, then the others.
every() {
  local i n e rest
  for rest in 0 1; do
    for i in {0..6}; do
      for n in {0..6}; do
        for ((e = 0; e <= i; e++)); do
          [ $((e < i && n != (i + e) % 7)) = $rest ] && combination $i $n $e $((n + i + 3 * e))
        done
      done
    done
  done
}
# Positions is at most 4096 / Lanes: more takes minutes to compile.
combination() {                                               # I NORM EXP MAXIMA
  local m=${maxima[$4 % 7]} b=${batches[($2 + 2 * $3 + 3 * $1) % 7]}
  local p=${b%,*} e=${b#*,}
  while ((p > 1 && p > (64 >> $1))); do p=$((p / 2)); done
  while ((e > p)); do e=$((e / 2)); done
  echo "$((64 << $1))_${m/,/_}_${norms[$2]}_$((1 << $3))_${p}_${e}_${foldings[($1 + 3 * $2 + $3) % 7]}"
}

# Elaborates gpt2_top with each of the combinations, in a module around them that connects nothing.
elaborate() {                                                 # NAME OPTION... -- COMBINATION...
  local name=$1 options=() i=0 c l h x n e p g f
  while shift && [ "$1" != -- ]; do options+=("$1"); done
  shift
  {
    echo "module configs_$name; /* verilator lint_off PINMISSING */"
    for c in "$@"; do
      IFS=_ read -r l h x n e p g f <<< "$c"
      echo "  gpt2_top #(.Lanes($l), .MaxHeads($h), .MaxCtx($x), .NormWidth($n), .ExpWidth($e), .Positions($p), .Engines($g), .Folding($f)) u_$((i++)) ();"
    done
    echo endmodule
  } > "$work/configs_$name.sv"
  $VERILATOR --lint-only "${options[@]}" --top-module "configs_$name" $files "$work/configs_$name.sv" 2>&1
}
lint() { local name=$1; shift; elaborate "$name" -Wall lint/waivers.vlt -- "$@"; }   # NAME COMBINATION...

# The ids of three prompts of MODEL, each with its prompt, one a line; if it fails, its messages.
ids() {                                                       # MODEL OPTION...
  local stats=$work/ids-$BASHPID said
  if said=$(build/gpt2rtl generate --model "$work/$1" --ids 3,77,1,300,5,9,2,7,40,41,8 --ids 5 --ids 9,2,7 --tokens 66 --temperature 1 --seed 5 --ignore-eos \
      --stats "$stats" "${@:2}" 2>&1 > /dev/null); then
    sed -nE 's/.*"prompt": *([0-9]+),.*"next": *([0-9]+).*/\1 \2/p' "$stats" | sort -s -n -k 1,1
  else
    echo "$said"
  fi
  rm -f "$stats"
}
run() {                                                       # COMBINATION
  local l h x n e p g f model=nano so
  IFS=_ read -r l h x n e p g f <<< "$1"
  [ "$h" = 1 ] && model=one_head                             # nano has two
  so=$work/$l-MaxHeads.$h-MaxCtx.$x-NormWidth.$n-ExpWidth.$e-Positions.$p-Engines.$g-Folding.$f.so
  rm -f "$so"
  make -s --no-print-directory -o build/sim/source.c -o build/sim/source.o "$so" || return 1
  GPT2RTL_SIMULATOR=$so ids $model --engine rtl --lanes "$l" > "$work/$1.ids"
  if cmp -s "$work/$1.ids" "$work/$model.golden"; then
    rm -f "${so%.so}".* "$work/$1.ids"
  else
    echo "the ids differ (<: RTL, >: golden):"; diff "$work/$1.ids" "$work/$model.golden" | head -n 5; return 1
  fi
}

# Does one thing and reports how it ended: lint of several, run of one, or one whole combination.
one() {                                                       # lint NAME COMBINATION... | run COMBINATION | all COMBINATION
  local what=$1 name=$2 start=$SECONDS log=$work/$1.$2.log ok=1 times
  case $what in
    lint) lint "$name" "${@:3}" > "$log" || ok=0 ;;
    run) run "$name" > "$log" 2>&1 || ok=0 ;;
    all)
      IFS=_ read -r l h x n e p g f <<< "$name"
      { lint "$name" $(printf '%s\n' "$name" "${l}_1_64_${n}_${e}_${p}_${g}_$f" "${l}_25_1024_${n}_${e}_${p}_${g}_$f" | sort -u) && run "$name"; } > "$log" 2>&1 || ok=0
      [ $ok = 1 ] && echo "$hash $name" >> $work/passed ;;
  esac
  echo "$ok" >> $work/done
  times="$(wc -l < $work/done) of $total, $((SECONDS - start)) s"
  if [ $ok = 1 ]; then
    rm -f "$log" "$work/configs_$name.sv"
    echo "[       OK ] configs.$what.$name ($times)"
  else
    printf '%s\n[  FAILED  ] configs.%s.%s\n' "$(head -n 8 "$log")" "$what" "$name"
  fi
}

# Checks the message that refuses each illegal value: all at once, and the exit status with one of
# them.
refusals='0,2,64,64,1,1,1,1 Lanes must be 64, 128, 256, ... 4096, not 0
32,2,64,64,1,1,1,1 Lanes must be 64, 128, 256, ... 4096, not 32
96,2,64,64,1,1,1,1 Lanes must be 64, 128, 256, ... 4096, not 96
8192,2,64,64,1,1,1,1 Lanes must be 64, 128, 256, ... 4096, not 8192
256,0,64,64,4,1,1,1 MaxHeads must be 1 to 25, not 0
256,26,64,64,4,1,1,1 MaxHeads must be 1 to 25, not 26
256,2,0,64,4,1,1,1 MaxCtx must be a multiple of 64 from 64 to 1024, not 0
256,2,100,64,4,1,1,1 MaxCtx must be a multiple of 64 from 64 to 1024, not 100
256,2,1088,64,4,1,1,1 MaxCtx must be a multiple of 64 from 64 to 1024, not 1088
256,2,64,0,4,1,1,1 NormWidth must be 1, 2, 4, ... 64, not 0
256,2,64,3,4,1,1,1 NormWidth must be 1, 2, 4, ... 64, not 3
256,2,64,128,4,1,1,1 NormWidth must be 1, 2, 4, ... 64, not 128
256,2,64,64,0,1,1,1 ExpWidth must be 1, 2, 4, ... Lanes / 64 = 4, not 0
256,2,64,64,3,1,1,1 ExpWidth must be 1, 2, 4, ... Lanes / 64 = 4, not 3
64,2,64,64,2,1,1,1 ExpWidth must be 1, 2, 4, ... Lanes / 64 = 1, not 2
4096,2,64,64,128,1,1,1 ExpWidth must be 1, 2, 4, ... Lanes / 64 = 64, not 128
256,2,64,64,4,0,1,1 Positions must be 1, 2, 4, 8 or 16, not 0
256,2,64,64,4,3,1,1 Positions must be 1, 2, 4, 8 or 16, not 3
256,2,64,64,4,32,1,1 Positions must be 1, 2, 4, 8 or 16, not 32
256,2,64,64,4,8,0,1 Engines must be 1, 2, 4, ... Positions = 8, not 0
256,2,64,64,4,8,3,1 Engines must be 1, 2, 4, ... Positions = 8, not 3
256,2,64,64,4,4,8,1 Engines must be 1, 2, 4, ... Positions = 4, not 8
256,2,64,64,4,1,1,0 Folding must be 1, 2, 4, 8 or 16, not 0
256,2,64,64,4,1,1,3 Folding must be 1, 2, 4, 8 or 16, not 3
256,2,64,64,4,1,1,32 Folding must be 1, 2, 4, 8 or 16, not 32'
refuse() {
  local said combination sentence bad=0
  elaborate one -- 256_2_64_64_8_1_1_1 > /dev/null && { echo "ExpWidth = 8 at 256 lanes is not refused"; bad=1; }
  said=$(elaborate illegal -- $(cut -d' ' -f1 <<< "$refusals" | tr , _))
  while read -r combination sentence; do
    grep -qE "gpt2_top: ${sentence//./[.]}\$" <<< "$said" && continue
    echo "$combination is not refused with \"$sentence\""
    bad=1
  done <<< "$refusals"
  return $bad
}

cd "$(dirname "$0")/.." || exit 1
mkdir -p $work
rm -f $work/done; touch $work/done
# What all runs need: the tables, the program, the models and their ids.
make -s --no-print-directory build/gpt2rtl build/sim/source.o build/runtime/{verilated,verilated_threads}.o || exit 1
cat > $work/one_head.json << 'END'
{"model_type": "gpt2", "n_layer": 2, "n_head": 1, "n_embd": 64, "n_positions": 64, "vocab_size": 301}
END
for model in nano one_head; do
  shape=$model
  [ $model = one_head ] && shape=$work/$model.json
  rm -rf "${work:?}/$model"
  build/gpt2rtl random-model --config $shape --seed 1 --output $work/$model || exit 1
  ids $model --engine golden > $work/$model.golden
  [ "$(wc -l < $work/$model.golden)" = 198 ] || { cat $work/$model.golden; exit 1; }
done
hash=$({ sim/source_hash.sh; $VERILATOR --version; declare -f elaborate lint ids run one; cat lint/waivers.vlt build/gpt2rtl; } | sha256sum | cut -c1-16)
export hash total
export -f elaborate lint ids run one

# One task a line.
if [ "$1" = all ]; then
  combinations=$(every)
  touch $work/passed
  todo=$(grep -vxFf <(sed -n "s/^$hash //p" $work/passed) <<< "$combinations")
  things=$(sed 's/^/all /' <<< "$todo")
  [ -z "$todo" ] && things=
  echo "$(wc -l <<< "$combinations") combinations, $(grep -c . <<< "$todo") of them not passed before"
else
  things=$(for i in {6..0}; do echo "lint $((64 << i))_lanes" $(part "$i"); done; printf 'run %s\n' $few)
fi
total=$(grep -c . <<< "$things")
echo "[==========] Running $((total + 1)) test(s)."
start=$SECONDS
illegal=0
refuse && echo "[       OK ] configs.illegal" || { echo "[  FAILED  ] configs.illegal"; illegal=1; }
grep . <<< "$things" | xargs -r -P "${JOBS:-$(nproc)}" -L 1 bash -c 'one "$@"' one
failed=$((illegal + total - $(grep -c 1 $work/done)))           # including those that did not
                                                                # finish
if [ "$1" = all ]; then
  times > $work/times                                           # in a pipe it would be the
                                                                # subshell's
  echo "$(grep -cxFf <(sed -n "s/^$hash //p" $work/passed) <<< "$combinations") of $(wc -l <<< "$combinations") combinations passed," \
    "$failed failed; $(((SECONDS - start) / 60)) minutes, $(awk 'END {print $1}' $work/times) of processor time"
fi
[ "$failed" = 0 ]
