// SPDX-License-Identifier: Apache-2.0
//
// kv_cache - keys and values as int8 with a scale (rtl/block/kv_cache.sv)
#include "golden.h"

uint16_t kv_scale(uint32_t max, int32_t *r) {
  *r = 0;
  if (max == 0) return 0;

  // max = m * 2^(length - 16), m in [2^15, 2^16); lower bits are truncated
  int length = bit_length(max);
  uint32_t m = length > 16 ? max >> (length - 16) : max << (16 - length);

  // 127 / m with 24 fraction bits, in 17 bits
  *r = (int32_t)round_shift((int64_t)reciprocal(m) * 127, 7);

  // scale = max / 127 = m * 2^(length - 32) / 127; 33026 = round(2^22 / 127)
  int64_t product = (int64_t)m * 33026;  // 31 or 32 bits
  int product_length = bit_length((uint64_t)product);
  int64_t mantissa = round_shift(product, product_length - 12);
  if (mantissa == 4096) {
    mantissa = 2048;
    product_length++;
  }
  return (uint16_t)((product_length + length - 31) << 11 | (mantissa - 2048));  // exponent 1..31
}

void kv_quantize(int8_t q[HEAD_DIM], uint16_t *scale, const int32_t row[HEAD_DIM]) {
  uint32_t max = 0;
  for (int i = 0; i < HEAD_DIM; i++) {
    uint32_t a = (uint32_t)(row[i] < 0 ? -row[i] : row[i]);
    if (a > max) max = a;
  }
  int32_t r;
  *scale = kv_scale(max, &r);
  int length = bit_length(max);
  for (int i = 0; i < HEAD_DIM; i++) {
    int64_t x = length > 16 ? round_shift(row[i], length - 16) : row[i] * (1 << (16 - length));
    int64_t y = round_shift(x * r, 24);
    q[i] = (int8_t)(y > 127 ? 127 : y < -127 ? -127 : y);
  }
}

void kv_cache_write(struct kv_head *kv, uint32_t t, const int32_t k[HEAD_DIM],
                    const int32_t v[HEAD_DIM]) {
  kv_quantize(kv->k[t], &kv->k_scale[t], k);
  kv_quantize(kv->v[t], &kv->v_scale[t], v);
}
