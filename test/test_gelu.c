// SPDX-License-Identifier: Apache-2.0
//
// gelu: equal to gelu() for every row that the table covers, |x| <= 8, and for others up to the
// extremes
#include "block.h"
#include "golden.h"

enum { WIDTH = 16, LATENCY = 4, NEAR = (8 << ROW_FRAC) + 8, N = (2 * NEAR + 100000) / WIDTH };

struct rows {
  uint32_t rows[WIDTH];
};
static const struct block_field in_fields[] = {BLOCK_FIELD(struct rows, rows, "in_rows_i")};
static const struct block_field out_fields[] = {BLOCK_FIELD(struct rows, rows, "out_rows_o")};
static struct rows in[N], want[N];

static int32_t draw(uint64_t *rng, unsigned i) {
  if (i <= 2 * NEAR) return (int32_t)i - NEAR;
  if (i % 100 == 0) return (int32_t)ROW_MAX;
  if (i % 100 == 1) return (int32_t)-ROW_MAX;
  return (int32_t)rng_signed(rng, ROW_BITS);
}

static void test_rows(void **state) {
  (void)state;
  struct block *b = block_open("gelu", 0);
  uint64_t rng = 1;
  for (unsigned i = 0; i < N * WIDTH; i++) {
    int32_t x = draw(&rng, i);
    in[i / WIDTH].rows[i % WIDTH] = (uint32_t)x;
    want[i / WIDTH].rows[i % WIDTH] = (uint32_t)gelu(x);
  }
  for (enum block_stall stall = BLOCK_PLAIN; stall <= BLOCK_IDLE; stall++)
    block_pipeline(b, stall, BLOCK_ITEMS(in_fields, in), BLOCK_ITEMS(out_fields, want), N, LATENCY);
  block_close(b);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
