#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# board_sim.sh [all] - gpt2rtl board on the simulated ULX3S: its text is golden's, its memory is loaded over the cable (nano) and by
# the back door (demo), a run is interrupted, a model is too large. all: ECPIX-5 too, and more tokens (make test-board)
status=0
check() {                                                     # NAME COMMAND...
  echo "[ RUN      ] board_sim.$1"
  if "${@:2}"; then echo "[       OK ] board_sim.$1"; else cat "$log"; echo "[  FAILED  ] board_sim.$1"; status=1; fi
}
skip() { echo "[  SKIPPED ] board_sim: $1"; exit 0; }
work=$(mktemp -d) log=$work/log sim=
trap 'stop; rm -rf "$work"' EXIT
export XDG_CACHE_HOME=$PWD/build/models/cache

stop() { [ -z "$sim" ] || { kill "$sim"; wait "$sim"; sim=; } 2> /dev/null; }
start() {                                                     # BOARD [IMAGE]
  stop
  : > "$work/sim"
  build/board/board_sim build/board/sim "$1" 0 ${2:+"$2"} > "$work/sim" &
  sim=$!
  for ((i = 0; i < 300; i++)); do
    port=$(head -n 1 "$work/sim")
    [ -n "$port" ] && return
    kill -0 $sim 2> /dev/null || return
    sleep 0.1
  done
}
board() { build/gpt2rtl board --port "$port" "$@" 2> "$log"; }
says() { grep -qF -- "$1" "$log"; }
same() {                                                      # OPTION...
  local want found
  want=$(build/gpt2rtl generate --engine golden "$@" 2> /dev/null) && [ -n "$want" ] && found=$(board "$@") && [ "$found" = "$want" ] && return
  printf 'golden: %s\nboard:  %s\n' "$want" "$found"
  return 1
}
nano=(--model "$work/nano" --prompt Hello)
demo=(--model models/demo --prompt 'Once upon a time')

identity() { board && says "$1" && says 'memory is initialised'; }
# The model goes over the cable once. The LEDs show the last token's lowest eight bits.
front() {
  local id
  same "${nano[@]}" --tokens 6 && says 'loaded 0.5 MB' && says 'cycles per position' || return
  id=$(build/gpt2rtl generate --engine golden --json "${nano[@]}" --tokens 6 2> /dev/null | tr -d ' \n\t' | sed -E 's/.*"ids":\[([0-9,]*)\].*/\1/')
  [ "$(tail -n 1 "$work/sim")" = "leds $(printf %02x $((${id##*,} & 255)))" ] || { tail -n 1 "$work/sim"; echo "ids $id"; return 1; }
  same "${nano[@]}" --tokens 3 --seed 5 && says 'already holds the model' && ! says 'memory is initialised'
}
run_long() {                                                  # in the background, as $pid, until text comes
  rm -f "$work/text"
  build/gpt2rtl board --port "$port" "${nano[@]}" --tokens 100000 --ignore-eos > "$work/text" 2> "$log" &
  pid=$!
  for ((i = 0; i < 300; i++)); do [ -s "$work/text" ] && break; sleep 0.1; done
}
# After a signal the run has ended on the board too, and the next one is right.
interrupted() {
  run_long
  kill -TERM $pid
  wait $pid
  [ $? = 143 ] && says 'interrupted after' && says 'the run on the board has ended' && same "${nano[@]}" --tokens 3
}
# If the program is killed, the run continues, and the next program ends it.
killed() {
  run_long
  kill -KILL $pid
  wait $pid 2> /dev/null
  same "${nano[@]}" --tokens 3
}
full() { board "${nano[@]}" --tokens 3 > /dev/full; [ $? = 1 ] && says 'standard output'; }
too_large() {
  sed 's/"n_head": 2/"n_head": 4/; s/"n_embd": 128/"n_embd": 256/' "$work/nano/config.json" > "$work/config.json"
  build/gpt2rtl random-model --config "$work/config.json" --output "$work/wide" 2> "$log" || return
  board --model "$work/wide" --prompt x > /dev/null
  [ $? = 1 ] && says 'more heads'
}
pulled() {                                                    # the simulated board ends amid a run
  run_long
  stop
  wait $pid
  [ $? = 1 ] && says 'the connection is lost'
}

boards/venv.sh || skip "LiteX could not be fetched from PyPI (build/venv.log): $(tail -n 1 build/venv.log)"
boards=ulx3s
[ "$1" = all ] && boards='ulx3s ecpix5'
echo "[==========] Running $([ "$1" = all ] && echo 11 || echo 8) test(s)."
build() { make --no-print-directory -s build/gpt2rtl build/board/board_sim $(printf 'build/board/sim/%s.so ' $boards) > "$log" 2>&1; }
build || { check builds false; exit 1; }
build/gpt2rtl random-model --config nano --seed 1 --output "$work/nano" 2> "$log"
build/gpt2rtl compile --model models/demo --lanes 64 --output "$work/demo.image" 2> "$log"

start ulx3s
check identity identity 'ULX3S-85F: 50 MHz, 32 MB, 64 lanes'
check front front
check interrupted interrupted
check killed killed
check full_output full
check too_large too_large
check pulled pulled
start ulx3s "$work/demo.image"
check demo same "${demo[@]}" --tokens $([ "$1" = all ] && echo 30 || echo 3) --temperature 0.8 --seed 7
if [ "$1" = all ]; then
  start ecpix5
  check ecpix5_identity identity 'ECPIX-5: 75 MHz, 512 MB, 64 lanes'
  check ecpix5_front front
  start ecpix5 "$work/demo.image"
  check ecpix5_demo same "${demo[@]}" --tokens 30 --temperature 0.8 --seed 7
fi
exit $status
