// SPDX-License-Identifier: Apache-2.0
// vocabulary - maps the ids of vocab.json or tokenizer.json to bytes, and bytes to ids
//
// vocab.json is one object, {"token": id, ...}, which has every id from 0 up exactly once, in any
// order. Tokens are written in the characters of byte_alphabet.h. tokenizer.json has the same
// object, and a list of added tokens, {"content": text, "id": id}, written as plain text. An added
// token may also be in the object, with the same id.

#ifndef GPT2RTL_VOCABULARY_H
#define GPT2RTL_VOCABULARY_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define VOCABULARY_NO_TOKEN UINT32_MAX  // in place of an id

struct vocabulary {
  struct vocabulary_token {
    size_t begin, length;  // bytes of the blob
  } * tokens;              // [count], by id
  size_t count;
  size_t longest;       // bytes of the longest token
  unsigned char *blob;  // the bytes of all tokens
  uint32_t *slots;      // hash of the bytes: id + 1, or 0 for an empty slot
  size_t slot_mask;
};

// Reads JSON that was parsed from path: the object and, if there is one, the list, whose entries
// each have a string and a number. After success or failure release with vocabulary_free. Errors:
// an id that is missing or repeated; a token that is repeated, empty or not in the alphabet; more
// than 65,536 tokens.
int vocabulary_read(struct vocabulary *vocabulary, const cJSON *tokens, const cJSON *added,
                    const char *path, struct err *err);

// Harmless on a zeroed or freed struct.
void vocabulary_free(struct vocabulary *vocabulary);

// The id of the token with these bytes, or VOCABULARY_NO_TOKEN.
uint32_t vocabulary_find(const struct vocabulary *vocabulary, const void *bytes, size_t length);

#endif
