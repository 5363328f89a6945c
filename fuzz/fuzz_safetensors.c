// SPDX-License-Identifier: Apache-2.0
// A safetensors file: everything that its header describes is within the file and can be read.
#include "fuzz.h"

#include "safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static float values[256];
  char path[FILE_PATH_SIZE];
  struct safetensors *file;
  struct err err = {""};
  fuzz_write(path, "model.safetensors", data, size, size);
  if (fuzz_refused(safetensors_open(&file, path, &err), &err)) return 0;
  for (size_t i = 0; i < safetensors_count(file); i++) {
    const struct safetensors_tensor *t = safetensors_at(file, i);
    FUZZ_CHECK(t->begin <= t->end && t->end <= size && safetensors_find(file, t->name) == t);
    if (safetensors_check_f32(file, t, &err) != 0) continue;
    const size_t n = t->elements < 256 ? t->elements : 256;
    fuzz_refused(safetensors_read_f32(file, t, 0, n, values, &err), &err);
    fuzz_refused(safetensors_read_f32(file, t, t->elements - n, n, values, &err), &err);
    FUZZ_CHECK(safetensors_read_f32(file, t, t->elements, 1, values, &err) == -1);
  }
  safetensors_close(file);
  return 0;
}
