// SPDX-License-Identifier: Apache-2.0
// weights - a GPT-2 model in float32, from a folder in the Hugging Face layout
//
// All matrices are row-major with outputs as rows, w[out][in], so that y = W x + b is a dot product
// a row. Hugging Face stores GPT-2's layers as Conv1D, [in][out]; loading transposes them.
// Dimensions: V vocabulary, T positions, C width, L layers.

#ifndef WEIGHTS_H
#define WEIGHTS_H

#include "config.h"
#include "err.h"

struct gpt2_layer {
  const float *ln_1_g, *ln_1_b;            // [C] gain, bias
  const float *attn_w, *attn_b;            // [3C][C], [3C]: C rows of query, then key, then value
  const float *attn_proj_w, *attn_proj_b;  // [C][C], [C]
  const float *ln_2_g, *ln_2_b;            // [C]
  const float *fc_w, *fc_b;                // [4C][C], [4C]
  const float *mlp_proj_w, *mlp_proj_b;    // [C][4C], [C]
};

struct gpt2_weights {
  struct gpt2_config config;
  const float *wte;               // [V][C] token embedding
  const float *wpe;               // [T][C] position embedding
  struct gpt2_layer *layers;      // [L]
  const float *ln_f_g, *ln_f_b;   // [C]
  const float *lm_head;           // [V][C]; equal to wte when the head is tied
  float *storage, *head_storage;  // what the pointers point into; owned
};

// Loads dir/config.json and dir/model.safetensors. Tensor names may have the prefix "transformer.";
// tensors beyond GPT-2's (attn.bias and attn.masked_bias, which are masks) are ignored. An
// lm_head.weight that differs from the token embedding is used; without one the head is tied,
// unless the configuration says that it is not. 64-byte aligned; 4 bytes a parameter; a second for 124M.
// On success release with weights_free. On failure nothing is held and all pointers are NULL.
// Errors: those of config_read and safetensors_open; a tensor missing, of another shape or not
// finite; weights only in another format, with the command that converts them.
int weights_load(struct gpt2_weights *weights, const char *dir, struct err *err);

// Releases what weights_load allocated. Harmless on a zeroed or freed struct.
void weights_free(struct gpt2_weights *weights);

#endif
