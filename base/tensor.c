// SPDX-License-Identifier: Apache-2.0
#include "tensor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// For the tensors of a layer, the part after "h.l".
static const char *const names[TENSORS] = {
    [TENSOR_WTE] = "wte",
    [TENSOR_WPE] = "wpe",
    [TENSOR_DROP] = "drop",
    [TENSOR_LN_1] = ".ln_1",
    [TENSOR_C_ATTN] = ".attn.c_attn",
    [TENSOR_KEY] = ".attn.key",
    [TENSOR_VALUE] = ".attn.value",
    [TENSOR_SCORES] = ".attn.scores",
    [TENSOR_PROBS] = ".attn.probs",
    [TENSOR_CONTEXT] = ".attn.context",
    [TENSOR_ATTN_PROJ] = ".attn.c_proj",
    [TENSOR_RESID_MID] = ".resid_mid",
    [TENSOR_LN_2] = ".ln_2",
    [TENSOR_C_FC] = ".mlp.c_fc",
    [TENSOR_ACT] = ".mlp.act",
    [TENSOR_MLP_PROJ] = ".mlp.c_proj",
    [TENSOR_LAYER] = "",
    [TENSOR_LN_F] = "ln_f",
    [TENSOR_LM_HEAD] = "lm_head",
};

bool tensor_in_layer(enum tensor tensor) { return tensor >= TENSOR_LN_1 && tensor <= TENSOR_LAYER; }

size_t tensor_elements(const struct gpt2_config *config, enum tensor tensor, size_t position) {
  switch (tensor) {
    case TENSOR_C_ATTN: return 3 * config->n_embd;
    case TENSOR_SCORES:
    case TENSOR_PROBS: return config->n_head * (position + 1);
    case TENSOR_C_FC:
    case TENSOR_ACT: return config->n_inner;
    case TENSOR_LM_HEAD: return config->vocab_size;
    default: return config->n_embd;
  }
}

size_t tensor_max_elements(const struct gpt2_config *config) {
  size_t most = 0;
  for (int tensor = 0; tensor < TENSORS; tensor++) {
    const size_t n = tensor_elements(config, (enum tensor)tensor, config->n_ctx - 1);
    most = n > most ? n : most;
  }
  return most;
}

void tensor_name(char name[TENSOR_NAME_SIZE], enum tensor tensor, size_t layer) {
  if (tensor_in_layer(tensor)) snprintf(name, TENSOR_NAME_SIZE, "h.%zu%s", layer, names[tensor]);
  else snprintf(name, TENSOR_NAME_SIZE, "%s", names[tensor]);
}

static int unknown(const char *name, struct err *err) {
  char known[320];
  size_t used = 0;
  for (int i = 0; i < TENSORS; i++) {
    used += (size_t)snprintf(known + used, sizeof known - used, "%s%s%s", i == 0 ? "" : ", ",
                             tensor_in_layer((enum tensor)i) ? "h.N" : "", names[i]);
  }
  return err_set(err, "no tensor is named '%s'; the names are %s", name, known);
}

int tensor_find(enum tensor *tensor, size_t *layer, const char *name,
                const struct gpt2_config *config, struct err *err) {
  static const char prefix[] = "transformer.";
  const char *at = name;
  at += strncmp(at, prefix, sizeof prefix - 1) == 0 ? sizeof prefix - 1 : 0;
  const bool in_layer = at[0] == 'h' && at[1] == '.' && at[2] >= '0' && at[2] <= '9';
  unsigned long number = 0;
  if (in_layer) {
    char *end;
    number = strtoul(at + 2, &end, 10);
    at = end;
  }
  for (int i = 0; i < TENSORS; i++) {
    *tensor = (enum tensor)i;
    if (tensor_in_layer(*tensor) != in_layer || strcmp(at, names[i]) != 0) continue;
    if (number >= config->n_layer)
      return err_set(err, "tensor '%s': the model has layers 0 to %zu", name, config->n_layer - 1);
    *layer = number;
    return 0;
  }
  return unknown(name, err);
}
