#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# source_hash.sh - 16 hex digits of everything that a simulator is made from: rtl/, the C++ around it and the
# options of both compilers. Each simulator carries it (sim/library.h).
cd "$(dirname "$0")/.." || exit 1
export LC_ALL=C
{
  cat rtl/*/*.sv rtl/*/*.svh sim/verilate* sim/*.vlt &&
  grep -E -A1 '^(CXXFLAGS|CHECKED|FAST|TRACED|sim_top|axi_top) *:?=' Makefile
} | sha256sum | cut -c1-16
exit "${PIPESTATUS[0]}"
