// SPDX-License-Identifier: Apache-2.0
#include "history.h"

#include <stdlib.h>
#include <string.h>

int history_create(struct history *history, size_t n_ctx, struct err *err) {
  *history = (struct history){.n_ctx = n_ctx};
  if (n_ctx < 2) return err_set(err, "a context of %zu positions, expected at least 2", n_ctx);
  history->ids = malloc(n_ctx * sizeof *history->ids);
  return !history->ids ? err_memory(err, "the history") : 0;
}

void history_free(struct history *history) {
  free(history->ids);
  *history = (struct history){0};
}

void history_clear(struct history *history) { history->count = 0; }

size_t history_push(struct history *history, uint32_t id) {
  size_t position = history->count;
  if (history->count == history->n_ctx) {
    size_t old = history->n_ctx / 2 - 1;  // the new id is the last of the newest half
    memmove(history->ids, history->ids + history->n_ctx - old, old * sizeof *history->ids);
    history->count = old;
    position = 0;
  }
  history->ids[history->count++] = id;
  return position;
}

size_t history_append(struct history *history, const uint32_t *ids, size_t count) {
  size_t first = history->count;
  for (size_t i = 0; i < count; i++) {
    size_t position = history_push(history, ids[i]);
    if (position < first) first = position;
  }
  return first;
}
