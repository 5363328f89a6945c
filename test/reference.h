// SPDX-License-Identifier: Apache-2.0
//
// reference - published outputs of the real GPT-2, for the tests that compare an engine with them
#ifndef GPT2RTL_REFERENCE_H
#define GPT2RTL_REFERENCE_H

#include "model_test.h"

#include "json_util.h"

// A file of the shared data as JSON, to be deleted. Skips the test if it is absent.
static inline cJSON *need_json(const char *name) {
  char path[FILE_PATH_SIZE];
  struct file_map map;
  struct err err;
  cJSON *root;
  need_shared(path, name);
  expect_success(file_map_open(&map, path, &err), &err);
  expect_success(json_parse(&root, (const char *)map.data, map.size, path, 0, &err), &err);
  file_map_close(&map);
  return root;
}

// The numbers of array, fewer than room; returns how many.
static inline size_t read_ids(uint32_t *ids, size_t room, const cJSON *array) {
  size_t count = 0;
  const cJSON *item;
  cJSON_ArrayForEach(item, array) {
    assert_true(count < room);
    ids[count++] = (uint32_t)item->valueint;
  }
  return count;
}

#endif
