// SPDX-License-Identifier: Apache-2.0
//
// model_source - which weights a folder holds, without reading them if that is known
//
// The checksum of a model's weights (image_source) reads all of them: 6.4 GB for gpt2-xl. It is
// therefore kept beside the images in the cache, in "<key>.source", with the folder that it belongs
// to. The key is made from the folder's path and, for each .json and .safetensors file in it, its
// name, size, inode, and times of change of content and of status. A file that was changed within
// the last two seconds may be changed again within the same tick of the clock; the checksum is then
// not kept.
#ifndef GPT2RTL_MODEL_SOURCE_H
#define GPT2RTL_MODEL_SOURCE_H

#include <stdint.h>
#include <time.h>

#include "err.h"
#include "weights.h"

struct model_identity {
  uint64_t key;
  time_t newest;  // the latest change of any of them
};

// Errors: the folder cannot be read.
int model_identity(struct model_identity *identity, const char *dir, struct err *err);

// Reads the checksum kept in the cache's folder. Returns 0, or -1 if there is none.
int model_source_find(uint64_t *source, const char *cache, const struct model_identity *identity);
// Keeps the checksum if that is possible.
void model_source_keep(uint64_t source, const char *cache, const struct model_identity *identity,
                       const char *dir);

// Loads the weights in dir. They are those of identity, and of *source (which is computed if
// `known` is false): a folder that changes meanwhile is an error. Other errors: those of
// weights_load and image_source.
int model_source_load(struct gpt2_weights *weights, uint64_t *source, bool known,
                      const struct model_identity *identity, const char *dir, struct err *err);

#endif
