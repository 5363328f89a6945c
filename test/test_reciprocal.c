// SPDX-License-Identifier: Apache-2.0
//
// reciprocal: every argument
#include "block.h"
#include "golden.h"

struct in {
  uint32_t x;
};
struct out {
  uint32_t r;
};
static const struct block_field in_fields[] = {BLOCK_FIELD(struct in, x, "in_x_i")};
static const struct block_field out_fields[] = {BLOCK_FIELD(struct out, r, "out_r_o")};
enum { N = 1 << 15, LATENCY = 3 };

static void check(enum block_stall stall) {
  static struct in in[N];
  static struct out want[N];
  for (uint32_t i = 0; i < N; i++) want[i].r = reciprocal(in[i].x = N + i);
  struct block *b = block_open("reciprocal", 0);
  block_pipeline(b, stall, BLOCK_ITEMS(in_fields, in), BLOCK_ITEMS(out_fields, want), N, LATENCY);
  block_close(b);
}

BLOCK_TEST(test_plain, check(BLOCK_PLAIN))
BLOCK_TEST(test_idle, check(BLOCK_IDLE))

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_plain), cmocka_unit_test(test_idle)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
