// SPDX-License-Identifier: Apache-2.0
//
// rescale - converts the engine's 52-bit sums to rows, Q14.16 (rtl/block/rescale.sv)
//
// It rounds twice: to 32 bits before the product with the 12-bit mantissa, which would otherwise
// exceed 64 bits, and to 16 fraction bits after it. The first shift follows from the bound on the
// sum, |acc| <= 2^28 * n_blocks * 2^e_max (64 * 127 * 32767 per block if weights are symmetric).
// The sum of up to 8 blocks fits 32 bits unshifted.
#include "golden.h"

int rescale_first(int e_max, uint32_t n_blocks) {
  int over = log2_ceil(n_blocks) - 3;
  return e_max + (over > 0 ? over : 0);  // 0..19
}

int32_t rescale_row(int64_t acc, int e_max, uint32_t n_blocks, uint16_t scale, uint16_t bias,
                    int extra, struct saturation *sat) {
  int first = rescale_first(e_max, n_blocks);
  int64_t a = round_shift(acc, first);
  // With weights of -128, which the compiler never writes, the sum could slightly exceed 2^31. It
  // saturates, as in the RTL.
  a = saturate(a, INT32_MAX, &sat->row);
  // value = acc * 2^-F * mantissa * 2^(e - 35); a row has 16 fraction bits, and extra is F - 16
  // plus the job's factor
  int second = SCALE_BIAS + extra - scale_exponent(scale) - first;  // -15..47
  int64_t y = round_shift(a * scale_mantissa(scale) * (1 << 15), second + 15);
  return (int32_t)saturate(y + half_to_row(bias), ROW_MAX, &sat->row);
}

void rescale_matrix(int32_t *y, const struct matrix *m, const struct operand *x,
                    struct saturation *sat) {
  const int8_t *w[4 * MAX_HEADS];
  for (uint32_t r = 0; r < m->n_rows; r++) {
    int e_max;
    for (uint32_t k = 0; k < m->n_blocks; k++) w[k] = matrix_block(m, r, k);
    int64_t acc = matvec_row(&e_max, w, x, m->n_blocks);
    uint32_t side = matrix_side(m, r);
    y[r] = rescale_row(acc, e_max, m->n_blocks, (uint16_t)side, (uint16_t)(side >> 16),
                       RESCALE_LINEAR, sat);
  }
}
