// SPDX-License-Identifier: Apache-2.0
//
// residual_add: passes of a step (position, token, projection, MLP) at all shapes, with rows for
// others on the bus in between; the new x, the sums, the blocks that layernorm reads, and
// saturations, against golden/residual_add.c. Also of two members, whose rows alternate
#include <string.h>

#include "block.h"
#include "golden.h"

enum {
  STEPS = 3,
  PASSES = 6 * STEPS,
  MAX_GROUPS = PASSES * MAX_WIDTH,
  LATENCY_MON = 3,
  LATENCY_SUMS = 6
};

struct group {
  uint32_t rows[64], tag[PKG_TAG_WORDS];
};
struct sums {
  uint32_t sum[2], sum_sq[2], tag[PKG_TAG_WORDS];
};
static const struct block_field residual_fields[] = {
    BLOCK_FIELD(struct group, rows, "residual_rows_o"),
    BLOCK_FIELD(struct group, tag, "residual_tag_o"),
};
static const struct block_field sums_fields[] = {
    BLOCK_FIELD(struct sums, sum, "sum_o"),
    BLOCK_FIELD(struct sums, sum_sq, "sum_sq_o"),
    BLOCK_FIELD(struct sums, tag, "sums_tag_o"),
};

// What drives the inputs: the passes one after another; after each that has sums, layernorm's
// reads.
struct bench {
  struct block *b;
  uint64_t rng;
  unsigned segments, heads, idle_percent, read_width;
  struct group in[MAX_GROUPS], want[MAX_GROUPS], got[MAX_GROUPS];
  struct sums want_sums[PASSES], got_sums[PASSES];
  struct residual after[PASSES];  // the residual after each pass
  enum pkg_op op[PASSES];
  unsigned pass, group;  // what comes next
  unsigned row;          // next to read after the pass; n_rows: no more
  int read;              // row that was read in the cycle before, or -1
  bool offered, embedding;
  struct block_stream *sums;
  size_t sums_before;  // passes with sums before this one
  uint64_t last_row;   // cycle
  uint64_t saturated, sum_latency;
};

static unsigned n_groups(const struct bench *t) { return t->heads * 64 / t->segments; }
static unsigned n_rows(const struct bench *t) { return t->heads * 64 / t->read_width; }
static bool has_sums(const struct bench *t, unsigned pass) { return t->op[pass] != PKG_OP_POS; }

static void before(void *ctx) {
  struct bench *t = ctx;
  uint32_t noise[64];
  for (int i = 0; i < 64; i++) noise[i] = (uint32_t)rng_next(&t->rng);
  block_set_u64(t->b, "rows_valid_i", 0);
  block_set_u64(t->b, "emb_valid_i", 0);
  block_set_u64(t->b, "rd_en_i", 0);
  block_set(t->b, "rows_i", noise);
  block_set(t->b, "emb_rows_i", noise);

  // layernorm, once the sums are there
  if (t->pass > 0 && t->group == 0 && t->row < n_rows(t)) {
    if (t->sums->done == t->sums_before && !rng_chance(&t->rng, t->idle_percent)) {
      block_set_u64(t->b, "rd_en_i", 1);
      block_set_u64(t->b, "rd_row_i", t->row);
    }
    return;
  }
  // rows for another block
  if (rng_chance(&t->rng, t->idle_percent)) {
    struct pkg_tag tag = {.op = PKG_OP_QKV + rng_next(&t->rng) % 3,
                          .group = rng_next(&t->rng) % 25};
    uint32_t words[PKG_TAG_WORDS];
    pkg_tag_pack(words, &tag);
    block_set(t->b, "rows_tag_i", words);
    block_set_u64(t->b, "rows_valid_i", rng_chance(&t->rng, 50));
    if (!t->offered) return;
  }
  if (t->pass == PASSES) return;
  const struct group *in = &t->in[t->pass * n_groups(t) + t->group];
  t->embedding = t->op[t->pass] == PKG_OP_POS || t->op[t->pass] == PKG_OP_TOKEN;
  t->offered = true;
  block_set_u64(t->b, t->embedding ? "emb_valid_i" : "rows_valid_i", 1);
  block_set(t->b, t->embedding ? "emb_tag_i" : "rows_tag_i", in->tag);
  block_set(t->b, t->embedding ? "emb_rows_i" : "rows_i", in->rows);
}

static void after(void *ctx) {
  struct bench *t = ctx;
  t->saturated += block_get_u64(t->b, "sat_o");
  if (block_get_u64(t->b, "sums_valid_o")) t->sum_latency = block_cycle(t->b) - t->last_row;
  if (t->read >= 0) {
    uint32_t rows[64];
    block_get(t->b, "rd_rows_o", rows);
    for (unsigned i = 0; i < t->read_width; i++)
      assert_int_equal((int32_t)rows[i],
                       t->after[t->pass - 1].x[t->read_width * (unsigned)t->read + i]);
    t->read = -1;
  }
  if (block_get_u64(t->b, "rd_en_i")) {
    t->read = (int)t->row++;
    return;
  }
  if (!t->offered || (t->embedding && !block_get_u64(t->b, "emb_ready_o"))) return;
  t->offered = false;
  if (++t->group < n_groups(t)) return;
  t->last_row = block_cycle(t->b);
  t->group = 0;
  t->row = has_sums(t, t->pass) ? 0 : n_rows(t);
  t->sums_before += has_sums(t, t->pass);
  t->pass++;
}

static void make_passes(struct bench *t, struct saturation *sat) {
  static const enum pkg_op order[6] = {PKG_OP_POS,  PKG_OP_TOKEN, PKG_OP_PROJ,
                                       PKG_OP_MLP2, PKG_OP_PROJ,  PKG_OP_MLP2};
  const unsigned width = 64 * t->heads;
  struct residual r;
  memset(&r, 0, sizeof r);
  unsigned n_sums = 0;
  for (unsigned p = 0; p < PASSES; p++) {
    t->op[p] = order[p % 6];
    // The first step: ordinary numbers. The second: large ones, which saturate. The third: the
    // largest, all the same.
    const unsigned bits = t->op[p] == PKG_OP_TOKEN ? 32 : 31;
    int32_t row[MAX_WIDTH];
    for (unsigned c = 0; c < width; c++) {
      row[c] = (int32_t)(p < 6 ? rng_signed(&t->rng, 22) : rng_signed(&t->rng, bits));
      if (p >= 12) row[c] = p % 6 == 4 ? -ROW_MAX : ROW_MAX;
    }
    if (t->op[p] == PKG_OP_POS) memset(&r, 0, sizeof r);
    residual_add(&r, row, width, sat);
    t->after[p] = r;
    struct pkg_tag tag = {.op = t->op[p],
                          .layer = rng_next(&t->rng) & 255,
                          .head = rng_next(&t->rng) & 63,
                          .final_layer = rng_next(&t->rng) & 1,
                          .want_head = rng_next(&t->rng) & 1,
                          .position = rng_next(&t->rng) & 1023};
    for (unsigned g = 0; g < n_groups(t); g++) {
      struct group *in = &t->in[p * n_groups(t) + g], *want = &t->want[p * n_groups(t) + g];
      tag.group = g;
      tag.last = g == n_groups(t) - 1;
      pkg_tag_pack(in->tag, &tag);
      memcpy(want->tag, in->tag, sizeof want->tag);
      memcpy(in->rows, &row[g * t->segments], 4 * t->segments);
      memcpy(want->rows, &r.x[g * t->segments], 4 * t->segments);
    }
    if (!has_sums(t, p)) continue;
    struct sums *want = &t->want_sums[n_sums++];
    bits_put(want->sum, 0, 64, (uint64_t)r.sum & 0x3fffffffff);
    bits_put(want->sum_sq, 0, 64, r.sum_sq);
    pkg_tag_pack(want->tag, &tag);
  }
}

static void check(const char *module, unsigned segments, unsigned read_width) {
  static struct bench t;
  static const unsigned shapes[] = {1, 2, 3, 4, 12, 25};
  struct block *b = block_open(module, segments);
  for (unsigned shape = 0; shape < sizeof shapes / sizeof *shapes; shape++) {
    for (int idle = 0; idle <= 40; idle += 40) {
      struct saturation sat = {0};
      memset(&t, 0, sizeof t);
      t.b = b;
      t.rng = 1 + shape;
      t.segments = segments;
      t.read_width = read_width;
      t.heads = shapes[shape];
      t.idle_percent = (unsigned)idle;
      t.read = -1;
      make_passes(&t, &sat);
      const unsigned n = PASSES * n_groups(&t);
      block_reset(b);
      block_hooks(b, before, after, &t);
      struct block_stream *mon =
          block_sink(b, "residual_valid_o", NULL, residual_fields, 2, t.got, sizeof *t.got, n);
      t.sums = block_sink(b, "sums_valid_o", NULL, sums_fields, 3, t.got_sums, sizeof *t.got_sums,
                          5 * STEPS);
      block_run(b, 1000, 1000);
      block_expect(mon, t.want, n);
      block_expect(t.sums, t.want_sums, 5 * STEPS);
      assert_int_equal(t.pass, PASSES);
      assert_int_equal(t.row, n_rows(&t));
      assert_int_equal(t.saturated, sat.residual);
      assert_int_not_equal(sat.residual, 0);
      assert_int_equal(t.sum_latency, LATENCY_SUMS);
      assert_int_equal(mon->last_cycle - t.last_row, LATENCY_MON);
    }
  }
  block_close(b);
}

static void test_1(void **state) {
  (void)state;
  check("residual_add", 1, 64);
}
static void test_4(void **state) {
  (void)state;
  check("residual_add", 4, 64);
}
static void test_16(void **state) {
  (void)state;
  check("residual_add", 16, 64);
}
static void test_64(void **state) {
  (void)state;
  check("residual_add", 64, 64);
}  // a width of 64 is one group: it comes twice in a row
static void test_narrow_1(void **state) {
  (void)state;
  check("residual_add_narrow", 1, 4);
}
static void test_narrow_4(void **state) {
  (void)state;
  check("residual_add_narrow", 4, 4);
}

// Two members of an engine, 1 and 3 of a machine with two engines.
struct pair {
  struct block *b;
  uint64_t rng;
  unsigned heads, sums[2];
  struct residual r[2];  // after the pass that is under way
};
enum { PAIR_SEGMENTS = 4 };

static void pair_clock(struct pair *t) {
  block_eval(t->b);
  for (unsigned m = 0; m < 2; m++) t->sums[m] += block_get_u64(t->b, "sums_valid_o") >> m & 1;
  if (block_get_u64(t->b, "residual_valid_o")) {
    uint32_t words[PKG_TAG_WORDS], rows[PAIR_SEGMENTS];
    struct pkg_tag tag;
    block_get(t->b, "residual_tag_o", words);
    block_get(t->b, "residual_rows_o", rows);
    pkg_tag_unpack(&tag, words);
    for (unsigned i = 0; i < PAIR_SEGMENTS; i++)
      assert_int_equal((int32_t)rows[i], t->r[tag.member / 2].x[tag.group * PAIR_SEGMENTS + i]);
  }
  block_clock(t->b);
}

static void pair_pass(struct pair *t, enum pkg_op op, bool first, bool second) {
  static int32_t rows[2][MAX_WIDTH];
  const bool embedding = op == PKG_OP_POS || op == PKG_OP_TOKEN;
  const unsigned width = 64 * t->heads, n = width / PAIR_SEGMENTS;
  unsigned next[2] = {first ? 0 : n, second ? 0 : n};
  for (unsigned m = 0; m < 2; m++) {
    if (next[m] == n) continue;
    if (op == PKG_OP_POS) memset(&t->r[m], 0, sizeof t->r[m]);
    for (unsigned c = 0; c < width; c++) rows[m][c] = (int32_t)rng_signed(&t->rng, 22);
    residual_add(&t->r[m], rows[m], width, &(struct saturation){0});
  }
  t->sums[0] = t->sums[1] = 0;
  while (next[0] < n || next[1] < n) {
    const unsigned m = next[0] == n || (next[1] < n && rng_chance(&t->rng, 50));
    const struct pkg_tag tag = {.op = op,
                                .member = 1 + 2 * m,
                                .group = next[m],
                                .last = next[m] == n - 1};
    uint32_t words[PKG_TAG_WORDS];
    pkg_tag_pack(words, &tag);
    block_set_u64(t->b, embedding ? "emb_valid_i" : "rows_valid_i", 1);
    block_set(t->b, embedding ? "emb_tag_i" : "rows_tag_i", words);
    block_set(t->b, embedding ? "emb_rows_i" : "rows_i",
              (const uint32_t *)&rows[m][next[m] * PAIR_SEGMENTS]);
    block_eval(t->b);
    next[m] += !embedding || block_get_u64(t->b, "emb_ready_o");
    pair_clock(t);
  }
  block_set_u64(t->b, "emb_valid_i", 0);
  block_set_u64(t->b, "rows_valid_i", 0);
  for (int i = 0; i < 8; i++) pair_clock(t);
  assert_int_equal(t->sums[0], op != PKG_OP_POS && first);
  assert_int_equal(t->sums[1], op != PKG_OP_POS && second);
}

// What layernorm reads.
static void pair_expect(struct pair *t) {
  for (unsigned m = 0; m < 2; m++) {
    block_set_u64(t->b, "sums_place_i", m);
    block_eval(t->b);
    assert_int_equal(block_get_s64(t->b, "sum_o"), t->r[m].sum);
    assert_true(block_get_u64(t->b, "sum_sq_o") == t->r[m].sum_sq);
    for (unsigned row = 0; row < t->heads; row++) {
      uint32_t rows[64];
      block_set_u64(t->b, "rd_en_i", 1);
      block_set_u64(t->b, "rd_place_i", m);
      block_set_u64(t->b, "rd_row_i", row);
      pair_clock(t);
      block_set_u64(t->b, "rd_en_i", 0);
      block_eval(t->b);
      block_get(t->b, "rd_rows_o", rows);
      assert_memory_equal(rows, &t->r[m].x[64 * row], sizeof rows);
    }
  }
}

static void test_members(void **state) {
  (void)state;
  static struct pair t;
  for (unsigned heads = 1; heads <= 25; heads += 8) {
    t = (struct pair){.b = block_open("residual_add_members", PAIR_SEGMENTS),
                      .rng = heads,
                      .heads = heads};
    block_reset(t.b);
    for (int step = 0; step < 3; step++) {
      for (int m = 0; m < 2; m++) {
        pair_pass(&t, PKG_OP_POS, m == 0, m == 1);
        pair_pass(&t, PKG_OP_TOKEN, m == 0, m == 1);
      }
      pair_expect(&t);
      pair_pass(&t, PKG_OP_PROJ, true, true);
      pair_expect(&t);
      pair_pass(&t, PKG_OP_MLP2, step != 1, true);
      pair_expect(&t);
    }
    block_close(t.b);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_1),        cmocka_unit_test(test_4),
      cmocka_unit_test(test_16),       cmocka_unit_test(test_64),
      cmocka_unit_test(test_narrow_1), cmocka_unit_test(test_narrow_4),
      cmocka_unit_test(test_members),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
