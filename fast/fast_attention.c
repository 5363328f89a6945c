// SPDX-License-Identifier: Apache-2.0
//
// fast_attention - one head of a batch: query, key and value, then golden's attention_core for each
// position
#include "fast_state.h"

#include <string.h>

// A key is a row of a tile, a value a column.
static void cache_write(struct fast_cache *c, uint32_t position, const int32_t *k,
                        const int32_t *v) {
  const uint32_t at = position % HEAD_DIM;
  const size_t tile = (size_t)(position / HEAD_DIM) * TILE_BYTES;
  int8_t q[HEAD_DIM];
  uint16_t scale;
  kv_quantize(q, &scale, k);
  c->k_side[position] = scale;
  for (uint32_t d = 0; d < HEAD_DIM; d += 2) memcpy(c->k + tile + tile_offset(at, d), q + d, 2);
  kv_quantize(q, &scale, v);
  c->v_scale[position] = scale;
  for (uint32_t d = 0; d < HEAD_DIM; d++) c->v[tile + tile_offset(d, at)] = q[d];
}

void fast_engine_cached(const struct fast_engine *e, uint32_t layer, uint32_t head,
                        uint32_t position, int8_t k[HEAD_DIM], uint16_t *k_scale,
                        int8_t v[HEAD_DIM], uint16_t *v_scale) {
  const struct fast_cache *c = &e->cache[layer * e->image->header.n_head + head];
  const uint32_t at = position % HEAD_DIM;
  const size_t tile = (size_t)(position / HEAD_DIM) * TILE_BYTES;
  for (uint32_t d = 0; d < HEAD_DIM; d++) {
    k[d] = c->k[tile + tile_offset(at, d)];
    v[d] = c->v[tile + tile_offset(d, at)];
  }
  *k_scale = (uint16_t)c->k_side[position];
  *v_scale = c->v_scale[position];
}

// Cache contents after position n - 1 are stale: their scores are not computed, and their
// probabilities are zero.
static void attend(struct operand *out, const struct fast_kernels *kernels, struct fast_scratch *s,
                   const struct fast_cache *c, const struct operand *q, uint32_t n) {
  const uint32_t tiles = (n + HEAD_DIM - 1) / HEAD_DIM;
  for (uint32_t j = 0; j < tiles; j++) {
    const uint32_t first = j * HEAD_DIM, rows = n - first < HEAD_DIM ? n - first : HEAD_DIM;
    kernels->multiply(s->acc, c->k + (size_t)j * TILE_BYTES, 1, q, 0, 1);
    s->sat.row += kernels->rescale(s->score + first, s->acc[0], c->k_side + first, rows,
                                   rescale_first(q->e, 1), RESCALE_SCORES);
  }
  const int32_t max = kernels->largest(s->score, n);
  const uint64_t z = kernels->exponentials(s->probability, s->score, c->v_scale, n, max, &s->sat);
  memset(s->probability + n, 0, (tiles * HEAD_DIM - n) * sizeof *s->probability);
  for (uint32_t j = 0; j < tiles; j++)
    kernels->block_quant(&s->p[j], s->probability + j * HEAD_DIM);

  int32_t row[HEAD_DIM];
  uint32_t side[HEAD_DIM];
  const uint16_t inverse = softmax_inverse(z);
  for (uint32_t d = 0; d < HEAD_DIM; d++) side[d] = inverse;
  kernels->multiply(s->acc, c->v, tiles, s->p, 0, 1);
  s->sat.row +=
      kernels->rescale(row, s->acc[0], side, HEAD_DIM,
                       rescale_first(fast_largest_exponent(s->p, tiles), tiles), RESCALE_PV);
  kernels->block_quant(out, row);
}

void fast_attention_head(void *ctx, uint32_t head, uint32_t thread) {
  struct fast_batch *b = ctx;
  struct fast_engine *e = b->engine;
  struct fast_scratch *s = &e->scratch[thread];
  const uint32_t heads = e->image->header.n_head;
  const struct fast_matrix *qkv = &e->weights.layers[b->layer].qkv;
  struct fast_cache *cache = &e->cache[b->layer * heads + head];
  int32_t row[HEAD_DIM], key[FAST_BATCH][HEAD_DIM];

  fast_strip(b, s, qkv, 3 * head, e->x, b->n);
  for (uint32_t t = 0; t < b->n; t++) {
    fast_strip_rows(row, b, s, qkv, 3 * head, e->x, t);
    e->kernels->block_quant(&s->q[t], row);
  }
  fast_strip(b, s, qkv, 3 * head + 1, e->x, b->n);
  for (uint32_t t = 0; t < b->n; t++) fast_strip_rows(key[t], b, s, qkv, 3 * head + 1, e->x, t);
  fast_strip(b, s, qkv, 3 * head + 2, e->x, b->n);
  for (uint32_t t = 0; t < b->n; t++) {
    fast_strip_rows(row, b, s, qkv, 3 * head + 2, e->x, t);
    cache_write(cache, b->position + t, key[t], row);
  }
  for (uint32_t t = 0; t < b->n; t++)
    attend(&e->attention[t * heads + head], e->kernels, s, cache, &s->q[t], b->position + t + 1);
}
