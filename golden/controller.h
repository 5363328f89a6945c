// SPDX-License-Identifier: Apache-2.0
//
// controller - the token loop: the prompt, then generation, the context crop, the stop
// (rtl/top/controller.sv)
//
// One description of a run serves the golden model, the float model (both by controller_run) and
// the hardware (sim_run):
//
//   - prompt ids run without the head, except the last if anything is to be generated; with
//     all_heads each runs the head
//   - each chosen id is reported and is the next input; after max_new of them, or the stop id, the
//     run ends without a further step
//   - an id that would need position n_ctx crops the history to its newest n_ctx / 2 ids, that id
//     included; they run again from position 0, all but the last without the head unless all_heads
//     (golden/history.h)
#ifndef GPT2RTL_CONTROLLER_H
#define GPT2RTL_CONTROLLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "golden.h"
#include "history.h"

// What happened at one position, reported when it is over.
struct controller_step {
  uint32_t id, position;  // read in
  bool head;              // the head ran:
  uint32_t choice;        // the id it chose
  bool recomputed;        // a position computed again after a context crop
};

struct controller_run {
  const uint32_t *prompt;
  size_t n_prompt;   // 1 .. n_ctx
  uint32_t max_new;  // ids to generate, may be 0
  bool stop_enabled;
  uint32_t stop_id;          // the run ends after it
  bool all_heads;            // logits of every position
  struct sampling sampling;  // state: from sampling_seed

  void *ctx;
  // NULL, or chooses the id from logits[V], Q14.16, in place of `sampling`. The hardware always
  // uses its own.
  uint32_t (*choose)(void *ctx, const int32_t *logits);
  // Each may be NULL; non-zero ends the run.
  int (*token)(void *ctx, uint32_t id);                        // an id has been chosen
  int (*step)(void *ctx, const struct controller_step *step);  // a position is over
  int (*logits)(void *ctx, const int32_t *logits);             // [V], Q14.16: only with all_heads
  int (*hidden)(void *ctx, int layer,
                const int32_t *x);  // [C], Q14.12: after the embedding (-1) and each layer
};

// Checks that a run fits a model of n_ctx positions and n_vocab ids, and that its sampling fits the
// formats of golden.h. Errors say what is wrong and what the limit is.
int controller_check(const struct controller_run *run, uint32_t n_ctx, uint32_t n_vocab,
                     struct err *err);

// A run that is computed piece by piece, so that several can share a model:
//
//   while (controller_next(&sequence, most, &piece)) {
//     compute piece's positions; with piece.head, choose
//     if (controller_computed(&sequence, &piece, choice, err)) fail;
//   }
struct controller_sequence {
  const struct controller_run *run;
  struct history history;
  size_t next, headless;  // the next position to compute; the head runs from `headless` on
  bool recomputed, over;
  uint32_t generated;
};
struct controller_piece {
  const uint32_t *ids;  // of positions position .. position + n - 1, until controller_computed
  uint32_t n, position;
  bool head;  // n is 1, and the id that follows is wanted
};
// Release with controller_end, also after an error. Errors: controller_check's, out of memory.
int controller_begin(struct controller_sequence *sequence, const struct controller_run *run,
                     uint32_t n_ctx, uint32_t n_vocab, struct err *err);
void controller_end(struct controller_sequence *sequence);
// False: the run is over. Otherwise what to compute next, at most `most` positions.
bool controller_next(const struct controller_sequence *sequence, uint32_t most,
                     struct controller_piece *piece);
// The piece has been computed; choice counts only with its head. Calls the run's step and token. If
// one of them ends the run, -1 and an empty err.
int controller_computed(struct controller_sequence *sequence, const struct controller_piece *piece,
                        uint32_t choice, struct err *err);

// What a model does for the loop. step computes one position; with head, *choice is the id that
// follows.
struct controller_model {
  void *self;
  uint32_t n_ctx, n_vocab;
  int (*step)(void *self, uint32_t id, uint32_t position, bool head, uint32_t *choice,
              struct err *err);
  // NULL, or the same as step for n positions from `position` on, without head: for models that are
  // faster in batches.
  int (*prefill)(void *self, const uint32_t *ids, uint32_t n, uint32_t position, struct err *err);
};

// Runs the loop over model. Errors: controller_check's, the model's, out of memory; if a callback
// ends it, an empty err.
int controller_run(const struct controller_run *run, const struct controller_model *model,
                   struct err *err);

// The same over the integer model; equals the hardware bit for bit.
int controller_run_golden(const struct controller_run *run, struct gpt2_core *core,
                          struct err *err);

#endif
