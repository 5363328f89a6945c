// SPDX-License-Identifier: Apache-2.0
// test_host_sampling - top-p and the repetition penalty against their definitions; without them the
// hardware's choices
#include "model_test.h"

#include <math.h>

#include "golden.h"
#include "host_sampling.h"

enum { V = 500 };

static int32_t logits[V];

static void make_logits(uint64_t *random) {
  for (size_t i = 0; i < V; i++) logits[i] = (int32_t)random_below(random, 20 << 16) - (10 << 16);
  logits[7] = logits[9];  // equal ones
}

// If nothing is requested that the hardware lacks, the choice is the hardware's.
static void as_hardware(void **state) {
  (void)state;
  uint64_t random = 3;
  struct host_sampling s;
  struct err err;
  expect_success(host_sampling_create(&s, V, &err), &err);
  for (int round = 0; round < 3000; round++) {
    const double temperature = 0.3 + (double)random_below(&random, 30) / 10;
    struct sampling hardware = {.top_k = 1 + (uint32_t)random_below(&random, MAX_TOP_K),
                                .inv_t = sampling_inv_t(temperature),
                                .state = sampling_seed((uint64_t)round)};
    make_logits(&random);
    s.draws = hardware.top_k > 1;
    s.top_k = hardware.top_k;
    s.inv_t = hardware.inv_t;
    s.state = hardware.state;
    assert_int_equal(host_sampling_choose(&s, logits), sampling_choose(&hardware, logits, V));
    assert_true(s.state == hardware.state);
  }
  host_sampling_free(&s);
}

static int by_logit(const void *a, const void *b) {
  const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return logits[x] != logits[y] ? (logits[x] < logits[y] ? 1 : -1) : (x > y) - (x < y);
}

// The penalty, top-k and top-p as transformers define them, in double precision: what can be drawn,
// and how likely.
static void definition(void **state) {
  (void)state;
  uint64_t random = 11;
  size_t close = 0;
  struct err err;
  for (int round = 0; round < 400; round++) {
    struct host_sampling s;
    uint32_t ids[V];
    double weight[V], sum = 0, kept = 0;
    size_t n = V;
    const double temperature = 0.5 + (double)random_below(&random, 20) / 10;
    expect_success(host_sampling_create(&s, V, &err), &err);
    s.top_k = round % 2 ? 0 : 2 + (uint32_t)random_below(&random, 100);
    s.top_p = round % 5 ? 0.05 + (double)random_below(&random, 95) / 100 : 1;
    s.penalty = round % 3 ? 0.5 + (double)random_below(&random, 200) / 100 : 1;
    s.inv_t = sampling_inv_t(temperature);
    s.state = sampling_seed((uint64_t)round);
    make_logits(&random);
    int32_t given[V];
    memcpy(given, logits, sizeof given);
    for (size_t i = 0; i < 100; i++) host_sampling_see(&s, (uint32_t)random_below(&random, V));
    for (uint32_t i = 0; i < V; i++) {
      ids[i] = i;
      if (s.seen[i])
        logits[i] =
            (int32_t)nearbyint(logits[i] < 0 ? logits[i] * s.penalty : logits[i] / s.penalty);
    }
    qsort(ids, V, sizeof *ids, by_logit);
    if (s.top_k && s.top_k < n) n = s.top_k;
    for (size_t i = 0; i < n; i++)
      sum += weight[i] = exp((logits[ids[i]] - logits[ids[0]]) / 65536.0 / temperature);
    size_t m = 0;
    for (double before = 0; m < n && before < s.top_p * sum; m++) before += weight[m];
    for (size_t i = 0; i < m; i++) kept += weight[i];
    const uint32_t choice = host_sampling_choose(&s, given);
    assert_memory_equal(s.logits, logits, sizeof logits);
    double total = 0;
    size_t can = 0;
    for (size_t i = 0; i < V; i++) {
      const double share = host_sampling_share(&s, ids[i]);
      total += share;
      can += share > 0;
      // The exponentials have 22 fraction bits: at the edge of top_p one more or less may be kept.
      if (i < m && i + 2 < m) assert_true(fabs(share - weight[i] / kept) < 2e-3);
      if (i > m + 1) assert_true(share == 0);
      if (ids[i] == choice) assert_true(share > 0);
    }
    assert_true(fabs(total - 1) < 1e-9);
    close += can == m || (s.top_p >= 1 && can <= m);
    host_sampling_free(&s);
  }
  print_message("the same set in %zu of 400\n", close);
  assert_true(close >= 396);
}

// Ids are drawn as often as they are likely.
static void frequencies(void **state) {
  (void)state;
  struct host_sampling s;
  struct err err;
  size_t count[4] = {0};
  static const int32_t four[4] = {0, 45426, -65536, 65536};  // ln 2 is 45426 / 65536
  expect_success(host_sampling_create(&s, 4, &err), &err);
  s.inv_t = sampling_inv_t(1);
  s.state = sampling_seed(1);
  s.top_p = 0.9;  // of 0.447, 0.329, 0.164, 0.060: the first three
  for (int i = 0; i < 100000; i++) count[host_sampling_choose(&s, four)]++;
  assert_int_equal(count[2], 0);
  const double e[4] = {1, 2, 0, exp(1)};
  for (size_t i = 0; i < 4; i++)
    assert_true(fabs((double)count[i] / 100000 - e[i] / (3 + exp(1))) < 0.006);
  // 2 is twice as likely as 0, until it is penalised: ln 2 / 2.
  s.top_p = 1;
  s.penalty = 2;
  host_sampling_see(&s, 1);
  host_sampling_see(&s, 4);  // not an id: no effect
  host_sampling_choose(&s, four);
  assert_true(fabs(host_sampling_share(&s, 1) / host_sampling_share(&s, 0) - sqrt(2)) < 1e-4);
  host_sampling_see(&s, 2);  // a negative logit is multiplied
  host_sampling_choose(&s, four);
  assert_int_equal(s.logits[2], -131072);
  assert_true(host_sampling_share(&s, 4) == 0);
  s.draws = false;
  assert_int_equal(host_sampling_choose(&s, four), 3);
  assert_true(host_sampling_share(&s, 3) == 1 && host_sampling_share(&s, 0) == 0);
  host_sampling_free(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(as_hardware), cmocka_unit_test(definition),
                                     cmocka_unit_test(frequencies)};
  return cmocka_run_group_tests_name("host_sampling", tests, NULL, NULL);
}
