#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# synth_check.sh - syn/synth_check.py with a Yosys of its own, from PyPI, in build/venv; skipped where PyPI cannot be reached
venv=build/venv
if ! [ -e $venv/.done ]; then
  mkdir -p build
  if ! { python3 -m venv $venv && $venv/bin/pip install -q --disable-pip-version-check pyosys==0.70 &&
         touch $venv/.done; } > build/venv.log 2>&1; then
    echo "[  SKIPPED ] synth_check: Yosys could not be fetched from PyPI (build/venv.log): $(tail -n 1 build/venv.log)"
    exit 0
  fi
fi
exec $venv/bin/python syn/synth_check.py "$@"
