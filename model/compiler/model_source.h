// SPDX-License-Identifier: Apache-2.0
//
// model_source - which weights a folder holds, without reading them where that is known
//
// The checksum of a model's weights (image_source) takes all of them: 6.4 GB of gpt2-xl. Beside the
// images in the cache stands
// "<key>.source": the checksum, and the folder it is of. The key is made of the folder's path and
// of each .json and .safetensors file in it: name, size, inode, times of change of content and of
// status. A file that was changed within the last two seconds may be changed again within the same
// tick of the clock: that is not kept.
#ifndef GPT2RTL_MODEL_SOURCE_H
#define GPT2RTL_MODEL_SOURCE_H

#include <stdint.h>
#include <time.h>

#include "err.h"
#include "weights.h"

struct model_identity {
  uint64_t key;
  time_t newest;  // the last change of any of them
};

// Errors: the folder cannot be read.
int model_identity(struct model_identity *identity, const char *dir, struct err *err);

// The checksum that is kept in the cache's folder. Returns 0, or -1 if none is.
int model_source_find(uint64_t *source, const char *cache, const struct model_identity *identity);
// Keeps it, where that can be done.
void model_source_keep(uint64_t source, const char *cache, const struct model_identity *identity,
                       const char *dir);

// The weights in dir. They are those of identity, and of *source (which is computed, if `known` is
// false): a folder that is changed meanwhile is an error. Others: weights_load's, image_source's.
int model_source_load(struct gpt2_weights *weights, uint64_t *source, bool known,
                      const struct model_identity *identity, const char *dir, struct err *err);

#endif
