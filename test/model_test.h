// SPDX-License-Identifier: Apache-2.0
// model_test - what the tests of model/ share: temporary folders, shared data, random numbers
//
// Include first: cmocka.h wants its own prerequisites before it.

#ifndef GPT2RTL_MODEL_TEST_H
#define GPT2RTL_MODEL_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <sys/stat.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "file.h"

// ------------------------------------------------------------------------------------------ errors

// The call fails, and its message contains this text.
static inline void expect_failure(int result, const struct err *err, const char *fragment) {
  assert_int_equal(result, -1);
  if (strstr(err->text, fragment) == NULL)
    fail_msg("the error is \"%s\", expected \"%s\" in it", err->text, fragment);
}

static inline void expect_success(int result, const struct err *err) {
  if (result != 0) fail_msg("%s", err->text);
}

// ------------------------------------------------------------------------------------------- files

// A fresh folder; *state becomes its name. For cmocka's setup and teardown.
static inline int make_folder(void **state) {
  char *folder = strdup("/tmp/gpt2rtl-test-XXXXXX");
  *state = folder;
  return !folder || mkdtemp(folder) == NULL ? -1 : 0;
}

// A link is removed, its target stays.
static inline void remove_tree(const char *path) {
  struct stat st;
  DIR *dir = lstat(path, &st) == 0 && S_ISDIR(st.st_mode) ? opendir(path) : NULL;
  if (!dir) {
    remove(path);
    return;
  }
  for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    char inside[FILE_PATH_SIZE];
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
        file_join(inside, path, entry->d_name, NULL) == 0)
      remove_tree(inside);
  }
  closedir(dir);
  rmdir(path);
}

static inline int remove_folder(void **state) {
  remove_tree(*state);
  free(*state);
  return 0;
}
// An entry of a table of tests: the test has a fresh folder, whose name is its *state.
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

// Writes folder/name; path receives its name.
static inline void write_file(char path[static FILE_PATH_SIZE], const char *folder,
                              const char *name, const void *data, size_t size) {
  assert_int_equal(file_join(path, folder, name, NULL), 0);
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(data, 1, size, file), size);
  assert_int_equal(fclose(file), 0);
}

static inline void write_string(char path[static FILE_PATH_SIZE], const char *folder,
                                const char *name, const char *text) {
  write_file(path, folder, name, text, strlen(text));
}

// Shared data: $GPT2RTL_SHARED/data/name or ../shared/data/name. Skips the test if it is absent.
static inline void need_shared(char path[static FILE_PATH_SIZE], const char *name) {
  const char *root = getenv("GPT2RTL_SHARED");
  char data[FILE_PATH_SIZE];
  assert_int_equal(file_join(data, !root ? "../shared" : root, "data", NULL), 0);
  assert_int_equal(file_join(path, data, name, NULL), 0);
  if (!file_exists(path)) {
    print_message("skipped: %s is absent\n", path);
    skip();
  }
}

// The official weights: $GPT2RTL_MODEL or models/gpt2. Skips the test if they are absent.
static inline const char *need_gpt2(void) {
  const char *dir = getenv("GPT2RTL_MODEL");
  char path[FILE_PATH_SIZE];
  dir = !dir ? "models/gpt2" : dir;
  if (file_join(path, dir, "model.safetensors", NULL) != 0 || !file_exists(path)) {
    print_message("skipped: the official weights are not in %s; set GPT2RTL_MODEL\n", dir);
    skip();
  }
  return dir;
}

// ---------------------------------------------------------------------------------- random numbers

// xorshift64; *state is not 0.
static inline uint64_t random_next(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static inline size_t random_below(uint64_t *state, size_t bound) {
  return (size_t)((random_next(state) >> 11) % bound);
}

#endif
