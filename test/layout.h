// SPDX-License-Identifier: Apache-2.0
// layout - model folders as publishers lay them out: names, order, shapes and dtypes; values random
#ifndef GPT2RTL_LAYOUT_H
#define GPT2RTL_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct layout {
  const char *name;
  size_t layers, heads, ctx, vocab;
  const char *prefix;  // of the tensors inside the model
  const char *dtype;   // F32, F16 or BF16
  const char *mask;    // dtype of attn.bias, or NULL: no masks
  bool masked_bias;    // also the number that masked scores get
  const char *head;    // lm_head.weight's dtype; NULL: not stored
  bool own_head;  // it has its own values, and config.json says so; otherwise those of wte again
  uint64_t published_bytes;  // of the publisher's model.safetensors, if known; otherwise 0
};

// The published ones; the last entry has no name.
extern const struct layout layouts[];

// Writes folder/config.json and folder/model.safetensors, or with shards > 1 as many shards and
// their index. Value i of a tensor is a function of the tensor's name without prefix and of i,
// exact in BF16; with sparse, the data is a hole in the file: all zeros, no blocks on disk.
void layout_write(const struct layout *layout, const char *folder, size_t shards, bool sparse);

// That value.
float layout_value(const char *name, size_t i);

#endif
