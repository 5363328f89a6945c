// SPDX-License-Identifier: Apache-2.0
// bpe - merges pairs of tokens by rank
//
// GPT-2's rule (bpe() in https://github.com/openai/gpt-2, src/encoder.py): while any two neighbours
// are a known pair, take the pair of lowest rank and merge all its occurrences from left to right.
// n tokens take time n log n, even if they are one word.

#ifndef GPT2RTL_BPE_H
#define GPT2RTL_BPE_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"

enum { BPE_MAX_TOKENS = 1 << 28 };  // tokens of one piece; ranks and positions share 64 bits

struct bpe_merge {
  uint32_t left, right;  // ids of the neighbours
  uint32_t result;       // id of the token they become
};

struct bpe {
  struct bpe_merge *merges;  // by rank
  size_t count, capacity;
  uint32_t *slots;  // hash of (left, right): rank + 1, or 0 for an empty slot
  size_t slot_mask;
};

// Makes an empty table for up to capacity merges. After success release with bpe_free. Errors: out
// of memory.
int bpe_create(struct bpe *bpe, size_t capacity, struct err *err);
void bpe_free(struct bpe *bpe);

// Adds the merge of the next rank. Returns 0, or -1 if the pair is already there or the table is
// full.
int bpe_add(struct bpe *bpe, struct bpe_merge merge);

// Working memory, kept from one piece to the next; zero it before the first, then bpe_scratch_free.
struct bpe_scratch {
  struct bpe_symbol *symbols;
  uint64_t *heap, *sweep;
  size_t capacity;  // in tokens
};
void bpe_scratch_free(struct bpe_scratch *scratch);

// Merges ids[0..count-1] in place. On success *merged ids are left.
// Errors: out of memory, or count above BPE_MAX_TOKENS.
int bpe_merge_all(const struct bpe *bpe, struct bpe_scratch *scratch, uint32_t *ids, size_t count,
                  size_t *merged, struct err *err);

#endif
