// SPDX-License-Identifier: Apache-2.0
//
// mlp_ffn - two layers with GELU between (rtl/mlp_ffn.sv)
#include "golden.h"

void mlp_ffn(int32_t *y, const struct matrix *w1, const struct matrix *w2, const struct operand *x,
             struct saturation *sat) {
  static _Thread_local int32_t row[4 * MAX_WIDTH];
  static _Thread_local struct operand g[4 * MAX_HEADS];
  rescale_matrix(row, w1, x, sat);
  for (uint32_t i = 0; i < w1->n_rows; i++) row[i] = gelu(row[i]);
  for (uint32_t k = 0; k < w2->n_blocks; k++) block_quant(&g[k], row + k * HEAD_DIM);
  rescale_matrix(y, w2, g, sat);
}
