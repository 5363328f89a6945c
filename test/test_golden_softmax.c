// SPDX-License-Identifier: Apache-2.0
// exp2_neg and reciprocal at every argument; softmax with V's scales at every length.
#include "golden_test.h"

// ---------------------------------------------------------------------------------- the two tables

// Chords 1/64 wide of 2^-x, moved to the middle of their error: ln2^2 / 64^2 / 16 = 7.3e-6, and
// 0.5e-6 of roundings to 22 bits; half a unit in the last place at the end.
static const double EXP_RELATIVE = 8e-6, EXP_ABSOLUTE = 0x1p-23;

static void test_exp2_neg(void **unused) {
  (void)unused;
  struct worst worst = {0};
  for (uint64_t t = 0; t < 40 << 16; t++) {
    const double exact = exp2(-ldexp((double)t, -16));
    expect_within(&worst, "exp2_neg", ldexp(exp2_neg(t), -EXP_FRAC), exact,
                  EXP_RELATIVE * exact + EXP_ABSOLUTE);
  }
  print_worst("exp2_neg", &worst);
  assert_int_equal(exp2_neg(UINT64_C(1) << 40), 0);
}

// Chords 1/128 wide of 1/x: 2 / 128^2 / 16 = 7.6e-6 of at most 1; up to three halves of 2^-16 of
// roundings of base, slope and their product, at results of half and more.
static const double RECIPROCAL_RELATIVE = 4.6e-5;

static void test_reciprocal(void **unused) {
  (void)unused;
  struct worst worst = {0};
  for (uint32_t x = 1 << 15; x < 1 << 16; x++) {
    const uint32_t r = reciprocal(x);
    expect_within(&worst, "reciprocal", ldexp((double)r * x, -31), 1, RECIPROCAL_RELATIVE);
    assert_in_range(r, 1 << 15, 1 << 16);
  }
  print_worst("reciprocal", &worst);
}

// ----------------------------------------------------------------------------------------- softmax

// Relative error of exp(-d): the table, half of 2^-16 in the exponent of two, and log2(e) to 17
// bits.
static double exp_relative(double d) { return EXP_RELATIVE + log(2) * 0x1p-17 + 5e-6 * d; }

static double largest_of(const double *x, size_t n) {
  double largest = 0;
  for (size_t i = 0; i < n; i++) largest = fmax(largest, x[i]);
  return largest;
}

// In steps of a block whose largest number is `largest`: 2^-14 of it or 2^-28, and one more
// rounding.
static double block_bound(double largest) { return fmax(ldexp(largest, -14), 0x1p-28) + 0x1p-29; }

static void check_softmax(struct worst *worst_p, struct worst *worst_z, const int32_t *score,
                          const uint16_t *v_scale, uint32_t n) {
  struct operand p[MAX_CTX / HEAD_DIM];
  struct saturation sat = {0};
  const uint16_t inv_z = softmax(p, score, v_scale, n, &sat);
  assert_int_equal(saturations(&sat), 0);

  int32_t max = score[0];
  for (uint32_t t = 1; t < n; t++) max = score[t] > max ? score[t] : max;
  double z = 0, z_bound = 0;
  for (uint32_t t0 = 0; t0 < n; t0 += HEAD_DIM) {
    double exact[HEAD_DIM] = {0}, bound[HEAD_DIM] = {0};
    for (uint32_t i = 0; i < HEAD_DIM && t0 + i < n; i++) {
      const double d = ldexp((double)max - score[t0 + i], -ROW_FRAC), e = exp(-d);
      const double v = image_scale_value(v_scale[t0 + i]);
      const double e_bound = e * exp_relative(d) + EXP_ABSOLUTE;
      exact[i] = e * v;
      bound[i] = e_bound * v;
      z += e;
      z_bound += e_bound;
    }
    const double step = block_bound(largest_of(exact, HEAD_DIM));
    for (size_t i = 0; i < HEAD_DIM; i++) {
      const double found = operand_value(&p[t0 / HEAD_DIM], i, PROB_FRAC);
      if (t0 + i >= n) assert_true(found == 0);
      else expect_within(worst_p, "p", found, exact[i], bound[i] + step);
    }
  }
  // z, its first 16 bits, the reciprocal of these, and a 12-bit mantissa.
  expect_within(worst_z, "1/z", image_scale_value(inv_z) * z, 1,
                z_bound / z + 0x1p-15 + RECIPROCAL_RELATIVE + 0x1p-12);
}

static void test_softmax(void **unused) {
  (void)unused;
  static int32_t score[MAX_CTX];
  static uint16_t v_scale[MAX_CTX];
  struct worst worst_p = {0}, worst_z = {0};
  uint64_t state = 1;
  for (uint32_t n = 1; n <= MAX_CTX; n += n < 200 ? 1 : 37) {
    for (int kind = 0; kind < 6; kind++) {
      // flat, ordinary, sharp; far from zero; V of ordinary size or wide apart
      const double deviation[] = {0, 0.3, 1, 3, 10, 40}, mean = kind == 3 ? -3000 : 100 * kind;
      for (uint32_t t = 0; t < n; t++) {
        score[t] = to_row(mean + deviation[kind] * random_normal(&state));
        const double v = kind & 1 ? 0.02 : exp(3 * random_normal(&state) - 6);
        assert_int_equal(image_scale(&v_scale[t], fmin(v, 3.9)), 0);
      }
      check_softmax(&worst_p, &worst_z, score, v_scale, n);
    }
  }
  print_worst("softmax, p", &worst_p);
  print_worst("softmax, 1/z", &worst_z);
}

// All scores equal, or one above all others by more than the range of the exponential.
static void test_extremes(void **unused) {
  (void)unused;
  static int32_t score[MAX_CTX];
  static uint16_t v_scale[MAX_CTX];
  struct worst worst = {0};
  for (uint32_t t = 0; t < MAX_CTX; t++) {
    score[t] = -(int32_t)ROW_MAX;
    v_scale[t] = 26 << 11;  // 4
  }
  score[700] = (int32_t)ROW_MAX;
  v_scale[700] = 25 << 11;
  check_softmax(&worst, &worst, score, v_scale, MAX_CTX);
  check_softmax(&worst, &worst, score, v_scale + 700, 1);

  struct operand p[MAX_CTX / HEAD_DIM];
  struct saturation sat = {0};
  v_scale[700] = UINT16_MAX;  // 256, far above 4
  softmax(p, score, v_scale, MAX_CTX, &sat);
  assert_int_equal(sat.prob, 1);
  assert_int_equal(saturations(&sat), 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_exp2_neg),
      cmocka_unit_test(test_reciprocal),
      cmocka_unit_test(test_softmax),
      cmocka_unit_test(test_extremes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
