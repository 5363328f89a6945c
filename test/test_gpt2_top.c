// SPDX-License-Identifier: Apache-2.0
//
// gpt2_top: RTL = golden, bit for bit: hidden state after every layer, logits, choices, for whole
// runs
#include "recording.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct sampling argmax = {.top_k = 1, .inv_t = 94548, .state = 1};

// Temperature 1 and top-k 40: greedy text repeats.
static struct sampling drawing(uint64_t seed) {
  return (struct sampling){.top_k = 40, .inv_t = sampling_inv_t(1), .state = sampling_seed(seed)};
}

static const struct sim_memory memories[] = {{.latency = 150, .beats = 1, .stall = 0, .seed = 1},
                                             {.latency = 1, .beats = 1, .stall = 0, .seed = 1},
                                             {.latency = 40, .beats = 0.37, .stall = 0, .seed = 1},
                                             {.latency = 60, .beats = 1, .stall = 0.3, .seed = 2},
                                             {.latency = 9, .beats = 0.8, .stall = 0.7, .seed = 3}};
enum { MEMORIES = sizeof memories / sizeof *memories };

// With SIM_CHECK also without assertions and with the clocks of units at rest gated: not a cycle
// may differ.
static void expect_equal(const struct image *image, const struct controller_run *run,
                         enum sim_build build, int n_memories, const char *what) {
  struct recording recording;
  recording_golden(&recording, image, run);
  for (int i = 0; i < n_memories; i++) {
    struct sim_result result;
    recording_expect_rtl(&recording, image, run, &memories[i], build, &result);
    if (build == SIM_CHECK) {
      struct sim_result gated;
      recording_expect_rtl(&recording, image, run, &memories[i], SIM_FAST, &gated);
      assert_int_equal(gated.cycles, result.cycles);
    }
    print_message("%s, %u lanes, latency %u, %.2g beats a cycle, stall %.2g: %zu positions equal, "
                  "%.0f cycles a position\n",
                  what, image->header.lanes, memories[i].latency, memories[i].beats,
                  memories[i].stall, recording.positions,
                  (double)result.cycles / (double)recording.positions);
  }
  recording_free(&recording);
}

// Nano through several crops (its context is 64), with the assertions of the RTL on.
static void nano(uint32_t lanes) {
  static const uint32_t prompt[] = {3, 300, 1, 77, 77};
  struct image image;
  open_random(&image, "nano", 1, lanes);
  struct controller_run run = {.prompt = prompt,
                               .n_prompt = 5,
                               .max_new = 160,
                               .sampling = drawing(5)};
  expect_equal(&image, &run, SIM_CHECK, MEMORIES, "nano through crops");
  run.max_new = 20;
  run.all_heads = true;
  expect_equal(&image, &run, SIM_CHECK, 4, "nano, all logits");
  run.all_heads = false;
  run.sampling = argmax;
  run.n_prompt = 1;
  expect_equal(&image, &run, SIM_CHECK, 1, "nano, argmax");
  image_close(&image);
}
static void nano_64(void **state) {
  (void)state;
  nano(64);
}
static void nano_256(void **state) {
  (void)state;
  nano(256);
}
static void nano_1024(void **state) {
  (void)state;
  nano(1024);
}

// Ends of a run: no token at all, one, the stop id, a prompt as long as the context, one run after
// another.
static void ends(void **state) {
  (void)state;
  uint32_t prompt[64];
  struct image image;
  struct recording recording;
  open_random(&image, "nano", 2, 64);
  for (uint32_t i = 0; i < 64; i++) prompt[i] = (i * 37 + 11) % 301;
  struct controller_run run = {.prompt = prompt,
                               .n_prompt = 9,
                               .max_new = 0,
                               .sampling = drawing(1)};
  expect_equal(&image, &run, SIM_CHECK, 2, "no token");
  run.all_heads = true;
  expect_equal(&image, &run, SIM_CHECK, 2, "logits of a prompt");
  run.all_heads = false;
  run.max_new = 1;
  expect_equal(&image, &run, SIM_CHECK, 2, "one token");
  run.n_prompt = 64;
  run.max_new = 3;
  expect_equal(&image, &run, SIM_CHECK, 2, "a prompt as long as the context");
  run.n_prompt = 2;
  run.max_new = 30;
  recording_golden(&recording, &image, &run);
  uint32_t *tokens = recording_tokens(&recording);
  run.stop_enabled = true;
  run.stop_id = tokens[10];
  free(tokens);
  recording_free(&recording);
  expect_equal(&image, &run, SIM_CHECK, 2, "stop id");
  image_close(&image);
}

static int count(void *ctx, uint32_t id) {
  (void)id;
  ++*(int *)ctx;
  return 0;
}
static int stop_at_once(void *ctx, uint32_t id) {
  (void)ctx;
  (void)id;
  return 1;
}

// A simulator runs one run after another; it refuses what does not fit, and says how much does.
static void runs(void **state) {
  (void)state;
  uint32_t prompt[65] = {5, 6, 7};
  struct image image;
  struct sim *sim;
  struct sim_result result;
  struct err err;
  int n = 0;
  open_random(&image, "nano", 1, 64);
  assert_int_equal(sim_open(&sim, &image, &memories[3], SIM_CHECK, &err), 0);
  struct controller_run run = {.prompt = prompt,
                               .n_prompt = 3,
                               .max_new = 4,
                               .sampling = argmax,
                               .ctx = &n,
                               .token = count};
  for (int i = 0; i < 3; i++) assert_int_equal(sim_run(sim, &run, &result, &err), 0);
  assert_int_equal(n, 12);
  run.n_prompt = 65;
  assert_int_equal(sim_run(sim, &run, &result, &err), -1);
  assert_non_null(strstr(err.text, "context holds 64"));
  run.n_prompt = 0;
  assert_int_equal(sim_run(sim, &run, &result, &err), -1);
  run.n_prompt = 3;
  prompt[2] = 301;
  assert_int_equal(sim_run(sim, &run, &result, &err), -1);
  assert_non_null(strstr(err.text, "0 to 300"));
  prompt[2] = 300;
  assert_int_equal(sim_run(sim, &run, &result, &err), 0);
  run.token = stop_at_once;
  assert_int_equal(sim_run(sim, &run, &result, &err), -1);
  assert_string_equal(err.text, "");
  run.token = count;
  n = 0;
  assert_int_equal(sim_run(sim, &run, &result, &err), 0);
  assert_int_equal(n, 4);
  sim_close(sim);
  image_close(&image);
}

// What a run must have read, from the model's shape alone: one beat of weights for each Segments x
// 64 of them, in the head also for the rest of the vocabulary; keys in groups of Segments, values
// in tiles of 64.
struct expected {
  const struct image_header *shape;
  uint64_t weights, padding, kv, kv_writes;
};
static int expect_step(void *ctx, const struct controller_step *step) {
  struct expected *e = ctx;
  const struct image_header *h = e->shape;
  const uint64_t segments = h->lanes / 64, blocks = h->n_head, length = step->position + 1u;
  e->weights += h->n_layer * (12 * blocks * blocks * 64 / segments);
  e->kv += h->n_layer * blocks *
           ((length + segments - 1) / segments + (length + 63) / 64 * (64 / segments));
  e->kv_writes += h->n_layer * blocks * (2 + 64 / segments);
  if (step->head) {
    e->weights += h->vocab_size / segments * blocks;
    if (h->vocab_size % segments) e->padding += blocks;
  }
  return 0;
}

static void expect_port(struct sim *sim, unsigned address, uint64_t count) {
  struct err err;
  uint64_t got;
  assert_int_equal(sim_read_count_port(sim, address, &got, &err), 0);
  if (got != count)
    fail_msg("count_o of address %#x is %llu, expected %llu", address, (unsigned long long)got,
             (unsigned long long)count);
}

// The hardware's counters: 0 before the first run; then every cycle once, every beat at the
// memory's port once, every weight.
static void counted(void **state) {
  (void)state;
  static const uint32_t prompt[] = {3, 300, 1, 77, 77};
  for (uint32_t lanes = 64; lanes <= 1024; lanes *= 4) {
    struct image image;
    struct err err;
    struct sim *sim;
    open_random(&image, "nano", 1, lanes);
    for (int i = 0; i < MEMORIES; i++) {
      struct expected e = {.shape = &image.header};
      struct controller_run run = {.prompt = prompt,
                                   .n_prompt = 5,
                                   .max_new = 80,
                                   .sampling = drawing(5),
                                   .ctx = &e,
                                   .step = expect_step};
      struct sim_result result;
      struct sim_counters c;
      assert_int_equal(sim_open(&sim, &image, &memories[i], SIM_FAST, &err), 0);
      for (unsigned address = 0; address < 256; address++) expect_port(sim, address, 0);
      for (int again = 0; again < 2; again++) {  // they start from zero with each run
        e = (struct expected){.shape = &image.header};
        assert_int_equal(sim_run(sim, &run, &result, &err), 0);
        assert_int_equal(sim_read_counters(sim, &c, &err), 0);
        for (unsigned phase = 0; phase < COUNT_PHASES; phase++)
          for (unsigned what = 0; what < COUNT_WHATS; what++)
            expect_port(sim, phase << 4 | what, c.at[phase][what]);
        expect_port(sim, COUNT_KV_WRITES, c.kv_writes);
        expect_port(sim, COUNT_CYCLES, c.cycles);
        uint64_t idle = 0;
        for (int what = COUNT_MEMORY; what < COUNT_WHATS; what++)
          idle += counters_of(&c, (enum count_what)what);
        assert_int_equal(c.cycles, result.busy);
        assert_int_equal(counters_used(&c) + idle, c.cycles);
        assert_int_equal(counters_used(&c), result.beats_read);
        assert_int_equal(counters_of(&c, COUNT_WEIGHTS), e.weights);
        assert_int_equal(counters_of(&c, COUNT_PADDING), e.padding);
        assert_int_equal(counters_of(&c, COUNT_KV), e.kv);
        assert_int_equal(c.kv_writes, e.kv_writes);
        assert_int_equal(c.kv_writes, result.beats_written);
      }
      print_message(
          "%u lanes, latency %u, %.2g beats a cycle: %llu cycles, %.1f %% used, most idle for %s\n",
          lanes, memories[i].latency, memories[i].beats, (unsigned long long)c.cycles,
          100 * (double)counters_used(&c) / (double)c.cycles, count_what_name[counters_bound(&c)]);
      sim_close(sim);
    }
    image_close(&image);
  }
}

// The demo for 200 tokens, through a crop, at each number of lanes; and these agree with one
// another.
static void demo(void **state) {
  (void)state;
  static const uint32_t lanes[] = {64, 256, 1024};
  uint32_t prompt[100], *tokens[3];
  size_t n[3];
  const char *dir = demo_model();
  if (!dir) {
    print_message("skipped: models/demo is not there\n");
    skip();
  }
  for (int i = 0; i < 3; i++) {
    struct image image;
    struct recording recording;
    open_model(&image, dir, lanes[i]);
    const uint32_t n_prompt = image.header.n_ctx > 300 ? 20 : 100;
    for (uint32_t k = 0; k < n_prompt; k++) prompt[k] = (k * 211 + 13) % image.header.vocab_size;
    const struct controller_run run = {.prompt = prompt,
                                       .n_prompt = n_prompt,
                                       .max_new =
                                           image.header.n_ctx > 300 ? image.header.n_ctx : 200,
                                       .sampling = drawing(3)};
    recording_golden(&recording, &image, &run);
    assert_true(recording.positions > n_prompt + run.max_new);  // a crop
    struct sim_result result;
    recording_expect_rtl(&recording, &image, &run, &memories[0], SIM_FAST, &result);
    assert_int_equal(result.saturations, 0);
    print_message("%s, %u lanes: %zu positions equal, %.0f cycles a position\n", dir, lanes[i],
                  recording.positions, (double)result.cycles / (double)recording.positions);
    tokens[i] = recording_tokens(&recording);
    n[i] = recording.tokens;
    recording_free(&recording);
    image_close(&image);
  }
  for (int i = 1; i < 3; i++) {
    assert_int_equal(n[i], n[0]);
    assert_memory_equal(tokens[i], tokens[0], n[0] * sizeof **tokens);
  }
  for (int i = 0; i < 3; i++) free(tokens[i]);
}

// The hidden state near 3,000 at position 0, as in GPT-2: large operand exponents, and a variance
// of 24 bits more than elsewhere.
static void outliers(void **state) {
  (void)state;
  static const uint32_t prompt[] = {9, 4, 250, 31};
  struct image image;
  open_outliers(&image, "nano", 1, 256);
  const struct controller_run run = {.prompt = prompt,
                                     .n_prompt = 4,
                                     .max_new = 70,
                                     .all_heads = true,
                                     .sampling = drawing(2)};
  expect_equal(&image, &run, SIM_CHECK, 1, "nano with outliers");
  image_close(&image);
}

// The full 124M shape on random weights: 8 tokens, the hidden state after every layer, all 50,257
// logits.
static void gpt2(void **state) {
  (void)state;
  static const uint32_t prompt[] = {15496, 50256, 11};
  for (uint32_t lanes = 256; lanes <= 1024; lanes *= 4) {
    struct image image;
    open_random(&image, "gpt2", 1, lanes);
    const struct controller_run run = {.prompt = prompt,
                                       .n_prompt = lanes == 256 ? 3 : 1,
                                       .max_new = 8,
                                       .all_heads = true,
                                       .sampling = drawing(7)};
    expect_equal(&image, &run, SIM_FAST, 1, "gpt2");
    image_close(&image);
  }
}

// A changed byte of any weight changes what the golden model computes, and the RTL in the same way.
static void altered(void **state) {
  (void)state;
  static const uint32_t prompt[] = {3, 300, 1, 77};
  struct image image, copy;
  struct recording original, changed;
  uint64_t rng = 99;
  open_random(&image, "nano", 1, 256);
  const size_t bytes = (size_t)image.header.n_beats * image.header.lanes;
  uint8_t *beats = malloc(bytes);
  assert_non_null(beats);
  copy = image;
  copy.beats = beats;
  const struct controller_run run = {.prompt = prompt,
                                     .n_prompt = 4,
                                     .max_new = 2,
                                     .all_heads = true,
                                     .sampling = argmax};
  recording_golden(&original, &image, &run);
  struct image_region region = {0};
  while (image_next_region(&region, &image.header)) {
    for (int i = 0; i < 3; i++) {
      memcpy(beats, image.beats, bytes);
      // Of the position table and a LayerNorm only the first beats, after the side beat, hold what
      // a short run reads.
      rng = rng * 6364136223846793005ull + 1442695040888963407ull;
      uint64_t at = region.base * image.header.lanes;
      if (region.kind == IMAGE_WPE) at += image.header.lanes + (rng >> 33) % 64;
      else if (region.beats * image.header.lanes <= 4096)
        at += (rng >> 33) % (4 * image.header.n_embd);
      else at += image.header.lanes + (rng >> 33) % ((region.beats - 8) * image.header.lanes);
      beats[at] ^= 0x5a;
      recording_golden(&changed, &copy, &run);
      if (!recording_differs(&original, &changed))
        fail_msg("%s, byte %llu: the golden model does not see the change",
                 image_kind_name(region.kind),
                 (unsigned long long)(at - region.base * image.header.lanes));
      recording_expect_rtl(&changed, &copy, &run, &memories[0], SIM_FAST, NULL);
      recording_free(&changed);
    }
  }
  recording_free(&original);
  free(beats);
  image_close(&image);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nano_64), cmocka_unit_test(nano_256), cmocka_unit_test(nano_1024),
      cmocka_unit_test(ends),    cmocka_unit_test(runs),     cmocka_unit_test(counted),
      cmocka_unit_test(demo),    cmocka_unit_test(altered),  cmocka_unit_test(outliers),
      cmocka_unit_test(gpt2),
  };
  return cmocka_run_group_tests_name("gpt2_top", tests, NULL, NULL);
}
