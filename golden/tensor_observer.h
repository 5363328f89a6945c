// SPDX-License-Identifier: Apache-2.0
//
// tensor_observer - passes the tensors of a golden step to an observer as they are computed
//
// The arithmetic has one such call for each tensor of base/tensor.h, and does not depend on it.
// model/fidelity/tensor_assembly.h assembles the parts and converts them to float.
#ifndef GPT2RTL_TENSOR_OBSERVER_H
#define GPT2RTL_TENSOR_OBSERVER_H

#include "fixed.h"
#include <math.h>

#include "golden.h"

// Passes on n rows (frac = ROW_FRAC) or residuals (RES_FRAC), elements first .. first + n - 1 of
// the tensor. In all of these functions observer may be NULL.
static inline void observe_rows(const struct tensor_observer *observer, enum tensor tensor,
                                uint32_t first, const int32_t *x, uint32_t n, int frac) {
  if (!observer || !observer->part) return;
  struct tensor_place place = observer->place;
  place.tensor = tensor;
  observer->part(observer->ctx, &place, first, x, n, frac);
}

// The same for n operand blocks, of which the first is block `block` of the tensor. m * 2^e fits a
// row.
static inline void observe_operands(const struct tensor_observer *observer, enum tensor tensor,
                                    uint32_t block, const struct operand *x, uint32_t n) {
  if (!observer || !observer->part) return;
  for (uint32_t k = 0; k < n; k++) {
    int32_t row[HEAD_DIM];
    for (int i = 0; i < HEAD_DIM; i++) row[i] = x[k].m[i] * (1 << x[k].e);
    observe_rows(observer, tensor, (block + k) * HEAD_DIM, row, HEAD_DIM, ROW_FRAC);
  }
}

// One head's n probabilities, with 30 fraction bits. The hardware never forms them: its operand p
// (F = 28) is exp * V scale, and inv_z is 1 / sum exp, so a probability is p / V scale * inv_z.
static inline void observe_probs(const struct tensor_observer *observer, uint32_t head,
                                 const struct operand *p, const uint16_t *v_scale, uint16_t inv_z,
                                 uint32_t n) {
  if (!observer || !observer->part) return;
  const double z =
      ldexp(scale_mantissa(inv_z), scale_exponent(inv_z) - SCALE_BIAS + 30 - PROB_FRAC);
  for (uint32_t t = 0; t < n; t++) {
    const struct operand *block = &p[t / HEAD_DIM];
    const double v = ldexp(scale_mantissa(v_scale[t]), scale_exponent(v_scale[t]) - SCALE_BIAS);
    const double x = ldexp(block->m[t % HEAD_DIM], block->e) / v * z;
    const int32_t rounded = (int32_t)fmin(nearbyint(x), INT32_MAX);
    observe_rows(observer, TENSOR_PROBS, head * n + t, &rounded, 1, 30);
  }
}

// One head's cached vector. A product of int8 and mantissa has 19 bits.
static inline void observe_cached(const struct tensor_observer *observer, enum tensor tensor,
                                  uint32_t head, const int8_t *q, uint16_t scale) {
  if (!observer || !observer->part) return;
  int32_t x[HEAD_DIM];
  for (int i = 0; i < HEAD_DIM; i++) x[i] = q[i] * scale_mantissa(scale);
  observe_rows(observer, tensor, head * HEAD_DIM, x, HEAD_DIM, SCALE_BIAS - scale_exponent(scale));
}

#endif
