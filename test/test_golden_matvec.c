// SPDX-License-Identifier: Apache-2.0
// matvec_row is exact, and its largest sums fit 52 bits.
#include "golden_test.h"

enum { BLOCKS = 4 * MAX_HEADS };

static void test_exact(void **unused) {
  (void)unused;
  static int8_t w[BLOCKS][HEAD_DIM];
  static struct operand x[BLOCKS];
  const int8_t *rows[BLOCKS];
  uint64_t state = 1;
  for (int n = 0; n < 2000; n++) {
    const uint32_t blocks = 1 + (uint32_t)random_below(&state, BLOCKS);
    double exact = 0;  // every partial sum is a whole number below 2^53
    int largest = 0;
    for (uint32_t k = 0; k < blocks; k++) {
      rows[k] = w[k];
      x[k].e = (uint8_t)random_below(&state, 16);
      largest = x[k].e > largest ? x[k].e : largest;
      for (size_t i = 0; i < HEAD_DIM; i++) {
        w[k][i] = (int8_t)((int)random_below(&state, 256) - 128);
        x[k].m[i] = (int16_t)((int)random_below(&state, 65536) - 32768);
        exact += ldexp(w[k][i] * x[k].m[i], x[k].e);
      }
    }
    int e_max = -1;
    assert_true((double)matvec_row(&e_max, rows, x, blocks) == exact);
    assert_int_equal(e_max, largest);
  }
}

static void test_largest(void **unused) {
  (void)unused;
  int8_t w[HEAD_DIM];
  struct operand x[128];
  const int8_t *rows[128];
  memset(w, -128, sizeof w);
  for (size_t k = 0; k < 128; k++) {
    rows[k] = w;
    x[k].e = 15;
    for (size_t i = 0; i < HEAD_DIM; i++) x[k].m[i] = INT16_MIN;
  }
  int e_max;
  assert_true(matvec_row(&e_max, rows, x, 128) == INT64_C(1) << 50);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_exact),
      cmocka_unit_test(test_largest),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
