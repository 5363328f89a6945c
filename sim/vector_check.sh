#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# vector_check.sh [FOLDER] - whether the C++ compiler has made good vector code of the matrix engine: multiplications of the widest
# vectors, and neither a gather nor a scatter in the functions that have them. A simulator is right without that, and several times
# as slow. Looks at the simulators in build/sim, or FOLDER. Its output has the tests' format; it is skipped if this machine has
# neither AVX-512 nor AVX2, or if there is no objdump.
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
  so=${1:-build/sim}/gpt2_top_$lanes.so
  # A segment has 64 products of 32 bits, which sets the number of multiplications; the compiler chooses how many segments it unrolls. Other
  # functions have a few as well. AVX2 has no scatter: what would be one is written word by word, and not seen here.
  read -r multiplications gathers scatters < <(objdump -d --no-show-raw-insn "$so" | awk -v need=$need -v register=%$register '
    /^[0-9a-f]+ <.*>:$/ { name = $2; ours = name ~ /_nba_(sequent|comb)_/ }
    ours && /vp(mul(ld|lq|dq)|maddwd|dpwssd)/ && index($0, register) { multiplications[name]++ }
    ours && /v(p?gather)[dq]/ { gathers[name]++ }
    ours && /v(p?scatter)[dq]/ { scatters[name]++ }
    END {
      for (name in multiplications) if (multiplications[name] >= need) {
        m += multiplications[name]; g += gathers[name]; s += scatters[name]
      }
      print m + 0, g + 0, s + 0
    }')
  if [ "$multiplications" -ge $need ] && [ "$gathers" = 0 ] && [ "$scatters" = 0 ]; then
    echo "[       OK ] vector_check.$lanes  # $multiplications multiplications of $bits bits, no gather, no scatter"
  else
    echo "[  FAILED  ] vector_check.$lanes"
    echo "  $so: the functions with the matrix engine's loop have $multiplications multiplications of $bits bits ($need are the least)," \
      "$gathers gathers and $scatters scatters (none is allowed): the compiler does not vectorise rtl/block/matvec.sv's loop well"
    failed=1
  fi
done
exit $failed
