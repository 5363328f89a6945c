// SPDX-License-Identifier: Apache-2.0
//
// top - the most likely candidates of a step
#ifndef GPT2RTL_TOP_H
#define GPT2RTL_TOP_H

#include <stddef.h>
#include <stdint.h>

#include "gpt2rtl.h"
#include "host_sampling.h"

// The n <= GPT2RTL_CANDIDATES most likely of logits[n_vocab], in that order, of equal ones the
// lower id, as sampling ranks them; and after them `choice`, if it is not among these: list has
// room for n + 1. temperature > 0; top_k 1 always takes the most likely. host, if it is not NULL,
// has made the choice, from these logits with its penalty: it says what it can draw. Returns their
// number.
size_t top_find(struct gpt2rtl_candidate *list, size_t n, const float *logits, uint32_t n_vocab,
                double temperature, uint32_t top_k, const struct host_sampling *host,
                uint32_t choice);

#endif
