// SPDX-License-Identifier: Apache-2.0
//
// rsqrt - reciprocal square root by a table and one Newton step (rtl/base/rsqrt.sv)
#include "golden.h"
#include "tables.h"

uint32_t rsqrt(uint32_t m) {
  // y0, 17 fraction bits: 96 segments of 1/32 over [1, 4)
  uint32_t i = (m >> 25) - 32, rest = (m >> 15) & 1023;
  int64_t y0 = rsqrt_base[i] - round_shift((int64_t)rsqrt_slope[i] * rest, 10);
  // y1 = y0 (3 - u y0^2) / 2, u = m / 2^30
  uint64_t square = (uint64_t)(y0 * y0) >> 4;               // 30 fraction bits, < 2^31
  uint64_t u_square = ((uint64_t)m * square) >> 30;         // 30 fraction bits, near 1
  int64_t factor = ((int64_t)3 << 30) - (int64_t)u_square;  // near 2
  return (uint32_t)round_shift(y0 * factor, 17 + 30 + 1 - 22);
}
