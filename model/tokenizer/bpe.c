// SPDX-License-Identifier: Apache-2.0
#include "bpe.h"

#include <stdbool.h>
#include <stdlib.h>

#define NONE UINT32_MAX

// ----------------------------------------------------------------------------- the table of merges

int bpe_create(struct bpe *bpe, size_t capacity, struct err *err) {
  size_t slots = 4;
  while (slots < 2 * capacity) slots *= 2;
  *bpe = (struct bpe){
      .merges = calloc(capacity + 1, sizeof *bpe->merges),
      .capacity = capacity,
      .slots = calloc(slots, sizeof *bpe->slots),
      .slot_mask = slots - 1,
  };
  if (!bpe->merges || !bpe->slots) {
    bpe_free(bpe);
    return err_memory(err, "the merges");
  }
  return 0;
}

void bpe_free(struct bpe *bpe) {
  free(bpe->merges);
  free(bpe->slots);
  *bpe = (struct bpe){0};
}

// The slot that holds the pair, or the empty one where it belongs.
static uint32_t *find_slot(const struct bpe *bpe, uint32_t left, uint32_t right) {
  uint64_t hash = ((uint64_t)left << 32 | right) * 0x9E3779B97F4A7C15u;
  for (size_t i = (size_t)(hash >> 32);; i++) {
    uint32_t *slot = &bpe->slots[i & bpe->slot_mask];
    if (*slot == 0) return slot;
    const struct bpe_merge *merge = &bpe->merges[*slot - 1];
    if (merge->left == left && merge->right == right) return slot;
  }
}

int bpe_add(struct bpe *bpe, struct bpe_merge merge) {
  uint32_t *slot = find_slot(bpe, merge.left, merge.right);
  if (*slot != 0 || bpe->count == bpe->capacity) return -1;
  bpe->merges[bpe->count++] = merge;
  *slot = (uint32_t)bpe->count;
  return 0;
}

// ---------------------------------------------------------------------------- a heap of candidates
//
// A candidate is rank << 32 | position of its left token, so the least candidate is the leftmost
// occurrence of the lowest rank.

static void heap_push(uint64_t *heap, size_t *count, uint64_t value) {
  size_t i = (*count)++;
  for (; i > 0 && heap[(i - 1) / 2] > value; i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
  heap[i] = value;
}

static uint64_t heap_pop(uint64_t *heap, size_t *count) {
  uint64_t least = heap[0];
  uint64_t last = heap[--*count];
  size_t i = 0;
  for (;;) {
    size_t child = 2 * i + 1;
    if (child >= *count) break;
    child += child + 1 < *count && heap[child + 1] < heap[child];
    if (heap[child] >= last) break;
    heap[i] = heap[child];
    i = child;
  }
  heap[i] = last;
  return least;
}

// ----------------------------------------------------------------------------------------- merging

// The tokens of a piece, as a list linked by positions.
struct bpe_symbol {
  uint32_t id;  // NONE once merged into the token before
  uint32_t previous, next;
};

void bpe_scratch_free(struct bpe_scratch *scratch) {
  free(scratch->symbols);
  free(scratch->heap);
  free(scratch->sweep);
  *scratch = (struct bpe_scratch){0};
}

// There are count - 1 first candidates, and two for each of at most count - 1 merges. This bounds
// heap and sweep.
static int scratch_reserve(struct bpe_scratch *s, size_t count, struct err *err) {
  if (count <= s->capacity) return 0;
  size_t capacity = count < 64 ? 64 : count + count / 2;
  bpe_scratch_free(s);
  s->symbols = malloc(capacity * sizeof *s->symbols);
  s->heap = malloc(3 * capacity * sizeof *s->heap);
  s->sweep = malloc(3 * capacity * sizeof *s->sweep);
  if (!s->symbols || !s->heap || !s->sweep) {
    bpe_scratch_free(s);
    return err_memory(err, "merging a piece");
  }
  s->capacity = capacity;
  return 0;
}

// Pushes the pair that begins at position, if it is a known pair.
static void push_pair(const struct bpe *bpe, struct bpe_scratch *s, size_t *heap_count,
                      uint32_t position) {
  if (position == NONE || s->symbols[position].next == NONE) return;
  uint32_t right = s->symbols[s->symbols[position].next].id;
  uint32_t rank = *find_slot(bpe, s->symbols[position].id, right);
  if (rank != 0) heap_push(s->heap, heap_count, (uint64_t)(rank - 1) << 32 | position);
}

// Merges the pair at position if both its tokens are still there. Returns whether they were.
static bool merge_at(struct bpe_symbol *symbols, const struct bpe_merge *merge, uint32_t position) {
  struct bpe_symbol *left = &symbols[position];
  if (left->id != merge->left || left->next == NONE || symbols[left->next].id != merge->right)
    return false;
  struct bpe_symbol *right = &symbols[left->next];
  left->id = merge->result;
  left->next = right->next;
  right->id = NONE;
  if (left->next != NONE) symbols[left->next].previous = position;
  return true;
}

int bpe_merge_all(const struct bpe *bpe, struct bpe_scratch *scratch, uint32_t *ids, size_t count,
                  size_t *merged, struct err *err) {
  *merged = count;
  if (count < 2) return 0;
  if (count > BPE_MAX_TOKENS)
    return err_set(err, "a word of %zu bytes, expected at most %d", count, BPE_MAX_TOKENS);
  if (scratch_reserve(scratch, count, err) != 0) return -1;
  struct bpe_symbol *symbols = scratch->symbols;
  for (size_t i = 0; i < count; i++) {
    symbols[i] = (struct bpe_symbol){
        .id = ids[i],
        .previous = i == 0 ? NONE : (uint32_t)i - 1,
        .next = i + 1 == count ? NONE : (uint32_t)i + 1,
    };
  }
  size_t heap_count = 0;
  for (size_t i = 0; i + 1 < count; i++) push_pair(bpe, scratch, &heap_count, (uint32_t)i);

  while (heap_count > 0) {
    // Merge all occurrences of the lowest rank, from left to right, before any pair that they
    // create.
    uint64_t rank = scratch->heap[0] >> 32;
    size_t sweep_count = 0;
    while (heap_count > 0 && scratch->heap[0] >> 32 == rank)
      scratch->sweep[sweep_count++] = heap_pop(scratch->heap, &heap_count);
    for (size_t i = 0; i < sweep_count; i++) {
      uint32_t position = (uint32_t)scratch->sweep[i];
      if (merge_at(symbols, &bpe->merges[rank], position)) {
        push_pair(bpe, scratch, &heap_count, symbols[position].previous);
        push_pair(bpe, scratch, &heap_count, position);
      }
    }
  }

  size_t kept = 0;
  for (uint32_t i = 0; i != NONE; i = symbols[i].next) ids[kept++] = symbols[i].id;
  *merged = kept;
  return 0;
}
