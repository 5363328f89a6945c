// SPDX-License-Identifier: Apache-2.0
//
// controller - the token loop: the prompt, then generation, the context crop, the stop
// (rtl/top/controller.sv)
//
// One description of a run serves the golden and the float model (controller_run) and the hardware
// (sim_run). The rules of a run:
//
//   - Prompt ids run without the head, except the last if ids are to be generated. With all_heads
//     every id runs the head.
//   - Each chosen id is reported and is the next input. After max_new chosen ids, or the stop id,
//     the run ends without another step.
//   - An id that would need position n_ctx crops the history to its newest n_ctx / 2 ids, that id
//     included (golden/history.h). They run again from position 0, without the head except for the
//     last, or with the head for all if all_heads is set.
#ifndef GPT2RTL_CONTROLLER_H
#define GPT2RTL_CONTROLLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "golden.h"
#include "history.h"

// What happened at one position. It is reported when the position is complete.
struct controller_step {
  uint32_t id, position;  // the input
  bool head;              // whether the head ran
  uint32_t choice;        // the id that was chosen, if the head ran
  bool recomputed;        // whether the position was computed again after a context crop
};

struct controller_run {
  const uint32_t *prompt;
  size_t n_prompt;   // 1 .. n_ctx
  uint32_t max_new;  // ids to generate, may be 0
  bool stop_enabled;
  uint32_t stop_id;          // the run ends when it is chosen
  bool all_heads;            // logits of every position
  struct sampling sampling;  // state: from sampling_seed

  void *ctx;
  // NULL, or a function that chooses the id from logits[V], Q14.16, in place of `sampling`. The
  // hardware ignores it and always uses `sampling`.
  uint32_t (*choose)(void *ctx, const int32_t *logits);
  // Callbacks. Each may be NULL. A non-zero return value ends the run.
  int (*token)(void *ctx, uint32_t id);                        // an id has been chosen
  int (*step)(void *ctx, const struct controller_step *step);  // a position is complete
  int (*logits)(void *ctx, const int32_t *logits);             // [V], Q14.16; only with all_heads
  // [C], Q14.12, after the embedding (layer -1) and each layer.
  int (*hidden)(void *ctx, int layer, const int32_t *x);
};

// Checks that a run fits a model of n_ctx positions and n_vocab ids, and that its sampling fits the
// formats of golden.h. Returns 0, or -1 and an error that names the limit.
int controller_check(const struct controller_run *run, uint32_t n_ctx, uint32_t n_vocab,
                     struct err *err);

// A run that is computed piece by piece, so that several runs can share a model:
//
//   while (controller_next(&sequence, most, &piece)) {
//     compute piece's positions; if piece.head is set, choose an id
//     if (controller_computed(&sequence, &piece, choice, err)) fail;
//   }
struct controller_sequence {
  const struct controller_run *run;
  struct history history;
  size_t next, headless;  // the next position to compute, and the first that runs the head
  bool recomputed, over;
  uint32_t generated;
};
struct controller_piece {
  const uint32_t
      *ids;  // of positions position .. position + n - 1; valid until controller_computed
  uint32_t n, position;
  bool head;  // the head runs; n is then 1
};
// Starts a run, which must outlive the sequence. Release with controller_end, also after an error.
// Errors: controller_check's, out of memory.
int controller_begin(struct controller_sequence *sequence, const struct controller_run *run,
                     uint32_t n_ctx, uint32_t n_vocab, struct err *err);
void controller_end(struct controller_sequence *sequence);
// Returns false if the run is over. Otherwise *piece is what to compute next, at most `most`
// positions.
bool controller_next(const struct controller_sequence *sequence, uint32_t most,
                     struct controller_piece *piece);
// Records that the piece has been computed. choice is the chosen id, used only if the piece's head
// is set. Calls the run's step and token. If one of them ends the run, the result is -1 with an
// empty err.
int controller_computed(struct controller_sequence *sequence, const struct controller_piece *piece,
                        uint32_t choice, struct err *err);

// A model as the loop sees it. step computes one position; with head, it sets *choice to the next
// id.
struct controller_model {
  void *self;
  uint32_t n_ctx, n_vocab;
  int (*step)(void *self, uint32_t id, uint32_t position, bool head, uint32_t *choice,
              struct err *err);
  // NULL, or a function that does the same for n positions from `position` on, without the head. It
  // is for models that are faster in batches.
  int (*prefill)(void *self, const uint32_t *ids, uint32_t n, uint32_t position, struct err *err);
};

// Runs the loop over model. Errors: controller_check's, the model's, out of memory. If a callback
// ends the run, the result is -1 with an empty err.
int controller_run(const struct controller_run *run, const struct controller_model *model,
                   struct err *err);

// The same over the integer model. Its results equal the hardware's bit for bit.
int controller_run_golden(const struct controller_run *run, struct gpt2_core *core,
                          struct err *err);

#endif
