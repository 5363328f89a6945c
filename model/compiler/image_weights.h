// SPDX-License-Identifier: Apache-2.0
// image_weights - the weights that an image means, as floats: image_build's inverse
//
// With them the float reference tells what int8 weights cost from what the integer arithmetic
// costs.

#ifndef GPT2RTL_IMAGE_WEIGHTS_H
#define GPT2RTL_IMAGE_WEIGHTS_H

#include "err.h"
#include "image.h"
#include "weights.h"

// 4 bytes a parameter. On success release with weights_free. Errors: out of memory.
int image_weights(struct gpt2_weights *weights, const struct image *image, struct err *err);

#endif
