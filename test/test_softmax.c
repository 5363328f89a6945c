// SPDX-License-Identifier: Apache-2.0
//
// softmax: head after head, at every interesting length, against golden/softmax.c
//
// The test plays the neighbour, matvec: a head's scores start when scores_free_o is high.
// softmax_quarter (beside this file) is softmax with a quarter of the exponentials a cycle.
#include <string.h>

#include "block.h"
#include "golden.h"

struct in {
  uint32_t scores[64], scales[32], len, bank, first, last;
};
struct blk {
  uint32_t rows[64], tile, bank;
};
struct inv_z {
  uint32_t scale, bank;
};
static const struct block_field in_fields[] = {
    BLOCK_FIELD(struct in, scores, "in_scores_i"), BLOCK_FIELD(struct in, scales, "in_scales_i"),
    BLOCK_FIELD(struct in, len, "in_len_i"),       BLOCK_FIELD(struct in, bank, "in_bank_i"),
    BLOCK_FIELD(struct in, first, "in_first_i"),   BLOCK_FIELD(struct in, last, "in_last_i"),
};
static const struct block_field blk_fields[] = {
    BLOCK_FIELD(struct blk, rows, "blk_rows_o"),
    BLOCK_FIELD(struct blk, tile, "blk_tile_o"),
    BLOCK_FIELD(struct blk, bank, "blk_bank_o"),
};
static const struct block_field inv_z_fields[] = {
    BLOCK_FIELD(struct inv_z, scale, "inv_z_o"),
    BLOCK_FIELD(struct inv_z, bank, "inv_z_bank_o"),
};

enum { MAX_HEADS_RUN = 40, MAX_IN = MAX_HEADS_RUN * MAX_CTX, MAX_BLOCKS = MAX_HEADS_RUN * 16 };

// What kind of scores and V scales.
enum kind { NORMAL, EQUAL, FAR, NEAR, EXTREME, SATURATING, KINDS };

static void make_head(uint64_t *rng, enum kind kind, uint32_t n, int32_t *score,
                      uint16_t *v_scale) {
  int32_t equal = (int32_t)rng_signed(rng, 30);
  for (uint32_t t = 0; t < n; t++) {
    switch (kind) {
      case EQUAL: score[t] = equal; break;
      case FAR:
        score[t] = (int32_t)rng_range(rng, -40, 40) * 65536;
        break;  // to both sides of d = 32
      case NEAR:
        score[t] = rng_chance(rng, 50) ? (int32_t)rng_range(rng, 0, 70000)
                                       : (int32_t)rng_range(rng, 0, 20) * 8192;
        break;  // ties of d * log2(e)
      case EXTREME: score[t] = rng_chance(rng, 50) ? (int32_t)ROW_MAX : (int32_t)-ROW_MAX; break;
      default: score[t] = (int32_t)rng_signed(rng, 20); break;
    }
    v_scale[t] =
        kind == SATURATING   ? (uint16_t)(rng_range(rng, 22, 31) << 11 | rng_range(rng, 0, 2047))
        : rng_chance(rng, 5) ? (uint16_t)rng_range(rng, 0, 2047)
                             : (uint16_t)(rng_range(rng, 8, 26) << 11 | rng_range(rng, 0, 2047));
  }
}

// The rows of golden softmax() before its block_quant; softmax() confirms them.
static uint16_t want_head(struct blk *blk, const int32_t *score, const uint16_t *v_scale,
                          uint32_t n, uint32_t bank, struct saturation *sat) {
  static struct operand p[MAX_CTX / HEAD_DIM], q;
  uint16_t inv_z = softmax(p, score, v_scale, n, sat);
  int64_t max = score[0];
  uint64_t ignored = 0;
  for (uint32_t t = 0; t < n; t++) max = score[t] > max ? score[t] : max;
  for (uint32_t tile = 0; tile * 64 < n; tile++) {
    memset(&blk[tile], 0, sizeof *blk);
    blk[tile].tile = tile;
    blk[tile].bank = bank;
    int32_t *row = (int32_t *)blk[tile].rows;
    for (uint32_t i = 0; i < 64 && tile * 64 + i < n; i++) {
      uint16_t v = v_scale[tile * 64 + i];
      int64_t d = max - score[tile * 64 + i];
      uint32_t e = d >= 32 << 16 ? 0 : exp2_neg((uint64_t)round_shift(d * 94548, 16));
      row[i] =
          (int32_t)saturate(round_shift((int64_t)e * scale_mantissa(v) * 4, 31 - scale_exponent(v)),
                            ROW_MAX, &ignored);
    }
    block_quant(&q, row);
    assert_memory_equal(q.m, p[tile].m, sizeof q.m);
    assert_int_equal(q.e, p[tile].e);
  }
  return inv_z;
}

// ------------------------------------------------------------------------------------------- a run

struct run {
  struct block *b;
  struct block_stream *source, *blocks, *inv_z;
  const struct in *in;
  size_t last_part[MAX_HEADS_RUN];  // number of each head's last group of rows
  size_t head;                      // whose last block has not been offered yet
  uint64_t saturated;
};

static void after(void *ctx) {
  struct run *r = ctx;
  r->saturated += block_get_u64(r->b, "sat_o");
  // Scores start when there is room for a head's.
  size_t next = r->source->done + block_get_u64(r->b, "in_valid_i");
  r->source->hold =
      next < r->source->n && r->in[next].first && !block_get_u64(r->b, "scores_free_o");
  // 1/z has come before the last rows are offered.
  if (block_get_u64(r->b, "blk_valid_o") && r->blocks->done == r->last_part[r->head]) {
    assert_true(r->inv_z->done > r->head);
    r->head++;
  }
}

static void check(const char *module, unsigned segments, unsigned width) {
  static struct in in[MAX_IN];
  static struct blk want[MAX_BLOCKS], parts[MAX_BLOCKS * 64], got[MAX_BLOCKS * 64];
  static struct inv_z want_z[MAX_HEADS_RUN], got_z[MAX_HEADS_RUN];
  static const uint32_t lengths[] = {1, 2, 15, 16, 17, 63, 64, 65, 127, 128, 129, 1023, 1024};
  enum { FIXED = sizeof lengths / sizeof *lengths };
  struct block *b = block_open(module, segments);

  for (enum block_stall stall = BLOCK_PLAIN; stall < BLOCK_STALLS; stall++) {
    uint64_t rng = 100 * segments + stall + 1;
    struct saturation sat = {0};
    struct run run = {.b = b, .in = in};
    size_t n_in = 0, n_blocks = 0;
    memset(in, 0, sizeof in);
    for (unsigned head = 0; head < MAX_HEADS_RUN; head++) {
      int32_t score[MAX_CTX];
      uint16_t v_scale[MAX_CTX];
      uint32_t n = head < FIXED ? lengths[head]
                                : (uint32_t)rng_range(&rng, 1, rng_chance(&rng, 20) ? 1024 : 200);
      make_head(&rng, (enum kind)((head + head / KINDS + stall) % KINDS), n, score, v_scale);
      want_z[head].scale = want_head(&want[n_blocks], score, v_scale, n, head % 2, &sat);
      want_z[head].bank = head % 2;
      n_blocks += (n + 63) / 64;
      run.last_part[head] = n_blocks * 64 / width - 1;
      for (uint32_t t = 0; t < n; t += segments, n_in++) {
        for (unsigned s = 0; s < segments; s++) {
          bool there = t + s < n;  // lanes beyond the length hold anything
          in[n_in].scores[s] = there ? (uint32_t)score[t + s] : (uint32_t)rng_signed(&rng, 31);
          bits_put(in[n_in].scales, 16 * s, 16, there ? v_scale[t + s] : rng_next(&rng));
        }
        in[n_in].len = n;
        in[n_in].bank = head % 2;
        in[n_in].first = t == 0;
        in[n_in].last = t + segments >= n;
      }
    }

    block_reset(b);
    block_stalls(b, stall, rng);
    run.source = block_source(b, "in_valid_i", NULL, in_fields, 6, in, sizeof *in, n_in);
    run.blocks = block_sink(b, "blk_valid_o", "blk_ready_i", blk_fields, 3, got, sizeof *got,
                            n_blocks * 64 / width);
    run.inv_z =
        block_sink(b, "inv_z_valid_o", NULL, inv_z_fields, 2, got_z, sizeof *got_z, MAX_HEADS_RUN);
    if (stall == BLOCK_BACK_PRESSURE) run.blocks->idle_percent = 97;  // longer than the queue
    block_hooks(b, NULL, after, &run);
    block_run(b, 3000, 100);
    block_split(parts, want, sizeof *want, n_blocks, width);
    block_expect(run.blocks, parts, n_blocks * 64 / width);
    block_expect(run.inv_z, want_z, MAX_HEADS_RUN);
    assert_int_equal(run.saturated, sat.prob);
    assert_true(sat.prob > 0);
  }

  // One long head alone: from the last score to the first rows, and to the last, which wait for
  // 1/z.
  block_reset(b);
  size_t first = 0;
  while (in[first].len != 1023) first++;
  struct block_stream *source = block_source(b, "in_valid_i", NULL, in_fields, 6, in + first,
                                             sizeof *in, (1023 + segments - 1) / segments);
  struct block_stream *blocks =
      block_sink(b, "blk_valid_o", "blk_ready_i", blk_fields, 3, got, sizeof *got, 1024 / width);
  unsigned tree = (unsigned)(log2_ceil(segments) + 1) / 2, folds = (unsigned)log2_ceil(width);
  block_run(b, 3000, 0);
  assert_int_equal(blocks->first_cycle - source->last_cycle, 13 + tree);
  assert_int_equal(blocks->last_cycle - source->last_cycle, 16 + tree + 1024 / width + folds);
  block_close(b);
}

BLOCK_TEST(test_1, check("softmax", 1, 1))
BLOCK_TEST(test_4, check("softmax", 4, 4))
BLOCK_TEST(test_16, check("softmax", 16, 16))
BLOCK_TEST(test_quarter_4, check("softmax_quarter", 4, 1))
BLOCK_TEST(test_quarter_16, check("softmax_quarter", 16, 4))

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_1),          cmocka_unit_test(test_4),
      cmocka_unit_test(test_16),         cmocka_unit_test(test_quarter_4),
      cmocka_unit_test(test_quarter_16),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
