// SPDX-License-Identifier: Apache-2.0
#include "safetensors.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "json_util.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "safetensors are little-endian and this code copies them as they are"
#endif

enum { PREFIX = 8 };  // bytes of the header size

struct safetensors {
  struct file_map map;
  cJSON *header;  // owns the names
  char *path;
  size_t count;
  struct safetensors_tensor *tensors;  // sorted by name
};

// ------------------------------------------------------------------------------------------ dtypes

static const struct safetensors_dtype_info dtypes[] = {
    // In the order of enum safetensors_dtype. The dtypes after those may be present but cannot be
    // read.
    {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"F64", 8},     {"I64", 8},
    {"U64", 8}, {"I32", 4}, {"U32", 4},  {"I16", 2},     {"U16", 2},
    {"I8", 1},  {"U8", 1},  {"BOOL", 1}, {"F8_E4M3", 1}, {"F8_E5M2", 1},
};

const struct safetensors_dtype_info *safetensors_dtype_info(enum safetensors_dtype dtype) {
  return &dtypes[dtype];
}

// Bytes of an element; 0 for a dtype newer than this list.
static size_t dtype_parse(const char *name, enum safetensors_dtype *dtype) {
  *dtype = SAFETENSORS_OTHER;
  for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
    if (strcmp(name, dtypes[i].name) == 0) {
      *dtype = i < SAFETENSORS_OTHER ? (enum safetensors_dtype)i : SAFETENSORS_OTHER;
      return dtypes[i].bytes;
    }
  }
  return 0;
}

// -------------------------------------------------------------------------------------- the header

static int parse_shape(struct safetensors_tensor *t, const cJSON *shape, const char *path,
                       struct err *err) {
  t->elements = 1;
  const cJSON *item;
  cJSON_ArrayForEach(item, shape) {
    size_t size;
    if (t->rank == SAFETENSORS_MAX_RANK) {
      return err_set(err, "%s: tensor %.80s has more than %d dimensions", path, t->name,
                     SAFETENSORS_MAX_RANK);
    }
    if (json_integer(item, 0, SIZE_MAX, &size) != 0 ||
        __builtin_mul_overflow(t->elements, size, &t->elements)) {
      return err_set(err, "%s: tensor %.80s: dimension %zu of its shape is not a size", path,
                     t->name, t->rank);
    }
    t->shape[t->rank++] = size;
  }
  return 0;
}

// Whether a later field has the same name.
static bool comes_again(const cJSON *field) {
  for (const cJSON *other = field->next; other != NULL; other = other->next)
    if (strcmp(other->string, field->string) == 0) return true;
  return false;
}

// data is the offset of the data in the file, and size is the file's size.
static int parse_tensor(struct safetensors_tensor *t, const cJSON *entry, size_t data, size_t size,
                        const char *path, struct err *err) {
  const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(entry, "dtype");
  const cJSON *shape = cJSON_GetObjectItemCaseSensitive(entry, "shape");
  const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(entry, "data_offsets");
  t->name = entry->string;
  if (!cJSON_IsString(dtype) || !cJSON_IsArray(shape) || !cJSON_IsArray(offsets))
    return err_set(err, "%s: tensor %.80s lacks a dtype, a shape or data_offsets", path, t->name);
  if (comes_again(dtype) || comes_again(shape) || comes_again(offsets)) {
    return err_set(err, "%s: tensor %.80s has its dtype, shape or data_offsets twice", path,
                   t->name);
  }
  t->dtype_name = dtype->valuestring;
  size_t bytes = dtype_parse(t->dtype_name, &t->dtype);

  if (parse_shape(t, shape, path, err) != 0) return -1;
  if (cJSON_GetArraySize(offsets) != 2 ||
      json_integer(offsets->child, 0, SIZE_MAX, &t->begin) != 0 ||
      json_integer(offsets->child->next, t->begin, SIZE_MAX, &t->end) != 0)
    return err_set(err, "%s: tensor %.80s: data_offsets are not [begin, end]", path, t->name);
  if (t->end > size - data) {
    return err_set(err,
                   "%s: tensor %.80s ends at byte %zu of the data, but the file has only %zu: it "
                   "was cut short, fetch it again",
                   path, t->name, t->end, size - data);
  }
  size_t expected;
  if (bytes != 0 &&
      (__builtin_mul_overflow(t->elements, bytes, &expected) || expected != t->end - t->begin)) {
    return err_set(err, "%s: tensor %.80s holds %zu bytes, expected %zu elements x %zu bytes", path,
                   t->name, t->end - t->begin, t->elements, bytes);
  }
  t->begin += data;
  t->end += data;
  return 0;
}

static int by_offset(const void *a, const void *b) {
  const struct safetensors_tensor *x = a;
  const struct safetensors_tensor *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return (x->end > y->end) - (x->end < y->end);
}

static int by_name(const void *a, const void *b) {
  const struct safetensors_tensor *x = a;
  const struct safetensors_tensor *y = b;
  return strcmp(x->name, y->name);
}

// The format requires that the tensors cover the data exactly, which also excludes overlaps.
static int check_coverage(struct safetensors *f, size_t data, struct err *err) {
  qsort(f->tensors, f->count, sizeof *f->tensors, by_offset);
  size_t covered = data;
  for (size_t i = 0; i < f->count; i++) {
    const struct safetensors_tensor *t = &f->tensors[i];
    if (t->begin != covered) {
      return err_set(err, "%s: tensor %.80s begins at byte %zu, expected %zu: %s", f->path, t->name,
                     t->begin, covered, t->begin < covered ? "it overlaps another" : "a gap");
    }
    covered = t->end;
  }
  if (covered != f->map.size) {
    return err_set(err, "%s: the file has %zu bytes, but its tensors end at byte %zu", f->path,
                   f->map.size, covered);
  }
  return 0;
}

static bool same_entry(const struct safetensors_tensor *a, const struct safetensors_tensor *b) {
  return a->begin == b->begin && a->end == b->end && strcmp(a->dtype_name, b->dtype_name) == 0 &&
         a->rank == b->rank && memcmp(a->shape, b->shape, sizeof a->shape) == 0;
}

// A name may occur twice if both entries are the same. (Hugging Face's reader takes the last entry,
// and refuses a file whose bytes it then leaves uncovered.)
static int check_names(struct safetensors *f, struct err *err) {
  size_t kept = 0;
  qsort(f->tensors, f->count, sizeof *f->tensors, by_name);
  for (size_t i = 0; i < f->count; i++) {
    const bool again = kept > 0 && strcmp(f->tensors[kept - 1].name, f->tensors[i].name) == 0;
    if (again && !same_entry(&f->tensors[kept - 1], &f->tensors[i]))
      return err_set(err, "%s: two tensors are named %.80s", f->path, f->tensors[i].name);
    if (!again) f->tensors[kept++] = f->tensors[i];
  }
  f->count = kept;
  return 0;
}

static int parse_header(struct safetensors *f, struct err *err) {
  static const char lfs[] = "version https://git-lfs";
  const unsigned char *bytes = f->map.data;
  size_t size = f->map.size;
  if (size >= sizeof lfs - 1 && memcmp(bytes, lfs, sizeof lfs - 1) == 0) {
    return err_set(err, "%s: a Git LFS pointer, not the tensors: run `git lfs pull` in its folder",
                   f->path);
  }
  if (size < PREFIX)
    return err_set(err, "%s: %zu bytes, too short for a safetensors file", f->path, size);
  uint64_t length;
  memcpy(&length, bytes, sizeof length);
  if (length > size - PREFIX) {
    return err_set(err,
                   "%s: bytes 0..7 announce a header of %llu bytes, but only %zu follow: not a "
                   "safetensors file, or cut short",
                   f->path, (unsigned long long)length, size - PREFIX);
  }
  size_t data = PREFIX + (size_t)length;
  if (json_parse(&f->header, (const char *)bytes + PREFIX, (size_t)length, f->path, PREFIX, err) !=
      0)
    return -1;
  if (!cJSON_IsObject(f->header))
    return err_set(err, "%s: byte 8: the header is not a JSON object", f->path);
  f->tensors = calloc((size_t)cJSON_GetArraySize(f->header) + 1, sizeof *f->tensors);
  if (!f->tensors) return err_memory(err, "the tensor list");
  const cJSON *entry;
  cJSON_ArrayForEach(entry, f->header) {
    if (strcmp(entry->string, "__metadata__") == 0) continue;
    if (parse_tensor(&f->tensors[f->count], entry, data, size, f->path, err) != 0) return -1;
    f->count++;
  }
  if (check_names(f, err) != 0 || check_coverage(f, data, err) != 0) return -1;
  qsort(f->tensors, f->count, sizeof *f->tensors, by_name);
  return 0;
}

int safetensors_open(struct safetensors **file, const char *path, struct err *err) {
  *file = NULL;
  struct safetensors *f = calloc(1, sizeof *f);
  if (!f || (f->path = strdup(path)) == NULL) {
    free(f);
    return err_memory(err, path);
  }
  if (file_map_open(&f->map, path, err) != 0 || parse_header(f, err) != 0) {
    safetensors_close(f);
    return -1;
  }
  *file = f;
  return 0;
}

void safetensors_close(struct safetensors *file) {
  if (file) {
    file_map_close(&file->map);
    cJSON_Delete(file->header);
    free(file->tensors);
    free(file->path);
    free(file);
  }
}

const struct safetensors_tensor *safetensors_find(const struct safetensors *file,
                                                  const char *name) {
  struct safetensors_tensor key = {.name = name};
  return bsearch(&key, file->tensors, file->count, sizeof *file->tensors, by_name);
}

size_t safetensors_count(const struct safetensors *file) { return file->count; }

const struct safetensors_tensor *safetensors_at(const struct safetensors *file, size_t index) {
  return &file->tensors[index];
}

const char *safetensors_path(const struct safetensors *file) { return file->path; }

const struct file_map *safetensors_bytes(const struct safetensors *file) { return &file->map; }
