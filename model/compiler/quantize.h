// SPDX-License-Identifier: Apache-2.0
// quantize - a row of float weights as integers and one scale of the image's format

#ifndef GPT2RTL_QUANTIZE_H
#define GPT2RTL_QUANTIZE_H

#include <stddef.h>
#include <stdint.h>

// Finds q[n] and *scale such that w[i] is about q[i] x scale and |q[i]| <= steps: the smallest
// scale of the format with which the largest weight is at most `steps` steps, and each weight
// rounded to nearest. Returns -1 if that scale would be above the largest.
int quantize_row(int32_t *q, uint16_t *scale, const float *w, size_t n, int steps);

// The same, with the scale of least squared error among that one and 40 smaller ones down to 0.6 of
// it. Weights beyond `steps` steps are then clipped.
int quantize_row_least(int32_t *q, uint16_t *scale, const float *w, size_t n, int steps);

#endif
