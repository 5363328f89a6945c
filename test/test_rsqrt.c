// SPDX-License-Identifier: Apache-2.0
//
// rsqrt: every segment of the table, its ends and numbers between, one a cycle and with pauses
#include "block.h"
#include "golden.h"

enum { N = 200000, LATENCY = 7 };
struct in {
  uint32_t m;
};
struct out {
  uint32_t y;
};
static const struct block_field in_fields[] = {BLOCK_FIELD(struct in, m, "in_m_i")};
static const struct block_field out_fields[] = {BLOCK_FIELD(struct out, y, "out_y_o")};

static void test_rsqrt(void **state) {
  (void)state;
  static struct in in[N];
  static struct out want[N];
  struct block *b = block_open("rsqrt", 0);
  uint64_t rng = 1;
  for (enum block_stall stall = BLOCK_PLAIN; stall <= BLOCK_IDLE; stall++) {
    unsigned n = 0;
    for (uint64_t edge = 1ull << 30; edge <= 1ull << 32; edge += 1u << 25) {
      if (edge < 1ull << 32) in[n++].m = (uint32_t)edge;
      if (edge > 1ull << 30) in[n++].m = (uint32_t)(edge - 1);
    }
    while (n < N) in[n++].m = (uint32_t)rng_range(&rng, 1u << 30, UINT32_MAX);
    for (unsigned i = 0; i < N; i++) want[i].y = rsqrt(in[i].m);
    block_pipeline(b, stall, BLOCK_ITEMS(in_fields, in), BLOCK_ITEMS(out_fields, want), N, LATENCY);
  }
  block_close(b);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_rsqrt)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
