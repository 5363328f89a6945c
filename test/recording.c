// SPDX-License-Identifier: Apache-2.0
#include "recording.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "image_build.h"
#include "random_model.h"

// An event is its kind, then its words.
enum kind { TOKEN, STEP, HIDDEN, LOGITS, KINDS };
static const char *const kind_names[KINDS] = {"token", "step", "hidden state", "logits"};

// The number of words after an event of this kind.
static size_t length(const struct recording *t, uint32_t kind) {
  const size_t lengths[KINDS] = {1, 5, 1 + (size_t)t->n_embd, t->n_vocab};
  return lengths[kind];
}

static void describe(char text[static 128], const struct recording *t, enum kind kind,
                     const uint32_t *words, size_t i) {
  static const char *const step[] = {"id", "position", "head", "choice", "recomputed"};
  if (kind == TOKEN) snprintf(text, 128, "token %zu", t->tokens);
  else if (kind == STEP) snprintf(text, 128, "%s of position %u", step[i], words[1]);
  else if (kind == HIDDEN && i == 0) snprintf(text, 128, "layer of the hidden state");
  else if (kind == HIDDEN)
    snprintf(text, 128, "hidden state after layer %d, dimension %zu", (int32_t)words[0], i - 1);
  else snprintf(text, 128, "logit of id %zu", i);
}

static void compare(struct recording *t, enum kind kind, const uint32_t *words) {
  char what[128];
  if (t->at >= t->n)
    fail_msg("position %zu: one more %s than the golden model has", t->positions, kind_names[kind]);
  const enum kind expected = (enum kind)t->words[t->at];
  if (expected != kind)
    fail_msg("position %zu: %s, where the golden model has %s", t->positions, kind_names[kind],
             kind_names[expected]);
  const uint32_t *want = t->words + t->at + 1;
  const size_t n = length(t, kind);
  size_t differences = 0;
  for (size_t i = 0; i < n; i++) differences += words[i] != want[i];
  for (size_t i = 0; i < n && differences; i++) {
    if (words[i] == want[i]) continue;
    describe(what, t, kind, words, i);
    fail_msg("position %zu (%zu tokens so far): %s: expected %d, found %d (%zu of %zu differ)",
             t->positions, t->tokens, what, (int32_t)want[i], (int32_t)words[i], differences, n);
  }
  t->at += 1 + n;
}

static int event(struct recording *t, enum kind kind, const uint32_t *words) {
  const size_t n = 1 + length(t, kind);
  if (t->comparing) {
    compare(t, kind, words);
  } else {
    if (t->n + n > t->room) {
      t->room = 2 * (t->room + n);
      t->words = realloc(t->words, t->room * sizeof *t->words);
      assert_non_null(t->words);
    }
    t->words[t->n] = kind;
    memcpy(t->words + t->n + 1, words, (n - 1) * sizeof *words);
    t->n += n;
  }
  t->positions += kind == STEP;
  t->tokens += kind == TOKEN;
  return 0;
}

static int on_token(void *ctx, uint32_t id) { return event(ctx, TOKEN, &id); }
static int on_step(void *ctx, const struct controller_step *s) {
  const uint32_t words[5] = {s->id, s->position, s->head, s->head ? s->choice : 0, s->recomputed};
  return event(ctx, STEP, words);
}
static int on_logits(void *ctx, const int32_t *logits) {
  return event(ctx, LOGITS, (const uint32_t *)logits);
}
static int on_hidden(void *ctx, int layer, const int32_t *x) {
  const struct recording *t = ctx;
  uint32_t words[1 + MAX_WIDTH];
  words[0] = (uint32_t)layer;
  memcpy(words + 1, x, t->n_embd * sizeof *x);
  return event(ctx, HIDDEN, words);
}

static struct controller_run watched(struct recording *t, const struct controller_run *given) {
  struct controller_run run = *given;
  run.ctx = t;
  run.token = on_token;
  run.step = on_step;
  run.logits = on_logits;
  run.hidden = on_hidden;
  t->positions = t->tokens = 0;
  return run;
}

void recording_golden(struct recording *t, const struct image *image,
                      const struct controller_run *given) {
  struct gpt2_core core;
  struct err err;
  *t = (struct recording){.n_embd = image->header.n_embd, .n_vocab = image->header.vocab_size};
  if (gpt2_core_create(&core, image, &err)) fail_msg("%s", err.text);
  const struct controller_run run = watched(t, given);
  if (controller_run_golden(&run, &core, &err)) fail_msg("golden: %s", err.text);
  gpt2_core_destroy(&core);
}

void recording_free(struct recording *t) {
  free(t->words);
  memset(t, 0, sizeof *t);
}

void recording_expect_rtl(struct recording *t, const struct image *image,
                          const struct controller_run *given, const struct sim_memory *memory,
                          enum sim_build build, struct sim_result *result) {
  struct sim *sim;
  struct sim_result own;
  struct err err;
  if (sim_open(&sim, image, memory, build, &err)) fail_msg("%s", err.text);
  const struct controller_run run = watched(t, given);
  t->comparing = true;
  t->at = 0;
  if (sim_run(sim, &run, result ? result : &own, &err))
    fail_msg("RTL, position %zu: %s", t->positions, err.text);
  t->comparing = false;
  if (t->at != t->n)
    fail_msg("RTL: ends after %zu positions; the golden model continues", t->positions);
  sim_close(sim);
}

void recording_expect_rtl_many(struct recording *t, const struct image *image,
                               const struct controller_run *given, size_t n,
                               const struct sim_memory *memory, enum sim_build build,
                               struct sim_result *result) {
  struct controller_run *runs = calloc(n, sizeof *runs);
  int *results = calloc(n, sizeof *results);
  struct sim *sim;
  struct err err;
  assert_non_null(runs);
  assert_non_null(results);
  if (sim_open(&sim, image, memory, build, &err)) fail_msg("%s", err.text);
  for (size_t i = 0; i < n; i++) {
    runs[i] = watched(&t[i], &given[i]);
    t[i].comparing = true;
    t[i].at = 0;
  }
  const struct sim_runs all = {.runs = runs, .n = n, .results = results};
  if (sim_run_many(sim, &all, result, &err)) fail_msg("RTL, %zu runs: %s", n, err.text);
  for (size_t i = 0; i < n; i++) {
    t[i].comparing = false;
    assert_int_equal(results[i], 0);
    if (t[i].at != t[i].n)
      fail_msg("RTL, run %zu of %zu: ends after %zu positions; the golden model continues", i + 1,
               n, t[i].positions);
  }
  sim_close(sim);
  free(runs);
  free(results);
}

bool recording_differs(const struct recording *a, const struct recording *b) {
  return a->n != b->n || memcmp(a->words, b->words, a->n * sizeof *a->words);
}

uint32_t *recording_tokens(const struct recording *t) {
  uint32_t *ids = calloc(t->tokens + 1, sizeof *ids);
  size_t n = 0;
  assert_non_null(ids);
  for (size_t at = 0; at < t->n; at += 1 + length(t, t->words[at]))
    if (t->words[at] == TOKEN) ids[n++] = t->words[at + 1];
  return ids;
}

// ------------------------------------------------------------------------------------------ models

void open_model(struct image *image, const char *dir, uint32_t lanes) {
  char path[FILE_PATH_SIZE];
  struct gpt2_weights weights;
  struct err err;
  uint64_t source;
  mkdir("build/models", 0777);
  if (image_source(&source, dir, &err)) fail_msg("%s", err.text);
  snprintf(path, sizeof path, "build/models/%016llx-%u.image", (unsigned long long)source, lanes);
  if (!image_open(image, path, IMAGE_CHECKED, &err)) return;
  if (weights_load(&weights, dir, &err)) fail_msg("%s", err.text);
  if (image_build(path, &weights, lanes, source, &err)) fail_msg("%s", err.text);
  weights_free(&weights);
  if (image_open(image, path, IMAGE_CHECKED, &err)) fail_msg("%s", err.text);
}

static void open_either(struct image *image, const char *config, uint64_t seed, bool outliers,
                        uint32_t lanes) {
  char dir[64], weights[FILE_PATH_SIZE];
  struct err err;
  mkdir("build/models", 0777);
  snprintf(dir, sizeof dir, "build/models/%s-%s%llu", config, outliers ? "outliers-" : "",
           (unsigned long long)seed);
  snprintf(weights, sizeof weights, "%s/model.safetensors", dir);
  // Two tests may make it at the same time: the second finds it made.
  int (*const write)(const char *, uint64_t, const char *, struct err *) =
      outliers ? random_model_write_outliers : random_model_write;
  if (access(weights, R_OK) && write(config, seed, dir, &err) && access(weights, R_OK))
    fail_msg("%s", err.text);
  open_model(image, dir, lanes);
}

void open_random(struct image *image, const char *config, uint64_t seed, uint32_t lanes) {
  open_either(image, config, seed, false, lanes);
}

void open_outliers(struct image *image, const char *config, uint64_t seed, uint32_t lanes) {
  open_either(image, config, seed, true, lanes);
}

const char *demo_model(void) {
  static const char *const folders[] = {"models/demo", "../shared/data/models/stories-3.5m"};
  char path[FILE_PATH_SIZE];
  for (int i = 0; i < 2; i++) {
    snprintf(path, sizeof path, "%s/model.safetensors", folders[i]);
    if (!access(path, R_OK)) return folders[i];
  }
  return NULL;
}
