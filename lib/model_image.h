// SPDX-License-Identifier: Apache-2.0
//
// model_image - the memory image of a model folder, made on first use and kept
#ifndef GPT2RTL_MODEL_IMAGE_H
#define GPT2RTL_MODEL_IMAGE_H

#include "err.h"
#include "image.h"

// Called with a sentence: what is made and where, and what cannot be kept. say: NULL for no calls.
struct model_note {
  void (*say)(void *ctx, const char *sentence);
  void *ctx;
};

// Opens the memory image of a model folder for lanes. It is kept in $XDG_CACHE_HOME/gpt2rtl
// (~/.cache/gpt2rtl) under its weights' checksum (model_source.h). If nothing can be kept, it is
// made in memory, and note is called. Release with image_close.
int model_image_open(struct image *image, const char *dir, uint32_t lanes,
                     const struct model_note *note, struct err *err);

#endif
