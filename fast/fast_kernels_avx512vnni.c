// SPDX-License-Identifier: Apache-2.0
//
// fast_kernels_avx512vnni - x86-64 with AVX-512 F, BW, DQ, VL and VNNI
//
// vpdpbusd multiplies 64 unsigned bytes by 64 signed bytes and adds four products to each of 16
// sums of 32 bits: 16 rows of four columns. A 16-bit number is split into two bytes, x = (high -
// 128) * 256 + low, so 64 weights take two such instructions and need no widening. The offset of
// 128 is corrected in one of two ways: by the sum of each row's weights, which the positions of a
// group share, or, for a single position, by adding 128 to the weights instead and using the sum of
// its own numbers.
#include "fast_kernels.h"

#if defined(__x86_64__)
#include "fast_elementwise.h"

#include <immintrin.h>

enum {
  VECTORS = HEAD_DIM / 16,  // of 16 rows
  GROUP = 16,               // positions whose sums stay in the L1 cache while a strip's tiles pass
  MAX_BLOCKS = 4 * MAX_HEADS,
  // With many positions a group works on a tile for so long that the processor's prefetcher stops.
  // So the first group prefetches the tile after the next one, some lines for each of its
  // positions.
  AHEAD = 2 * TILE_BYTES,
  LINES = TILE_BYTES / 64,
};

static inline __m512i load(const void *p) { return _mm512_loadu_si512(p); }
static inline __m512i four(const uint8_t *x) {
  int32_t bytes;
  memcpy(&bytes, x, sizeof bytes);
  return _mm512_set1_epi32(bytes);
}

static inline __attribute__((always_inline)) void add(struct sums *s, int v, __m512i sum,
                                                      __m512i up, __m512i down) {
  int32_t *low = s->low + 16 * v, *high = s->high + 16 * v;
  _mm512_store_si512(low, _mm512_add_epi32(load(low), _mm512_sllv_epi32(sum, up)));
  _mm512_store_si512(high, _mm512_add_epi32(load(high), _mm512_srav_epi32(sum, down)));
}

// Multiplies a tile by one position. bias[64] is -128 times the sums of the tile's rows, or NULL if
// these are not known.
static inline __attribute__((always_inline)) void tile(struct sums *s, const int8_t *w,
                                                       const struct fast_operand *x, int first,
                                                       const int32_t *bias) {
  const __m512i flip = _mm512_set1_epi8(-128);
  __m512i low[VECTORS], high[VECTORS];
  for (int v = 0; v < VECTORS; v++) {
    low[v] = _mm512_setzero_si512();
    high[v] = bias ? load(bias + 16 * v) : _mm512_set1_epi32(-128 * x->sum_high);
  }
#pragma GCC unroll 16
  for (int c = 0; c < HEAD_DIM; c += 4, w += 4 * HEAD_DIM) {
    const __m512i l = four(x->low + c), h = four(x->high + c), h0 = _mm512_xor_si512(h, flip);
    for (int v = 0; v < VECTORS; v++) {
      const __m512i weights = load(w + 64 * v);
      low[v] = _mm512_dpbusd_epi32(low[v], l, weights);
      high[v] = bias ? _mm512_dpbusd_epi32(high[v], h, weights)
                     : _mm512_dpbusd_epi32(high[v], _mm512_xor_si512(weights, flip), h0);
    }
  }
  const __m512i up = _mm512_set1_epi32(x->e), down = _mm512_set1_epi32(first + 1 - x->e);
  for (int v = 0; v < VECTORS; v++)
    add(s, v, _mm512_add_epi32(low[v], _mm512_slli_epi32(high[v], 8)), up, down);
}

static void tile_bias(int32_t *bias, const int8_t *w) {
  const __m512i ones = _mm512_set1_epi8(-128);  // 128 each, as unsigned bytes
  __m512i sum[VECTORS];
  for (int v = 0; v < VECTORS; v++) sum[v] = _mm512_setzero_si512();
  for (int c = 0; c < HEAD_DIM; c += 4, w += 4 * HEAD_DIM)
    for (int v = 0; v < VECTORS; v++) sum[v] = _mm512_dpbusd_epi32(sum[v], ones, load(w + 64 * v));
  for (int v = 0; v < VECTORS; v++)
    _mm512_store_si512(bias + 16 * v, _mm512_sub_epi32(_mm512_setzero_si512(), sum[v]));
}

// ----------------------------------------------------------------------------------------- rescale

// The side words, prepared for golden's rescale_row: y = round(a * mantissa * 2^15 >> shift) + bias
// = ((a * factor >> shift) + bias) >> 1, where this bias is 2 * bias + 1.
struct sides {
  int64_t factor[HEAD_DIM], shift[HEAD_DIM], bias[HEAD_DIM];
};

static void sides_of(struct sides *s, const uint32_t *side, int extra) {
  for (int i = 0; i < HEAD_DIM; i++) {
    s->factor[i] = (int64_t)(2048 + (side[i] & 2047)) << 16;
    s->shift[i] = SCALE_BIAS + extra + 15 - (int)(side[i] >> 11 & 31);  // less `first`
    s->bias[i] = 2 * half_row(side[i] >> 16) + 1;
  }
}

// Eight rows of 32 bits, before they saturate at ROW_MAX.
static inline __m256i rescale8(__m256i a, const struct sides *s, int at, __m512i first) {
  const __m512i y =
      _mm512_srav_epi64(_mm512_mul_epi32(_mm512_cvtepi32_epi64(a), load(s->factor + at)),
                        _mm512_sub_epi64(load(s->shift + at), first));
  return _mm512_cvtsepi64_epi32(_mm512_srai_epi64(_mm512_add_epi64(y, load(s->bias + at)), 1));
}

// Computes n rows of one position. Returns the number of saturations.
static uint64_t rows_of(int32_t *row, const struct sums *s, const struct sides *side, int first,
                        uint32_t n) {
  const __m512i first64 = _mm512_set1_epi64(first), max = _mm512_set1_epi32((int32_t)ROW_MAX),
                min = _mm512_set1_epi32(-(int32_t)ROW_MAX);
  const __m128i count = _mm_cvtsi32_si128(first);
  const __m512i mask = _mm512_srl_epi32(_mm512_set1_epi32(-1), count);
  uint64_t saturated = 0;
  for (uint32_t i = 0; i < n; i += 16) {
    const __mmask16 there = (__mmask16)(n - i < 16 ? (1u << (n - i)) - 1 : 0xffff);
    const __m512i high = load(s->high + i), twice = _mm512_add_epi32(high, high);
    const __m512i lost =
        _mm512_and_si512(_mm512_sub_epi32(_mm512_srl_epi32(load(s->low + i), count), twice), mask);
    __m512i a = _mm512_add_epi32(twice, lost);  // sums_shifted
    const __mmask16 over = _mm512_cmpeq_epi32_mask(a, _mm512_set1_epi32(INT32_MIN));
    if (over) {
      const __m512i sign = _mm512_srai_epi32(high, 31);
      a = _mm512_mask_sub_epi32(a, over, _mm512_xor_si512(_mm512_set1_epi32(INT32_MAX), sign),
                                sign);
      saturated += (uint64_t)__builtin_popcount(over & there);
    }
    const __m256i low8 = rescale8(_mm512_castsi512_si256(a), side, (int)i, first64);
    const __m256i high8 = rescale8(_mm512_extracti64x4_epi64(a, 1), side, (int)i + 8, first64);
    const __m512i y = _mm512_inserti64x4(_mm512_castsi256_si512(low8), high8, 1);
    const __m512i cut = _mm512_min_epi32(_mm512_max_epi32(y, min), max);
    const __mmask16 outside = _mm512_mask_cmpneq_epi32_mask(there, y, cut);
    if (outside) saturated += (uint64_t)__builtin_popcount(outside);
    _mm512_mask_storeu_epi32(row + i, there, cut);
  }
  return saturated;
}

// ---------------------------------------------------------------------------------------- multiply

static inline __attribute__((always_inline)) uint64_t multiply_group(const struct fast_product *p,
                                                                     uint32_t t, uint32_t n,
                                                                     struct sides *side,
                                                                     int32_t (*bias)[HEAD_DIM]) {
  struct sums sums[GROUP];
  const int *first = p->first + t;
  uint64_t saturated = 0;
  for (uint32_t i = 0; i < n; i++) sums_begin(&sums[i], first[i]);
  for (uint32_t k = 0; k < p->n_blocks; k++) {
    const int8_t *w = p->strip + (size_t)k * TILE_BYTES;
    if (bias && t == 0) tile_bias(bias[k], w);
    for (uint32_t i = 0; i < n; i++) {
      __asm__("" : "+r"(w));  // otherwise the compiler keeps the tile in registers and spills it
      tile(&sums[i], w, p->x + (t + i) * p->x_stride + k, first[i], bias ? bias[k] : NULL);
      if (bias && t == 0)
        for (uint32_t line = i * LINES / n; line < (i + 1) * LINES / n; line++)
          _mm_prefetch((const char *)w + AHEAD + 64 * (size_t)line, _MM_HINT_T0);
    }
  }
  for (uint32_t i = 0; i < n; i++) {
    if (p->side_stride) sides_of(side, p->side + (t + i) * p->side_stride, p->extra);
    saturated += rows_of(p->row + (t + i) * p->row_stride, &sums[i], side, first[i],
                         fast_product_rows(p, t + i));
  }
  return saturated;
}

static uint64_t multiply(const struct fast_product *p) {
  int32_t bias[MAX_BLOCKS][HEAD_DIM] __attribute__((aligned(64)));
  struct sides side;
  uint64_t saturated = 0;
  if (!p->side_stride) sides_of(&side, p->side, p->extra);
  if (p->n < 3) {
    for (uint32_t t = 0; t < p->n; t++) saturated += multiply_group(p, t, 1, &side, NULL);
    return saturated;
  }
  for (uint32_t t = 0; t < p->n; t += GROUP)
    saturated += multiply_group(p, t, p->n - t < GROUP ? p->n - t : GROUP, &side, bias);
  return saturated;
}

// ------------------------------------------------------------------------------------- elementwise

// Puts bytes in order. Packing 64 numbers of 32 bits twice leaves four bytes of each of the four
// vectors in each quarter.
static inline __m512i in_order(__m512i packed) {
  return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7,
                                                    11, 15),
                                  packed);
}

static void block_quant_bytes(struct fast_operand *out, const int32_t *row) {
  __m512i x[VECTORS], all = _mm512_setzero_si512();
  for (int v = 0; v < VECTORS; v++) {
    x[v] = load(row + 16 * v);
    all = _mm512_or_si512(all, _mm512_xor_si512(x[v], _mm512_srai_epi32(x[v], 31)));
  }
  const int length = bit_length((uint32_t)_mm512_reduce_or_epi32(all));
  const int e = length > 15 ? length - 15 : 0;
  const __m512i count = _mm512_set1_epi32(e), half = _mm512_set1_epi32(1 << e >> 1);
  for (int v = 0; v < VECTORS; v++) x[v] = _mm512_srav_epi32(_mm512_add_epi32(x[v], half), count);
  const __m512i a = _mm512_packs_epi32(x[0], x[1]), b = _mm512_packs_epi32(x[2], x[3]);
  const __m512i byte = _mm512_set1_epi16(255);
  const __m512i low = _mm512_packus_epi16(_mm512_and_si512(a, byte), _mm512_and_si512(b, byte));
  const __m512i high =
      _mm512_xor_si512(_mm512_packus_epi16(_mm512_srli_epi16(a, 8), _mm512_srli_epi16(b, 8)),
                       _mm512_set1_epi8(-128));
  _mm512_storeu_si512(out->low, in_order(low));
  _mm512_storeu_si512(out->high, in_order(high));
  out->e = e;
  out->sum_high = (int32_t)_mm512_reduce_add_epi64(_mm512_sad_epu8(high, _mm512_setzero_si512())) -
                  128 * HEAD_DIM;
}

// table[i] of a table of 64 numbers, i = 0 .. 63.
static inline __m512i look_up(const __m512i table[4], __m512i i) {
  return _mm512_mask_blend_epi32(_mm512_test_epi32_mask(i, _mm512_set1_epi32(32)),
                                 _mm512_permutex2var_epi32(table[0], i, table[1]),
                                 _mm512_permutex2var_epi32(table[2], i, table[3]));
}

// Eight of p = exponential * mantissa * 4 >> shift, rounded, before they saturate at ROW_MAX.
static inline __m256i weighted8(__m256i e, __m256i scale) {
  const __m512i s = _mm512_cvtepu32_epi64(scale);
  const __m512i factor =
      _mm512_slli_epi64(_mm512_or_si512(_mm512_and_si512(s, _mm512_set1_epi64(2047)),
                                        _mm512_set1_epi64(2048)),
                        3);  // a bit more, for rounding
  const __m512i shift = _mm512_sub_epi64(_mm512_set1_epi64(31), _mm512_srli_epi64(s, 11));
  const __m512i y = _mm512_srlv_epi64(_mm512_mul_epu32(_mm512_cvtepu32_epi64(e), factor), shift);
  return _mm512_cvtusepi64_epi32(_mm512_srli_epi64(_mm512_add_epi64(y, _mm512_set1_epi64(1)), 1));
}

// The exponentials of fast_elementwise.h, with the tables in registers.
static uint64_t exponentials_of(int32_t *p, const int32_t *score, const uint16_t *v_scale,
                                uint32_t n, int32_t max, struct saturation *sat) {
  __m512i base[4], slope[4], z = _mm512_setzero_si512();
  for (int v = 0; v < 4; v++)
    base[v] = load(exp2_base + 16 * v), slope[v] = load(exp2_slope + 16 * v);
  const __m512i largest = _mm512_set1_epi32(max), limit = _mm512_set1_epi32((1 << 21) - 1),
                log2_e = _mm512_set1_epi32(7253), one = _mm512_set1_epi32(1),
                row_max = _mm512_set1_epi32((int32_t)ROW_MAX);
  for (uint32_t i = 0; i < n; i += 16) {
    const __mmask16 there = (__mmask16)(n - i < 16 ? (1u << (n - i)) - 1 : 0xffff);
    const __m512i d =
        _mm512_min_epu32(_mm512_sub_epi32(largest, _mm512_maskz_loadu_epi32(there, score + i)),
                         limit);
    // 16-bit products by vpmaddwd; the other half of each pair is 0
    const __m512i u = _mm512_madd_epi16(_mm512_srli_epi32(d, 14), log2_e);
    const __m512i v = _mm512_madd_epi16(_mm512_and_si512(d, _mm512_set1_epi32(16383)), log2_e);
    const __m512i t =
        _mm512_add_epi32(_mm512_add_epi32(d, u),
                         _mm512_srli_epi32(_mm512_add_epi32(v, _mm512_set1_epi32(8192)), 14));
    const __m512i at = _mm512_and_si512(_mm512_srli_epi32(t, 10), _mm512_set1_epi32(63));
    const __m512i fall =
        _mm512_mullo_epi32(look_up(slope, at), _mm512_and_si512(t, _mm512_set1_epi32(1023)));
    const __m512i mantissa =
        _mm512_sub_epi32(look_up(base, at),
                         _mm512_srli_epi32(_mm512_add_epi32(fall, _mm512_set1_epi32(512)), 10));
    const __m512i whole = _mm512_min_epu32(_mm512_srli_epi32(t, 16), _mm512_set1_epi32(31));
    const __m512i half = _mm512_srli_epi32(_mm512_sllv_epi32(one, whole), 1);
    const __m512i e = _mm512_maskz_srlv_epi32(there, _mm512_add_epi32(mantissa, half), whole);
    z = _mm512_add_epi32(z, e);  // a lane adds at most 64 numbers of 22 bits

    const __m512i scale = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(there, v_scale + i));
    const __m256i low = weighted8(_mm512_castsi512_si256(e), _mm512_castsi512_si256(scale));
    const __m256i high =
        weighted8(_mm512_extracti64x4_epi64(e, 1), _mm512_extracti64x4_epi64(scale, 1));
    const __m512i y = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
    const __mmask16 over = _mm512_cmpgt_epu32_mask(y, row_max);
    if (over) sat->prob += (uint64_t)__builtin_popcount(over);
    _mm512_mask_storeu_epi32(p + i, there, _mm512_min_epu32(y, row_max));
  }
  return (uint64_t)_mm512_reduce_add_epi64(
      _mm512_add_epi64(_mm512_srli_epi64(z, 32),
                       _mm512_and_si512(z, _mm512_set1_epi64(0xffffffff))));
}

const struct fast_kernels fast_avx512vnni = {"avx512vnni",      4,
                                             multiply,          block_quant_bytes,
                                             kv_quantize64,     gelu_rows,
                                             residual_add_rows, layernorm_words,
                                             largest,           exponentials_of};
#endif
