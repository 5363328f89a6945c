// SPDX-License-Identifier: Apache-2.0
// host_sampling - choosing the next token by what the hardware's sampler has not: top-p, and a
// penalty on repetition
//
// In this order, as transformers': the logits of ids that were there already are divided by the
// penalty where they are positive and multiplied by it where not; the top_k likeliest are kept; of
// them the likeliest that together have the probability top_p. One is drawn by the hardware's own
// arithmetic (golden/sampling.c: exponentials of 22 fraction bits, xorshift64), so that with top_p
// 1, penalty 1 and the same top_k the same id is drawn as there. Everything is integers but penalty
// and top_p, which multiply or divide doubles once each: the same on every machine.

#ifndef GPT2RTL_HOST_SAMPLING_H
#define GPT2RTL_HOST_SAMPLING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct host_sampling {
  uint32_t n_vocab;
  bool draws;      // false: the likeliest, always
  uint32_t top_k;  // 0: all
  double top_p;    // above 0, up to 1: all
  double penalty;  // above 0; 1: none
  uint32_t inv_t;  // sampling_inv_t
  uint64_t state;  // sampling_seed
  // owned, and of the latest choice:
  uint8_t *seen;    // [n_vocab] 1: that id was there
  int32_t *logits;  // [n_vocab] with the penalty, Q14.16
  uint64_t *heap;   // [n_vocab] of those that are not ranked yet, the likeliest in front
  uint32_t *ids;    // [n_vocab] ranked: likeliest first, of equal ones the lower id
  size_t n_heap, n_ids;
  uint64_t total;  // the weights of all that can be drawn
  uint64_t last;   // the place (heap's order) of the last that can be
};

// Allocates for n_vocab ids; all of them can be drawn, until the fields above say otherwise. After
// success or failure release with host_sampling_free.
int host_sampling_create(struct host_sampling *sampling, uint32_t n_vocab, struct err *err);
void host_sampling_free(struct host_sampling *sampling);

// From now on that id was there.
void host_sampling_see(struct host_sampling *sampling, uint32_t id);

// The next id, from logits[n_vocab], Q14.16. Draws advance the state once.
uint32_t host_sampling_choose(struct host_sampling *sampling, const int32_t *logits);

// With which probability the latest choice could have been id.
double host_sampling_share(const struct host_sampling *sampling, uint32_t id);

#endif
