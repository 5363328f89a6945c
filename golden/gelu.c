// SPDX-License-Identifier: Apache-2.0
//
// gelu - GPT-2's GELU, the tanh form (rtl/block/gelu.sv)
//
// gelu(x) = max(x, 0) - g(|x|) with g(a) = a - gelu(a), which lies within 0..0.17 and is below half
// an LSB beyond 8. So one table for a >= 0 serves both signs.
#include "golden.h"
#include "tables.h"

int32_t gelu(int32_t row) {
  int32_t a = row < 0 ? -row : row;
  int32_t relu = row < 0 ? 0 : row;
  if (a >= 8 << ROW_FRAC) return relu;
  int32_t i = a >> 10, rest = a & 1023;  // 512 segments of 1/64
  int64_t g = gelu_base[i] + round_shift((int64_t)gelu_slope[i] * rest, 10);  // 20 fraction bits
  return relu - (int32_t)round_shift(g, 4);
}
