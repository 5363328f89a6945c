// SPDX-License-Identifier: Apache-2.0
#include "image_format.h"

#include <math.h>

int image_scale(uint16_t *scale, double x) {
  *scale = 0;
  if (isnan(x) || x > image_scale_value(UINT16_MAX)) return -1;
  if (x <= image_scale_value(0)) return 0;
  // x = f * 2^e with f in [2048, 4096); a carry into 4096 is the next exponent's 2048
  const int e = ilogb(x) - 11;
  const long f = (long)ceil(ldexp(x, -e));
  *scale = (uint16_t)(((e + 35) << 11) + f - 2048);
  return 0;
}

double image_scale_value(uint16_t scale) {
  return ldexp(2048 + (scale & 2047), (scale >> 11) - 35);
}

int image_half(uint16_t *half, double x) {
  *half = 0;
  if (isnan(x) || fabs(x) > 0x1p18) return -1;
  if (x == 0) return 0;
  // |x| = f * 2^e with f in [1024, 2048), or less if e is at its minimum; it carries as above
  const int e = ilogb(x) - 10 < -24 ? -24 : ilogb(x) - 10;
  const long f = lrint(ldexp(fabs(x), -e));
  const long bits = ((long)(e + 24) << 10) + f;
  if (bits > INT16_MAX) return -1;
  *half = (uint16_t)(bits | (x < 0 ? 0x8000 : 0));
  return 0;
}

double image_half_value(uint16_t half) {
  const int e = (half >> 10) & 31;
  const double x = ldexp((half & 1023) + (e > 0 ? 1024 : 0), (e > 0 ? e : 1) - 25);
  return half & 0x8000 ? -x : x;
}
