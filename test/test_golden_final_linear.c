// SPDX-License-Identifier: Apache-2.0
// final_linear: all logits of a vocabulary that is not a whole number of groups.
#include "golden_test.h"

static void test_logits(void **unused) {
  (void)unused;
  enum { HEADS = 2, VOCABULARY = 1003 };
  struct worst worst = {0};
  uint64_t state = 1;
  for (uint32_t lanes = 64; lanes <= 4096; lanes *= 2) {
    struct test_matrix t;
    make_matrix(&t, &state, lanes, VOCABULARY, HEADS, false, 0.6, 0);
    t.image.header = (struct image_header){.lanes = lanes,
                                           .n_head = HEADS,
                                           .vocab_size = VOCABULARY,
                                           .head_base = 0};
    struct operand x[HEADS] = {random_operand(&state, 1), random_operand(&state, 30)};
    struct saturation sat = {0};
    int32_t logits[VOCABULARY + 1] = {[VOCABULARY] = 12345};
    final_linear(logits, &t.image, x, &sat);
    for (uint32_t r = 0; r < VOCABULARY; r++) {
      uint16_t scale;
      image_scale(&scale, t.scale[r]);
      expect_within(&worst, "logit", from_row(logits[r]), exact_row(&t, r, x),
                    ldexp(rescale_bound(largest_exponent(x, HEADS), HEADS, scale, 0), -ROW_FRAC));
    }
    assert_int_equal(logits[VOCABULARY], 12345);
    assert_int_equal(saturations(&sat), 0);
    free_matrix(&t);
  }
  print_worst("final_linear", &worst);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_logits)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
