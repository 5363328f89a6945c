// SPDX-License-Identifier: Apache-2.0
#include "fast_check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// xorshift64; *state is not 0.
static uint64_t next(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  return *state ^= *state << 17;
}

// -limit .. limit
static int32_t within(uint64_t *state, int32_t limit) {
  return (int32_t)((next(state) >> 11) % (2 * (uint64_t)limit + 1)) - limit;
}

static int differs(struct err *err, const char *what, size_t at, int64_t found, int64_t expected) {
  return err_set(err, "%s, element %zu: %lld, expected %lld", what, at, (long long)found,
                 (long long)expected);
}

static int compare(const char *what, const int32_t *found, const int32_t *expected, size_t n,
                   struct err *err) {
  for (size_t i = 0; i < n; i++)
    if (found[i] != expected[i]) return differs(err, what, i, found[i], expected[i]);
  return 0;
}

static int compare_saturation(const char *what, struct saturation found, struct saturation expected,
                              struct err *err) {
  if (found.row == expected.row && found.residual == expected.residual &&
      found.norm == expected.norm && found.prob == expected.prob)
    return 0;
  return err_set(err,
                 "%s: saturations row %llu, residual %llu, norm %llu, prob %llu; expected %llu, "
                 "%llu, %llu, %llu",
                 what, (unsigned long long)found.row, (unsigned long long)found.residual,
                 (unsigned long long)found.norm, (unsigned long long)found.prob,
                 (unsigned long long)expected.row, (unsigned long long)expected.residual,
                 (unsigned long long)expected.norm, (unsigned long long)expected.prob);
}

// --------------------------------------------------------------------------- images made in memory

// value as a scale, clamped to its range.
static uint32_t scale_word(double value) {
  int e;
  const double f = frexp(value, &e);  // 0.5 .. 1
  const int exponent = e + SCALE_BIAS - 12;
  return exponent < 0 ? 0 : (uint32_t)exponent << 11 | (uint32_t)((f * 2 - 1) * 2048);
}

// 1 + x / 8 or x / 8 as a half, x in -1 .. 1.
static uint32_t half_word(double value) {
  int e;
  const double f = frexp(fabs(value), &e);
  if (value == 0 || e + 14 < 1) return 0;
  return (value < 0 ? 0x8000u : 0) | (uint32_t)(e + 14) << 10 | (uint32_t)((f * 2 - 1) * 1024);
}

static void model_beat(uint8_t *beat, const struct image_region *r, uint32_t lanes,
                       struct image_beat at, uint64_t *random) {
  if (!at.side && !image_is_norm(r->kind)) {
    for (uint32_t i = 0; i < lanes; i++) beat[i] = (uint8_t)(beat[i] == 0x80 ? 0x81 : beat[i]);
    return;
  }
  // rows of deviation about 1 from inputs of deviation 1; less for the MLP's second layer and
  // positions
  const double columns = r->n_cols, unit = 1 / (73 * sqrt(columns));
  for (uint32_t i = 0; i < lanes / 4; i++) {
    const double x = (double)within(random, 1000) / 1000;
    uint32_t word = scale_word(unit * (1 + x / 4) *
                               (r->kind == IMAGE_HEAD  ? 3
                                : r->kind == IMAGE_WPE ? 0.01
                                                       : 1)) |
                    (r->kind == IMAGE_HEAD ? 0 : half_word(x / 8) << 16);
    if (image_is_norm(r->kind)) word = half_word(1 + x / 4) | half_word(x / 4) << 16;
    memcpy(beat + 4 * i, &word, 4);
  }
}

int fast_check_image(struct image *image, uint8_t **beats, const struct image_header *shape,
                     enum fast_check_bytes bytes, uint64_t seed, struct err *err) {
  *image = (struct image){.header = *shape};
  *beats = NULL;
  image->header.layer_norm_epsilon = 1e-5f;
  if (image_layout(&image->header, err)) return -1;
  const uint32_t lanes = image->header.lanes;
  const size_t size = image->header.n_beats * lanes;
  uint64_t random = seed;
  *beats = malloc(size);
  if (!*beats) return err_memory(err, "an image");
  for (size_t i = 0; i < size; i += 8) {
    const uint64_t word = next(&random);
    memcpy(*beats + i, &word, 8);
  }
  image->beats = *beats;
  if (bytes == FAST_ANY_BYTES) return 0;
  for (struct image_region r = {0}; image_next_region(&r, &image->header);)
    for (uint64_t i = 0; i < r.beats; i++)
      model_beat(*beats + (r.base + i) * lanes, &r, lanes, image_beat_at(&r, lanes, i), &random);
  return 0;
}

// ----------------------------------------------------------------------------------------- kernels

enum { BLOCKS = 5, MOST_BLOCKS = 4 * MAX_HEADS, TOKENS = 35, ROUNDS = 40 };

static const int extras[] = {RESCALE_LINEAR, RESCALE_SCORES, RESCALE_PV};

// The operands of one multiplication, for golden/ and for the kernel: p points here.
struct factors {
  int8_t w[HEAD_DIM][MOST_BLOCKS * HEAD_DIM], strip[MOST_BLOCKS * TILE_BYTES];
  struct operand golden[TOKENS * MOST_BLOCKS];
  struct fast_operand x[TOKENS * MOST_BLOCKS];
  uint32_t side[TOKENS * HEAD_DIM];
  int32_t row[TOKENS + 1][HEAD_DIM + 1];
  int first[TOKENS];
  struct fast_product p;
};

// Numbers of 16 bits with an exponent of their own, through both block_quants.
static void make_operand(struct factors *f, const struct fast_kernels *k, size_t at,
                         const int16_t m[HEAD_DIM], int e) {
  int32_t row[HEAD_DIM];
  for (size_t i = 0; i < HEAD_DIM; i++) row[i] = m[i] * (1 << e);
  block_quant(&f->golden[at], row);
  k->block_quant(&f->x[at], row);
}

// Extreme: all weights of a row are equal and all inputs of a position are equal, up to the ends of
// their formats; row 0 of position 0 then sums to the largest possible value.
static void random_factors(struct factors *f, const struct fast_kernels *k, uint32_t blocks,
                           uint32_t n, uint64_t *random, bool extreme) {
  static const int8_t ends[] = {-128, -127, 127, 0};
  static const int16_t mantissas[] = {-32768, 32767, -32767, 0};
  for (uint32_t r = 0; r < HEAD_DIM; r++)
    for (uint32_t c = 0; c < blocks * HEAD_DIM; c++) {
      const int8_t w = extreme ? ends[r % 4] : (int8_t)within(random, 127);
      f->w[r][c] = w;
      f->strip[c / HEAD_DIM * TILE_BYTES + tile_offset(k->together, r, c % HEAD_DIM)] = w;
    }
  for (uint32_t t = 0; t < n; t++) {
    const int common = (int)(next(random) % 16);
    for (uint32_t b = 0; b < blocks; b++) {
      int16_t m[HEAD_DIM];
      for (size_t i = 0; i < HEAD_DIM; i++)
        m[i] = extreme ? mantissas[t % 4] : (int16_t)within(random, 32767);
      make_operand(f, k, (size_t)t * blocks + b, m,
                   extreme && t < 2 ? common : (int)(next(random) % 16));
    }
  }
  for (size_t i = 0; i < sizeof f->side / sizeof *f->side; i++) f->side[i] = (uint32_t)next(random);
  for (uint32_t t = 0; t <= TOKENS; t++)
    for (size_t r = 0; r <= HEAD_DIM; r++) f->row[t][r] = 0x55555555;
}

// Compares each row with golden/ and the saturations, and checks that nothing else was written.
static int check_product(struct factors *f, const struct fast_kernels *k, struct err *err) {
  const struct fast_product *p = &f->p;
  struct saturation found = {0}, expected = {0};
  found.row = k->multiply(p);
  for (uint32_t t = 0; t <= TOKENS; t++)
    for (uint32_t r = 0; r <= HEAD_DIM; r++) {
      int32_t y = 0x55555555;
      if (t < p->n && r < p->n_rows + (p->causal ? t : 0) && r < HEAD_DIM) {
        const int8_t *w[MOST_BLOCKS];
        int e_max;
        for (uint32_t b = 0; b < p->n_blocks; b++) w[b] = &f->w[r][b * HEAD_DIM];
        const int64_t acc = matvec_row(&e_max, w, &f->golden[t * p->n_blocks], p->n_blocks);
        const uint32_t side = f->side[t * p->side_stride + r];
        y = rescale_row(acc, e_max, p->n_blocks, (uint16_t)side, (uint16_t)(side >> 16), p->extra,
                        &expected);
      }
      if (f->row[t][r] != y) {
        char what[64];
        snprintf(what, sizeof what, "multiply of %u blocks, %u positions: position %u", p->n_blocks,
                 p->n, t);
        return differs(err, what, r, f->row[t][r], y);
      }
    }
  return compare_saturation("multiply", found, expected, err);
}

static int check_multiply(const struct fast_kernels *k, uint64_t *random, struct err *err) {
  static struct factors f;
  uint64_t saturated = 0;
  for (uint32_t round = 0; round < 4 * TOKENS; round++) {
    const uint32_t n = round % TOKENS + 1, most = round % 7 == 6 ? MOST_BLOCKS : BLOCKS;
    const uint32_t blocks = round % 5 == 4 ? 8 : 1 + (uint32_t)(next(random) % most);
    random_factors(&f, k, blocks, n, random, round / TOKENS % 2);
    f.p = (struct fast_product){
        .strip = f.strip,
        .n_blocks = blocks,
        .x = f.x,
        .x_stride = blocks,
        .first = f.first,
        .side = f.side,
        .side_stride = round % 3 == 2 ? HEAD_DIM : 0,
        .extra = extras[round % 3],
        .row = f.row[0],
        .row_stride = HEAD_DIM + 1,
        .n = n,
        .n_rows = round % 2 ? HEAD_DIM : 1 + (uint32_t)(next(random) % HEAD_DIM),
        .causal = round % 4 == 0,
    };
    fast_first(f.first, f.x, blocks, blocks, n);
    if (check_product(&f, k, err)) return -1;
    saturated += k->multiply(&f.p);
  }
  if (saturated == 0) return err_set(err, "multiply: nothing saturated: the test is too tame");
  return 0;
}

// What block_quant says a number is, by a tile whose row r takes column r alone.
static int check_quantised(struct factors *f, const struct fast_kernels *k, struct err *err) {
  memset(f->strip, 0, TILE_BYTES);
  for (uint32_t r = 0; r < HEAD_DIM; r++) {
    f->strip[tile_offset(k->together, r, r)] = 1;
    f->side[r] = (uint32_t)(SCALE_BIAS - 11 - f->golden[0].e) << 11;  // 2^-e
  }
  f->p = (struct fast_product){.strip = f->strip,
                               .n_blocks = 1,
                               .x = f->x,
                               .first = f->first,
                               .side = f->side,
                               .row = f->row[0],
                               .n = 1,
                               .n_rows = HEAD_DIM};
  fast_first(f->first, f->x, 1, 1, 1);
  k->multiply(&f->p);
  if (f->x[0].e != f->golden[0].e)
    return differs(err, "block_quant, exponent", 0, f->x[0].e, f->golden[0].e);
  for (size_t i = 0; i < HEAD_DIM; i++)
    if (f->row[0][i] != f->golden[0].m[i])
      return differs(err, "block_quant", i, f->row[0][i], f->golden[0].m[i]);
  return 0;
}

// Rows of all sizes, including both ends of the format.
static void random_rows(int32_t *row, size_t n, uint64_t *random) {
  const int size = (int)(next(random) % 31);
  for (size_t i = 0; i < n; i++) row[i] = within(random, (int32_t)ROW_MAX) >> (30 - size);
  if (size == 30) {
    row[next(random) % n] = (int32_t)ROW_MAX;
    row[next(random) % n] = -(int32_t)ROW_MAX;
  }
}

static int check_rows(const struct fast_kernels *k, uint64_t *random, struct err *err) {
  static struct factors f;
  int32_t row[HEAD_DIM], expected[HEAD_DIM];
  for (int round = 0; round < 64 * ROUNDS; round++) {
    random_rows(row, HEAD_DIM, random);
    if (round == 0) memset(row, 0, sizeof row);
    block_quant(&f.golden[0], row);
    k->block_quant(&f.x[0], row);
    if (check_quantised(&f, k, err)) return -1;

    int8_t q[HEAD_DIM], kv[HEAD_DIM];
    uint16_t q_scale, kv_scale;
    kv_quantize(kv, &kv_scale, row);
    k->kv_quantize(q, &q_scale, row);
    if (q_scale != kv_scale) return differs(err, "kv_quantize, scale", 0, q_scale, kv_scale);
    for (size_t i = 0; i < HEAD_DIM; i++)
      if (q[i] != kv[i]) return differs(err, "kv_quantize", i, q[i], kv[i]);

    int32_t max = row[0];
    const uint32_t n = 1 + (uint32_t)(next(random) % HEAD_DIM);
    for (uint32_t i = 0; i < n; i++) max = row[i] > max ? row[i] : max;
    if (k->largest(row, n) != max) return differs(err, "largest", n, k->largest(row, n), max);

    for (size_t i = 0; i < HEAD_DIM; i++) expected[i] = gelu(row[i]);
    k->gelu(row, HEAD_DIM);
    if (compare("gelu", row, expected, HEAD_DIM, err)) return -1;
  }
  return 0;
}

static int check_residual(const struct fast_kernels *k, uint64_t *random, struct err *err) {
  static struct residual found, expected;
  static int32_t row[MAX_WIDTH], y[MAX_WIDTH], rows[MAX_WIDTH];
  static uint32_t words[MAX_WIDTH];
  struct saturation found_sat = {0}, expected_sat = {0};
  for (int round = 0; round < 4 * ROUNDS; round++) {
    const uint32_t width = (1 + (uint32_t)(next(random) % MAX_HEADS)) * HEAD_DIM;
    struct image image = {.header = {.lanes = 64,
                                     .n_layer = 1,
                                     .n_head = width / HEAD_DIM,
                                     .n_ctx = 2,
                                     .vocab_size = 1,
                                     .layer_norm_epsilon = 1e-5f}};
    if (image_layout(&image.header, err)) return -1;
    random_rows(row, width, random);
    for (size_t c = 0; c < width; c++)
      expected.x[c] = within(random, (int32_t)RES_MAX) >> (round % 26);
    for (size_t c = 0; c < width; c++) words[c] = (uint32_t)next(random);
    if (round % 8 == 0) memset(row, 0, sizeof row), memset(&expected, 0, sizeof expected);
    if (round % 8 == 1)
      for (size_t c = 0; c < width; c++) expected.x[c] = c ? 0 : (int32_t)RES_MAX;
    found = expected;
    residual_add(&expected, row, width, &expected_sat);
    k->residual_add(&found, row, width, &found_sat);
    if (compare("residual_add", found.x, expected.x, width, err)) return -1;
    if (found.sum != expected.sum)
      return differs(err, "residual_add, sum", width, found.sum, expected.sum);
    if (found.sum_sq != expected.sum_sq)
      return differs(err, "residual_add, squares", width, (int64_t)found.sum_sq,
                     (int64_t)expected.sum_sq);

    image.beats = (const uint8_t *)words;
    layernorm_rows(rows, &expected, &image, 0, &expected_sat);
    const struct layernorm_statistics statistics = layernorm_statistics(&found, &image.header);
    k->layernorm(y, found.x, words, width, &statistics, &found_sat);
    if (compare("layernorm", y, rows, width, err)) return -1;
  }
  if (expected_sat.row == 0 || expected_sat.residual == 0)
    return err_set(err, "layernorm: nothing saturated: the test is too tame");
  return compare_saturation("residual_add and layernorm", found_sat, expected_sat, err);
}

static int check_softmax(const struct fast_kernels *k, uint64_t *random, struct err *err) {
  static int32_t score[MAX_CTX], p[MAX_CTX + HEAD_DIM];
  static uint16_t v_scale[MAX_CTX];
  struct saturation found = {0}, expected = {0};
  struct operand block, blocks[MAX_CTX / HEAD_DIM];
  for (int round = 0; round < 8 * ROUNDS; round++) {
    const uint32_t n = 1 + (uint32_t)(next(random) % MAX_CTX);
    random_rows(score, n, random);
    for (uint32_t i = 0; i < n; i++) v_scale[i] = (uint16_t)(next(random) >> (round % 3 * 2));
    const uint16_t inverse = softmax(blocks, score, v_scale, n, &expected);
    const uint64_t z = k->exponentials(p, score, v_scale, n, k->largest(score, n), &found);
    if (softmax_inverse(z) != inverse)
      return differs(err, "exponentials, sum", n, softmax_inverse(z), inverse);
    memset(p + n, 0, HEAD_DIM * sizeof *p);
    for (uint32_t j = 0; j < (n + HEAD_DIM - 1) / HEAD_DIM; j++) {
      block_quant(&block, p + j * HEAD_DIM);
      if (block.e != blocks[j].e)
        return differs(err, "exponentials, exponent of block", j, block.e, blocks[j].e);
      for (uint32_t i = 0; i < HEAD_DIM; i++)
        if (block.m[i] != blocks[j].m[i])
          return differs(err, "exponentials", j * HEAD_DIM + i, block.m[i], blocks[j].m[i]);
    }
  }
  if (expected.prob == 0)
    return err_set(err, "exponentials: nothing saturated: the test is too tame");
  return compare_saturation("exponentials", found, expected, err);
}

// Every exponential of a difference of scores up to 24, where it becomes 0, and beyond; and every
// argument of gelu's table.
static int check_tables(const struct fast_kernels *k, struct err *err) {
  enum { N = 1024 };
  int32_t score[N], p[N], expected[N];
  uint16_t v_scale[N];
  struct saturation sat = {0};
  for (int32_t d = 0; d < (40 << ROW_FRAC); d += N) {
    for (int32_t i = 0; i < N; i++) score[i] = -(d + i), v_scale[i] = 31 << 11;
    const uint64_t z = k->exponentials(p, score, v_scale, N, 0, &sat);
    uint64_t sum = 0;
    for (int32_t i = 0; i < N; i++) {
      const uint32_t e = d + i >= 32 << ROW_FRAC
                             ? 0
                             : exp2_neg((uint64_t)round_shift((int64_t)(d + i) * 94548, 16));
      sum += e;
      const int64_t y = (int64_t)e << 13;  // 2048 * 4: beyond the format from about half of 1.0 on
      if (p[i] != (y > ROW_MAX ? ROW_MAX : y))
        return differs(err, "exponential", (size_t)(d + i), p[i], y);
    }
    if (z != sum) return differs(err, "sum of exponentials", (size_t)d, (int64_t)z, (int64_t)sum);
  }
  for (int32_t x = -(9 << ROW_FRAC); x < 9 << ROW_FRAC; x += N) {
    for (int32_t i = 0; i < N; i++) p[i] = x + i, expected[i] = gelu(x + i);
    k->gelu(p, N);
    if (compare("gelu", p, expected, N, err)) return -1;
  }
  return 0;
}

int fast_check_kernels(const struct fast_kernels *k, uint64_t seed, struct err *err) {
  uint64_t random = seed;
  return check_multiply(k, &random, err) || check_rows(k, &random, err) ||
                 check_residual(k, &random, err) || check_softmax(k, &random, err) ||
                 check_tables(k, err)
             ? -1
             : 0;
}

// -------------------------------------------------------------------------------------- the engine

static struct sampling check_sampling(uint32_t position) {
  static const uint32_t top_k[] = {1, 40, 2, 64};
  return (struct sampling){.top_k = top_k[position % 4],
                           .inv_t = sampling_inv_t(0.8),
                           .state = sampling_seed(position)};
}

static void golden_hidden(void *ctx, int layer, const int32_t *x) {
  struct fast_expected *g = ctx;
  const struct image_header *h = &g->core.image->header;
  memcpy(g->hidden + ((size_t)g->n * (h->n_layer + 1) + (size_t)(layer + 1)) * h->n_embd, x,
         h->n_embd * sizeof *x);
}

int fast_expect(struct fast_expected *g, const struct image *image, uint32_t n, uint64_t seed,
                struct err *err) {
  const struct image_header *h = &image->header;
  uint64_t random = seed;
  *g = (struct fast_expected){0};
  if (gpt2_core_create(&g->core, image, err)) return -1;
  g->ids = calloc(n, sizeof *g->ids);
  g->choice = calloc(n, sizeof *g->choice);
  g->hidden = calloc((size_t)n * (h->n_layer + 1) * h->n_embd, sizeof *g->hidden);
  g->logits = calloc((size_t)n * h->vocab_size, sizeof *g->logits);
  if (!g->ids || !g->choice || !g->hidden || !g->logits)
    return err_memory(err, "the expected results");
  g->core.hidden = golden_hidden;
  g->core.hidden_ctx = g;
  for (; g->n < n; g->n++) {
    struct sampling sampling = check_sampling(g->n);
    g->ids[g->n] = (uint32_t)(next(&random) % h->vocab_size);
    gpt2_core_step(&g->core, g->ids[g->n], g->n, true);
    memcpy(g->logits + (size_t)g->n * h->vocab_size, g->core.logits,
           h->vocab_size * sizeof *g->logits);
    g->choice[g->n] = sampling_choose(&sampling, g->core.logits, h->vocab_size);
  }
  return 0;
}

void fast_expected_free(struct fast_expected *g) {
  gpt2_core_destroy(&g->core);
  free(g->ids);
  free(g->choice);
  free(g->hidden);
  free(g->logits);
}

struct checking {
  const struct fast_expected *expected;
  struct err *err;
  uint32_t logits, hidden;  // reports, so far
  int result;
};

static void on_logits(void *ctx, uint32_t position, const int32_t *logits) {
  struct checking *c = ctx;
  const size_t n_vocab = c->expected->core.image->header.vocab_size;
  char what[64];
  c->logits++;
  snprintf(what, sizeof what, "logits of position %u", position);
  if (!c->result)
    c->result = compare(what, logits, c->expected->logits + position * n_vocab, n_vocab, c->err);
}

static void on_hidden(void *ctx, uint32_t position, int layer, const int32_t *x) {
  struct checking *c = ctx;
  const struct image_header *h = &c->expected->core.image->header;
  const size_t at = (size_t)position * (h->n_layer + 1) + (size_t)(layer + 1);
  char what[64];
  c->hidden++;
  snprintf(what, sizeof what, "position %u after layer %d", position, layer);
  if (!c->result)
    c->result = compare(what, x, c->expected->hidden + at * h->n_embd, h->n_embd, c->err);
}

static int check_cache(const struct fast_engine *engine, const struct fast_expected *g,
                       struct err *err) {
  const struct image_header *h = &g->core.image->header;
  for (uint32_t i = 0; i < h->n_layer * h->n_head; i++) {
    const struct kv_head *kv = &g->core.kv[i];
    for (uint32_t t = 0; t < g->n; t++) {
      int8_t k[HEAD_DIM], v[HEAD_DIM];
      uint16_t k_scale, v_scale;
      fast_engine_cached(engine, i / h->n_head, i % h->n_head, t, k, &k_scale, v, &v_scale);
      if (memcmp(k, kv->k[t], HEAD_DIM) || memcmp(v, kv->v[t], HEAD_DIM) ||
          k_scale != kv->k_scale[t] || v_scale != kv->v_scale[t])
        return err_set(err, "the cache of layer %u, head %u differs at position %u", i / h->n_head,
                       i % h->n_head, t);
    }
  }
  return 0;
}

int fast_check_engine(const struct fast_expected *g, const struct fast_options *options,
                      uint32_t batch, struct err *err) {
  const uint32_t n_layer = g->core.image->header.n_layer;
  struct checking c = {.expected = g, .err = err};
  const struct fast_report report = {.ctx = &c, .logits = on_logits, .hidden = on_hidden};
  struct fast_engine *engine;
  if (fast_engine_create(&engine, g->core.image, options, err)) return -1;
  for (uint32_t t = 0; t < g->n && !c.result; t += batch) {
    const uint32_t n = g->n - t < batch ? g->n - t : batch, last = t + n - 1;
    fast_engine_run(engine, g->ids + t, n, t, FAST_EVERY_HEAD, &report);
    struct sampling sampling = check_sampling(last);
    const uint32_t choice = fast_engine_choose(engine, &sampling);
    if (!c.result && choice != g->choice[last])
      c.result = differs(err, "choice at position", last, choice, g->choice[last]);
  }
  if (!c.result && (c.logits != g->n || c.hidden != g->n * (n_layer + 1)))
    c.result = err_set(err, "%u logits and %u hidden states were reported, expected %u and %u",
                       c.logits, c.hidden, g->n, g->n * (n_layer + 1));
  if (!c.result) c.result = check_cache(engine, g, err);
  if (!c.result)
    c.result = compare_saturation("engine", fast_engine_saturation(engine), g->core.sat, err);
  fast_engine_destroy(engine);
  return c.result;
}

// ---------------------------------------------------------------------------------- the token loop

struct loop {
  uint64_t hash;  // of all reports in their order
  uint32_t n_vocab, width, steps, recomputed;
};

static void mix(struct loop *l, const void *data, size_t bytes) {
  for (size_t i = 0; i < bytes; i++)
    l->hash = (l->hash ^ ((const uint8_t *)data)[i]) * 0x100000001b3;
}
static int loop_token(void *ctx, uint32_t id) {
  mix(ctx, &id, sizeof id);
  return 0;
}
static int loop_step(void *ctx, const struct controller_step *s) {
  struct loop *l = ctx;
  const uint32_t words[] = {s->id, s->position, s->head, s->head ? s->choice : 0, s->recomputed};
  l->steps++;
  l->recomputed += s->recomputed;
  mix(l, words, sizeof words);
  return 0;
}
static int loop_logits(void *ctx, const int32_t *logits) {
  mix(ctx, logits, ((struct loop *)ctx)->n_vocab * sizeof *logits);
  return 0;
}

int fast_check_loop(const struct image *image, const struct fast_kernels *kernels, uint32_t threads,
                    uint32_t n_prompt, uint32_t max_new, bool all_heads, struct err *err) {
  const struct image_header *h = &image->header;
  struct loop golden = {.n_vocab = h->vocab_size, .width = h->n_embd}, fast = golden;
  uint32_t prompt[MAX_CTX];
  for (uint32_t i = 0; i < n_prompt; i++) prompt[i] = i * 7919 % h->vocab_size;
  struct controller_run run = {.prompt = prompt,
                               .n_prompt = n_prompt,
                               .max_new = max_new,
                               .all_heads = all_heads,
                               .sampling = check_sampling(1),
                               .token = loop_token,
                               .step = loop_step,
                               .logits = loop_logits,
                               .ctx = &golden};
  struct gpt2_core core = {0};
  struct fast_engine *engine = NULL;
  int result = -1;
  if (gpt2_core_create(&core, image, err) || controller_run_golden(&run, &core, err)) goto end;
  if (fast_engine_create(&engine, image,
                         &(struct fast_options){.threads = threads, .kernels = kernels}, err))
    goto end;
  run.ctx = &fast;
  if (controller_run_fast(&run, engine, err)) goto end;
  if (golden.steps != fast.steps || golden.recomputed != fast.recomputed ||
      golden.hash != fast.hash)
    err_set(err, "a run of %u + %u ids: %u steps, %u again, hash %016llx; expected %u, %u, %016llx",
            n_prompt, max_new, fast.steps, fast.recomputed, (unsigned long long)fast.hash,
            golden.steps, golden.recomputed, (unsigned long long)golden.hash);
  else result = compare_saturation("a run", fast_engine_saturation(engine), core.sat, err);
end:
  gpt2_core_destroy(&core);
  fast_engine_destroy(engine);
  return result;
}

enum { MANY = 9, REFUSED = 3, ENDED = 5, ENDED_STEPS = 30 };  // runs; two of them

static int ended_step(void *ctx, const struct controller_step *s) {
  loop_step(ctx, s);
  return ((struct loop *)ctx)->steps == ENDED_STEPS;
}

struct ends {
  size_t n, order[MANY];
};
static int on_over(void *ctx, size_t run) {
  struct ends *ends = ctx;
  ends->order[ends->n++] = run;
  return 0;
}

int fast_check_many(const struct image *image, const struct fast_options *options,
                    struct err *err) {
  static const uint32_t n_prompt[MANY] = {1, 37, 70, 5, 64, 2, 69, 1, 11},
                        max_new[MANY] = {200, 1, 60, 9, 0, 50, 2, 90, 5};
  const struct image_header *h = &image->header;
  struct loop alone[MANY], together[MANY];
  struct controller_run runs[MANY];
  struct err errs[MANY];
  struct gpt2_core core = {0};
  struct fast_engine *engine = NULL;
  struct ends ends = {0};
  uint32_t prompt[MANY][MAX_CTX];
  int results[MANY], result = -1;
  if (gpt2_core_create(&core, image, err)) goto end;
  for (uint32_t i = 0; i < MANY; i++) {
    alone[i] = together[i] = (struct loop){.n_vocab = h->vocab_size};
    for (uint32_t t = 0; t < n_prompt[i]; t++) prompt[i][t] = (t + i) * 7919 % h->vocab_size;
    if (i == REFUSED) prompt[i][2] = h->vocab_size;
    runs[i] = (struct controller_run){.prompt = prompt[i],
                                      .n_prompt = n_prompt[i],
                                      .max_new = max_new[i],
                                      .sampling = check_sampling(i),
                                      .token = loop_token,
                                      .step = i == ENDED ? ended_step : loop_step,
                                      .ctx = &alone[i]};
    const int failed = controller_run_golden(&runs[i], &core, err);
    if ((failed != 0) != (i == REFUSED || i == ENDED)) goto end;
    runs[i].ctx = &together[i];
  }
  if (fast_engine_create(&engine, image, options, err)) goto end;
  controller_run_fast_many(runs, MANY, engine, on_over, &ends, results, errs);
  if (ends.n != MANY) {
    err_set(err, "%zu runs ended, expected %d", ends.n, MANY);
    goto end;
  }
  for (uint32_t i = 0; i < MANY; i++) {
    const bool fails = i == REFUSED || i == ENDED, says = errs[i].text[0];
    if ((results[i] != 0) != fails || says != (i == REFUSED) ||
        alone[i].steps != together[i].steps || alone[i].hash != together[i].hash) {
      err_set(err,
              "run %u of %u + %u ids: result %d '%s', %u steps, hash %016llx; expected %u, "
              "%016llx",
              i, n_prompt[i], max_new[i], results[i], errs[i].text, together[i].steps,
              (unsigned long long)together[i].hash, alone[i].steps,
              (unsigned long long)alone[i].hash);
      goto end;
    }
  }
  // The longest run is the first; with a sequence for each, it ends last.
  if (options->sequences >= MANY && ends.order[MANY - 1] != 0)
    err_set(err, "run %zu ended last, expected run 0", ends.order[MANY - 1]);
  else result = compare_saturation("the runs", fast_engine_saturation(engine), core.sat, err);
end:
  gpt2_core_destroy(&core);
  fast_engine_destroy(engine);
  return result;
}
