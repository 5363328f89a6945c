// SPDX-License-Identifier: Apache-2.0
//
// generate - checks and runs a request of gpt2rtl.h
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host_sampling.h"
#include "token_text.h"
#include "top.h"

// A request's numbers, as the samplers need them.
struct drawing {
  bool draws, by_host;  // by_host: the hardware's sampler cannot draw this
  double temperature;   // 1 if nothing is drawn
  uint32_t host_top_k;  // 0: all
  struct sampling sampling;
};

struct generation {
  const struct gpt2rtl_request *request;
  struct gpt2rtl_engine *engine;
  const struct gpt2rtl_model *model;
  struct drawing drawing;
  struct host_sampling host;  // from the first choice to the run's end
  const uint32_t *ids;        // of the prompt
  size_t n_ids;
  float *penalised;  // [V] the host's logits with the penalty, for candidates
  struct token_text text;
  struct gpt2rtl_result result;
  bool over;
  struct err err;
};

// ----------------------------------------------------------------------------------------- request

static int outside(struct err *err, const char *name, double value, double low, double high) {
  return value >= low && value <= high
             ? 0
             : err_set(err, "%s is %g, expected %g to %g", name, value, low, high);
}

static int check_drawing(struct drawing *d, const struct gpt2rtl_request *r, struct err *err) {
  const uint32_t k = r->top_k ? r->top_k : 40;
  if (r->temperature != 0 && outside(err, "temperature", r->temperature, 0.01, 100)) return -1;
  if (r->top_p != 0 && outside(err, "top_p", r->top_p, 0.001, 1)) return -1;
  if (r->repetition_penalty != 0 &&
      outside(err, "repetition_penalty", r->repetition_penalty, 0.1, 10))
    return -1;
  if (k > MAX_TOP_K) return err_set(err, "top_k is %u, expected 1 to %d", k, MAX_TOP_K);
  if (r->top_p != 0 && r->temperature == 0)
    return err_set(err, "top_p draws at random, and temperature 0 does not: give only one of them");
  d->draws = r->temperature > 0 && k > 1;
  d->by_host = r->top_p != 0 || r->repetition_penalty != 0;
  d->temperature = d->draws ? r->temperature : 1;
  d->sampling = (struct sampling){.top_k = d->draws ? k : 1,
                                  .inv_t = sampling_inv_t(d->temperature),
                                  .state = sampling_seed(r->seed)};
  d->host_top_k = d->draws && r->top_p != 0 && !r->top_k ? 0 : d->sampling.top_k;
  return 0;
}

static int check_request(struct drawing *d, const struct gpt2rtl_request *r, struct err *err) {
  if (r->tokens < 1) return err_set(err, "tokens is 0, expected 1 or more");
  if (!r->ids && r->n_ids) return err_set(err, "ids is NULL, n_ids is %zu", r->n_ids);
  if (r->n_candidates > GPT2RTL_CANDIDATES)
    return err_set(err, "n_candidates is %zu, expected 1 to %d", r->n_candidates,
                   GPT2RTL_CANDIDATES);
  if (!r->n_candidates != !r->candidates)
    return err_set(err, "n_candidates is %zu, and candidates is %s", r->n_candidates,
                   r->candidates ? "not NULL" : "NULL");
  for (size_t i = 0; r->stop_texts && r->stop_texts[i]; i++)
    if (!r->stop_texts[i][0]) return err_set(err, "stop text %zu is empty", i);
  return check_drawing(d, r, err);
}

// An empty prompt is the token that begins a text: bos, which in GPT-2 is also eos.
static int start_from_bos(const struct gpt2rtl_model *m, uint32_t **ids, size_t *count,
                          struct err *err) {
  uint32_t first = m->config.bos_token_id;
  if (first == CONFIG_NO_TOKEN) first = config_eos(&m->config);
  if (first == CONFIG_NO_TOKEN && m->tokenizer) first = tokenizer_end_of_text(m->tokenizer);
  if (first >= m->config.vocab_size)
    return err_set(err,
                   "%s: the prompt is empty, and the model has no token to start from: its "
                   "bos_token_id and eos_token_id are not among its ids, and neither is "
                   "<|endoftext|>; give a prompt",
                   m->folder ? m->folder : m->image);
  free(*ids);
  *ids = malloc(sizeof **ids);
  if (!*ids) return err_memory(err, "the prompt");
  **ids = first;
  *count = 1;
  return 0;
}

static int encode_prompt(const struct gpt2rtl_model *m, const struct gpt2rtl_request *r,
                         uint32_t **ids, size_t *count, struct err *err) {
  const bool needs_text = r->prompt || (r->stop_texts && r->stop_texts[0]);
  if (needs_text && !m->tokenizer) return *err = m->no_tokenizer, -1;
  if (r->prompt) {
    const size_t length = r->prompt_length ? r->prompt_length : strlen(r->prompt);
    if (tokenizer_encode(m->tokenizer, r->prompt, length, ids, count, err)) return -1;
  } else if (r->n_ids) {
    *ids = malloc(r->n_ids * sizeof **ids);
    if (!*ids) return err_memory(err, "the prompt");
    memcpy(*ids, r->ids, r->n_ids * sizeof **ids);
    *count = r->n_ids;
  }
  return *count ? 0 : start_from_bos(m, ids, count, err);
}

// Makes the prompt's ids. The caller frees *ids, also after a failure.
static int prepare(const struct gpt2rtl_model *m, const struct gpt2rtl_request *r,
                   struct drawing *d, uint32_t **ids, size_t *count, struct err *err) {
  *ids = NULL;
  *count = 0;
  if (check_request(d, r, err) || encode_prompt(m, r, ids, count, err)) return -1;
  const struct controller_run run = {.prompt = *ids, .n_prompt = *count, .sampling = d->sampling};
  return controller_check(&run, (uint32_t)m->config.n_ctx, (uint32_t)m->config.vocab_size, err);
}

int gpt2rtl_prompt_ids(const struct gpt2rtl_model *model, const struct gpt2rtl_request *request,
                       uint32_t **ids, size_t *count, struct gpt2rtl_error *error) {
  struct gpt2rtl_request r;
  struct drawing drawing;
  struct err err = {""};
  if (!ids || !count) return internal_fail_text(error, "the pointer for the ids is NULL");
  *ids = NULL;
  *count = 0;
  if (!model) return internal_fail_text(error, "the model is NULL");
  if (internal_take(&r, request, sizeof r, "request", error)) return -1;
  if (!prepare(model, &r, &drawing, ids, count, &err)) return 0;
  free(*ids);
  *ids = NULL;
  *count = 0;
  return internal_fail(error, &err);
}

// --------------------------------------------------------------------------------------------- run

static int on_token(void *ctx, uint32_t id) {
  struct generation *g = ctx;
  const struct gpt2rtl_request *r = g->request;
  g->result.tokens++;
  if (g->drawing.by_host) host_sampling_see(&g->host, id);
  if (r->token && r->token(r->ctx, id)) {
    g->result.ending = GPT2RTL_END_CALLER;
    return 1;
  }
  return token_text_push(&g->text, id, &g->err);
}

static struct gpt2rtl_position_report report_of(const struct generation *g,
                                                const struct controller_step *step) {
  return (struct gpt2rtl_position_report){.position = step->position,
                                          .id = step->id,
                                          .chooses = step->head,
                                          .choice = step->choice,
                                          .recomputed = step->recomputed,
                                          .cycles = engine_cycles(&g->engine->engine)};
}

static int on_step(void *ctx, const struct controller_step *step) {
  struct generation *g = ctx;
  const struct gpt2rtl_position_report report = report_of(g, step);
  if (g->err.text[0]) return 1;
  if (!g->request->position || !g->request->position(g->request->ctx, &report)) return 0;
  g->result.ending = GPT2RTL_END_CALLER;
  return 1;
}

static int on_chosen(void *ctx, const struct controller_step *step, const float *logits) {
  struct generation *g = ctx;
  const struct gpt2rtl_request *r = g->request;
  const struct drawing *d = &g->drawing;
  const struct gpt2rtl_position_report report = report_of(g, step);
  struct gpt2rtl_candidate list[GPT2RTL_CANDIDATES + 1];
  const uint32_t n_vocab = (uint32_t)g->model->config.vocab_size;
  if (g->err.text[0]) return 1;
  if (!r->candidates) return 0;  // they are for another run
  for (size_t i = 0; d->by_host && i < n_vocab; i++)
    g->penalised[i] = (float)g->host.logits[i] / 65536.0f;
  const size_t n =
      top_find(list, r->n_candidates, d->by_host ? g->penalised : logits, n_vocab, d->temperature,
               d->sampling.top_k, d->by_host ? &g->host : NULL, step->choice);
  if (!r->candidates(r->ctx, &report, list, n)) return 0;
  g->result.ending = GPT2RTL_END_CALLER;
  return 1;
}

// Records that the prompt's ids have occurred.
static int load_sampler(struct generation *g) {
  struct host_sampling *s = &g->host;
  const struct gpt2rtl_request *r = g->request;
  const uint32_t n_vocab = (uint32_t)g->model->config.vocab_size;
  if (host_sampling_create(s, n_vocab, &g->err)) return -1;
  s->draws = g->drawing.draws;
  s->top_k = g->drawing.host_top_k;
  s->top_p = r->top_p != 0 ? r->top_p : 1;
  s->penalty = r->repetition_penalty != 0 ? r->repetition_penalty : 1;
  s->inv_t = g->drawing.sampling.inv_t;
  s->state = g->drawing.sampling.state;
  for (size_t i = 0; i < g->n_ids; i++) host_sampling_see(s, g->ids[i]);
  g->penalised = calloc(n_vocab, sizeof *g->penalised);
  return g->penalised ? 0 : err_memory(&g->err, "the logits");
}

// Only active runs have a sampler. If there is no memory for it, on_step ends the run.
static uint32_t on_choose(void *ctx, const int32_t *logits) {
  struct generation *g = ctx;
  if (!g->penalised && load_sampler(g)) return 0;
  return host_sampling_choose(&g->host, logits);
}

// The run for the engine.
static int begin(struct generation *g, struct controller_run *run, const uint32_t *ids,
                 size_t count) {
  const struct gpt2rtl_request *r = g->request;
  struct engine *engine = &g->engine->engine;
  if (g->drawing.by_host && engine->kind == ENGINE_RTL)
    return err_set(&g->err, "%s needs an engine in C: the hardware draws by temperature and top_k",
                   r->top_p != 0 ? "top_p" : "repetition_penalty");
  g->text = (struct token_text){.model = g->model,
                                .ignore_end = r->ignore_end,
                                .stop_texts = r->stop_texts,
                                .show = r->text,
                                .ctx = r->ctx,
                                .result = &g->result};
  if (token_text_open(&g->text, &g->err)) return -1;
  g->ids = ids;
  g->n_ids = count;
  if (r->candidates && engine_show_choices(engine, &g->engine->fast, on_chosen, &g->err)) return -1;
  *run = (struct controller_run){.prompt = ids,
                                 .n_prompt = count,
                                 .max_new = r->tokens,
                                 .stop_enabled = !r->ignore_end && g->model->config.n_eos > 0,
                                 .stop_id = config_eos(&g->model->config),
                                 .sampling = g->drawing.sampling,
                                 .ctx = g,
                                 .token = on_token,
                                 .step = on_step,
                                 .choose = g->drawing.by_host ? on_choose : NULL};
  g->result.ending = GPT2RTL_END_LENGTH;
  return 0;
}

// Completes a run that ended with 0, or with an error, which is empty if a callback ended it.
// Returns -1 if the run has failed.
static int finish(struct generation *g, int failed, const struct err *err) {
  g->over = true;
  host_sampling_free(&g->host);
  free(g->penalised);
  g->penalised = NULL;
  if (failed && err->text[0]) return g->err = *err, -1;
  if (g->err.text[0]) return -1;  // of a callback in this file
  if (failed && g->result.ending == GPT2RTL_END_LENGTH)
    g->result.ending = GPT2RTL_END_CALLER;  // a signal that the program holds (interrupt.h)
  return token_text_finish(&g->text, &g->err);
}

// The runs of a call.
struct batch {
  size_t n;
  struct gpt2rtl_request *requests;
  struct generation *generations;
  struct controller_run *runs;
  uint32_t **ids;
  uint64_t *saturations;
  int *results;
  struct err *errs;
};

static int on_over(void *ctx, size_t i) {
  struct batch *b = ctx;
  struct generation *g = &b->generations[i];
  g->result.saturations = b->saturations[i];
  b->results[i] = finish(g, b->results[i], &b->errs[i]);
  return !b->results[i] && g->request->ended && g->request->ended(g->request->ctx, &g->result);
}

static void batch_free(struct batch *b) {
  for (size_t i = 0; b->generations && b->ids && i < b->n; i++) {
    struct generation *g = &b->generations[i];
    host_sampling_free(&g->host);
    token_text_free(&g->text);
    free(g->penalised);
    free(b->ids[i]);
  }
  free(b->requests);
  free(b->generations);
  free(b->runs);
  free(b->ids);
  free(b->saturations);
  free(b->results);
  free(b->errs);
}

static int batch_make(struct batch *b, struct gpt2rtl_engine *engine,
                      const struct gpt2rtl_request *const *requests, size_t n,
                      struct gpt2rtl_error *error) {
  struct err err = {""};
  *b = (struct batch){.n = n};
  b->requests = calloc(n, sizeof *b->requests);
  b->generations = calloc(n, sizeof *b->generations);
  b->runs = calloc(n, sizeof *b->runs);
  b->ids = calloc(n, sizeof *b->ids);
  b->saturations = calloc(n, sizeof *b->saturations);
  b->results = calloc(n, sizeof *b->results);
  b->errs = calloc(n, sizeof *b->errs);
  if (!b->requests || !b->generations || !b->runs || !b->ids || !b->saturations || !b->results ||
      !b->errs)
    return err_memory(&err, "the requests"), internal_fail(error, &err);
  engine->engine.chosen = NULL;
  for (size_t i = 0; i < n; i++) {
    struct generation *g = &b->generations[i];
    size_t count;
    if (internal_take(&b->requests[i], requests[i], sizeof b->requests[i], "request", error))
      return -1;
    *g = (struct generation){.request = &b->requests[i], .engine = engine, .model = engine->model};
    if (prepare(g->model, g->request, &g->drawing, &b->ids[i], &count, &g->err) ||
        begin(g, &b->runs[i], b->ids[i], count)) {
      if (n == 1) return internal_fail(error, &g->err);
      return internal_fail_text(error, "request %zu of %zu: %s", i + 1, n, g->err.text);
    }
  }
  return 0;
}

int gpt2rtl_generate_many(struct gpt2rtl_engine *engine,
                          const struct gpt2rtl_request *const *requests, size_t count,
                          struct gpt2rtl_result *results, struct gpt2rtl_error *error) {
  struct batch b;
  if (results) memset(results, 0, count * sizeof *results);
  if (!count || !requests) return internal_fail_text(error, "there are no requests");
  if (internal_begin(engine, error)) return -1;
  engine->position = 0;
  int failed = batch_make(&b, engine, requests, count, error);
  if (!failed) {
    // on_over turns the engine's results into those of the requests.
    engine_run_many(&engine->engine, b.runs, count, on_over, &b, b.results, b.saturations, b.errs);
    for (size_t i = 0; i < count; i++) {
      if (!b.generations[i].over)
        finish(&b.generations[i], -1, &b.errs[i]);  // another run ended all
      if (results) results[i] = b.generations[i].result;
      if (!failed && b.generations[i].err.text[0])
        failed = internal_fail(error, &b.generations[i].err);
    }
  }
  engine->engine.chosen = NULL;
  batch_free(&b);
  internal_end(engine);
  return failed;
}

int gpt2rtl_generate(struct gpt2rtl_engine *engine, const struct gpt2rtl_request *request,
                     struct gpt2rtl_result *result, struct gpt2rtl_error *error) {
  return gpt2rtl_generate_many(engine, &request, 1, result, error);
}
