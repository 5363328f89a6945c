// SPDX-License-Identifier: Apache-2.0
// layernorm of an integer residual, against the same residual in double precision.
#include "golden_test.h"

struct model {  // one LayerNorm's parameters, in an image with nothing else
  struct image image;
  uint8_t *beats;
  double gain[MAX_WIDTH], bias[MAX_WIDTH];
};

static void make_model(struct model *m, uint64_t *state, uint32_t heads, uint32_t lanes,
                       double gain) {
  *m = (struct model){0};
  struct image_header *h = &m->image.header;
  h->lanes = lanes;
  h->n_layer = 1;
  h->n_head = heads;
  h->n_ctx = 64;
  h->vocab_size = 64;
  h->tied = 1;
  h->layer_norm_epsilon = 1e-5f;
  struct err err;
  expect_success(image_layout(h, &err), &err);
  m->beats = calloc(4 * (size_t)h->n_embd + lanes, 1);
  m->image.beats = m->beats;
  for (uint32_t c = 0; c < h->n_embd; c++) {
    uint16_t half[2];
    image_half(&half[0], gain * (1 + 0.5 * random_normal(state)));
    image_half(&half[1], 0.3 * random_normal(state));
    memcpy(m->beats + 4 * c, half, 4);
    m->gain[c] = image_half_value(half[0]);
    m->bias[c] = image_half_value(half[1]);
  }
}

static void set_residual(struct residual *r, const double *x, uint32_t width) {
  *r = (struct residual){0};
  for (uint32_t c = 0; c < width; c++) {
    r->x[c] = (int32_t)lrint(ldexp(x[c], RES_FRAC));
    r->sum += r->x[c];
    r->sum_sq += (uint64_t)((int64_t)r->x[c] * r->x[c]);
  }
}

// Every source of error of one element, in the order of the computation.
static void check(struct worst *worst, const struct model *m, const struct residual *r) {
  const struct image_header *h = &m->image.header;
  const uint32_t width = h->n_embd;
  struct operand out[MAX_HEADS];
  struct saturation sat = {0};
  layernorm(out, r, &m->image, 0, &sat);
  assert_int_equal(saturations(&sat), 0);

  double mean = 0, variance = 0;
  for (uint32_t c = 0; c < width; c++) mean += ldexp(r->x[c], -RES_FRAC) / width;
  for (uint32_t c = 0; c < width; c++) {
    const double d = ldexp(r->x[c], -RES_FRAC) - mean;
    variance += d * d / width;
  }
  const double sigma = sqrt(variance + (double)h->layer_norm_epsilon);
  const double mean_bound = 0x1p-17 + fabs(mean) * width * 0x1p-31;  // rounding; 1 / C
  for (uint32_t c = 0; c < width; c++) {
    const double n = (ldexp(r->x[c], -RES_FRAC) - mean) / sigma;
    // 18 bits of C / sqrt(V'), truncated; rsqrt; rounding to 18 places
    const double n_bound = mean_bound / sigma + fabs(n) * (0x1p-17 + 2.6e-7) + 0x1p-19;
    const struct operand *x = &out[c / 64];
    const double step = ldexp(x->m[c % 64] == INT16_MAX ? 1 : 0.5, x->e - ROW_FRAC);
    expect_within(worst, "y", operand_value(x, c % 64, ROW_FRAC), n * m->gain[c] + m->bias[c],
                  fabs(m->gain[c]) * n_bound + 0x1p-17 + 0x1p-17 + step);
  }
}

static void test_shapes(void **unused) {
  (void)unused;
  struct worst worst = {0};
  uint64_t state = 1;
  for (uint32_t heads = 1; heads <= MAX_HEADS; heads++) {
    for (int n = 0; n < 40; n++) {
      struct model m;
      make_model(&m, &state, heads, 64u << n % 7, 1);
      double x[MAX_WIDTH];
      const double size = exp2(-6 + n % 17), shift = n % 3 == 0 ? 4 * size : 0;
      for (uint32_t c = 0; c < 64 * heads; c++) x[c] = shift + size * random_normal(&state);
      struct residual r;
      set_residual(&r, x, 64 * heads);
      check(&worst, &m, &r);
      free(m.beats);
    }
  }
  print_worst("layernorm", &worst);
}

// GPT-2 124M at position 0: 3000 in one dimension, the others around 1.
static void test_outlier(void **unused) {
  (void)unused;
  struct worst worst = {0};
  uint64_t state = 1;
  for (int n = 0; n < 200; n++) {
    struct model m;
    const uint32_t heads = n % 2 ? 12 : 25;
    make_model(&m, &state, heads, 256, n % 4 < 2 ? 1 : 12);
    double x[MAX_WIDTH];
    for (uint32_t c = 0; c < 64 * heads; c++) x[c] = random_normal(&state);
    x[447] = n % 3 ? 3000 : -3000;
    struct residual r;
    set_residual(&r, x, 64 * heads);
    check(&worst, &m, &r);
    free(m.beats);
  }
  print_worst("layernorm, outlier of 3000", &worst);
}

// Without variance only the bias remains. And the largest possible residuals.
static void test_extremes(void **unused) {
  (void)unused;
  struct worst worst = {0};
  uint64_t state = 1;
  for (uint32_t heads = 1; heads <= MAX_HEADS; heads++) {
    struct model m;
    make_model(&m, &state, heads, 64, 1);
    double x[MAX_WIDTH] = {0};
    struct residual r;
    set_residual(&r, x, 64 * heads);
    check(&worst, &m, &r);
    for (uint32_t c = 0; c < 64 * heads; c++) x[c] = c % 2 ? 16383 : -16383;
    set_residual(&r, x, 64 * heads);
    check(&worst, &m, &r);
    free(m.beats);
  }
  print_worst("layernorm, extremes", &worst);
}

// The largest normalised number is sqrt(C - 1) < 40, within Q6.18; a gain of 1000 leaves the rows.
static void test_saturation(void **unused) {
  (void)unused;
  struct model m;
  uint64_t state = 1;
  make_model(&m, &state, 25, 64, 1);
  for (uint32_t c = 0; c < 1600; c++) {
    uint16_t half[2] = {0, 0};
    image_half(&half[0], 1000);
    memcpy(m.beats + 4 * c, half, 4);
  }
  double x[MAX_WIDTH] = {[100] = 16000};
  struct residual r;
  set_residual(&r, x, 1600);
  struct operand out[MAX_HEADS];
  struct saturation sat = {0};
  layernorm(out, &r, &m.image, 0, &sat);
  assert_int_equal(sat.row, 1);
  assert_int_equal(saturations(&sat), 1);
  free(m.beats);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_shapes),
      cmocka_unit_test(test_outlier),
      cmocka_unit_test(test_extremes),
      cmocka_unit_test(test_saturation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
