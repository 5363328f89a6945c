// SPDX-License-Identifier: Apache-2.0
// quantize - converts a row of float weights to integers and one scale of the image's format

#ifndef GPT2RTL_QUANTIZE_H
#define GPT2RTL_QUANTIZE_H

#include <stddef.h>
#include <stdint.h>

// Finds q[n] and *scale such that w[i] is about q[i] * scale and |q[i]| <= steps. The scale is the
// smallest of the format with which the largest weight is at most `steps` steps; each weight is
// rounded to nearest. Returns -1 if that scale would be above the largest.
int quantize_row(int32_t *q, uint16_t *scale, const float *w, size_t n, int steps);

// The same, but with the scale of least squared error among that one and 40 smaller ones, down to
// 0.6 of it. Weights beyond `steps` steps are clipped.
int quantize_row_least(int32_t *q, uint16_t *scale, const float *w, size_t n, int steps);

#endif
