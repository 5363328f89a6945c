// SPDX-License-Identifier: Apache-2.0
//
// fast_kernels_portable - C for any compiler; the reference for reading the others
#include "fast_elementwise.h"

#include <string.h>

// One tile and one token: the work of the hardware's engine with 64 x 64 weights.
static void tile(int64_t *acc, const int8_t *w, const struct operand *x) {
  int32_t sum[HEAD_DIM] = {0};  // 30 bits
  for (int c = 0; c < HEAD_DIM; c += 2, w += 2 * HEAD_DIM)
    for (int r = 0; r < HEAD_DIM; r++) sum[r] += w[2 * r] * x->m[c] + w[2 * r + 1] * x->m[c + 1];
  for (int r = 0; r < HEAD_DIM; r++) acc[r] += (int64_t)sum[r] * (1 << x->e);
}

static void multiply(int64_t (*acc)[HEAD_DIM], const int8_t *strip, uint32_t n_blocks,
                     const struct operand *x, size_t stride, uint32_t n) {
  memset(acc, 0, n * sizeof *acc);
  for (uint32_t k = 0; k < n_blocks; k++)
    for (uint32_t t = 0; t < n; t++)
      tile(acc[t], strip + (size_t)k * TILE_BYTES, &x[t * stride + k]);
}

const struct fast_kernels fast_portable = FAST_KERNELS("portable", multiply);
