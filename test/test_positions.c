// SPDX-License-Identifier: Apache-2.0
//
// gpt2_top with Positions: RTL = golden, bit for bit, when a prompt's positions or several
// sequences go through the engine together: the hidden state after every layer, logits, choices,
// for whole runs
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "estimate.h"
#include "library.h"
#include "recording.h"

static const struct sim_memory memories[] = {{.latency = 150, .beats = 1, .stall = 0, .seed = 1},
                                             {.latency = 40, .beats = 0.37, .stall = 0, .seed = 1},
                                             {.latency = 60, .beats = 1, .stall = 0.3, .seed = 2},
                                             {.latency = 9, .beats = 0.8, .stall = 0.7, .seed = 3}};
enum { MEMORIES = sizeof memories / sizeof *memories, LANES = 256 };

static int eight(void **state) {
  (void)state;
  library_parameters = "-Positions.8";
  return 0;
}

static struct sampling drawing(uint64_t seed) {
  return (struct sampling){.top_k = 40, .inv_t = sampling_inv_t(1), .state = sampling_seed(seed)};
}

// With SIM_CHECK also without assertions and with the clocks of units at rest gated: not a cycle
// may differ.
static struct sim_result expect_equal(const struct image *image, const struct controller_run *run,
                                      const struct sim_memory *memory, enum sim_build build) {
  struct recording recording;
  struct sim_result result;
  recording_golden(&recording, image, run);
  recording_expect_rtl(&recording, image, run, memory, build, &result);
  if (build == SIM_CHECK) {
    struct sim_result gated;
    recording_expect_rtl(&recording, image, run, memory, SIM_FAST, &gated);
    assert_int_equal(gated.cycles, result.cycles);
    assert_int_equal(gated.saturations, result.saturations);
  }
  recording_free(&recording);
  return result;
}

// Prompts of every length that a batch can end at, on a slow, a stalling and a fast memory; then
// past the end of the context, where half of it runs again.
static void nano(void **state) {
  (void)state;
  uint32_t prompt[64];
  struct image image;
  open_random(&image, "nano", 1, LANES);
  for (uint32_t i = 0; i < 64; i++) prompt[i] = (i * 37 + 11) % 301;
  for (uint32_t n = 1; n <= 24; n++) {
    const struct controller_run run = {.prompt = prompt + n,
                                       .n_prompt = n,
                                       .max_new = n % 3,
                                       .sampling = drawing(n)};
    expect_equal(&image, &run, &memories[n % MEMORIES], SIM_CHECK);
  }
  struct controller_run run = {.prompt = prompt,
                               .n_prompt = 64,
                               .max_new = 150,
                               .sampling = drawing(5)};
  for (int i = 0; i < MEMORIES; i++) expect_equal(&image, &run, &memories[i], SIM_CHECK);
  // With logits of all positions each goes alone.
  run.n_prompt = 20;
  run.max_new = 5;
  run.all_heads = true;
  expect_equal(&image, &run, &memories[2], SIM_CHECK);
  image_close(&image);
}

// Several sequences: as many as there are places, fewer, and more; prompts of all lengths, tokens
// up to the first crops and past them, a stop id that ends them at different times; no tokens at
// all. In one build, or in SIM_CHECK and SIM_FAST.
enum { MOST = 21 };
static void expect_sequences(uint32_t lanes, bool one_build, enum sim_build build) {
  uint32_t prompt[64 + MOST];
  struct recording recordings[MOST];
  struct controller_run runs[MOST];
  struct image image;
  open_random(&image, "nano", 1, lanes);
  for (uint32_t i = 0; i < 64 + MOST; i++) prompt[i] = (i * 37 + 11) % 301;
  static const struct {
    size_t n;
    uint32_t max_new;
    bool stops, all_heads;
  } cases[] = {{8, 30, false, false}, {2, 70, false, false}, {MOST, 40, true, false},
               {5, 0, false, false},  {3, 4, false, true},   {9, 90, false, false},
               {1, 9, false, false}};
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    const size_t n = cases[c].n;
    for (size_t i = 0; i < n; i++) {
      runs[i] = (struct controller_run){.prompt = prompt + i,
                                        .n_prompt = 1 + (i * 29 + c * 7) % 64,
                                        .max_new = cases[c].max_new,
                                        .stop_enabled = cases[c].stops,
                                        .all_heads = cases[c].all_heads,
                                        .sampling = drawing(c + i + 1)};
    }
    if (cases[c].stops) {
      struct recording first;
      recording_golden(&first, &image, &runs[0]);
      uint32_t *ids = recording_tokens(&first);
      for (size_t i = 0; i < n; i++) runs[i].stop_id = ids[first.tokens / 2];
      free(ids);
      recording_free(&first);
    }
    for (size_t i = 0; i < n; i++) recording_golden(&recordings[i], &image, &runs[i]);
    struct sim_result checked, gated;
    const struct sim_memory *memory = &memories[c % MEMORIES];
    recording_expect_rtl_many(recordings, &image, runs, n, memory, build, &checked);
    if (!one_build) {
      recording_expect_rtl_many(recordings, &image, runs, n, memory, SIM_FAST, &gated);
      assert_int_equal(gated.cycles, checked.cycles);
      assert_int_equal(gated.saturations, checked.saturations);
    }
    for (size_t i = 0; i < n; i++) recording_free(&recordings[i]);
  }
  image_close(&image);
}

static void sequences(void **state) {
  (void)state;
  expect_sequences(LANES, false, SIM_CHECK);
}

// Members that meet a beat in different cycles.
static void rounds(void **state) {
  (void)state;
  library_parameters = "-Positions.4-Engines.2";
  expect_sequences(64, true, SIM_WAVEFORM);
  library_parameters = "-Positions.8";
}

// Beats that are held for several steps of each round, by a quarter of the multipliers.
static void folded(void **state) {
  (void)state;
  library_parameters = "-NormWidth.4-Positions.4-Engines.2-Folding.4";
  expect_sequences(64, true, SIM_CHECK);
  library_parameters = "-Positions.8";
}

// A callback that ends its run leaves the others alone; when all have ended, the hardware does.
struct ending {
  uint32_t tokens, most;
};
static int end_after(void *ctx, uint32_t id) {
  struct ending *e = ctx;
  (void)id;
  return ++e->tokens == e->most;
}
static int count_over(void *ctx, size_t run) {
  (void)run;
  ++*(size_t *)ctx;
  return 0;
}
static void endings(void **state) {
  (void)state;
  const uint32_t prompt[] = {3, 77, 1, 300, 5};
  struct ending ends[10];
  struct controller_run runs[10];
  int results[10];
  size_t over = 0;
  struct image image;
  struct sim *sim;
  struct sim_result result, again;
  struct err err;
  open_random(&image, "nano", 1, LANES);
  if (sim_open(&sim, &image, &memories[0], SIM_CHECK, &err)) fail_msg("%s", err.text);
  const struct sim_runs all = {.runs = runs,
                               .n = 10,
                               .results = results,
                               .over = count_over,
                               .ctx = &over};
  for (uint32_t some = 0; some < 2; some++) {  // callbacks end all; or all but the last
    for (uint32_t i = 0; i < 10; i++) {
      ends[i] = (struct ending){0, some && i == 9 ? 100 : 1 + i};
      runs[i] = (struct controller_run){.prompt = prompt,
                                        .n_prompt = 1 + i % 5,
                                        .max_new = 20,
                                        .sampling = drawing(3),
                                        .ctx = &ends[i],
                                        .token = end_after};
    }
    over = 0;
    assert_int_equal(sim_run_many(sim, &all, &result, &err), -1);
    assert_string_equal(err.text, "");
    assert_int_equal(over, 10);
    for (uint32_t i = 0; i < 10; i++) {
      assert_int_equal(results[i], some && i == 9 ? 0 : -1);
      assert_int_equal(ends[i].tokens, some && i == 9 ? 20 : 1 + i);
    }
  }
  // Runs of other settings are refused, and the next run is like the last.
  runs[4].max_new = 21;
  assert_int_equal(sim_run_many(sim, &all, &again, &err), -1);
  assert_non_null(strstr(err.text, "run 5 has other settings"));
  runs[4].max_new = 20;
  for (uint32_t i = 0; i < 10; i++) ends[i].tokens = 0;
  assert_int_equal(sim_run_many(sim, &all, &again, &err), -1);
  assert_int_equal(again.cycles, result.cycles);
  sim_close(sim);
  image_close(&image);
}

static void outliers(void **state) {
  (void)state;
  uint32_t prompt[21];
  struct image image;
  open_outliers(&image, "nano", 1, LANES);
  for (uint32_t i = 0; i < 21; i++) prompt[i] = (i * 53 + 9) % 301;
  const struct controller_run run = {.prompt = prompt,
                                     .n_prompt = 21,
                                     .max_new = 50,
                                     .sampling = drawing(2)};
  expect_equal(&image, &run, &memories[0], SIM_CHECK);
  image_close(&image);
}

// A token of each of 8 sequences takes little longer than a token alone, and as long as estimated.
static int count_token(void *ctx, uint32_t id) {
  (void)id;
  ++*(uint64_t *)ctx;
  return 0;
}
static void tokens_together(const struct image *image, const struct gpt2_config *config) {
  static const char *const settings[] = {"ideal", "ddr4-2400"};
  uint32_t prompt[8];
  struct controller_run runs[8];
  int results[8];
  struct sim *sim;
  struct err err;
  for (uint32_t i = 0; i < 8; i++) prompt[i] = (i * 7919 + 15496) % 50257;
  for (int i = 0; i < 2; i++) {
    struct sim_memory memory = SIM_MEMORY_DEFAULT;
    struct estimate e;
    struct sim_result result;
    double cycles[2];
    assert_int_equal(sim_memory_parse(&memory, settings[i], NULL), 0);
    if (sim_open(&sim, image, &memory, SIM_FAST, &err)) fail_msg("%s", err.text);
    for (uint32_t tokens = 1; tokens <= 2; tokens++) {
      uint64_t count = 0;
      for (int r = 0; r < 8; r++)
        runs[r] = (struct controller_run){.prompt = &prompt[r],
                                          .n_prompt = 1,
                                          .max_new = tokens,
                                          .sampling = {.top_k = 1, .inv_t = 94548},
                                          .ctx = &count,
                                          .token = count_token};
      const struct sim_runs all = {.runs = runs, .n = 8, .results = results};
      if (sim_run_many(sim, &all, &result, &err)) fail_msg("%s", err.text);
      assert_int_equal(count, 8 * tokens);
      cycles[tokens - 1] = (double)result.cycles;
    }
    sim_close(sim);
    const double batch = cycles[1] - cycles[0];
    estimate_tokens(&e, config, LANES, 1, &(struct estimate_batch){8, 8, 1}, &memory, 1);
    print_message("gpt2, %d lanes, %s: %.0f cycles a token of 8 sequences, estimate %+.2f %%\n",
                  LANES, settings[i], batch / 8, 100 * (e.cycles / batch - 1));
    assert_true(fabs(e.cycles / batch - 1) < 0.01);
  }
}

// The 124M shape on random weights: a batch of 8 takes little longer than a position of its own,
// and as long as estimated.
static void gpt2(void **state) {
  (void)state;
  uint32_t prompt[25];
  struct image image;
  open_random(&image, "gpt2", 1, LANES);
  for (uint32_t i = 0; i < 25; i++) prompt[i] = (i * 40503 + 15496) % 50257;
  struct gpt2_config config;
  assert_int_equal(config_named(&config, "gpt2", NULL), 0);
  struct controller_run run = {.prompt = prompt,
                               .n_prompt = 21,
                               .max_new = 1,
                               .sampling = drawing(7)};
  expect_equal(&image, &run, &memories[0], SIM_FAST);
  run.max_new = 0;
  static const char *const settings[] = {"ideal", "ddr4-2400"};
  for (int i = 0; i < 2; i++) {
    struct sim_memory memory = SIM_MEMORY_DEFAULT;
    struct estimate e;
    assert_int_equal(sim_memory_parse(&memory, settings[i], NULL), 0);
    run.n_prompt = 8;
    const uint64_t first = expect_equal(&image, &run, &memory, SIM_FAST).cycles;
    run.n_prompt = 16;
    const double batch = (double)(expect_equal(&image, &run, &memory, SIM_FAST).cycles - first);
    estimate_prompt(&e, &config, LANES, 8, &(struct estimate_batch){8, 8, 1}, &memory);
    print_message(
        "gpt2, %d lanes, %s: %.0f cycles a position of a prompt in batches of 8, estimate "
        "%+.2f %%\n",
        LANES, settings[i], batch / 8, 100 * (e.cycles / batch - 1));
    assert_true(fabs(e.cycles / batch - 1) < 0.01);
    // Alone, a position's layers take 338,000 cycles where the memory keeps up.
    if (i == 0) assert_true(batch / 8 < 338000 / 7.2);
  }
  tokens_together(&image, &config);
  image_close(&image);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(nano),    cmocka_unit_test(sequences),
                                     cmocka_unit_test(rounds),  cmocka_unit_test(folded),
                                     cmocka_unit_test(endings), cmocka_unit_test(outliers),
                                     cmocka_unit_test(gpt2)};
  return cmocka_run_group_tests_name("positions", tests, eight, NULL);
}
