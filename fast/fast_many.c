// SPDX-License-Identifier: Apache-2.0
//
// fast_many - runs several token loops over one fast engine, which reads each weight once for all
// of them
//
// A round computes a piece of every active run: the next position of each run that generates, and
// as many positions of the prompts as fit the batch. A run that ends gives its sequence to the next
// run, while the others continue.
#include "fast_state.h"

#include <stdlib.h>

// An active run. slots[i] uses sequence i of the engine.
struct slot {
  bool used;
  size_t run;  // its index
  struct controller_sequence sequence;
  struct controller_piece piece;  // of this round; piece.n is 0 if there was no room
  struct sampling sampling;
};

struct many {
  struct fast_engine *engine;
  const struct controller_run *runs;
  size_t n, begun;
  int (*over)(void *ctx, size_t run);
  void *ctx;
  int *results;
  struct err *errs;
  bool stop;  // `over` has ended all runs
  struct slot *slots;
};

static void end(struct many *m, struct slot *slot, int result) {
  m->results[slot->run] = result;
  controller_end(&slot->sequence);
  slot->used = false;
  if (!m->stop && m->over && m->over(m->ctx, slot->run)) m->stop = true;
}

// Starts runs on free sequences. Returns the number of active runs.
static uint32_t begin(struct many *m) {
  const struct image_header *h = &m->engine->image->header;
  uint32_t used = 0;
  for (uint32_t i = 0; i < m->engine->n_sequences; i++) {
    struct slot *slot = &m->slots[i];
    while (!slot->used && m->begun < m->n && !m->stop) {
      slot->run = m->begun++;
      slot->used = true;
      slot->sampling = m->runs[slot->run].sampling;
      if (controller_begin(&slot->sequence, &m->runs[slot->run], h->n_ctx, h->vocab_size,
                           &m->errs[slot->run]))
        end(m, slot, -1);
    }
    used += slot->used;
  }
  return used;
}

// Collects the round's *n places, those without head first. Returns the number with head.
static uint32_t places(struct many *m, struct fast_place *place, uint32_t *n) {
  uint32_t heads = 0;
  *n = 0;
  for (uint32_t i = 0; i < m->engine->n_sequences; i++) {
    struct slot *slot = &m->slots[i];
    slot->piece.n = 0;
    if (slot->used && controller_next(&slot->sequence, FAST_BATCH, &slot->piece))
      heads += slot->piece.head;
  }
  for (int head = 0; head < 2; head++)
    for (uint32_t i = 0; i < m->engine->n_sequences; i++) {
      struct controller_piece *piece = &m->slots[i].piece;
      const uint32_t room = FAST_BATCH - *n - (head ? 0 : heads);
      if (!m->slots[i].used || piece->head != head) continue;
      if (piece->n > room) piece->n = room;
      for (uint32_t t = 0; t < piece->n; t++)
        place[(*n)++] = (struct fast_place){i, piece->position + t, piece->ids[t]};
    }
  return heads;
}

static void round_of(struct many *m) {
  struct fast_engine *e = m->engine;
  struct fast_place place[FAST_BATCH];
  uint32_t n, head = 0;
  const uint32_t heads = places(m, place, &n);
  fast_engine_step(e, place, n, heads);
  for (uint32_t i = 0; i < e->n_sequences; i++) {
    struct slot *slot = &m->slots[i];
    struct controller_piece next;
    uint32_t choice = 0;
    if (!slot->used || !slot->piece.n) continue;
    if (slot->piece.head) {
      const struct controller_run *run = &m->runs[slot->run];
      e->newest_logits = head++;  // the run's callbacks may read them
      choice = run->choose ? run->choose(run->ctx, fast_engine_logits(e))
                           : fast_engine_choose(e, &slot->sampling);
    }
    const int failed =
        controller_computed(&slot->sequence, &slot->piece, choice, &m->errs[slot->run]);
    if (failed || !controller_next(&slot->sequence, 1, &next)) end(m, slot, failed);
  }
}

int controller_run_fast_many(const struct controller_run *runs, size_t n,
                             struct fast_engine *engine, int (*over)(void *ctx, size_t run),
                             void *ctx, int *results, struct err *errs) {
  struct many m = {.engine = engine,
                   .runs = runs,
                   .n = n,
                   .over = over,
                   .ctx = ctx,
                   .results = results,
                   .errs = errs};
  int failed = 0;
  for (size_t i = 0; i < n; i++) {
    results[i] = -1;
    errs[i].text[0] = 0;
  }
  m.slots = calloc(engine->n_sequences, sizeof *m.slots);
  if (!m.slots) {
    for (size_t i = 0; i < n; i++) err_memory(&errs[i], "the runs");
    return -1;
  }
  while (begin(&m) && !m.stop) round_of(&m);
  for (uint32_t i = 0; i < engine->n_sequences; i++)
    if (m.slots[i].used) end(&m, &m.slots[i], -1);
  free(m.slots);
  for (size_t i = 0; i < n; i++) failed |= results[i];
  return failed;
}
