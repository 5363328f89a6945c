// SPDX-License-Identifier: Apache-2.0
#include "tokenizer_json.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_util.h"
#include "merges.h"

struct reader {
  const char *path;
  struct err *err;
};

static const cJSON *member(const cJSON *object, const char *name) {
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
  return cJSON_IsNull(item) ? NULL : item;
}

// ---- what must be GPT-2's -----------------------------------------------------------------------

// object.name is absent, null, or equal in effect to that: false, 0 or "".
static int require_off(const struct reader *r, const cJSON *object, const char *part,
                       const char *name) {
  const cJSON *item = member(object, name);
  if (item == NULL || cJSON_IsFalse(item) || (cJSON_IsNumber(item) && item->valuedouble == 0) ||
      (cJSON_IsString(item) && item->valuestring[0] == '\0')) {
    return 0;
  }
  return err_set(r->err, "%s: %s's %s is on: GPT-2's tokenizer has none", r->path, part, name);
}

// The step called name has that type; where it may be absent, that is well too.
static int require_type(const struct reader *r, const cJSON *root, const char *name,
                        const char *type, bool optional) {
  const cJSON *step = member(root, name);
  if (step == NULL && optional) {
    return 0;
  }
  const cJSON *found = member(step, "type");
  if (found == NULL && optional) {
    return 0;
  }
  if (cJSON_IsString(found) && strcmp(found->valuestring, type) == 0) {
    return 0;
  }
  return err_set(r->err, "%s: %s is %.40s, expected %s as GPT-2's", r->path, name,
                 step == NULL              ? "absent"
                 : cJSON_IsString(found) ? found->valuestring
                                         : "of no type",
                 type);
}

static int check_steps(const struct reader *r, const cJSON *root, const cJSON *model) {
  static const char *const off[] = {"dropout", "byte_fallback", "ignore_merges",
                                    "continuing_subword_prefix", "end_of_word_suffix"};
  const cJSON *cut = member(root, "pre_tokenizer"), *regex = member(cut, "use_regex");
  if (member(root, "normalizer") != NULL) {
    return err_set(r->err, "%s: a normalizer is there, expected null: GPT-2 takes text as it is",
                   r->path);
  }
  if (require_type(r, root, "model", "BPE", true) != 0 ||
      require_type(r, root, "pre_tokenizer", "ByteLevel", false) != 0 ||
      require_type(r, root, "post_processor", "ByteLevel", true) != 0 ||
      require_type(r, root, "decoder", "ByteLevel", true) != 0 ||
      require_off(r, cut, "pre_tokenizer", "add_prefix_space") != 0) {
    return -1;
  }
  if (regex != NULL && !cJSON_IsTrue(regex)) {
    return err_set(r->err, "%s: pre_tokenizer's use_regex is off: GPT-2's cuts by its pattern", r->path);
  }
  for (size_t i = 0; i < sizeof off / sizeof off[0]; i++) {
    if (require_off(r, model, "model", off[i]) != 0) {
      return -1;
    }
  }
  return 0;
}

// ---- added tokens -------------------------------------------------------------------------------

static int read_added(const struct reader *r, const cJSON *list, uint32_t **added,
                      size_t *n_added) {
  static const char *const off[] = {"lstrip", "rstrip", "single_word"};
  const cJSON *entry;
  *added = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof **added);
  if (*added == NULL) {
    return err_memory(r->err, "the added tokens");
  }
  cJSON_ArrayForEach(entry, list) {
    const cJSON *content = member(entry, "content");
    char what[80];
    size_t id;
    if (!cJSON_IsString(content) || json_integer(member(entry, "id"), 0, UINT32_MAX, &id) != 0) {
      return err_set(r->err, "%s: added_tokens[%zu] lacks a content or an id", r->path, *n_added);
    }
    snprintf(what, sizeof what, "added token \"%.60s\"", content->valuestring);
    for (size_t i = 0; i < sizeof off / sizeof off[0]; i++) {
      if (require_off(r, entry, what, off[i]) != 0) {
        return -1;
      }
    }
    (*added)[(*n_added)++] = (uint32_t)id;
  }
  return 0;
}

int tokenizer_json_read(struct vocabulary *vocabulary, struct bpe *bpe, uint32_t **added,
                        size_t *n_added, const char *path, struct err *err) {
  const struct reader r = {.path = path, .err = err};
  cJSON *root;
  *vocabulary = (struct vocabulary){0};
  *bpe = (struct bpe){0};
  *added = NULL;
  *n_added = 0;
  if (json_read(&root, path, err) != 0) {
    return -1;
  }
  const cJSON *model = member(root, "model"), *list = member(root, "added_tokens");
  const cJSON *vocab = member(model, "vocab"), *merges = member(model, "merges");
  int result = 0;
  if (check_steps(&r, root, model) != 0) {
    result = -1;
  } else if (!cJSON_IsObject(vocab) || !cJSON_IsArray(merges)) {
    result = err_set(err, "%s: model.%s is missing", path, cJSON_IsObject(vocab) ? "merges" : "vocab");
  } else if (list != NULL && !cJSON_IsArray(list)) {
    result = err_set(err, "%s: added_tokens is not a list", path);
  } else if (read_added(&r, list, added, n_added) != 0 ||
             vocabulary_read(vocabulary, vocab, list, path, err) != 0 ||
             merges_read(bpe, vocabulary, merges, path, err) != 0) {
    result = -1;
  }
  cJSON_Delete(root);
  return result;
}
