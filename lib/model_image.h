// SPDX-License-Identifier: Apache-2.0
//
// model_image - makes the memory image of a model folder on first use, and keeps it
#ifndef GPT2RTL_MODEL_IMAGE_H
#define GPT2RTL_MODEL_IMAGE_H

#include "err.h"
#include "image.h"

// A callback that receives sentences: what is made and where, and what cannot be kept. say may be
// NULL.
struct model_note {
  void (*say)(void *ctx, const char *sentence);
  void *ctx;
};

// Opens the memory image of a model folder for `lanes` lanes. It is kept in $XDG_CACHE_HOME/gpt2rtl
// (~/.cache/gpt2rtl) under its weights' checksum (model_source.h). If nothing can be kept, it is
// made in memory, and note says so. Release with image_close. Errors: those of weights_load,
// image_source and image_build; out of memory.
int model_image_open(struct image *image, const char *dir, uint32_t lanes,
                     const struct model_note *note, struct err *err);

#endif
