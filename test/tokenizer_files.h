// SPDX-License-Identifier: Apache-2.0
// tokenizer_files - reads the files of a tokenizer, converts them into each other, and checks what
// a tokenizer makes of a text
#ifndef GPT2RTL_TOKENIZER_FILES_H
#define GPT2RTL_TOKENIZER_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "tokenizer.h"

// A whole file, with a zero after it; to be freed.
char *read_text(const char *path);

// merges.txt at path as a JSON list: strings, or pairs of strings; to be freed.
char *merges_list(const char *path, bool pairs);

// Encodes length bytes of text, and decodes them at once and token by token: both must give the
// bytes back. Returns the number of ids.
size_t tokenizer_round_trip(const struct tokenizer *t, const char *text, size_t length);

#endif
