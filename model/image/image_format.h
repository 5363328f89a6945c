// SPDX-License-Identifier: Apache-2.0
// image_format - converts the image's two 16-bit number formats (golden/fixed.h) to and from double

#ifndef GPT2RTL_IMAGE_FORMAT_H
#define GPT2RTL_IMAGE_FORMAT_H

#include <stdint.h>

// Finds the smallest scale of at least x. Returns -1 if x is above the largest, 255.94, or not a
// number.
int image_scale(uint16_t *scale, double x);
double image_scale_value(uint16_t scale);

// Finds the nearest half, ties to even. Returns -1 if |x| is above the largest, 131,008, or not a
// number.
int image_half(uint16_t *half, double x);
double image_half_value(uint16_t half);

#endif
