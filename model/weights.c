// SPDX-License-Identifier: Apache-2.0
#include "weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "gpt2_tensors.h"
#include "safetensors.h"

// ---- finding the file ---------------------------------------------------------------------------

static int explain_missing(const char *dir, struct err *err) {
  static const struct {
    const char *name, *what;
  } others[] = {
      {"pytorch_model.bin", "PyTorch's pickle format"},
      {"model.safetensors.index.json", "several shards"},
      {"tf_model.h5", "TensorFlow's format"},
  };
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    char path[FILE_PATH_SIZE];
    if (file_join(path, dir, others[i].name, NULL) == 0 && file_exists(path)) {
      return err_set(err,
                     "%.100s: no model.safetensors; %s is there, %s; convert it: python3 -c \"from "
                     "transformers import GPT2LMHeadModel as M; M.from_pretrained('%.100s')"
                     ".save_pretrained('%.100s', max_shard_size='99GB')\"",
                     dir, others[i].name, others[i].what, dir, dir);
    }
  }
  return err_set(err,
                 "%s: no model.safetensors; expected a folder with config.json, model.safetensors, "
                 "vocab.json and merges.txt, as huggingface.co/openai-community/gpt2",
                 dir);
}

static int open_tensors(struct safetensors **file, const char *dir, struct err *err) {
  char path[FILE_PATH_SIZE];
  if (file_join(path, dir, "model.safetensors", err) != 0) {
    return -1;
  }
  return file_exists(path) ? safetensors_open(file, path, err) : explain_missing(dir, err);
}

// ---- one tensor ---------------------------------------------------------------------------------

// Finds name with or without the prefix and checks its shape.
static int find_tensor(const struct safetensors *file, const char *dir, const char *name,
                       size_t rank, const size_t *shape,
                       const struct safetensors_tensor **tensor, struct err *err) {
  char prefixed[80];
  snprintf(prefixed, sizeof prefixed, "transformer.%s", name);
  *tensor = safetensors_find(file, name);
  if (*tensor == NULL) {
    *tensor = safetensors_find(file, prefixed);
  }
  if (*tensor == NULL) {
    return err_set(err,
                   "%s/model.safetensors: tensor %s is missing: not a GPT-2 model, or one with "
                   "fewer layers than its config.json says",
                   dir, name);
  }
  const struct safetensors_tensor *t = *tensor;
  bool same = t->rank == rank;
  for (size_t d = 0; same && d < rank; d++) {
    same = t->shape[d] == shape[d];
  }
  if (!same) {
    char found[SAFETENSORS_MAX_RANK * 24] = "[]";
    char expected[64];
    for (size_t d = 0, used = 0; d < t->rank; d++) {
      used += (size_t)snprintf(found + used, sizeof found - used, "[%zu]", t->shape[d]);
    }
    snprintf(expected, sizeof expected, rank == 2 ? "[%zu][%zu]" : "[%zu]", shape[0], shape[1]);
    return err_set(err,
                   "%s/model.safetensors: tensor %s has shape %s, expected %s from config.json",
                   dir, name, found, expected);
  }
  return 0;
}

// Reads a matrix [in][out] of the file to out[out][in], STRIP rows at a time: a strip's columns
// are then written as whole cache lines.
static int read_transposed(const struct safetensors *file, const struct safetensors_tensor *tensor,
                           float *out, struct err *err) {
  enum { STRIP = 16 };
  size_t inputs = tensor->shape[0];
  size_t outputs = tensor->shape[1];
  float *strip = malloc(STRIP * outputs * sizeof *strip);
  if (strip == NULL) {
    return err_memory(err, tensor->name);
  }
  int result = 0;
  for (size_t i = 0; i < inputs && result == 0; i += STRIP) {  // inputs is a multiple of 64
    result = safetensors_read_f32(file, tensor, i * outputs, STRIP * outputs, strip, err);
    for (size_t o = 0; o < outputs && result == 0; o++) {
      for (size_t row = 0; row < STRIP; row++) {
        out[o * inputs + i + row] = strip[row * outputs + o];
      }
    }
  }
  free(strip);
  return result;
}

// ---- the model ----------------------------------------------------------------------------------

static const float **tensor_slot(struct gpt2_weights *w, const struct gpt2_tensor *tensor) {
  struct gpt2_layer *layer = &w->layers[tensor->layer];
  switch (tensor->kind) {
    case TENSOR_WTE:
      return &w->wte;
    case TENSOR_WPE:
      return &w->wpe;
    case TENSOR_LN_1_G:
      return &layer->ln_1_g;
    case TENSOR_LN_1_B:
      return &layer->ln_1_b;
    case TENSOR_ATTN_W:
      return &layer->attn_w;
    case TENSOR_ATTN_B:
      return &layer->attn_b;
    case TENSOR_ATTN_PROJ_W:
      return &layer->attn_proj_w;
    case TENSOR_ATTN_PROJ_B:
      return &layer->attn_proj_b;
    case TENSOR_LN_2_G:
      return &layer->ln_2_g;
    case TENSOR_LN_2_B:
      return &layer->ln_2_b;
    case TENSOR_FC_W:
      return &layer->fc_w;
    case TENSOR_FC_B:
      return &layer->fc_b;
    case TENSOR_MLP_PROJ_W:
      return &layer->mlp_proj_w;
    case TENSOR_MLP_PROJ_B:
      return &layer->mlp_proj_b;
    case TENSOR_LN_F_G:
      return &w->ln_f_g;
    case TENSOR_LN_F_B:
      break;
  }
  return &w->ln_f_b;
}

// All tensors one after another in storage. Each is a multiple of C = 64 NH floats, so all are
// aligned as storage is.
static int load_tensors(struct gpt2_weights *w, const struct safetensors *file, const char *dir,
                        struct err *err) {
  float *next = w->storage;
  for (size_t i = 0; i < gpt2_tensor_count(&w->config); i++) {
    struct gpt2_tensor tensor = gpt2_tensor_at(&w->config, i);
    const struct safetensors_tensor *source;
    if (find_tensor(file, dir, tensor.name, tensor.rank, tensor.shape, &source, err) != 0) {
      return -1;
    }
    int result = tensor.conv1d ? read_transposed(file, source, next, err)
                               : safetensors_read_f32(file, source, 0, source->elements, next, err);
    if (result != 0) {
      return -1;
    }
    *tensor_slot(w, &tensor) = next;
    next += source->elements;
  }
  return 0;
}

// Hugging Face's own loader ignores a stored head when the configuration ties it. A head that
// differs was saved for a reason, so here it counts.
static int load_head(struct gpt2_weights *w, const struct safetensors *file, const char *dir,
                     struct err *err) {
  static const char name[] = "lm_head.weight";
  w->lm_head = w->wte;
  if (safetensors_find(file, name) == NULL) {
    if (!w->config.tie_word_embeddings) {
      return err_set(err,
                     "%s/model.safetensors: tensor %s is missing, and config.json says "
                     "tie_word_embeddings false",
                     dir, name);
    }
    return 0;
  }
  const size_t shape[2] = {w->config.vocab_size, w->config.n_embd};
  const struct safetensors_tensor *source;
  if (find_tensor(file, dir, name, 2, shape, &source, err) != 0) {
    return -1;
  }
  size_t bytes = source->elements * sizeof(float);
  w->head_storage = aligned_alloc(64, bytes);
  if (w->head_storage == NULL) {
    return err_memory(err, name);
  }
  if (safetensors_read_f32(file, source, 0, source->elements, w->head_storage, err) != 0) {
    return -1;
  }
  w->config.tie_word_embeddings = memcmp(w->head_storage, w->wte, bytes) == 0;
  if (w->config.tie_word_embeddings) {
    free(w->head_storage);
    w->head_storage = NULL;
  } else {
    w->lm_head = w->head_storage;
  }
  return 0;
}

static int load(struct gpt2_weights *w, const struct safetensors *file, const char *dir,
                struct err *err) {
  struct gpt2_config tied = w->config;
  tied.tie_word_embeddings = true;
  w->layers = calloc(w->config.n_layer, sizeof *w->layers);
  w->storage = aligned_alloc(64, config_parameters(&tied) * sizeof *w->storage);
  if (w->layers == NULL || w->storage == NULL) {
    return err_memory(err, "the weights");
  }
  return load_tensors(w, file, dir, err) != 0 ? -1 : load_head(w, file, dir, err);
}

int weights_load(struct gpt2_weights *weights, const char *dir, struct err *err) {
  *weights = (struct gpt2_weights){0};
  char path[FILE_PATH_SIZE];
  struct safetensors *file;
  if (file_join(path, dir, "config.json", err) != 0 ||
      config_read(&weights->config, path, err) != 0 || open_tensors(&file, dir, err) != 0) {
    return -1;
  }
  int result = load(weights, file, dir, err);
  safetensors_close(file);
  if (result != 0) {
    weights_free(weights);
  }
  return result;
}

void weights_free(struct gpt2_weights *weights) {
  free(weights->layers);
  free(weights->storage);
  free(weights->head_storage);
  *weights = (struct gpt2_weights){0};
}
