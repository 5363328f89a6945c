#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# venv.sh [PACKAGE] - makes build/venv with its own Yosys, and the package, from PyPI. Exit status 1
# if PyPI cannot be reached: build/venv.log says why
mkdir -p build
exec 9> build/venv.lock
flock 9
for package in pyosys==0.70 "$@"; do
  [ -e "build/venv/.done-$package" ] && continue
  { [ -e build/venv/bin/pip ] || python3 -m venv build/venv; } > build/venv.log 2>&1 &&
    build/venv/bin/pip install -q --disable-pip-version-check "$package" >> build/venv.log 2>&1 &&
    touch "build/venv/.done-$package" || exit 1
done
