// SPDX-License-Identifier: Apache-2.0
// Blocks against the rows that they represent: half a step, the smallest exponent, both ends.
#include "golden_test.h"

// Half a step, and one step where rounding up meets the end of int16.
static double bound(const struct operand *x, size_t i) {
  return ldexp(x->m[i] == INT16_MAX ? 1 : 0.5, x->e);
}

static void check(struct worst *worst, const int32_t row[HEAD_DIM]) {
  struct operand x;
  block_quant(&x, row);
  assert_in_range(x.e, 0, 15);
  bool fits_smaller = true;  // would all numbers, truncated, fit int16 with a smaller exponent?
  for (size_t i = 0; i < HEAD_DIM; i++) {
    expect_within(worst, "row", ldexp(x.m[i], x.e), row[i], bound(&x, i));
    fits_smaller &=
        x.e == 0 || (row[i] >> (x.e - 1) <= INT16_MAX && row[i] >> (x.e - 1) >= INT16_MIN);
  }
  assert_true(x.e == 0 || !fits_smaller);
}

static void test_random_blocks(void **unused) {
  (void)unused;
  struct worst worst = {0};
  uint64_t state = 1;
  for (int n = 0; n < 20000; n++) {
    const int bits = n % 31;  // of the largest number; every block has numbers of all smaller sizes
    int32_t row[HEAD_DIM];
    for (size_t i = 0; i < HEAD_DIM; i++) {
      const int64_t end = (INT64_C(1) << bits) - 1;
      const int64_t x = lrint((double)end * random_signed(&state)) >> random_below(&state, 31);
      row[i] = (int32_t)(i == 7 ? (n & 1 ? end : -end) : x);
    }
    check(&worst, row);
  }
  print_worst("block_quant", &worst);
}

static void test_ends(void **unused) {
  (void)unused;
  struct worst worst = {0};
  const int32_t edges[] =
      {0,      1,     -1,    16383,  16384,         -16384,  32767,      32768,         -32768,
       -32769, 65535, 65536, -65536, (1 << 29) - 1, 1 << 29, -(1 << 29), (1 << 30) - 1, -(1 << 30)};
  for (size_t n = 0; n < sizeof edges / sizeof edges[0]; n++) {
    for (size_t m = 0; m < sizeof edges / sizeof edges[0]; m++) {
      int32_t row[HEAD_DIM] = {0};
      row[0] = edges[n];
      row[63] = edges[m];
      check(&worst, row);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_random_blocks),
      cmocka_unit_test(test_ends),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
