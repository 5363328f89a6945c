// SPDX-License-Identifier: Apache-2.0
//
// max_tree: 16 numbers of all sizes, the largest anywhere
#include "block.h"

struct in {
  uint32_t x[16];
};
struct out {
  uint32_t max;
};
static const struct block_field in_fields[] = {BLOCK_FIELD(struct in, x, "in_x_i")};
static const struct block_field out_fields[] = {BLOCK_FIELD(struct out, max, "out_max_o")};
enum { N = 20000, LATENCY = 2 };

static void check(enum block_stall stall) {
  static struct in in[N];
  static struct out want[N], got[N];
  uint64_t rng = 1;
  for (unsigned i = 0; i < N; i++) {
    int32_t max = INT32_MIN;
    unsigned bits = (unsigned)rng_range(&rng, 1, 32);
    for (unsigned k = 0; k < 16; k++) {
      int32_t x = (int32_t)rng_signed(&rng, bits);
      in[i].x[k] = (uint32_t)x;
      max = x > max ? x : max;
    }
    want[i].max = (uint32_t)max;
  }
  struct block *b = block_open("max_tree", 0);
  block_reset(b);
  block_stalls(b, stall, 7);
  struct block_stream *source =
      block_source(b, "in_valid_i", NULL, in_fields, 1, in, sizeof *in, N);
  struct block_stream *sink =
      block_sink(b, "out_valid_o", NULL, out_fields, 1, got, sizeof *got, N);
  block_run(b, 1000, 20);
  block_expect(sink, want, N);
  assert_int_equal(sink->first_cycle - source->first_cycle, LATENCY);
  block_close(b);
}

static void test_plain(void **state) {
  (void)state;
  check(BLOCK_PLAIN);
}
static void test_idle(void **state) {
  (void)state;
  check(BLOCK_IDLE);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_plain), cmocka_unit_test(test_idle)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
