// SPDX-License-Identifier: Apache-2.0
// json_util - reads JSON with cJSON, with errors that give line and byte

#ifndef GPT2RTL_JSON_UTIL_H
#define GPT2RTL_JSON_UTIL_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "err.h"

// Whole numbers in JSON are read as doubles: they are exact up to 2^53, and refused above.
#define JSON_MAX_INTEGER 9007199254740992.0

// Longer text is refused, because each byte can cost 32 bytes of memory. GPT-2's largest file,
// tokenizer.json, has 1.4 MB.
enum { JSON_MAX_BYTES = 32 << 20 };

// Parses length bytes of JSON: one value, which white space may surround. path names the file in
// errors, and offset is where the text begins in that file. On success release *root with
// cJSON_Delete.
// Errors: a syntax error, with line and byte offset; bytes after the value; a zero byte, also as
// \u0000, which would end a string here but not in other readers; text that is not UTF-8; more than
// JSON_MAX_BYTES.
int json_parse(cJSON **root, const char *text, size_t length, const char *path, size_t offset,
               struct err *err);

// Parses a whole file, which must hold an object, as json_parse does.
int json_read(cJSON **root, const char *path, struct err *err);

// Reads item as a whole number of min..max. Returns 0, or -1 if it is not one.
int json_integer(const cJSON *item, size_t min, size_t max, size_t *value);

#endif
