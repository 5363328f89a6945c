// SPDX-License-Identifier: Apache-2.0
// safetensors - reads tensors in Hugging Face's safetensors format
//
// A file, all numbers little-endian:
//   1. header size N: 8 bytes, unsigned
//   2. header: N bytes of JSON, {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [b, e]}}
//      with b and e counted from the end of the header; "__metadata__" is not a tensor; spaces may
//      follow
//   3. data: tensors in row-major order; each byte of the data belongs to exactly one tensor
// Source: https://github.com/huggingface/safetensors, "Format".
//
// A file may be hostile, so everything in the header is checked before it is used.

#ifndef GPT2RTL_SAFETENSORS_H
#define GPT2RTL_SAFETENSORS_H

#include <stddef.h>

#include "err.h"
#include "file.h"

enum { SAFETENSORS_MAX_RANK = 8 };

enum safetensors_dtype {
  SAFETENSORS_F32,
  SAFETENSORS_F16,
  SAFETENSORS_BF16,
  SAFETENSORS_OTHER,  // allowed in a file, but its values cannot be read
};

// The name of a dtype in a file and its bytes per element. Not for SAFETENSORS_OTHER.
struct safetensors_dtype_info {
  const char *name;
  size_t bytes;
};
const struct safetensors_dtype_info *safetensors_dtype_info(enum safetensors_dtype dtype);

struct safetensors_tensor {
  const char *name;
  const char *dtype_name;  // as in the file
  enum safetensors_dtype dtype;
  size_t rank;
  size_t shape[SAFETENSORS_MAX_RANK];
  size_t elements;    // product of the shape; 1 for rank 0
  size_t begin, end;  // offsets in the file
};

struct safetensors;

// Opens path and checks its header: sizes; offsets within the file; no gaps and no overlaps; bytes
// that match dtype and shape (if the dtype is known); no name with two meanings. On success release
// *file with safetensors_close, which also accepts NULL. Errors: no such file; a Git LFS pointer in
// its place; a truncated or inconsistent file.
int safetensors_open(struct safetensors **file, const char *path, struct err *err);
void safetensors_close(struct safetensors *file);

// The tensor of that name, or NULL. It lives as long as the open file.
const struct safetensors_tensor *safetensors_find(const struct safetensors *file, const char *name);

// All tensors, sorted by name: index 0..count-1.
size_t safetensors_count(const struct safetensors *file);
const struct safetensors_tensor *safetensors_at(const struct safetensors *file, size_t index);

// The path as given to safetensors_open, and the whole file's bytes.
const char *safetensors_path(const struct safetensors *file);
const struct file_map *safetensors_bytes(const struct safetensors *file);

// Whether safetensors_read_f32 can convert the tensor's dtype. Error: the tensor and its dtype.
int safetensors_check_f32(const struct safetensors *file, const struct safetensors_tensor *tensor,
                          struct err *err);

// Converts elements first..first+count-1, in row-major order, to float32 at values. F16 and BF16
// convert exactly. The file's data may have any alignment.
// Errors: a dtype that is not F32, F16 or BF16; a range outside the tensor; NaN or infinity, with
// the element's index.
int safetensors_read_f32(const struct safetensors *file, const struct safetensors_tensor *tensor,
                         size_t first, size_t count, float *values, struct err *err);

#endif
