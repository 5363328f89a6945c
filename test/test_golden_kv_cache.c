// SPDX-License-Identifier: Apache-2.0
// Keys and values as int8: half a step of max / 127, and the right scale.
#include "golden_test.h"

// In steps: half; and, of 127, the truncated maximum's 2^-15, the reciprocal's 4.6e-5, 2^-16 of the
// row.
static const double STEP_BOUND = 0.5 + 127 * (0x1p-15 + 4.6e-5 + 0x1p-16);
// The scale's mantissa is rounded to 12 bits; 2^-15 of the truncated maximum, 5e-7 of 1 / 127.
static const double SCALE_BOUND = 0x1p-12 + 0x1p-15 + 5e-7;

static void check(struct worst *steps, struct worst *scales, const int32_t row[HEAD_DIM]) {
  int8_t q[HEAD_DIM];
  uint16_t scale;
  double max = 0;
  for (size_t i = 0; i < HEAD_DIM; i++) max = fmax(max, fabs((double)row[i]));
  kv_quantize(q, &scale, row);
  if (max == 0) {
    assert_int_equal(scale, 0);
  } else {
    const double exact = ldexp(max, -ROW_FRAC) / 127;
    expect_within(scales, "scale", image_scale_value(scale) / exact, 1, SCALE_BOUND);
  }
  for (size_t i = 0; i < HEAD_DIM; i++) {
    assert_in_range(q[i] + 127, 0, 254);
    if (max > 0) expect_within(steps, "step", q[i], 127.0 * row[i] / max, STEP_BOUND);
    else assert_int_equal(q[i], 0);
  }
}

static void test_vectors(void **unused) {
  (void)unused;
  struct worst steps = {0}, scales = {0};
  uint64_t state = 1;
  for (int n = 0; n < 40000; n++) {
    const int bits = 1 + n % 30;
    int32_t row[HEAD_DIM] = {0};
    for (size_t i = 0; i < HEAD_DIM; i++)
      row[i] = (int32_t)(((double)(1u << bits) - 1) * random_signed(&state));
    check(&steps, &scales, row);
  }
  for (int bits = 0; bits <= 30; bits++) {  // exact powers of two, and one less
    for (int less = 0; less <= 1; less++) {
      int32_t row[HEAD_DIM] = {0};
      row[5] = -(int32_t)((UINT32_C(1) << bits) - (unsigned)(less || bits == 30));
      row[9] = row[5] / 3;
      check(&steps, &scales, row);
    }
  }
  print_worst("kv_quantize, steps", &steps);
  print_worst("kv_quantize, scale", &scales);
}

static void test_write(void **unused) {
  (void)unused;
  struct kv_head *kv = calloc(1, sizeof *kv);
  int32_t k[HEAD_DIM] = {[0] = 65536}, v[HEAD_DIM] = {[63] = -32768};
  kv_cache_write(kv, 1023, k, v);
  assert_int_equal(kv->k[1023][0], 127);
  assert_int_equal(kv->v[1023][63], -127);
  assert_true(image_scale_value(kv->k_scale[1023]) == 2 * image_scale_value(kv->v_scale[1023]));
  free(kv);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_vectors),
      cmocka_unit_test(test_write),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
