// SPDX-License-Identifier: Apache-2.0
//
// fast_attention - computes one head for a batch: query, key and value, then golden's
// attention_core for each position
#include "fast_state.h"

#include <string.h>

// A key is a row of a tile, a value a column.
static void cache_write(struct fast_cache *c, const struct fast_kernels *kernels, uint32_t position,
                        const int32_t *k, const int32_t *v) {
  const uint32_t at = position % HEAD_DIM, together = kernels->together;
  const size_t tile = (size_t)(position / HEAD_DIM) * TILE_BYTES;
  int8_t q[HEAD_DIM];
  uint16_t scale;
  kernels->kv_quantize(q, &scale, k);
  c->k_side[position] = scale;
  for (uint32_t d = 0; d < HEAD_DIM; d += together)
    memcpy(c->k + tile + tile_offset(together, at, d), q + d, together);
  kernels->kv_quantize(q, &scale, v);
  c->v_scale[position] = scale;
  for (uint32_t d = 0; d < HEAD_DIM; d++) c->v[tile + tile_offset(together, d, at)] = q[d];
}

void fast_engine_cached(const struct fast_engine *e, uint32_t layer, uint32_t head,
                        uint32_t position, int8_t k[HEAD_DIM], uint16_t *k_scale,
                        int8_t v[HEAD_DIM], uint16_t *v_scale) {
  const struct fast_cache *c = &e->cache[layer * e->image->header.n_head + head];
  const uint32_t at = position % HEAD_DIM, together = e->kernels->together;
  const size_t tile = (size_t)(position / HEAD_DIM) * TILE_BYTES;
  for (uint32_t d = 0; d < HEAD_DIM; d++) {
    k[d] = c->k[tile + tile_offset(together, at, d)];
    v[d] = c->v[tile + tile_offset(together, d, at)];
  }
  *k_scale = (uint16_t)c->k_side[position];
  *v_scale = c->v_scale[position];
}

// Attention for positions `position` .. position + n - 1, n <= FAST_ATTENTION. A position takes no
// scores from the cache entries after it, and its probabilities for them are zero.
static void attend(struct fast_operand *out, size_t out_stride, const struct fast_kernels *kernels,
                   struct fast_scratch *s, const struct fast_cache *c, const struct fast_operand *q,
                   uint32_t position, uint32_t n) {
  fast_first(s->first, q, 1, 1, n);
  for (uint32_t first = 0; first < position + n; first += HEAD_DIM) {
    // the first position that sees this tile
    const uint32_t t = first > position ? first - position : 0;
    s->sat.row += kernels->multiply(&(struct fast_product){
        .strip = c->k + (size_t)first * HEAD_DIM,
        .n_blocks = 1,
        .x = q + t,
        .x_stride = 1,
        .first = s->first + t,
        .side = c->k_side + first,
        .extra = RESCALE_SCORES,
        .row = s->score[t] + first,
        .row_stride = MAX_CTX,
        .n = n - t,
        .n_rows = position + t + 1 - first,
        .causal = true,
    });
  }
  for (uint32_t t = 0; t < n; t++) {
    const uint32_t seen = position + t + 1, rest = -seen % HEAD_DIM;
    const int32_t max = kernels->largest(s->score[t], seen);
    const uint16_t inverse = softmax_inverse(
        kernels->exponentials(s->probability, s->score[t], c->v_scale, seen, max, &s->sat));
    memset(s->probability + seen, 0, rest * sizeof *s->probability);
    for (uint32_t j = 0; j < seen + rest; j += HEAD_DIM)
      kernels->block_quant(&s->p[t][j / HEAD_DIM], s->probability + j);
    for (uint32_t d = 0; d < HEAD_DIM; d++) s->inverse[t][d] = inverse;
  }
  for (uint32_t t = 0, more; t < n; t += more) {  // the positions that see equally many tiles
    const uint32_t tiles = (position + t) / HEAD_DIM + 1, left = tiles * HEAD_DIM - position - t;
    more = n - t < left ? n - t : left;
    fast_first(s->first, s->p[t], MAX_CTX / HEAD_DIM, tiles, more);
    s->sat.row += kernels->multiply(&(struct fast_product){
        .strip = c->v,
        .n_blocks = tiles,
        .x = s->p[t],
        .x_stride = MAX_CTX / HEAD_DIM,
        .first = s->first,
        .side = s->inverse[t],
        .side_stride = HEAD_DIM,
        .extra = RESCALE_PV,
        .row = s->row[t],
        .row_stride = HEAD_DIM,
        .n = more,
        .n_rows = HEAD_DIM,
    });
  }
  for (uint32_t t = 0; t < n; t++) kernels->block_quant(out + t * out_stride, s->row[t]);
}

void fast_attention_head(void *ctx, uint32_t head, uint32_t thread) {
  struct fast_batch *b = ctx;
  struct fast_engine *e = b->engine;
  struct fast_scratch *s = &e->scratch[thread];
  const uint32_t heads = e->image->header.n_head;
  const struct fast_matrix *qkv = &e->weights.layers[b->layer].qkv;
  const uint32_t of_sequence = e->image->header.n_layer * heads;
  struct fast_cache *cache = &e->cache[b->layer * heads + head];  // of sequence 0
  int32_t key[FAST_BATCH][HEAD_DIM];

  fast_strip(b, s, qkv, 3 * head, e->x, b->n, s->row[0], HEAD_DIM);
  for (uint32_t t = 0; t < b->n; t++) e->kernels->block_quant(&s->q[t], s->row[t]);
  fast_strip(b, s, qkv, 3 * head + 1, e->x, b->n, key[0], HEAD_DIM);
  fast_strip(b, s, qkv, 3 * head + 2, e->x, b->n, s->row[0], HEAD_DIM);
  for (uint32_t t = 0; t < b->n; t++)
    cache_write(&cache[b->places[t].sequence * of_sequence], e->kernels, b->places[t].position,
                key[t], s->row[t]);
  for (uint32_t t = 0, n; t < b->n; t += n) {
    const struct fast_place *at = &b->places[t];
    for (n = 1; n < FAST_ATTENTION && t + n < b->n && at[n].sequence == at->sequence;) n++;
    attend(&e->attention[t * heads + head], heads, e->kernels, s,
           &cache[at->sequence * of_sequence], &s->q[t], at->position, n);
  }
}
