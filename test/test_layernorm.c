// SPDX-License-Identifier: Apache-2.0
//
// layernorm: passes over ordinary, constant, outlying and largest residuals with parameters of
// every kind, against golden/layernorm.c; of one position, or of some of a batch's four; the
// residual's read port, the parameters' arrival and the blocks' taking at random times
#include <stdio.h>
#include <string.h>

#include "block.h"
#include "golden.h"

enum { PASSES = 16, MEMBERS = 4, MAX_BEATS = PASSES * 4 * MAX_HEADS, LATENCY = 21 };
enum { MAX_BLOCKS = PASSES * MEMBERS * MAX_HEADS };

struct beat {
  uint32_t data[64 * 16], label[PKG_LABEL_WORDS];
};
struct blk {
  uint32_t rows[64], slot, member;
};
static const struct block_field par_fields[] = {
    BLOCK_FIELD(struct beat, data, "par_data_i"),
    BLOCK_FIELD(struct beat, label, "par_label_i"),
};
static const struct block_field blk_fields[] = {
    BLOCK_FIELD(struct blk, rows, "blk_rows_o"),
    BLOCK_FIELD(struct blk, slot, "blk_slot_o"),
    BLOCK_FIELD(struct blk, member, "blk_member_o"),
};

struct bench {
  struct block *b;
  uint64_t rng;
  enum block_stall stall;
  unsigned heads, beats, parts;  // of a pass; cycles a block takes
  unsigned row_width;            // numbers of the residual in a read
  unsigned members;              // of the module
  uint32_t in_pass[PASSES];      // a bit for each of them
  struct beat par[MAX_BEATS];
  size_t before[PASSES + 1];  // blocks before each pass
  struct blk want[MAX_BLOCKS];
  struct blk want_parts[MAX_BLOCKS * 16], got[MAX_BLOCKS * 16];
  struct residual r[PASSES][MEMBERS];
  struct block_stream *par_stream, *blk_stream;
  unsigned pass;     // started so far
  unsigned done;     // over so far
  uint64_t started;  // cycle
  int row[MEMBERS];  // of the residual in the read register; -1: none yet
  uint64_t norm_clamps, row_clamps;
};

static void put_noise(struct bench *t, uint32_t *words, unsigned n) {
  for (unsigned i = 0; i < n; i++) words[i] = (uint32_t)rng_next(&t->rng);
}

// Writes the low `bits` of value to bit `at` of words that are 0 from there on.
static void put_bits(uint32_t *words, unsigned at, uint64_t value, unsigned bits) {
  for (unsigned i = 0; i < bits; i++)
    words[(at + i) / 32] |= (uint32_t)(value >> i & 1) << (at + i) % 32;
}

// The sums of the last pass's members, held for as many cycles as it has; noise otherwise.
static void set_sums(struct bench *t) {
  uint32_t sums[2 * MEMBERS] = {0}, squares[2 * MEMBERS] = {0};
  const uint32_t in_pass = t->pass ? t->in_pass[t->pass - 1] : 0;
  const bool held =
      t->pass && block_cycle(t->b) < t->started + (unsigned)__builtin_popcount(in_pass);
  for (unsigned m = 0; m < t->members; m++) {
    const bool noise = !held || !(in_pass >> m & 1);
    const struct residual *r = &t->r[t->pass ? t->pass - 1 : 0][m];
    put_bits(sums, 38 * m, noise ? rng_next(&t->rng) : (uint64_t)r->sum, 38);
    put_bits(squares, 63 * m, noise ? rng_next(&t->rng) : r->sum_sq, 63);
  }
  block_set(t->b, "sum_i", sums);
  block_set(t->b, "sum_sq_i", squares);
}

static void before(void *ctx) {
  struct bench *t = ctx;
  uint32_t rows[MEMBERS * 64];
  // A member's read register holds until its next read.
  for (unsigned m = 0; m < t->members; m++) {
    uint32_t *own = rows + m * t->row_width;
    if (t->row[m] < 0) put_noise(t, own, t->row_width);
    else
      memcpy(own, &t->r[t->pass - 1][m].x[t->row_width * (unsigned)t->row[m]],
             t->row_width * sizeof *own);
  }
  block_set(t->b, "rd_rows_i", rows);

  // A pass starts when the one before is over; without stalls once its parameters are there, which
  // gives the latency.
  const bool over =
      t->blk_stream->done == t->before[t->pass] * t->parts && !block_get_u64(t->b, "busy_o");
  const bool there = t->par_stream->done >= (t->pass + 1) * t->beats;
  const bool start =
      t->pass < PASSES && over && (t->stall == BLOCK_PLAIN ? there : rng_chance(&t->rng, 20));
  if (over) assert_int_equal(t->done, t->pass);
  block_set_u64(t->b, "start_i", start);
  block_set_u64(t->b, "members_i",
                start ? t->in_pass[t->pass] : rng_next(&t->rng) & ((1u << t->members) - 1));
  if (start) {
    t->pass++;
    t->started = block_cycle(t->b);
    for (unsigned m = 0; m < t->members; m++) t->row[m] = -1;
  }
  set_sums(t);
}

static void after(void *ctx) {
  struct bench *t = ctx;
  t->norm_clamps += block_get_u64(t->b, "sat_norm_o");
  t->row_clamps += block_get_u64(t->b, "sat_row_o");
  t->done += block_get_u64(t->b, "done_o") != 0;
  const uint32_t reads = (uint32_t)block_get_u64(t->b, "rd_en_o");
  for (unsigned m = 0; m < t->members; m++) {
    if (!(reads >> m & 1)) continue;
    t->row[m] = (int)block_get_u64(t->b, "rd_row_o");
    assert_in_range(t->row[m], 0, t->heads * 64 / t->row_width - 1);
  }
  if (t->stall == BLOCK_PLAIN && block_get_u64(t->b, "blk_valid_o")) {
    const size_t part = t->blk_stream->done - t->before[t->pass - 1] * t->parts;
    assert_int_equal(block_cycle(t->b) - t->started, LATENCY + part);
  }
}

static void make_residual(struct residual *r, uint64_t *rng, unsigned pass, unsigned width) {
  const unsigned bits = (unsigned)rng_range(rng, 4, 20);
  const int64_t mean = pass % 2 ? rng_signed(rng, bits + 3) : 0;
  memset(r, 0, sizeof *r);
  for (unsigned c = 0; c < width; c++) {
    int64_t x = mean + rng_range(rng, -(1 << bits), 1 << bits);
    switch (pass) {
      case 3:
        x = c == 447 % width ? 3000 << 12 : rng_range(rng, -8192, 8192);
        break;  // GPT-2's first position
      case 4: x = c == 447 % width ? -(3000 << 12) : rng_range(rng, -8192, 8192); break;
      case 5: x = 0; break;  // no variance
      case 6: x = RES_MAX; break;
      case 7: x = -RES_MAX; break;
      case 8:
      case 12: x = c % 2 ? RES_MAX : -RES_MAX; break;  // the most
      case 9: x = c == 0; break;                       // the least
      case 10: x = c == width - 1 ? RES_MAX : -RES_MAX; break;
      case 11:
        x = rng_signed(rng, 27);
        if (x > RES_MAX || x < -RES_MAX) x = RES_MAX;
        break;
      default: break;
    }
    r->x[c] = (int32_t)x;
    r->sum += x;
    r->sum_sq += (uint64_t)(x * x);
  }
  // Sums that no residual has: the only way to saturate.
  if (pass == 12) {
    r->sum = 0;
    r->sum_sq = 1000;
  }
}

// Gains around 1 and small biases; or any 16 bits, among them the largest; or zeros.
static uint32_t make_word(uint64_t *rng, unsigned pass) {
  const uint32_t gain = (uint32_t)(rng_range(rng, 12, 16) << 10 | rng_range(rng, 0, 1023));
  const uint32_t bias = (uint32_t)(rng_range(rng, 0, 1) << 15 | rng_range(rng, 0, 13) << 10 |
                                   rng_range(rng, 0, 1023));
  if (pass % 4 == 2 || pass > 13) return (uint32_t)rng_next(rng);
  if (pass == 13) return 0;
  return bias << 16 | gain;
}

static void make_passes(struct bench *t, struct saturation *sat, unsigned segments,
                        const struct image_header *header) {
  const unsigned width = header->n_embd;
  static uint32_t words[MAX_WIDTH + 1024];
  int32_t y[MEMBERS][MAX_WIDTH];
  for (unsigned p = 0; p < PASSES; p++) {
    memset(words, 0, sizeof words);
    for (unsigned c = 0; c < width; c++) words[c] = make_word(&t->rng, p);
    const struct image image = {.header = *header, .beats = (const uint8_t *)words};
    for (unsigned i = 0; i < t->beats; i++) {
      const struct pkg_label label = {.op = PKG_OP_NORM,
                                      .group = i,
                                      .last_block = 1,
                                      .last_group = i == t->beats - 1};
      memcpy(t->par[p * t->beats + i].data, (const uint8_t *)words + i * 64 * segments,
             64 * segments);
      pkg_label_pack(t->par[p * t->beats + i].label, &label);
    }
    t->in_pass[p] = (uint32_t)rng_range(&t->rng, 1, (1 << t->members) - 1);
    size_t n = t->before[p];
    for (unsigned m = 0; m < t->members; m++) {
      make_residual(&t->r[p][m], &t->rng, (p + m) % PASSES, width);
      if (t->in_pass[p] >> m & 1) layernorm_rows(y[m], &t->r[p][m], &image, 0, sat);
    }
    for (unsigned k = 0; k < t->heads; k++) {
      for (unsigned m = 0; m < t->members; m++) {
        if (!(t->in_pass[p] >> m & 1)) continue;
        struct blk *want = &t->want[n++];
        memcpy(want->rows, y[m] + 64 * k, sizeof want->rows);
        want->slot = k;
        want->member = m;
      }
    }
    t->before[p + 1] = n;
  }
}

static void check(const char *module, unsigned segments, unsigned parts, unsigned members) {
  static struct bench t;
  static const unsigned shapes[] = {1, 2, 3, 4, 12, 25};
  struct block *b = block_open(module, segments);
  for (unsigned i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    for (enum block_stall stall = BLOCK_PLAIN; stall < BLOCK_STALLS; stall++) {
      const uint64_t width = 64 * shapes[i], epsilon_squares = width * width * 168;  // 1e-5 * 2^24
      const struct image_header header = {
          .lanes = 64 * segments,
          .n_head = shapes[i],
          .n_embd = (uint32_t)width,
          .inv_width = (uint32_t)(((1u << 30) + width / 2) / width),
          .eps_term = stall == BLOCK_IDLE ? 1 << 16 : epsilon_squares,  // or the least allowed
      };
      const struct pkg_config config = {.n_head = header.n_head,
                                        .inv_width = header.inv_width,
                                        .eps_term = header.eps_term};
      struct saturation sat = {0};
      memset(&t, 0, sizeof t);
      t.b = b;
      t.rng = 1 + i;
      t.stall = stall;
      t.heads = shapes[i];
      t.beats = (shapes[i] * 4 + segments - 1) / segments;
      t.parts = parts;
      t.row_width = 64 / parts > segments ? 64 / parts : segments;
      t.members = members;
      for (unsigned m = 0; m < members; m++) t.row[m] = -1;
      make_passes(&t, &sat, segments, &header);

      uint32_t words[PKG_CONFIG_WORDS];
      block_reset(b);
      pkg_config_pack(words, &config);
      block_set(b, "cfg_i", words);
      block_stalls(b, stall, 11);
      block_hooks(b, before, after, &t);
      t.par_stream = block_source(b, "par_valid_i", "par_ready_o", par_fields, 2, t.par,
                                  sizeof *t.par, PASSES * t.beats);
      t.blk_stream = block_sink(b, "blk_valid_o", "blk_ready_i", blk_fields, 3, t.got,
                                sizeof *t.got, t.before[PASSES] * parts);
      block_run(b, 3000, 50);
      block_split(t.want_parts, t.want, sizeof *t.want, t.before[PASSES], 64 / parts);
      block_expect(t.blk_stream, t.want_parts, t.before[PASSES] * parts);
      assert_int_equal(t.done, PASSES);
      assert_int_equal(t.norm_clamps, sat.norm);
      assert_int_equal(t.row_clamps, sat.row);
      if (members > 1) continue;
      assert_int_not_equal(sat.norm, 0);
      assert_int_not_equal(sat.row, 0);
    }
  }
  block_close(b);
}

static void test_1(void **state) {
  (void)state;
  check("layernorm", 1, 1, 1);
}
static void test_4(void **state) {
  (void)state;
  check("layernorm", 4, 1, 1);
}
static void test_16(void **state) {
  (void)state;
  check("layernorm", 16, 1, 1);
}
static void test_64(void **state) {
  (void)state;
  check("layernorm", 64, 1, 1);
}
// 4 elements a cycle: fewer than a beat has parameters, and fewer than, as many as, and more than
// Segments
static void test_narrow_1(void **state) {
  (void)state;
  check("layernorm_narrow", 1, 16, 1);
}
static void test_narrow_4(void **state) {
  (void)state;
  check("layernorm_narrow", 4, 16, 1);
}
static void test_narrow_16(void **state) {
  (void)state;
  check("layernorm_narrow", 16, 16, 1);
}

// of four positions
static void test_members_4(void **state) {
  (void)state;
  check("layernorm_members", 4, 1, 4);
}
static void test_members_narrow_1(void **state) {
  (void)state;
  check("layernorm_members_narrow", 1, 16, 4);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_1),
      cmocka_unit_test(test_4),
      cmocka_unit_test(test_16),
      cmocka_unit_test(test_64),
      cmocka_unit_test(test_narrow_1),
      cmocka_unit_test(test_narrow_4),
      cmocka_unit_test(test_narrow_16),
      cmocka_unit_test(test_members_4),
      cmocka_unit_test(test_members_narrow_1),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
