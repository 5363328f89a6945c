// SPDX-License-Identifier: Apache-2.0
// compensate - weights moved to the int8 grid so that their rounding errors cancel in what they
// compute
//
// A row's output error is d . x, where d = w - q x scale are the row's rounding errors and x is an
// input. Its mean square is d H d', H = mean of x x'. With H = U D U' (U unit upper triangular)
// that is sum_k D_k (d_k + sum_{j<k} d_j U_jk)^2, so each weight is rounded after the compensation
// of the errors before it has been added: q_k = round((w_k + sum_{j<k} d_j U_jk) / scale). (Frantar
// et al., GPTQ; in this form Chee et al., QuIP.) Nothing changes in the image's format or in the
// hardware.
//
// No text is needed: H comes from the model's own activations over random ids, the same every time.

#ifndef GPT2RTL_COMPENSATE_H
#define GPT2RTL_COMPENSATE_H

#include "err.h"
#include "weights.h"

// Replaces every matrix of at most COMPENSATE_COLUMNS columns by numbers that image_build
// represents exactly (each row's largest weight stays at the end of the scale). The token table
// counts as the head's matrix. Needs 4 bytes per square of the columns for each matrix of a layer.
// The time grows with their cube: 1.6 s for 3.5M parameters. Errors: out of memory; a row that no
// scale fits.
enum { COMPENSATE_COLUMNS = 1600, COMPENSATE_IDS = 2048 };
int compensate_weights(struct gpt2_weights *weights, struct err *err);

#endif
