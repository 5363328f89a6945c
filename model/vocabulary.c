// SPDX-License-Identifier: Apache-2.0
#include "vocabulary.h"

#include <stdlib.h>
#include <string.h>

#include "byte_alphabet.h"
#include "config.h"
#include "json_util.h"

// The slot that holds the token with these bytes, or the empty one where it belongs.
static uint32_t *find_slot(const struct vocabulary *v, const unsigned char *bytes, size_t length) {
  uint64_t hash = 0xCBF29CE484222325u;  // FNV-1a
  for (size_t i = 0; i < length; i++) {
    hash = (hash ^ bytes[i]) * 0x100000001B3u;
  }
  for (size_t i = (size_t)(hash ^ hash >> 32);; i++) {
    uint32_t *slot = &v->slots[i & v->slot_mask];
    if (*slot == 0) {
      return slot;
    }
    const struct vocabulary_token *token = &v->tokens[*slot - 1];
    if (token->length == length && memcmp(v->blob + token->begin, bytes, length) == 0) {
      return slot;
    }
  }
}

uint32_t vocabulary_find(const struct vocabulary *vocabulary, const void *bytes, size_t length) {
  uint32_t slot = *find_slot(vocabulary, bytes, length);
  return slot == 0 ? VOCABULARY_NO_TOKEN : slot - 1;
}

// Takes one entry of vocab.json. *used is the part of the blob that is taken.
static int add_token(struct vocabulary *v, const cJSON *entry, size_t *used, const char *path,
                     struct err *err) {
  const char *text = entry->string;
  unsigned char *bytes = v->blob + *used;
  size_t id;
  if (json_integer(entry, 0, v->count - 1, &id) != 0) {
    return err_set(err, "%s: token \"%.60s\": expected an id of 0..%zu, as there are %zu tokens",
                   path, text, v->count - 1, v->count);
  }
  long length = byte_alphabet_decode(bytes, (const unsigned char *)text, strlen(text));
  if (length <= 0) {
    return err_set(err, "%s: token \"%.60s\", id %zu, is %s", path, text, id,
                   length == 0 ? "empty" : "not in the characters that stand for bytes");
  }
  uint32_t *slot = find_slot(v, bytes, (size_t)length);
  if (v->tokens[id].length != 0 || *slot != 0) {
    return err_set(err, "%s: token \"%.60s\", id %zu: this %s comes twice", path, text, id,
                   *slot != 0 ? "token" : "id");
  }
  v->tokens[id] = (struct vocabulary_token){.begin = *used, .length = (size_t)length};
  *slot = (uint32_t)id + 1;
  *used += (size_t)length;
  if (v->longest < (size_t)length) {
    v->longest = (size_t)length;
  }
  return 0;
}

static int add_tokens(struct vocabulary *v, const cJSON *root, const char *path,
                      struct err *err) {
  size_t text = 0;
  const cJSON *entry;
  cJSON_ArrayForEach(entry, root) {
    text += strlen(entry->string);
    v->count++;
  }
  if (v->count == 0 || v->count > CONFIG_MAX_VOCAB) {
    return err_set(err, "%s: %zu tokens, expected 1..%d", path, v->count, CONFIG_MAX_VOCAB);
  }
  size_t slots = 4;
  while (slots < 2 * v->count) {
    slots *= 2;
  }
  v->tokens = calloc(v->count, sizeof *v->tokens);
  v->slots = calloc(slots, sizeof *v->slots);
  v->slot_mask = slots - 1;
  v->blob = malloc(text + 1);
  if (v->tokens == NULL || v->slots == NULL || v->blob == NULL) {
    return err_memory(err, "the vocabulary");
  }
  size_t used = 0;
  cJSON_ArrayForEach(entry, root) {
    if (add_token(v, entry, &used, path, err) != 0) {
      return -1;
    }
  }
  return 0;
}

int vocabulary_load(struct vocabulary *vocabulary, const char *path, struct err *err) {
  *vocabulary = (struct vocabulary){0};
  cJSON *root;
  if (json_read(&root, path, err) != 0) {
    return -1;
  }
  int result = add_tokens(vocabulary, root, path, err);
  cJSON_Delete(root);
  return result;
}

void vocabulary_free(struct vocabulary *vocabulary) {
  free(vocabulary->tokens);
  free(vocabulary->slots);
  free(vocabulary->blob);
  *vocabulary = (struct vocabulary){0};
}
