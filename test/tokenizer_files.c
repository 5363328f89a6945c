// SPDX-License-Identifier: Apache-2.0
#include "model_test.h"

#include "tokenizer_files.h"
#include "utf8.h"

#include <cjson/cJSON.h>

char *read_text(const char *path) {
  struct file_map map;
  struct err err;
  expect_success(file_map_open(&map, path, &err), &err);
  char *text = malloc(map.size + 1);
  memcpy(text, map.data, map.size);
  text[map.size] = 0;
  file_map_close(&map);
  return text;
}

char *merges_list(const char *path, bool pairs) {
  char *text = read_text(path);
  cJSON *list = cJSON_CreateArray();
  for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
    char *space = strchr(line, ' ');
    if (strncmp(line, "#version", 8) == 0) continue;
    if (pairs) {
      *space = 0;
      cJSON *pair = cJSON_CreateArray();
      cJSON_AddItemToArray(pair, cJSON_CreateString(line));
      cJSON_AddItemToArray(pair, cJSON_CreateString(space + 1));
      cJSON_AddItemToArray(list, pair);
    } else {
      cJSON_AddItemToArray(list, cJSON_CreateString(line));
    }
  }
  char *out = cJSON_PrintUnformatted(list);
  cJSON_Delete(list);
  free(text);
  return out;
}

size_t tokenizer_round_trip(const struct tokenizer *t, const char *text, size_t length) {
  struct err err;
  uint32_t *ids;
  size_t count;
  char *back;
  size_t back_length;
  expect_success(tokenizer_encode(t, text, length, &ids, &count, &err), &err);
  expect_success(tokenizer_decode(t, ids, count, &back, &back_length, &err), &err);
  assert_int_equal(back_length, length);
  assert_memory_equal(back, text, length);

  struct tokenizer_decoder decoder = {0};
  char *piece = malloc(tokenizer_push_room(t));
  assert_non_null(piece);
  size_t at = 0;
  for (size_t i = 0; i < count; i++) {
    size_t bytes = tokenizer_push(t, &decoder, ids[i], piece);
    assert_true(at + bytes <= length);
    assert_memory_equal(piece, text + at, bytes);
    at += bytes;
    // Nothing complete is held back, and no character is split.
    if (decoder.held_count > 0)
      assert_int_equal(utf8_character(decoder.held, decoder.held_count), UTF8_INCOMPLETE);
  }
  size_t bytes = tokenizer_flush(&decoder, piece);
  assert_memory_equal(piece, text + at, bytes);
  assert_int_equal(at + bytes, length);
  free(piece);
  free(back);
  free(ids);
  return count;
}
