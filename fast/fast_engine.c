// SPDX-License-Identifier: Apache-2.0
//
// fast_engine - takes a batch through the layers, in loops that the threads share
//
// A layer is six loops: the heads; the strips of the projection; the positions (residual and
// LayerNorm); the strips of the MLP's first matrix, each with its GELU, because a strip is an
// operand block; the strips of its second matrix; the positions again. All threads meet between two
// loops.
#include "fast_state.h"

#include <stdlib.h>
#include <string.h>

// ------------------------------------------------------------------------------------------ strips

void fast_strip(struct fast_batch *b, struct fast_scratch *s, const struct fast_matrix *m,
                uint32_t strip, const struct fast_operand *x, uint32_t n, int32_t *row,
                size_t row_stride) {
  s->sat.row += b->engine->kernels->multiply(&(struct fast_product){
      .strip = m->tiles + (size_t)strip * m->n_blocks * TILE_BYTES,
      .n_blocks = m->n_blocks,
      .x = x,
      .x_stride = m->n_blocks,
      .first = b->first,
      .side = m->side + strip * HEAD_DIM,
      .extra = RESCALE_LINEAR,
      .row = row,
      .row_stride = row_stride,
      .n = n,
      .n_rows = m->n_rows - strip * HEAD_DIM,
  });
}

// Computes a strip of a matrix whose rows are added to the residual.
static void to_rows(struct fast_batch *b, const struct fast_matrix *m, uint32_t strip,
                    const struct fast_operand *x, uint32_t thread) {
  struct fast_engine *e = b->engine;
  fast_strip(b, &e->scratch[thread], m, strip, x, b->n, e->row + strip * HEAD_DIM,
             e->image->header.n_embd);
}

static void attention_projection(void *ctx, uint32_t strip, uint32_t thread) {
  struct fast_batch *b = ctx;
  to_rows(b, &b->engine->weights.layers[b->layer].attn_proj, strip, b->engine->attention, thread);
}

static void mlp_second(void *ctx, uint32_t strip, uint32_t thread) {
  struct fast_batch *b = ctx;
  to_rows(b, &b->engine->weights.layers[b->layer].mlp_proj, strip, b->engine->hidden, thread);
}

static void mlp_first(void *ctx, uint32_t strip, uint32_t thread) {
  struct fast_batch *b = ctx;
  struct fast_engine *e = b->engine;
  const struct fast_matrix *m = &e->weights.layers[b->layer].fc;
  struct fast_scratch *s = &e->scratch[thread];
  fast_strip(b, s, m, strip, e->x, b->n, s->row[0], HEAD_DIM);
  for (uint32_t t = 0; t < b->n; t++) {
    e->kernels->gelu(s->row[t], HEAD_DIM);
    e->kernels->block_quant(&e->hidden[(size_t)t * m->n_strips + strip], s->row[t]);
  }
}

static void head(void *ctx, uint32_t strip, uint32_t thread) {
  struct fast_batch *b = ctx;
  struct fast_engine *e = b->engine;
  const struct fast_matrix *m = &e->weights.head;
  fast_strip(b, &e->scratch[thread], m, strip, e->x + (size_t)b->first_head * m->n_blocks,
             b->n_heads, e->logits + (size_t)strip * HEAD_DIM, m->n_rows);
}

// --------------------------------------------------------------------------------------- positions

static void embed(struct fast_engine *e, struct residual *r, int32_t *row, uint32_t id,
                  uint32_t position, struct saturation *sat) {
  const struct image_header *h = &e->image->header;
  const struct matrix wpe = {e->image, h->wpe_base, h->n_ctx, 2 * h->n_head, false};
  const struct matrix wte = {e->image, h->wte_base, h->vocab_size, h->n_head, false};
  pos_embedding(r, &wpe, position, sat);
  token_embedding(row, &wte, id);
}

// Adds the row to the residual of position t, then computes the LayerNorm, if there is one.
static void position(void *ctx, uint32_t t, uint32_t thread) {
  struct fast_batch *b = ctx;
  struct fast_engine *e = b->engine;
  const uint32_t width = e->image->header.n_embd, heads = e->image->header.n_head;
  struct saturation *sat = &e->scratch[thread].sat;
  struct residual *r = &e->residual[t];
  int32_t *row = e->row + (size_t)t * width;
  if (b->embed) embed(e, r, row, b->places[t].id, b->places[t].position, sat);
  e->kernels->residual_add(r, row, width, sat);
  if (!b->norm || t < b->first_head) return;
  const struct layernorm_statistics statistics = layernorm_statistics(r, &e->image->header);
  e->kernels->layernorm(row, r->x, b->norm, width, &statistics, sat);
  for (uint32_t h = 0; h < heads; h++)
    e->kernels->block_quant(&e->x[t * heads + h], row + h * HEAD_DIM);
}

// ------------------------------------------------------------------------------------------- batch

static void report_hidden(const struct fast_batch *b, const struct fast_report *report, int layer) {
  if (!report || !report->hidden) return;
  for (uint32_t t = 0; t < b->n; t++)
    report->hidden(report->ctx, b->places[t].position, layer, b->engine->residual[t].x);
}

static void run_batch(struct fast_batch *b, const struct fast_report *report) {
  struct fast_engine *e = b->engine;
  const struct image_header *h = &e->image->header;
  const uint32_t first_head = b->first_head;
  struct fast_pool *pool = e->pool;
  b->first_head = 0;  // all positions are normalised until the last LayerNorm
  b->norm = e->weights.norms;
  b->embed = true;
  fast_pool_run(pool, b->n, position, b);
  b->embed = false;
  report_hidden(b, report, -1);
  const uint32_t heads = h->n_head;
  for (b->layer = 0; b->layer < h->n_layer; b->layer++) {
    const struct fast_layer *l = &e->weights.layers[b->layer];
    fast_first(b->first, e->x, heads, heads, b->n);
    fast_pool_run(pool, heads, fast_attention_head, b);
    fast_first(b->first, e->attention, heads, heads, b->n);
    fast_pool_run(pool, l->attn_proj.n_strips, attention_projection, b);
    b->norm += h->n_embd;
    fast_pool_run(pool, b->n, position, b);
    fast_first(b->first, e->x, heads, heads, b->n);
    fast_pool_run(pool, l->fc.n_strips, mlp_first, b);
    fast_first(b->first, e->hidden, 4 * heads, 4 * heads, b->n);
    fast_pool_run(pool, l->mlp_proj.n_strips, mlp_second, b);
    b->norm += h->n_embd;
    if (b->layer == h->n_layer - 1) b->first_head = first_head;
    fast_pool_run(pool, b->n, position, b);
    report_hidden(b, report, (int)b->layer);
  }
  if (!b->n_heads) return;
  fast_first(b->first, e->x + (size_t)first_head * heads, heads, heads, b->n_heads);
  fast_pool_run(pool, e->weights.head.n_strips, head, b);
  e->newest_logits = b->n_heads - 1;
  for (uint32_t t = 0; report && report->logits && t < b->n_heads; t++)
    report->logits(report->ctx, b->places[first_head + t].position,
                   e->logits + (size_t)t * h->vocab_size);
}

void fast_engine_run(struct fast_engine *e, const uint32_t *ids, uint32_t n, uint32_t position,
                     enum fast_heads heads, const struct fast_report *report) {
  for (uint32_t done = 0; done < n;) {
    struct fast_place places[FAST_BATCH];
    struct fast_batch b = {.engine = e, .places = places};
    b.n = n - done < FAST_BATCH ? n - done : FAST_BATCH;
    for (uint32_t t = 0; t < b.n; t++)
      places[t] = (struct fast_place){.position = position + done + t, .id = ids[done + t]};
    done += b.n;
    b.n_heads = heads == FAST_EVERY_HEAD ? b.n : heads == FAST_LAST_HEAD && done == n;
    b.first_head = b.n - b.n_heads;
    run_batch(&b, report);
  }
}

void fast_engine_step(struct fast_engine *e, const struct fast_place *places, uint32_t n,
                      uint32_t n_heads) {
  run_batch(&(struct fast_batch){.engine = e,
                                 .places = places,
                                 .n = n,
                                 .n_heads = n_heads,
                                 .first_head = n - n_heads},
            NULL);
}

const int32_t *fast_engine_logits(const struct fast_engine *e) {
  return e->logits + (size_t)e->newest_logits * e->image->header.vocab_size;
}

struct saturation fast_engine_saturation(const struct fast_engine *e) {
  struct saturation sum = {0};
  for (uint32_t i = 0; i < e->n_threads; i++) {
    sum.row += e->scratch[i].sat.row;
    sum.residual += e->scratch[i].sat.residual;
    sum.norm += e->scratch[i].sat.norm;
    sum.prob += e->scratch[i].sat.prob;
  }
  return sum;
}

// -------------------------------------------------------------------------------------- making one

static int make_cache(struct fast_engine *e) {
  const struct image_header *h = &e->image->header;
  const size_t heads = (size_t)e->n_sequences * h->n_layer * h->n_head;
  const size_t tiles = (h->n_ctx + HEAD_DIM - 1) / HEAD_DIM;
  const size_t values = tiles * TILE_BYTES, words = tiles * HEAD_DIM;
  const size_t a_head = 2 * values + words * (sizeof(uint32_t) + sizeof(uint16_t));
  e->cache_bytes = heads * a_head;
  e->cache_memory = fast_memory_map(e->cache_bytes);
  e->cache = calloc(heads, sizeof *e->cache);
  if (!e->cache_memory || !e->cache) return -1;
  for (size_t i = 0; i < heads; i++) {
    uint8_t *at = (uint8_t *)e->cache_memory + i * a_head;
    e->cache[i] = (struct fast_cache){
        .k = (int8_t *)at,
        .v = (int8_t *)at + values,
        .k_side = (uint32_t *)(void *)(at + 2 * values),
        .v_scale = (uint16_t *)(void *)(at + 2 * values + words * sizeof(uint32_t)),
    };
  }
  return 0;
}

// Allocates n zeroed elements at the start of a cache line, so that no vector lies in two lines.
static void *zeroed(size_t n, size_t bytes) {
  const size_t size = (n * bytes + 63) / 64 * 64;
  void *p = aligned_alloc(64, size);
  return p ? memset(p, 0, size) : NULL;
}

static int make_buffers(struct fast_engine *e) {
  const struct image_header *h = &e->image->header;
  const size_t n = FAST_BATCH, heads = h->n_head, vocab = h->vocab_size;
  e->scratch = zeroed(e->n_threads, sizeof *e->scratch);
  e->residual = zeroed(n, sizeof *e->residual);
  e->row = zeroed(n * h->n_embd, sizeof *e->row);
  e->x = zeroed(n * heads, sizeof *e->x);
  e->attention = zeroed(n * heads, sizeof *e->attention);
  e->hidden = zeroed(n * 4 * heads, sizeof *e->hidden);
  e->logits = calloc(n * vocab, sizeof *e->logits);  // few pages of it are ever touched
  e->strip_max = calloc(vocab / HEAD_DIM + 1, sizeof *e->strip_max);
  e->candidate = calloc(vocab, sizeof *e->candidate);
  e->candidate_id = calloc(vocab, sizeof *e->candidate_id);
  return e->scratch && e->residual && e->row && e->x && e->attention && e->hidden && e->logits &&
                 e->strip_max && e->candidate && e->candidate_id
             ? 0
             : -1;
}

int fast_engine_create(struct fast_engine **engine, const struct image *image,
                       const struct fast_options *options, struct err *err) {
  struct fast_engine *e = *engine = calloc(1, sizeof *e);
  if (!e) return err_memory(err, "the engine");
  e->image = image;
  e->n_threads = options->threads ? options->threads : 1;
  e->n_sequences = options->sequences ? options->sequences : 1;
  e->kernels = options->kernels ? options->kernels : fast_kernels_named("auto", err);
  e->shares = options->share != NULL;
  if (e->shares) e->weights = options->share->weights;
  int failed = 0;
  if (!e->shares) failed = fast_weights_load(&e->weights, image, e->kernels->together, err);
  else if (e->weights.together != e->kernels->together)
    failed = err_set(err, "vector code %s cannot share the weights of %s: its tiles differ",
                     e->kernels->name, options->share->kernels->name);
  if (!failed && (make_cache(e) || make_buffers(e)))
    failed = err_memory(err, "the KV cache and the positions of a batch");
  if (!failed) failed = fast_pool_create(&e->pool, e->n_threads, err);
  if (!failed) return 0;
  fast_engine_destroy(e);
  *engine = NULL;
  return -1;
}

void fast_engine_destroy(struct fast_engine *e) {
  if (!e) return;
  fast_pool_destroy(e->pool);
  if (!e->shares) fast_weights_free(&e->weights);
  fast_memory_unmap(e->cache_memory, e->cache_bytes);
  free(e->cache);
  free(e->scratch);
  free(e->residual);
  free(e->row);
  free(e->x);
  free(e->attention);
  free(e->hidden);
  free(e->logits);
  free(e->strip_max);
  free(e->candidate);
  free(e->candidate_id);
  free(e);
}
