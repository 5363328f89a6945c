// SPDX-License-Identifier: Apache-2.0
//
// tensors: every intermediate tensor that the hardware shows is golden's, bit for bit
#include "golden_test.h"

#include "library.h"
#include "sim.h"
#include "tensor_assembly.h"
#include "tensors.h"
#include "recording.h"

enum { POSITIONS = 9 };

// All tensors of a run, keyed by place.
struct record {
  struct gpt2_config config;
  float *x[POSITIONS][2][TENSORS];  // two layers: nano's
  size_t n[POSITIONS][2][TENSORS];
  unsigned tensors;
};

static void observe(void *ctx, const struct tensor_place *place, const float *x, size_t n) {
  struct record *r = ctx;
  char name[TENSOR_NAME_SIZE];
  tensor_name(name, place->tensor, place->layer);
  if (place->position >= POSITIONS || place->layer >= 2)
    fail_msg("%s of position %zu", name, place->position);
  if (r->x[place->position][place->layer][place->tensor])
    fail_msg("%s of position %zu is shown twice", name, place->position);
  assert_int_equal(n, tensor_elements(&r->config, place->tensor, place->position));
  float *copy = malloc(n * sizeof *copy);
  assert_non_null(copy);
  memcpy(copy, x, n * sizeof *x);
  r->x[place->position][place->layer][place->tensor] = copy;
  r->n[place->position][place->layer][place->tensor] = n;
  r->tensors++;
}

static void record_free(struct record *r) {
  for (int p = 0; p < POSITIONS; p++)
    for (int l = 0; l < 2; l++)
      for (int t = 0; t < TENSORS; t++) free(r->x[p][l][t]);
}

// The same ids through both, with logits at each position or none, on a memory that may stall.
static void equal(uint32_t lanes, bool heads, double stall) {
  static const uint32_t prompt[POSITIONS] = {3, 300, 1, 77, 77, 0, 12, 299, 150};
  const struct sim_memory memory = {.latency = 20, .beats = 0.7, .stall = stall, .seed = 5};
  const struct controller_run run = {.prompt = prompt,
                                     .n_prompt = POSITIONS,
                                     .all_heads = heads,
                                     .sampling = {.top_k = 1, .inv_t = 94548, .state = 1}};
  struct image image;
  struct gpt2_core core;
  struct tensor_assembly assembly;
  struct tensor_observer observer;
  struct sim *sim;
  struct sim_result result;
  struct err err;
  struct record golden = {0}, rtl = {0};
  open_random(&image, "nano", 1, lanes);
  golden.config = rtl.config = image_config(&image.header);
  expect_success(gpt2_core_create(&core, &image, &err), &err);
  expect_success(tensor_assembly_golden(&assembly, &core, observe, &golden, &err), &err);
  expect_success(controller_run_golden(&run, &core, &err), &err);
  tensor_assembly_close(&assembly);
  expect_success(sim_open(&sim, &image, &memory, SIM_WAVEFORM, &err), &err);
  expect_success(tensor_assembly_open(&assembly, &image.header, &observer, observe, &rtl, &err),
                 &err);
  expect_success(sim_observe_tensors(sim, &observer, &err), &err);
  expect_success(sim_run(sim, &run, &result, &err), &err);
  tensor_assembly_close(&assembly);
  sim_close(sim);
  gpt2_core_destroy(&core);
  image_close(&image);

  const unsigned in_layer = TENSOR_LAYER - TENSOR_LN_1 + 1,
                 outside = TENSORS - in_layer - (heads ? 0 : 2);
  assert_int_equal(golden.tensors, POSITIONS * (2 * in_layer + outside));
  for (int p = 0; p < POSITIONS; p++) {
    for (int l = 0; l < 2; l++) {
      for (int t = 0; t < TENSORS; t++) {
        char name[TENSOR_NAME_SIZE];
        tensor_name(name, (enum tensor)t, (size_t)l);
        const float *a = golden.x[p][l][t], *b = rtl.x[p][l][t];
        if (!a != !b)
          fail_msg("position %d, %s: %s does not show it", p, name, a ? "the hardware" : "golden");
        for (size_t i = 0; i < golden.n[p][l][t]; i++)
          if (memcmp(&a[i], &b[i], sizeof *a))
            fail_msg("position %d, %s[%zu]: golden %.9g, hardware %.9g", p, name, i, (double)a[i],
                     (double)b[i]);
      }
    }
  }
  print_message("%u tensors of %d positions equal, %s, stall %.1f\n", rtl.tensors, POSITIONS,
                heads ? "with logits" : "without", stall);
  record_free(&golden);
  record_free(&rtl);
}

static void tensors(void **state) {
  (void)state;
  equal(256, true, 0);
  equal(256, false, 0.3);
  equal(256, true, 0.5);
}

// Batches of 4, 4 and 1 positions; with logits, each position alone.
static void batches(void **state) {
  (void)state;
  library_parameters = "-Positions.4-Engines.2";
  equal(64, false, 0.3);
  equal(64, true, 0);
  library_parameters = "";
}

// The other builds show no such signals, and say so.
static void other_build(void **state) {
  (void)state;
  const struct sim_memory memory = SIM_MEMORY_DEFAULT;
  struct tensor_observer observer = {0};
  struct image image;
  struct sim *sim;
  struct err err;
  open_random(&image, "nano", 1, 256);
  expect_success(sim_open(&sim, &image, &memory, SIM_FAST, &err), &err);
  expect_failure(sim_observe_tensors(sim, &observer, &err), &err, "tensors.vlt");
  sim_close(sim);
  image_close(&image);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(tensors), cmocka_unit_test(batches),
                                     cmocka_unit_test(other_build)};
  return cmocka_run_group_tests_name("tensors", tests, NULL, NULL);
}
