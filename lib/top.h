// SPDX-License-Identifier: Apache-2.0
//
// top - finds the most likely candidates of a step
#ifndef GPT2RTL_TOP_H
#define GPT2RTL_TOP_H

#include <stddef.h>
#include <stdint.h>

#include "gpt2rtl.h"
#include "host_sampling.h"

// Finds the n <= GPT2RTL_CANDIDATES most likely ids of logits[n_vocab], the most likely first, of
// equals the lower id, as in sampling. `choice` is added after them if it is not among them, so
// list has room for n + 1. temperature is above 0; top_k 1 always takes the most likely. host, if
// not NULL, has made the choice from these logits with its penalty, and gives the probabilities of
// being drawn. Returns the number of candidates.
size_t top_find(struct gpt2rtl_candidate *list, size_t n, const float *logits, uint32_t n_vocab,
                double temperature, uint32_t top_k, const struct host_sampling *host,
                uint32_t choice);

#endif
