#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# decode.sh MODEL LANES:POSITIONS:ENGINES:MEMORY:IDS... - what a token costs when as many sequences
# as the hardware has Positions decode together, in simulation (make bench-decode)
#
# For each, MODEL, a folder with the 124M shape, continues POSITIONS prompts of IDS ids together, and
# one of them alone on hardware with one position and on the same hardware. Prints the cycles of the
# third token, for each of the sequences. MEMORY is as for generate.
cd "$(dirname "$0")/.." || exit 1
mkdir -p build/bench
stats=build/bench/decode-$$.json
trap 'rm -f "$stats" "$stats.log"' EXIT
model=$1
shift

# Cycles of the third token: what is reported last, after the other sequences.
third() {                                                     # LANES POSITIONS ENGINES MEMORY IDS SEQUENCES
  local lists=() i
  for ((i = 0; i < $6; i++)); do
    lists+=(--ids "$(awk -v n="$5" -v s="$i" 'BEGIN {for (i = 0; i < n; i++) printf "%s%d", i ? "," : "", (i * 40503 + s * 9973 + 15496) % 50257}')")
  done
  build/gpt2rtl generate --model "$model" "${lists[@]}" --tokens 3 --ignore-eos --temperature 0 --lanes "$1" --positions "$2" --engines "$3" \
    --memory "$4" --stats "$stats" > /dev/null 2> "$stats.log" || { cat "$stats.log" >&2; exit 1; }
  awk -v n="$6" 'match($0, /"cycles": [0-9]+, *$|"cycles": [0-9]+}/) && /"position"/ {
      split(substr($0, RSTART), part, /[ ,}]+/); cycles[++count] = part[2] }
    END { for (i = count - n + 1; i <= count; i++) sum += cycles[i]; printf "%.0f\n", sum / n }' "$stats"
}
echo "| lanes | positions, engines | memory | context | cycles a token | one sequence | one, on one position | gain |"
echo "| --- | --- | --- | --- | --- | --- | --- | --- |"
for what in "$@"; do
  IFS=: read -r lanes positions engines memory n <<< "$what"
  all=$(third "$lanes" "$positions" "$engines" "$memory" "$n" "$positions") && one=$(third "$lanes" "$positions" "$engines" "$memory" "$n" 1) &&
    alone=$(third "$lanes" 1 1 "$memory" "$n" 1) || exit 1
  awk -v l="$lanes" -v p="$positions" -v e="$engines" -v m="$memory" -v n="$n" -v all="$all" -v one="$one" -v alone="$alone" 'BEGIN {
    printf "| %d | %d, %d | %s | %d | %d | %d | %d | %.2f |\n", l, p, e, m, n, all, one, alone, alone / all }'
done
