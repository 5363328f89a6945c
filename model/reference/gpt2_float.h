// SPDX-License-Identifier: Apache-2.0
// gpt2_float - GPT-2 in float32, the reference for the integer model
//
//   x = wte[id] + wpe[position]
//   for each layer:  x += attention(layernorm(x)),  x += mlp(layernorm(x))
//   logits = lm_head layernorm(x)
//
// attention is softmax(q k / sqrt(64)) v over the positions so far, with 64 dimensions per head.
// mlp is two linear layers with GELU's tanh form between them. layernorm has the biased variance
// plus epsilon under the root. Keys and values of earlier positions are cached, so a step costs one
// position. Source: https://github.com/openai/gpt-2, src/model.py.
//
// Sums run over 16 lanes in an order that does not depend on how many positions share a call. So
// one position at a time and all at once agree to the last bit, or nearly (a compiler may fuse
// products). Dimensions are T positions of a call, C width, NH heads, L layers and V vocabulary.

#ifndef GPT2RTL_GPT2_FLOAT_H
#define GPT2RTL_GPT2_FLOAT_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "tensor.h"
#include "weights.h"

struct gpt2_float;  // one sequence

// Makes an empty sequence for weights, which must outlive it. Keys and values take 8 L C n_ctx
// bytes. On success release with gpt2_float_free, which also accepts NULL. Errors: out of memory.
int gpt2_float_create(struct gpt2_float **state, const struct gpt2_weights *weights,
                      struct err *err);
void gpt2_float_free(struct gpt2_float *state);

// Forgets the sequence.
void gpt2_float_reset(struct gpt2_float *state);

// Sets the callback that receives every tensor (tensor.h), or NULL for none. Key and value are the
// cached 32-bit numbers.
void gpt2_float_observe(struct gpt2_float *state, tensor_observe *see, void *ctx);

// Sets a function that may alter each tensor before it is used (and before it is observed), or NULL
// for none. It serves to measure what rounding a tensor costs. The rows of wpe are not passed to
// it.
typedef void gpt2_float_alter(void *ctx, const struct tensor_place *place, float *x, size_t n);
void gpt2_float_change(struct gpt2_float *state, gpt2_float_alter *alter, void *ctx);

// Computes id at position, which is at most the number of positions so far. Positions from that one
// on are forgotten first, so 0 begins a new sequence. logits[V] receives the next token's logits;
// NULL skips the head. Errors: an id or a position outside its range.
int gpt2_float_step(struct gpt2_float *state, uint32_t id, size_t position, float *logits,
                    struct err *err);

// Does the same for count ids from position on, several at a time: the weights are read once for
// GPT2_FLOAT_BATCH positions. logits[V] receives those after the last id.
enum { GPT2_FLOAT_BATCH = 32 };
int gpt2_float_prompt(struct gpt2_float *state, const uint32_t *ids, size_t count, size_t position,
                      float *logits, struct err *err);

// Computes a new sequence of count ids, 1 to n_ctx. Calls `take` with logits[V] for positions first
// .. count - 1, in ascending order. A non-zero value from `take` ends the sequence and is returned.
// Errors: an id or the count outside its range; out of memory.
typedef int gpt2_float_take(void *ctx, size_t position, const float *logits);
int gpt2_float_sequence(struct gpt2_float *state, const uint32_t *ids, size_t count, size_t first,
                        gpt2_float_take *take, void *ctx, struct err *err);

// nll[i] = -ln p(ids[i + 1] | ids[0..i]) in nats, 0 <= i < count - 1, for a new sequence of count
// ids, 2 <= count <= n_ctx. The perplexity of a text is exp of the mean of such values. Errors as
// above, or out of memory.
int gpt2_float_nll(struct gpt2_float *state, const uint32_t *ids, size_t count, double *nll,
                   struct err *err);

// -ln softmax(logits[n])[target], in double precision.
double gpt2_float_loss(const float *logits, size_t n, uint32_t target);

#endif
