// SPDX-License-Identifier: Apache-2.0
// gpt2_tensors - the tensors of a GPT-2 file: names and shapes, in the order of computation
//
// One list serves the loader (weights) and the writer (random_model). Names are Hugging Face's
// without the prefix "transformer."; the separate head of an untied model, lm_head.weight, is not
// in the list.

#ifndef GPT2RTL_GPT2_TENSORS_H
#define GPT2RTL_GPT2_TENSORS_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

// W is a weight matrix, B a bias, G a LayerNorm gain.
enum gpt2_tensor_kind {
  TENSOR_WTE,  // [V][C] token embedding
  TENSOR_WPE,  // [T][C] position embedding
  TENSOR_LN_1_G,
  TENSOR_LN_1_B,
  TENSOR_ATTN_W,  // query, key, value
  TENSOR_ATTN_B,
  TENSOR_ATTN_PROJ_W,
  TENSOR_ATTN_PROJ_B,
  TENSOR_LN_2_G,
  TENSOR_LN_2_B,
  TENSOR_FC_W,
  TENSOR_FC_B,
  TENSOR_MLP_PROJ_W,
  TENSOR_MLP_PROJ_B,
  TENSOR_LN_F_G,
  TENSOR_LN_F_B,
};

struct gpt2_tensor {
  enum gpt2_tensor_kind kind;
  size_t layer;     // 0..L-1, 0 for tensors outside the layers
  char name[48];    // as in the file, without prefix
  size_t rank;      // 1 or 2
  size_t shape[2];  // as in the file; [n][1] for a vector
  bool conv1d;      // a matrix, stored as [inputs][outputs], the transpose of a Linear layer's
  bool norm;        // part of a LayerNorm
};

// The number of tensors: 2 embeddings, 12 per layer, 2 of the final LayerNorm.
size_t gpt2_tensor_count(const struct gpt2_config *config);

// Whether it is the bias of a matrix or of a LayerNorm.
static inline bool gpt2_tensor_is_bias(const struct gpt2_tensor *tensor) {
  switch (tensor->kind) {
    case TENSOR_LN_1_B:
    case TENSOR_ATTN_B:
    case TENSOR_ATTN_PROJ_B:
    case TENSOR_LN_2_B:
    case TENSOR_FC_B:
    case TENSOR_MLP_PROJ_B:
    case TENSOR_LN_F_B: return true;
    default: return false;
  }
}

// Describes tensor index, 0 <= index < gpt2_tensor_count(config).
struct gpt2_tensor gpt2_tensor_at(const struct gpt2_config *config, size_t index);

// The role of a name in a file (without prefix) in a model of that shape.
enum gpt2_name {
  GPT2_NAME_TENSOR,  // in the list, or the head's lm_head.weight
  GPT2_NAME_MASK,  // h.N.attn.bias or h.N.attn.masked_bias: the causal mask, which is part of every
                   // engine
  GPT2_NAME_STRANGE,  // inside the model, but not part of GPT-2: more layers, cross-attention,
                      // adapters
  GPT2_NAME_OTHER,    // outside the model: the head of another task
};
enum gpt2_name gpt2_name_of(const struct gpt2_config *config, const char *name);

#endif
