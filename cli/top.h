// SPDX-License-Identifier: Apache-2.0
//
// top - the most likely candidates of a step, for generate --top
#ifndef GPT2RTL_TOP_H
#define GPT2RTL_TOP_H

#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "err.h"
#include "host_sampling.h"
#include "tokenizer.h"

enum { TOP_MAX = 100 };

struct top_candidate {
  uint32_t id;
  double probability;  // of the whole vocabulary: softmax(logits / temperature)
  double drawn;  // the probability with which sampling draws it: the same among only the top_k most
                 // likely; 0 for others
};

// The n <= TOP_MAX most likely of logits[n_vocab], in that order, of equal ones the lower id, as
// sampling ranks them; and after them `choice`, if it is not among these: list has room for n + 1.
// temperature > 0; top_k 1 always takes the most likely. host, if it is not NULL, has made the
// choice, from these logits with its penalty: it says what it can draw. Returns their number.
size_t top_find(struct top_candidate *list, size_t n, const float *logits, uint32_t n_vocab,
                double temperature, uint32_t top_k, const struct host_sampling *host,
                uint32_t choice);

// One line each on standard output: "  * 0.8312  0.9027  409  " there"", with the star at the
// choice. tokenizer may be NULL: only ids.
int top_print(const struct top_candidate *list, size_t n, uint32_t choice,
              const struct tokenizer *tokenizer, struct err *err);
// [{"id": 409, "text": " there", "probability": 0.8312, "drawn": 0.9027}, ...]
cJSON *top_json(const struct top_candidate *list, size_t n, const struct tokenizer *tokenizer);

#endif
