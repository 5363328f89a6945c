#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# same_bytes.sh - checks what is promised to be the same on every machine: images of both roundings,
# float logits, a random model's files. They must not change with a program for this processor,
# which may fuse a product and a sum, or with a mathematical library that does not use the
# processor's extensions
dir=$(mktemp -d) status=0
trap 'rm -rf "$dir"' EXIT
export XDG_CACHE_HOME=$dir/cache
names=(nearest.image compensated.image float.f32 nano/model.safetensors)
echo "[==========] Running 8 test(s)."
make_all() {                                                  # PROGRAM FOLDER
  mkdir "$2" &&
  "$1" compile --model models/demo --output "$2/nearest.image" &&
  "$1" compile --model models/demo --rounding compensated --output "$2/compensated.image" &&
  "$1" logits --model models/demo --engine float --ids 12,7,300,464,99,1000,2000 --output "$2/float.f32" &&
  "$1" random-model --config nano --seed 3 --output "$2/nano"
}
compare() {                                                   # FOLDER
  for name in "${names[@]}"; do
    if cmp "$dir/plain/$name" "$dir/$1/$name"; then
      echo "[       OK ] same_bytes.$1.$(basename "$name")"
    else
      echo "[  FAILED  ] same_bytes.$1.$(basename "$name")"
      status=1
    fi
  done
}
make_all build/gpt2rtl "$dir/plain" || exit 1
make -s --no-print-directory NATIVE=1 B=build/native build/native/gpt2rtl && make_all build/native/gpt2rtl "$dir/native" || status=1
compare native
GLIBC_TUNABLES=glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2,-AVX2_Usable,-FMA_Usable make_all build/gpt2rtl "$dir/library" || status=1
compare library
exit $status
