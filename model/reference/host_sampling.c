// SPDX-License-Identifier: Apache-2.0
#include "host_sampling.h"

#include <math.h>
#include <stdlib.h>

#include "fixed.h"
#include "golden.h"

__extension__ typedef unsigned __int128 uint128;

int host_sampling_create(struct host_sampling *s, uint32_t n_vocab, struct err *err) {
  *s = (struct host_sampling){
      .n_vocab = n_vocab,
      .draws = true,
      .top_p = 1,
      .penalty = 1,
      .seen = calloc(n_vocab, sizeof *s->seen),
      .logits = calloc(n_vocab, sizeof *s->logits),
      .heap = calloc(n_vocab, sizeof *s->heap),
      .ids = calloc(n_vocab, sizeof *s->ids),
  };
  return !s->seen || !s->logits || !s->heap || !s->ids ? err_memory(err, "the sampler") : 0;
}

void host_sampling_free(struct host_sampling *s) {
  free(s->seen);
  free(s->logits);
  free(s->heap);
  free(s->ids);
  *s = (struct host_sampling){0};
}

void host_sampling_see(struct host_sampling *s, uint32_t id) {
  if (id < s->n_vocab) s->seen[id] = 1;
}

static void penalise(struct host_sampling *s, const int32_t *logits) {
  for (uint32_t i = 0; i < s->n_vocab; i++) {
    s->logits[i] = logits[i];
    if (s->seen[i] != 0 && s->penalty != 1) {
      const double x = nearbyint(logits[i] < 0 ? logits[i] * s->penalty : logits[i] / s->penalty);
      s->logits[i] = (int32_t)fmax(fmin(x, (double)ROW_MAX), -(double)ROW_MAX);
    }
  }
}

// ----------------------------------------------------------------------------------------- ranking

// An id's place in the order: the larger logit first, of equal ones the lower id.
static uint64_t place_of(const struct host_sampling *s, uint32_t id) {
  return (uint64_t)((int64_t)INT32_MAX - s->logits[id]) << 32 | id;
}

static void sift_down(uint64_t *heap, size_t count, size_t i) {
  const uint64_t value = heap[i];
  for (size_t child; (child = 2 * i + 1) < count; i = child) {
    child += child + 1 < count && heap[child + 1] < heap[child];
    if (heap[child] >= value) break;
    heap[i] = heap[child];
  }
  heap[i] = value;
}

// Ranks one more; the heap must not be empty. Returns its id.
static uint32_t rank_next(struct host_sampling *s) {
  const uint32_t id = (uint32_t)s->heap[0];
  s->ids[s->n_ids++] = id;
  s->heap[0] = s->heap[--s->n_heap];
  sift_down(s->heap, s->n_heap, 0);
  return id;
}

// e^((logit - largest) / T), 22 fraction bits; the largest is ranked.
static uint64_t weight_of(const struct host_sampling *s, uint32_t id) {
  const uint64_t d = (uint64_t)((int64_t)s->logits[s->ids[0]] - s->logits[id]);
  return exp2_neg(d * s->inv_t >> 16);
}

static void rank_largest(struct host_sampling *s) {
  s->n_heap = s->n_vocab;
  s->n_ids = 0;
  for (uint32_t i = 0; i < s->n_vocab; i++) s->heap[i] = place_of(s, i);
  for (size_t i = s->n_heap / 2; i-- > 0;) sift_down(s->heap, s->n_heap, i);
  rank_next(s);
}

// Finds the ids that can be drawn: ranks them, unless all can be, and sums their weights.
static void cut(struct host_sampling *s) {
  s->total = 0;
  s->last = UINT64_MAX;
  if (s->top_k != 0) {
    while (s->n_ids < s->top_k && s->n_heap > 0) rank_next(s);
    for (size_t i = 0; i < s->n_ids; i++) s->total += weight_of(s, s->ids[i]);
  } else {
    for (uint32_t i = 0; i < s->n_vocab; i++) s->total += weight_of(s, i);
  }
  if (s->top_p < 1) {  // the fewest ids whose sum reaches top_p
    const double enough = s->top_p * (double)s->total;
    size_t kept = 0;
    uint64_t sum = 0;
    while ((double)sum < enough && (kept < s->n_ids || s->n_heap > 0)) {
      sum += weight_of(s, kept < s->n_ids ? s->ids[kept] : rank_next(s));
      kept++;
    }
    s->total = sum;
    s->last = place_of(s, s->ids[kept - 1]);
  } else if (s->top_k != 0) {
    s->last = place_of(s, s->ids[s->n_ids - 1]);
  }
}

uint32_t host_sampling_choose(struct host_sampling *s, const int32_t *logits) {
  penalise(s, logits);
  rank_largest(s);
  if (!s->draws) {
    s->last = place_of(s, s->ids[0]);
    s->total = weight_of(s, s->ids[0]);
    return s->ids[0];
  }
  cut(s);
  s->state ^= s->state << 13;
  s->state ^= s->state >> 7;
  s->state ^= s->state << 17;
  const uint64_t target = (uint64_t)((uint128)(s->state >> 32) * s->total >> 32);  // below total
  uint32_t id = s->ids[0];
  uint64_t sum = weight_of(s, id);
  for (size_t i = 1; sum <= target; i++) {
    id = i < s->n_ids ? s->ids[i] : rank_next(s);
    sum += weight_of(s, id);
  }
  return id;
}

double host_sampling_share(const struct host_sampling *s, uint32_t id) {
  return id < s->n_vocab && place_of(s, id) <= s->last ? (double)weight_of(s, id) / (double)s->total
                                                       : 0;
}
