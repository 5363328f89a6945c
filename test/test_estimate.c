// SPDX-License-Identifier: Apache-2.0
//
// The estimate against simulation: the 124M shape with every preset at 256 and 1024 lanes, the demo
// model through its context
#include "recording.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "estimate.h"

struct measured {
  const struct sim *sim;
  uint64_t before, cycles[256];  // until the step before was over; of each position
};

static int on_step(void *ctx, const struct controller_step *step) {
  struct measured *m = ctx;
  const uint64_t now = sim_cycles(m->sim);
  m->cycles[step->position] = now - m->before;
  m->before = now;
  return 0;
}

// Simulates positions 0 .. n - 1 and compares all but the first, before which there is no token.
static void expect_close(const struct image *image, const struct gpt2_config *config,
                         const struct sim_memory *memory, uint32_t n, uint32_t top_k,
                         const char *what) {
  const uint32_t id = 7, lanes = image->header.lanes;
  struct measured m = {0};
  struct sim_result result;
  struct err err;
  struct sim *sim;
  char settings[128];
  if (sim_open(&sim, image, memory, SIM_FAST, &err)) fail_msg("%s", err.text);
  m.sim = sim;
  const struct controller_run run = {.prompt = &id,
                                     .n_prompt = 1,
                                     .max_new = n,
                                     .ctx = &m,
                                     .step = on_step,
                                     .sampling = {.top_k = top_k,
                                                  .inv_t = sampling_inv_t(1),
                                                  .state = sampling_seed(1)}};
  if (sim_run(sim, &run, &result, &err)) fail_msg("%s", err.text);
  sim_close(sim);
  double worst = 0, sum = 0;
  uint64_t beats = 0, writes = 0;
  for (uint32_t p = 0; p < n; p++) {
    struct estimate e;
    estimate_token(&e, config, lanes, p, memory, top_k);
    beats += e.beats;
    writes += e.writes;
    if (p == 0) continue;
    const double error = e.cycles / (double)m.cycles[p] - 1;
    sum += error / (n - 1);
    if (fabs(error) > fabs(worst)) worst = error;
  }
  struct sim_memory resolved = *memory;
  sim_memory_resolve(&resolved, lanes);
  sim_memory_print(settings, &resolved);
  print_message("%s, %u lanes, %s: %llu cycles at position %u, estimate %+.2f %% on average, %+.2f "
                "%% at worst\n",
                what, lanes, settings, (unsigned long long)m.cycles[n - 1], n - 1, 100 * sum,
                100 * worst);
  assert_true(fabs(worst) < 0.01);
  assert_int_equal(beats, result.beats_read);
  assert_int_equal(writes, result.beats_written);
}

static void gpt2(void **state) {
  (void)state;
  struct gpt2_config config;
  struct image image;
  assert_int_equal(config_named(&config, "gpt2", NULL), 0);
  for (uint32_t lanes = 256; lanes <= 1024; lanes *= 4) {
    open_random(&image, "gpt2", 1, lanes);
    for (const struct memory_preset *preset = memory_presets; preset->name && preset->clock == 0;
         preset++) {
      struct sim_memory memory = SIM_MEMORY_DEFAULT;
      memory.preset = preset;
      expect_close(&image, &config, &memory, 2, 40, "gpt2");
    }
    expect_close(&image, &config, &SIM_MEMORY_DEFAULT, 3, 1, "gpt2, argmax");
    image_close(&image);
  }
}

static void demo(void **state) {
  (void)state;
  struct gpt2_config config;
  struct image image;
  assert_int_equal(config_read(&config, "models/demo/config.json", NULL), 0);
  for (uint32_t lanes = 64; lanes <= 256; lanes *= 4) {
    open_model(&image, "models/demo", lanes);
    struct sim_memory memory = SIM_MEMORY_DEFAULT;
    expect_close(&image, &config, &memory, 256, 40, "demo");
    memory.preset = &memory_presets[1];
    expect_close(&image, &config, &memory, 256, 40, "demo");
    memory.clock = 350;
    memory.preset = &memory_presets[2];
    expect_close(&image, &config, &memory, 256, 40, "demo");
    if (lanes == 64) {
      assert_int_equal(sim_memory_parse(&memory, "ulx3s", NULL), 0);
      expect_close(&image, &config, &memory, 3, 40, "demo, a board");
    }
    image_close(&image);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(gpt2), cmocka_unit_test(demo)};
  return cmocka_run_group_tests_name("estimate", tests, NULL, NULL);
}
