// SPDX-License-Identifier: Apache-2.0
#include "weights.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "gpt2_source.h"
#include "gpt2_tensors.h"

// -------------------------------------------------------------------------------------- one tensor

// Reads a matrix [in][out] of the file to out[out][in], STRIP rows at a time: then a strip's
// columns are written as whole cache lines.
static int read_transposed(const struct gpt2_source *s, float *out, struct err *err) {
  enum { STRIP = 16 };
  size_t inputs = s->tensor->shape[0];
  size_t outputs = s->tensor->shape[1];
  float *strip = malloc(STRIP * outputs * sizeof *strip);
  if (!strip) return err_memory(err, s->tensor->name);
  int result = 0;
  for (size_t i = 0; i < inputs && result == 0; i += STRIP) {  // inputs is a multiple of 64
    result = safetensors_read_f32(s->file, s->tensor, i * outputs, STRIP * outputs, strip, err);
    for (size_t o = 0; o < outputs && result == 0; o++)
      for (size_t row = 0; row < STRIP; row++) out[o * inputs + i + row] = strip[row * outputs + o];
  }
  free(strip);
  return result;
}

// --------------------------------------------------------------------------------------- the model

static const float **tensor_slot(struct gpt2_weights *w, const struct gpt2_tensor *tensor) {
  struct gpt2_layer *layer = &w->layers[tensor->layer];
  switch (tensor->kind) {
    case TENSOR_WTE: return &w->wte;
    case TENSOR_WPE: return &w->wpe;
    case TENSOR_LN_1_G: return &layer->ln_1_g;
    case TENSOR_LN_1_B: return &layer->ln_1_b;
    case TENSOR_ATTN_W: return &layer->attn_w;
    case TENSOR_ATTN_B: return &layer->attn_b;
    case TENSOR_ATTN_PROJ_W: return &layer->attn_proj_w;
    case TENSOR_ATTN_PROJ_B: return &layer->attn_proj_b;
    case TENSOR_LN_2_G: return &layer->ln_2_g;
    case TENSOR_LN_2_B: return &layer->ln_2_b;
    case TENSOR_FC_W: return &layer->fc_w;
    case TENSOR_FC_B: return &layer->fc_b;
    case TENSOR_MLP_PROJ_W: return &layer->mlp_proj_w;
    case TENSOR_MLP_PROJ_B: return &layer->mlp_proj_b;
    case TENSOR_LN_F_G: return &w->ln_f_g;
    case TENSOR_LN_F_B: break;
  }
  return &w->ln_f_b;
}

// The factors by which config.json changes GPT-2's attention scores, q k / 8. They multiply the
// query.
static float query_factor(const struct gpt2_config *config, size_t layer) {
  float factor = config->scale_attn_weights ? 1 : 8;
  return config->scale_attn_by_inverse_layer_idx ? factor / (float)(layer + 1) : factor;
}

// Multiplies the query's rows of attn_w (`inputs` numbers per row) or of attn_b (1 per row).
static int scale_query(const struct gpt2_source *s, float *w, size_t count, float factor,
                       struct err *err) {
  for (size_t i = 0; i < count; i++) {
    w[i] *= factor;
    if (!isfinite(w[i])) {
      return err_set(err,
                     "%s: tensor %.80s overflows float32 when scaled by %g, as config.json asks",
                     safetensors_path(s->file), s->tensor->name, (double)factor);
    }
  }
  return 0;
}

// The floats of a tensor. The file has as many, except that a bias may be absent.
static size_t elements_of(const struct gpt2_tensor *tensor) {
  return tensor->shape[0] * tensor->shape[1];
}

static int load_tensor(const struct gpt2_config *config, const struct gpt2_tensor *tensor,
                       const struct gpt2_form *form, float *to, struct err *err) {
  const struct gpt2_source s = gpt2_source_find(form, tensor);
  if (!s.tensor) {
    memset(to, 0, elements_of(tensor) * sizeof *to);
    return 0;
  }
  if ((tensor->conv1d && !form->linear
           ? read_transposed(&s, to, err)
           : safetensors_read_f32(s.file, s.tensor, 0, s.tensor->elements, to, err)) != 0)
    return -1;
  bool query = tensor->kind == TENSOR_ATTN_W || tensor->kind == TENSOR_ATTN_B;
  float factor = query_factor(config, tensor->layer);
  return query && factor != 1 ? scale_query(&s, to, s.tensor->elements / 3, factor, err) : 0;
}

// The tensors are contiguous in storage. Each has a multiple of C = 64 NH floats, so each has the
// alignment of storage.
static int load_tensors(struct gpt2_weights *w, const struct gpt2_form *form, struct err *err) {
  float *next = w->storage;
  for (size_t i = 0; i < gpt2_tensor_count(&w->config); i++) {
    struct gpt2_tensor tensor = gpt2_tensor_at(&w->config, i);
    if (load_tensor(&w->config, &tensor, form, next, err) != 0) return -1;
    *tensor_slot(w, &tensor) = next;
    next += elements_of(&tensor);
  }
  return 0;
}

// A stored head that repeats the token embedding is not kept.
static int load_head(struct gpt2_weights *w, const struct gpt2_form *form, struct err *err) {
  const struct gpt2_source s = gpt2_source_head(form);
  w->lm_head = w->wte;
  if (!s.tensor || form->head_only) return 0;
  size_t bytes = s.tensor->elements * sizeof(float);
  w->head_storage = aligned_alloc(64, bytes);
  if (!w->head_storage) return err_memory(err, s.tensor->name);
  if (safetensors_read_f32(s.file, s.tensor, 0, s.tensor->elements, w->head_storage, err) != 0)
    return -1;
  if (memcmp(w->head_storage, w->wte, bytes) == 0) {
    free(w->head_storage);
    w->head_storage = NULL;
    w->config.tie_word_embeddings = true;
    return 0;
  }
  if (w->config.tie_word_embeddings) {
    return err_set(err,
                   "%s: tensor %s is not the token embedding, and config.json says "
                   "tie_word_embeddings true (the default): say false there to use this head",
                   safetensors_path(s.file), s.tensor->name);
  }
  w->lm_head = w->head_storage;
  return 0;
}

static int load(struct gpt2_weights *w, const struct checkpoint *from, struct err *err) {
  struct gpt2_config tied = w->config;
  struct gpt2_form form;
  tied.tie_word_embeddings = true;
  if (gpt2_source_check(&form, &w->config, from, err) != 0) return -1;
  w->layers = calloc(w->config.n_layer, sizeof *w->layers);
  w->storage = aligned_alloc(64, config_parameters(&tied) * sizeof *w->storage);
  if (!w->layers || !w->storage) return err_memory(err, "the weights");
  return load_tensors(w, &form, err) != 0 ? -1 : load_head(w, &form, err);
}

static int open_model(struct gpt2_config *config, struct checkpoint *from, const char *dir,
                      struct err *err) {
  return config_read_folder(config, dir, err) != 0 ? -1 : checkpoint_open(from, dir, err);
}

int weights_check(struct gpt2_config *config, const char *dir, struct err *err) {
  struct checkpoint from;
  struct gpt2_form form;
  if (open_model(config, &from, dir, err) != 0) return -1;
  int result = gpt2_source_check(&form, config, &from, err);
  checkpoint_close(&from);
  return result;
}

int weights_load(struct gpt2_weights *weights, const char *dir, struct err *err) {
  *weights = (struct gpt2_weights){0};
  struct checkpoint from;
  if (open_model(&weights->config, &from, dir, err) != 0) return -1;
  int result = load(weights, &from, err);
  checkpoint_close(&from);
  if (result != 0) weights_free(weights);
  return result;
}

void weights_free(struct gpt2_weights *weights) {
  free(weights->layers);
  free(weights->storage);
  free(weights->head_storage);
  *weights = (struct gpt2_weights){0};
}
