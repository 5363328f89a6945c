// SPDX-License-Identifier: Apache-2.0
//
// block_quant - converts 64 rows to an operand block (rtl/block/block_quant.sv)
//
// The exponent comes from the OR of all x ^ sign(x): 15 magnitude bits are kept. Rounding half up
// can carry a number to 2^15, which is clamped to 32767. The error is one LSB at most. This clamp
// is part of the rounding and is not counted as a saturation.
#include "golden.h"

void block_quant(struct operand *out, const int32_t row[HEAD_DIM]) {
  uint32_t all = 0;
  for (int i = 0; i < HEAD_DIM; i++) all |= (uint32_t)(row[i] < 0 ? ~row[i] : row[i]);
  int e = bit_length(all) - 15;
  if (e < 0) e = 0;
  out->e = (uint8_t)e;
  for (int i = 0; i < HEAD_DIM; i++) {
    int64_t m = round_shift(row[i], e);
    out->m[i] = (int16_t)(m > INT16_MAX ? INT16_MAX : m);
  }
}
