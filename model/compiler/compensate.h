// SPDX-License-Identifier: Apache-2.0
// compensate - rounds weights to int8 so that their rounding errors cancel in what they compute
//
// A row's output error is d . x, where d = w - q * scale are the row's rounding errors and x is an
// input. Its mean square is d H d', where H is the mean of x x'. With H = U D U' (U unit upper
// triangular) that is sum_k D_k (d_k + sum_{j<k} d_j U_jk)^2. So each weight is rounded after a
// compensation for the errors before it has been added: q_k = round((w_k + sum_{j<k} d_j U_jk) /
// scale). This is GPTQ (Frantar et al.), in the form of QuIP (Chee et al.). It changes neither the
// image's format nor the hardware.
//
// No text is needed: H comes from the model's own activations over a fixed sequence of random ids.

#ifndef GPT2RTL_COMPENSATE_H
#define GPT2RTL_COMPENSATE_H

#include "err.h"
#include "weights.h"

// Replaces the weights of every matrix of at most COMPENSATE_COLUMNS columns by numbers that
// image_build represents exactly. Each row's largest weight stays at the end of the scale. The
// token table counts as the head's matrix. Each matrix of a layer needs 4 bytes times the square of
// its columns. The time grows with the cube of the columns: 1.6 s for 3.5M parameters. Errors: out
// of memory; a row that no scale fits.
enum { COMPENSATE_COLUMNS = 1600, COMPENSATE_IDS = 2048 };
int compensate_weights(struct gpt2_weights *weights, struct err *err);

#endif
