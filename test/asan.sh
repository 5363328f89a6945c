#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# asan.sh [all | TEST...] - the tests in C, and the program that they run, with AddressSanitizer,
# LeakSanitizer and UndefinedBehaviorSanitizer
#
# all (make test-asan): every test. Without it (make test): the tests that need no simulator, except
# those that only measure or that take more than half a minute this way. They are built and run in
# build/asan (test/sanitized.sh). Simulators, which Verilator writes, are not instrumented. A
# finding ends the program with status 99, which no test expects, and is written to
# build/asan/log/NAME.log.
slow='test_fast_engine test_fast_neon test_fidelity test_gpt2_float test_fetch'
root=$PWD
mkdir -p build/asan/log

case $1 in
  '')
    tests=$(cd test && grep -LE '"(block|recording|sim|library|shell)\.h"|build/gpt2rtl' test_*.c)
    tests=$(grep -vxFf <(printf '%s\n' $slow test_long) <<< "${tests//.c/}")
    ;;
  all) tests=$(ls test/test_*.c | sed 's|test/||; s/\.c$//' | grep -v '^test_long$') ;;
  *) tests=$* ;;
esac
echo "[==========] Running $(wc -w <<< "$tests") test(s)."

rm -f build/asan/log/*
test/sanitized.sh $(printf 'build/test/%s ' $tests) > build/asan/build.log 2>&1 && touch build/asan/log/built || tail -n 20 build/asan/build.log

export ASAN_OPTIONS=exitcode=99:handle_segv=2:handle_abort=1:detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1
export LSAN_OPTIONS=suppressions=$root/test/asan.supp:print_suppressions=0 UBSAN_OPTIONS=exitcode=99:print_stacktrace=1
export LOGS=log JOBS=${JOBS:-1} GPT2RTL_SHARED=${GPT2RTL_SHARED:-$root/../shared}
cd build/asan || exit 1
said=$(test/run.sh $(printf 'build/test/%s ' $tests))
status=$?
for name in $tests; do
  read -r _ failed _ < "log/$name.count"
  if [ "$failed" = 0 ]; then echo "[       OK ] asan.$name"; else echo "[  FAILED  ] asan.$name"; fi
done
echo "$said" | grep -vE '^test_[a-z0-9_]+ +[0-9]+ passed(, [0-9]+ skipped)? \([0-9]+ s\)$|[Ss][Kk][Ii][Pp]'
exit $status
