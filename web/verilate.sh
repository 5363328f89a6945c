#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# verilate.sh OUT.a LANES NORM_WIDTH OPTION... - Verilates gpt2_top and compiles it with Emscripten
#
# OUT.a implements sim/verilated_block.h, and contains web/library.c, which hands it out. FLAGS and
# VERILATOR come from web.mk.
set -e
out=$1 lanes=$2 norm=$3
shift 3
work=${out%.a}
rm -rf "$work"
mkdir -p "$work"
$VERILATOR --cc -Wno-lint --prefix Vblock $(printf -- "-I%s " rtl/*/) -Mdir "$work" --top-module gpt2_top \
  -GLanes="$lanes" -GNormWidth="$norm" "$@"
sed -nE 's/^ *VL_(IN|OUT)[0-9W]*\(&([A-Za-z0-9_]+),([0-9]+),.*/PORT(\2, \3, \1)/p' "$work/Vblock.h" > "$work/ports.inc"
(echo '#include "verilated_signs.h"'; echo "static unsigned __Vilp;"; cd "$work"; printf '#include "%s"\n' Vblock*.cpp) > "$work/all.cpp"
root=$($VERILATOR --getenv VERILATOR_ROOT)
for file in "$work/all.cpp" sim/verilated_block.cpp; do
  eval emcc "$FLAGS" -isystem "$root/include" -isystem "$root/include/vltstd" -Isim -I"$work" -c "$file" -o "$work/$(basename "$file" .cpp).o"
done
emcc -O2 -Ibase -Isim -Iweb -DMACHINE_LANES="$lanes" -c web/library.c -o "$work/library.o"
rm -f "$out"
emar rcs "$out" "$work"/*.o
