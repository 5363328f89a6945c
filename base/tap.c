// SPDX-License-Identifier: Apache-2.0
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The part after "h.l" for the tensors of a layer.
static const char *const names[TAP_TENSORS] = {
    [TAP_WTE] = "wte",
    [TAP_WPE] = "wpe",
    [TAP_DROP] = "drop",
    [TAP_LN_1] = ".ln_1",
    [TAP_C_ATTN] = ".attn.c_attn",
    [TAP_KEY] = ".attn.key",
    [TAP_VALUE] = ".attn.value",
    [TAP_SCORES] = ".attn.scores",
    [TAP_PROBS] = ".attn.probs",
    [TAP_CONTEXT] = ".attn.context",
    [TAP_ATTN_PROJ] = ".attn.c_proj",
    [TAP_RESID_MID] = ".resid_mid",
    [TAP_LN_2] = ".ln_2",
    [TAP_C_FC] = ".mlp.c_fc",
    [TAP_ACT] = ".mlp.act",
    [TAP_MLP_PROJ] = ".mlp.c_proj",
    [TAP_LAYER] = "",
    [TAP_LN_F] = "ln_f",
    [TAP_LM_HEAD] = "lm_head",
};

bool tap_in_layer(enum tap_tensor tensor) { return tensor >= TAP_LN_1 && tensor <= TAP_LAYER; }

size_t tap_elements(const struct gpt2_config *config, enum tap_tensor tensor, size_t position) {
  switch (tensor) {
    case TAP_C_ATTN: return 3 * config->n_embd;
    case TAP_SCORES:
    case TAP_PROBS: return config->n_head * (position + 1);
    case TAP_C_FC:
    case TAP_ACT: return config->n_inner;
    case TAP_LM_HEAD: return config->vocab_size;
    default: return config->n_embd;
  }
}

size_t tap_max_elements(const struct gpt2_config *config) {
  size_t most = 0;
  for (int tensor = 0; tensor < TAP_TENSORS; tensor++) {
    const size_t n = tap_elements(config, (enum tap_tensor)tensor, config->n_ctx - 1);
    most = n > most ? n : most;
  }
  return most;
}

void tap_name(char name[TAP_NAME_SIZE], enum tap_tensor tensor, size_t layer) {
  if (tap_in_layer(tensor)) snprintf(name, TAP_NAME_SIZE, "h.%zu%s", layer, names[tensor]);
  else snprintf(name, TAP_NAME_SIZE, "%s", names[tensor]);
}

static int unknown(const char *name, struct err *err) {
  char known[320];
  size_t used = 0;
  for (int i = 0; i < TAP_TENSORS; i++) {
    used += (size_t)snprintf(known + used, sizeof known - used, "%s%s%s", i == 0 ? "" : ", ",
                             tap_in_layer((enum tap_tensor)i) ? "h.N" : "", names[i]);
  }
  return err_set(err, "no tensor has the name '%s'; there are %s", name, known);
}

int tap_find(enum tap_tensor *tensor, size_t *layer, const char *name,
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
  for (int i = 0; i < TAP_TENSORS; i++) {
    *tensor = (enum tap_tensor)i;
    if (tap_in_layer(*tensor) != in_layer || strcmp(at, names[i]) != 0) continue;
    if (number >= config->n_layer) {
      return err_set(err, "tensor '%s': the model's layers are 0 to %zu", name,
                     config->n_layer - 1);
    }
    *layer = number;
    return 0;
  }
  return unknown(name, err);
}
