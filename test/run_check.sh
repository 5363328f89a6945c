#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run_check.sh - tests test/run.sh itself: a test that hangs, crashes, stops in the middle or
# reports nothing fails under its name, once, and leaves no process
run=$PWD/test/run.sh
dir=$(mktemp -d) status=0
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
passed() { echo "[       OK ] run.$1"; }
failed() { echo "[  FAILED  ] run.$1"; status=1; }
echo "[==========] Running 12 test(s)."

# A cmocka test that passes, then does what the program's name says.
cat > test.c << 'END'
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static const char *name;
static void good(void **state) { (void)state; }
static void bad(void **state) {
  (void)state;
  if (strcmp(name, "hangs") == 0) {
    // Neither the process nor its child goes when asked; the child is in a process group of its own.
    signal(SIGTERM, SIG_IGN);
    const pid_t child = fork();
    if (child == 0) setpgid(0, 0);
    FILE *pids = child == 0 ? NULL : fopen("hangs.pids", "w");
    if (pids != NULL) fprintf(pids, "%d %d\n", getpid(), child), fclose(pids);
    for (;;) pause();
  }
  if (strcmp(name, "aborts") == 0) abort();
  if (strcmp(name, "leaves") == 0) exit(0);
  if (strcmp(name, "skips") == 0) skip();
  assert_string_not_equal(name, "fails");
  // A shell makes what it starts in the background ignore SIGINT; a test does not.
  if (strcmp(name, "passes") == 0) assert_true(signal(SIGINT, SIG_DFL) == SIG_DFL);
}
int main(int argc, char **argv) {
  (void)argc;
  name = strrchr(argv[0], '/') + 1;
  const struct CMUnitTest tests[] = {cmocka_unit_test(good), cmocka_unit_test(bad)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
END
${CC:-cc} test.c -o passes -lcmocka || { failed build; exit 1; }
for name in hangs aborts leaves skips fails; do cp passes $name; done
printf '#!/bin/sh\nexit 0\n' > silent.sh
printf '#!/bin/sh\necho "[       OK ] refuses.first"\nexit 3\n' > refuses.sh
printf '#!/bin/sh\nsleep 600 & echo "$$ $!" > sleeps.pids; wait\n' > sleeps.sh
chmod +x ./*.sh
mkdir -p logs && touch logs/built
said=$(TEST_SECONDS=3 LOGS=logs JOBS=9 "$run" ./passes ./hangs ./aborts ./leaves ./skips ./fails ./silent.sh ./refuses.sh ./absent 2>&1)
code=$?

expect() {                                                    # NAME COUNTS [LAST LINE OF THE LOG]
  if [ "$(cat "logs/$1.count")" = "$2" ] && { [ -z "$3" ] || [ "$(tail -n 1 "logs/$1.log")" = "$3" ]; }; then
    passed "$1"
  else
    echo "$1: counts and the log's last lines, expected \"$2\" and \"$3\":"
    cat "logs/$1.count"; tail -n 3 "logs/$1.log"
    failed "$1"
  fi
}
expect passes '2 0 0'
expect hangs '1 1 0' '[  FAILED  ] bad: not done after 3 s'
expect aborts '1 1 0' '[  FAILED  ] bad: ended in the middle, exit status 134'
expect leaves '1 1 0' '[  FAILED  ] bad: ended in the middle, exit status 0'
expect skips '1 0 1'
expect fails '1 1 0'
expect silent '0 1 0' '[  FAILED  ] silent: reported no test'
expect refuses '1 1 0' '[  FAILED  ] refuses: exit status 3'
expect absent '0 1 0' '[  FAILED  ] absent: exit status 127'
if [ $code = 1 ] && [ "$(tail -n 1 <<< "$said")" = '8 passed, 7 failed, 1 skipped' ] && grep -q 'bad: not done after 3 s' <<< "$said"; then
  passed sum
else
  echo "$said"
  failed sum
fi

gone() {                                                      # NAME: what NAME.pids names
  local pid
  for pid in $(cat "$1.pids"); do
    if [ -e "/proc/$pid" ] && ! grep -q '^State:.*zombie' "/proc/$pid/status"; then return 1; fi
  done
  [ -s "$1.pids" ]
}
if gone hangs; then passed none_left; else failed none_left; fi

# Ctrl-C in a terminal reaches run.sh and its own processes, but not the tests, which are in
# sessions of their own.
LOGS=logs setsid env --default-signal=INT "$run" ./sleeps.sh > /dev/null 2>&1 &
for _ in {1..50}; do [ -s sleeps.pids ] && break; sleep 0.1; done
kill -INT -- -$!
for _ in {1..50}; do gone sleeps && break; sleep 0.1; done
if gone sleeps; then passed interrupted; else failed interrupted; fi
exit $status
