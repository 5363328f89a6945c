// SPDX-License-Identifier: Apache-2.0
#include "gpt2_tensors.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PER_LAYER = 12 };

// Shapes in units of C; a matrix has inputs, a vector has none.
static const struct {
  enum gpt2_tensor_kind kind;
  const char *name;
  size_t inputs, outputs;
} layer_tensors[PER_LAYER] = {
    {TENSOR_LN_1_G, "ln_1.weight", 0, 1},
    {TENSOR_LN_1_B, "ln_1.bias", 0, 1},
    {TENSOR_ATTN_W, "attn.c_attn.weight", 1, 3},
    {TENSOR_ATTN_B, "attn.c_attn.bias", 0, 3},
    {TENSOR_ATTN_PROJ_W, "attn.c_proj.weight", 1, 1},
    {TENSOR_ATTN_PROJ_B, "attn.c_proj.bias", 0, 1},
    {TENSOR_LN_2_G, "ln_2.weight", 0, 1},
    {TENSOR_LN_2_B, "ln_2.bias", 0, 1},
    {TENSOR_FC_W, "mlp.c_fc.weight", 1, 4},
    {TENSOR_FC_B, "mlp.c_fc.bias", 0, 4},
    {TENSOR_MLP_PROJ_W, "mlp.c_proj.weight", 4, 1},
    {TENSOR_MLP_PROJ_B, "mlp.c_proj.bias", 0, 1},
};

size_t gpt2_tensor_count(const struct gpt2_config *config) {
  return 2 + PER_LAYER * config->n_layer + 2;
}

static struct gpt2_tensor outer_tensor(enum gpt2_tensor_kind kind, const char *name, size_t rank,
                                       size_t rows, size_t columns) {
  struct gpt2_tensor tensor = {.kind = kind,
                               .rank = rank,
                               .shape = {rows, columns},
                               .norm = rank == 1};
  snprintf(tensor.name, sizeof tensor.name, "%s", name);
  return tensor;
}

static struct gpt2_tensor layer_tensor(size_t width, size_t layer, size_t entry) {
  size_t inputs = layer_tensors[entry].inputs * width;
  size_t outputs = layer_tensors[entry].outputs * width;
  bool matrix = inputs > 0;
  struct gpt2_tensor tensor = {
      .kind = layer_tensors[entry].kind,
      .layer = layer,
      .rank = matrix ? 2 : 1,
      .shape = {matrix ? inputs : outputs, matrix ? outputs : 1},
      .conv1d = matrix,
      .norm = strncmp(layer_tensors[entry].name, "ln_", 3) == 0,
  };
  snprintf(tensor.name, sizeof tensor.name, "h.%zu.%s", layer, layer_tensors[entry].name);
  return tensor;
}

struct gpt2_tensor gpt2_tensor_at(const struct gpt2_config *config, size_t index) {
  size_t width = config->n_embd;
  size_t inside = PER_LAYER * config->n_layer;
  if (index == 0) return outer_tensor(TENSOR_WTE, "wte.weight", 2, config->vocab_size, width);
  if (index == 1) return outer_tensor(TENSOR_WPE, "wpe.weight", 2, config->n_ctx, width);
  if (index < 2 + inside)
    return layer_tensor(width, (index - 2) / PER_LAYER, (index - 2) % PER_LAYER);
  if (index == 2 + inside) return outer_tensor(TENSOR_LN_F_G, "ln_f.weight", 1, width, 1);
  return outer_tensor(TENSOR_LN_F_B, "ln_f.bias", 1, width, 1);
}

static bool is_one_of(const char *name, const char *const *names, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (strcmp(name, names[i]) == 0) return true;
  return false;
}

// rest is the part after "h.": the layer's number, a point, the name in the layer.
static enum gpt2_name name_in_layer(const struct gpt2_config *config, const char *rest) {
  char number[24];
  size_t digits = strspn(rest, "0123456789");
  size_t layer = digits == 0 || digits > 9 ? SIZE_MAX : (size_t)strtoul(rest, NULL, 10);
  snprintf(number, sizeof number, "%zu.", layer);
  if (layer >= config->n_layer || strncmp(rest, number, strlen(number)) != 0)
    return GPT2_NAME_STRANGE;
  rest += digits + 1;
  static const char *const masks[] = {"attn.bias", "attn.masked_bias"};
  if (is_one_of(rest, masks, 2)) return GPT2_NAME_MASK;
  for (size_t i = 0; i < PER_LAYER; i++)
    if (strcmp(rest, layer_tensors[i].name) == 0) return GPT2_NAME_TENSOR;
  return GPT2_NAME_STRANGE;
}

enum gpt2_name gpt2_name_of(const struct gpt2_config *config, const char *name) {
  static const char *const outer[] = {"wte.weight", "wpe.weight", "ln_f.weight", "ln_f.bias",
                                      "lm_head.weight"};
  static const char *const inside[] = {"wte.", "wpe.", "ln_f.", "lm_head."};
  if (strncmp(name, "h.", 2) == 0) return name_in_layer(config, name + 2);
  if (is_one_of(name, outer, sizeof outer / sizeof outer[0])) return GPT2_NAME_TENSOR;
  for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++)
    if (strncmp(name, inside[i], strlen(inside[i])) == 0) return GPT2_NAME_STRANGE;
  return GPT2_NAME_OTHER;
}
