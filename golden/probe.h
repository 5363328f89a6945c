// SPDX-License-Identifier: Apache-2.0
//
// probe - lets an observer see the tensors of a golden step as they are made
//
// One line beside the arithmetic for each tensor of base/tap.h; nothing depends on it.
// model/fidelity/tap_golden.h assembles the parts and converts them to float.
#ifndef GPT2RTL_PROBE_H
#define GPT2RTL_PROBE_H

#include "fixed.h"
#include <math.h>

#include "golden.h"

// Rows (frac = ROW_FRAC) or residuals (RES_FRAC). probe may be NULL in all of these.
static inline void probe_rows(const struct probe *probe, enum tap_tensor tensor, uint32_t first,
                              const int32_t *x, uint32_t n, int frac) {
  if (!probe || !probe->see) return;
  struct tap_place place = probe->place;
  place.tensor = tensor;
  probe->see(probe->ctx, &place, first, x, n, frac);
}

// n blocks; the first is block `block` of the tensor. m 2^e fits a row.
static inline void probe_operands(const struct probe *probe, enum tap_tensor tensor, uint32_t block,
                                  const struct operand *x, uint32_t n) {
  if (!probe || !probe->see) return;
  for (uint32_t k = 0; k < n; k++) {
    int32_t row[HEAD_DIM];
    for (int i = 0; i < HEAD_DIM; i++) row[i] = x[k].m[i] * (1 << x[k].e);
    probe_rows(probe, tensor, (block + k) * HEAD_DIM, row, HEAD_DIM, ROW_FRAC);
  }
}

// One head's probabilities, p / V scale x inv_z, with 30 fraction bits. The hardware never forms
// them: the operand p (F = 28) is exp x V scale, and inv_z is 1 / sum exp.
static inline void probe_probs(const struct probe *probe, uint32_t head, const struct operand *p,
                               const uint16_t *v_scale, uint16_t inv_z, uint32_t n) {
  if (!probe || !probe->see) return;
  const double z =
      ldexp(scale_mantissa(inv_z), scale_exponent(inv_z) - SCALE_BIAS + 30 - PROB_FRAC);
  for (uint32_t t = 0; t < n; t++) {
    const struct operand *block = &p[t / HEAD_DIM];
    const double v = ldexp(scale_mantissa(v_scale[t]), scale_exponent(v_scale[t]) - SCALE_BIAS);
    const double x = ldexp(block->m[t % HEAD_DIM], block->e) / v * z;
    const int32_t rounded = (int32_t)fmin(nearbyint(x), INT32_MAX);
    probe_rows(probe, TAP_PROBS, head * n + t, &rounded, 1, 30);
  }
}

// One head's cached vector: int8 x mantissa are 19 bits.
static inline void probe_cached(const struct probe *probe, enum tap_tensor tensor, uint32_t head,
                                const int8_t *q, uint16_t scale) {
  if (!probe || !probe->see) return;
  int32_t x[HEAD_DIM];
  for (int i = 0; i < HEAD_DIM; i++) x[i] = q[i] * scale_mantissa(scale);
  probe_rows(probe, tensor, head * HEAD_DIM, x, HEAD_DIM, SCALE_BIAS - scale_exponent(scale));
}

#endif
