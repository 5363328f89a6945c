// SPDX-License-Identifier: Apache-2.0
// pretokenizer - splits text into the pieces within which byte pairs are merged
//
// The pieces are the matches of GPT-2's pattern, one after another:
//
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// \s is Unicode's White_Space property, as in the `regex` module for which the pattern was written;
// PCRE2's own \s also takes U+180E. Letters and numbers are those of PCRE2's Unicode version.
//
// GPT-2 is defined only on characters. For bytes that are not UTF-8 there is one rule more: a byte
// that begins no valid character is a piece by itself, and the text before it is split as if it
// ended there. So any bytes can be encoded, and valid text is split as in GPT-2.

#ifndef GPT2RTL_PRETOKENIZER_H
#define GPT2RTL_PRETOKENIZER_H

#include <stddef.h>

#include "err.h"

struct pretokenizer;  // the compiled pattern; read-only once created

// Compiles the pattern. On success release with pretokenizer_free, which also accepts NULL. Errors:
// PCRE2's, with its message.
int pretokenizer_create(struct pretokenizer **pretokenizer, struct err *err);
void pretokenizer_free(struct pretokenizer *pretokenizer);

// A walk over one text. begin and end are the current piece.
struct pretokenizer_walk {
  const unsigned char *text;  // the caller's, unchanged until the walk is over
  size_t length;
  size_t begin, end;
  size_t valid_end;  // the text up to here is known to be UTF-8
  void *match;
};

// Starts a walk before the first piece. After success end it with pretokenizer_finish.
int pretokenizer_start(struct pretokenizer_walk *walk, const struct pretokenizer *pretokenizer,
                       const unsigned char *text, size_t length, struct err *err);

// Moves to the next piece, which is not empty and begins where the last piece ended. Returns 1, 0
// at the end of the text, or -1 if PCRE2 fails (out of memory).
int pretokenizer_next(struct pretokenizer_walk *walk, const struct pretokenizer *pretokenizer,
                      struct err *err);

// Ends a walk.
void pretokenizer_finish(struct pretokenizer_walk *walk);

#endif
