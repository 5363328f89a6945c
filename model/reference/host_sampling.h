// SPDX-License-Identifier: Apache-2.0
// host_sampling - chooses the next token with top-p and a repetition penalty, which the hardware
// lacks
//
// The steps are those of transformers, in the same order. The logit of an id that has already
// occurred is divided by the penalty if it is positive, and multiplied by it otherwise. The top_k
// most likely ids are kept and, of these, the most likely ones whose probabilities together reach
// top_p. One of them is drawn by the hardware's arithmetic (golden/sampling.c: exponentials of 22
// fraction bits, xorshift64). So with top_p 1, penalty 1 and the same top_k, the draw is the
// hardware's. All arithmetic is on integers, except that penalty and top_p each multiply or divide
// a double once. The result is the same on every machine.

#ifndef GPT2RTL_HOST_SAMPLING_H
#define GPT2RTL_HOST_SAMPLING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct host_sampling {
  uint32_t n_vocab;
  bool draws;      // false: always the most likely
  uint32_t top_k;  // 0: all
  double top_p;    // above 0, at most 1; 1: all
  double penalty;  // above 0; 1: none
  uint32_t inv_t;  // sampling_inv_t
  uint64_t state;  // sampling_seed
  // owned; the state of the latest choice:
  uint8_t *seen;    // [n_vocab] 1 if the id has occurred
  int32_t *logits;  // [n_vocab] with the penalty, Q14.16
  uint64_t *heap;   // [n_vocab] ids not yet ranked, the most likely first
  uint32_t *ids;    // [n_vocab] ranked ids: the most likely first, of equals the lower id
  size_t n_heap, n_ids;
  uint64_t total;  // the sum of the weights of all ids that can be drawn
  uint64_t last;   // the rank (heap's order) of the last id that can be drawn
};

// Allocates for n_vocab ids. All of them can be drawn until the fields above are set otherwise.
// After success or failure release with host_sampling_free. Errors: out of memory.
int host_sampling_create(struct host_sampling *sampling, uint32_t n_vocab, struct err *err);
void host_sampling_free(struct host_sampling *sampling);

// Records that the id has occurred.
void host_sampling_see(struct host_sampling *sampling, uint32_t id);

// Chooses the next id from logits[n_vocab], Q14.16. A draw advances the state once.
uint32_t host_sampling_choose(struct host_sampling *sampling, const int32_t *logits);

// The probability with which the latest choice could have been id.
double host_sampling_share(const struct host_sampling *sampling, uint32_t id);

#endif
