// SPDX-License-Identifier: Apache-2.0
#include "engine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model_image.h"

const char *const engine_names[ENGINES] = {"rtl", "golden", "golden-readable", "float"};

int engine_open(struct engine *e, enum engine_kind kind, const char *dir,
                const struct engine_options *o, struct err *err) {
  memset(e, 0, sizeof *e);
  e->kind = kind;
  if (kind == ENGINE_FLOAT) {
    if (weights_load(&e->weights, dir, err) || gpt2_float_create(&e->state, &e->weights, err))
      return -1;
    e->n_ctx = (uint32_t)e->weights.config.n_ctx;
    e->n_vocab = (uint32_t)e->weights.config.vocab_size;
    return 0;
  }
  if (o->image ? image_open(&e->image, o->image, IMAGE_CHECKED, err)
               : model_image_open(&e->image, dir, o->lanes, &o->note, err))
    return -1;
  e->n_ctx = e->image.header.n_ctx;
  e->n_vocab = e->image.header.vocab_size;
  if (kind == ENGINE_GOLDEN && !o->tensors)
    return fast_engine_create(&e->fast, &e->image, &o->fast, err);
  if (kind != ENGINE_RTL) return gpt2_core_create(&e->core, &e->image, err);
  if (o->axi) return axi_run_open(&e->axi, &e->image, o->axi, o->memory, o->build, err);
  return sim_open(&e->sim, &e->image, o->memory, o->build, err);
}

void engine_close(struct engine *e) {
  axi_run_close(e->axi);
  sim_close(e->sim);
  fast_engine_destroy(e->fast);
  fast_engine_destroy(e->shadow);
  gpt2_core_destroy(&e->core);
  image_close(&e->image);
  gpt2_float_free(e->state);
  weights_free(&e->weights);
  memset(e, 0, sizeof *e);
}

int engine_show_choices(struct engine *e, const struct fast_options *fast,
                        int (*chosen)(void *ctx, const struct controller_step *step,
                                      const float *logits),
                        struct err *err) {
  struct fast_options one = *fast;
  one.sequences = 1;
  e->chosen = chosen;
  return e->kind == ENGINE_RTL && !e->shadow ? fast_engine_create(&e->shadow, &e->image, &one, err)
                                             : 0;
}

uint64_t engine_cycles(const struct engine *e) {
  return e->axi ? axi_run_cycles(e->axi) : e->sim ? sim_cycles(e->sim) : 0;
}

bool engine_kept_waveform(const struct engine *e) {
  return e->waveform && waveform_kept(e->waveform);
}

int engine_counters(const struct engine *e, struct sim_counters *counters, struct err *err) {
  return e->axi ? axi_run_counters(e->axi, counters, err)
                : sim_read_counters(e->sim, counters, err);
}

// --------------------------------------------------------------------------------------------- run

struct running {
  const struct controller_run *run;
  struct engine *engine;
  int (*logits)(void *ctx, const float *logits);
  float *row;        // [V]
  int32_t *rounded;  // [V]: float logits in the sampler's format
  struct sampling sampling;
  struct err different;  // the hardware's choice and the shadow's
};

static int from_rows(void *ctx, const int32_t *logits) {
  struct running *r = ctx;
  for (uint32_t i = 0; i < r->engine->n_vocab; i++) r->row[i] = (float)logits[i] / 65536.0f;
  return r->logits(r->run->ctx, r->row);
}

// The callbacks of a run, called with the run's own context.
static int on_token(void *ctx, uint32_t id) {
  struct running *r = ctx;
  return r->run->token ? r->run->token(r->run->ctx, id) : 0;
}
static uint32_t on_choose(void *ctx, const int32_t *logits) {
  struct running *r = ctx;
  return r->run->choose(r->run->ctx, logits);
}
static int show_choice(struct running *r, const struct controller_step *step) {
  struct engine *e = r->engine;
  const int32_t *rows = NULL;
  if (e->shadow) {
    fast_engine_run(e->shadow, &step->id, 1, step->position,
                    step->head ? FAST_LAST_HEAD : FAST_NO_HEAD, NULL);
    if (step->head) {
      const uint32_t choice = fast_engine_choose(e->shadow, &r->sampling);
      if (choice != step->choice)
        return err_set(
            &r->different,
            "position %u: the hardware chose id %u, the golden engine %u: please report this",
            (unsigned)step->position, (unsigned)step->choice, (unsigned)choice);
      rows = fast_engine_logits(e->shadow);
    }
  }
  if (!step->head) return 0;
  if (e->fast) rows = fast_engine_logits(e->fast);
  else if (e->core.image) rows = e->core.logits;
  for (uint32_t i = 0; rows && i < e->n_vocab; i++) r->row[i] = (float)rows[i] / 65536.0f;
  return e->chosen(r->run->ctx, step, r->row);
}
static int on_step(void *ctx, const struct controller_step *step) {
  struct running *r = ctx;
  if (r->engine->chosen && show_choice(r, step)) return -1;
  return r->run->step ? r->run->step(r->run->ctx, step) : 0;
}

static void hand_on(struct controller_run *run, struct running *r) {
  run->ctx = r;
  run->token = on_token;
  run->step = on_step;
  run->logits = r->logits ? from_rows : NULL;
  run->hidden = NULL;
  run->choose = r->run->choose ? on_choose : NULL;
}

// Float logits are rounded to the rows of the integer model, 2^-16, so that one sampler serves all.
static int float_step(void *self, uint32_t id, uint32_t position, bool head, uint32_t *choice,
                      struct err *err) {
  struct running *r = self;
  if (gpt2_float_step(r->engine->state, id, position, head ? r->row : NULL, err)) return -1;
  if (!head) return 0;
  for (uint32_t i = 0; i < r->engine->n_vocab; i++) {
    const double x = nearbyint((double)r->row[i] * 65536.0);
    r->rounded[i] = (int32_t)fmax(fmin(x, (double)ROW_MAX), -(double)ROW_MAX);
  }
  *choice = r->run->choose ? r->run->choose(r->run->ctx, r->rounded)
                           : sampling_choose(&r->sampling, r->rounded, r->engine->n_vocab);
  if (!r->run->all_heads || !r->logits || !r->logits(r->run->ctx, r->row)) return 0;
  err->text[0] = 0;
  return -1;
}

static uint64_t saturations_of(const struct engine *e) {
  const struct saturation s = e->fast ? fast_engine_saturation(e->fast) : e->core.sat;
  return saturation_sum(&s);
}

int engine_run(struct engine *e, const struct controller_run *given,
               int (*logits)(void *ctx, const float *logits), uint64_t *saturations,
               struct err *err) {
  struct running r = {.run = given, .engine = e, .logits = logits, .sampling = given->sampling};
  struct controller_run run = *given;
  int result;
  const uint64_t before = saturations_of(e);
  *saturations = 0;
  r.row = calloc(e->n_vocab, sizeof *r.row);
  r.rounded = calloc(e->n_vocab, sizeof *r.rounded);
  hand_on(&run, &r);
  if (!r.row || !r.rounded) {
    result = err_memory(err, "logits");
  } else if (e->kind == ENGINE_RTL && given->choose) {
    result = err_set(err, "the hardware chooses its tokens itself");
  } else if (e->kind == ENGINE_RTL) {
    struct sim_result done;
    result =
        e->axi ? axi_run_generate(e->axi, &run, &done, err) : sim_run(e->sim, &run, &done, err);
    *saturations = done.saturations;
  } else if (e->fast) {
    result = controller_run_fast(&run, e->fast, err);
    *saturations = saturations_of(e) - before;
  } else if (e->core.image) {
    result = controller_run_golden(&run, &e->core, err);
    *saturations = saturations_of(e) - before;
  } else {
    const struct controller_model model = {.self = &r,
                                           .n_ctx = e->n_ctx,
                                           .n_vocab = e->n_vocab,
                                           .step = float_step};
    result = controller_run(&run, &model, err);
  }
  if (result && !err->text[0] && r.different.text[0]) *err = r.different;
  free(r.row);
  free(r.rounded);
  return result;
}

// ------------------------------------------------------------------------------------ side by side

struct many {
  struct engine *engine;
  int (*over)(void *ctx, size_t run);
  void *ctx;
  uint64_t before, *saturations;
};

static int many_over(void *ctx, size_t run) {
  struct many *m = ctx;
  m->saturations[run] = saturations_of(m->engine) - m->before;
  return m->over(m->ctx, run);
}

static int run_fast_many(struct engine *e, const struct controller_run *given, size_t n,
                         struct many *m, int *results, struct err *errs) {
  struct running *r = calloc(n, sizeof *r);
  struct controller_run *runs = calloc(n, sizeof *runs);
  float *row = calloc(e->n_vocab, sizeof *row);  // used within a callback only
  int result = -1;
  for (size_t i = 0; r && runs && row && i < n; i++) {
    r[i] = (struct running){.run = &given[i], .engine = e, .row = row};
    runs[i] = given[i];
    hand_on(&runs[i], &r[i]);
  }
  if (r && runs && row)
    result = controller_run_fast_many(runs, n, e->fast, many_over, m, results, errs);
  else
    for (size_t i = 0; i < n; i++) results[i] = err_memory(&errs[i], "the runs");
  free(r);
  free(runs);
  free(row);
  return result;
}

// Several runs as one of the hardware's.
static bool together(const struct engine *e, const struct controller_run *runs, size_t n) {
  const size_t most = e->axi                                ? axi_run_prompts(e->axi)
                      : e->sim && sim_positions(e->sim) > 1 ? SIM_MAX_RUNS
                                                            : 1;
  bool fits = n > 1 && n <= most && !e->chosen;
  for (size_t i = 0; fits && i < n; i++)
    fits = !runs[i].choose && sim_same_settings(&runs[0], &runs[i]);
  return fits;
}

static int sim_many_over(void *ctx, size_t run) {
  struct many *m = ctx;
  struct engine *e = m->engine;
  m->saturations[run] = e->axi ? axi_run_saturations(e->axi) : sim_saturations(e->sim);
  return m->over(m->ctx, run);
}

static int run_sim_many(struct engine *e, const struct controller_run *runs, size_t n,
                        struct many *m, int *results, struct err *errs) {
  const struct sim_runs all = {.runs = runs,
                               .n = n,
                               .results = results,
                               .over = sim_many_over,
                               .ctx = m};
  struct sim_result done;
  struct err err;
  for (size_t i = 0; i < n; i++) results[i] = SIM_UNDER_WAY;
  const int failed =
      e->axi ? axi_run_many(e->axi, &all, &done, &err) : sim_run_many(e->sim, &all, &done, &err);
  int result = 0;
  for (size_t i = 0; i < n; i++) {
    errs[i].text[0] = 0;
    if (results[i] == SIM_UNDER_WAY) {
      results[i] = -1;
      if (failed) errs[i] = err;
    }
    result |= results[i];
  }
  return result;
}

int engine_run_many(struct engine *e, const struct controller_run *runs, size_t n,
                    int (*over)(void *ctx, size_t run), void *ctx, int *results,
                    uint64_t *saturations, struct err *errs) {
  struct many m = {e, over, ctx, saturations_of(e), saturations};
  int failed = 0;
  bool stop = false;
  memset(saturations, 0, n * sizeof *saturations);
  if (e->fast) return run_fast_many(e, runs, n, &m, results, errs);
  if (together(e, runs, n)) return run_sim_many(e, runs, n, &m, results, errs);
  for (size_t i = 0; i < n; i++) {
    results[i] = -1;
    errs[i].text[0] = 0;
    if (!stop) results[i] = engine_run(e, &runs[i], NULL, &saturations[i], &errs[i]);
    if (!stop && over(ctx, i)) stop = true;
    failed |= results[i];
  }
  return failed;
}
