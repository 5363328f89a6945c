#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh TEST... - runs tests, two or more at a time, and counts what they print as cmocka does
#
# Each test's output goes to build/test/NAME.log; the log of one that fails is shown. The last line is
# "N passed, N failed, N skipped"; the exit status is 0 if none failed. A test that crashes or is not there fails once, and
# so does the build unless make left build/test/built.
mkdir -p build/test
export CMOCKA_MESSAGE_OUTPUT=STDOUT
one() {
  local test=$1 name log status start=$SECONDS passed failed skipped
  name=$(basename "$test" .sh)
  log=build/test/$name.log
  if [ -x "$test" ]; then "$test" > "$log" 2>&1; status=$?; else echo "$test was not built" > "$log"; status=127; fi
  passed=$(grep -c '^\[       OK \]' "$log")
  failed=$(grep -cE '^\[  FAILED  \] [A-Za-z0-9_.]+$' <(sed '/test(s) run\.$/,$d' "$log"))
  skipped=$(grep -c '^\[  SKIPPED \] [A-Za-z]' <(sed '/test(s) run\.$/,$d' "$log"))
  if [ $status -ne 0 ] && [ "$failed" -eq 0 ]; then
    failed=1
    echo "[  FAILED  ] $name: exit status $status" >> "$log"
  fi
  printf '%d %d %d\n' "$passed" "$failed" "$skipped" > "build/test/$name.count"
  local text="$passed passed"
  [ "$failed" -gt 0 ] && text+=", $failed failed"
  [ "$skipped" -gt 0 ] && text+=", $skipped skipped"
  printf '%-28s %s (%d s)\n' "$name" "$text" $((SECONDS - start))
  if [ "$failed" -gt 0 ]; then grep -v '^\[       OK \]\|^\[ RUN ' "$log" | tail -n 40 | sed 's/^/    /'; fi
  if [ "$skipped" -gt 0 ]; then grep -i 'skip' "$log" | head -n 5 | sed 's/^/    /'; fi
}
export -f one
rm -f build/test/*.count
if ! [ -e build/test/built ]; then
  echo "build                        1 failed: see the errors above"
  echo "0 1 0" > build/test/build.count
fi
printf '%s\n' "$@" | xargs -P "${JOBS:-$(nproc)}" -I{} bash -c 'one {}'
cat build/test/*.count | awk '{p += $1; f += $2; s += $3}
  END {printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0}'
