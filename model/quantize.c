// SPDX-License-Identifier: Apache-2.0
#include "quantize.h"

#include <math.h>

#include "image_format.h"

int quantize_row(int32_t *q, uint16_t *scale, const float *w, size_t n, int steps) {
  float max = 0;
  for (size_t i = 0; i < n; i++) {
    max = fabsf(w[i]) > max ? fabsf(w[i]) : max;
  }
  if (image_scale(scale, (double)max / steps) != 0) {
    return -1;
  }
  const float steps_per_unit = (float)(1 / image_scale_value(*scale));
  for (size_t i = 0; i < n; i++) {
    q[i] = (int32_t)rintf(w[i] * steps_per_unit);
  }
  return 0;
}
