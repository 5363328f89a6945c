// SPDX-License-Identifier: Apache-2.0
//
// mlp_ffn - two linear layers with GELU between them (rtl/block/mlp_ffn.sv)
#include "tensor_observer.h"

void mlp_ffn(int32_t *y, const struct matrix *w1, const struct matrix *w2, const struct operand *x,
             struct saturation *sat, const struct tensor_observer *observer) {
  static _Thread_local int32_t row[4 * MAX_WIDTH];
  static _Thread_local struct operand g[4 * MAX_HEADS];
  rescale_matrix(row, w1, x, sat);
  observe_rows(observer, TENSOR_C_FC, 0, row, w1->n_rows, ROW_FRAC);
  for (uint32_t i = 0; i < w1->n_rows; i++) row[i] = gelu(row[i]);
  for (uint32_t k = 0; k < w2->n_blocks; k++) block_quant(&g[k], row + k * HEAD_DIM);
  observe_operands(observer, TENSOR_ACT, 0, g, w2->n_blocks);
  rescale_matrix(y, w2, g, sat);
}
