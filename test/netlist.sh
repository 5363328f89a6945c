#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# netlist.sh NETLIST.so - a board's gpt2_axi, as Yosys mapped it to the device's cells, writes golden's text: nano, by the driver,
# through its 32-bit memory port (make test-netlist)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME=$PWD/build/models/cache
options=(--model "$work/nano" --prompt Hi --tokens 3 --seed 5 --ignore-eos)
echo '[==========] Running 1 test(s).'
echo '[ RUN      ] netlist.nano'
build/gpt2rtl random-model --config nano --seed 1 --output "$work/nano" 2> /dev/null
want=$(build/gpt2rtl generate --engine golden "${options[@]}" 2> /dev/null)
found=$(GPT2RTL_SIMULATOR=$1 build/gpt2rtl generate --lanes 64 --bus axi:1x32 --memory latency=20 "${options[@]}" 2> "$work/log")
if [ -n "$want" ] && [ "$found" = "$want" ]; then
  grep cycles "$work/log"
  echo '[       OK ] netlist.nano'
else
  printf 'golden:  %s\nnetlist: %s\n' "$want" "$found"
  cat "$work/log"
  echo '[  FAILED  ] netlist.nano'
  exit 1
fi
