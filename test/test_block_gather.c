// SPDX-License-Identifier: Apache-2.0
//
// block_gather: rows that come in groups leave as whole blocks, in order, each with its slot and
// the bits that its rows use; a block comes in while the one before goes out
//
// block_gather_<in>_<out> are its widths (Makefile). The reader is played as block_quant is: it
// takes a waiting block a part a cycle.
#include <string.h>

#include "block.h"
#include "golden.h"

enum { N = 400 };

struct in {
  uint32_t rows[64], slot;
};
static const struct block_field in_fields[] = {
    BLOCK_FIELD(struct in, rows, "in_rows_i"),
    BLOCK_FIELD(struct in, slot, "in_slot_i"),
};

struct reader {
  struct block *b;
  unsigned width, parts;
  unsigned percent;  // how often a waiting block is taken
  const struct in *want;
  size_t taken;   // blocks
  unsigned part;  // the next one of the current block; 0: none
  bool reading;   // a part was asked for in the cycle before: this one
  size_t block;
  unsigned of;
  uint64_t rng;
};

static void before(void *ctx) {
  struct reader *r = ctx;
  const bool waits = block_get_u64(r->b, "blk_valid_o");
  const bool read = r->part > 0 || (waits && rng_chance(&r->rng, r->percent));
  block_set_u64(r->b, "rd_en_i", read);
  block_set_u64(r->b, "rd_part_i", read ? r->part : 0);
}

static void after(void *ctx) {
  struct reader *r = ctx;
  if (r->reading) {
    uint32_t rows[64];
    block_get(r->b, "rows_o", rows);
    if (memcmp(rows, r->want[r->block].rows + r->of * r->width, r->width * sizeof *rows))
      fail_msg("block %zu, part %u: other rows", r->block, r->of);
  }
  r->reading = block_get_u64(r->b, "rd_en_i");
  if (!r->reading) return;
  r->block = r->taken;
  r->of = r->part;
  assert_int_equal(block_get_u64(r->b, "blk_slot_o"), r->want[r->taken].slot);
  assert_int_equal(block_get_u64(r->b, "blk_used_o"), block_used_bits(r->want[r->taken].rows));
  r->part = (r->part + 1) % r->parts;
  r->taken += r->part == 0;
}

static void check(const char *name, unsigned in_width, unsigned out_width) {
  static struct in want[N], in[N * 64];
  static const unsigned percent[] = {100, 40, 3};
  struct block *b = block_open(name, 0);
  for (enum block_stall stall = BLOCK_PLAIN; stall < BLOCK_STALLS; stall++) {
    for (unsigned i = 0; i < 3; i++) {
      struct reader r = {.b = b,
                         .width = out_width,
                         .parts = 64 / out_width,
                         .percent = percent[i],
                         .want = want,
                         .rng = 1 + in_width + stall};
      for (unsigned k = 0; k < N; k++) {
        const unsigned bits = (unsigned)rng_range(&r.rng, 0, ROW_BITS);
        for (unsigned s = 0; s < 64; s++) want[k].rows[s] = (uint32_t)rng_signed(&r.rng, bits);
        want[k].slot = (uint32_t)rng_range(&r.rng, 0, 255);
      }
      block_split(in, want, sizeof *want, N, in_width);
      block_reset(b);
      block_stalls(b, stall, 7);
      block_hooks(b, before, after, &r);
      struct block_stream *source = block_source(b, "in_valid_i", "in_ready_o", in_fields, 2, in,
                                                 sizeof *in, N * 64 / in_width);
      block_run(b, 1000, 1000);
      assert_int_equal(r.taken, N);
      // A reader that waits for nothing never holds up the rows.
      if (stall == BLOCK_PLAIN && i == 0)
        assert_int_equal(source->last_cycle - source->first_cycle, N * 64 / in_width - 1);
    }
  }
  block_close(b);
}

static void test_registers(void **state) {
  (void)state;
  check("block_gather_1_64", 1, 64);
  check("block_gather_16_64", 16, 64);
  check("block_gather_64_64", 64, 64);
}
static void test_memory(void **state) {
  (void)state;
  check("block_gather_1_4", 1, 4);
  check("block_gather_4_4", 4, 4);
  check("block_gather_1_1", 1, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_registers),
                                     cmocka_unit_test(test_memory)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
