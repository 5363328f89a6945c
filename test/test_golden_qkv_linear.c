// SPDX-License-Identifier: Apache-2.0
// One head's rows of query, key and value: the right rows, in the right places.
#include "golden_test.h"

enum { HEADS = 3, ROWS = 3 * HEAD_DIM };

static void check_cached(struct worst *worst, const int8_t *q, uint16_t scale, const double *exact,
                         double row_bound) {
  double max = 0;
  for (size_t d = 0; d < HEAD_DIM; d++) max = fmax(max, fabs(exact[d]));
  // half a step of max / 127, the scale's 12 bits, and the rows' errors
  for (size_t d = 0; d < HEAD_DIM; d++) {
    expect_within(worst, "cached", q[d] * image_scale_value(scale), exact[d],
                  0.51 * max / 127 + 2.8e-4 * max + 2 * row_bound);
  }
}

static void test_heads(void **unused) {
  (void)unused;
  struct worst worst_q = {0}, worst_kv = {0};
  struct kv_head *kv = calloc(1, sizeof *kv);
  uint64_t state = 1;
  for (uint32_t lanes = 64; lanes <= 4096; lanes *= 2) {
    // The three heads' matrices follow each other: make one, move it to where head 2's is.
    struct test_matrix t;
    make_matrix(&t, &state, lanes, ROWS, HEADS, false, 0.3, 1);
    const size_t bytes = image_matrix_beats(lanes, ROWS, HEADS * HEAD_DIM) * lanes;
    uint8_t *all = calloc(HEADS, bytes);
    memcpy(all + 2 * bytes, t.beats, bytes);
    t.image.beats = all;
    const struct matrix qkv = {&t.image, 0, 0, HEADS, false};

    struct operand x[HEADS], q;
    struct saturation sat = {0};
    for (size_t k = 0; k < HEADS; k++) x[k] = random_operand(&state, 1);
    qkv_linear(&q, kv, &qkv, x, 2, 77, &sat, NULL);
    assert_int_equal(saturations(&sat), 0);

    double exact[ROWS];
    for (uint32_t r = 0; r < ROWS; r++) exact[r] = exact_row(&t, r, x);
    const double row_bound = 0x1p-16;
    for (size_t d = 0; d < HEAD_DIM; d++) {
      const double step = ldexp(q.m[d] == INT16_MAX ? 1 : 0.5, q.e - ROW_FRAC);
      expect_within(&worst_q, "query", operand_value(&q, d, ROW_FRAC), exact[d], row_bound + step);
    }
    check_cached(&worst_kv, kv->k[77], kv->k_scale[77], exact + HEAD_DIM, row_bound);
    check_cached(&worst_kv, kv->v[77], kv->v_scale[77], exact + 2 * HEAD_DIM, row_bound);
    free(all);
    free_matrix(&t);
  }
  free(kv);
  print_worst("qkv_linear, query", &worst_q);
  print_worst("qkv_linear, key and value", &worst_kv);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_heads)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
