// SPDX-License-Identifier: Apache-2.0
//
// probe - lets an observer see the tensors of a golden step as they are made
//
// One line beside the arithmetic for each tensor of model/tap.h; nothing depends on it. model/tap_golden.h puts the
// parts together and makes floats of them.
#ifndef GPT2RTL_PROBE_H
#define GPT2RTL_PROBE_H

#include "fixed.h"
#include "golden.h"

// Rows (frac = ROW_FRAC) or residuals (RES_FRAC). probe may be NULL in all three.
static inline void probe_rows(const struct probe *probe, enum tap_tensor tensor, uint32_t first, const int32_t *x,
                              uint32_t n, int frac) {
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

// One head's cached vector: int8 x mantissa are 19 bits.
static inline void probe_cached(const struct probe *probe, enum tap_tensor tensor, uint32_t head, const int8_t *q,
                                uint16_t scale) {
  if (!probe || !probe->see) return;
  int32_t x[HEAD_DIM];
  for (int i = 0; i < HEAD_DIM; i++) x[i] = q[i] * scale_mantissa(scale);
  probe_rows(probe, tensor, head * HEAD_DIM, x, HEAD_DIM, SCALE_BIAS - scale_exponent(scale));
}

#endif
