// SPDX-License-Identifier: Apache-2.0
// scorer - measures how well an engine predicts given tokens, for perplexity and LAMBADA
//
// The integer model runs in fast/, whose numbers equal those of golden/ bit for bit. A scorer owns
// an engine's state and reads a model that scorers share. Each thread needs its own scorer.

#ifndef GPT2RTL_SCORER_H
#define GPT2RTL_SCORER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "fast.h"
#include "gpt2_float.h"

struct scorer {
  size_t n_ctx, vocab_size;
  // one of the two engines
  struct gpt2_float *reference;
  struct fast_engine *integers;
  float *logits;  // [V] of the integers, as floats
};

// Opens an engine for the float weights or for the image, which must outlive it; the other is NULL.
// share is NULL, or a scorer of the same model that must outlive this one; the two then share what
// can be shared. Release with scorer_close, also after an error. Errors: out of memory.
int scorer_open(struct scorer *scorer, const struct gpt2_weights *weights,
                const struct image *image, const struct scorer *share, struct err *err);
void scorer_close(struct scorer *scorer);

// Saturations of the integer model so far; 0 for float.
uint64_t scorer_saturations(const struct scorer *scorer);

struct token_score {
  double nll;   // -ln p of the token given those before it, in nats
  bool likely;  // no other token is more likely (of equals, the lower id counts as the more likely)
};

// Scores a new sequence of n ids: scores[i - first] is that of ids[i] given ids[0 .. i - 1], first
// <= i < n. 1 <= first < n <= n_ctx + 1; the last id is only predicted. Errors: a range or an id is
// invalid.
int scorer_run(struct scorer *scorer, const uint32_t *ids, size_t n, size_t first,
               struct token_score *scores, struct err *err);

// -ln softmax(logits[n])[target] and whether target has the largest logit.
struct token_score scorer_score(const float *logits, size_t n, uint32_t target);

#endif
