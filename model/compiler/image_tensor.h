// SPDX-License-Identifier: Apache-2.0
// image_tensor - finds the tensor, and the rows of it, from which a region of the image is made

#ifndef GPT2RTL_IMAGE_TENSOR_H
#define GPT2RTL_IMAGE_TENSOR_H

#include <stddef.h>

#include "image.h"
#include "weights.h"

// A matrix's rows of n_cols weights and their biases, or a LayerNorm's gains (w) and biases.
struct image_tensor {
  char name[40];  // of the tensor, without .weight or .bias
  const float *w;
  const float *bias;     // may be NULL
  size_t n_cols;         // of the tensor
  size_t first, stride;  // row r of the region: row first + r / 64 * stride + r % 64 of the tensor
};

// The tensor of a region of an image of weights, which must outlive it.
struct image_tensor image_tensor_of(const struct gpt2_weights *weights,
                                    const struct image_region *region);

static inline size_t image_tensor_row(const struct image_tensor *tensor, size_t r) {
  return tensor->first + r / HEAD_DIM * tensor->stride + r % HEAD_DIM;
}

#endif
