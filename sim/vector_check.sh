#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# vector_check.sh - whether the C++ compiler has made vector code of the matrix engine's loop: without it a simulator is several
# times as slow, and still right. Prints as the tests do; skipped where this machine has no AVX-512 or there is no objdump.
if ! grep -q avx512dq /proc/cpuinfo || ! command -v objdump > /dev/null; then
  echo "[  SKIPPED ] vector_check: no AVX-512 here, or no objdump (binutils)"
  exit 0
fi
failed=0
for lanes in 64 256 1024; do
  # A multiplication of 16 x 32 bits for every eight of the beat's 64-byte rows, at least.
  need=$((lanes / 64)) found=$(objdump -d "build/sim/gpt2_top_$lanes.so" | grep -cE 'vpm(ulld|ullq|addwd|uldq)[^#]*%zmm')
  if [ "$found" -ge "$need" ]; then
    echo "[       OK ] vector_check.$lanes  # $found multiplications of 512 bits"
  else
    echo "[  FAILED  ] vector_check.$lanes"
    echo "  build/sim/gpt2_top_$lanes.so has $found multiplications of 512 bits, $need are the least: rtl/matvec.sv's loop is not vectorised"
    failed=1
  fi
done
exit $failed
