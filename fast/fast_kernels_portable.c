// SPDX-License-Identifier: Apache-2.0
//
// fast_kernels_portable - C for any compiler; read it before the others
#include "fast_elementwise.h"

// Multiplies a tile by one position: the work of the hardware's engine for 64 x 64 weights.
static void tile(struct sums *s, const int8_t *w, const struct fast_operand *x, int first) {
  int32_t sum[HEAD_DIM] = {0};  // 30 bits
  for (int c = 0; c < HEAD_DIM; c += 2, w += 2 * HEAD_DIM)
    for (int r = 0; r < HEAD_DIM; r++) sum[r] += w[2 * r] * x->m[c] + w[2 * r + 1] * x->m[c + 1];
  for (int r = 0; r < HEAD_DIM; r++) {
    s->low[r] = (int32_t)((uint32_t)s->low[r] + ((uint32_t)sum[r] << x->e));
    s->high[r] += sum[r] >> (first + 1 - x->e);
  }
}

static void add(struct sums *s, const struct fast_product *p, uint32_t t, uint32_t n) {
  const int *first = p->first + t;
  for (uint32_t k = 0; k < p->n_blocks; k++)
    for (uint32_t i = 0; i < n; i++)
      tile(&s[i], p->strip + (size_t)k * TILE_BYTES, p->x + (t + i) * p->x_stride + k, first[i]);
}

static uint64_t multiply(const struct fast_product *p) { return multiply_with(p, add); }

const struct fast_kernels fast_portable = FAST_KERNELS("portable", 2, multiply);
