// SPDX-License-Identifier: Apache-2.0
#include "scorer.h"

#include <stdlib.h>
#include <string.h>

int scorer_open(struct scorer *s, const struct gpt2_weights *weights, const struct image *image,
                const struct scorer *share, struct err *err) {
  memset(s, 0, sizeof *s);
  if (weights) {
    s->n_ctx = weights->config.n_ctx;
    s->vocab_size = weights->config.vocab_size;
    return gpt2_float_create(&s->reference, weights, err);
  }
  s->n_ctx = image->header.n_ctx;
  s->vocab_size = image->header.vocab_size;
  s->logits = malloc(image->header.vocab_size * sizeof *s->logits);
  if (!s->logits) return err_memory(err, "logits");
  const struct fast_options options = {.threads = 1, .share = !share ? NULL : share->integers};
  return fast_engine_create(&s->integers, image, &options, err);
}

void scorer_close(struct scorer *s) {
  gpt2_float_free(s->reference);
  fast_engine_destroy(s->integers);
  free(s->logits);
  memset(s, 0, sizeof *s);
}

uint64_t scorer_saturations(const struct scorer *s) {
  if (!s->integers) return 0;
  const struct saturation sat = fast_engine_saturation(s->integers);
  return saturation_sum(&sat);
}

struct token_score scorer_score(const float *logits, size_t n, uint32_t target) {
  struct token_score score = {.nll = gpt2_float_loss(logits, n, target), .likely = true};
  for (size_t i = 0; i < n && score.likely; i++)
    score.likely = i < target ? logits[i] < logits[target] : logits[i] <= logits[target];
  return score;
}

struct taker {
  const uint32_t *ids;
  size_t vocab_size, first;
  struct token_score *scores;
  float *logits;  // [V] of the integers
};

static int take(void *ctx, size_t position, const float *logits) {
  const struct taker *t = ctx;
  t->scores[position + 1 - t->first] = scorer_score(logits, t->vocab_size, t->ids[position + 1]);
  return 0;
}

static void take_rows(void *ctx, uint32_t position, const int32_t *rows) {
  const struct taker *t = ctx;
  for (size_t v = 0; v < t->vocab_size; v++)
    t->logits[v] = (float)rows[v] * (1.0f / (1 << ROW_FRAC));
  take(ctx, position, t->logits);
}

static int run_integers(struct scorer *s, struct taker *t, size_t n, struct err *err) {
  for (size_t i = 0; i < n; i++) {
    if (t->ids[i] >= t->vocab_size) {
      return err_set(err, "id %lu at index %zu, expected ids below %zu", (unsigned long)t->ids[i],
                     i, t->vocab_size);
    }
  }
  const struct fast_report report = {.ctx = t, .logits = take_rows};
  const uint32_t silent = (uint32_t)t->first - 1;
  if (silent > 0) fast_engine_run(s->integers, t->ids, silent, 0, FAST_NO_HEAD, NULL);
  fast_engine_run(s->integers, t->ids + silent, (uint32_t)(n - 1) - silent, silent, FAST_EVERY_HEAD,
                  &report);
  return 0;
}

int scorer_run(struct scorer *s, const uint32_t *ids, size_t n, size_t first,
               struct token_score *scores, struct err *err) {
  if (first < 1 || first >= n || n > s->n_ctx + 1) {
    return err_set(err, "tokens %zu to %zu of a sequence, expected some from 1 to %zu", first, n,
                   s->n_ctx);
  }
  struct taker t = {ids, s->vocab_size, first, scores, s->logits};
  if (!s->reference) return run_integers(s, &t, n, err);
  return gpt2_float_sequence(s->reference, ids, n - 1, first - 1, take, &t, err);
}
