// SPDX-License-Identifier: Apache-2.0
#include "gpt2_tensors.h"

#include <stdio.h>

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
  struct gpt2_tensor tensor = {.kind = kind, .rank = rank, .shape = {rows, columns}};
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
  };
  snprintf(tensor.name, sizeof tensor.name, "h.%zu.%s", layer, layer_tensors[entry].name);
  return tensor;
}

struct gpt2_tensor gpt2_tensor_at(const struct gpt2_config *config, size_t index) {
  size_t width = config->n_embd;
  size_t inside = PER_LAYER * config->n_layer;
  if (index == 0) {
    return outer_tensor(TENSOR_WTE, "wte.weight", 2, config->vocab_size, width);
  }
  if (index == 1) {
    return outer_tensor(TENSOR_WPE, "wpe.weight", 2, config->n_ctx, width);
  }
  if (index < 2 + inside) {
    return layer_tensor(width, (index - 2) / PER_LAYER, (index - 2) % PER_LAYER);
  }
  if (index == 2 + inside) {
    return outer_tensor(TENSOR_LN_F_G, "ln_f.weight", 1, width, 1);
  }
  return outer_tensor(TENSOR_LN_F_B, "ln_f.bias", 1, width, 1);
}
