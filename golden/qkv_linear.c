// SPDX-License-Identifier: Apache-2.0
//
// qkv_linear - one head's query, key and value (rtl/block/qkv_linear.sv)
#include "tensor_observer.h"

void qkv_linear(struct operand *q, struct kv_head *kv, const struct matrix *qkv,
                const struct operand *x, uint32_t head, uint32_t t, struct saturation *sat,
                const struct tensor_observer *observer) {
  int32_t row[3 * HEAD_DIM];
  const uint32_t width = qkv->n_blocks * HEAD_DIM;
  struct matrix of_head = *qkv;
  of_head.n_rows = 3 * HEAD_DIM;
  of_head.base += head * image_matrix_beats(qkv->image->header.lanes, 3 * HEAD_DIM, width);
  rescale_matrix(row, &of_head, x, sat);
  block_quant(q, row);
  kv_cache_write(kv, t, row + HEAD_DIM, row + 2 * HEAD_DIM);
  for (uint32_t i = 0; i < 3; i++)
    observe_rows(observer, TENSOR_C_ATTN, i * width + head * HEAD_DIM, row + i * HEAD_DIM, HEAD_DIM,
                 ROW_FRAC);
}
