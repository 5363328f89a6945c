// SPDX-License-Identifier: Apache-2.0
// tokenizer_files - the files of a tokenizer, read and converted into each other
#ifndef GPT2RTL_TOKENIZER_FILES_H
#define GPT2RTL_TOKENIZER_FILES_H

#include <stdbool.h>

// A whole file, with a zero after it; to be freed.
char *read_text(const char *path);

// merges.txt at path as a JSON list: strings, or pairs of strings; to be freed.
char *merges_list(const char *path, bool pairs);

#endif
