// SPDX-License-Identifier: Apache-2.0
// Both layers of the MLP with GELU between, against double precision.
#include "golden_test.h"

static void check(uint64_t *state, struct worst *worst, struct spread *spread, uint32_t lanes,
                  uint32_t heads) {
  const uint32_t width = 64 * heads, inner = 4 * width;
  const double size = 1 / sqrt(width);
  struct test_matrix t1, t2;
  make_matrix(&t1, state, lanes, inner, heads, false, 3 * size, 0.5);
  make_matrix(&t2, state, lanes, width, 4 * heads, true, 1.5 * size, 0.2);
  const struct matrix w1 = matrix_of(&t1), w2 = matrix_of(&t2);
  struct operand x[MAX_HEADS];
  for (uint32_t k = 0; k < heads; k++) x[k] = random_operand(state, 1);
  struct saturation sat = {0};
  int32_t y[MAX_WIDTH];
  mlp_ffn(y, &w1, &w2, x, &sat, NULL);
  assert_int_equal(saturations(&sat), 0);

  // The error of each GELU: its largest size, and its variance if roundings were random.
  double *g = calloc(inner, sizeof *g), *bound = calloc(inner, sizeof *bound);
  double *variance = calloc(inner, sizeof *variance);
  for (uint32_t k = 0; k < 4 * heads; k++) {
    double largest = 0;
    for (uint32_t i = 64 * k; i < 64 * k + 64; i++) {
      g[i] = exact_gelu(exact_row(&t1, i, x));
      largest = fmax(largest, fabs(g[i]));
    }
    const double step = fmax(0x1p-16, exp2(ceil(log2(largest)) - 15));
    for (uint32_t i = 64 * k; i < 64 * k + 64; i++) {
      bound[i] = 1.13 * 1.5 * 0x1p-16 + 2.21e-5 + step / 2;
      variance[i] =
          2 * rounding_variance(0x1p-16) + rounding_variance(step) * (step > 0x1p-16) + 1e-5 * 1e-5;
    }
  }
  for (uint32_t r = 0; r < width; r++) {
    double exact = t2.bias[r], y_bound = 2 * 0x1p-16, y_variance = 2 * rounding_variance(0x1p-16);
    for (uint32_t i = 0; i < inner; i++) {
      const double w = t2.w[(size_t)r * inner + i];
      exact += w * g[i];
      y_bound += fabs(w) * bound[i];
      y_variance += w * w * variance[i];
    }
    expect_within(worst, "mlp_ffn", from_row(y[r]), exact, y_bound);
    spread_add(spread, from_row(y[r]) - exact, sqrt(y_variance));
  }
  free(g);
  free(bound);
  free(variance);
  free_matrix(&t1);
  free_matrix(&t2);
}

static void test_shapes(void **unused) {
  (void)unused;
  struct worst worst = {0};
  struct spread spread = {0};
  uint64_t state = 1;
  for (uint32_t lanes = 64; lanes <= 4096; lanes *= 4) {
    check(&state, &worst, &spread, lanes, 1);
    check(&state, &worst, &spread, lanes, 3);
    check(&state, &worst, &spread, lanes, 12);
  }
  check(&state, &worst, &spread, 256, MAX_HEADS);
  print_worst("mlp_ffn", &worst);
  expect_spread(&spread, "mlp_ffn", 0.7, 1.3);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_shapes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
