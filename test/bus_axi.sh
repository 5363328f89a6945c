#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# bus_axi.sh [all] - tests gpt2rtl generate --bus axi: the driver on the Verilated gpt2_axi must write
# golden's text
#
# The demo model runs at 256 lanes, also with a slow memory, and at 64 lanes in batches of 4 positions and with 4 sequences at a time; refusals and an interrupt
# are tested.
# all (make test-bus-axi): also 8 tokens of the 124M shape with random weights, at 1024 lanes on 8
# ports of 1024 bits.
generate() { build/gpt2rtl generate "$@"; }
status=0
check() {                                                     # NAME FUNCTION
  echo "[ RUN      ] bus_axi.$1"
  if "$2"; then echo "[       OK ] bus_axi.$1"; else echo "[  FAILED  ] bus_axi.$1"; status=1; fi
}
same() {                                                      # SETTINGS... - BUS...
  local settings=() want found
  while [ "$1" != - ]; do settings+=("$1"); shift; done
  shift
  want=$(generate "${settings[@]}" --engine golden 2> /dev/null) && [ -n "$want" ] &&
    found=$(generate "${settings[@]}" "$@" 2> build/bus_axi.log) && [ "$found" = "$want" ] && grep -q 'cycles per token' build/bus_axi.log &&
    return
  printf 'golden: %s\naxi:    %s\n' "$want" "$found"
  cat build/bus_axi.log
  return 1
}
demo=(--model models/demo --prompt 'Once upon a time')
greedy() { same "${demo[@]}" --tokens 12 - --bus axi; }
drawn() { same "${demo[@]}" --tokens 12 --seed 7 --temperature 0.8 - --bus axi --memory latency=300,beats=0.7,stall=0.2; }
stopped() { same "${demo[@]}" --tokens 40 --stop ' little' - --bus axi; }
# A batch ends within the prompt, which is 18 ids.
batches() {
  same --model models/demo --prompt 'Once upon a time there was a little girl who lived in the forest with her mother' --tokens 6 - \
    --lanes 64 --bus axi --positions 4 --engines 2
}
# More prompts than places, each with its seed.
prompts() {
  printf 'Tom had %d dogs\n' 1 2 3 4 5 6 7 8 9 > build/bus_axi.prompts
  seq 9 > build/bus_axi.seeds
  same --model models/demo --prompts build/bus_axi.prompts --seeds build/bus_axi.seeds --tokens 5 - --lanes 64 --bus axi --positions 4 --engines 2
}
candidates() { same "${demo[@]}" --tokens 3 --top 2 - --bus axi:2x1024; }

# The memory floor of a prompt of five ids and a token, as without the wrapper: in it, all but a token's end are unknown.
floor() {
  generate --model models/demo --ids 65,12,270,260,527 --tokens 2 --temperature 0 --stats build/bus_axi.json "$@" > /dev/null 2> build/bus_axi.log
  grep -o '"floor": [0-9.]*' build/bus_axi.json
}
floors() {
  local want
  want=$(floor) && [ "$(floor --bus axi)" = "$want" ] && return
  echo "without the wrapper: $want"
  cat build/bus_axi.log
  return 1
}

refused() {                                                   # STATUS TEXT OPTION...
  local expected=$1 text=$2
  shift 2
  generate "${demo[@]}" "$@" > /dev/null 2> build/bus_axi.log
  [ $? = "$expected" ] && grep -qF -- "$text" build/bus_axi.log && return
  cat build/bus_axi.log
  return 1
}
refusals() {
  refused 2 "--bus 'pci'" --bus pci && refused 2 '--bus needs' --bus axi --engine golden &&
    refused 2 '--trace shows gpt2_top' --bus axi --trace build/bus_axi.fst && refused 1 "ports '3x64'" --bus axi:3x64 &&
    refused 1 'together at most 2048 bits' --bus axi:4x1024 && refused 1 "ports ''" --bus axi:
}

# A signal ends the run in the hardware too, and the program by that signal.
interrupted() {
  build/gpt2rtl generate "${demo[@]}" --tokens 100000 --ignore-eos --bus axi > /dev/null 2> build/bus_axi.log &
  local pid=$!
  sleep 4
  kill -TERM $pid
  wait $pid
  [ $? = 143 ] && grep -q 'interrupted after' build/bus_axi.log && return
  cat build/bus_axi.log
  return 1
}

gpt2() { XDG_CACHE_HOME=$PWD/build/models/cache same --model build/models/gpt2 --ids 464,995 --tokens 8 --ignore-eos - --lanes 1024 --bus axi:8x1024; }

echo "[==========] Running $([ "$1" = all ] && echo 10 || echo 9) test(s)."
check greedy greedy
check drawn drawn
check stopped stopped
check batches batches
check prompts prompts
check candidates candidates
check floors floors
check refusals refusals
check interrupted interrupted
[ "$1" = all ] && check gpt2_8x1024 gpt2
exit $status
