// SPDX-License-Identifier: Apache-2.0
//
// fast_head - chooses the next id, and runs the token loop over the fast engine
#include "fast_state.h"

// The k-th largest of n numbers, or INT32_MIN if n < k.
static int32_t kth_largest(const int32_t *x, uint32_t n, uint32_t k) {
  int32_t top[MAX_TOP_K];
  uint32_t found = 0;
  for (uint32_t i = 0; i < n; i++) {
    if (found == k && x[i] <= top[k - 1]) continue;
    uint32_t at = found < k ? found++ : k - 1;
    for (; at > 0 && top[at - 1] < x[i]; at--) top[at] = top[at - 1];
    top[at] = x[i];
  }
  return found == k ? top[k - 1] : INT32_MIN;
}

// sampling_choose takes the k largest logits, and of equal ones those with the lower ids. Take the
// maximum of each strip of 64 logits: the k-th largest of these maxima is no larger than the k-th
// largest logit. So logits below it cannot be among the k largest, and the others, in order, give
// the same choice.
uint32_t fast_engine_choose(struct fast_engine *e, struct sampling *sampling) {
  const int32_t *logits = fast_engine_logits(e);
  const uint32_t n_vocab = e->image->header.vocab_size;
  uint32_t strips = 0, n = 0;
  for (uint32_t v = 0; v < n_vocab; v += HEAD_DIM)
    e->strip_max[strips++] =
        e->kernels->largest(logits + v, n_vocab - v < HEAD_DIM ? n_vocab - v : HEAD_DIM);
  const int32_t least = kth_largest(e->strip_max, strips, sampling->top_k);
  for (uint32_t s = 0; s < strips; s++) {
    if (e->strip_max[s] < least) continue;
    for (uint32_t v = s * HEAD_DIM; v < n_vocab && v < (s + 1) * HEAD_DIM; v++) {
      if (logits[v] < least) continue;
      e->candidate[n] = logits[v];
      e->candidate_id[n++] = v;
    }
  }
  return e->candidate_id[sampling_choose(sampling, e->candidate, n)];
}

// -------------------------------------------------------------------------------------- token loop

struct running {
  const struct controller_run *run;
  struct fast_engine *engine;
  struct sampling sampling;
  bool stop;  // a callback has ended the run
};

static void on_logits(void *ctx, uint32_t position, const int32_t *logits) {
  struct running *r = ctx;
  (void)position;
  if (r->run->all_heads && r->run->logits && r->run->logits(r->run->ctx, logits)) r->stop = true;
}

static void on_hidden(void *ctx, uint32_t position, int layer, const int32_t *x) {
  struct running *r = ctx;
  (void)position;
  if (r->run->hidden && r->run->hidden(r->run->ctx, layer, x)) r->stop = true;
}

static int step(void *self, uint32_t id, uint32_t position, bool head, uint32_t *choice,
                struct err *err) {
  struct running *r = self;
  const struct fast_report report = {.ctx = r, .hidden = on_hidden};
  fast_engine_run(r->engine, &id, 1, position, head ? FAST_LAST_HEAD : FAST_NO_HEAD, &report);
  if (head)
    *choice = r->run->choose ? r->run->choose(r->run->ctx, fast_engine_logits(r->engine))
                             : fast_engine_choose(r->engine, &r->sampling);
  if (head && !r->stop) on_logits(r, position, fast_engine_logits(r->engine));
  if (!r->stop) return 0;
  if (err) err->text[0] = 0;
  return -1;
}

static int prefill(void *self, const uint32_t *ids, uint32_t n, uint32_t position,
                   struct err *err) {
  struct running *r = self;
  (void)err;
  fast_engine_run(r->engine, ids, n, position, FAST_NO_HEAD, NULL);
  return 0;
}

int controller_run_fast(const struct controller_run *run, struct fast_engine *engine,
                        struct err *err) {
  const struct image_header *h = &engine->image->header;
  struct running r = {.run = run, .engine = engine, .sampling = run->sampling};
  const struct controller_model model = {
      .self = &r,
      .n_ctx = h->n_ctx,
      .n_vocab = h->vocab_size,
      .step = step,
      // `hidden` must be called in the order of the positions, as prefill does not.
      .prefill = run->hidden ? NULL : prefill,
  };
  return controller_run(run, &model, err);
}
