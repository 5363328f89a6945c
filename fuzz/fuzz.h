// SPDX-License-Identifier: Apache-2.0
// fuzz - what the libFuzzer targets share: the input as files in a folder
//
// A target is one function, LLVMFuzzerTestOneInput; libFuzzer provides main. The files of one input
// are separated by a zero byte.
#ifndef GPT2RTL_FUZZ_H
#define GPT2RTL_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "err.h"
#include "file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Ends the program as a finding.
#define FUZZ_CHECK(condition)                                                   \
  do {                                                                          \
    if (!(condition)) {                                                         \
      fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
      abort();                                                                  \
    }                                                                           \
  } while (0)

// A folder of this process in $TMPDIR.
static inline const char *fuzz_folder(void) {
  static char folder[FILE_PATH_SIZE];
  if (folder[0] == 0) {
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/fuzz-XXXXXX", !tmp ? "/tmp" : tmp);
    FUZZ_CHECK(mkdtemp(folder) != NULL);
  }
  return folder;
}

// Writes folder/name with `bytes` bytes: data, then zeros.
static inline void fuzz_write(char path[static FILE_PATH_SIZE], const char *name,
                              const uint8_t *data, size_t size, size_t bytes) {
  FUZZ_CHECK(file_join(path, fuzz_folder(), name, NULL) == 0);
  FILE *f = fopen(path, "wb");
  FUZZ_CHECK(f && fwrite(data, 1, size, f) == size && fflush(f) == 0);
  FUZZ_CHECK(ftruncate(fileno(f), (off_t)bytes) == 0);
  fclose(f);
}

// Writes the parts of the input to n files of these names; files without a part are removed.
static inline void fuzz_write_parts(const uint8_t *data, size_t size, const char *const *names,
                                    size_t n) {
  char path[FILE_PATH_SIZE];
  for (size_t i = 0, at = 0; i < n; i++) {
    size_t end = at;
    while (end < size && (i + 1 == n || data[end] != 0)) end++;
    fuzz_write(path, names[i], data + (at < size ? at : 0), end - (at < end ? at : end),
               end - (at < end ? at : end));
    if (i > 0 && at >= size) remove(path);
    at = end + 1;
  }
}

// Checks that an error has a message. With $FUZZ_TAKEN, which is set for the seeds, no error is
// allowed.
static inline int fuzz_refused(int result, const struct err *err) {
  if (result != 0 && getenv("FUZZ_TAKEN") != NULL) {
    fprintf(stderr, "not true: a seed is taken; %s\n", err->text);
    abort();
  }
  FUZZ_CHECK(result == 0 || (result == -1 && err->text[0] != 0));
  return result != 0;
}

#endif
