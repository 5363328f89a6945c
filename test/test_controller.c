// SPDX-License-Identifier: Apache-2.0
//
// controller: the steps, tokens and errors of controller_run(), run after run, with and without the
// context crop, the stop id and the head at all positions; the model is a hash of everything that
// it has read. Steps come alone, and in batches of up to 8
#include "block.h"
#include "controller.h"

struct step {
  uint32_t step[PKG_STEP_WORDS];
};
struct id {
  uint32_t id, last;
};
static const struct block_field prompt_fields[] = {
    BLOCK_FIELD(struct id, id, "prompt_id_i"),
    BLOCK_FIELD(struct id, last, "prompt_last_i"),
};
static const struct block_field token_fields[] = {BLOCK_FIELD(struct id, id, "tok_id_o")};
static const struct block_field step_fields[] = {
    BLOCK_FIELD(struct step, step, "step_o"),
};
enum { RUNS = 2, MAX_STEPS = 20000 };

// The block under test, and its Positions.
static uint32_t positions = 1;
static struct block *open_controller(void) {
  return block_open(positions == 1 ? "controller" : "controller_batches", 0);
}
static int in_batches(void **state) {
  (void)state;
  positions = 8;
  return 0;
}

// What a model knows: the ids at positions 0 .. position. Its choice depends on all of them.
struct model {
  uint32_t ids[MAX_CTX], n_vocab;
};

static uint32_t model_step(struct model *m, uint32_t id, uint32_t position) {
  uint32_t hash = 2166136261u;
  m->ids[position] = id;
  for (uint32_t p = 0; p <= position; p++) hash = (hash ^ m->ids[p]) * 16777619u;
  return hash % m->n_vocab;
}

// ---------------------------------------------------------------------------------- the golden run

static struct pkg_step golden_steps[MAX_STEPS];
static struct step want_steps[MAX_STEPS], got_steps[MAX_STEPS];
static struct id want_tokens[MAX_STEPS], got_tokens[MAX_STEPS];
static size_t n_steps, n_tokens;

static int on_step(void *ctx, const struct controller_step *step) {
  (void)ctx;
  assert_true(n_steps < MAX_STEPS);
  golden_steps[n_steps++] = (struct pkg_step){.id = step->id,
                                              .position = step->position,
                                              .head = step->head,
                                              .recomputed = step->recomputed};
  return 0;
}

// A batch ends with a head, a multiple of `positions`, or the history. A history's newest id that
// is not in a batch with the ids before it is one of `several`.
static void make_batches(bool all_heads) {
  for (size_t i = n_steps; i-- > 0;) {
    struct pkg_step *step = &golden_steps[i];
    const struct pkg_step *next = step + 1;
    const bool ends = step->head || i + 1 == n_steps || next->position != step->position + 1 ||
                      next->position % positions == 0;
    step->more = !ends;
  }
  for (size_t i = 0; i < n_steps; i++) {
    struct pkg_step *step = &golden_steps[i];
    step->several = positions > 1 && !all_heads && step->head && (i == 0 || !step[-1].more);
    pkg_step_pack(want_steps[i].step, step);
  }
}

static int on_token(void *ctx, uint32_t id) {
  (void)ctx;
  want_tokens[n_tokens++].id = id;
  return 0;
}

static enum pkg_error run_error(const struct controller_run *run, uint32_t n_ctx,
                                uint32_t n_vocab) {
  if (run->n_prompt > n_ctx) return PKG_ERR_PROMPT_LONG;
  for (size_t i = 0; i < run->n_prompt; i++)
    if (run->prompt[i] >= n_vocab) return PKG_ERR_PROMPT_ID;
  return PKG_ERR_NONE;
}

static int golden_step(void *self, uint32_t id, uint32_t position, bool head, uint32_t *choice,
                       struct err *err) {
  (void)err;
  uint32_t x = model_step(self, id, position);
  if (head) *choice = x;
  return 0;
}

// ------------------------------------------------------------------ the core that the block drives

struct core {
  struct block *b;
  struct model model;
  uint64_t rng;
  bool busy, head, idle;
  bool more;  // a step of the batch is to come
  uint32_t choice;
  unsigned left;           // cycles to the step's end
  unsigned started, done;  // runs
  uint32_t error;          // what each ends with
};

static void core_before(void *ctx) {
  struct core *c = ctx;
  bool over = c->busy && !c->more && c->left == 0,
       begin = c->started < RUNS && !block_get_u64(c->b, "busy_o");
  block_set_u64(c->b, "start_i", begin);
  c->started += begin;
  block_set_u64(c->b, "step_done_i", over && !c->head);
  block_set_u64(c->b, "choice_valid_i", over && c->head);
  block_set_u64(c->b, "choice_id_i", over && c->head ? c->choice : rng_next(&c->rng) & 0x1ffff);
}

static void core_after(void *ctx) {
  struct core *c = ctx;
  if (block_get_u64(c->b, "done_o")) {
    c->done++;
    assert_int_equal(block_get_u64(c->b, "error_o"), c->error);
  }
  if (c->busy && c->left > 0) c->left--;
  else if (c->busy && !c->more && (!c->head || block_get_u64(c->b, "choice_ready_o")))
    c->busy = false;
  bool step = block_get_u64(c->b, "step_valid_o") && block_get_u64(c->b, "step_ready_i");
  if (!step) return;
  assert_true(c->busy == c->more);
  struct pkg_step s;
  uint32_t words[PKG_STEP_WORDS];
  block_get(c->b, "step_o", words);
  pkg_step_unpack(&s, words);
  c->busy = true;
  c->more = s.more;
  c->head = s.head;
  c->choice = model_step(&c->model, (uint32_t)s.id, (uint32_t)s.position);
  c->left = c->idle ? (unsigned)rng_range(&c->rng, 0, 20) : 0;
}

// ------------------------------------------------------------------------------------------- a run

// Each run is done RUNS times without a reset between.
static void check(struct block *b, struct controller_run run, uint32_t n_ctx, uint32_t n_vocab,
                  enum block_stall stall) {
  static struct id prompt[RUNS * 2 * MAX_CTX];
  uint32_t words[PKG_CONFIG_WORDS];
  struct model model = {.n_vocab = n_vocab};
  struct controller_model golden = {.self = &model,
                                    .n_ctx = n_ctx,
                                    .n_vocab = n_vocab,
                                    .step = golden_step};
  struct core core = {.b = b,
                      .model = {.n_vocab = n_vocab},
                      .rng = 5,
                      .idle = stall & BLOCK_IDLE,
                      .error = run_error(&run, n_ctx, n_vocab)};
  n_steps = n_tokens = 0;
  run.step = on_step;
  run.token = on_token;
  for (unsigned r = 0; r < RUNS; r++) {
    struct err err;
    int failed = controller_run(&run, &golden, &err);
    assert_int_equal(failed != 0, core.error != PKG_ERR_NONE);
    for (size_t i = 0; i < run.n_prompt; i++)
      prompt[r * run.n_prompt + i] = (struct id){run.prompt[i], i == run.n_prompt - 1};
  }

  make_batches(run.all_heads);
  block_reset(b);
  pkg_config_pack(words, &(struct pkg_config){.n_ctx = n_ctx, .n_vocab = n_vocab});
  block_set(b, "cfg_i", words);
  block_set_u64(b, "max_new_i", run.max_new);
  block_set_u64(b, "stop_en_i", run.stop_enabled);
  block_set_u64(b, "stop_id_i", run.stop_id);
  block_set_u64(b, "all_heads_i", run.all_heads);
  block_stalls(b, stall, 7);
  block_hooks(b, core_before, core_after, &core);
  block_source(b, "prompt_valid_i", "prompt_ready_o", prompt_fields, 2, prompt, sizeof *prompt,
               RUNS * run.n_prompt);
  struct block_stream *steps = block_sink(b, "step_valid_o", "step_ready_i", step_fields, 1,
                                          got_steps, sizeof *got_steps, n_steps);
  struct block_stream *tokens = block_sink(b, "tok_valid_o", "tok_ready_i", token_fields, 1,
                                           got_tokens, sizeof *got_tokens, n_tokens);
  block_run(b, 1000, 100);
  block_expect(steps, want_steps, n_steps);
  block_expect(tokens, want_tokens, n_tokens);
  assert_int_equal(core.started, RUNS);
  assert_int_equal(core.done, RUNS);
  n_tokens /= RUNS;  // of one of them, for the caller
}

static void check_stalls(struct block *b, struct controller_run run, uint32_t n_ctx,
                         uint32_t n_vocab) {
  for (enum block_stall stall = BLOCK_PLAIN; stall < BLOCK_STALLS; stall++)
    check(b, run, n_ctx, n_vocab, stall);
}

static uint32_t ids[2 * MAX_CTX];

static struct controller_run make_run(uint32_t n_prompt, uint32_t max_new, uint32_t n_vocab,
                                      uint64_t seed) {
  for (uint32_t i = 0; i < n_prompt; i++) ids[i] = (uint32_t)rng_range(&seed, 0, n_vocab - 1);
  return (struct controller_run){.prompt = ids,
                                 .n_prompt = n_prompt,
                                 .max_new = max_new,
                                 .sampling = {.top_k = 1, .inv_t = 1}};
}

// Prompts and generations within the context, and past its end several times.
static void test_generation(void **state) {
  (void)state;
  static const struct {
    uint32_t n_ctx, n_vocab, n_prompt, max_new;
  } cases[] = {
      {32, 301, 1, 1},  {32, 301, 5, 10},     {32, 301, 31, 1},        {32, 301, 31, 2},
      {32, 301, 32, 1}, {32, 301, 32, 2},     {32, 301, 32, 100},      {32, 301, 1, 200},
      {2, 301, 1, 9},   {3, 301, 2, 9},       {7, 301, 7, 40},         {32, 301, 5, 0},
      {32, 301, 32, 0}, {256, 4096, 20, 300}, {1024, 50257, 1020, 10},
  };
  struct block *b = open_controller();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct controller_run run =
        make_run(cases[i].n_prompt, cases[i].max_new, cases[i].n_vocab, i + 1);
    for (int all_heads = 0; all_heads < 2; all_heads++) {
      run.all_heads = all_heads;
      if (cases[i].n_ctx < 256) check_stalls(b, run, cases[i].n_ctx, cases[i].n_vocab);
      else check(b, run, cases[i].n_ctx, cases[i].n_vocab, all_heads ? BLOCK_BOTH : BLOCK_PLAIN);
    }
  }
  block_close(b);
}

// The stop id ends the run after it, wherever it occurs; it has no effect in the prompt, or if it
// is not enabled.
static void test_stop(void **state) {
  (void)state;
  struct block *b = open_controller();
  struct controller_run run = make_run(6, 60, 301, 9);
  check(b, run, 32, 301, BLOCK_PLAIN);
  static const size_t stops[] = {0,  1,  25, 26,
                                 27, 40, 59};  // the 27th is the first that is cropped
  for (size_t i = 0; i < 7; i++) {
    run.stop_enabled = false;
    check(b, run, 32, 301, BLOCK_PLAIN);
    uint32_t id = want_tokens[stops[i]].id;
    run.stop_id = id;
    check(b, run, 32, 301, BLOCK_PLAIN);
    assert_int_equal(n_tokens, 60);
    run.stop_enabled = true;
    check_stalls(b, run, 32, 301);
    assert_in_range(n_tokens, 1, stops[i] + 1);
    assert_int_equal(want_tokens[n_tokens - 1].id, id);
  }
  run.stop_id = ids[2];
  check_stalls(b, run, 32, 301);
  block_close(b);
}

// Too long a prompt and an id beyond the vocabulary: the whole prompt is taken, no step is done,
// and the next run is sound.
static void test_errors(void **state) {
  (void)state;
  struct block *b = open_controller();
  check_stalls(b, make_run(33, 4, 301, 1), 32, 301);
  check_stalls(b, make_run(100, 4, 301, 1), 32, 301);
  static const uint32_t at[] = {0, 3, 9};
  for (unsigned i = 0; i < 3; i++) {
    for (unsigned x = 0; x < 2; x++) {
      struct controller_run run = make_run(10, 4, 301, 1);
      ids[at[i]] = x ? 0x1ffff : 301;
      check_stalls(b, run, 32, 301);
      run.n_prompt = 100;  // both: the length is reported
      check_stalls(b, run, 32, 301);
    }
  }
  check_stalls(b, make_run(10, 4, 301, 1), 32, 301);
  block_close(b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_generation),
      cmocka_unit_test(test_stop),
      cmocka_unit_test(test_errors),
      cmocka_unit_test_setup(test_generation, in_batches),
      cmocka_unit_test_setup(test_stop, in_batches),
      cmocka_unit_test_setup(test_errors, in_batches),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
