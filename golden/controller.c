// SPDX-License-Identifier: Apache-2.0
#include "controller.h"

#include "history.h"

int controller_check(const struct controller_run *run, uint32_t n_ctx, uint32_t n_vocab,
                     struct err *err) {
  if (run->n_prompt == 0) return err_set(err, "the prompt is empty: at least one id is needed");
  if (run->n_prompt > n_ctx)
    return err_set(err,
                   "the prompt has %zu ids, but the model's context holds %u: shorten it by %zu",
                   run->n_prompt, (unsigned)n_ctx, run->n_prompt - n_ctx);
  for (size_t i = 0; i < run->n_prompt; i++)
    if (run->prompt[i] >= n_vocab)
      return err_set(err,
                     "id %u (number %zu of the prompt) is not in the vocabulary: ids are 0 to %u",
                     (unsigned)run->prompt[i], i + 1, (unsigned)(n_vocab - 1));
  if (run->sampling.top_k < 1 || run->sampling.top_k > MAX_TOP_K)
    return err_set(err, "top_k is %u, expected 1 to %d", (unsigned)run->sampling.top_k, MAX_TOP_K);
  if (run->sampling.inv_t >> SAMPLING_INV_T_BITS)
    return err_set(err, "inv_t is %u, expected below 2^%d: a temperature of 0.01 or more",
                   (unsigned)run->sampling.inv_t, SAMPLING_INV_T_BITS);
  return 0;
}

static int ended(struct err *err) {
  if (err) err->text[0] = 0;
  return -1;
}

// Computes positions from .. to - 1 of the history, and the head where it is wanted; *choice is the
// last head's.
static int compute(const struct controller_run *run, const struct controller_model *model,
                   const struct history *history, size_t from, size_t to, bool last_head,
                   bool recomputed, uint32_t *choice, struct err *err) {
  const size_t headless = run->all_heads || from == to ? from : to - last_head;
  const bool at_once = model->prefill && from < headless;
  if (at_once && model->prefill(model->self, history->ids + from, (uint32_t)(headless - from),
                                (uint32_t)from, err))
    return -1;
  for (size_t p = from; p < to; p++) {
    struct controller_step s = {.id = history->ids[p],
                                .position = (uint32_t)p,
                                .head = p >= headless,
                                .recomputed = recomputed};
    if (!(at_once && p < headless) &&
        model->step(model->self, s.id, s.position, s.head, &s.choice, err))
      return -1;
    if (run->step && run->step(run->ctx, &s)) return ended(err);
    *choice = s.choice;
  }
  return 0;
}

static int loop(const struct controller_run *run, const struct controller_model *model,
                struct history *history, struct err *err) {
  uint32_t choice = 0;
  history_append(history, run->prompt, run->n_prompt);
  if (compute(run, model, history, 0, history->count, run->max_new > 0, false, &choice, err))
    return -1;
  for (uint32_t n = 0; n < run->max_new;) {
    if (run->token && run->token(run->ctx, choice)) return ended(err);
    if (++n == run->max_new || (run->stop_enabled && choice == run->stop_id)) break;
    const size_t before = history->count;
    const size_t from = history_push(history, choice);
    // Cropped: all positions run again; the new id runs for the first time, as in the hardware.
    if (compute(run, model, history, from, history->count, true, from < before, &choice, err))
      return -1;
  }
  return 0;
}

int controller_run(const struct controller_run *run, const struct controller_model *model,
                   struct err *err) {
  struct history history;
  if (controller_check(run, model->n_ctx, model->n_vocab, err)) return -1;
  if (history_create(&history, model->n_ctx, err)) return -1;
  const int result = loop(run, model, &history, err);
  history_free(&history);
  return result;
}

// ------------------------------------------------------------------------------- the integer model

struct golden {
  const struct controller_run *run;
  struct gpt2_core *core;
  struct sampling sampling;
  bool stop;  // a callback ends the run
};

static void golden_hidden(void *ctx, int layer, const int32_t *x) {
  struct golden *g = ctx;
  if (g->run->hidden(g->run->ctx, layer, x)) g->stop = true;
}

static int golden_step(void *self, uint32_t id, uint32_t position, bool head, uint32_t *choice,
                       struct err *err) {
  struct golden *g = self;
  gpt2_core_step(g->core, id, position, head);
  if (head)
    *choice = g->run->choose ? g->run->choose(g->run->ctx, g->core->logits)
                             : sampling_choose(&g->sampling, g->core->logits,
                                               g->core->image->header.vocab_size);
  if (head && g->run->all_heads && g->run->logits && g->run->logits(g->run->ctx, g->core->logits))
    g->stop = true;
  return g->stop ? ended(err) : 0;
}

int controller_run_golden(const struct controller_run *run, struct gpt2_core *core,
                          struct err *err) {
  struct golden g = {.run = run, .core = core, .sampling = run->sampling};
  const struct image_header *h = &core->image->header;
  const struct controller_model model = {.self = &g,
                                         .n_ctx = h->n_ctx,
                                         .n_vocab = h->vocab_size,
                                         .step = golden_step};
  core->hidden = run->hidden ? golden_hidden : NULL;
  core->hidden_ctx = &g;
  const int result = controller_run(run, &model, err);
  core->hidden = NULL;
  return result;
}
