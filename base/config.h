// SPDX-License-Identifier: Apache-2.0
// config - the shape of a GPT-2 model, from config.json of the Hugging Face layout or by name

#ifndef GPT2RTL_CONFIG_H
#define GPT2RTL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

// Limits of what one build runs; gpt2-xl is 48 layers, 25 heads, 1024 positions, 50,257 tokens.
enum {
  HEAD_DIM = 64,  // width of a head in every GPT-2, and of the hardware's segments
  CONFIG_MAX_LAYERS = 128,
  CONFIG_MAX_HEADS = 25,
  CONFIG_MAX_EMBD = CONFIG_MAX_HEADS * HEAD_DIM,
  CONFIG_MIN_CTX = 2,
  CONFIG_MAX_CTX = 1024,
  CONFIG_MAX_VOCAB = 65536,  // an id fits 16 bits
  CONFIG_MAX_EOS = 16,
};

#define CONFIG_NO_TOKEN UINT32_MAX  // in place of an id: the model has none

struct gpt2_config {
  size_t n_layer;             // L
  size_t n_head;              // NH
  size_t n_embd;              // C = NH * 64
  size_t n_inner;             // 4C
  size_t n_ctx;               // T: positions, config.json's n_positions
  size_t vocab_size;          // V
  double layer_norm_epsilon;  // added to the variance
  uint32_t bos_token_id;      // an id below V or CONFIG_NO_TOKEN; an empty prompt becomes it
  uint32_t eos_token_ids[CONFIG_MAX_EOS];  // ids below V: generation stops at each of them
  size_t n_eos;                            // how many
  bool tie_word_embeddings;                // the head's weights are the token embedding
  bool scale_attn_weights;                 // scores are divided by sqrt(64), as in GPT-2
  bool scale_attn_by_inverse_layer_idx;    // and by the layer's number, from 1
};

// Reads path, a config.json. Every field that changes the arithmetic is honoured or refused by
// name:
//   layer_norm_epsilon                the value, within config_epsilon_term's range
//   tie_word_embeddings               both
//   scale_attn_weights, scale_attn_by_inverse_layer_idx   both; weights_load puts them into the
//                                                         query
//   reorder_and_upcast_attn           both: the same arithmetic
//   activation_function               gelu_new, gelu_pytorch_tanh, gelu_python_tanh, gelu_fast,
//                                     gelu_accurate: one form
//   n_inner                           null or 4 n_embd
//   add_cross_attention               false
//   pruned_heads, quantization_config empty
//   model_type                        gpt2
// eos_token_id is a number or a list of numbers; bos_token_id is a number. A value that is not an
// id of the model, such as -1, counts as none. Other fields are ignored. Absent fields take Hugging
// Face's defaults, except that the shape must be given: n_layer, n_head, n_embd, vocab_size, and
// n_positions or n_ctx, of which n_positions takes precedence.
// Errors: no such file; bad JSON (line and byte offset); a field that is missing, repeated, or
// outside its range.
int config_read(struct gpt2_config *config, const char *path, struct err *err);

// Checks that dir has no adapter_config.json. An adapter would change what the weights compute, and
// adapters are not applied here. Error: dir has one; the text has the command that merges it.
int config_no_adapter(const char *dir, struct err *err);

// Reads dir/config.json and, if it exists, dir/generation_config.json. As in transformers, the
// eos_token_id and bos_token_id of the second file replace those of the first, even if they are
// absent.
// Errors: config_read's, for either file; config_no_adapter's.
int config_read_folder(struct gpt2_config *config, const char *dir, struct err *err);

// The vocab_size in dir/config.json; 0 if none can be read.
size_t config_vocab_size(const char *dir);

// The named shapes: nano, gpt2, gpt2-medium, gpt2-large, gpt2-xl. nano is for tests: it is small,
// and its vocabulary size is not a power of two.
// Errors: an unknown name; the text lists the known ones.
int config_named(struct gpt2_config *config, const char *name, struct err *err);

// Computes what LayerNorm adds to C^2 times the variance, in Q.24: round(epsilon C^2 2^24), with
// epsilon first rounded to float32, as the image stores it. Errors, without a path: the term is
// below 2^16, the least argument of the hardware's reciprocal square root (which a variance of zero
// must reach); it is 2^48 or more.
int config_epsilon_term(double epsilon, size_t width, uint64_t *term, struct err *err);

// The first id at which generation stops, or CONFIG_NO_TOKEN.
static inline uint32_t config_eos(const struct gpt2_config *config) {
  return config->n_eos == 0 ? CONFIG_NO_TOKEN : config->eos_token_ids[0];
}

// The number of the model's parameters. A tied head counts once.
size_t config_parameters(const struct gpt2_config *config);

#endif
