// SPDX-License-Identifier: Apache-2.0
#include "gpt2_source.h"

#include <stdio.h>
#include <string.h>

#include "gpt2_tensors.h"

static const char prefix[] = "transformer.";

// ---- one tensor ---------------------------------------------------------------------------------

static int check_shape(const struct gpt2_source *s, const char *name, size_t rank, const size_t *shape,
                       struct err *err) {
  const struct safetensors_tensor *t = s->tensor;
  bool same = t->rank == rank;
  for (size_t d = 0; same && d < rank; d++) {
    same = t->shape[d] == shape[d];
  }
  if (same) {
    return 0;
  }
  char found[SAFETENSORS_MAX_RANK * 24] = "[]";
  char expected[64];
  for (size_t d = 0, used = 0; d < t->rank; d++) {
    used += (size_t)snprintf(found + used, sizeof found - used, "[%zu]", t->shape[d]);
  }
  snprintf(expected, sizeof expected, rank == 2 ? "[%zu][%zu]" : "[%zu]", shape[0], shape[1]);
  return err_set(err, "%s: tensor %s has shape %s, expected %s from config.json",
                 safetensors_path(s->file), name, found, expected);
}

int gpt2_source_find(struct gpt2_source *s, const struct checkpoint *from, const char *name,
                     struct err *err) {
  char prefixed[80];
  struct gpt2_source other;
  snprintf(prefixed, sizeof prefixed, "%s%s", prefix, name);
  s->tensor = checkpoint_find(from, name, &s->file);
  other.tensor = checkpoint_find(from, prefixed, &other.file);
  if (s->tensor != NULL && other.tensor != NULL) {
    return err_set(err, "%s: tensor %s is there twice, also as %s", safetensors_path(s->file), name,
                   prefixed);
  }
  if (s->tensor == NULL) {
    *s = other;
  }
  return 0;
}

static int find_tensor(struct gpt2_source *s, const struct checkpoint *from, const char *name,
                       size_t rank, const size_t *shape, struct err *err) {
  if (gpt2_source_find(s, from, name, err) != 0) {
    return -1;
  }
  if (s->tensor == NULL) {
    return err_set(err,
                   "%s: tensor %s is missing: not a GPT-2 model, or one with fewer layers than its "
                   "config.json says",
                   safetensors_path(from->files[0]), name);
  }
  return check_shape(s, name, rank, shape, err) != 0 ||
                 safetensors_check_f32(s->file, s->tensor, err) != 0
             ? -1
             : 0;
}

// ---- all tensors are there ----------------------------------------------------------------------

// What is inside the model and no part of GPT-2 would be left out of the arithmetic: refused.
static int check_names(const struct gpt2_config *config, const struct checkpoint *from,
                       struct err *err) {
  for (size_t i = 0; i < from->count; i++) {
    for (size_t t = 0; t < safetensors_count(from->files[i]); t++) {
      const char *full = safetensors_at(from->files[i], t)->name;
      bool prefixed = strncmp(full, prefix, sizeof prefix - 1) == 0;
      const char *name = prefixed ? full + sizeof prefix - 1 : full;
      if (gpt2_name_of(config, name) == GPT2_NAME_STRANGE) {
        return err_set(err,
                       "%s: tensor %.80s is no part of a GPT-2 of %zu layers: the model is another "
                       "than its config.json says",
                       safetensors_path(from->files[i]), full, config->n_layer);
      }
    }
  }
  return 0;
}

int gpt2_source_head(struct gpt2_source *s, const struct gpt2_config *config,
                     const struct checkpoint *from, struct err *err) {
  static const char name[] = "lm_head.weight";
  const size_t shape[2] = {config->vocab_size, config->n_embd};
  if (gpt2_source_find(s, from, name, err) != 0) {
    return -1;
  }
  if (s->tensor != NULL) {
    return find_tensor(s, from, name, 2, shape, err);
  }
  if (config->tie_word_embeddings) {
    return 0;
  }
  return err_set(err,
                 "%s: tensor %s is missing, and config.json says tie_word_embeddings false",
                 safetensors_path(from->files[0]), name);
}

int gpt2_source_check(const struct gpt2_config *config, const struct checkpoint *from,
                      struct err *err) {
  struct gpt2_source s;
  for (size_t i = 0; i < gpt2_tensor_count(config); i++) {
    struct gpt2_tensor t = gpt2_tensor_at(config, i);
    if (find_tensor(&s, from, t.name, t.rank, t.shape, err) != 0) {
      return -1;
    }
  }
  return gpt2_source_head(&s, config, from, err) != 0 ? -1 : check_names(config, from, err);
}
