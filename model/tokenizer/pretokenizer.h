// SPDX-License-Identifier: Apache-2.0
// pretokenizer - cuts text into the pieces within which byte pairs are merged
//
// The pieces are the matches of GPT-2's pattern, one after another:
//
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// \s is Unicode's White_Space property, as in the `regex` module for which the pattern was written;
// PCRE2's own \s also takes U+180E. Letters and numbers are those of PCRE2's Unicode version.
//
// GPT-2 is defined on characters only. For bytes that are not UTF-8 this adds one rule: a byte that
// begins no valid character is a piece of its own, and the text around it is cut as if the text
// ended there. So any bytes can be encoded, and valid text is cut as GPT-2 cuts it.

#ifndef GPT2RTL_PRETOKENIZER_H
#define GPT2RTL_PRETOKENIZER_H

#include <stddef.h>

#include "err.h"

struct pretokenizer;  // the compiled pattern; read-only once created

int pretokenizer_create(struct pretokenizer **pretokenizer, struct err *err);
void pretokenizer_free(struct pretokenizer *pretokenizer);

// A walk over one text. begin and end are the current piece.
struct pretokenizer_walk {
  const unsigned char *text;  // the caller's, unchanged until the walk is over
  size_t length;
  size_t begin, end;
  size_t valid_end;  // text up to here is known to be UTF-8
  void *match;
};

// Starts a walk before the first piece. After success end it with pretokenizer_finish.
int pretokenizer_start(struct pretokenizer_walk *walk, const struct pretokenizer *pretokenizer,
                       const unsigned char *text, size_t length, struct err *err);

// Moves to the next piece, which is not empty and begins where the one before ended. Returns 1, or
// 0 at the end of the text, or -1 if PCRE2 fails (out of memory).
int pretokenizer_next(struct pretokenizer_walk *walk, const struct pretokenizer *pretokenizer,
                      struct err *err);

void pretokenizer_finish(struct pretokenizer_walk *walk);

#endif
