#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# lint_slang.sh - lint/slang.py with slang from PyPI in build/venv, skipped if PyPI cannot be reached
if ! syn/venv.sh pyslang==12.1.0; then
  echo "[  SKIPPED ] lint_slang: slang could not be fetched from PyPI (build/venv.log): $(tail -n 1 build/venv.log)"
  exit 0
fi
exec build/venv/bin/python lint/slang.py
