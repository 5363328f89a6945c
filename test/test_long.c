// SPDX-License-Identifier: Apache-2.0
//
// The 124M shape for 1,024 tokens and past the context crop: RTL at 1024 lanes against the golden
// integers at every position, by ids and a hash of the hidden state after each layer and of all
// logits. `make test-long`; the golden side runs on fast/, which other tests compare with golden/
// bit for bit.
#include "recording.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "counters.h"
#include "fast.h"

enum { TOKENS = 1040, POSITIONS = 1024 + 512 + 16 };  // the crop computes the newest 512 ids again

struct record {
  struct controller_step step;
  uint64_t hidden, logits;  // hashes
};

struct run {
  const struct image *image;
  const struct sim *sim;          // the hardware's, NULL for golden
  const struct record *expected;  // NULL: these are recorded
  struct record now, *records;
  size_t positions;
  uint64_t before;  // cycles
  time_t begin;
};

static int on_hidden(void *ctx, int layer, const int32_t *x) {
  struct run *r = ctx;
  r->now.hidden =
      XXH64(x, r->image->header.n_embd * sizeof *x, r->now.hidden + (uint64_t)(layer + 1));
  return 0;
}

static int on_logits(void *ctx, const int32_t *logits) {
  struct run *r = ctx;
  r->now.logits = XXH64(logits, r->image->header.vocab_size * sizeof *logits, 0);
  return 0;
}

static void show_share(struct run *r, const struct controller_step *step) {
  const uint64_t cycles = sim_cycles(r->sim) - r->before;
  const double floor = floor_cycles(&r->image->header, step->position, step->head);
  const uint32_t p = step->position;
  r->before += cycles;
  if (!step->recomputed && (p == 1 || p == 128 || p == 512 || p == 1023))
    print_message("context %4u: %llu cycles, %.2f %% of the floor\n", p, (unsigned long long)cycles,
                  100 * floor / (double)cycles);
}

static int on_step(void *ctx, const struct controller_step *step) {
  struct run *r = ctx;
  const size_t i = r->positions++;
  assert_in_range(i, 0, POSITIONS - 1);
  r->now.step = *step;
  if (!r->expected) {
    r->records[i] = r->now;
  } else {
    const struct record *e = &r->expected[i], *f = &r->now;
    if (e->step.id != f->step.id || e->step.position != f->step.position ||
        e->step.recomputed != f->step.recomputed)
      fail_msg("position %zu of the run: id %u at position %u expected, id %u at %u found", i,
               e->step.id, e->step.position, f->step.id, f->step.position);
    if (e->hidden != f->hidden)
      fail_msg("position %zu of the run, id %u: another hidden state", i, f->step.id);
    if (e->logits != f->logits)
      fail_msg("position %zu of the run, id %u: other logits", i, f->step.id);
    if (e->step.choice != f->step.choice)
      fail_msg("position %zu of the run: id %u expected, %u chosen", i, e->step.choice,
               f->step.choice);
    show_share(r, step);
  }
  r->now = (struct record){0};
  if (isatty(STDERR_FILENO))
    fprintf(stderr, "\r%s: %zu of %d positions, %.0f s \r", r->expected ? "RTL" : "golden",
            r->positions, POSITIONS, difftime(time(NULL), r->begin));
  return 0;
}

static void long_run(void **state) {
  (void)state;
  static struct record records[POSITIONS];
  const uint32_t id = 7;
  struct image image;
  struct fast_engine *golden;
  struct sim *sim;
  struct sim_result result;
  struct err err;
  open_random(&image, "gpt2", 1, 1024);
  struct run recorded = {.image = &image, .records = records, .begin = time(NULL)};
  struct controller_run run = {.prompt = &id,
                               .n_prompt = 1,
                               .max_new = TOKENS,
                               .all_heads = true,
                               .ctx = &recorded,
                               .step = on_step,
                               .logits = on_logits,
                               .hidden = on_hidden,
                               .sampling = {.top_k = 40,
                                            .inv_t = sampling_inv_t(1),
                                            .state = sampling_seed(3)}};
  if (fast_engine_create(&golden, &image, &(struct fast_options){.threads = 1}, &err))
    fail_msg("%s", err.text);
  if (controller_run_fast(&run, golden, &err)) fail_msg("%s", err.text);
  fast_engine_destroy(golden);
  print_message("golden: %zu positions in %.0f s\n", recorded.positions,
                difftime(time(NULL), recorded.begin));

  if (sim_open(&sim, &image, &SIM_MEMORY_DEFAULT, SIM_FAST, &err)) fail_msg("%s", err.text);
  struct run compared = {.image = &image, .sim = sim, .expected = records, .begin = time(NULL)};
  run.ctx = &compared;
  if (sim_run(sim, &run, &result, &err)) fail_msg("%s", err.text);
  const double seconds = difftime(time(NULL), compared.begin);
  print_message("RTL: %zu positions equal, %llu cycles in %.0f s\n", compared.positions,
                (unsigned long long)result.cycles, seconds);
  assert_int_equal(compared.positions, recorded.positions);
  assert_true(compared.positions > 1024 + 512);
  sim_close(sim);
  image_close(&image);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(long_run)};
  return cmocka_run_group_tests_name("long", tests, NULL, NULL);
}
