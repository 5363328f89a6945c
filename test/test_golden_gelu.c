// SPDX-License-Identifier: Apache-2.0
// gelu at every row from -9 to 9 and far outside.
#include "golden_test.h"

// The table: 1/64 wide chords of a function with |g''| <= 0.8, moved to the middle of their error:
// 0.8 / 64^2 / 16 = 1.22e-5, 0.8 rows; roundings of base, slope and sum; half a row at the end.
static const double BOUND = 1.45 / 65536;

static void test_every_row(void **unused) {
  (void)unused;
  struct worst worst = {0};
  for (int32_t row = -(9 << 16); row <= 9 << 16; row++)
    expect_within(&worst, "gelu", from_row(gelu(row)), exact_gelu(from_row(row)), BOUND);
  print_worst("gelu", &worst);
}

static void test_far_outside(void **unused) {
  (void)unused;
  assert_int_equal(gelu(ROW_MAX), ROW_MAX);
  assert_int_equal(gelu(-ROW_MAX), 0);
  assert_int_equal(gelu(100 << 16), 100 << 16);
  assert_int_equal(gelu(-(100 << 16)), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_row),
      cmocka_unit_test(test_far_outside),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
