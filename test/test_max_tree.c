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
  static struct out want[N];
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
  block_pipeline(b, stall, BLOCK_ITEMS(in_fields, in), BLOCK_ITEMS(out_fields, want), N, LATENCY);
  block_close(b);
}

BLOCK_TEST(test_plain, check(BLOCK_PLAIN))
BLOCK_TEST(test_idle, check(BLOCK_IDLE))

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_plain), cmocka_unit_test(test_idle)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
