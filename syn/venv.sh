#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# venv.sh - build/venv with a Yosys of its own, from PyPI. Exit status 1 where PyPI cannot be reached: build/venv.log says why
mkdir -p build
exec 9> build/venv.lock
flock 9
[ -e build/venv/.done ] && exit 0
{ python3 -m venv build/venv && build/venv/bin/pip install -q --disable-pip-version-check pyosys==0.70 &&
  touch build/venv/.done; } > build/venv.log 2>&1
