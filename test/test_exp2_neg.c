// SPDX-License-Identifier: Apache-2.0
//
// exp2_neg: every fraction, every shift, and arguments of all sizes
#include <stdlib.h>

#include "block.h"
#include "golden.h"

struct in {
  uint32_t t[2];
};
struct out {
  uint32_t e;
};
static const struct block_field in_fields[] = {BLOCK_FIELD(struct in, t, "in_t_i")};
static const struct block_field out_fields[] = {BLOCK_FIELD(struct out, e, "out_e_o")};
enum {
  FRACTIONS = 1 << 16,
  SHIFTS = 40 * 256,
  RANDOM = 20000,
  N = FRACTIONS + SHIFTS + RANDOM,
  LATENCY = 4
};

static void check(enum block_stall stall) {
  struct in *in = calloc(N, sizeof *in);
  struct out *want = calloc(N, sizeof *want);
  uint64_t rng = 1;
  for (uint32_t i = 0; i < N; i++) {
    uint64_t t = i < FRACTIONS ? i
                 : i < FRACTIONS + SHIFTS
                     ? (uint64_t)((i - FRACTIONS) / 256) << 16 | (rng_next(&rng) & 0xffff)
                     : rng_next(&rng) >> rng_range(&rng, 24, 63);  // 40 bits
    in[i].t[0] = (uint32_t)t;
    in[i].t[1] = (uint32_t)(t >> 32);
    want[i].e = exp2_neg(t);
  }
  struct block *b = block_open("exp2_neg", 0);
  block_pipeline(b, stall, BLOCK_ITEMS(in_fields, in), BLOCK_ITEMS(out_fields, want), N, LATENCY);
  block_close(b);
  free(in);
  free(want);
}

BLOCK_TEST(test_plain, check(BLOCK_PLAIN))
BLOCK_TEST(test_idle, check(BLOCK_IDLE))

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_plain), cmocka_unit_test(test_idle)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
