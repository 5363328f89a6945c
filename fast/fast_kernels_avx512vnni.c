// SPDX-License-Identifier: Apache-2.0
//
// fast_kernels_avx512vnni - x86-64 with AVX-512 F, BW, DQ, VL and VNNI
//
// vpmovsxbw makes 32 bytes of a tile, 16 rows of two columns, a vector of int16 pairs; vpdpwssd
// multiplies them by the two inputs, broadcast, and adds both products to 16 sums of 32 bits. Four
// such vectors are the tile's 64 rows.
#include "fast_kernels.h"

#if defined(__x86_64__)
#include "fast_elementwise.h"

#include <immintrin.h>
#include <string.h>

enum {
  VECTORS = HEAD_DIM / 16,  // of 16 rows
  // With many tokens the engine stays on a tile so long that the processor's own prefetching stops,
  // so the first tokens fetch the data of two tiles later. With one token this would only hinder
  // the prefetcher: 27 instead of 30 GB/s.
  AHEAD = 2 * TILE_BYTES,
  TOKENS = 6,  // at once: 4 x 6 sums, 4 vectors of weights and a broadcast are 29 of 32 registers
};

static inline __m512i weights(const int8_t *w) {
  return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const void *)w));
}
static inline __m512i inputs(const struct operand *x, int pair) {
  int32_t two;
  memcpy(&two, &x->m[2 * pair], sizeof two);
  return _mm512_set1_epi32(two);
}
// sum << e as 64 bits, added to 16 of acc
static inline void add(int64_t *acc, __m512i sum, __m128i e) {
  const __m512i low = _mm512_cvtepi32_epi64(_mm512_castsi512_si256(sum));
  const __m512i high = _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(sum, 1));
  _mm512_storeu_si512(acc, _mm512_add_epi64(_mm512_loadu_si512(acc), _mm512_sll_epi64(low, e)));
  _mm512_storeu_si512(acc + 8,
                      _mm512_add_epi64(_mm512_loadu_si512(acc + 8), _mm512_sll_epi64(high, e)));
}

// One tile and `tokens` tokens, a constant where this is inlined.
static inline __attribute__((always_inline)) void tile(int64_t (*acc)[HEAD_DIM], const int8_t *w,
                                                       const struct operand *x, size_t stride,
                                                       const int tokens, const bool prefetch) {
  __m512i sum[TOKENS][VECTORS];
  for (int t = 0; t < tokens; t++)
    for (int v = 0; v < VECTORS; v++) sum[t][v] = _mm512_setzero_si512();
  for (int pair = 0; pair < HEAD_DIM / 2; pair++, w += 2 * HEAD_DIM) {
    if (prefetch) {
      _mm_prefetch((const char *)w + AHEAD, _MM_HINT_T0);
      _mm_prefetch((const char *)w + AHEAD + 64, _MM_HINT_T0);
    }
    __m512i two[VECTORS];
    for (int v = 0; v < VECTORS; v++) two[v] = weights(w + 32 * v);
    for (int t = 0; t < tokens; t++) {
      const __m512i in = inputs(&x[(size_t)t * stride], pair);
      for (int v = 0; v < VECTORS; v++) sum[t][v] = _mm512_dpwssd_epi32(sum[t][v], two[v], in);
    }
  }
  for (int t = 0; t < tokens; t++) {
    const __m128i e = _mm_cvtsi32_si128(x[(size_t)t * stride].e);
    for (int v = 0; v < VECTORS; v++) add(acc[t] + 16 * v, sum[t][v], e);
  }
}

static void multiply(int64_t (*acc)[HEAD_DIM], const int8_t *strip, uint32_t n_blocks,
                     const struct operand *x, size_t stride, uint32_t n) {
  memset(acc, 0, n * sizeof *acc);
  for (uint32_t k = 0; k < n_blocks; k++, strip += TILE_BYTES) {
    const struct operand *in = x + k;
    uint32_t t = 0;
    if (TOKENS <= n) {
      tile(acc, strip, in, stride, TOKENS, true);
      t = TOKENS;
      in += TOKENS * stride;
    }
    for (; t + TOKENS <= n; t += TOKENS, in += TOKENS * stride)
      tile(acc + t, strip, in, stride, TOKENS, false);
    switch (n - t) {
      case 1: tile(acc + t, strip, in, stride, 1, false); break;
      case 2: tile(acc + t, strip, in, stride, 2, false); break;
      case 3: tile(acc + t, strip, in, stride, 3, false); break;
      case 4: tile(acc + t, strip, in, stride, 4, false); break;
      case 5: tile(acc + t, strip, in, stride, 5, false); break;
    }
  }
}

const struct fast_kernels fast_avx512vnni = FAST_KERNELS("avx512vnni", multiply);
#endif
