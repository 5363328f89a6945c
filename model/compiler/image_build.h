// SPDX-License-Identifier: Apache-2.0
// image_build - the weight compiler: turns float weights into a memory image
//
// Weights become int8 with one scale per row, the smallest one of the format with which the row's
// largest weight is at most 127 steps. Biases and LayerNorm parameters become halfs, position rows
// 16 bits. image.h, golden/fixed.h and docs/memory_image.md have layout and formats.

#ifndef GPT2RTL_IMAGE_BUILD_H
#define GPT2RTL_IMAGE_BUILD_H

#include <stdint.h>

#include "err.h"
#include "image.h"
#include "weights.h"

// Computes image_header.source: XXH64 of dir/config.json, dir/generation_config.json if it exists,
// and dir/model.safetensors or its shards. An image with a different source was made from different
// weights. Errors: those of checkpoint_open.
int image_source(uint64_t *source, const char *dir, struct err *err);

// Writes the image of weights for lanes (64, 128, ... 4096) to path (staged.h). The same weights
// give the same bytes on every machine. It takes a second for 124M, and a few hundred kilobytes
// besides the weights. Errors: an invalid number of lanes; an epsilon or a value outside its
// format's range, with tensor and index; I/O.
int image_build(const char *path, const struct gpt2_weights *weights, uint32_t lanes,
                uint64_t source, struct err *err);

#endif
