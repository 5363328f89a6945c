// SPDX-License-Identifier: Apache-2.0
//
// attention_core - one head: scores, softmax, PV, division (rtl/block/attention_core.sv)
#include "tensor_observer.h"

void attention_core(struct operand *out, const struct operand *q, const struct kv_head *kv,
                    uint32_t head, uint32_t n, struct saturation *sat,
                    const struct tensor_observer *observer) {
  static _Thread_local int32_t score[MAX_CTX];
  static _Thread_local struct operand p[MAX_CTX / HEAD_DIM];
  int e_max;

  // the division by sqrt(64) is three binary places of the rescaling
  for (uint32_t t = 0; t < n; t++) {
    const int8_t *k = kv->k[t];
    int64_t acc = matvec_row(&e_max, &k, q, 1);
    score[t] = rescale_row(acc, e_max, 1, kv->k_scale[t], 0, RESCALE_SCORES, sat);
  }
  observe_cached(observer, TENSOR_KEY, head, kv->k[n - 1], kv->k_scale[n - 1]);
  observe_cached(observer, TENSOR_VALUE, head, kv->v[n - 1], kv->v_scale[n - 1]);
  observe_rows(observer, TENSOR_SCORES, head * n, score, n, ROW_FRAC);
  uint16_t inv_z = softmax(p, score, kv->v_scale, n, sat);
  observe_probs(observer, head, p, kv->v_scale, inv_z, n);

  int32_t row[HEAD_DIM];
  uint32_t tiles = (n + HEAD_DIM - 1) / HEAD_DIM;
  for (uint32_t d = 0; d < HEAD_DIM; d++) {
    int8_t column[MAX_CTX] = {0};
    const int8_t *w[MAX_CTX / HEAD_DIM];
    for (uint32_t t = 0; t < n; t++) column[t] = kv->v[t][d];
    for (uint32_t j = 0; j < tiles; j++) w[j] = column + j * HEAD_DIM;
    int64_t acc = matvec_row(&e_max, w, p, tiles);
    row[d] = rescale_row(acc, e_max, tiles, inv_z, 0, RESCALE_PV, sat);
  }
  block_quant(out, row);
  observe_operands(observer, TENSOR_CONTEXT, head, out, 1);
}
