#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# fuzz.sh [SECONDS [TARGET...]] - libFuzzer over the readers of users' files (fuzz/fuzz_*.c), with
# AddressSanitizer and UBSan
#
# With SECONDS (make fuzz) each target runs for that time, JOBS at a time. Without (make test) it
# runs a fixed number of inputs from a fixed seed, to check that all build and run. An input that
# fails is kept as build/fuzz/TARGET-crash-... (or -leak-, -timeout-), and the command that
# reproduces it is printed. Inputs that reached new code are kept in build/fuzz/corpus/TARGET, where
# the next run starts.
seconds=$1
shift
targets=${*:-$(ls fuzz/fuzz_*.c | sed 's|fuzz/fuzz_||; s/\.c$//')}
echo "[==========] Running $(wc -w <<< "$targets") test(s)."
mkdir -p build/fuzz/corpus
if ! test/sanitized.sh build/fuzz/seeds $(printf 'build/fuzz/%s ' $targets) > build/fuzz/build.log 2>&1; then
  tail -n 20 build/fuzz/build.log
  echo "[  FAILED  ] fuzz.build"
  exit 1
fi
# The folders in which the targets write their files, in memory if possible.
[ -w /dev/shm ] && export TMPDIR=/dev/shm
TMPDIR=$(mktemp -d)
trap 'rm -rf "$TMPDIR"' EXIT
export TMPDIR seconds
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:handle_abort=1 UBSAN_OPTIONS=print_stacktrace=1
build/asan/build/fuzz/seeds build/fuzz/seeds || exit 1
# Words that the readers know.
grep -ohE '"[A-Za-z_<>|]{3,24}"' base/{config,json_util}.c model/{tokenizer/{tokenizer,tokenizer_json,tokenizer_config,vocabulary},checkpoint/safetensors}.c | sort -u > build/fuzz/words

one() {                                                       # TARGET
  local program=build/asan/build/fuzz/$1 log=build/fuzz/$1.log start=$SECONDS
  local options="-dict=build/fuzz/words -timeout=20 -rss_limit_mb=4096 -max_len=20000 -artifact_prefix=build/fuzz/$1- -print_final_stats=1"
  if ! FUZZ_TAKEN=1 "$program" $options "build/fuzz/seeds/$1"/* > "$log" 2>&1; then
    false
  elif [ -n "$seconds" ]; then
    mkdir -p "build/fuzz/corpus/$1"
    "$program" $options -max_total_time="$seconds" "build/fuzz/corpus/$1" "build/fuzz/seeds/$1" > "$log" 2>&1
  else
    mkdir -p "$TMPDIR/corpus/$1"
    "$program" $options -seed=1 -runs=2000 "$TMPDIR/corpus/$1" "build/fuzz/seeds/$1" > "$log" 2>&1
  fi
  if [ $? = 0 ]; then
    echo "[       OK ] fuzz.$1 ($(sed -n 's/stat::number_of_executed_units: *//p' "$log") inputs, $((SECONDS - start)) s)"
  else
    grep -vE '^#[0-9]+[[:space:]]' "$log" | grep -m 1 -A 12 -E 'ERROR|runtime error|not true' || tail -n 5 "$log"
    local input; input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
    [ -n "$input" ] && echo "again: make fuzz FUZZ_SECONDS=1 TARGETS=$1; $program $input"
    echo "[  FAILED  ] fuzz.$1"
    return 1
  fi
}
export -f one
printf '%s\n' $targets | xargs -P "${JOBS:-1}" -I{} bash -c 'one {}'
