// SPDX-License-Identifier: Apache-2.0
// rescale_row over all its arguments, and whole matrices as the image holds them.
#include "golden_test.h"

static double exact_value(int64_t acc, uint16_t scale, uint16_t bias, int extra) {
  return ldexp((double)acc * image_scale_value(scale), -extra) +
         ldexp(image_half_value(bias), ROW_FRAC);
}

static void test_rows(void **unused) {
  (void)unused;
  static const int extras[] = {RESCALE_LINEAR, RESCALE_SCORES, RESCALE_PV};
  struct worst worst = {0};
  uint64_t state = 1;
  size_t saturated = 0;
  for (int n = 0; n < 1000000; n++) {
    const uint32_t blocks = 1 + (uint32_t)random_below(&state, 128);
    const int e_max = (int)random_below(&state, 16), extra = extras[n % 3];
    const double largest = ldexp((double)blocks * 64 * 127 * 32767, e_max);
    const int64_t acc = (int64_t)(largest * random_signed(&state)) >> random_below(&state, 40);
    const uint16_t scale = (uint16_t)random_next(&state), bias = (uint16_t)random_next(&state);
    struct saturation sat = {0};
    const int32_t row = rescale_row(acc, e_max, blocks, scale, bias, extra, &sat);
    const double exact = exact_value(acc, scale, bias, extra);
    const double bound = rescale_bound(e_max, blocks, scale, extra);
    if (sat.row > 0) {
      assert_true(fabs(exact) > (double)ROW_MAX - bound);
      assert_int_equal(row, exact > 0 ? ROW_MAX : -ROW_MAX);
      assert_int_equal(saturations(&sat), 1);
      saturated++;
    } else {
      expect_within(&worst, "row", row, exact, bound);
    }
  }
  print_worst("rescale_row", &worst);
  print_message("%-34s %8zu cases\n", "rescale_row, saturated", saturated);
  assert_true(saturated > 1000);
}

// The largest sum of allowed weights passes the first rounding without saturating.
static void test_largest_sums(void **unused) {
  (void)unused;
  for (uint32_t blocks = 1; blocks <= 128; blocks++) {
    struct saturation sat = {0};
    const int64_t acc = (int64_t)blocks * 64 * 127 * 32768 << 15;
    const int32_t up = rescale_row(acc, 15, blocks, 0, 0, 0, &sat);
    assert_int_equal(rescale_row(-acc, 15, blocks, 0, 0, 0, &sat), -up);
    assert_int_equal(saturations(&sat), 0);
    assert_true(fabs(up - ldexp((double)acc, -24)) <= rescale_bound(15, blocks, 0, 0));
  }
}

static void check_matrix(uint64_t *state, struct worst *worst, struct spread *spread,
                         uint32_t lanes, uint32_t rows, uint32_t blocks, bool by_columns) {
  struct test_matrix t;
  struct operand x[4 * MAX_HEADS];
  int32_t *y = calloc(rows, sizeof *y);
  struct saturation sat = {0};
  make_matrix(&t, state, lanes, rows, blocks, by_columns, 0.5, 2);
  for (uint32_t k = 0; k < blocks; k++) x[k] = random_operand(state, k == 3 ? 60 : 1);
  const struct matrix m = matrix_of(&t);
  rescale_matrix(y, &m, x, &sat);
  for (uint32_t r = 0; r < rows; r++) {
    uint16_t scale;
    assert_int_equal(image_scale(&scale, t.scale[r]), 0);
    const double exact = ldexp(exact_row(&t, r, x), ROW_FRAC);
    const double bound = rescale_bound(largest_exponent(x, blocks), blocks, scale, 0);
    expect_within(worst, "row", y[r], exact, bound);
    const double first = 2 * (bound - 1);  // the first rounding's step
    const double bias_step = t.bias[r] == 0 || fabs(t.bias[r]) >= 0x1p-5 ? 0 : 1;
    spread_add(spread, y[r] - exact,
               sqrt(rounding_variance(first) + rounding_variance(1) +
                    rounding_variance(bias_step)));
  }
  assert_int_equal(saturations(&sat), 0);
  free(y);
  free_matrix(&t);
}

static void test_matrices(void **unused) {
  (void)unused;
  struct worst worst = {0};
  struct spread spread = {0};
  uint64_t state = 1;
  for (uint32_t lanes = 64; lanes <= 4096; lanes *= 2) {
    check_matrix(&state, &worst, &spread, lanes, 301, 2, false);
    check_matrix(&state, &worst, &spread, lanes, 128, 8, true);
    check_matrix(&state, &worst, &spread, lanes, 192, 12, false);
    check_matrix(&state, &worst, &spread, lanes, 64, 1, true);
  }
  check_matrix(&state, &worst, &spread, 1024, 1600, 100, true);
  check_matrix(&state, &worst, &spread, 256, 6400, 25, false);
  print_worst("rescale_matrix", &worst);
  expect_spread(&spread, "rescale_matrix", 0.95, 1.05);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rows),
      cmocka_unit_test(test_largest_sums),
      cmocka_unit_test(test_matrices),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
