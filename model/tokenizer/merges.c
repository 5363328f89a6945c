// SPDX-License-Identifier: Apache-2.0
#include "merges.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "byte_alphabet.h"
#include "file.h"
#include "json_util.h"

struct reader {
  struct bpe *bpe;
  const struct vocabulary *vocabulary;
  const char *path;
  const char *unit;        // "line" or "merge"
  size_t number;           // of the current one, from 1
  unsigned char *scratch;  // room for any line
  struct err *err;
};

struct text {
  const unsigned char *bytes;
  size_t length;
};

static int failed(const struct reader *r, const char *what, struct text left, struct text right) {
  return err_set(r->err, "%s: %s %zu: %s: \"%.*s%s%.*s\"", r->path, r->unit, r->number, what,
                 left.length > 40 ? 40 : (int)left.length, (const char *)left.bytes,
                 !right.bytes ? "" : " ", right.length > 40 ? 40 : (int)right.length,
                 !right.bytes ? "" : (const char *)right.bytes);
}

static int add_pair(const struct reader *r, struct text left, struct text right) {
  long left_bytes = byte_alphabet_decode(r->scratch, left.bytes, left.length);
  long right_bytes = left_bytes < 0
                         ? -1
                         : byte_alphabet_decode(r->scratch + left_bytes, right.bytes, right.length);
  if (right_bytes < 0) return failed(r, "not in the characters that stand for bytes", left, right);
  struct bpe_merge merge = {
      .left = vocabulary_find(r->vocabulary, r->scratch, (size_t)left_bytes),
      .right = vocabulary_find(r->vocabulary, r->scratch + left_bytes, (size_t)right_bytes),
      .result = vocabulary_find(r->vocabulary, r->scratch, (size_t)(left_bytes + right_bytes)),
  };
  if (merge.left == VOCABULARY_NO_TOKEN)
    return failed(r, "the left part is not in the vocabulary", left, right);
  if (merge.right == VOCABULARY_NO_TOKEN)
    return failed(r, "the right part is not in the vocabulary", left, right);
  if (merge.result == VOCABULARY_NO_TOKEN)
    return failed(r, "the merged token is not in the vocabulary", left, right);
  return bpe_add(r->bpe, merge) != 0 ? failed(r, "this merge is repeated", left, right) : 0;
}

// Takes one line, "left right".
static int add_line(const struct reader *r, const unsigned char *line, size_t length) {
  const unsigned char *space = memchr(line, ' ', length);
  struct text left = {line, !space ? 0 : (size_t)(space - line)};
  struct text right = {!space ? line : space + 1, !space ? 0 : length - left.length - 1};
  if (left.length == 0 || right.length == 0 || memchr(right.bytes, ' ', right.length) != NULL) {
    return failed(r, "expected two tokens separated by one space", (struct text){line, length},
                  (struct text){NULL, 0});
  }
  return add_pair(r, left, right);
}

static int add_merges(struct reader *r, const unsigned char *text, size_t size) {
  static const char version[] = "#version";
  for (size_t begin = 0; begin < size;) {
    const unsigned char *line = text + begin;
    const unsigned char *newline = memchr(line, '\n', size - begin);
    size_t length = !newline ? size - begin : (size_t)(newline - line);
    begin += length + 1;
    r->number++;
    if (length > 0 && line[length - 1] == '\r') length--;
    bool heading = r->number == 1 && length >= sizeof version - 1 &&
                   memcmp(line, version, sizeof version - 1) == 0;
    if (length > 0 && !heading && add_line(r, line, length) != 0) return -1;
  }
  return 0;
}

int merges_load(struct bpe *bpe, const struct vocabulary *vocabulary, const char *path,
                struct err *err) {
  *bpe = (struct bpe){0};
  struct file_map map;
  if (file_map_open(&map, path, err) != 0) return -1;
  if (map.size > JSON_MAX_BYTES) {
    file_map_close(&map);
    return err_set(err, "%s: more than %d bytes of merges", path, JSON_MAX_BYTES);
  }
  size_t lines = 1;
  for (size_t i = 0; i < map.size; i++) lines += map.data[i] == '\n';
  struct reader r = {.bpe = bpe,
                     .vocabulary = vocabulary,
                     .path = path,
                     .unit = "line",
                     .err = err};
  r.scratch = malloc(map.size + 1);
  int result = !r.scratch ? err_memory(err, path) : bpe_create(bpe, lines, err);
  if (result == 0) result = add_merges(&r, map.data, map.size);
  free(r.scratch);
  file_map_close(&map);
  return result;
}

static struct text text_of(const cJSON *item) {
  struct text text = {(const unsigned char *)"", 0};
  if (cJSON_IsString(item))
    text = (struct text){(const unsigned char *)item->valuestring, strlen(item->valuestring)};
  return text;
}

// Takes one entry of the list.
static int add_entry(struct reader *r, const cJSON *entry) {
  struct text whole = text_of(entry), left = text_of(cJSON_GetArrayItem(entry, 0)),
              right = text_of(cJSON_GetArrayItem(entry, 1));
  bool pair =
      cJSON_IsArray(entry) && cJSON_GetArraySize(entry) == 2 && left.length > 0 && right.length > 0;
  if (!pair && !cJSON_IsString(entry)) {
    return failed(r, "expected \"left right\" or [\"left\", \"right\"]", whole,
                  (struct text){NULL, 0});
  }
  unsigned char *larger = realloc(r->scratch, whole.length + left.length + right.length + 1);
  if (!larger) return err_memory(r->err, r->path);
  r->scratch = larger;
  return pair ? add_pair(r, left, right) : add_line(r, whole.bytes, whole.length);
}

int merges_read(struct bpe *bpe, const struct vocabulary *vocabulary, const cJSON *list,
                const char *path, struct err *err) {
  struct reader r = {.bpe = bpe,
                     .vocabulary = vocabulary,
                     .path = path,
                     .unit = "merge",
                     .err = err};
  *bpe = (struct bpe){0};
  int result = bpe_create(bpe, (size_t)cJSON_GetArraySize(list), err);
  const cJSON *entry;
  cJSON_ArrayForEach(entry, list) {
    r.number++;
    if (result != 0 || (result = add_entry(&r, entry)) != 0) break;
  }
  free(r.scratch);
  return result;
}
