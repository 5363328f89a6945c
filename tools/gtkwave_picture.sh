#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# gtkwave_picture.sh PROGRAM OUT.png - takes the picture of a token of the demo model in GTKWave for
# docs/looking_inside.md: the waveform that its command writes, on a screen of Xvfb
set -e
program=$PWD/$1 out=$PWD/$2 model=$PWD/models/demo
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"$program" generate --model "$model" --prompt 'Once upon a time' --tokens 3 --trace run.fst > /dev/null 2> log ||
  { cat log >&2; exit 1; }
# GTKWave has no option that saves a picture: it gets ten seconds to draw, then the screen is taken.
timeout 60 xvfb-run -a -s '-screen 0 1608x908x24' bash -c '
  gtkwave run.gtkw > gtkwave.log 2>&1 & window=$!
  sleep 10
  kill -0 $window 2> /dev/null || { cat gtkwave.log >&2; exit 1; }
  import -window root screen.png
  kill $window'
convert screen.png -resize 1240x -colors 64 picture.png
mv picture.png "$out"
