// SPDX-License-Identifier: Apache-2.0
//
// model_source - identifies a folder's weights without reading them again
//
// To compute the checksum of a model's weights (image_source), all of them must be read: 6.4 GB for
// gpt2-xl. The checksum is therefore kept in the cache's "<key>.source", together with the folder's
// path. The key is made from that path and, for each .json and .safetensors file in the folder, its
// name, size, inode, mtime and ctime. A file that was changed within the last two seconds could be
// changed again within the same clock tick, so the checksum is then not kept.
#ifndef GPT2RTL_MODEL_SOURCE_H
#define GPT2RTL_MODEL_SOURCE_H

#include <stdint.h>
#include <time.h>

#include "err.h"
#include "weights.h"

struct model_identity {
  uint64_t key;
  time_t newest;  // the latest change of any file
};

// Identifies the contents of dir. Errors: the folder cannot be read.
int model_identity(struct model_identity *identity, const char *dir, struct err *err);

// Reads the checksum kept in the cache's folder. Returns 0, or -1 if there is none.
int model_source_find(uint64_t *source, const char *cache, const struct model_identity *identity);
// Keeps the checksum. A failure is ignored.
void model_source_keep(uint64_t source, const char *cache, const struct model_identity *identity,
                       const char *dir);

// Loads the weights in dir, and computes *source unless `known` says that it is the checksum of
// identity. Errors: dir no longer has that identity after loading; those of weights_load and
// image_source.
int model_source_load(struct gpt2_weights *weights, uint64_t *source, bool known,
                      const struct model_identity *identity, const char *dir, struct err *err);

#endif
