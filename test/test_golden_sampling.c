// SPDX-License-Identifier: Apache-2.0
// sampling: argmax, ties, top-k, and the distribution over many draws.
#include "golden_test.h"

#include "controller.h"

enum { VOCABULARY = 5003 };

static void random_logits(int32_t *logits, uint64_t *state, double deviation) {
  for (size_t v = 0; v < VOCABULARY; v++) logits[v] = to_row(deviation * random_normal(state));
}

// ----------------------------------------------------------------------- the choice without chance

static void test_argmax(void **unused) {
  (void)unused;
  static int32_t logits[VOCABULARY];
  uint64_t state = 1;
  for (int n = 0; n < 200; n++) {
    random_logits(logits, &state, n % 2 ? 3 : 1e-4);  // the second: ties everywhere
    size_t best = 0;
    for (size_t v = 1; v < VOCABULARY; v++) best = logits[v] > logits[best] ? v : best;
    struct sampling s = {.top_k = 1, .inv_t = sampling_inv_t(1), .state = 7};
    assert_int_equal(sampling_choose(&s, logits, VOCABULARY), best);
    assert_int_equal(s.state, 7);  // no random number was taken
  }
}

// All equal: the k lowest ids, each as often as the others.
static void test_ties(void **unused) {
  (void)unused;
  static int32_t logits[VOCABULARY];
  struct sampling s = {.top_k = 8, .inv_t = sampling_inv_t(1), .state = sampling_seed(1)};
  size_t count[8] = {0};
  for (int n = 0; n < 80000; n++) {
    const uint32_t id = sampling_choose(&s, logits, n % 2 ? VOCABULARY : 9);
    assert_in_range(id, 0, 7);
    count[id]++;
  }
  for (size_t i = 0; i < 8; i++)
    assert_in_range(count[i], 10000 - 500, 10000 + 500);  // 5 standard deviations
  // Fewer tokens than k: all of them.
  s.top_k = 64;
  size_t seen = 0;
  for (int n = 0; n < 1000; n++) seen |= (size_t)1 << sampling_choose(&s, logits, 5);
  assert_int_equal(seen, 31);
}

// -------------------------------------------------------------------------------- the distribution

struct candidate {
  uint32_t id;
  int32_t logit;
};

static int falling(const void *a, const void *b) {
  const struct candidate *x = a, *y = b;
  return x->logit != y->logit ? (x->logit < y->logit) - (x->logit > y->logit)
                              : (x->id > y->id) - (x->id < y->id);
}

// The k best and their exact probabilities at a temperature, by sorting everything.
static void exact_distribution(struct candidate *best, double *p, const int32_t *logits, size_t k,
                               double temperature) {
  static struct candidate all[VOCABULARY];
  double z = 0;
  for (uint32_t v = 0; v < VOCABULARY; v++) all[v] = (struct candidate){v, logits[v]};
  qsort(all, VOCABULARY, sizeof all[0], falling);
  for (size_t i = 0; i < k; i++) {
    best[i] = all[i];
    p[i] = exp((from_row(all[i].logit) - from_row(all[0].logit)) / temperature);
    z += p[i];
  }
  for (size_t i = 0; i < k; i++) p[i] /= z;
}

// Each choice must be that of the exact cumulative distribution at the generator's number, except
// within 4e-5 of an edge: exponentials are within 2e-5 of each other's ratio or 2^-23.
static void check_draws(uint64_t *state, uint32_t k, double temperature, double deviation,
                        size_t draws, size_t *near_edges) {
  static int32_t logits[VOCABULARY];
  struct candidate best[MAX_TOP_K];
  double p[MAX_TOP_K], squares = 0;
  size_t count[MAX_TOP_K] = {0};
  random_logits(logits, state, deviation);
  exact_distribution(best, p, logits, k, temperature);
  struct sampling s = {k, sampling_inv_t(temperature), sampling_seed(random_next(state))};
  for (size_t n = 0; n < draws; n++) {
    const uint32_t id = sampling_choose(&s, logits, VOCABULARY);
    const double u = ldexp((double)(s.state >> 32), -32);
    double low = 0;
    size_t i = 0;
    while (i + 1 < k && u >= low + p[i]) low += p[i++];
    if (id != best[i].id) {
      const double edge = fmin(fabs(u - low), fabs(u - low - p[i]));
      (*near_edges)++;
      if (edge > 4e-5)
        fail_msg("drew %u, expected %u at %.9f in %.9f + %.9f", id, best[i].id, u, low, p[i]);
      for (i = 0; i < k && best[i].id != id; i++) {}
      assert_true(i < k);
    }
    count[i]++;
  }
  // And the generator is uniform: Pearson's chi-squared, 6 standard deviations of it.
  size_t degrees = 0;
  for (size_t i = 0; i < k; i++) {
    const double expected = p[i] * (double)draws;
    if (expected >= 5) {
      squares += ((double)count[i] - expected) * ((double)count[i] - expected) / expected;
      degrees++;
    }
  }
  assert_true(squares < (double)degrees + 6 * sqrt(2 * (double)degrees) + 6);
}

static void test_distribution(void **unused) {
  (void)unused;
  uint64_t state = 1;
  size_t near_edges = 0;
  const uint32_t ks[] = {2, 3, 40, 63, 64};
  const double temperatures[] = {0.05, 0.7, 1, 1.5, 20};
  for (size_t i = 0; i < 5; i++)
    for (size_t j = 0; j < 5; j++)
      check_draws(&state, ks[i], temperatures[j], 2.5, 4000, &near_edges);
  check_draws(&state, 40, 0.8, 2.5, 50000, &near_edges);
  check_draws(&state, 40, 1, 1e-4, 20000, &near_edges);  // many equal logits: by ids
  print_message("%-34s %8d draws, %zu at an edge\n", "sampling", 25 * 4000 + 50000 + 20000,
                near_edges);
  assert_true(near_edges < 50);
}

// The state that xorshift64 turns into x.
static uint64_t state_before(uint64_t x) {
  uint64_t y = x;
  for (int n = 0; n < 4; n++) y = x ^ y << 17;
  x = y;
  for (int n = 0; n < 10; n++) y = x ^ y >> 7;
  x = y;
  for (int n = 0; n < 5; n++) y = x ^ y << 13;
  return y;
}

// A number exactly between two equal tokens chooses the second, the number below it the first.
static void test_edge(void **unused) {
  (void)unused;
  const int32_t logits[2] = {5, 5};
  struct sampling s = {.top_k = 2, .inv_t = sampling_inv_t(1)};
  s.state = state_before(UINT64_C(0x8000000000000000));
  assert_int_equal(sampling_choose(&s, logits, 2), 1);
  assert_true(s.state == UINT64_C(0x8000000000000000));
  s.state = state_before(UINT64_C(0x7fffffffffffffff));
  assert_int_equal(sampling_choose(&s, logits, 2), 0);
  s.state = state_before(UINT64_MAX);
  assert_int_equal(sampling_choose(&s, logits, 2), 1);
}

// ---------------------------------------------------------------------------------------- settings

static void test_settings(void **unused) {
  (void)unused;
  assert_int_equal(sampling_inv_t(1), 94548);  // log2(e) * 2^16
  assert_int_equal(sampling_inv_t(2), 47274);
  assert_true(sampling_inv_t(0.0057) < 1 << 24);
  // splitmix64 of 0, as published with the generator; every seed gives a state.
  assert_true(sampling_seed(0) == 0xe220a8397b1dcdafull);
  assert_true(sampling_seed(1) != sampling_seed(2));
  assert_true(sampling_seed(-0x9e3779b97f4a7c15ull) == 1);
  // xorshift64 with shifts of 13, 7, 17: its first two numbers from 1.
  const int32_t logits[2] = {0, 0};
  struct sampling s = {.top_k = 2, .inv_t = 1, .state = 1};
  sampling_choose(&s, logits, 2);
  assert_true(s.state == 1082269761);
  sampling_choose(&s, logits, 2);
  assert_true(s.state == 1152992998833853505);
}

// -------------------------------------------------------------------------- what a run may ask for

static int no_step(void *self, uint32_t id, uint32_t position, bool head, uint32_t *choice,
                   struct err *err) {
  (void)self, (void)id, (void)position, (void)head, (void)err;
  *choice = 0;
  return 0;
}

// sampling_choose has room for 64: a run with a larger number is refused on every engine.
static void test_limits(void **unused) {
  (void)unused;
  static const uint32_t bad[] = {0, 65, 127, 128, 1u << 31, UINT32_MAX};
  const uint32_t prompt[] = {1};
  const struct controller_model model = {.n_ctx = 4, .n_vocab = 5, .step = no_step};
  struct controller_run run = {.prompt = prompt,
                               .n_prompt = 1,
                               .max_new = 1,
                               .sampling = {.top_k = 64, .inv_t = (1 << 24) - 1, .state = 1}};
  struct err err;
  assert_int_equal(controller_run(&run, &model, &err), 0);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    run.sampling.top_k = bad[i];
    assert_int_equal(controller_run(&run, &model, &err), -1);
    assert_non_null(strstr(err.text, "expected 1 to 64"));
  }
  run.sampling = (struct sampling){.top_k = 1, .inv_t = 1 << 24, .state = 1};
  assert_int_equal(controller_run(&run, &model, &err), -1);
  assert_non_null(strstr(err.text, "expected below 2^24"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_argmax),       cmocka_unit_test(test_ties),
      cmocka_unit_test(test_distribution), cmocka_unit_test(test_edge),
      cmocka_unit_test(test_settings),     cmocka_unit_test(test_limits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
