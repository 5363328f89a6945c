// SPDX-License-Identifier: Apache-2.0
//
// row_collect: the rows of 64/S inputs leave as one block, in order, with the last input's slot
#include "block.h"

struct in {
  uint32_t rows[64], slot;
};
struct out {
  uint32_t rows[64], slot;
};
static const struct block_field in_fields[] = {
    BLOCK_FIELD(struct in, rows, "in_rows_i"),
    BLOCK_FIELD(struct in, slot, "in_slot_i"),
};
static const struct block_field out_fields[] = {
    BLOCK_FIELD(struct out, rows, "blk_rows_o"),
    BLOCK_FIELD(struct out, slot, "blk_slot_o"),
};
enum { N = 100 };

static void check(unsigned segments) {
  static struct in in[N * 64];
  static struct out want[N], got[N];
  struct block *b = block_open("row_collect", segments);
  for (enum block_stall stall = BLOCK_PLAIN; stall < BLOCK_STALLS; stall++) {
    uint64_t rng = 1 + segments;
    for (unsigned i = 0; i < N * 64 / segments; i++) {
      for (unsigned s = 0; s < segments; s++) {
        in[i].rows[s] = (uint32_t)rng_signed(&rng, 31);
        want[(i * segments + s) / 64].rows[(i * segments + s) % 64] = in[i].rows[s];
      }
      in[i].slot = want[i * segments / 64].slot = (uint32_t)rng_range(&rng, 0, 255);
    }
    block_reset(b);
    block_stalls(b, stall, 7);
    block_source(b, "in_valid_i", NULL, in_fields, 2, in, sizeof *in, N * 64 / segments);
    struct block_stream *out =
        block_sink(b, "blk_valid_o", "blk_ready_i", out_fields, 2, got, sizeof *got, N);
    out->max_pause = 64 / segments - 1;
    if (segments == 64) out->idle_percent = 0;
    block_run(b, 1000, 100);
    block_expect(out, want, N);
  }
  block_close(b);
}

static void test_1(void **state) {
  (void)state;
  check(1);
}
static void test_4(void **state) {
  (void)state;
  check(4);
}
static void test_16(void **state) {
  (void)state;
  check(16);
}
static void test_64(void **state) {
  (void)state;
  check(64);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_1),
      cmocka_unit_test(test_4),
      cmocka_unit_test(test_16),
      cmocka_unit_test(test_64),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
