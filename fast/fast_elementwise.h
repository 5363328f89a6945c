// SPDX-License-Identifier: Apache-2.0
//
// fast_elementwise - the kernels that work element by element, in C that the compiler vectorises
//
// Each fast_kernels_*.c includes this file and is compiled for its own instruction set, so one text
// serves every vector width. The loops have no branches and no calls. They use 32 bits where these
// suffice, because a vector then holds twice as many numbers. The arithmetic is that of golden/,
// whose comments give the formats; the comments here say why fewer bits suffice.
#ifndef GPT2RTL_FAST_ELEMENTWISE_H
#define GPT2RTL_FAST_ELEMENTWISE_H

#include "fast_kernels.h"
#include "tables.h"

#include <string.h>

// fixed.h's round_shift without its branch: n may be 0.
static inline int64_t round64(int64_t x, int n) { return (x + (((int64_t)1 << n) >> 1)) >> n; }
static inline int32_t round32(int32_t x, int n) { return (x + ((1 << n) >> 1)) >> n; }
static inline int64_t clamp64(int64_t x, int64_t max) {
  return x > max ? max : x < -max ? -max : x;
}

// half_significand, half_exponent, half_to_row without branches.
static inline int half_shift(uint32_t half) {
  return (int)((half >> 10 & 31) + ((half & 31 << 10) == 0));
}
static inline int32_t half_signed(uint32_t half) {
  const int32_t m = (int32_t)((half & 1023) + ((half & 31 << 10) == 0 ? 0u : 1024u));
  return half & 0x8000 ? -m : m;
}
static inline int64_t half_row(uint32_t half) {
  return ((int64_t)half_signed(half) * ((int64_t)1 << half_shift(half)) + 256) >> 9;
}

// A row's sum over all blocks, acc = sum_k (sum_k << e_k), has up to 52 bits. rescale drops the
// lowest `first` bits, rounded to nearest. acc is therefore kept in two parts of 32 bits. low is
// acc modulo 2^32, plus the half of that rounding. high is the sum of the terms' bits from first +
// 1 on, each term rounded down; it fits 31 bits.
struct sums {
  int32_t low[HEAD_DIM], high[HEAD_DIM];
} __attribute__((aligned(64)));

static inline void sums_begin(struct sums *s, int first) {
  for (int r = 0; r < HEAD_DIM; r++) s->low[r] = 1 << first >> 1, s->high[r] = 0;
}

// (acc + half) >> first is twice high plus what rounding each term down has lost. The loss is at
// most 2 n_blocks + 1, and low gives its lowest 13 bits or more, which determine it. With weights
// of -128 the result can reach 2^31 or -2^31: both then read INT32_MIN.
static inline int32_t sums_shifted(int32_t low, int32_t high, int first) {
  const uint32_t twice = 2 * (uint32_t)high;
  return (int32_t)(twice + ((((uint32_t)low >> first) - twice) & UINT32_MAX >> first));
}

static inline uint64_t rescale(int32_t *restrict row, const struct sums *restrict s,
                               const uint32_t *restrict side, uint32_t n, int first, int extra) {
  const int base = SCALE_BIAS + extra - first + 15;
  uint64_t saturated = 0;
  for (uint32_t i = 0; i < n; i++) {
    const int32_t a = sums_shifted(s->low[i], s->high[i], first);
    const int32_t a32 = a > INT32_MIN ? a : s->high[i] < 0 ? -INT32_MAX : INT32_MAX;
    const int32_t mantissa = (int32_t)(2048 + (side[i] & 2047));
    const int64_t y =
        round64((int64_t)a32 * mantissa * (1 << 15), base - (int)(side[i] >> 11 & 31)) +
        half_row(side[i] >> 16);
    const int64_t y31 = clamp64(y, ROW_MAX);
    saturated += (uint64_t)(a != a32) + (uint64_t)(y != y31);
    row[i] = (int32_t)y31;
  }
  return saturated;
}

// A kernel's multiply, made from a function that adds all blocks' sums of positions t .. t + n - 1
// to s[0 .. n - 1].
enum { SUMS_AT_ONCE = 16 };
typedef void add_sums(struct sums *s, const struct fast_product *p, uint32_t t, uint32_t n);
static inline __attribute__((always_inline)) uint64_t multiply_with(const struct fast_product *p,
                                                                    add_sums *add) {
  struct sums s[SUMS_AT_ONCE];
  uint64_t saturated = 0;
  for (uint32_t t = 0; t < p->n; t += SUMS_AT_ONCE) {
    const uint32_t n = p->n - t < SUMS_AT_ONCE ? p->n - t : SUMS_AT_ONCE;
    for (uint32_t i = 0; i < n; i++) sums_begin(&s[i], p->first[t + i]);
    add(s, p, t, n);
    for (uint32_t i = 0; i < n; i++)
      saturated +=
          rescale(p->row + (t + i) * p->row_stride, &s[i], p->side + (t + i) * p->side_stride,
                  fast_product_rows(p, t + i), p->first[t + i], p->extra);
  }
  return saturated;
}

static inline void block_quant64(struct fast_operand *out, const int32_t *row) {
  uint32_t all = 0;
  for (int i = 0; i < HEAD_DIM; i++) all |= (uint32_t)(row[i] ^ row[i] >> 31);
  const int e = bit_length(all) > 15 ? bit_length(all) - 15 : 0;
  out->e = e;
  for (int i = 0; i < HEAD_DIM; i++) {
    const int32_t m = round32(row[i], e);
    out->m[i] = (int16_t)(m > INT16_MAX ? INT16_MAX : m);
  }
}

// golden's kv_quantize. Its products fit 34 bits.
static inline void kv_quantize64(int8_t *restrict q, uint16_t *scale, const int32_t *restrict row) {
  uint32_t max = 0;
  for (int i = 0; i < HEAD_DIM; i++) {
    const uint32_t a = (uint32_t)(row[i] < 0 ? -row[i] : row[i]);
    max = a > max ? a : max;
  }
  int32_t r;
  *scale = kv_scale(max, &r);
  const int length = bit_length(max), down = length > 16 ? length - 16 : 0,
            up = length > 16 ? 0 : 16 - length;
  for (int i = 0; i < HEAD_DIM; i++) {
    const int32_t x = round32(row[i], down) * (1 << up);
    const int32_t y = (int32_t)round64((int64_t)x * r, 24);
    q[i] = (int8_t)(y > 127 ? 127 : y < -127 ? -127 : y);
  }
}

static inline void gelu_rows(int32_t *row, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    const int32_t x = row[i], a = x < 0 ? -x : x, relu = x < 0 ? 0 : x;
    const int32_t at = a >> 10 < 511 ? a >> 10 : 511;
    const int32_t g = gelu_base[at] + round32(gelu_slope[at] * (a & 1023), 10);  // 15 + 10 bits
    row[i] = a < 8 << ROW_FRAC ? relu - round32(g, 4) : relu;
  }
}

static inline void residual_add_rows(struct residual *r, const int32_t *row, uint32_t width,
                                     struct saturation *sat) {
  int64_t sum = 0;
  uint64_t squares = 0, saturated = 0;
  for (uint32_t c = 0; c < width; c++) {
    const int32_t y = r->x[c] + round32(row[c], ROW_FRAC - RES_FRAC);  // 28 bits
    const int32_t x = y > RES_MAX ? (int32_t)RES_MAX : y < -RES_MAX ? -(int32_t)RES_MAX : y;
    saturated += y != x;
    r->x[c] = x;
    sum += x;
    squares += (uint64_t)((int64_t)x * x);
  }
  r->sum = sum;
  r->sum_sq = squares;
  sat->residual += saturated;
}

static inline void layernorm_words(int32_t *restrict y, const int32_t *restrict x,
                                   const uint32_t *restrict word, uint32_t width,
                                   const struct layernorm_statistics *s, struct saturation *sat) {
  const int64_t mean = s->mean, ratio = s->ratio;
  const int shift = s->ratio_shift;
  uint64_t norms = 0, rows = 0;
  for (uint32_t c = 0; c < width; c++) {
    const int64_t d = (int64_t)x[c] * (1 << (ROW_FRAC - RES_FRAC)) - mean;
    const int64_t n = round64(d * ratio, shift), n25 = clamp64(n, (1 << 24) - 1);
    const int64_t scaled =
        round64(n25 * half_signed(word[c] & 0xffff) * 16, 31 - half_shift(word[c]));
    const int64_t z = scaled + half_row(word[c] >> 16), z31 = clamp64(z, ROW_MAX);
    norms += n != n25;
    rows += z != z31;
    y[c] = (int32_t)z31;
  }
  sat->norm += norms;
  sat->row += rows;
}

static inline int32_t largest(const int32_t *x, uint32_t n) {
  int32_t max = x[0];
  for (uint32_t i = 1; i < n; i++) max = x[i] > max ? x[i] : max;
  return max;
}

// exp(-d), d a row >= 0, as in golden's softmax, all within 32 bits:
//   from d = 2^21 - 1 on (32, as a row) it is 0, as in golden, because t then exceeds 2^16 * 24
//   t = (d * 94548 + 2^15) >> 16 = d + ((d * 7253 + 2^13) >> 14), and d = u * 2^14 + v
static inline uint32_t exponential(uint32_t d) {
  const uint32_t limited = d < (1 << 21) - 1 ? d : (1 << 21) - 1;
  const uint32_t t = limited + (limited >> 14) * 7253 + (((limited & 16383) * 7253 + 8192) >> 14);
  const uint32_t i = t >> 10 & 63, rest = t & 1023, whole = t >> 16 < 31 ? t >> 16 : 31;
  const int32_t mantissa = exp2_base[i] - round32(exp2_slope[i] * (int32_t)rest, 10);
  return ((uint32_t)mantissa + ((1u << whole) >> 1)) >> whole;
}

static inline uint64_t exponentials(int32_t *restrict p, const int32_t *restrict score,
                                    const uint16_t *restrict v_scale, uint32_t n, int32_t max,
                                    struct saturation *sat) {
  uint64_t z = 0, saturated = 0;
  for (uint32_t i = 0; i < n; i++) {
    const uint32_t e = exponential((uint32_t)max - (uint32_t)score[i]), scale = v_scale[i];
    const int64_t y =
        round64((int64_t)e * (int32_t)(2048 + (scale & 2047)) * 4, 31 - (int)(scale >> 11));
    const int64_t y31 = y > ROW_MAX ? ROW_MAX : y;
    z += e;
    saturated += y != y31;
    p[i] = (int32_t)y31;
  }
  sat->prob += saturated;
  return z;
}

// The struct that a fast_kernels_*.c defines: its tiles, its multiply, and the functions above.
#define FAST_KERNELS(NAME, TOGETHER, MULTIPLY)                                            \
  {                                                                                       \
    NAME, TOGETHER, MULTIPLY, block_quant64, kv_quantize64, gelu_rows, residual_add_rows, \
        layernorm_words, largest, exponentials                                            \
  }

#endif
