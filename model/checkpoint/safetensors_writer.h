// SPDX-License-Identifier: Apache-2.0
// safetensors_writer - writes tensors in the format of safetensors.h, as a stream
//
// The header is known before the data. Open with all names and shapes, append the data in pieces of
// any size, and finish. A model larger than memory can be written.

#ifndef GPT2RTL_SAFETENSORS_WRITER_H
#define GPT2RTL_SAFETENSORS_WRITER_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "err.h"
#include "safetensors.h"
#include "staged.h"

struct safetensors_spec {
  const char *name;  // without characters that JSON escapes
  enum safetensors_dtype dtype;
  size_t rank;  // at most SAFETENSORS_MAX_RANK
  size_t shape[SAFETENSORS_MAX_RANK];
};

struct safetensors_writer {
  struct staged out;
  uint64_t missing;  // bytes of data still to come
};

// Starts path with the header for count tensors. The file appears when it is complete (staged.h).
// After success end with safetensors_writer_finish or safetensors_writer_abort.
int safetensors_writer_open(struct safetensors_writer *writer, const char *path,
                            const struct safetensors_spec *specs, size_t count, struct err *err);

// Appends bytes of data: the tensors in the order of specs, row-major, little-endian.
int safetensors_writer_append(struct safetensors_writer *writer, const void *data, size_t bytes,
                              struct err *err);

// Gives the file its name. Fails, and leaves nothing, if a write failed or data is missing.
int safetensors_writer_finish(struct safetensors_writer *writer, struct err *err);
void safetensors_writer_abort(struct safetensors_writer *writer);

// The nearest bfloat16 of a finite value, ties to even, as its bits.
uint16_t safetensors_bf16(float value);

#endif
