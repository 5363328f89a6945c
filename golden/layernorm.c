// SPDX-License-Identifier: Apache-2.0
//
// layernorm - statistics and normalisation (rtl/block/layernorm.sv)
//
// For integers x in Q14.12, V = C sum(x^2) - sum(x)^2 is exact, and sqrt(V) = C * std. So with V' =
// V + epsilon C^2 2^24,
//   n = (x - mean) * C / sqrt(V'),   y = n * gain + bias
// needs no division: 1/C is a constant of the configuration, and R = C / sqrt(V') is one number per
// token, of 18 bits and an exponent.
#include "golden.h"

__extension__ typedef unsigned __int128 uint128;

static int bit_length128(uint128 x) {
  uint64_t high = (uint64_t)(x >> 64);
  return high ? 64 + bit_length(high) : bit_length((uint64_t)x);
}

struct layernorm_statistics layernorm_statistics(const struct residual *r,
                                                 const struct image_header *h) {
  const uint32_t width = h->n_embd;
  struct layernorm_statistics s;
  s.mean = round_shift(r->sum * h->inv_width, 30 + RES_FRAC - ROW_FRAC);

  // V' as m * 2^shift with m in [2^30, 2^32) and shift even: 16 <= bit length <= 76
  uint64_t magnitude = (uint64_t)(r->sum < 0 ? -r->sum : r->sum);
  uint128 v = (uint128)r->sum_sq * width - (uint128)magnitude * magnitude + h->eps_term;
  int length = bit_length128(v);
  int shift = length - 32 + (length & 1);
  uint32_t m = (uint32_t)(shift >= 0 ? v >> shift : v << -shift);

  uint64_t product = (uint64_t)rsqrt(m) * width;  // 28..33 bits
  int product_length = bit_length(product);
  s.ratio = (int64_t)(product >> (product_length - 18));
  s.ratio_shift = 41 - product_length + shift / 2;
  return s;
}

void layernorm_rows(int32_t *y, const struct residual *r, const struct image *image,
                    uint64_t params, struct saturation *sat) {
  const struct layernorm_statistics s = layernorm_statistics(r, &image->header);
  for (uint32_t c = 0; c < image->header.n_embd; c++) {
    uint32_t word = side_word(image, params, c);
    uint16_t gain = (uint16_t)word, bias = (uint16_t)(word >> 16);
    int64_t d = (int64_t)r->x[c] * (1 << (ROW_FRAC - RES_FRAC)) - s.mean;
    int64_t n = saturate(round_shift(d * s.ratio, s.ratio_shift), (1 << 24) - 1, &sat->norm);
    int64_t scaled = round_shift(n * half_significand(gain) * 16, 31 - half_exponent(gain));
    y[c] = (int32_t)saturate(scaled + half_to_row(bias), ROW_MAX, &sat->row);
  }
}

void layernorm(struct operand *out, const struct residual *r, const struct image *image,
               uint64_t params, struct saturation *sat) {
  int32_t y[MAX_WIDTH];
  layernorm_rows(y, r, image, params, sat);
  for (uint32_t c = 0; c < image->header.n_embd; c += HEAD_DIM)
    block_quant(&out[c / HEAD_DIM], y + c);
}
