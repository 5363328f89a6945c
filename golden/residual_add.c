// SPDX-License-Identifier: Apache-2.0
//
// residual_add - adds rows to the residual and sums it (rtl/block/residual_add.sv)
//
// |x| < 2^26, so a sum of 1600 fits 38 bits signed, and the sum of their squares fits 63.
#include "golden.h"

void residual_add(struct residual *r, const int32_t *row, uint32_t width, struct saturation *sat) {
  r->sum = 0;
  r->sum_sq = 0;
  for (uint32_t c = 0; c < width; c++) {
    int64_t x =
        saturate(r->x[c] + round_shift(row[c], ROW_FRAC - RES_FRAC), RES_MAX, &sat->residual);
    r->x[c] = (int32_t)x;
    r->sum += x;
    r->sum_sq += (uint64_t)(x * x);
  }
}
