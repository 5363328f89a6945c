// SPDX-License-Identifier: Apache-2.0
//
// qkv_linear - one head's query, key and value (rtl/qkv_linear.sv)
#include "golden.h"

void qkv_linear(struct operand *q, struct kv_head *kv, const struct matrix *qkv, const struct operand *x, uint32_t head,
                uint32_t t, struct saturation *sat) {
  int32_t row[3 * HEAD_DIM];
  struct matrix mine = *qkv;
  mine.n_rows = 3 * HEAD_DIM;
  mine.base += head * weight_stream_beats(&qkv->image->header, 3 * HEAD_DIM, (uint64_t)qkv->n_blocks * HEAD_DIM);
  rescale_matrix(row, &mine, x, sat);
  block_quant(q, row);
  kv_cache_write(kv, t, row + HEAD_DIM, row + 2 * HEAD_DIM);
}
