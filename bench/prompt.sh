#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# prompt.sh MODEL LANES:POSITIONS:ENGINES:MEMORY:IDS... - what a position of a prompt costs when
# several share each beat, in simulation (make bench-prompt)
#
# For each, MODEL, a folder with the 124M shape, runs a prompt of IDS ids and generates two tokens.
# Prints the cycles of the prompt's last whole batch without the head, for each of its positions; of
# the second token, which runs alone after the prompt; and of that token's layers, which are its
# cycles less those of the head. IDS is a multiple of POSITIONS. MEMORY is as for generate.
cd "$(dirname "$0")/.." || exit 1
mkdir -p build/bench
stats=build/bench/prompt-$$.json
trap 'rm -f "$stats" "$stats.log"' EXIT
model=$1
shift
echo "| lanes | positions, engines | memory | context | cycles, a prompt's position | a token | its layers | layers / position | token / position |"
echo "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
for what in "$@"; do
  IFS=: read -r lanes positions engines memory n <<< "$what"
  ids=$(awk -v n="$n" 'BEGIN {for (i = 0; i < n; i++) printf "%s%d", i ? "," : "", (i * 40503 + 15496) % 50257}')
  build/gpt2rtl generate --model "$model" --ids "$ids" --tokens 2 --ignore-eos --temperature 0 --lanes "$lanes" --positions "$positions" \
    --engines "$engines" --memory "$memory" --stats "$stats" > /dev/null 2> "$stats.log" || { cat "$stats.log"; exit 1; }
  # The first position of a batch has its cycles; two tokens had a head.
  awk -v n="$n" -v p="$positions" -v e="$engines" -v lanes="$lanes" -v memory="$memory" '
    match($0, /"position": [0-9]+/) {
      at = substr($0, RSTART + 12, RLENGTH - 12) + 0
      match($0, /"cycles": [0-9]+/)
      cycles[at] = substr($0, RSTART + 10, RLENGTH - 10) + 0
    }
    /"head": \{/ {
      text = substr($0, index($0, "\"head\": {") + 9)
      sub(/}.*/, "", text)
      count = split(text, part, ",")
      for (i = 1; i <= count; i++) { split(part[i], pair, ": "); head += pair[2] }
    }
    END {
      batch = n - 2 * p
      one = cycles[batch] / p; token = cycles[n]; layers = token - head / 2
      printf "| %d | %d, %d | %s | %d | %.0f | %d | %.0f | %.2f | %.2f |\n", lanes, p, e, memory, batch, one, token, layers, layers / one, token / one
    }' "$stats"
done
