// SPDX-License-Identifier: Apache-2.0
#include "quantize.h"

#include <math.h>

#include "image_format.h"

// Rounds w to q with a scale. Returns the sum of the squared errors.
static double round_row(int32_t *q, uint16_t scale, const float *w, size_t n, int steps) {
  const double unit = image_scale_value(scale);
  const float steps_per_unit = (float)(1 / unit);
  double error = 0;
  for (size_t i = 0; i < n; i++) {
    const float x = rintf(w[i] * steps_per_unit);
    q[i] = (int32_t)(x > (float)steps ? (float)steps : x < (float)-steps ? (float)-steps : x);
    error += (q[i] * unit - (double)w[i]) * (q[i] * unit - (double)w[i]);
  }
  return error;
}

static double largest(const float *w, size_t n) {
  float max = 0;
  for (size_t i = 0; i < n; i++) max = fabsf(w[i]) > max ? fabsf(w[i]) : max;
  return (double)max;
}

int quantize_row(int32_t *q, uint16_t *scale, const float *w, size_t n, int steps) {
  if (image_scale(scale, largest(w, n) / steps) != 0) return -1;
  round_row(q, *scale, w, n, steps);
  return 0;
}

int quantize_row_least(int32_t *q, uint16_t *scale, const float *w, size_t n, int steps) {
  const double most = largest(w, n) / steps;
  if (image_scale(scale, most) != 0) return -1;
  double least = INFINITY;
  for (int percent = 100; percent >= 60; percent--) {
    uint16_t smaller;
    image_scale(&smaller, most * percent / 100);
    const double error = round_row(q, smaller, w, n, steps);
    if (error < least) {
      least = error;
      *scale = smaller;
    }
  }
  round_row(q, *scale, w, n, steps);
  return 0;
}
