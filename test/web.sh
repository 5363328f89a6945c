#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# web.sh - tests the page (`make web`): its machines in Node against the golden engine
# (web/check.js), and the page in headless Chromium (test/web.py). It needs the packages that
# `tools/deps.sh web-test` installs. They are large, so without them it is skipped.
skip() { printf '[ RUN      ] %s\n[  SKIPPED ] %s: %s\n' "$1" "$1" "$2"; }
for tool in emcc node dpkg-source; do
  if ! command -v $tool > /dev/null; then
    skip web "no $tool; tools/deps.sh web-test installs it"
    exit 0
  fi
done
if ! make -s -j"$(nproc)" for-web > build/test/web_make.log 2>&1; then
  if grep -q 'could not be fetched' build/test/web_make.log; then
    skip web "the sources of PCRE2 and cJSON could not be fetched with apt-get"
    exit 0
  fi
  echo "[ RUN      ] web.make"
  tail -n 20 build/test/web_make.log
  echo "[  FAILED  ] web.make"
  exit 1
fi
machines=$(cd build/web && ls machine-*.wasm | sed 's/machine-//; s/\.wasm//' | sort -t- -k1,1n -k2,2nr)
node web/check.js build/web build/gpt2rtl $machines
status=$?
if ! command -v chromium > /dev/null || ! [ -x /usr/bin/chromedriver ]; then
  skip page "no Chromium with its driver; tools/deps.sh web-test installs them"
elif ! syn/venv.sh selenium==4.51.0; then
  skip page "selenium could not be fetched from PyPI: $(tail -n 1 build/venv.log)"
else
  home=$(mktemp -d)
  trap 'rm -rf "$home"' EXIT
  build/gpt2rtl random-model --config nano --seed 3 --output "$home/nano"
  HOME=$home build/venv/bin/python test/web.py build/web build/gpt2rtl "$home/nano" build/web-shots || status=1
fi
exit $status
