// SPDX-License-Identifier: Apache-2.0
// history - the ids in an engine's context, and what happens when the context is full
//
// The float model, the golden model and the hardware follow one rule. An id that would need
// position n_ctx crops the history to its newest n_ctx / 2 ids (rounded down), that id included.
// All of them are computed again from position 0. So a crop costs n_ctx / 2 steps, and the next
// n_ctx / 2 ids need none.
//
//   size_t position = history_push(&history, id);
//   for (; position < history.count; position++) {
//     step(history.ids[position], position);
//   }

#ifndef GPT2RTL_HISTORY_H
#define GPT2RTL_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct history {
  uint32_t *ids;  // ids[p] is at position p; owned
  size_t count;   // 0..n_ctx
  size_t n_ctx;
};

// Makes an empty history for n_ctx >= 2 positions. After success release with history_free. Errors:
// n_ctx is too small; out of memory.
int history_create(struct history *history, size_t n_ctx, struct err *err);
void history_free(struct history *history);

// Forgets all ids.
void history_clear(struct history *history);

// Appends id. Returns the first position that must be computed: the id's own, or 0 after a crop.
size_t history_push(struct history *history, uint32_t id);

// Appends count ids, as count pushes would, and returns the least of their results. So a prompt
// longer than the context is computed once. If count is 0 the result is the number of ids.
size_t history_append(struct history *history, const uint32_t *ids, size_t count);

#endif
