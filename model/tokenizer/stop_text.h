// SPDX-License-Identifier: Apache-2.0
// stop_text - ends a text before the first of several stop texts, for generate --stop
//
// The input is bytes, in the pieces that tokens make of them. No part of a stop text is shown:
// bytes that may begin one are held back until they complete one or no longer can. The stop text
// that is complete first ends the text; of two that end together, the longer. So the result does
// not depend on where tokens end.

#ifndef GPT2RTL_STOP_TEXT_H
#define GPT2RTL_STOP_TEXT_H

#include <stddef.h>

#include "err.h"

struct stop_text {
  const char *const *texts;  // ended by NULL, none of them empty; owned by the caller
  char *held;                // not shown yet; owned
  size_t n_held, room;
  const char *found;  // the stop text that was found, or NULL
};

// Appends n bytes of text. *ready becomes the number of bytes at the front of held that can be
// shown. If a stop text was found, they are the last ones. Show them, then drop them. Errors: out
// of memory.
int stop_text_push(struct stop_text *stop, const char *text, size_t n, size_t *ready,
                   struct err *err);

// Removes the first n bytes of held, which have been shown.
void stop_text_drop(struct stop_text *stop, size_t n);

// Harmless on a zeroed struct.
void stop_text_free(struct stop_text *stop);

#endif
