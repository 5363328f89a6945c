// SPDX-License-Identifier: Apache-2.0
//
// fast_kernels_avx2 - x86-64 with AVX2
//
// vpmovsxbw widens 16 bytes of a tile, 8 rows of two columns, to a vector of int16 pairs. vpmaddwd
// multiplies each pair by the two inputs, which are broadcast, and adds the two products. If
// several positions share a tile, it is widened once.
#include "fast_kernels.h"

#if defined(__x86_64__)
#include "fast_elementwise.h"

#include <immintrin.h>

enum {
  HALF = HEAD_DIM / 2,  // rows at once
  VECTORS = HALF / 8,   // of sums of 8 rows
  TOKENS = 2,  // at once: 2 x 4 sums, 4 vectors of weights, 2 broadcasts and a product are 15 of 16
               // registers
};

static inline __m256i load(const void *p) { return _mm256_loadu_si256(p); }
static inline __m256i widened(const int8_t *w) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)w));
}
static inline __m256i inputs(const struct fast_operand *x, int pair) {
  int32_t two;
  memcpy(&two, &x->m[2 * pair], sizeof two);
  return _mm256_set1_epi32(two);
}
static inline void add_to(int32_t *at, __m256i x) {
  _mm256_store_si256((void *)at, _mm256_add_epi32(load(at), x));
}

// Multiplies half a tile, rows 0..31 or 32..63, by `tokens` positions. The tile is w or, if w is
// NULL, the widened `wide`. Both choices are constants where this is inlined.
static inline __attribute__((always_inline)) void half(struct sums *s, uint32_t row,
                                                       const int8_t *w, const int16_t *wide,
                                                       const struct fast_operand *x, size_t stride,
                                                       const int *first, const int tokens) {
  __m256i sum[TOKENS][VECTORS];
  for (int t = 0; t < tokens; t++)
    for (int v = 0; v < VECTORS; v++) sum[t][v] = _mm256_setzero_si256();
  for (int pair = 0; pair < HEAD_DIM / 2; pair++) {
    for (int v = 0; v < VECTORS; v++) {
      const uint32_t at = (uint32_t)pair * 2 * HEAD_DIM + 2 * row + 16 * (uint32_t)v;
      const __m256i two = w ? widened(w + at) : load(wide + at);
      for (int t = 0; t < tokens; t++)
        sum[t][v] = _mm256_add_epi32(sum[t][v],
                                     _mm256_madd_epi16(two, inputs(&x[(size_t)t * stride], pair)));
    }
  }
  for (int t = 0; t < tokens; t++) {
    const int e = x[(size_t)t * stride].e;
    const __m256i up = _mm256_set1_epi32(e), down = _mm256_set1_epi32(first[t] + 1 - e);
    for (int v = 0; v < VECTORS; v++) {
      add_to(s[t].low + row + 8 * v, _mm256_sllv_epi32(sum[t][v], up));
      add_to(s[t].high + row + 8 * v, _mm256_srav_epi32(sum[t][v], down));
    }
  }
}

static void add(struct sums *s, const struct fast_product *p, uint32_t t, uint32_t n) {
  const int *first = p->first + t;
  int16_t wide[TILE_BYTES] __attribute__((aligned(32)));
  const size_t stride = p->x_stride;
  const struct fast_operand *x = p->x + t * stride;
  const int8_t *w = p->strip;
  for (uint32_t k = 0; k < p->n_blocks; k++, w += TILE_BYTES, x++) {
    if (n > 1)
      for (uint32_t i = 0; i < TILE_BYTES; i += 16)
        _mm256_store_si256((void *)(wide + i), widened(w + i));
    for (uint32_t row = 0; row < HEAD_DIM; row += HALF) {
      uint32_t i = 0;
      for (; i + TOKENS <= n; i += TOKENS)
        half(s + i, row, NULL, wide, x + i * stride, stride, first + i, TOKENS);
      if (i < n) half(s + i, row, w, NULL, x + i * stride, stride, first + i, 1);
    }
  }
}

static uint64_t multiply(const struct fast_product *p) { return multiply_with(p, add); }

const struct fast_kernels fast_avx2 = FAST_KERNELS("avx2", 2, multiply);
#endif
