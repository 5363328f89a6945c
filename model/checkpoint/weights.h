// SPDX-License-Identifier: Apache-2.0
// weights - a GPT-2 model in float32, from a folder in the Hugging Face layout
//
// All matrices are row-major with outputs as rows, w[out][in], so that y = W x + b is one dot
// product per row. Hugging Face stores GPT-2's layers as Conv1D, [in][out]; loading transposes
// them. Dimensions: V vocabulary, T positions, C width, L layers.

#ifndef GPT2RTL_WEIGHTS_H
#define GPT2RTL_WEIGHTS_H

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
  const float *lm_head;           // [V][C]; equal to wte if the head is tied
  float *storage, *head_storage;  // the memory that the pointers point into; owned
};

// Loads dir/config.json (config_read_folder) and dir/model.safetensors or its shards
// (checkpoint.h), in any form of gpt2_source.h. Causal masks, of any dtype, and tensors outside the
// model (the heads of other tasks) are ignored. lm_head.weight is optional; if it differs from the
// token embedding, the configuration must say tie_word_embeddings false. The configuration's scales
// of attention scores are multiplied into the query's weights and biases, so that no engine has to
// know them. Pointers are 64-byte aligned; a parameter takes 4 bytes. Loading 124M takes one
// second. On success release with weights_free. On failure nothing is held and all pointers are
// NULL. Errors: those of config_read and checkpoint_open; a tensor that is missing, repeated, of
// another shape or dtype, not finite, or inside the model without being part of GPT-2.
int weights_load(struct gpt2_weights *weights, const char *dir, struct err *err);

// Makes the same checks, except for the values, which are not read. It takes milliseconds for a
// model of any size.
int weights_check(struct gpt2_config *config, const char *dir, struct err *err);

// Releases what weights_load allocated. Harmless on a zeroed or freed struct.
void weights_free(struct gpt2_weights *weights);

#endif
