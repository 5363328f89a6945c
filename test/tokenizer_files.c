// SPDX-License-Identifier: Apache-2.0
#include "model_test.h"

#include "tokenizer_files.h"

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
