#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# vector_check.sh - whether the C++ compiler has made vector code of the matrix engine's loop: without it a simulator is several
# times as slow, and still right. Prints as the tests do; skipped where this machine has neither AVX-512 nor AVX2, or there is no
# objdump.
if ! command -v objdump > /dev/null; then
  echo "[  SKIPPED ] vector_check: no objdump here (binutils)"
  exit 0
elif grep -q avx512dq /proc/cpuinfo; then
  register=zmm bits=512 need=4
elif grep -q avx2 /proc/cpuinfo; then
  register=ymm bits=256 need=8
else
  echo "[  SKIPPED ] vector_check: neither AVX-512 nor AVX2 here"
  exit 0
fi
failed=0
for lanes in 64 256 1024; do
  # A segment has 64 products of 32 bits: so many multiplications; how many segments the compiler unrolls is its choice.
  found=$(objdump -d "build/sim/gpt2_top_$lanes.so" | grep -cE "vpm(ulld|ullq|addwd|uldq)[^#]*%$register")
  if [ "$found" -ge $need ]; then
    echo "[       OK ] vector_check.$lanes  # $found multiplications of $bits bits"
  else
    echo "[  FAILED  ] vector_check.$lanes"
    echo "  build/sim/gpt2_top_$lanes.so has $found multiplications of $bits bits, $need are the least: rtl/matvec.sv's loop is not vectorised"
    failed=1
  fi
done
exit $failed
