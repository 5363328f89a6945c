// SPDX-License-Identifier: Apache-2.0
#include "elementary.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

// e^r - 1 for |r| <= 0.35, by its Taylor series. The first omitted term, r^13 / 13!, is 2e-16 of r.
static double series(double r) {
  static const double inverse[] = {1.0 / 12, 1.0 / 11, 1.0 / 10, 1.0 / 9, 1.0 / 8, 1.0 / 7,
                                   1.0 / 6,  1.0 / 5,  1.0 / 4,  1.0 / 3, 1.0 / 2};
  double sum = 1;
  for (int i = 0; i < 11; i++) sum = 1 + sum * r * inverse[i];
  return sum * r;
}

// e^x for |x| <= 200: 2^k e^r with r = x - k ln 2. ln 2 is split into two parts, so that k times
// the first part is exact.
static double exp_double(double x) {
  const double k = floor(x * 1.4426950408889634 + 0.5);
  const double r = (x - k * 0x1.62e42feep-1) - k * 0x1.a39ef35793c76p-33;
  const uint64_t bits = (uint64_t)(1023 + (int64_t)k) << 52;
  double power;
  memcpy(&power, &bits, sizeof power);
  return (1 + series(r)) * power;
}

float elementary_exp(float x) {
  if (!(x > -104)) return isnan(x) ? x : 0;
  return x > 89 ? INFINITY : (float)exp_double((double)x);
}

float elementary_tanh(float x) {
  if (!(fabsf(x) < 10)) return isnan(x) ? x : copysignf(1, x);
  const double y = 2 * (double)x;
  const double e = fabs(y) <= 0.35 ? series(y) : exp_double(y) - 1;
  return (float)(e / (e + 2));
}
