// SPDX-License-Identifier: Apache-2.0
//
// fixed - rounding, shifting, saturating, and the two 16-bit number formats of the memory image
//
// These are the number formats that the golden blocks share. rtl/base/gpt2_pkg.sv has the same
// constants and functions under the same names. docs/numerics.md derives the widths.
//
//   row       Q14.16 signed, 31 bits: what rescale sends to every block (projections, scores,
//             logits)
//   residual  Q14.12 signed, 27 bits: the hidden state
//   operand   64 x int16 with one exponent e, 0..15: value = m * 2^(e - F), F = 16 (28 for
//             probabilities)
//   scale     16 bits, unsigned: e = bits 15..11, f = bits 10..0: value = (2048 + f) * 2^(e - 35)
//   half      16 bits: sign, 5 bits exponent, 10 bits fraction as in IEEE 754 binary16, except that
//             exponent 31 is one more ordinary exponent (no infinity, no NaN): every bit pattern is
//             a number
#ifndef GPT2RTL_FIXED_H
#define GPT2RTL_FIXED_H

#include <stdint.h>

#include "config.h"  // HEAD_DIM

enum {
  ROW_FRAC = 16,     // fraction bits of a row
  ROW_BITS = 31,     // a row's width: 31 so that an operand exponent of 0..15 covers it with int16
  RES_FRAC = 12,     // fraction bits of the residual
  RES_BITS = 27,     // 27 bits: the sum of 1600 squares fits 64 bits
  PROB_FRAC = 28,    // fraction bits of exp * V scale before it becomes an operand
  EXP_FRAC = 22,     // fraction bits of an exponential: 1.0 = 2^22
  SCALE_BIAS = 35,   // value of a scale = (2048 + f) * 2^(e - SCALE_BIAS)
  SIDE_GROUPS = 16,  // row groups whose scales and biases travel in one side beat
};

#define ROW_MAX ((int64_t)((1 << (ROW_BITS - 1)) - 1))
#define RES_MAX ((int64_t)((1 << (RES_BITS - 1)) - 1))

// Saturations, counted by the format that overflowed. A run is exact only if all are zero.
struct saturation {
  uint64_t row;       // rescale's and layernorm's rows, Q14.16
  uint64_t residual;  // Q14.12
  uint64_t norm;      // normalised x, Q6.18
  uint64_t prob;      // exp * V scale, Q2.28
};
static inline uint64_t saturation_sum(const struct saturation *s) {
  return s->row + s->residual + s->norm + s->prob;
}

// x / 2^n rounded to nearest, ties upwards (towards plus infinity); n = 0 returns x. Needs |x| <
// 2^62.
static inline int64_t round_shift(int64_t x, int n) {
  return n == 0 ? x : (x + ((int64_t)1 << (n - 1))) >> n;
}

// Clamps x to [-max, max]; adds one to *count (not NULL) if x was outside.
static inline int64_t saturate(int64_t x, int64_t max, uint64_t *count) {
  if (x > max) {
    (*count)++;
    return max;
  }
  if (x < -max) {
    (*count)++;
    return -max;
  }
  return x;
}

// The number of bits that x needs: 0 for 0, otherwise floor(log2 x) + 1.
static inline int bit_length(uint64_t x) { return x == 0 ? 0 : 64 - __builtin_clzll(x); }

// ceil(log2 n), n >= 1.
static inline int log2_ceil(uint32_t n) { return bit_length(n - 1); }

static inline int scale_exponent(uint16_t scale) { return scale >> 11; }
static inline int32_t scale_mantissa(uint16_t scale) { return 2048 + (scale & 2047); }

// A half's significand (11 bits, signed) and its exponent: value = significand * 2^(exponent - 25).
static inline int half_exponent(uint16_t half) {
  int e = (half >> 10) & 31;
  return e == 0 ? 1 : e;
}
static inline int32_t half_significand(uint16_t half) {
  int32_t m = (half & 1023) + (((half >> 10) & 31) ? 1024 : 0);
  return half & 0x8000 ? -m : m;
}

// A half as a number with 16 fraction bits, rounded; |result| < 2^34.
static inline int64_t half_to_row(uint16_t half) {
  return round_shift((int64_t)half_significand(half) * ((int64_t)1 << half_exponent(half)), 9);
}

#endif
