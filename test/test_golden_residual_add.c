// SPDX-License-Identifier: Apache-2.0
// residual_add: half a step of rounding, exact sums, saturation that is counted.
#include "golden_test.h"

static void test_add(void **unused) {
  (void)unused;
  struct worst worst = {0};
  uint64_t state = 1;
  const uint32_t widths[] = {64, 128, 768, 1600};
  for (int n = 0; n < 400; n++) {
    const uint32_t width = widths[n % 4];
    struct residual r = {0};
    int32_t before[MAX_WIDTH], row[MAX_WIDTH];
    struct saturation sat = {0};
    for (uint32_t c = 0; c < width; c++) {
      before[c] = r.x[c] = (int32_t)((double)RES_MAX * 0.5 * random_signed(&state));
      row[c] = (int32_t)((double)ROW_MAX * 0.5 * random_signed(&state)) >> random_below(&state, 30);
    }
    residual_add(&r, row, width, &sat);
    double sum = 0, sum_sq = 0;
    for (uint32_t c = 0; c < width; c++) {
      expect_within(&worst, "residual", r.x[c], before[c] + row[c] / 16.0, 0.5);
      sum += r.x[c];
      sum_sq += (double)r.x[c] * r.x[c];
    }
    assert_true((double)r.sum == sum);  // below 2^53
    expect_within(&worst, "sum of squares", (double)r.sum_sq, sum_sq, sum_sq * 1e-12);
    assert_int_equal(saturations(&sat), 0);
  }
  print_worst("residual_add", &worst);
}

static void test_saturation(void **unused) {
  (void)unused;
  static const int32_t full[MAX_WIDTH] =
      {[0] = INT32_MAX, [1] = -INT32_MAX, [2] = 16, [3] = 8, [4] = -8};
  struct residual r = {.x = {5, -5, 1, 0, 0}};
  struct saturation sat = {0};
  residual_add(&r, full, 64, &sat);
  assert_int_equal(r.x[0], RES_MAX);
  assert_int_equal(r.x[1], -RES_MAX);
  assert_int_equal(r.x[2], 2);
  assert_int_equal(r.x[3], 1);  // halves go up
  assert_int_equal(r.x[4], 0);
  assert_int_equal(sat.residual, 2);
  assert_int_equal(saturations(&sat), 2);

  // The widest model full of the largest numbers: the sums still fit.
  for (uint32_t c = 0; c < MAX_WIDTH; c++) r.x[c] = (int32_t)RES_MAX;
  residual_add(&r, (const int32_t[MAX_WIDTH]){0}, MAX_WIDTH, &sat);
  assert_true(r.sum == (int64_t)MAX_WIDTH * RES_MAX);
  assert_true(r.sum_sq == (uint64_t)MAX_WIDTH * (uint64_t)(RES_MAX * RES_MAX));
  assert_true(r.sum < INT64_C(1) << 37 && r.sum_sq < UINT64_C(1) << 63);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_add),
      cmocka_unit_test(test_saturation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
