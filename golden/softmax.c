// SPDX-License-Identifier: Apache-2.0
//
// softmax - exponentials of one head's scores, weighted by the V scales, and the sum of the
// exponentials (rtl/block/softmax.sv)
//
// The division by that sum comes after PV, as the scale of its rows.
#include "golden.h"
#include "tables.h"

// exp(-d) = 2^(-d * log2 e); 94548 = round(log2(e) * 2^16)
enum { LOG2_E = 94548, D_LIMIT = 32 << ROW_FRAC };

uint32_t exp2_neg(uint64_t t) {
  uint64_t whole = t >> 16;
  if (whole > EXP_FRAC + 1) return 0;
  uint32_t i = (uint32_t)(t >> 10) & 63, rest = (uint32_t)t & 1023;
  int64_t mantissa = exp2_base[i] - round_shift((int64_t)exp2_slope[i] * rest, 10);
  return (uint32_t)round_shift(mantissa, (int)whole);
}

uint32_t reciprocal(uint32_t x) {
  uint32_t i = (x >> 8) & 127, rest = x & 255;
  return (uint32_t)(reciprocal_base[i] - round_shift((int64_t)reciprocal_slope[i] * rest, 8));
}

uint16_t softmax_inverse(uint64_t z) {
  // z = m * 2^(length - 16 - 22), m in [2^15, 2^16); 1/m = r * 2^-31
  int length = bit_length(z);  // 22..32
  uint32_t r = reciprocal((uint32_t)(z >> (length - 16)));
  int r_length = bit_length(r);  // 16 or 17
  int64_t mantissa = round_shift(r, r_length - 12);
  if (mantissa == 4096) {
    mantissa = 2048;
    r_length++;
  }
  return (uint16_t)((r_length + 30 - length) << 11 | (mantissa - 2048));
}

uint16_t softmax(struct operand *p, const int32_t *score, const uint16_t *v_scale, uint32_t n,
                 struct saturation *sat) {
  int32_t max = score[0];
  for (uint32_t t = 1; t < n; t++) max = score[t] > max ? score[t] : max;

  uint64_t z = 0;  // below 1024 * 2^22: exp(0) = 2^22 - 31
  for (uint32_t t0 = 0; t0 < n; t0 += HEAD_DIM) {
    int32_t row[HEAD_DIM] = {0};
    for (uint32_t i = 0; i < HEAD_DIM && t0 + i < n; i++) {
      int64_t d = (int64_t)max - score[t0 + i];
      uint32_t e = d >= D_LIMIT ? 0 : exp2_neg((uint64_t)round_shift(d * LOG2_E, 16));
      z += e;
      // e * 2^-22 * mantissa * 2^(exponent - 35), with 28 fraction bits
      int64_t y = (int64_t)e * scale_mantissa(v_scale[t0 + i]) * 4;
      row[i] = (int32_t)saturate(round_shift(y, 31 - scale_exponent(v_scale[t0 + i])), ROW_MAX,
                                 &sat->prob);
    }
    block_quant(&p[t0 / HEAD_DIM], row);
  }
  return softmax_inverse(z);
}
