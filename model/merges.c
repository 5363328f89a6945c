// SPDX-License-Identifier: Apache-2.0
#include "merges.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "byte_alphabet.h"
#include "file.h"

struct reader {
  struct bpe *bpe;
  const struct vocabulary *vocabulary;
  const char *path;
  size_t line;             // number of the current line, from 1
  unsigned char *scratch;  // room for any line
  struct err *err;
};

static int line_failed(const struct reader *r, const char *what, const unsigned char *text,
                       size_t length) {
  return err_set(r->err, "%s: line %zu: %s: \"%.*s\"", r->path, r->line, what,
                 length > 60 ? 60 : (int)length, (const char *)text);
}

// Takes one line, "left right".
static int add_merge(const struct reader *r, const unsigned char *text, size_t length) {
  const unsigned char *space = memchr(text, ' ', length);
  size_t left_text = space == NULL ? 0 : (size_t)(space - text);
  size_t right_text = space == NULL ? 0 : length - left_text - 1;
  if (left_text == 0 || right_text == 0 || memchr(space + 1, ' ', right_text) != NULL) {
    return line_failed(r, "expected two tokens with one space between", text, length);
  }
  long left = byte_alphabet_decode(r->scratch, text, left_text);
  long right = left < 0 ? -1 : byte_alphabet_decode(r->scratch + left, space + 1, right_text);
  if (left < 0 || right < 0) {
    return line_failed(r, "not in the characters that stand for bytes", text, length);
  }
  struct bpe_merge merge = {
      .left = vocabulary_find(r->vocabulary, r->scratch, (size_t)left),
      .right = vocabulary_find(r->vocabulary, r->scratch + left, (size_t)right),
      .result = vocabulary_find(r->vocabulary, r->scratch, (size_t)(left + right)),
  };
  if (merge.left == VOCABULARY_NO_TOKEN) {
    return line_failed(r, "the left part is not in the vocabulary", text, length);
  }
  if (merge.right == VOCABULARY_NO_TOKEN) {
    return line_failed(r, "the right part is not in the vocabulary", text, length);
  }
  if (merge.result == VOCABULARY_NO_TOKEN) {
    return line_failed(r, "the merged token is not in the vocabulary", text, length);
  }
  return bpe_add(r->bpe, merge) != 0 ? line_failed(r, "this merge comes twice", text, length) : 0;
}

static int add_merges(struct reader *r, const unsigned char *text, size_t size) {
  static const char version[] = "#version";
  for (size_t begin = 0; begin < size;) {
    const unsigned char *line = text + begin;
    const unsigned char *newline = memchr(line, '\n', size - begin);
    size_t length = newline == NULL ? size - begin : (size_t)(newline - line);
    begin += length + 1;
    r->line++;
    if (length > 0 && line[length - 1] == '\r') {
      length--;
    }
    bool heading = r->line == 1 && length >= sizeof version - 1 &&
                   memcmp(line, version, sizeof version - 1) == 0;
    if (length > 0 && !heading && add_merge(r, line, length) != 0) {
      return -1;
    }
  }
  return 0;
}

int merges_load(struct bpe *bpe, const struct vocabulary *vocabulary, const char *path,
                struct err *err) {
  *bpe = (struct bpe){0};
  struct file_map map;
  if (file_map_open(&map, path, err) != 0) {
    return -1;
  }
  size_t lines = 1;
  for (size_t i = 0; i < map.size; i++) {
    lines += map.data[i] == '\n';
  }
  struct reader r = {.bpe = bpe, .vocabulary = vocabulary, .path = path, .err = err};
  r.scratch = malloc(map.size + 1);
  int result = r.scratch == NULL ? err_memory(err, path) : bpe_create(bpe, lines, err);
  if (result == 0) {
    result = add_merges(&r, map.data, map.size);
  }
  free(r.scratch);
  file_map_close(&map);
  return result;
}
