#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# deps.sh [test | web | web-test | docs] - installs with apt-get the packages needed to build, to
# build and test, for the web page, for the page and its test, or for the documents' pictures
#
# It lists the packages first, and does nothing if all are installed.
#
# Debian 12 and Ubuntu 24.04 have everything. clang and Verilator make the simulator; PCRE2, cJSON
# and xxHash are the C side's libraries; libcurl, OpenSSL's libcrypto and the certificates are for
# `gpt2rtl fetch`; zlib is for waveforms, cmocka for tests, Python with venv only for `make
# synth-check` (Yosys) and training.
# Only for tests: clang's sanitizers, Icarus, and g++ for `verilator --binary` (examples/testbench);
# on x86-64 a cross compiler and an emulator, which run the fast engine's AArch64 code; the driver is
# compiled for arm64 and riscv64.
# Only for the page (`make web`): Emscripten, and dpkg-dev, which unpacks the sources of PCRE2 and
# cJSON. Only for its test: Chromium, which is large, so `make test` runs that test where it finds
# Chromium, and .ci/run installs it.
# Only for the pictures of the documents (`make docs`): GTKWave, and a screen for it.
packages="clang verilator libpcre2-dev libcjson-dev libxxhash-dev libcurl4-openssl-dev libssl-dev ca-certificates libcmocka-dev zlib1g-dev python3 python3-venv"
[ "$1" = test ] && packages+=" g++ iverilog libclang-rt-dev pkg-config"
[ "$1 $(uname -m)" = 'test x86_64' ] && packages+=" gcc-aarch64-linux-gnu libc6-dev-arm64-cross gcc-riscv64-linux-gnu libc6-dev-riscv64-cross qemu-user"
case $1 in web | web-test) packages+=" emscripten node-acorn nodejs dpkg-dev" ;; esac
[ "$1" = web-test ] && packages+=" chromium chromium-driver"
[ "$1" = docs ] && packages+=" gtkwave xvfb xauth imagemagick"
if ! command -v dpkg-query apt-get > /dev/null; then
  command -v clang verilator > /dev/null && exit 0
  echo "This is no Debian: install these or what your system calls them: $packages" >&2
  exit 1
fi
missing=
for package in $packages; do
  case $(dpkg-query -W -f '${Status}' "$package" 2> /dev/null) in
    *' installed') ;;
    *) missing+=" $package" ;;
  esac
done
[ -z "$missing" ] && exit 0
echo "Installing with apt-get:$missing" >&2
sudo=
if [ "$(id -u)" != 0 ]; then
  sudo=sudo
  if ! command -v sudo > /dev/null; then
    echo "Neither root nor sudo: run as root: apt-get install$missing" >&2
    exit 1
  fi
fi
$sudo apt-get update -qq >&2
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2
