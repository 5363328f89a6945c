#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh TEST... - runs tests, several at a time, and counts the results that they print in cmocka's
# format
#
# Each test's output goes to build/test/NAME.log, and the log of a test that fails is shown. The
# last line is "N passed, N failed, N skipped"; the exit status is 0 if none failed. Each of these
# also counts as one failure: a test that does not exist, that crashes, that ends in the middle or
# reports nothing, or that takes longer than TEST_SECONDS (900); and the build, unless make left
# build/test/built. The failure is named after what was running. Nothing that a test started
# outlives it. JOBS: how many run at a time, by default the number of processors. LOGS: a folder
# instead of build/test.
logs=${LOGS:-build/test}
limit=${TEST_SECONDS:-900}
mkdir -p "$logs"
export CMOCKA_MESSAGE_OUTPUT=STDOUT logs limit
# The processes of a session. A test runs in one, so its children are found whatever their group.
session() { grep -slE "^[0-9]+ \(.*\) [A-Z] [0-9]+ [0-9]+ $1 " /proc/[0-9]*/stat | cut -d/ -f3; }
finish() { local left; left=$(session "$1"); [ -z "$left" ] || kill -KILL $left 2> /dev/null; }
one() {
  local test=$1 name log status session start=$SECONDS passed failed skipped running why= took
  name=$(basename "$test" .sh)
  log=$logs/$name.log
  if [ -x "$test" ]; then
    # A shell's background command ignores SIGINT, but the tests of interruptions must not: timeout
    # restores it.
    setsid timeout -k 5 "$limit" "$test" > "$log" 2>&1 < /dev/null &
    session=$!
    trap 'finish $session; exit 130' INT TERM HUP
    wait $session
    status=$?
    trap - INT TERM HUP
    finish $session
  else
    echo "$test was not built" > "$log"
    status=127
  fi
  took=$((SECONDS - start))
  passed=$(grep -c '^\[       OK \]' "$log")
  failed=$(grep -cE '^\[  FAILED  \] [A-Za-z0-9_.]+$' <(sed '/test(s) run\.$/,$d' "$log"))
  skipped=$(grep -c '^\[  SKIPPED \] [A-Za-z]' <(sed '/test(s) run\.$/,$d' "$log"))
  running=$(awk '/^\[ RUN      \] / {at[$4] = NR}
                 match($0, /\[ *(OK|FAILED|SKIPPED) *\] [A-Za-z0-9_.]+/) {split(substr($0, RSTART, RLENGTH), w, /\] /); delete at[w[2]]}
                 END {for (t in at) printf "%s%s", n++ ? ", " : "", t}' "$log")
  if [ $took -ge "$limit" ] && { [ $status = 124 ] || [ $status = 137 ]; }; then why="not done after $limit s"
  elif [ -n "$running" ]; then why="ended in the middle, exit status $status"
  elif [ $status -ne 0 ] && [ "$failed" -eq 0 ]; then why="exit status $status"
  elif [ $((passed + failed + skipped)) = 0 ]; then why="reported no test"
  fi
  if [ -n "$why" ]; then
    failed=$((failed + 1))
    echo "[  FAILED  ] ${running:-$name}: $why" >> "$log"
  fi
  printf '%d %d %d\n' "$passed" "$failed" "$skipped" > "$logs/$name.count"
  local text="$passed passed"
  [ "$failed" -gt 0 ] && text+=", $failed failed"
  [ "$skipped" -gt 0 ] && text+=", $skipped skipped"
  printf '%-28s %s (%d s)\n' "$name" "$text" $took
  if [ "$failed" -gt 0 ]; then grep -v '^\[       OK \]\|^\[ RUN ' "$log" | tail -n 40 | sed 's/^/    /'; fi
  if [ "$skipped" -gt 0 ]; then grep -i 'skip' "$log" | head -n 5 | sed 's/^/    /'; fi
}
export -f one session finish
rm -f "$logs"/*.count
if ! [ -e "$logs/built" ]; then
  echo "build                        1 failed: see the errors above"
  echo "0 1 0" > "$logs/build.count"
fi
printf '%s\n' "$@" | xargs -P "${JOBS:-$(nproc)}" -I{} bash -c 'one {}'
cat "$logs"/*.count | awk '{p += $1; f += $2; s += $3}
  END {printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0}'
