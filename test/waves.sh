#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# waves.sh - tests that the timing diagrams in docs/waves/ equal what WaveDrom draws from the sources
# beside them (make waves)
# waves.sh install - fetches WaveDrom
#
# WaveDrom comes from PyPI, in build/venv; without PyPI the test is skipped.
if ! syn/venv.sh wavedrom==2.0.3.post3; then
  echo "[  SKIPPED ] waves: WaveDrom could not be fetched from PyPI (build/venv.log): $(tail -n 1 build/venv.log)"
  [ "$1" != install ]
  exit
fi
[ "$1" = install ] && exit
rm -rf build/waves
mkdir -p build/waves
echo "[==========] Running 1 test(s)."
if build/venv/bin/python tools/waves.py build/waves && diff -rq -x '*.json' docs/waves build/waves; then
  echo "[       OK ] waves.current"
else
  echo "[  FAILED  ] waves.current"
  exit 1
fi
