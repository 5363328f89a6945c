#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# synth_check.sh - runs syn/synth_check.py with its own Yosys, from PyPI, in build/venv; skipped if
# PyPI cannot be reached
if ! syn/venv.sh; then
  echo "[  SKIPPED ] synth_check: Yosys could not be fetched from PyPI (build/venv.log): $(tail -n 1 build/venv.log)"
  exit 0
fi
exec build/venv/bin/python syn/synth_check.py "$@"
