#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# sanitized.sh TARGET... - makes targets in build/asan with AddressSanitizer,
# UndefinedBehaviorSanitizer and the counters that libFuzzer follows
#
# build/asan is the project's folder by links, except for its own build/, where only what is
# compiled from C differs from build/. So build/x there always means the instrumented one. Only one
# sanitized.sh runs at a time. JOBS is make's. Exit status 2: this compiler has no sanitizers.
CC=${CC:-clang}
flags='-g -fno-omit-frame-pointer -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all'
mkdir -p build/asan/build build/{gen,sim,block,verilated,arm64}
exec 9> build/asan/lock
flock 9
cd build/asan || exit 1
for name in ../../*; do [ "${name##*/}" = build ] || ln -sfn "$name" .; done
for name in gen sim block verilated arm64; do ln -sfn "../../$name" build/; done
echo 'int main(void) { return 0; }' > probe.c
if ! $CC $flags probe.c -o probe 2> probe.log; then
  echo "$CC has no sanitizers or no libFuzzer (Debian: libclang-rt-dev): $(head -n 1 probe.log)"
  exit 2
fi
# Objects made with other flags are not reused.
if [ "$(cat flags 2> /dev/null)" != "$CC $flags" ]; then
  rm -rf build/obj build/test build/fuzz build/*.a build/gpt2rtl
  echo "$CC $flags" > flags
fi
env -u MAKEFLAGS -u MAKELEVEL make -s -k -j"${JOBS:-1}" CC="$CC $flags" "$@"
