// SPDX-License-Identifier: Apache-2.0
#include "gpt2_source.h"

#include <stdio.h>
#include <string.h>

static const char head_name[] = "lm_head.weight";

static struct gpt2_source find(const struct gpt2_form *form, const char *full) {
  struct gpt2_source s;
  s.tensor = checkpoint_find(form->from, full, &s.file);
  return s;
}

static struct gpt2_source find_inside(const struct gpt2_form *form, const char *name) {
  char full[2 * GPT2_NAME_SIZE];
  snprintf(full, sizeof full, "%s%s", form->prefix, name);
  return find(form, full);
}

// ------------------------------------------------------------------------------------------- names

typedef int visit(void *ctx, const struct safetensors *file, const char *name);

static int each_name(const struct checkpoint *from, visit *call, void *ctx) {
  for (size_t i = 0; i < from->count; i++) {
    for (size_t t = 0; t < safetensors_count(from->files[i]); t++)
      if (call(ctx, from->files[i], safetensors_at(from->files[i], t)->name) != 0) return -1;
  }
  return 0;
}

// The part of `full` that is `name`, at the beginning or after a point; NULL if full does not end
// in name.
static const char *ends_with(const char *full, const char *name) {
  const size_t length = strlen(full), end = strlen(name);
  if (length < end || strcmp(full + length - end, name) != 0) return NULL;
  return length == end || full[length - end - 1] == '.' ? full + length - end : NULL;
}

// `full` without the prefixes that are known to precede a model's names.
static const char *without_wrappers(const char *full) {
  static const char *const wrappers[] = {"transformer.", "module.",     "_orig_mod.",
                                         "model.",       "base_model.", "_fsdp_wrapped_module."};
  for (size_t i = 0; i < sizeof wrappers / sizeof wrappers[0];) {
    const size_t length = strlen(wrappers[i]);
    if (strncmp(full, wrappers[i], length) == 0) {
      full += length;
      i = 0;
    } else {
      i++;
    }
  }
  return full;
}

struct search {
  struct gpt2_form *form;
  const struct gpt2_config *config;
  const char *positions;  // the position embedding's full name
  struct err *err;
};

static int twice(const struct search *s, const struct safetensors *file, const char *name,
                 const char *also) {
  return err_set(s->err, "%s: tensor %.80s is present twice, also as %.80s", safetensors_path(file),
                 name, also);
}

// Only GPT-2 has a tensor with the position embedding's name, so what precedes that name is the
// prefix.
static int visit_positions(void *ctx, const struct safetensors *file, const char *full) {
  static const char name[] = "wpe.weight";
  struct search *s = ctx;
  const char *at = ends_with(full, name);
  if (!at || at - full >= GPT2_NAME_SIZE) return 0;
  if (s->positions) return twice(s, file, s->positions, full);
  s->positions = full;
  snprintf(s->form->prefix, GPT2_NAME_SIZE, "%.*s", (int)(at - full), full);
  return 0;
}

// The head is outside the transformer, so its prefix is the beginning of the model's.
static int visit_head(void *ctx, const struct safetensors *file, const char *full) {
  struct search *s = ctx;
  const char *at = ends_with(full, head_name);
  if (!at || strlen(full) >= GPT2_NAME_SIZE ||
      strncmp(full, s->form->prefix, (size_t)(at - full)) != 0)
    return 0;
  if (s->form->head[0] != '\0') return twice(s, file, s->form->head, full);
  snprintf(s->form->head, GPT2_NAME_SIZE, "%s", full);
  return 0;
}

// An adapter that has not been merged changes what the weights compute.
static int visit_adapter(void *ctx, const struct safetensors *file, const char *full) {
  static const char *const parts[] = {"lora_", ".base_layer.", ".modules_to_save.",
                                      ".original_module."};
  const struct search *s = ctx;
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    if (strstr(full, parts[i]) != NULL) {
      return err_set(s->err,
                     "%s: tensor %.80s belongs to an adapter (LoRA) that is not merged into the "
                     "weights: merge it with PEFT's merge_and_unload() and save the model again",
                     safetensors_path(file), full);
    }
  }
  return 0;
}

// The arithmetic would ignore a tensor inside the model that is not part of GPT-2, so it is
// refused.
static int visit_strange(void *ctx, const struct safetensors *file, const char *full) {
  const struct search *s = ctx;
  const size_t prefix = strlen(s->form->prefix);
  const bool inside = strncmp(full, s->form->prefix, prefix) == 0;
  const char *name = inside ? full + prefix : without_wrappers(full);
  enum gpt2_name what = gpt2_name_of(s->config, name);
  if (what == GPT2_NAME_OTHER && inside) {
    name = without_wrappers(full);
    what = gpt2_name_of(s->config, name);
  }
  if (strcmp(full, s->form->head) == 0 || what == GPT2_NAME_OTHER || what == GPT2_NAME_MASK ||
      (what == GPT2_NAME_TENSOR && inside && name == full + prefix))
    return 0;
  const struct gpt2_source other = find_inside(s->form, name);
  if (other.tensor && other.tensor->name != full) return twice(s, file, other.tensor->name, full);
  return err_set(s->err,
                 "%s: tensor %.80s is not part of a GPT-2 of %zu layers: the model does not match "
                 "its config.json",
                 safetensors_path(file), full, s->config->n_layer);
}

// -------------------------------------------------------------------------------------- one tensor

static int check_shape(const struct gpt2_source *s, const char *name, size_t rank, size_t rows,
                       size_t columns, struct err *err) {
  const struct safetensors_tensor *t = s->tensor;
  if (t->rank == rank && t->shape[0] == rows && (rank == 1 || t->shape[1] == columns))
    return safetensors_check_f32(s->file, t, err);
  char found[SAFETENSORS_MAX_RANK * 24] = "[]";
  char expected[64];
  for (size_t d = 0, used = 0; d < t->rank; d++)
    used += (size_t)snprintf(found + used, sizeof found - used, "[%zu]", t->shape[d]);
  snprintf(expected, sizeof expected, rank == 2 ? "[%zu][%zu]" : "[%zu]", rows, columns);
  return err_set(err, "%s: tensor %s has shape %s, expected %s from config.json",
                 safetensors_path(s->file), name, found, expected);
}

static int check_tensor(const struct gpt2_form *form, const struct gpt2_tensor *t,
                        struct err *err) {
  const struct gpt2_source s = gpt2_source_find(form, t);
  if (!s.tensor) {
    return gpt2_tensor_is_bias(t) && (t->norm ? form->no_norm_bias : form->no_linear_bias)
               ? 0
               : err_set(
                     err,
                     "%s: tensor %s is missing: not a GPT-2 model, or one with fewer layers than "
                     "its config.json says",
                     safetensors_path(form->from->files[0]), t->name);
  }
  const bool turned = t->conv1d && form->linear;
  return check_shape(&s, t->name, t->rank, t->shape[turned], t->shape[!turned], err);
}

static int check_head(const struct gpt2_form *form, const struct gpt2_config *config,
                      struct err *err) {
  const struct gpt2_source s = gpt2_source_head(form);
  if (s.tensor) return check_shape(&s, head_name, 2, config->vocab_size, config->n_embd, err);
  if (config->tie_word_embeddings) return 0;
  return err_set(err, "%s: tensor %s is missing, and config.json says tie_word_embeddings false",
                 safetensors_path(form->from->files[0]), head_name);
}

// ---------------------------------------------------------------------------------------- the form

static void find_form(struct gpt2_form *form, const struct gpt2_config *config) {
  size_t matrices = 0, turned = 0;
  form->no_linear_bias = form->no_norm_bias = true;
  for (size_t i = 0; i < gpt2_tensor_count(config); i++) {
    const struct gpt2_tensor t = gpt2_tensor_at(config, i);
    const struct gpt2_source s = find_inside(form, t.name);
    if (s.tensor && gpt2_tensor_is_bias(&t))
      *(t.norm ? &form->no_norm_bias : &form->no_linear_bias) = false;
    if (!s.tensor && t.kind == TENSOR_WTE)
      form->head_only = config->tie_word_embeddings && form->head[0] != '\0';
    if (s.tensor && t.conv1d && t.shape[0] != t.shape[1]) {
      matrices++;
      turned += s.tensor->rank == 2 && s.tensor->shape[0] == t.shape[1] &&
                s.tensor->shape[1] == t.shape[0];
    }
  }
  form->linear = turned > 0 && turned == matrices;  // square matrices are stored like the others
}

int gpt2_source_check(struct gpt2_form *form, const struct gpt2_config *config,
                      const struct checkpoint *from, struct err *err) {
  struct search s = {.form = form, .config = config, .err = err};
  *form = (struct gpt2_form){.from = from};
  if (each_name(from, visit_adapter, &s) != 0 || each_name(from, visit_positions, &s) != 0 ||
      each_name(from, visit_head, &s) != 0)
    return -1;
  find_form(form, config);
  for (size_t i = 0; i < gpt2_tensor_count(config); i++) {
    const struct gpt2_tensor t = gpt2_tensor_at(config, i);
    if (check_tensor(form, &t, err) != 0) return -1;
  }
  return check_head(form, config, err) != 0 ? -1 : each_name(from, visit_strange, &s);
}

struct gpt2_source gpt2_source_find(const struct gpt2_form *form,
                                    const struct gpt2_tensor *tensor) {
  return tensor->kind == TENSOR_WTE && form->head_only ? find(form, form->head)
                                                       : find_inside(form, tensor->name);
}

struct gpt2_source gpt2_source_head(const struct gpt2_form *form) {
  return form->head[0] == '\0' ? (struct gpt2_source){0} : find(form, form->head);
}
