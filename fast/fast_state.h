// SPDX-License-Identifier: Apache-2.0
//
// fast_state - the fast engine's state, which only the files of fast/ include
#ifndef GPT2RTL_FAST_STATE_H
#define GPT2RTL_FAST_STATE_H

#include "fast.h"
#include "fast_weights.h"

enum { FAST_ATTENTION = 16 };

// The cache of one head: keys as strips of one tile each (rows are positions), values as one strip
// (rows are dimensions).
struct fast_cache {
  int8_t *k, *v;
  uint32_t *k_side;   // [n_ctx, rounded up to 64] scales as side words
  uint16_t *v_scale;  // [the same]
};

// One thread's buffers.
struct fast_scratch {
  int32_t row[FAST_BATCH][HEAD_DIM];
  // for attention, which takes FAST_ATTENTION positions at a time
  struct fast_operand q[FAST_BATCH], p[FAST_ATTENTION][MAX_CTX / HEAD_DIM];
  int32_t score[FAST_ATTENTION][MAX_CTX], probability[MAX_CTX];
  int first[FAST_ATTENTION];
  uint32_t inverse[FAST_ATTENTION][HEAD_DIM];  // 1 / sum of exponentials, as side words
  struct saturation sat;
} __attribute__((aligned(64)));

struct fast_engine {
  const struct image *image;
  const struct fast_kernels *kernels;
  struct fast_pool *pool;
  uint32_t n_threads;
  struct fast_weights weights;
  bool shares;  // the weights belong to another engine
  uint32_t n_sequences;
  struct fast_cache *cache;  // [sequences][L][NH]
  void *cache_memory;
  size_t cache_bytes;
  struct fast_scratch *scratch;  // [threads]

  // of a batch's positions
  struct residual *residual;       // [FAST_BATCH]
  int32_t *row;                    // [FAST_BATCH][C]: rows to add to the residual next
  struct fast_operand *x;          // [FAST_BATCH][NH]: normalised
  struct fast_operand *attention;  // [FAST_BATCH][NH]
  struct fast_operand *hidden;     // [FAST_BATCH][4 NH]: GELU's output
  int32_t *logits;                 // [FAST_BATCH][V]
  uint32_t newest_logits;          // which of them fast_engine_logits gives

  // for sampling
  int32_t *strip_max, *candidate;  // [V / 64], [V]
  uint32_t *candidate_id;          // [V]
};

// A batch on its way through the layers: the context of fast_pool_run.
struct fast_batch {
  struct fast_engine *engine;
  const struct fast_place *places;
  uint32_t n;  // <= FAST_BATCH
  uint32_t layer;
  uint32_t first_head, n_heads;  // which positions of the batch run the head
  const uint32_t *norm;          // parameters of the LayerNorm that follows; NULL: none
  int first[FAST_BATCH];         // of the current matrix: fast_first
  bool embed;                    // the rows to add are embeddings
};

// Multiplies strip `strip` of a matrix by n positions x[n][n_blocks]. Position t's 64 rows go to
// row + t * row_stride.
void fast_strip(struct fast_batch *b, struct fast_scratch *s, const struct fast_matrix *m,
                uint32_t strip, const struct fast_operand *x, uint32_t n, int32_t *row,
                size_t row_stride);

// An item of fast_pool_run, whose ctx is a struct fast_batch: one head of all positions.
void fast_attention_head(void *ctx, uint32_t head, uint32_t thread);

#endif
