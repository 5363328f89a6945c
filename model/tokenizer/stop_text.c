// SPDX-License-Identifier: Apache-2.0
#include "stop_text.h"

#include <stdlib.h>
#include <string.h>

// Length of the longest stop text that ends at held[end - 1]; 0 if none does.
static size_t ends_at(struct stop_text *s, size_t end) {
  size_t longest = 0;
  for (const char *const *text = s->texts; *text != NULL; text++) {
    const size_t length = strlen(*text);
    if (length > longest && length <= end && memcmp(s->held + end - length, *text, length) == 0) {
      longest = length;
      s->found = *text;
    }
  }
  return longest;
}

// The number of bytes at the end of held that begin a stop text.
static size_t begun(const struct stop_text *s) {
  size_t longest = 0;
  for (const char *const *text = s->texts; *text != NULL; text++) {
    const size_t most = strlen(*text) - 1;
    for (size_t n = most < s->n_held ? most : s->n_held; n > longest; n--)
      if (memcmp(s->held + s->n_held - n, *text, n) == 0) longest = n;
  }
  return longest;
}

int stop_text_push(struct stop_text *s, const char *text, size_t n, size_t *ready,
                   struct err *err) {
  const size_t before = s->n_held;
  *ready = 0;
  if (before + n > s->room) {
    const size_t room = 2 * (before + n) + 64;
    char *more = realloc(s->held, room);
    if (!more) return err_memory(err, "the text");
    s->held = more;
    s->room = room;
  }
  if (n > 0) memcpy(s->held + before, text, n);
  s->n_held += n;
  for (size_t end = before + 1; end <= s->n_held; end++) {
    const size_t length = ends_at(s, end);
    if (length > 0) {
      *ready = s->n_held = end - length;
      return 0;
    }
  }
  *ready = s->n_held - begun(s);
  return 0;
}

void stop_text_drop(struct stop_text *s, size_t n) {
  if (n > 0) memmove(s->held, s->held + n, s->n_held - n);
  s->n_held -= n;
}

void stop_text_free(struct stop_text *s) {
  free(s->held);
  *s = (struct stop_text){0};
}
