// SPDX-License-Identifier: Apache-2.0
#include "json_util.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "file.h"
#include "utf8.h"

static size_t line_of(const char *text, size_t position) {
  size_t line = 1;
  for (size_t i = 0; i < position; i++) line += text[i] == '\n';
  return line;
}

static size_t skip_white(const char *text, size_t length, size_t position) {
  while (position < length && (text[position] == ' ' || text[position] == '\t' ||
                               text[position] == '\n' || text[position] == '\r'))
    position++;
  return position;
}

// The offset of the first zero byte, literal or as the escape \u0000; length if there is none.
static size_t find_zero(const char *text, size_t length) {
  const char *zero = memchr(text, 0, length);
  if (zero) length = (size_t)(zero - text);
  static const char escape[] = "u0000";
  for (const char *at = text; (at = memmem(at, length - (size_t)(at - text), escape, 5)) != NULL;
       at++) {
    size_t backslashes = 0;  // an even number escapes nothing after it
    while (backslashes < (size_t)(at - text) && at[-1 - (ptrdiff_t)backslashes] == '\\')
      backslashes++;
    if (backslashes % 2 == 1) return (size_t)(at - text) - 1;
  }
  return length;
}

// The offset of the first byte that is not UTF-8; length if there is none.
static size_t find_invalid(const char *text, size_t length) {
  for (size_t i = 0; i < length;) {
    if ((unsigned char)text[i] < 0x80) {
      i++;
      continue;
    }
    const int bytes = utf8_character((const unsigned char *)text + i, length - i);
    if (bytes <= 0) return i;
    i += (size_t)bytes;
  }
  return length;
}

int json_parse(cJSON **root, const char *text, size_t length, const char *path, size_t offset,
               struct err *err) {
  *root = NULL;
  if (length > JSON_MAX_BYTES)
    return err_set(err, "%s: %zu bytes of JSON, expected at most %d", path, length, JSON_MAX_BYTES);
  size_t zero = find_zero(text, length);
  if (zero < length) {
    return err_set(err, "%s: line %zu, byte %zu: a zero byte", path, line_of(text, zero),
                   offset + zero);
  }
  size_t invalid = find_invalid(text, length);
  if (invalid < length) {
    return err_set(err, "%s: line %zu, byte %zu: not UTF-8", path, line_of(text, invalid),
                   offset + invalid);
  }
  const char *end = text;
  *root = cJSON_ParseWithLengthOpts(text, length, &end, 0);
  size_t position = !end ? 0 : (size_t)(end - text);
  if (!*root) {
    // If the text ends early, cJSON reports the last byte.
    bool cut = skip_white(text, length, position + 1) >= length;
    return err_set(err, "%s: line %zu, byte %zu: %s", path, line_of(text, position),
                   offset + position, cut ? "the JSON text ends early" : "not valid JSON");
  }
  position = skip_white(text, length, position);
  if (position < length) {
    cJSON_Delete(*root);
    *root = NULL;
    return err_set(err, "%s: line %zu, byte %zu: something follows the JSON value", path,
                   line_of(text, position), offset + position);
  }
  return 0;
}

int json_read(cJSON **root, const char *path, struct err *err) {
  *root = NULL;
  struct file_map map;
  if (file_map_open(&map, path, err) != 0) return -1;
  int result = json_parse(root, (const char *)map.data, map.size, path, 0, err);
  file_map_close(&map);
  if (result == 0 && !cJSON_IsObject(*root)) {
    cJSON_Delete(*root);
    *root = NULL;
    return err_set(err, "%s: byte 0: expected a JSON object { ... }", path);
  }
  return result;
}

int json_integer(const cJSON *item, size_t min, size_t max, size_t *value) {
  if (!cJSON_IsNumber(item)) return -1;
  double number = item->valuedouble;
  if (!(number >= 0 && number <= JSON_MAX_INTEGER) || floor(number) < number) return -1;
  size_t whole = (size_t)number;
  if (whole < min || whole > max) return -1;
  *value = whole;
  return 0;
}
