// SPDX-License-Identifier: Apache-2.0
// image_build - the weight compiler: float weights in, one memory image out
//
// int8 weights with one scale per row (the smallest one of the format with which the row's largest
// weight is at most 127 steps), biases and LayerNorm parameters as halfs, position rows in 16 bits.
// Layout and formats: image.h, golden/fixed.h, docs/memory_image.md.

#ifndef GPT2RTL_IMAGE_BUILD_H
#define GPT2RTL_IMAGE_BUILD_H

#include <stdint.h>

#include "err.h"
#include "image.h"
#include "weights.h"

// The value of image_header.source: XXH64 of dir/config.json, dir/generation_config.json if it
// exists, and dir/model.safetensors or its shards. An image with another source was made from other
// weights. Errors: those of checkpoint_open.
int image_source(uint64_t *source, const char *dir, struct err *err);

// Writes the image of weights for lanes (64, 128, ... 4096) to path (staged.h). The same weights
// give the same bytes on every machine. Takes a second for 124M, and a few hundred kilobytes
// besides the weights. Errors: lanes; an epsilon or a value outside its format's range, with tensor
// and index; I/O.
int image_build(const char *path, const struct gpt2_weights *weights, uint32_t lanes,
                uint64_t source, struct err *err);

#endif
