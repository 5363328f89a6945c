// SPDX-License-Identifier: Apache-2.0
//
// layernorm: passes over ordinary, constant, outlying and largest residuals with parameters of
// every kind, against golden/layernorm.c; the residual's read port, the parameters' arrival and the
// blocks' taking at random times
#include <stdio.h>
#include <string.h>

#include "block.h"
#include "golden.h"

enum { PASSES = 16, MAX_BEATS = PASSES * 4 * MAX_HEADS, LATENCY = 21 };

struct beat {
  uint32_t data[64 * 16], label[PKG_LABEL_WORDS];
};
struct blk {
  uint32_t rows[64], slot, last;
};
static const struct block_field par_fields[] = {
    BLOCK_FIELD(struct beat, data, "par_data_i"),
    BLOCK_FIELD(struct beat, label, "par_label_i"),
};
static const struct block_field blk_fields[] = {
    BLOCK_FIELD(struct blk, rows, "blk_rows_o"),
    BLOCK_FIELD(struct blk, slot, "blk_slot_o"),
    BLOCK_FIELD(struct blk, last, "blk_last_o"),
};

struct bench {
  struct block *b;
  uint64_t rng;
  enum block_stall stall;
  unsigned heads, beats, parts;  // of a pass; cycles a block takes
  unsigned row_width;            // numbers of the residual in a read
  struct beat par[MAX_BEATS];
  struct blk want[PASSES * MAX_HEADS];
  struct blk want_parts[PASSES * MAX_HEADS * 16], got[PASSES * MAX_HEADS * 16];
  struct residual r[PASSES];
  struct block_stream *par_stream, *blk_stream;
  unsigned pass;     // started so far
  uint64_t started;  // cycle
  int row;           // of the residual in the read register; -1: none yet
  uint64_t norm_clamps, row_clamps;
};

static void set_noise(struct bench *t, const char *port) {
  uint32_t noise[64];
  const unsigned width = block_width(t->b, port);
  for (unsigned i = 0; i < 64; i++) noise[i] = (uint32_t)rng_next(&t->rng);
  if (width % 32) noise[width / 32] &= (1u << width % 32) - 1;
  block_set(t->b, port, noise);
}

static void before(void *ctx) {
  struct bench *t = ctx;
  // The read register holds until the next read.
  if (t->row < 0) set_noise(t, "rd_rows_i");
  else
    block_set(t->b, "rd_rows_i",
              (const uint32_t *)&t->r[t->pass - 1].x[t->row_width * (unsigned)t->row]);

  // A pass starts when the one before is over; without stalls once its parameters are there, which
  // gives the latency.
  const bool over =
      t->blk_stream->done == t->pass * t->heads * t->parts && !block_get_u64(t->b, "busy_o");
  const bool there = t->par_stream->done >= (t->pass + 1) * t->beats;
  const bool start =
      t->pass < PASSES && over && (t->stall == BLOCK_PLAIN ? there : rng_chance(&t->rng, 20));
  block_set_u64(t->b, "start_i", start);
  if (start) {
    const struct residual *r = &t->r[t->pass++];
    uint32_t words[2] = {(uint32_t)r->sum, (uint32_t)((uint64_t)r->sum >> 32) & 63};
    block_set(t->b, "sum_i", words);
    block_set_u64(t->b, "sum_sq_i", r->sum_sq);
    t->started = block_cycle(t->b);
    t->row = -1;
  } else {
    set_noise(t, "sum_i");
    set_noise(t, "sum_sq_i");
  }
}

static void after(void *ctx) {
  struct bench *t = ctx;
  t->norm_clamps += block_get_u64(t->b, "sat_norm_o");
  t->row_clamps += block_get_u64(t->b, "sat_row_o");
  if (block_get_u64(t->b, "rd_en_o")) {
    t->row = (int)block_get_u64(t->b, "rd_row_o");
    assert_in_range(t->row, 0, t->heads * 64 / t->row_width - 1);
  }
  if (t->stall == BLOCK_PLAIN && block_get_u64(t->b, "blk_valid_o")) {
    const size_t part = t->blk_stream->done - (t->pass - 1) * t->heads * t->parts;
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
  int32_t y[MAX_WIDTH];
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
    make_residual(&t->r[p], &t->rng, p, width);
    layernorm_rows(y, &t->r[p], &image, 0, sat);
    for (unsigned k = 0; k < t->heads; k++) {
      struct blk *want = &t->want[p * t->heads + k];
      memcpy(want->rows, y + 64 * k, sizeof want->rows);
      want->slot = k;
    }
  }
}

static void check(const char *module, unsigned segments, unsigned parts) {
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
      t.row = -1;
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
                                sizeof *t.got, PASSES * t.heads * parts);
      block_run(b, 3000, 50);
      block_split(t.want_parts, t.want, sizeof *t.want, PASSES * t.heads, 64 / parts);
      for (size_t p = 0; p < PASSES * t.heads * parts; p++)
        t.want_parts[p].last = p % parts == parts - 1;
      block_expect(t.blk_stream, t.want_parts, PASSES * t.heads * parts);
      assert_int_equal(t.norm_clamps, sat.norm);
      assert_int_equal(t.row_clamps, sat.row);
      assert_int_not_equal(sat.norm, 0);
      assert_int_not_equal(sat.row, 0);
    }
  }
  block_close(b);
}

static void test_1(void **state) {
  (void)state;
  check("layernorm", 1, 1);
}
static void test_4(void **state) {
  (void)state;
  check("layernorm", 4, 1);
}
static void test_16(void **state) {
  (void)state;
  check("layernorm", 16, 1);
}
static void test_64(void **state) {
  (void)state;
  check("layernorm", 64, 1);
}
// 4 elements a cycle: fewer than a beat has parameters, and fewer than, as many as, and more than
// Segments
static void test_narrow_1(void **state) {
  (void)state;
  check("layernorm_narrow", 1, 16);
}
static void test_narrow_4(void **state) {
  (void)state;
  check("layernorm_narrow", 4, 16);
}
static void test_narrow_16(void **state) {
  (void)state;
  check("layernorm_narrow", 16, 16);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_1),         cmocka_unit_test(test_4),
      cmocka_unit_test(test_16),        cmocka_unit_test(test_64),
      cmocka_unit_test(test_narrow_1),  cmocka_unit_test(test_narrow_4),
      cmocka_unit_test(test_narrow_16),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
