// SPDX-License-Identifier: Apache-2.0
#include "config.h"

#include <string.h>

#include "json_util.h"

// ---- fields of config.json ----------------------------------------------------------------------

struct reader {
  const cJSON *root;
  const char *path;
  struct err *err;
};

// An absent field and a null both mean the default.
static const cJSON *field(const struct reader *r, const char *name) {
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(r->root, name);
  return cJSON_IsNull(item) ? NULL : item;
}

static int read_size(const struct reader *r, const char *name, size_t min, size_t max,
                     size_t *value) {
  const cJSON *item = field(r, name);
  if (item == NULL) {
    return err_set(r->err, "%s: %s is missing, expected a whole number of %zu..%zu", r->path, name,
                   min, max);
  }
  if (json_integer(item, min, max, value) != 0) {
    if (cJSON_IsNumber(item)) {
      return err_set(r->err, "%s: %s is %g, expected a whole number of %zu..%zu", r->path, name,
                     item->valuedouble, min, max);
    }
    return err_set(r->err, "%s: %s is not a number, expected %zu..%zu", r->path, name, min, max);
  }
  return 0;
}

static int read_token(const struct reader *r, const char *name, size_t vocab_size,
                      uint32_t *value) {
  *value = CONFIG_NO_TOKEN;
  if (field(r, name) == NULL) {
    return 0;
  }
  size_t id;
  if (read_size(r, name, 0, vocab_size - 1, &id) != 0) {
    return -1;
  }
  *value = (uint32_t)id;
  return 0;
}

static int read_bool(const struct reader *r, const char *name, bool fallback, bool *value) {
  const cJSON *item = field(r, name);
  if (item != NULL && !cJSON_IsBool(item)) {
    return err_set(r->err, "%s: %s is neither true nor false", r->path, name);
  }
  *value = item == NULL ? fallback : cJSON_IsTrue(item);
  return 0;
}

static int require_bool(const struct reader *r, const char *name, bool required) {
  bool value = required;
  if (read_bool(r, name, required, &value) != 0) {
    return -1;
  }
  if (value != required) {
    return err_set(r->err, "%s: %s is %s, but only GPT-2's own arithmetic is built: expected %s",
                   r->path, name, value ? "true" : "false", required ? "true" : "false");
  }
  return 0;
}

static int require_string(const struct reader *r, const char *name, const char *first,
                          const char *second) {
  const cJSON *item = field(r, name);
  if (item == NULL) {
    return 0;
  }
  const char *value = cJSON_IsString(item) ? item->valuestring : "(not a string)";
  if (strcmp(value, first) != 0 && strcmp(value, second) != 0) {
    bool same = strcmp(first, second) == 0;
    return err_set(r->err, "%s: %s is \"%.60s\", expected \"%s\"%s%s%s", r->path, name, value,
                   first, same ? "" : " or \"", same ? "" : second, same ? "" : "\"");
  }
  return 0;
}

// ---- the shape ----------------------------------------------------------------------------------

static int read_shape(const struct reader *r, struct gpt2_config *c) {
  const char *context = field(r, "n_positions") == NULL && field(r, "n_ctx") != NULL
                            ? "n_ctx"
                            : "n_positions";
  if (read_size(r, "n_layer", 1, CONFIG_MAX_LAYERS, &c->n_layer) != 0 ||
      read_size(r, "n_head", 1, CONFIG_MAX_HEADS, &c->n_head) != 0 ||
      read_size(r, "n_embd", 1, CONFIG_MAX_EMBD, &c->n_embd) != 0 ||
      read_size(r, context, CONFIG_MIN_CTX, CONFIG_MAX_CTX, &c->n_ctx) != 0 ||
      read_size(r, "vocab_size", 1, CONFIG_MAX_VOCAB, &c->vocab_size) != 0) {
    return -1;
  }
  if (c->n_embd != c->n_head * CONFIG_HEAD_SIZE) {
    return err_set(r->err,
                   "%s: n_embd is %zu, expected n_head x %d = %zu: the hardware's heads are %d "
                   "wide, as in every GPT-2",
                   r->path, c->n_embd, CONFIG_HEAD_SIZE, c->n_head * CONFIG_HEAD_SIZE,
                   CONFIG_HEAD_SIZE);
  }
  c->n_inner = 4 * c->n_embd;
  size_t inner = c->n_inner;
  if (field(r, "n_inner") != NULL && read_size(r, "n_inner", 1, SIZE_MAX, &inner) != 0) {
    return -1;
  }
  if (inner != c->n_inner) {
    return err_set(r->err, "%s: n_inner is %zu, expected null or 4 x n_embd = %zu", r->path, inner,
                   c->n_inner);
  }
  return 0;
}

static int read_arithmetic(const struct reader *r, struct gpt2_config *c) {
  // gelu_new and gelu_pytorch_tanh are two names of the tanh form.
  if (require_string(r, "model_type", "gpt2", "gpt2") != 0 ||
      require_string(r, "activation_function", "gelu_new", "gelu_pytorch_tanh") != 0 ||
      require_bool(r, "scale_attn_weights", true) != 0 ||
      require_bool(r, "scale_attn_by_inverse_layer_idx", false) != 0 ||
      require_bool(r, "add_cross_attention", false) != 0 ||
      read_bool(r, "tie_word_embeddings", true, &c->tie_word_embeddings) != 0) {
    return -1;
  }
  const cJSON *epsilon = field(r, "layer_norm_epsilon");
  if (epsilon != NULL && !cJSON_IsNumber(epsilon)) {
    return err_set(r->err, "%s: layer_norm_epsilon is not a number", r->path);
  }
  c->layer_norm_epsilon = epsilon == NULL ? 1e-5 : epsilon->valuedouble;
  if (!(c->layer_norm_epsilon > 0 && c->layer_norm_epsilon < 1)) {
    return err_set(r->err, "%s: layer_norm_epsilon is %g, expected a number above 0 and below 1",
                   r->path, c->layer_norm_epsilon);
  }
  return 0;
}

int config_read(struct gpt2_config *config, const char *path, struct err *err) {
  *config = (struct gpt2_config){0};
  cJSON *root;
  if (json_read(&root, path, err) != 0) {
    return -1;
  }
  struct reader r = {.root = root, .path = path, .err = err};
  int result = 0;
  if (read_shape(&r, config) != 0 || read_arithmetic(&r, config) != 0 ||
      read_token(&r, "bos_token_id", config->vocab_size, &config->bos_token_id) != 0 ||
      read_token(&r, "eos_token_id", config->vocab_size, &config->eos_token_id) != 0) {
    result = -1;
  }
  cJSON_Delete(root);
  return result;
}

// ---- named shapes -------------------------------------------------------------------------------

int config_named(struct gpt2_config *config, const char *name, struct err *err) {
  static const struct {
    const char *name;
    size_t n_layer, n_head, n_ctx, vocab_size;
  } known[] = {
      {"nano", 2, 2, 64, 301},          {"gpt2", 12, 12, 1024, 50257},
      {"gpt2-medium", 24, 16, 1024, 50257}, {"gpt2-large", 36, 20, 1024, 50257},
      {"gpt2-xl", 48, 25, 1024, 50257},
  };
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (strcmp(name, known[i].name) == 0) {
      uint32_t last = (uint32_t)known[i].vocab_size - 1;  // <|endoftext|>
      *config = (struct gpt2_config){
          .n_layer = known[i].n_layer,
          .n_head = known[i].n_head,
          .n_embd = known[i].n_head * CONFIG_HEAD_SIZE,
          .n_inner = 4 * known[i].n_head * CONFIG_HEAD_SIZE,
          .n_ctx = known[i].n_ctx,
          .vocab_size = known[i].vocab_size,
          .layer_norm_epsilon = 1e-5,
          .bos_token_id = last,
          .eos_token_id = last,
          .tie_word_embeddings = true,
      };
      return 0;
    }
  }
  return err_set(err,
                 "unknown configuration \"%.60s\", expected nano, gpt2, gpt2-medium, gpt2-large or "
                 "gpt2-xl",
                 name);
}

size_t config_parameters(const struct gpt2_config *config) {
  size_t c = config->n_embd;
  size_t layer = 12 * c * c + 13 * c;  // 3 + 1 + 4 + 4 matrices; 9 biases and two LayerNorms
  size_t head = config->tie_word_embeddings ? 0 : config->vocab_size * c;
  return (config->vocab_size + config->n_ctx) * c + config->n_layer * layer + 2 * c + head;
}
