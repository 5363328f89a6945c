// SPDX-License-Identifier: Apache-2.0
//
// Each converter returns whether all count values are finite. An exponent of all ones means
// infinity or NaN, so the test uses integers and the loops vectorise.
#include "safetensors.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static bool convert_f32(float *values, const unsigned char *source, size_t count) {
  uint32_t bad = 0;
  for (size_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, source + 4 * i, sizeof bits);
    bad |= (bits & 0x7F800000u) == 0x7F800000u;
    values[i] = float_of(bits);
  }
  return bad == 0;
}

static bool convert_bf16(float *values, const unsigned char *source, size_t count) {
  uint32_t bad = 0;
  for (size_t i = 0; i < count; i++) {
    uint16_t half;
    memcpy(&half, source + 2 * i, sizeof half);
    bad |= (half & 0x7F80u) == 0x7F80u;
    values[i] = float_of((uint32_t)half << 16);
  }
  return bad == 0;
}

// The exponent and fraction of a half, moved to a float's places, read as value * 2^(15-127), also
// for subnormals. So one exact multiplication by 2^112 converts normal and subnormal numbers.
static bool convert_f16(float *values, const unsigned char *source, size_t count) {
  uint32_t bad = 0;
  for (size_t i = 0; i < count; i++) {
    uint16_t half;
    memcpy(&half, source + 2 * i, sizeof half);
    bad |= (half & 0x7C00u) == 0x7C00u;
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t magnitude = (uint32_t)(half & 0x7FFFu) << 13;
    values[i] = float_of(magnitude | sign) * 0x1p112f;
  }
  return bad == 0;
}

static bool convert(enum safetensors_dtype dtype, float *values, const unsigned char *source,
                    size_t count) {
  switch (dtype) {
    case SAFETENSORS_F32: return convert_f32(values, source, count);
    case SAFETENSORS_F16: return convert_f16(values, source, count);
    case SAFETENSORS_BF16: return convert_bf16(values, source, count);
    case SAFETENSORS_OTHER: break;
  }
  return false;
}

int safetensors_check_f32(const struct safetensors *file, const struct safetensors_tensor *tensor,
                          struct err *err) {
  if (tensor->dtype != SAFETENSORS_OTHER) return 0;
  return err_set(err, "%s: tensor %.80s is %.20s, expected F32, F16 or BF16",
                 safetensors_path(file), tensor->name, tensor->dtype_name);
}

int safetensors_read_f32(const struct safetensors *file, const struct safetensors_tensor *tensor,
                         size_t first, size_t count, float *values, struct err *err) {
  if (safetensors_check_f32(file, tensor, err) != 0) return -1;
  if (first > tensor->elements || count > tensor->elements - first) {
    return err_set(err, "%s: tensor %.80s has %zu elements, %zu from %zu asked for",
                   safetensors_path(file), tensor->name, tensor->elements, count, first);
  }
  size_t bytes = safetensors_dtype_info(tensor->dtype)->bytes;
  const unsigned char *source = safetensors_bytes(file)->data + tensor->begin + first * bytes;
  if (convert(tensor->dtype, values, source, count)) return 0;
  size_t bad = 0;  // search again for the one to name in the error
  while (bad + 1 < count && convert(tensor->dtype, &values[bad], source + bad * bytes, 1)) bad++;
  return err_set(err, "%s: tensor %.80s: element %zu (byte %zu of the file) is NaN or infinite",
                 safetensors_path(file), tensor->name, first + bad,
                 tensor->begin + (first + bad) * bytes);
}
