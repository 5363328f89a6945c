// SPDX-License-Identifier: Apache-2.0
// rsqrt over [1, 4): millions of arguments and every edge of its table.
#include "golden_test.h"

// The table is within 1.9e-4 (its first segment: 3/4 / 32^2 / 16 = 4.6e-5, and 2^-18 of rounding);
// one Newton step leaves 3/2 of the square, and half of 2^-22 at results from 1/2 on is 2.4e-7.
static const double BOUND = 2.5e-7;

static void check(struct worst *worst, uint32_t m) {
  const double exact = 1 / sqrt(ldexp(m, -30));
  expect_within(worst, "rsqrt", ldexp(rsqrt(m), -22) / exact, 1, BOUND);
}

static void test_range(void **unused) {
  (void)unused;
  struct worst worst = {0};
  for (uint64_t m = 1u << 30; m <= UINT32_MAX; m += 641) check(&worst, (uint32_t)m);
  for (uint64_t edge = 1u << 30; edge < 1ull << 32; edge += 1u << 25) {
    check(&worst, (uint32_t)edge);
    check(&worst, (uint32_t)(edge + (1u << 25) - 1));
  }
  print_worst("rsqrt", &worst);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_range)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
