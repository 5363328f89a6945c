// SPDX-License-Identifier: Apache-2.0
// attention_core of an integer query and cache, against the same numbers in double precision.
#include "golden_test.h"

static void fill_cache(struct kv_head *kv, uint64_t *state, uint32_t n, double k, double v) {
  for (uint32_t t = 0; t < n; t++) {
    int32_t k_row[HEAD_DIM], v_row[HEAD_DIM];
    // Trained heads look at position 0 when nothing else matters: its value is small.
    const double v_here = t == 0 ? 0.05 * v : v;
    for (size_t d = 0; d < HEAD_DIM; d++) {
      k_row[d] = to_row(k * random_normal(state));
      v_row[d] = to_row(v_here * random_normal(state));
    }
    kv_cache_write(kv, t, k_row, v_row);
  }
}

// softmax(q k / 8) v; *absolute is softmax(q k / 8) |v|, *largest the largest p * V scale of a
// tile, all over 1 / z.
static void exact_attention(double *out, double *absolute, double *largest, double *score_bound,
                            const struct operand *q, const struct kv_head *kv, uint32_t n) {
  double score[MAX_CTX], max = -INFINITY, z = 0;
  memset(out, 0, HEAD_DIM * sizeof *out);
  memset(absolute, 0, HEAD_DIM * sizeof *absolute);
  *largest = *score_bound = 0;
  for (uint32_t t = 0; t < n; t++) {
    const double scale = image_scale_value(kv->k_scale[t]);
    score[t] = 0;
    for (size_t d = 0; d < HEAD_DIM; d++)
      score[t] += operand_value(q, d, ROW_FRAC) * kv->k[t][d] * scale / 8;
    max = fmax(max, score[t]);
    *score_bound = fmax(*score_bound,
                        ldexp(rescale_bound(q->e, 1, kv->k_scale[t], RESCALE_SCORES), -ROW_FRAC));
  }
  for (uint32_t t = 0; t < n; t++) {
    const double p = exp(score[t] - max), scale = image_scale_value(kv->v_scale[t]);
    z += p;
    *largest = fmax(*largest, p * scale);
    for (size_t d = 0; d < HEAD_DIM; d++) {
      out[d] += p * scale * kv->v[t][d];
      absolute[d] += p * scale * abs(kv->v[t][d]);
    }
  }
  for (size_t d = 0; d < HEAD_DIM; d++) {
    out[d] /= z;
    absolute[d] /= z;
  }
  *largest /= z;
}

struct results {
  struct worst worst;
  double squares, error_squares;
};

// Probabilities are wrong by a factor (scores twice, the exponential's table and the place of its
// argument, 1/z) and by the block's last place, a sum over up to n of which no more than
// ROOT n count; then a row's rounding and the output block's.
static void check(struct results *results, const struct operand *q, const struct kv_head *kv,
                  uint32_t n) {
  struct operand out;
  struct saturation sat = {0};
  double exact[HEAD_DIM], absolute[HEAD_DIM], largest, score_bound;
  attention_core(&out, q, kv, 0, n, &sat, NULL);
  assert_int_equal(saturations(&sat), 0);
  exact_attention(exact, absolute, &largest, &score_bound, q, kv, n);
  const double factor = 2 * score_bound + 2 * (8e-6 + log(2) * 0x1p-17 + 2e-5) + 0x1p-12 + 8e-5;
  for (size_t d = 0; d < HEAD_DIM; d++) {
    const double step = ldexp(out.m[d] == INT16_MAX ? 1 : 0.5, out.e - ROW_FRAC);
    const double last_place = fmax(ldexp(largest, -14), 0x1p-28) * 127 * sqrt(n);
    const double found = operand_value(&out, d, ROW_FRAC);
    expect_within(&results->worst, "attention", found, exact[d],
                  factor * absolute[d] + last_place + 0x1p-16 + step);
    results->squares += exact[d] * exact[d];
    results->error_squares += (found - exact[d]) * (found - exact[d]);
  }
}

static void test_lengths(void **unused) {
  (void)unused;
  struct kv_head *kv = calloc(1, sizeof *kv);
  struct results results = {0};
  uint64_t state = 1;
  fill_cache(kv, &state, MAX_CTX, 1, 1);
  for (uint32_t n = 1; n <= MAX_CTX; n += n < 200 ? 1 : 23) {
    const double sharpness = n % 3 == 0 ? 0.2 : n % 3 == 1 ? 1.5 : 6;  // flat to nearly one-hot
    const struct operand q = random_operand(&state, sharpness);
    check(&results, &q, kv, n);
  }
  free(kv);
  print_worst("attention_core", &results.worst);
  const double relative = sqrt(results.error_squares / results.squares);
  print_message("%-34s error %.2g of its root mean square\n", "attention_core", relative);
  assert_true(relative < 1.5e-4);
}

// Values as small as 1/100 and as large as 100, keys that make scores of hundreds.
static void test_sizes(void **unused) {
  (void)unused;
  struct kv_head *kv = calloc(1, sizeof *kv);
  struct results results = {0};
  uint64_t state = 1;
  for (int n = 0; n < 60; n++) {
    const double k = n % 2 ? 0.1 : 10, v = pow(10, n % 5 - 2);
    fill_cache(kv, &state, 300, k, v);
    const struct operand q = random_operand(&state, n % 3 == 0 ? 10 : 1);
    check(&results, &q, kv, 300);
  }
  free(kv);
  print_worst("attention_core, sizes", &results.worst);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_lengths),
      cmocka_unit_test(test_sizes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
