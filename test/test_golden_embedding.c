// SPDX-License-Identifier: Apache-2.0
// token_embedding and pos_embedding: table rows of all scales, half a step of rounding.
#include "golden_test.h"

static void test_token(void **unused) {
  (void)unused;
  struct worst worst = {0};
  uint64_t state = 1;
  for (uint32_t lanes = 64; lanes <= 4096; lanes *= 2) {
    struct test_matrix t;
    make_matrix(&t, &state, lanes, 301, 3, false, lanes == 256 ? 16000 : 0.5, 0);
    const struct matrix table = matrix_of(&t);
    int32_t y[MAX_WIDTH];
    for (uint32_t id = 0; id < 301; id++) {
      token_embedding(y, &table, id);
      for (uint32_t c = 0; c < 192; c++)
        expect_within(&worst, "row", y[c], ldexp(t.w[id * 192 + c], ROW_FRAC), 0.5);
    }
    free_matrix(&t);
  }
  print_worst("token_embedding", &worst);
}

static void test_position(void **unused) {
  (void)unused;
  struct worst worst = {0};
  uint64_t state = 1;
  for (uint32_t lanes = 64; lanes <= 4096; lanes *= 2) {
    struct test_matrix t;
    make_matrix(&t, &state, lanes, 100, 6, false, lanes == 256 ? 60 : 0.01, 0);
    const struct matrix table = matrix_of(&t);
    for (uint32_t position = 0; position < 100; position++) {
      struct residual r;
      struct saturation sat = {0};
      memset(&r, 0x55, sizeof r);  // previous contents are overwritten
      pos_embedding(&r, &table, position, &sat);
      double sum = 0, sum_sq = 0;
      for (uint32_t c = 0; c < 192; c++) {
        const double *w = t.w + position * 384 + c / 64 * 128 + c % 64;
        // half a row, and half of a residual's step, 16 rows
        expect_within(&worst, "residual", r.x[c], ldexp(256 * w[0] + w[64], RES_FRAC),
                      0.5 + 0.5 / 16);
        sum += r.x[c];
        sum_sq += (double)r.x[c] * r.x[c];
      }
      assert_true((double)r.sum == sum);
      expect_within(&worst, "sum of squares", (double)r.sum_sq, sum_sq, sum_sq * 1e-12);
      assert_int_equal(saturations(&sat), 0);
    }
    free_matrix(&t);
  }
  print_worst("pos_embedding", &worst);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_token),
      cmocka_unit_test(test_position),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
