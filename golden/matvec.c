// SPDX-License-Identifier: Apache-2.0
//
// matvec - the engine's sums (rtl/block/matvec.sv)
//
// |sum_i w*m| <= 64 * 128 * 2^15 = 2^28. Shifted by up to 15 and summed over up to 128 blocks, it
// is at most 2^50, within 52 bits.
#include "golden.h"

static int32_t dot64(const int8_t *w, const int16_t *m) {
  int32_t sum = 0;
  for (int i = 0; i < HEAD_DIM; i++) sum += w[i] * m[i];
  return sum;
}

int64_t matvec_row(int *e_max, const int8_t *const *w, const struct operand *x, uint32_t n_blocks) {
  int64_t acc = 0;
  *e_max = 0;
  for (uint32_t k = 0; k < n_blocks; k++) {
    acc += (int64_t)dot64(w[k], x[k].m) * ((int64_t)1 << x[k].e);
    if (x[k].e > *e_max) *e_max = x[k].e;
  }
  return acc;
}
