// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "internal.h"

_Static_assert(sizeof(struct gpt2rtl_error) == sizeof(struct err), "one sentence, one size");

const char *gpt2rtl_version(void) { return GPT2RTL_VERSION; }

void gpt2rtl_free(void *memory) { free(memory); }

int internal_fail(struct gpt2rtl_error *error, const struct err *err) {
  if (error) memcpy(error->text, err->text, sizeof error->text);
  return -1;
}

int internal_fail_text(struct gpt2rtl_error *error, const char *format, ...) {
  char text[sizeof(struct err)];
  struct err err;
  va_list list;
  va_start(list, format);
  vsnprintf(text, sizeof text, format, list);
  va_end(list);
  err_set(&err, "%s", text);
  return internal_fail(error, &err);
}

int internal_take(void *to, const void *from, size_t size, const char *what,
                  struct gpt2rtl_error *error) {
  size_t given = 0;
  memset(to, 0, size);
  if (!from) return internal_fail_text(error, "the %s is NULL", what);
  memcpy(&given, from, sizeof given);
  if (given < sizeof given || given > size)
    return internal_fail_text(error,
                              "the %s's member size is %zu, expected sizeof, which is %zu in this "
                              "version of the library, %s",
                              what, given, size, GPT2RTL_VERSION);
  memcpy(to, from, given);
  return 0;
}

// -------------------------------------------------------------------------------------------- open

// An image has one token that ends a text. Its folder, if there is one, may have several, and one
// that begins a text.
static int take_ends(struct gpt2rtl_model *m, struct err *err) {
  struct gpt2_config folder;
  if (config_vocab_size(m->folder) != m->config.vocab_size)
    return 0;  // the folder has only the tokenizer
  if (config_read_folder(&folder, m->folder, err)) return -1;
  m->config.bos_token_id = folder.bos_token_id;
  m->config.n_eos = folder.n_eos;
  memcpy(m->config.eos_token_ids, folder.eos_token_ids, sizeof folder.eos_token_ids);
  return 0;
}

static int load(struct gpt2rtl_model *m, struct err *err) {
  if (m->image) {
    struct image image;
    if (image_open(&image, m->image, IMAGE_CHECKED, err)) return -1;
    m->config = image_config(&image.header);
    m->lanes = image.header.lanes;
    image_close(&image);
    if (m->folder && take_ends(m, err)) return -1;
  } else if (config_read_folder(&m->config, m->folder, err)) {
    return -1;
  }
  if (!m->folder)
    err_set(&m->no_tokenizer, "%s: an image has no tokenizer: open it with a folder that has one",
            m->image);
  else if (tokenizer_load(&m->tokenizer, m->folder, m->config.vocab_size, &m->no_tokenizer))
    m->tokenizer = NULL;
  return 0;
}

static int open_model(struct gpt2rtl_model **model, const char *image, const char *folder,
                      struct gpt2rtl_error *error) {
  struct err err;
  struct gpt2rtl_model *m = calloc(1, sizeof *m);
  if (m && image) m->image = strdup(image);
  if (m && folder) m->folder = strdup(folder);
  if (!m || (image && !m->image) || (folder && !m->folder)) err_memory(&err, "the model's names");
  else if (!load(m, &err)) return *model = m, 0;
  gpt2rtl_model_close(m);
  return internal_fail(error, &err);
}

int gpt2rtl_model_open(struct gpt2rtl_model **model, const char *folder,
                       struct gpt2rtl_error *error) {
  if (!model) return internal_fail_text(error, "there is no place for the model: NULL");
  *model = NULL;
  return folder ? open_model(model, NULL, folder, error)
                : internal_fail_text(error, "the model's folder is NULL");
}

int gpt2rtl_model_open_image(struct gpt2rtl_model **model, const char *image, const char *folder,
                             struct gpt2rtl_error *error) {
  if (!model) return internal_fail_text(error, "there is no place for the model: NULL");
  *model = NULL;
  return image ? open_model(model, image, folder, error)
               : internal_fail_text(error, "the image's name is NULL");
}

void gpt2rtl_model_close(struct gpt2rtl_model *m) {
  if (!m) return;
  tokenizer_free(m->tokenizer);
  free(m->folder);
  free(m->image);
  free(m);
}

// -------------------------------------------------------------------------------------------- text

struct gpt2rtl_shape gpt2rtl_model_shape(const struct gpt2rtl_model *m) {
  if (!m) return (struct gpt2rtl_shape){0};
  return (struct gpt2rtl_shape){.layers = (uint32_t)m->config.n_layer,
                                .heads = (uint32_t)m->config.n_head,
                                .width = (uint32_t)m->config.n_embd,
                                .context = (uint32_t)m->config.n_ctx,
                                .vocabulary = (uint32_t)m->config.vocab_size};
}

bool gpt2rtl_has_tokenizer(const struct gpt2rtl_model *m, struct gpt2rtl_error *error) {
  if (!m) internal_fail_text(error, "the model is NULL");
  else if (!m->tokenizer) internal_fail(error, &m->no_tokenizer);
  return m && m->tokenizer;
}

bool gpt2rtl_is_end(const struct gpt2rtl_model *m, uint32_t id) {
  for (size_t i = 0; m && i < m->config.n_eos; i++)
    if (id == m->config.eos_token_ids[i]) return true;
  return false;
}

int gpt2rtl_encode(const struct gpt2rtl_model *m, const char *text, size_t length, uint32_t **ids,
                   size_t *count, struct gpt2rtl_error *error) {
  struct err err;
  if (!ids || !count || (!text && length))
    return internal_fail_text(error, "gpt2rtl_encode takes no NULL");
  *ids = NULL;
  *count = 0;
  if (!gpt2rtl_has_tokenizer(m, error)) return -1;
  return tokenizer_encode(m->tokenizer, text ? text : "", length, ids, count, &err)
             ? internal_fail(error, &err)
             : 0;
}

int gpt2rtl_decode(const struct gpt2rtl_model *m, const uint32_t *ids, size_t count, char **text,
                   size_t *length, struct gpt2rtl_error *error) {
  struct err err;
  if (!text || !length || (!ids && count))
    return internal_fail_text(error, "gpt2rtl_decode takes no NULL");
  *text = NULL;
  *length = 0;
  if (!gpt2rtl_has_tokenizer(m, error)) return -1;
  return tokenizer_decode(m->tokenizer, ids, count, text, length, &err) ? internal_fail(error, &err)
                                                                        : 0;
}

const char *gpt2rtl_token(const struct gpt2rtl_model *m, uint32_t id, size_t *length) {
  size_t n = 0;
  const char *text = m && m->tokenizer ? tokenizer_token(m->tokenizer, id, &n) : NULL;
  if (length) *length = n;
  return text;
}
