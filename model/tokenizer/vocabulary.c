// SPDX-License-Identifier: Apache-2.0
#include "vocabulary.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "byte_alphabet.h"
#include "config.h"
#include "json_util.h"

// The slot that holds the token with these bytes, or the empty one where it belongs.
static uint32_t *find_slot(const struct vocabulary *v, const unsigned char *bytes, size_t length) {
  uint64_t hash = 0xCBF29CE484222325u;  // FNV-1a
  for (size_t i = 0; i < length; i++) hash = (hash ^ bytes[i]) * 0x100000001B3u;
  for (size_t i = (size_t)(hash ^ hash >> 32);; i++) {
    uint32_t *slot = &v->slots[i & v->slot_mask];
    if (*slot == 0) return slot;
    const struct vocabulary_token *token = &v->tokens[*slot - 1];
    if (token->length == length && memcmp(v->blob + token->begin, bytes, length) == 0) return slot;
  }
}

uint32_t vocabulary_find(const struct vocabulary *vocabulary, const void *bytes, size_t length) {
  uint32_t slot = *find_slot(vocabulary, bytes, length);
  return slot == 0 ? VOCABULARY_NO_TOKEN : slot - 1;
}

// ----------------------------------------------------------------------------------------- reading

struct reader {
  struct vocabulary *v;
  size_t used;            // bytes of the blob in use
  unsigned char *awaits;  // [count] 1: an added token that the object may still repeat
  const char *path;
  struct err *err;
};

static int read_id(const struct reader *r, const char *text, const cJSON *item, size_t *id) {
  return json_integer(item, 0, r->v->count - 1, id) == 0
             ? 0
             : err_set(r->err,
                       "%s: token \"%.60s\": expected an id of 0..%zu, as there are %zu tokens",
                       r->path, text, r->v->count - 1, r->v->count);
}

// Gives id the next length bytes of the blob.
static int take(struct reader *r, const char *text, size_t id, size_t length) {
  struct vocabulary *v = r->v;
  uint32_t *slot = find_slot(v, v->blob + r->used, length);
  if (v->tokens[id].length != 0 || *slot != 0) {
    return err_set(r->err, "%s: token \"%.60s\", id %zu: this %s is repeated", r->path, text, id,
                   *slot != 0 ? "token" : "id");
  }
  v->tokens[id] = (struct vocabulary_token){.begin = r->used, .length = length};
  *slot = (uint32_t)id + 1;
  r->used += length;
  if (v->longest < length) v->longest = length;
  return 0;
}

// Takes one entry of the object.
static int add_token(struct reader *r, const cJSON *entry) {
  const char *text = entry->string;
  const struct vocabulary *v = r->v;
  size_t id;
  if (read_id(r, text, entry, &id) != 0) return -1;
  if (r->awaits[id] != 0 && v->tokens[id].length == strlen(text) &&
      memcmp(v->blob + v->tokens[id].begin, text, v->tokens[id].length) == 0) {
    r->awaits[id] = 0;
    return 0;
  }
  long length = byte_alphabet_decode(v->blob + r->used, (const unsigned char *)text, strlen(text));
  if (length <= 0) {
    return err_set(r->err, "%s: token \"%.60s\", id %zu, is %s", r->path, text, id,
                   length == 0 ? "empty" : "not in the characters that stand for bytes");
  }
  return take(r, text, id, (size_t)length);
}

static int compare_keys(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// The object's keys, sorted, because cJSON would search all of them for each added token.
struct keys {
  const char **list;
  size_t count;
};

static int keys_make(struct keys *keys, const cJSON *tokens, size_t count, struct err *err) {
  const cJSON *entry;
  *keys = (struct keys){.list = malloc((count + 1) * sizeof *keys->list)};
  if (!keys->list) return err_memory(err, "the vocabulary");
  cJSON_ArrayForEach(entry, tokens) { keys->list[keys->count++] = entry->string; }
  qsort(keys->list, keys->count, sizeof *keys->list, compare_keys);
  return 0;
}

static bool is_in(const struct keys *keys, const char *text) {
  return bsearch(&text, keys->list, keys->count, sizeof *keys->list, compare_keys) != NULL;
}

static const char *content_of(const cJSON *added) {
  return cJSON_GetObjectItemCaseSensitive(added, "content")->valuestring;
}

// Takes one entry of the list.
static int add_added(struct reader *r, const cJSON *entry, bool in_object) {
  const char *text = content_of(entry);
  size_t id, length = strlen(text);
  if (read_id(r, text, cJSON_GetObjectItemCaseSensitive(entry, "id"), &id) != 0) return -1;
  if (length == 0) return err_set(r->err, "%s: added token of id %zu is empty", r->path, id);
  memcpy(r->v->blob + r->used, text, length);
  r->awaits[id] = in_object;
  return take(r, text, id, length);
}

static int add_all(struct reader *r, const struct keys *keys, const cJSON *tokens,
                   const cJSON *added) {
  const cJSON *entry;
  cJSON_ArrayForEach(entry, added) {
    if (add_added(r, entry, is_in(keys, content_of(entry))) != 0) return -1;
  }
  cJSON_ArrayForEach(entry, tokens) {
    if (add_token(r, entry) != 0) return -1;
  }
  return 0;
}

static int read_all(struct vocabulary *v, const struct keys *keys, const cJSON *tokens,
                    const cJSON *added, const char *path, struct err *err) {
  size_t text = 0;
  const cJSON *entry;
  v->count = keys->count;
  for (size_t i = 0; i < keys->count; i++) text += strlen(keys->list[i]);
  cJSON_ArrayForEach(entry, added) {
    text += strlen(content_of(entry));
    v->count += !is_in(keys, content_of(entry));
  }
  if (v->count == 0 || v->count > CONFIG_MAX_VOCAB)
    return err_set(err, "%s: %zu tokens, expected 1..%d", path, v->count, CONFIG_MAX_VOCAB);
  size_t slots = 4;
  while (slots < 2 * v->count) slots *= 2;
  struct reader r = {.v = v, .path = path, .err = err};
  v->tokens = calloc(v->count, sizeof *v->tokens);
  v->slots = calloc(slots, sizeof *v->slots);
  v->slot_mask = slots - 1;
  v->blob = malloc(text + 1);
  r.awaits = calloc(v->count, 1);
  int result = !v->tokens || !v->slots || !v->blob || !r.awaits ? err_memory(err, "the vocabulary")
                                                                : add_all(&r, keys, tokens, added);
  free(r.awaits);
  return result;
}

int vocabulary_read(struct vocabulary *v, const cJSON *tokens, const cJSON *added, const char *path,
                    struct err *err) {
  struct keys keys;
  const size_t count = (size_t)cJSON_GetArraySize(tokens);
  *v = (struct vocabulary){0};
  if (count > CONFIG_MAX_VOCAB)
    return err_set(err, "%s: %zu tokens, expected 1..%d", path, count, CONFIG_MAX_VOCAB);
  if (keys_make(&keys, tokens, count, err) != 0) return -1;
  const int result = read_all(v, &keys, tokens, added, path, err);
  free(keys.list);
  return result;
}

void vocabulary_free(struct vocabulary *vocabulary) {
  free(vocabulary->tokens);
  free(vocabulary->slots);
  free(vocabulary->blob);
  *vocabulary = (struct vocabulary){0};
}
