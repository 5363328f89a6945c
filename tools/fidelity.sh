#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# fidelity.sh [TOKENS] - prints the tables of docs/fidelity.md: what each format costs, by gpt2rtl
# compare
#
# There are three models: the demo, the shared 3.5M-parameter one, and nano with GPT-2's outlier.
# The text is TOKENS (2048) tokens of the last 2 % of four of the shared books, on which no model
# was trained. Each cell has the change of perplexity against float32, how often the most likely
# token is the same, and the mean divergence in thousandths of a nat. A model that is absent is left
# out.
set -e
tokens=${1:-2048}
books=../shared/data/text/stories
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for book in 1874_the_railway_children 146_a_little_princess 271_black_beauty 7885_celtic_fairy_tales; do
  tail -c $(($(stat -c %s $books/$book.txt) / 50)) $books/$book.txt
done > "$work/text"
build/gpt2rtl random-model --config nano --outliers --seed 1 --output "$work/outliers"
models="models/demo ../shared/data/models/stories-3.5m $work/outliers"
export XDG_CACHE_HOME=$work
float='--weight-bits float --activation-bits float --kv-bits float --residual-bits float --exp-segments float --gelu-segments float'
without() { sed "s/$1 float//" <<< "$float"; }   # all of float's options except one

row() {   # name, options
  printf '| %s |' "$1"
  for model in $models; do
    if [ -e "$model/model.safetensors" ]; then
      build/gpt2rtl compare --model "$model" --text "$work/text" --limit "$tokens" $2 2> "$work/errors" | awk '
        /^perplexity/ { p = $(NF - 1) } /^likeliest/ { l = $(NF - 1) } /^divergence/ { d = $3 * 1000 } /^saturations/ { s = $2 }
        END { printf " %.3f %%, %.2f %%, %.3g%s |", p, l, d, s != "" && s != "none" ? ", saturates" : "" }'
    fi
  done
  echo
}

echo "| format | models/demo | stories-3.5m | nano with outlier |"
echo "| --- | --- | --- | --- |"
row 'the integers, as the hardware computes them' ''
row 'emulation at the same widths' '--weight-bits 8'
for part in weight activation kv residual; do
  case $part in weight) width=8;; activation) width=16;; kv) width=8;; residual) width=12;; esac
  row "only $part rounded" "$(without --$part-bits) --$part-bits $width"
done
row 'only the tables' "$(sed 's/--exp-segments float --gelu-segments float//' <<< "$float")"
for bits in 4 6 7; do row "weights $bits bits" "--weight-bits $bits"; done
row 'weights: one scale per tensor' '--weight-group tensor'
for group in 64; do row "weights: a scale per $group columns" "--weight-group $group"; done
row 'weights: scales of least squared error' '--weight-scale least'
row 'weights: rounding that compensates' '--weight-scale compensated'
for bits in 8 10 12; do row "activations $bits bits" "--activation-bits $bits"; done
for block in 16 1024; do row "activations 8 bits, an exponent per $block" "--activation-bits 8 --activation-block $block"; done
for bits in 4 6 10 16; do row "keys and values $bits bits" "--kv-bits $bits"; done
for bits in 6 8 10 16; do row "residual $bits fraction bits" "--residual-bits $bits"; done
for n in 4 16; do row "exp: $n segments" "--exp-segments $n"; done
for n in 32 128; do row "gelu: $n segments" "--gelu-segments $n"; done
