// SPDX-License-Identifier: Apache-2.0
// evaluate - the standard measures of a language model: perplexity of a text, LAMBADA
//
// Perplexity is exp of the mean loss of a text's tokens, as in Hugging Face's guide "Perplexity of
// fixed-length models". The text is one sequence of tokens, over which a window of `context` tokens
// moves by `stride`. Each window scores the tokens that no earlier window held. So every token but
// the first is scored once, with at least context - stride tokens before it if there are that many.
// If the stride equals the context, the first token of each window has none before it and is not
// scored. The guide's program weights each window's mean by one token less than it has; here each
// token has the same weight. The difference is below 1e-3.
//
// LAMBADA is the task lambada_openai of lm-evaluation-harness: a passage is cut at its last space.
// The text before it, without trailing blanks, is the context, and the rest is the target. Passage
// and context are encoded, and the passage's tokens beyond the context's are the target's. Accuracy
// is the share of passages whose target tokens are all the most likely ones. Perplexity is exp of
// the mean target loss, where a target's loss is the sum of its tokens' losses. A passage that does
// not fit the model's context loses its first tokens.

#ifndef GPT2RTL_EVALUATE_H
#define GPT2RTL_EVALUATE_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "scorer.h"
#include "tokenizer.h"

// ids[begin .. end - 1] are one sequence, whose tokens from begin + first on are scored.
struct window {
  size_t begin, end, first;
};

// Computes the windows over count ids, 1 <= stride <= context. The caller frees *windows. Errors:
// fewer than 2 ids; out of memory.
int evaluate_windows(struct window **windows, size_t *n_windows, size_t count, size_t context,
                     size_t stride, struct err *err);

struct evaluate_sum {
  double nll;     // in nats
  size_t tokens;  // scored
  size_t likely;  // those of them that are the most likely
};

// Adds a window's contribution to sum. scores has room for its tokens. Errors: those of scorer_run.
int evaluate_window(struct evaluate_sum *sum, struct scorer *scorer, const uint32_t *ids,
                    const struct window *window, struct token_score *scores, struct err *err);

// An encoded passage, whose last `target` ids are its last word's.
struct passage {
  uint32_t *ids;  // to be freed
  size_t count, target;
};

// Encodes a passage and keeps the last n_ctx + 1 ids, the last of which is only predicted. Errors:
// a single word; a target that does not fit; out of memory.
int evaluate_passage(struct passage *passage, const struct tokenizer *tokenizer, const char *text,
                     size_t n_ctx, struct err *err);

#endif
