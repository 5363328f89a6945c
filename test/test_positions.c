// SPDX-License-Identifier: Apache-2.0
//
// gpt2_top with Positions: RTL = golden, bit for bit, when a prompt's positions or several
// sequences go through the engine together: the hidden state after every layer, logits, choices,
// for whole runs
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

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
// all.
static void sequences(void **state) {
  (void)state;
  enum { MOST = 21 };
  uint32_t prompt[64 + MOST];
  struct recording recordings[MOST];
  struct controller_run runs[MOST];
  struct image image;
  open_random(&image, "nano", 1, LANES);
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
                                        .sampling = drawing(c + 1)};
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
    recording_expect_rtl_many(recordings, &image, runs, n, memory, SIM_CHECK, &checked);
    recording_expect_rtl_many(recordings, &image, runs, n, memory, SIM_FAST, &gated);
    assert_int_equal(gated.cycles, checked.cycles);
    assert_int_equal(gated.saturations, checked.saturations);
    for (size_t i = 0; i < n; i++) recording_free(&recordings[i]);
  }
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
    estimate_prompt(&e, &config, LANES, 8, &(struct estimate_batch){8, 8}, &memory);
    print_message(
        "gpt2, %d lanes, %s: %.0f cycles a position of a prompt in batches of 8, estimate "
        "%+.2f %%\n",
        LANES, settings[i], batch / 8, 100 * (e.cycles / batch - 1));
    assert_true(fabs(e.cycles / batch - 1) < 0.01);
    // Alone, a position's layers take 338,000 cycles where the memory keeps up.
    if (i == 0) assert_true(batch / 8 < 338000 / 7.2);
  }
  image_close(&image);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(nano), cmocka_unit_test(sequences),
                                     cmocka_unit_test(outliers), cmocka_unit_test(gpt2)};
  return cmocka_run_group_tests_name("positions", tests, eight, NULL);
}
