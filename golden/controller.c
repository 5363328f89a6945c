// SPDX-License-Identifier: Apache-2.0
#include "controller.h"

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

// Schedules positions `from` up to the history's newest.
static void compute_from(struct controller_sequence *s, size_t from, bool last_head) {
  s->next = from;
  s->headless = s->run->all_heads ? from : s->history.count - last_head;
}

int controller_begin(struct controller_sequence *s, const struct controller_run *run,
                     uint32_t n_ctx, uint32_t n_vocab, struct err *err) {
  *s = (struct controller_sequence){.run = run, .over = true};
  if (controller_check(run, n_ctx, n_vocab, err) || history_create(&s->history, n_ctx, err))
    return -1;
  history_append(&s->history, run->prompt, run->n_prompt);
  compute_from(s, 0, run->max_new > 0);
  s->over = false;
  return 0;
}

void controller_end(struct controller_sequence *s) { history_free(&s->history); }

bool controller_next(const struct controller_sequence *s, uint32_t most,
                     struct controller_piece *piece) {
  const size_t without = s->headless > s->next ? s->headless - s->next : 0;
  if (s->over) return false;
  *piece = (struct controller_piece){.ids = s->history.ids + s->next,
                                     .n = !without         ? 1
                                          : without < most ? (uint32_t)without
                                                           : most,
                                     .position = (uint32_t)s->next,
                                     .head = !without};
  return true;
}

int controller_computed(struct controller_sequence *s, const struct controller_piece *piece,
                        uint32_t choice, struct err *err) {
  const struct controller_run *run = s->run;
  for (uint32_t i = 0; i < piece->n; i++) {
    const struct controller_step step = {.id = piece->ids[i],
                                         .position = piece->position + i,
                                         .head = piece->head,
                                         .choice = piece->head ? choice : 0,
                                         .recomputed = s->recomputed};
    if (run->step && run->step(run->ctx, &step)) return ended(err);
  }
  s->next += piece->n;
  if (s->next < s->history.count) return 0;
  s->over = s->generated == run->max_new;  // max_new is 0
  if (s->over) return 0;
  if (run->token && run->token(run->ctx, choice)) return ended(err);
  s->over = ++s->generated == run->max_new || (run->stop_enabled && choice == run->stop_id);
  if (s->over) return 0;
  const size_t before = s->history.count, from = history_push(&s->history, choice);
  // After a crop all positions count as recomputed, the new id's too, as in the hardware.
  s->recomputed = from < before;
  compute_from(s, from, true);
  return 0;
}

int controller_run(const struct controller_run *run, const struct controller_model *model,
                   struct err *err) {
  struct controller_sequence s;
  struct controller_piece piece;
  int result = controller_begin(&s, run, model->n_ctx, model->n_vocab, err);
  while (!result && controller_next(&s, model->prefill ? model->n_ctx : 1, &piece)) {
    uint32_t choice = 0;
    const bool at_once = model->prefill && !piece.head;
    result = at_once
                 ? model->prefill(model->self, piece.ids, piece.n, piece.position, err)
                 : model->step(model->self, piece.ids[0], piece.position, piece.head, &choice, err);
    if (!result) result = controller_computed(&s, &piece, choice, err);
  }
  controller_end(&s);
  return result;
}

// ------------------------------------------------------------------------------- the integer model

struct golden {
  const struct controller_run *run;
  struct gpt2_core *core;
  struct sampling sampling;
  bool stop;  // a callback has ended the run
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
