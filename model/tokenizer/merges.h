// SPDX-License-Identifier: Apache-2.0
// merges - reads merges.txt, or the same list in tokenizer.json
//
// Each line is one merge, "left right". The lines are in the order in which the merges were
// learned, and a merge's rank is its place. Both parts are written in the characters of
// byte_alphabet.h. A first line that begins with "#version", empty lines, and a carriage return
// before the newline are ignored.

#ifndef GPT2RTL_MERGES_H
#define GPT2RTL_MERGES_H

#include <cjson/cJSON.h>

#include "bpe.h"
#include "err.h"
#include "vocabulary.h"

// Fills *bpe from path. After success or failure release with bpe_free.
// Errors: no such file, or one of more than JSON_MAX_BYTES; a line, by number, that is not two
// tokens, is repeated, or names or makes a token that the vocabulary lacks.
int merges_load(struct bpe *bpe, const struct vocabulary *vocabulary, const char *path,
                struct err *err);

// The same from the JSON list that was parsed from path. Its entries are "left right" or ["left",
// "right"].
// Errors name the merge by its number, from 1.
int merges_read(struct bpe *bpe, const struct vocabulary *vocabulary, const cJSON *list,
                const char *path, struct err *err);

#endif
