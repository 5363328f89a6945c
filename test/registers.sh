#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# registers.sh - tests that the committed files equal what PeakRDL generates from
# rtl/wrap/gpt2_csr.rdl (make registers)
# registers.sh install - fetches PeakRDL
#
# PeakRDL comes from PyPI, in build/venv; without PyPI the test is skipped.
for package in systemrdl-compiler==1.33.0 peakrdl-cli==1.5.0 peakrdl-regblock==1.3.1 peakrdl-cheader==1.1.0 peakrdl-html==2.12.2; do
  syn/venv.sh $package && continue
  echo "[  SKIPPED ] registers: PeakRDL could not be fetched from PyPI (build/venv.log): $(tail -n 1 build/venv.log)"
  [ "$1" != install ]
  exit
done
[ "$1" = install ] && exit
status=0
rm -rf build/registers_test
echo "[==========] Running 4 test(s)."
build/venv/bin/python tools/registers.py build/registers_test || status=1
for file in rtl/wrap/gpt2_csr.sv rtl/wrap/gpt2_csr_pkg.sv driver/gpt2_csr.h docs/registers.md; do
  name=registers.$(basename $file)
  echo "[ RUN      ] $name"
  if diff build/registers_test/$file $file; then
    echo "[       OK ] $name"
  else
    echo "$file (>) is not what rtl/wrap/gpt2_csr.rdl gives (<): make registers"
    echo "[  FAILED  ] $name"
    status=1
  fi
done
exit $status
