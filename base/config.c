// SPDX-License-Identifier: Apache-2.0
#include "config.h"

#include <math.h>
#include <string.h>

#include "file.h"
#include "json_util.h"

// --------------------------------------------------------------------------- fields of config.json

struct reader {
  const cJSON *root;
  const char *path;
  struct err *err;
};

// Different readers would resolve a repeated name differently, so it is refused.
static int check_unique(const struct reader *r, const char *name) {
  size_t count = 0;
  const cJSON *item;
  cJSON_ArrayForEach(item, r->root) { count += strcmp(item->string, name) == 0; }
  return count <= 1 ? 0 : err_set(r->err, "%s: %s appears %zu times", r->path, name, count);
}

// An absent field and a null both mean the default.
static const cJSON *field(const struct reader *r, const char *name) {
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(r->root, name);
  return cJSON_IsNull(item) ? NULL : item;
}

static int read_size(const struct reader *r, const char *name, size_t min, size_t max,
                     size_t *value) {
  const cJSON *item = field(r, name);
  if (!item) {
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

static bool is_whole(const cJSON *item) {
  return cJSON_IsNumber(item) && floor(item->valuedouble) >= item->valuedouble &&
         fabs(item->valuedouble) <= JSON_MAX_INTEGER;
}

// Reads a token's id, or a list of up to `room` of them. A value that is not an id of the model is
// left out: -1, or the id that a larger vocabulary had.
static int read_tokens(const struct reader *r, const char *name, size_t vocab_size, uint32_t *ids,
                       size_t room, size_t *count) {
  const cJSON *item = field(r, name);
  const bool list = cJSON_IsArray(item) && room > 1;
  *count = 0;
  for (const cJSON *entry = list ? item->child : item; entry != NULL;
       entry = list ? entry->next : NULL) {
    size_t id;
    if (!is_whole(entry)) {
      return err_set(r->err, "%s: %s is not a token's id%s", r->path, name,
                     room > 1 ? ", or a list of them" : "");
    }
    if (json_integer(entry, 0, vocab_size - 1, &id) != 0) continue;
    if (*count == room) return err_set(r->err, "%s: %s has more than %zu ids", r->path, name, room);
    ids[(*count)++] = (uint32_t)id;
  }
  return 0;
}

static int read_ends(const struct reader *r, struct gpt2_config *c) {
  size_t n_bos;
  if (read_tokens(r, "bos_token_id", c->vocab_size, &c->bos_token_id, 1, &n_bos) != 0 ||
      read_tokens(r, "eos_token_id", c->vocab_size, c->eos_token_ids, CONFIG_MAX_EOS, &c->n_eos) !=
          0)
    return -1;
  c->bos_token_id = n_bos == 0 ? CONFIG_NO_TOKEN : c->bos_token_id;
  return 0;
}

static int read_bool(const struct reader *r, const char *name, bool fallback, bool *value) {
  const cJSON *item = field(r, name);
  if (item && !cJSON_IsBool(item))
    return err_set(r->err, "%s: %s is neither true nor false", r->path, name);
  *value = !item ? fallback : cJSON_IsTrue(item);
  return 0;
}

static int require_bool(const struct reader *r, const char *name, bool required) {
  bool value = required;
  if (read_bool(r, name, required, &value) != 0) return -1;
  if (value != required) {
    return err_set(r->err, "%s: %s is %s, but only GPT-2's own arithmetic is built: expected %s",
                   r->path, name, value ? "true" : "false", required ? "true" : "false");
  }
  return 0;
}

// One of the values up to NULL, or absent. why ends the sentence.
static int require_string(const struct reader *r, const char *name, const char *const *values,
                          const char *why) {
  const cJSON *item = field(r, name);
  if (!item) return 0;
  const char *value = cJSON_IsString(item) ? item->valuestring : "(not a string)";
  for (const char *const *v = values; *v != NULL; v++)
    if (strcmp(value, *v) == 0) return 0;
  return err_set(r->err, "%s: %s is \"%.60s\", expected \"%s\"%s%s%s%s", r->path, name, value,
                 values[0], !values[1] ? "" : " or \"", !values[1] ? "" : values[1],
                 !values[1] ? "" : "\"", why);
}

// Absent, null, or without content.
static int require_empty(const struct reader *r, const char *name, const char *what) {
  const cJSON *item = field(r, name);
  if (!item || ((cJSON_IsObject(item) || cJSON_IsArray(item)) && !item->child)) return 0;
  return err_set(r->err, "%s: %s is not empty: %s", r->path, name, what);
}

// --------------------------------------------------------------------------------------- the shape

static int read_shape(const struct reader *r, struct gpt2_config *c) {
  const char *context =
      field(r, "n_positions") == NULL && field(r, "n_ctx") != NULL ? "n_ctx" : "n_positions";
  if (read_size(r, "n_layer", 1, CONFIG_MAX_LAYERS, &c->n_layer) != 0 ||
      read_size(r, "n_head", 1, CONFIG_MAX_HEADS, &c->n_head) != 0 ||
      read_size(r, "n_embd", 1, CONFIG_MAX_EMBD, &c->n_embd) != 0 ||
      read_size(r, context, CONFIG_MIN_CTX, CONFIG_MAX_CTX, &c->n_ctx) != 0 ||
      read_size(r, "vocab_size", 1, CONFIG_MAX_VOCAB, &c->vocab_size) != 0)
    return -1;
  if (c->n_embd != c->n_head * HEAD_DIM) {
    return err_set(r->err,
                   "%s: n_embd is %zu, expected n_head x %d = %zu: the hardware's heads are %d "
                   "wide, as in every GPT-2",
                   r->path, c->n_embd, HEAD_DIM, c->n_head * HEAD_DIM, HEAD_DIM);
  }
  c->n_inner = 4 * c->n_embd;
  size_t inner = c->n_inner;
  if (field(r, "n_inner") != NULL && read_size(r, "n_inner", 1, SIZE_MAX, &inner) != 0) return -1;
  if (inner != c->n_inner) {
    return err_set(r->err, "%s: n_inner is %zu, expected null or 4 x n_embd = %zu", r->path, inner,
                   c->n_inner);
  }
  return 0;
}

int config_epsilon_term(double epsilon, size_t width, uint64_t *term, struct err *err) {
  const double squared = (double)width * (double)width;
  const double value = rint((double)(float)epsilon * squared * 0x1p24);
  if (!(value >= 0x1p16 && value < 0x1p48)) {
    return err_set(err,
                   "layer_norm_epsilon is %g, expected %.2g..%.2g for width %zu: what the "
                   "hardware's reciprocal square root takes",
                   epsilon, 0x1p-8 / squared, 0x1p24 / squared, width);
  }
  *term = (uint64_t)value;
  return 0;
}

static int read_epsilon(const struct reader *r, struct gpt2_config *c) {
  const cJSON *epsilon = field(r, "layer_norm_epsilon");
  if (epsilon && !cJSON_IsNumber(epsilon))
    return err_set(r->err, "%s: layer_norm_epsilon is not a number", r->path);
  c->layer_norm_epsilon = !epsilon ? 1e-5 : epsilon->valuedouble;
  uint64_t term;
  struct err why;
  return config_epsilon_term(c->layer_norm_epsilon, c->n_embd, &term, &why) == 0
             ? 0
             : err_set(r->err, "%s: %s", r->path, why.text);
}

// Honoured: the epsilon, the scale of the attention scores (by weights_load) and the head. Fields
// for which the hardware has no arithmetic are refused unless they have GPT-2's values.
static int read_arithmetic(const struct reader *r, struct gpt2_config *c) {
  static const char *const gpt2[] = {"gpt2", NULL};
  // Five names of the tanh form; only "gelu" is the exact one.
  static const char *const tanh_form[] = {"gelu_new",  "gelu_pytorch_tanh", "gelu_python_tanh",
                                          "gelu_fast", "gelu_accurate",     NULL};
  bool upcast;  // the same arithmetic, in an order that keeps half precision from overflowing: no
                // change here
  if (require_string(r, "model_type", gpt2, "") != 0 ||
      require_string(r, "activation_function", tanh_form,
                     ": the hardware's table is GELU in its tanh form") != 0 ||
      require_bool(r, "add_cross_attention", false) != 0 ||
      require_empty(r, "pruned_heads", "models with pruned heads are not supported") != 0 ||
      require_empty(r, "quantization_config",
                    "its weights are already quantised; expected F32, F16 or BF16") != 0 ||
      read_bool(r, "reorder_and_upcast_attn", false, &upcast) != 0 ||
      read_bool(r, "scale_attn_weights", true, &c->scale_attn_weights) != 0 ||
      read_bool(r, "scale_attn_by_inverse_layer_idx", false, &c->scale_attn_by_inverse_layer_idx) !=
          0 ||
      read_bool(r, "tie_word_embeddings", true, &c->tie_word_embeddings) != 0)
    return -1;
  return read_epsilon(r, c);
}

int config_read(struct gpt2_config *config, const char *path, struct err *err) {
  static const char *const names[] = {"model_type",
                                      "n_layer",
                                      "n_head",
                                      "n_embd",
                                      "n_positions",
                                      "n_ctx",
                                      "n_inner",
                                      "vocab_size",
                                      "activation_function",
                                      "layer_norm_epsilon",
                                      "scale_attn_weights",
                                      "scale_attn_by_inverse_layer_idx",
                                      "reorder_and_upcast_attn",
                                      "tie_word_embeddings",
                                      "add_cross_attention",
                                      "pruned_heads",
                                      "quantization_config",
                                      "bos_token_id",
                                      "eos_token_id"};
  *config = (struct gpt2_config){0};
  cJSON *root;
  if (json_read(&root, path, err) != 0) return -1;
  struct reader r = {.root = root, .path = path, .err = err};
  int result = 0;
  for (size_t i = 0; i < sizeof names / sizeof names[0] && result == 0; i++)
    result = check_unique(&r, names[i]);
  if (result != 0 || read_shape(&r, config) != 0 || read_arithmetic(&r, config) != 0 ||
      read_ends(&r, config) != 0)
    result = -1;
  cJSON_Delete(root);
  return result;
}

int config_no_adapter(const char *dir, struct err *err) {
  char path[FILE_PATH_SIZE];
  if (file_join(path, dir, "adapter_config.json", err) != 0) return -1;
  return !file_exists(path)
             ? 0
             : err_set(err,
                       "%.100s: adapter_config.json is present: an adapter (LoRA) that is not "
                       "merged into the weights; merge it: python3 -c \"from peft import "
                       "AutoPeftModelForCausalLM as M; "
                       "M.from_pretrained('%.100s').merge_and_unload().save_pretrained('merged')\","
                       " or move it elsewhere to run the model without it",
                       dir, dir);
}

int config_read_folder(struct gpt2_config *config, const char *dir, struct err *err) {
  char path[FILE_PATH_SIZE];
  if (config_no_adapter(dir, err) != 0 || file_join(path, dir, "config.json", err) != 0 ||
      config_read(config, path, err) != 0 ||
      file_join(path, dir, "generation_config.json", err) != 0)
    return -1;
  if (!file_exists(path)) return 0;
  cJSON *root;
  if (json_read(&root, path, err) != 0) return -1;
  const struct reader r = {.root = root, .path = path, .err = err};
  int result = check_unique(&r, "bos_token_id") != 0 || check_unique(&r, "eos_token_id") != 0
                   ? -1
                   : read_ends(&r, config);
  cJSON_Delete(root);
  return result;
}

size_t config_vocab_size(const char *dir) {
  char path[FILE_PATH_SIZE];
  cJSON *root;
  size_t size = 0;
  if (file_join(path, dir, "config.json", NULL) == 0 && json_read(&root, path, NULL) == 0) {
    if (json_integer(cJSON_GetObjectItemCaseSensitive(root, "vocab_size"), 1, CONFIG_MAX_VOCAB,
                     &size) != 0)
      size = 0;
    cJSON_Delete(root);
  }
  return size;
}

// ------------------------------------------------------------------------------------ named shapes

int config_named(struct gpt2_config *config, const char *name, struct err *err) {
  static const struct {
    const char *name;
    size_t n_layer, n_head, n_ctx, vocab_size;
  } known[] = {
      {"nano", 2, 2, 64, 301},
      {"gpt2", 12, 12, 1024, 50257},
      {"gpt2-medium", 24, 16, 1024, 50257},
      {"gpt2-large", 36, 20, 1024, 50257},
      {"gpt2-xl", 48, 25, 1024, 50257},
  };
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (strcmp(name, known[i].name) == 0) {
      uint32_t last = (uint32_t)known[i].vocab_size - 1;  // <|endoftext|>
      *config = (struct gpt2_config){
          .n_layer = known[i].n_layer,
          .n_head = known[i].n_head,
          .n_embd = known[i].n_head * HEAD_DIM,
          .n_inner = 4 * known[i].n_head * HEAD_DIM,
          .n_ctx = known[i].n_ctx,
          .vocab_size = known[i].vocab_size,
          .layer_norm_epsilon = 1e-5,
          .bos_token_id = last,
          .eos_token_ids = {last},
          .n_eos = 1,
          .scale_attn_weights = true,
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
