// SPDX-License-Identifier: Apache-2.0
// checkpoint - the tensors of a model folder: one safetensors file, or several with an index
//
// The file is dir/model.safetensors. If it is absent, dir/model.safetensors.index.json names the
// shards, which are in the same folder: {"weight_map": {"tensor name": "file name", ...}, ...}.

#ifndef GPT2RTL_CHECKPOINT_H
#define GPT2RTL_CHECKPOINT_H

#include <stddef.h>

#include "err.h"
#include "safetensors.h"

struct checkpoint {
  struct safetensors **files;  // [count], in the order in which the index names them first
  size_t count;
};

// Opens all files and checks their headers. With an index it also checks that every tensor is where
// the index says, and that no tensor is in two files. After success release with checkpoint_close.
// Errors: those of config_no_adapter, safetensors_open and json_read; weights only in another
// format, with the command that converts them; a shard that is absent, or whose name leads out of
// dir.
int checkpoint_open(struct checkpoint *checkpoint, const char *dir, struct err *err);

// Harmless on a zeroed or closed struct.
void checkpoint_close(struct checkpoint *checkpoint);

// Finds the tensor with that name. *file receives the file that holds it. NULL if there is none.
const struct safetensors_tensor *checkpoint_find(const struct checkpoint *checkpoint,
                                                 const char *name, const struct safetensors **file);

#endif
