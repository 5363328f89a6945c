#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# verilate.sh OUT.so 'OPTIONS OF C++' 'OBJECTS' OPTION... - a Verilated module as a shared object with sim/verilated_block.h's table
#
# OPTION... is for Verilator: --top-module, files, -G. OUT.d lists what it read, for make. CXX, CXXFLAGS and VERILATOR come from
# the Makefile. Works in a folder of its own and renames at the end, so that two builds of one file do no harm.
set -e
out=$1 cxx_options=$2 objects=$3
shift 3
mkdir -p "$(dirname "$out")"
work=$(mktemp -d "${out%.so}.work-XXXXXX")
trap 'rm -rf "$work"' EXIT
$VERILATOR --cc -Wno-lint --prefix Vblock --MMD $(printf -- "-I%s " rtl/*/) -Itest -Mdir "$work" "$@"
# ports.inc: PORT(name, most significant bit, IN | OUT)
sed -nE 's/^ *VL_(IN|OUT)[0-9W]*\(&([A-Za-z0-9_]+),([0-9]+),.*/PORT(\2, \3, \1)/p' "$work/Vblock.h" > "$work/ports.inc"
# All in one compilation. Verilator 5.006 forgets to declare __Vilp where it samples a wide signal for $stable.
(echo '#include "verilated_signs.h"'; echo "static unsigned __Vilp;"; cd "$work"; printf '#include "%s"\n' Vblock*.cpp) > "$work/all.cpp"
root=$($VERILATOR --getenv VERILATOR_ROOT)
$CXX $CXXFLAGS $cxx_options -isystem "$root/include" -isystem "$root/include/vltstd" -Isim -I"$work" -shared -o "$work/out.so" \
  sim/verilated_block.cpp "$work/all.cpp" $objects -pthread -latomic $LIBS
sed -E "s|^[^:]*:|$out:|; s|[^ ]*/verilator_bin||g; p; s|^[^:]*: *||; s| +|:\n|g" "$work/Vblock__ver.d" > "${out%.so}.d"
mv "$work/out.so" "$out"
