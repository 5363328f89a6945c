// SPDX-License-Identifier: Apache-2.0
// stop_text - ends a text before the first of some texts, for generate --stop
//
// What comes is bytes, cut wherever tokens end. Nothing of a stop text is shown: bytes that may
// begin one are held back until they do, or cannot any more. The one that is complete first counts;
// of two that end together, the longer. So where tokens end makes no difference.

#ifndef GPT2RTL_STOP_TEXT_H
#define GPT2RTL_STOP_TEXT_H

#include <stddef.h>

#include "err.h"

struct stop_text {
  const char *const *texts;  // ended by NULL, none of them empty; the caller's
  char *held;                // not shown yet; owned
  size_t n_held, room;
  const char *found;  // the stop text that came, or NULL
};

// Takes n bytes. *ready is how many at the front of held can be shown; where a stop text is found,
// these are the last. Show them, then drop them. Errors: out of memory.
int stop_text_push(struct stop_text *stop, const char *text, size_t n, size_t *ready,
                   struct err *err);

// The first n bytes of held are shown.
void stop_text_drop(struct stop_text *stop, size_t n);

// Harmless on a zeroed struct.
void stop_text_free(struct stop_text *stop);

#endif
