// SPDX-License-Identifier: Apache-2.0
#include "tokenizer_json.h"

#include <stdbool.h>
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

// ---------------------------------------------------------------------------- what must be GPT-2's

// Whether object.name is absent, null, or false, 0 or "", which have the same effect.
static int require_off(const struct reader *r, const cJSON *object, const char *part,
                       const char *name) {
  const cJSON *item = member(object, name);
  if (!item || cJSON_IsFalse(item) || (cJSON_IsNumber(item) && item->valuedouble == 0) ||
      (cJSON_IsString(item) && item->valuestring[0] == '\0'))
    return 0;
  return err_set(r->err, "%s: %s's %s is on: GPT-2's tokenizer has none", r->path, part, name);
}

// Whether the step called name has that type; if it may be absent, that is also accepted.
static int require_type(const struct reader *r, const cJSON *root, const char *name,
                        const char *type, bool optional) {
  const cJSON *step = member(root, name);
  if (!step && optional) return 0;
  const cJSON *found = member(step, "type");
  if (!found && optional) return 0;
  if (cJSON_IsString(found) && strcmp(found->valuestring, type) == 0) return 0;
  return err_set(r->err, "%s: %s is %.40s, expected %s as GPT-2's", r->path, name,
                 !step                   ? "absent"
                 : cJSON_IsString(found) ? found->valuestring
                                         : "of no type",
                 type);
}

static int check_steps(const struct reader *r, const cJSON *root, const cJSON *model,
                       const struct tokenizer_config *config) {
  static const char *const off[] = {"dropout", "byte_fallback", "ignore_merges",
                                    "continuing_subword_prefix", "end_of_word_suffix"};
  const cJSON *cut = member(root, "pre_tokenizer"), *regex = member(cut, "use_regex");
  const cJSON *prefix_space = member(cut, "add_prefix_space");
  if (member(root, "normalizer") != NULL) {
    return err_set(r->err, "%s: it has a normalizer, expected null: GPT-2 takes text as it is",
                   r->path);
  }
  if (require_type(r, root, "model", "BPE", true) != 0 ||
      require_type(r, root, "pre_tokenizer", "ByteLevel", false) != 0 ||
      require_type(r, root, "decoder", "ByteLevel", true) != 0)
    return -1;
  // The tokenizers library takes it from this file; transformers takes it only from
  // tokenizer_config.json.
  if (prefix_space && !cJSON_IsFalse(prefix_space) && !config->has_prefix_space) {
    return err_set(r->err,
                   "%s: pre_tokenizer's add_prefix_space is on, and tokenizer_config.json does not "
                   "say so: libraries then differ; write \"add_prefix_space\" there",
                   r->path);
  }
  if (regex && !cJSON_IsTrue(regex)) {
    return err_set(r->err, "%s: pre_tokenizer's use_regex is off: GPT-2's splits by its pattern",
                   r->path);
  }
  for (size_t i = 0; i < sizeof off / sizeof off[0]; i++)
    if (require_off(r, model, "model", off[i]) != 0) return -1;
  return 0;
}

// ----------------------------------------------------------------------- what surrounds a text

// Appends the ids of a special token of the template.
static int add_special(const struct reader *r, uint32_t **ids, size_t *count,
                       const cJSON *processor, const cJSON *piece, size_t vocab_size) {
  const cJSON *name = member(piece, "id");
  const cJSON *token =
      cJSON_IsString(name) ? member(member(processor, "special_tokens"), name->valuestring) : NULL;
  const cJSON *list = member(token, "ids"), *item;
  if (!cJSON_IsArray(list)) {
    return err_set(r->err,
                   "%s: post_processor's template has a special token \"%.60s\" without ids",
                   r->path, cJSON_IsString(name) ? name->valuestring : "");
  }
  uint32_t *larger = realloc(*ids, (*count + (size_t)cJSON_GetArraySize(list) + 1) * sizeof **ids);
  if (!larger) return err_memory(r->err, "the template");
  *ids = larger;
  cJSON_ArrayForEach(item, list) {
    size_t id;
    if (json_integer(item, 0, vocab_size - 1, &id) != 0) {
      return err_set(r->err, "%s: post_processor's special token \"%.60s\" has no id of 0..%zu",
                     r->path, name->valuestring, vocab_size - 1);
    }
    (*ids)[(*count)++] = (uint32_t)id;
  }
  return 0;
}

// "single": special tokens and, once, the text, {"Sequence": {"id": "A"}}.
static int read_template(const struct reader *r, struct tokenizer_template *around,
                         const cJSON *processor, size_t vocab_size) {
  const cJSON *single = member(processor, "single"), *piece;
  size_t texts = 0;
  if (around->before || around->after)
    return err_set(r->err, "%s: post_processor has two templates", r->path);
  cJSON_ArrayForEach(piece, single) {
    const cJSON *special = member(piece, "SpecialToken"), *text = member(piece, "Sequence");
    const cJSON *name = member(text, "id");
    if (special) {
      if ((texts == 0
               ? add_special(r, &around->before, &around->n_before, processor, special, vocab_size)
               : add_special(r, &around->after, &around->n_after, processor, special,
                             vocab_size)) != 0)
        return -1;
    } else if (cJSON_IsString(name) && strcmp(name->valuestring, "A") == 0) {
      texts++;
    } else {
      texts = 2;
    }
  }
  return texts == 1 ? 0
                    : err_set(r->err,
                              "%s: post_processor's template, expected special tokens and "
                              "once the text, \"A\"",
                              r->path);
}

static int read_processor(const struct reader *r, struct tokenizer_template *around,
                          const cJSON *processor, size_t vocab_size, bool inside) {
  const cJSON *type = member(processor, "type"), *inner;
  const char *name = cJSON_IsString(type) ? type->valuestring : "of no type";
  if (!type || strcmp(name, "ByteLevel") == 0) return 0;
  if (strcmp(name, "TemplateProcessing") == 0)
    return read_template(r, around, processor, vocab_size);
  if (strcmp(name, "Sequence") != 0 || inside) {
    return err_set(r->err,
                   "%s: post_processor is %.40s, expected ByteLevel, TemplateProcessing or a "
                   "Sequence of these",
                   r->path, name);
  }
  cJSON_ArrayForEach(inner, member(processor, "processors")) {
    if (read_processor(r, around, inner, vocab_size, true) != 0) return -1;
  }
  return 0;
}

void tokenizer_template_free(struct tokenizer_template *around) {
  free(around->before);
  free(around->after);
  *around = (struct tokenizer_template){0};
}

// ---------------------------------------------------------------------------------------- the file

int tokenizer_json_read(struct vocabulary *vocabulary, struct bpe *bpe,
                        struct tokenizer_template *around, cJSON **added,
                        const struct tokenizer_config *config, const char *path, struct err *err) {
  const struct reader r = {.path = path, .err = err};
  cJSON *root;
  *vocabulary = (struct vocabulary){0};
  *bpe = (struct bpe){0};
  *around = (struct tokenizer_template){0};
  *added = NULL;
  if (json_read(&root, path, err) != 0) return -1;
  const cJSON *model = member(root, "model"), *list = member(root, "added_tokens");
  const cJSON *vocab = member(model, "vocab"), *merges = member(model, "merges");
  int result = 0;
  if (check_steps(&r, root, model, config) != 0) {
    result = -1;
  } else if (!cJSON_IsObject(vocab) || !cJSON_IsArray(merges)) {
    result =
        err_set(err, "%s: model.%s is missing", path, cJSON_IsObject(vocab) ? "merges" : "vocab");
  } else if (list && !cJSON_IsArray(list)) {
    result = err_set(err, "%s: added_tokens is not a list", path);
  } else if (tokenizer_config_merge(config, vocab, list, path, added, err) != 0 ||
             vocabulary_read(vocabulary, vocab, *added, path, err) != 0 ||
             merges_read(bpe, vocabulary, merges, path, err) != 0 ||
             read_processor(&r, around, member(root, "post_processor"), vocabulary->count, false) !=
                 0) {
    result = -1;
  }
  cJSON_Delete(root);
  return result;
}
