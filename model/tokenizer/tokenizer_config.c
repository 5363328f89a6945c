// SPDX-License-Identifier: Apache-2.0
#include "tokenizer_config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "config.h"
#include "json_util.h"

static const char end_of_text[] = "<|endoftext|>";
static const char config_file[] = "tokenizer_config.json", map_file[] = "special_tokens_map.json",
                  added_file[] = "added_tokens.json", decoder_key[] = "added_tokens_decoder";

static const cJSON *member(const cJSON *object, const char *name) {
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
  return cJSON_IsNull(item) ? NULL : item;
}

static const char *content_of(const cJSON *token) {
  const cJSON *content = cJSON_IsString(token) ? token : member(token, "content");
  return cJSON_IsString(content) ? content->valuestring : NULL;
}

// ------------------------------------------------------------------------------------------ tokens

// What a token may ask for and is not implemented here.
static int check_token(const cJSON *token, const char *path, struct err *err) {
  static const char *const off[] = {"lstrip", "rstrip", "single_word"};
  for (size_t i = 0; i < sizeof off / sizeof off[0]; i++) {
    const cJSON *item = member(token, off[i]);
    if (item && !cJSON_IsFalse(item)) {
      return err_set(err, "%s: added token \"%.60s\"'s %s is on: GPT-2's tokenizer has none", path,
                     content_of(token), off[i]);
    }
  }
  return 0;
}

static int check_count(const cJSON *list, const char *path, struct err *err) {
  return cJSON_GetArraySize(list) <= TOKENIZER_MAX_ADDED
             ? 0
             : err_set(err, "%s: more than %d added tokens", path, TOKENIZER_MAX_ADDED);
}

// AddedToken's default: special tokens are not normalized.
static bool is_normalized(const cJSON *token, bool special) {
  const cJSON *normalized = member(token, "normalized"), *flag = member(token, "special");
  return normalized ? cJSON_IsTrue(normalized) : !(special || cJSON_IsTrue(flag));
}

static cJSON *find_token(const cJSON *list, const char *content) {
  cJSON *entry;
  cJSON_ArrayForEach(entry, list) {
    if (strcmp(content_of(entry), content) == 0) return entry;
  }
  return NULL;
}

static int put_token(cJSON *list, const char *content, double id, bool normalized,
                     struct err *err) {
  cJSON *entry = cJSON_CreateObject();
  if (!entry || cJSON_AddStringToObject(entry, "content", content) == NULL ||
      cJSON_AddNumberToObject(entry, "id", id) == NULL ||
      cJSON_AddBoolToObject(entry, "normalized", normalized) == NULL ||
      !cJSON_AddItemToArray(list, entry)) {
    cJSON_Delete(entry);
    return err_memory(err, "the added tokens");
  }
  return 0;
}

// --------------------------------------------------------------------------- added tokens with ids

// Inserts in the order of ids, so that the next token without an id comes after all of them.
static int put_by_id(cJSON *list, const char *content, size_t id, bool normalized,
                     struct err *err) {
  int place = 0;
  const cJSON *entry;
  cJSON_ArrayForEach(entry, list) {
    if (member(entry, "id")->valuedouble > (double)id) break;
    place++;
  }
  if (put_token(list, content, (double)id, normalized, err) != 0) return -1;
  cJSON *last = cJSON_DetachItemFromArray(list, cJSON_GetArraySize(list) - 1);
  return cJSON_InsertItemInArray(list, place, last) ? 0 : err_memory(err, "the added tokens");
}

static int read_decoder(struct tokenizer_config *c, const cJSON *decoder, const char *path,
                        struct err *err) {
  const cJSON *token;
  if (!cJSON_IsObject(decoder)) return err_set(err, "%s: %s is not an object", path, decoder_key);
  if (check_count(decoder, path, err) != 0) return -1;
  cJSON_ArrayForEach(token, decoder) {
    const char *content = content_of(token);
    char *end;
    const unsigned long id = strtoul(token->string, &end, 10);
    if (token->string[0] < '0' || token->string[0] > '9' || *end != '\0' || id > UINT32_MAX ||
        !cJSON_IsObject(token) || !content || content[0] == '\0') {
      return err_set(err, "%s: %s has \"%.40s\", expected an id with a token's content", path,
                     decoder_key, token->string);
    }
    if (check_token(token, path, err) != 0 ||
        put_by_id(c->added, content, id, is_normalized(token, false), err) != 0)
      return -1;
  }
  return 0;
}

static int read_added(struct tokenizer_config *c, const cJSON *root, const char *path,
                      struct err *err) {
  const cJSON *item;
  if (check_count(root, path, err) != 0) return -1;
  cJSON_ArrayForEach(item, root) {
    size_t id;
    if (item->string[0] == '\0' || json_integer(item, 0, UINT32_MAX, &id) != 0) {
      return err_set(err, "%s: token \"%.60s\" has no id, expected {\"token\": id, ...}", path,
                     item->string);
    }
    const bool special = find_token(c->special, item->string) != NULL;
    if (put_by_id(c->added, item->string, id, !special, err) != 0) return -1;
  }
  return 0;
}

// ---------------------------------------------------------------------------------- special tokens

static int put_special(struct tokenizer_config *c, const cJSON *token, const char *path,
                       struct err *err) {
  const char *content = content_of(token);
  if (!content || content[0] == '\0') {
    return err_set(err, "%s: special token %.40s has no text", path,
                   !token->string ? "of a list" : token->string);
  }
  if (find_token(c->special, content) != NULL) return 0;
  return check_count(c->special, path, err) != 0 || check_token(token, path, err) != 0
             ? -1
             : put_token(c->special, content, -1, is_normalized(token, true), err);
}

static int put_specials(struct tokenizer_config *c, const cJSON *list, const char *path,
                        struct err *err) {
  const cJSON *token;
  cJSON_ArrayForEach(token, list) {
    if (put_special(c, token, path, err) != 0) return -1;
  }
  return 0;
}

static bool ends_with_token(const char *name) {
  static const char suffix[] = "_token";
  const size_t length = strlen(name);
  return length >= sizeof suffix && strcmp(name + length - (sizeof suffix - 1), suffix) == 0;
}

static int copy_text(char **copy, const cJSON *token, struct err *err) {
  const char *content = !token ? NULL : content_of(token);
  *copy = !content ? NULL : strdup(content);
  return content && !*copy ? err_memory(err, "a special token") : 0;
}

// All special tokens of settings, in transformers' order, because it numbers new ones in that
// order.
static int read_special(struct tokenizer_config *c, const cJSON *settings, const char *path,
                        struct err *err) {
  static const char *const names[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                      "pad_token", "cls_token", "mask_token"};
  static const char *const lists[] = {"extra_special_tokens", "additional_special_tokens"};
  const size_t by_default = 3;  // of the names are <|endoftext|> if nothing is given
  cJSON *fallback = cJSON_CreateString(end_of_text);
  const cJSON *bos = NULL, *eos = NULL, *token;
  int result = !fallback ? err_memory(err, "the special tokens") : 0;
  for (size_t i = 0; i < sizeof names / sizeof names[0] && result == 0; i++) {
    token = cJSON_GetObjectItemCaseSensitive(settings, names[i]);
    token = !token && i < by_default ? fallback : cJSON_IsNull(token) ? NULL : token;
    result = !token ? 0 : put_special(c, token, path, err);
    bos = i == 0 ? token : bos;
    eos = i == 1 ? token : eos;
  }
  if (result == 0)
    result = copy_text(&c->bos, bos, err) != 0 || copy_text(&c->eos, eos, err) != 0 ? -1 : 0;
  cJSON_ArrayForEach(token, settings) {  // names of the model's own; those above are already there
    if (result == 0 && ends_with_token(token->string) && content_of(token) != NULL)
      result = put_special(c, token, path, err);
  }
  for (size_t i = 0; i < sizeof lists / sizeof lists[0] && result == 0; i++) {
    token = member(settings, lists[i]);
    if (token && token->child) {
      result = put_specials(c, token, path, err);
      break;
    }
  }
  cJSON_Delete(fallback);
  return result;
}

// --------------------------------------------------------------------------------------- the files

// Reads dir/name. *root is NULL if there is no such file, or dir is NULL.
static int read_optional(cJSON **root, char path[static FILE_PATH_SIZE], const char *dir,
                         const char *name, struct err *err) {
  *root = NULL;
  path[0] = '\0';
  if (!dir) return 0;
  return file_join(path, dir, name, err) != 0 ? -1
         : !file_exists(path)                 ? 0
                                              : json_read(root, path, err);
}

static int read_flag(const cJSON *settings, const char *name, bool *given, bool *value,
                     const char *path, struct err *err) {
  const cJSON *item = member(settings, name);
  if (item && !cJSON_IsBool(item))
    return err_set(err, "%s: %s is neither true nor false", path, name);
  *given = item != NULL;
  *value = cJSON_IsTrue(item);
  return 0;
}

static int read_flags(struct tokenizer_config *c, const cJSON *settings, const char *path,
                      struct err *err) {
  bool given, split = false;
  if (read_flag(settings, "add_prefix_space", &c->has_prefix_space, &c->add_prefix_space, path,
                err) != 0 ||
      read_flag(settings, "add_bos_token", &given, &c->add_bos, path, err) != 0 ||
      read_flag(settings, "add_eos_token", &given, &c->add_eos, path, err) != 0 ||
      read_flag(settings, "split_special_tokens", &given, &split, path, err) != 0)
    return -1;
  return split ? err_set(err, "%s: split_special_tokens is on: here special tokens are kept whole",
                         path)
               : 0;
}

// Replaces the fields of settings by those of map.
static int overlay(cJSON *settings, cJSON *map, struct err *err) {
  while (map && map->child) {
    cJSON *item = cJSON_DetachItemViaPointer(map, map->child);
    char *name = strdup(item->string);
    cJSON_DeleteItemFromObjectCaseSensitive(settings, item->string);
    const bool done = name && cJSON_AddItemToObject(settings, name, item);
    free(name);
    if (!done) {
      cJSON_Delete(item);
      return err_memory(err, "the special tokens");
    }
  }
  return 0;
}

// settings is tokenizer_config.json, or an empty object.
static int read_all(struct tokenizer_config *c, cJSON *settings, const char *path, const char *dir,
                    struct err *err) {
  char map_path[FILE_PATH_SIZE], other[FILE_PATH_SIZE];
  const cJSON *decoder = cJSON_GetObjectItemCaseSensitive(settings, decoder_key);
  cJSON *map = NULL, *added = NULL;
  int result = read_flags(c, settings, path, err);
  if (result == 0 && !decoder &&
      (read_optional(&map, map_path, dir, map_file, err) != 0 || overlay(settings, map, err) != 0 ||
       read_optional(&added, other, dir, added_file, err) != 0))
    result = -1;
  if (result == 0) {
    c->added_file = !decoder ? added_file : config_file;
    result = read_special(c, settings, map ? map_path : path, err) != 0 ? -1
             : decoder ? read_decoder(c, decoder, path, err)
                       : read_added(c, added, other, err);
  }
  cJSON_Delete(map);
  cJSON_Delete(added);
  return result;
}

int tokenizer_config_read(struct tokenizer_config *config, const char *dir, struct err *err) {
  char path[FILE_PATH_SIZE];
  cJSON *settings;
  *config = (struct tokenizer_config){.added = cJSON_CreateArray(), .special = cJSON_CreateArray()};
  if (!config->added || !config->special) return err_memory(err, "the added tokens");
  if (read_optional(&settings, path, dir, config_file, err) != 0) return -1;
  if (!settings && (settings = cJSON_CreateObject()) == NULL) return err_memory(err, path);
  int result = read_all(config, settings, path, dir, err);
  cJSON_Delete(settings);
  return result;
}

void tokenizer_config_free(struct tokenizer_config *config) {
  free(config->bos);
  free(config->eos);
  cJSON_Delete(config->added);
  cJSON_Delete(config->special);
  *config = (struct tokenizer_config){0};
}

// ------------------------------------------------------------------------------------ all together

struct merge {
  cJSON *list;
  const cJSON *vocab;
  const char *path;  // of the file with the vocabulary
  size_t tokens;     // of vocab and list together
  struct err *err;
};

static int add(struct merge *m, const char *content, size_t id, bool normalized) {
  m->tokens += cJSON_GetObjectItemCaseSensitive(m->vocab, content) == NULL;
  return put_token(m->list, content, (double)id, normalized, m->err);
}

static int add_listed(struct merge *m, const cJSON *listed) {
  const cJSON *entry;
  size_t number = 0;
  cJSON_ArrayForEach(entry, listed) {
    const char *content = cJSON_IsObject(entry) ? content_of(entry) : NULL;
    size_t id;
    if (!content || json_integer(member(entry, "id"), 0, UINT32_MAX, &id) != 0)
      return err_set(m->err, "%s: added_tokens[%zu] lacks a content or an id", m->path, number);
    if (check_token(entry, m->path, m->err) != 0 ||
        add(m, content, id, is_normalized(entry, false)) != 0)
      return -1;
    number++;
  }
  return 0;
}

// The token of another content that has the id; NULL if the id is free.
static const char *owner_of(const struct merge *m, size_t id) {
  const cJSON *entry;
  cJSON_ArrayForEach(entry, m->list) {
    if (member(entry, "id")->valuedouble == (double)id) return content_of(entry);
  }
  return id < (size_t)cJSON_GetArraySize(m->vocab) ? "of the vocabulary" : NULL;
}

// Adds a token of the smaller files. A known token must have the same id there; a new one must have
// a free id.
static int add_configured(struct merge *m, const cJSON *entry, const char *file) {
  const char *content = content_of(entry), *owner = NULL;
  const size_t id = (size_t)member(entry, "id")->valuedouble;
  const cJSON *there = find_token(m->list, content);
  const cJSON *known =
      there ? member(there, "id") : cJSON_GetObjectItemCaseSensitive(m->vocab, content);
  size_t known_id = id;
  if (known && json_integer(known, 0, UINT32_MAX, &known_id) != 0)
    return 0;  // vocabulary_read reports this error
  if (known_id != id) {
    return err_set(m->err,
                   "%s beside %s: token \"%.60s\" has id %zu, expected %zu, which it has there",
                   file, m->path, content, id, known_id);
  }
  if (!known && (owner = owner_of(m, id)) != NULL) {
    return err_set(m->err,
                   "%s beside %s: token \"%.60s\" has id %zu, which is another token's: %.60s",
                   file, m->path, content, id, owner);
  }
  return there ? 0 : add(m, content, id, is_normalized(entry, false));
}

static int check_gap(const struct merge *m, const cJSON *entry, const char *file) {
  const double id = member(entry, "id")->valuedouble;
  return id < (double)m->tokens
             ? 0
             : err_set(m->err,
                       "%s beside %s: token \"%.60s\" has id %.0f, but there are %zu tokens: "
                       "expected ids without a gap",
                       file, m->path, content_of(entry), id, m->tokens);
}

static int add_special(struct merge *m, const cJSON *entry) {
  const char *content = content_of(entry);
  const cJSON *known = cJSON_GetObjectItemCaseSensitive(m->vocab, content);
  size_t id = m->tokens;
  if (find_token(m->list, content) != NULL || (!known && strcmp(content, end_of_text) == 0) ||
      (known && json_integer(known, 0, UINT32_MAX, &id) != 0))
    return 0;
  return add(m, content, id, is_normalized(entry, true));
}

int tokenizer_config_merge(const struct tokenizer_config *config, const cJSON *vocab,
                           const cJSON *listed, const char *path, cJSON **added, struct err *err) {
  struct merge m = {.list = cJSON_CreateArray(), .vocab = vocab, .path = path, .err = err};
  const cJSON *entry;
  *added = m.list;
  m.tokens = (size_t)cJSON_GetArraySize(vocab);
  if (!m.list) return err_memory(err, "the added tokens");
  if (m.tokens > CONFIG_MAX_VOCAB) {  // before the search for each added token among them
    cJSON_Delete(m.list);
    *added = NULL;
    return err_set(err, "%s: %zu tokens, expected 1..%d", path, m.tokens, CONFIG_MAX_VOCAB);
  }
  int result = check_count(listed, path, err) != 0 ? -1 : add_listed(&m, listed);
  cJSON_ArrayForEach(entry, config->added) {
    if (result == 0) result = add_configured(&m, entry, config->added_file);
  }
  cJSON_ArrayForEach(entry, config->added) {
    if (result == 0) result = check_gap(&m, entry, config->added_file);
  }
  cJSON_ArrayForEach(entry, config->special) {
    if (result == 0) result = add_special(&m, entry);
  }
  if (result != 0) {
    cJSON_Delete(m.list);
    *added = NULL;
  }
  return result;
}
