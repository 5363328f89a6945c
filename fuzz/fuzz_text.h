// SPDX-License-Identifier: Apache-2.0
// fuzz_text - what an accepted tokenizer must do: give ids of its vocabulary, and text back
#ifndef GPT2RTL_FUZZ_TEXT_H
#define GPT2RTL_FUZZ_TEXT_H

#include "fuzz.h"

#include <string.h>

#include "tokenizer.h"

// Checks whatever was read; `exact`: decoding returns the text.
static inline void fuzz_text(const struct tokenizer *t, int exact) {
  static const char text[] = "Hello  world's\n\n<|endoftext|> 12 \xc3\xa9\xff<speaker1> \t[PAD]";
  const size_t length = sizeof text - 1;
  struct err err = {""};
  uint32_t *ids;
  size_t count, back;
  char *decoded;
  if (fuzz_refused(tokenizer_encode(t, text, length, &ids, &count, &err), &err)) return;
  for (size_t i = 0; i < count; i++) FUZZ_CHECK(ids[i] < tokenizer_vocab_size(t));
  if (!fuzz_refused(tokenizer_decode(t, ids, count, &decoded, &back, &err), &err)) {
    FUZZ_CHECK(!exact || (back == length && memcmp(decoded, text, length) == 0));
    free(decoded);
  }
  free(ids);
}

#endif
