// SPDX-License-Identifier: Apache-2.0
//
// fast_kernels_avx2 - x86-64 with AVX2
//
// vpmovsxbw makes 16 bytes of a tile, 8 rows of two columns, a vector of int16 pairs; vpmaddwd
// multiplies them by the two inputs, broadcast, and adds the two products.
#include "fast_kernels.h"

#if defined(__x86_64__)
#include "fast_elementwise.h"

#include <immintrin.h>
#include <string.h>

enum {
  VECTORS = 4,  // of 8 rows: half a tile at once
  TOKENS = 2,  // at once: 2 x 4 sums, 4 vectors of weights, 2 broadcasts and a product are 15 of 16
               // registers
};

static inline __m256i weights(const int8_t *w) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)w));
}
static inline __m256i inputs(const struct operand *x, int pair) {
  int32_t two;
  memcpy(&two, &x->m[2 * pair], sizeof two);
  return _mm256_set1_epi32(two);
}
static inline void add4(int64_t *acc, __m128i sum, __m128i e) {
  const __m256i shifted = _mm256_sll_epi64(_mm256_cvtepi32_epi64(sum), e);
  _mm256_storeu_si256((void *)acc,
                      _mm256_add_epi64(_mm256_loadu_si256((const void *)acc), shifted));
}

// Half a tile, rows 0..31 or 32..63, and `tokens` tokens, a constant where this is inlined.
static inline __attribute__((always_inline)) void half(int64_t (*acc)[HEAD_DIM], const int8_t *w,
                                                       const struct operand *x, size_t stride,
                                                       const int tokens) {
  __m256i sum[TOKENS][VECTORS];
  for (int t = 0; t < tokens; t++)
    for (int v = 0; v < VECTORS; v++) sum[t][v] = _mm256_setzero_si256();
  for (int pair = 0; pair < HEAD_DIM / 2; pair++, w += 2 * HEAD_DIM) {
    for (int v = 0; v < VECTORS; v++) {
      const __m256i two = weights(w + 16 * v);
      for (int t = 0; t < tokens; t++)
        sum[t][v] = _mm256_add_epi32(sum[t][v],
                                     _mm256_madd_epi16(two, inputs(&x[(size_t)t * stride], pair)));
    }
  }
  for (int t = 0; t < tokens; t++) {
    const __m128i e = _mm_cvtsi32_si128(x[(size_t)t * stride].e);
    for (int v = 0; v < VECTORS; v++) {
      add4(acc[t] + 8 * v, _mm256_castsi256_si128(sum[t][v]), e);
      add4(acc[t] + 8 * v + 4, _mm256_extracti128_si256(sum[t][v], 1), e);
    }
  }
}

static void multiply(int64_t (*acc)[HEAD_DIM], const int8_t *strip, uint32_t n_blocks,
                     const struct operand *x, size_t stride, uint32_t n) {
  memset(acc, 0, n * sizeof *acc);
  for (uint32_t k = 0; k < n_blocks; k++, strip += TILE_BYTES) {
    for (uint32_t side = 0; side < 2; side++) {
      int64_t(*out)[HEAD_DIM] = (int64_t(*)[HEAD_DIM])(acc[0] + side * HEAD_DIM / 2);
      const int8_t *w = strip + side * HEAD_DIM;
      uint32_t t = 0;
      for (; t + TOKENS <= n; t += TOKENS) half(out + t, w, x + t * stride + k, stride, TOKENS);
      if (t < n) half(out + t, w, x + t * stride + k, stride, 1);
    }
  }
}

const struct fast_kernels fast_avx2 = FAST_KERNELS("avx2", multiply);
#endif
