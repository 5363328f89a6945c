#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# ip.sh OUTPUT_FOLDER - writes gpt2rtl-ip-VERSION.tar.gz: the files that a system needs, without those
# that build or test them
#
#   rtl/               the hardware, the registers' description and PeakRDL's output; gpt2rtl.core lists it for FuseSoC
#   driver/            the C driver; examples/driver: Linux with UIO, bare metal
#   examples/testbench a testbench in SystemVerilog
#   syn/               constraints; the flat Verilog's writer, for FuseSoC's target synth
#   docs/              the documents; registers/: the register map as HTML, if PeakRDL is available
#
# The same sources give the same bytes.
set -e
cd "$(dirname "$0")/.."
version=$(sed -nE 's/^#define GPT2RTL_VERSION "(.*)"/\1/p' lib/gpt2rtl.h)
[ -n "$version" ] || { echo "lib/gpt2rtl.h has no GPT2RTL_VERSION" >&2; exit 1; }
name=gpt2rtl-ip-$version
out=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out" "$work/$name"
if git rev-parse --git-dir > /dev/null 2>&1; then
  kept() { git ls-files "$@"; }
else
  kept() { find "$@" -type f; }
fi
kept LICENSE gpt2rtl.core rtl driver examples/driver examples/testbench lint/waivers.vlt docs \
  syn/gpt2rtl.sdc syn/verilog.py syn/bmux.v syn/venv.sh syn/fusesoc_verilog.py syn/gpt2rtl_generators.core formal |
  tar -cf - -T - | tar -xf - -C "$work/$name"
if test/registers.sh install > /dev/null 2>&1 && build/venv/bin/python -m peakrdl html rtl/wrap/gpt2_csr.rdl -o "$work/html" > /dev/null; then
  rm -f "$work"/html/launcher-*
  # When it was made is not told: it is in two forms, a number and a number in addresses.
  sed -i -E 's/(BUILD_TS = |\?ts=)[0-9]+/\10/' "$work/html/index.html"
  mv "$work/html" "$work/$name/docs/registers"
fi
cat > "$work/$name/README.md" << END
# gpt2rtl-ip $version

GPT-2 as synthesizable SystemVerilog, with registers on AXI4-Lite, memory on AXI4, and a C driver. Begin with
[docs/integration.md](docs/integration.md). \`gpt2_axi\` (rtl/wrap/) is the top for a system with AXI, \`gpt2_top\` (rtl/top/) the one
without. The program that compiles models to memory images, and the golden models, are in the project itself. Apache-2.0.
END
tar --sort=name --mtime='UTC 2020-01-01' --owner=0 --group=0 --numeric-owner -C "$work" -cf - "$name" | gzip -n9 > "$work/$name.tar.gz"
mv "$work/$name.tar.gz" "$out/"
echo "$out/$name.tar.gz: $(tar -tzf "$out/$name.tar.gz" | grep -vc '/$') files, $(stat -c %s "$out/$name.tar.gz") bytes"
