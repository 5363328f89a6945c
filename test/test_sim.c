// SPDX-License-Identifier: Apache-2.0
//
// A run in pieces (sim_begin, sim_advance, sim_abort) is the run that sim_run makes in one: the
// same steps, tokens and cycles, whatever the pieces; and an abort does not affect the next run.
#include "model_test.h"
#include "sim.h"
#include "recording.h"

enum { NEW = 6 };

struct seen {
  uint32_t ids[NEW];
  uint64_t cycles[NEW];
  size_t n, steps;
  struct sim *sim;
};

static int on_token(void *ctx, uint32_t id) {
  struct seen *seen = ctx;
  assert_true(seen->n < NEW);
  seen->cycles[seen->n] = sim_cycles(seen->sim);
  seen->ids[seen->n++] = id;
  return 0;
}
static int on_step(void *ctx, const struct controller_step *step) {
  struct seen *seen = ctx;
  (void)step;
  seen->steps++;
  return 0;
}

static void pieces(void **state) {
  (void)state;
  static const uint64_t sizes[] = {1, 7, 1000, UINT64_MAX};
  const struct sim_memory memory = {.latency = 30, .beats = 0.9, .stall = 0.1, .seed = 3};
  const uint32_t prompt[] = {5, 6, 7};
  struct image image;
  struct err err;
  struct seen whole = {.n = 0};
  struct sim_result expected, result;
  open_random(&image, "nano", 1, 64);
  struct controller_run run = {.prompt = prompt,
                               .n_prompt = 3,
                               .max_new = NEW,
                               .sampling = {.top_k = 5, .inv_t = 90000, .state = 11},
                               .ctx = &whole,
                               .token = on_token,
                               .step = on_step};
  assert_int_equal(sim_open(&whole.sim, &image, &memory, SIM_FAST, &err), 0);
  assert_int_equal(sim_advance(whole.sim, 1, &result, &err), -1);
  assert_non_null(strstr(err.text, "no run in progress"));
  assert_int_equal(sim_abort(whole.sim, &result, &err), -1);
  assert_int_equal(sim_run(whole.sim, &run, &expected, &err), 0);
  assert_int_equal(whole.n, NEW);
  sim_close(whole.sim);

  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    struct seen seen = {.n = 0};
    int status;
    run.ctx = &seen;
    assert_int_equal(sim_open(&seen.sim, &image, &memory, SIM_FAST, &err), 0);
    assert_int_equal(sim_begin(seen.sim, &run, &err), 0);
    assert_int_equal(sim_begin(seen.sim, &run, &err), -1);
    assert_non_null(strstr(err.text, "not over"));
    while ((status = sim_advance(seen.sim, sizes[i], &result, &err)) == 1) continue;
    assert_int_equal(status, 0);
    assert_int_equal(seen.n, NEW);
    assert_int_equal(seen.steps, whole.steps);
    assert_memory_equal(seen.ids, whole.ids, sizeof seen.ids);
    assert_memory_equal(seen.cycles, whole.cycles, sizeof seen.cycles);
    assert_memory_equal(&result, &expected, sizeof result);
    sim_close(seen.sim);
  }
  image_close(&image);
}

static void aborted(void **state) {
  (void)state;
  const struct sim_memory memory = SIM_MEMORY_DEFAULT;
  const uint32_t prompt[] = {1, 2};
  struct image image;
  struct err err;
  struct seen seen = {.n = 0};
  struct sim_result result;
  open_random(&image, "nano", 1, 64);
  const struct controller_run run = {.prompt = prompt,
                                     .n_prompt = 2,
                                     .max_new = NEW,
                                     .sampling = {.top_k = 1, .inv_t = 1, .state = 1},
                                     .ctx = &seen,
                                     .token = on_token};
  assert_int_equal(sim_open(&seen.sim, &image, &memory, SIM_FAST, &err), 0);
  for (uint64_t at = 1; at < 20000; at += 1 + 3 * at) {  // before, in and after the first position
    seen.n = 0;
    assert_int_equal(sim_begin(seen.sim, &run, &err), 0);
    assert_int_equal(sim_advance(seen.sim, at, &result, &err), 1);
    expect_success(sim_abort(seen.sim, &result, &err), &err);
    assert_true(result.busy + 1 >= at);
    assert_int_equal(sim_advance(seen.sim, 1, &result, &err), -1);
  }
  assert_int_equal(sim_begin(seen.sim, &run, &err), 0);
  assert_int_equal(sim_abort(seen.sim, &result, &err), 0);
  assert_int_equal(result.busy, 0);
  seen.n = 0;
  assert_int_equal(sim_run(seen.sim, &run, &result, &err), 0);
  assert_int_equal(seen.n, NEW);
  sim_close(seen.sim);
  image_close(&image);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(pieces), cmocka_unit_test(aborted)};
  return cmocka_run_group_tests_name("sim", tests, NULL, NULL);
}
