// SPDX-License-Identifier: Apache-2.0
// safetensors_writer - writes tensors in the format of safetensors.h, as a stream
//
// The header is written before the data. Open with all names and shapes, append the data in pieces
// of any size, and finish. So a model larger than memory can be written.

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

// Writes the header for count tensors to path. The file appears when it is complete (staged.h).
// After success end with safetensors_writer_finish or safetensors_writer_abort. Errors:
// staged_open's; a failed write.
int safetensors_writer_open(struct safetensors_writer *writer, const char *path,
                            const struct safetensors_spec *specs, size_t count, struct err *err);

// Appends `bytes` bytes of data: the tensors in the order of specs, row-major, little-endian.
int safetensors_writer_append(struct safetensors_writer *writer, const void *data, size_t bytes,
                              struct err *err);

// Completes the file. Errors: a write failed; data is missing. Nothing is left then.
int safetensors_writer_finish(struct safetensors_writer *writer, struct err *err);
void safetensors_writer_abort(struct safetensors_writer *writer);

// The nearest bfloat16 of a finite value, ties to even, as its bits.
uint16_t safetensors_bf16(float value);

#endif
