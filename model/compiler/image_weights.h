// SPDX-License-Identifier: Apache-2.0
// image_weights - the weights that an image represents, as floats: the inverse of image_build
//
// With these weights the float reference separates the cost of int8 weights from the cost of
// integer arithmetic.

#ifndef GPT2RTL_IMAGE_WEIGHTS_H
#define GPT2RTL_IMAGE_WEIGHTS_H

#include "err.h"
#include "image.h"
#include "weights.h"

// Makes the weights of image, 4 bytes per parameter. On success release with weights_free. Errors:
// out of memory.
int image_weights(struct gpt2_weights *weights, const struct image *image, struct err *err);

#endif
