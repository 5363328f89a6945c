#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# driver_cross.sh - tests that the driver and its examples compile and link for arm64 and riscv64,
# freestanding if there is no system, with no undefined symbols
#
# It uses Debian's cross compilers, and skips one that is not installed.
status=0
flags="-std=c11 -O2 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Werror -Idriver"
mkdir -p build/driver
echo "[==========] Running 4 test(s)."
check() {                                                     # NAME COMPILER ARGUMENT...
  local name=driver_cross.$1 compiler=$2
  shift 2
  echo "[ RUN      ] $name"
  if ! command -v "$compiler" > /dev/null; then
    echo "[  SKIPPED ] $name: there is no $compiler"
  elif "$compiler" $flags "$@" driver/gpt2hw.c driver/gpt2hw_image.c -o "build/driver/$name"; then
    echo "[       OK ] $name"
  else
    echo "[  FAILED  ] $name"
    status=1
  fi
}
for machine in aarch64 riscv64; do
  check linux_uio_$machine $machine-linux-gnu-gcc -D_GNU_SOURCE examples/driver/linux_uio.c
  # Without a library: memcpy, memset and memcmp are the example's own.
  check bare_metal_$machine $machine-linux-gnu-gcc -ffreestanding -nostdlib -static -Wl,-e,main -Wl,--fatal-warnings examples/driver/bare_metal.c -lgcc
done
exit $status
