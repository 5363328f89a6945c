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
  static struct out want[N], got[N];
  for (uint32_t i = 0; i < N; i++) want[i].r = reciprocal(in[i].x = N + i);
  struct block *b = block_open("reciprocal", 0);
  block_reset(b);
  block_stalls(b, stall, 7);
  struct block_stream *source =
      block_source(b, "in_valid_i", NULL, in_fields, 1, in, sizeof *in, N);
  struct block_stream *sink =
      block_sink(b, "out_valid_o", NULL, out_fields, 1, got, sizeof *got, N);
  block_run(b, 1000, 20);
  block_expect(sink, want, N);
  assert_int_equal(sink->first_cycle - source->first_cycle, LATENCY);
  assert_int_equal(sink->last_cycle - source->last_cycle, LATENCY);
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
