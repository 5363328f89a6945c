// SPDX-License-Identifier: Apache-2.0
// test_gpt2rtl - the public library as a program would use it, and as no program should: NULLs,
// wrong sizes and numbers, missing and damaged files, a cache that cannot be written, callbacks
// that stop or come back, two engines in two threads. It must stay silent and usable all the time.
#include "model_test.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>

#include "gpt2rtl.h"

#define DEMO "models/demo"
enum { VOCABULARY = 4096, TEXT = 4096 };

static struct gpt2rtl_error error;

static void succeeds(int result) {
  if (result != 0) fail_msg("%s", error.text);
}
static void fails(int result, const char *fragment) {
  assert_int_equal(result, -1);
  if (!strstr(error.text, fragment))
    fail_msg("the error is \"%s\", expected \"%s\" in it", error.text, fragment);
  strcpy(error.text, "unset");
}

struct said {
  char text[TEXT];
  size_t n, stop_at, calls;
};
static int on_text(void *ctx, const char *bytes, size_t n) {
  struct said *said = ctx;
  assert_true(said->n + n < sizeof said->text);
  memcpy(said->text + said->n, bytes, n);
  said->n += n;
  said->text[said->n] = 0;
  said->calls++;
  return said->stop_at && said->n >= said->stop_at;
}

static struct gpt2rtl_request request_of(struct said *said) {
  *said = (struct said){.n = 0};
  return (struct gpt2rtl_request){.size = sizeof(struct gpt2rtl_request),
                                  .prompt = "Once upon a time",
                                  .tokens = 20,
                                  .temperature = 0.8,
                                  .seed = 7,
                                  .ctx = said,
                                  .text = on_text};
}

static struct gpt2rtl_model *open_demo(void) {
  struct gpt2rtl_model *model;
  succeeds(gpt2rtl_model_open(&model, DEMO, &error));
  return model;
}
static struct gpt2rtl_engine *open_kind(const struct gpt2rtl_model *model, enum gpt2rtl_kind kind) {
  struct gpt2rtl_engine *engine;
  const struct gpt2rtl_options options = {.size = sizeof options, .kind = kind};
  succeeds(gpt2rtl_engine_open(&engine, model, &options, &error));
  return engine;
}

// ------------------------------------------------------------------------------------------- usage

// The three engines of integers say the same, as text and as ids; the float one takes the same
// calls.
static void engines(void **state) {
  (void)state;
  struct gpt2rtl_model *model = open_demo();
  struct said said[4];
  uint32_t *ids;
  size_t count;
  assert_string_equal(gpt2rtl_version(), GPT2RTL_VERSION);
  const struct gpt2rtl_shape shape = gpt2rtl_model_shape(model);
  assert_int_equal(shape.vocabulary, VOCABULARY);
  assert_int_equal(shape.width, 64 * shape.heads);
  succeeds(gpt2rtl_encode(model, "Once upon a time", 16, &ids, &count, &error));
  for (int kind = GPT2RTL_GOLDEN; kind <= GPT2RTL_RTL; kind++) {
    struct gpt2rtl_engine *engine = open_kind(model, (enum gpt2rtl_kind)kind);
    struct gpt2rtl_result result;
    struct gpt2rtl_request request = request_of(&said[kind]);
    if (kind == GPT2RTL_GOLDEN_READABLE) {
      request.prompt = NULL;
      request.ids = ids;
      request.n_ids = count;
    }
    succeeds(gpt2rtl_generate(engine, &request, &result, &error));
    assert_int_equal(result.tokens, 20);
    assert_int_equal(result.ending, GPT2RTL_END_LENGTH);
    assert_int_equal(result.saturations, 0);
    if (kind != GPT2RTL_FLOAT) assert_string_equal(said[kind].text, said[0].text);
    gpt2rtl_engine_close(engine);
  }
  assert_true(said[GPT2RTL_FLOAT].n > 20);
  char *text;
  succeeds(gpt2rtl_decode(model, ids, count, &text, &count, &error));
  assert_string_equal(text, "Once upon a time");
  gpt2rtl_free(text);
  gpt2rtl_free(ids);
  gpt2rtl_model_close(model);
}

struct rows {
  float x[8][VOCABULARY];
  size_t n, stop_after;
};
static int on_logits(void *ctx, size_t position, const float *logits) {
  struct rows *rows = ctx;
  assert_int_equal(position, rows->n);
  memcpy(rows->x[rows->n++], logits, sizeof rows->x[0]);
  return rows->stop_after && rows->n == rows->stop_after;
}

// Logits by steps and of a whole text are the same, and of all engines of integers.
static void steps(void **state) {
  (void)state;
  static const uint32_t ids[] = {1510, 698, 259, 611};
  static struct rows golden, other;
  float logits[VOCABULARY];
  struct gpt2rtl_model *model = open_demo();
  for (int kind = GPT2RTL_GOLDEN; kind <= GPT2RTL_RTL; kind++) {
    struct gpt2rtl_engine *engine = open_kind(model, (enum gpt2rtl_kind)kind);
    struct rows *rows = kind == GPT2RTL_GOLDEN ? &golden : &other;
    rows->n = 0;
    rows->stop_after = 0;
    succeeds(gpt2rtl_logits(engine, ids, 4, on_logits, rows, &error));
    assert_int_equal(rows->n, 4);
    if (kind != GPT2RTL_FLOAT) assert_memory_equal(rows->x, golden.x, 4 * sizeof golden.x[0]);
    if (kind == GPT2RTL_RTL) {
      fails(gpt2rtl_step(engine, 3, logits, &error), "chooses its tokens itself");
    } else {
      for (int again = 0; again < 2; again++) {
        for (size_t i = 0; i < 4; i++) {
          assert_int_equal(gpt2rtl_position(engine), i);
          succeeds(gpt2rtl_step(engine, ids[i], i == 1 ? NULL : logits, &error));
          for (size_t k = 0; i != 1 && k < VOCABULARY; k++)
            assert_true(fabsf(logits[k] - rows->x[i][k]) < (kind == GPT2RTL_FLOAT ? 1e-3f : 1e-9f));
        }
        gpt2rtl_reset(engine);
      }
    }
    other.n = 0;
    other.stop_after = 2;  // a callback that stops is not a failure; the engine still works
    succeeds(gpt2rtl_logits(engine, ids, 4, on_logits, &other, &error));
    assert_int_equal(other.n, 2);
    gpt2rtl_engine_close(engine);
  }
  struct gpt2rtl_engine *engine = open_kind(model, GPT2RTL_GOLDEN);
  const uint32_t context = gpt2rtl_model_shape(model).context;
  for (uint32_t i = 0; i < context; i++) succeeds(gpt2rtl_step(engine, 5, NULL, &error));
  fails(gpt2rtl_step(engine, 5, NULL, &error), "is full");
  gpt2rtl_reset(engine);
  fails(gpt2rtl_step(engine, VOCABULARY, NULL, &error), "0 to 4095");
  fails(gpt2rtl_logits(engine, ids, 0, on_logits, &other, &error), "prompt is empty");
  gpt2rtl_engine_close(engine);
  gpt2rtl_model_close(model);
}

struct listed {
  size_t calls, n;
  double sum;
};
static int on_candidates(void *ctx, const struct gpt2rtl_position_report *report,
                         const struct gpt2rtl_candidate *list, size_t n) {
  struct listed *l = ctx;
  bool chosen = false;
  assert_true(report->chooses);
  for (size_t i = 0; i < n; i++) {
    chosen |= list[i].id == report->choice && list[i].drawn > 0;
    if (i && i < l->n) assert_true(list[i].probability <= list[i - 1].probability);
  }
  assert_true(chosen && n >= l->n && n <= l->n + 1);
  l->calls++;
  return 0;
}

// Candidates at every choice, from each sampler, run after run on one engine.
static void candidates(void **state) {
  (void)state;
  struct gpt2rtl_model *model = open_demo();
  for (int kind = GPT2RTL_GOLDEN; kind <= GPT2RTL_RTL; kind++) {
    struct gpt2rtl_engine *engine = open_kind(model, (enum gpt2rtl_kind)kind);
    for (int run = 0; run < 3; run++) {
      struct listed listed = {.n = run == 2 ? GPT2RTL_CANDIDATES : 5};
      struct said said;
      struct gpt2rtl_request request = request_of(&said);
      request.text = NULL;
      request.ctx = &listed;
      request.n_candidates = listed.n;
      request.candidates = on_candidates;
      if (run == 1 && kind != GPT2RTL_RTL) request.top_p = 0.9, request.repetition_penalty = 1.2;
      succeeds(gpt2rtl_generate(engine, &request, NULL, &error));
      assert_int_equal(listed.calls, 20);
    }
    gpt2rtl_engine_close(engine);
  }
  gpt2rtl_model_close(model);
}

static void stop_texts(void **state) {
  (void)state;
  static const char *const stops[] = {"never there", "t", NULL};
  struct gpt2rtl_model *model = open_demo();
  struct gpt2rtl_engine *engine = open_kind(model, GPT2RTL_GOLDEN);
  struct gpt2rtl_result result;
  struct said whole, said;
  struct gpt2rtl_request request = request_of(&whole);
  succeeds(gpt2rtl_generate(engine, &request, &result, &error));
  const char *first = strchr(whole.text, 't');
  assert_non_null(first);
  request = request_of(&said);
  request.stop_texts = stops;
  succeeds(gpt2rtl_generate(engine, &request, &result, &error));
  assert_int_equal(result.ending, GPT2RTL_END_STOP);
  assert_int_equal(result.stop_text, 1);
  assert_int_equal(said.n, first - whole.text);
  gpt2rtl_engine_close(engine);
  gpt2rtl_model_close(model);
}

// -------------------------------------------------------------------------------------- callbacks

struct caller {
  struct gpt2rtl_engine *engine;
  struct gpt2rtl_request *request;
  size_t calls, stop_at;
};
static int on_token(void *ctx, uint32_t id) {
  struct caller *c = ctx;
  assert_true(id < VOCABULARY);
  return ++c->calls == c->stop_at;
}
static int on_position(void *ctx, const struct gpt2rtl_position_report *report) {
  struct caller *c = ctx;
  assert_int_equal(report->position, c->calls);
  return ++c->calls == c->stop_at;
}
static int come_back(void *ctx, uint32_t id) {
  struct caller *c = ctx;
  fails(gpt2rtl_generate(c->engine, c->request, NULL, &error), "in use");
  fails(gpt2rtl_step(c->engine, id, NULL, &error), "in use");
  fails(gpt2rtl_logits(c->engine, &id, 1, on_logits, NULL, &error), "in use");
  c->calls++;
  return 0;
}

// A callback ends the run; the next is as any other. Also on the hardware, which is aborted.
static void callbacks(void **state) {
  (void)state;
  struct gpt2rtl_model *model = open_demo();
  for (int kind = GPT2RTL_GOLDEN; kind <= GPT2RTL_RTL; kind++) {
    struct gpt2rtl_engine *engine = open_kind(model, (enum gpt2rtl_kind)kind);
    struct gpt2rtl_result result;
    struct said whole, said;
    struct gpt2rtl_request request = request_of(&whole);
    succeeds(gpt2rtl_generate(engine, &request, &result, &error));
    for (size_t at = 1; at < whole.n; at += 7) {
      request = request_of(&said);
      said.stop_at = at;
      succeeds(gpt2rtl_generate(engine, &request, &result, &error));
      assert_int_equal(result.ending, GPT2RTL_END_CALLER);
      assert_true(said.n >= at && said.n < at + 16);
      assert_memory_equal(said.text, whole.text, said.n);
    }
    for (size_t at = 1; at < 9; at += 3) {
      struct caller caller = {.engine = engine, .stop_at = at};
      request = request_of(&said);
      request.text = NULL;
      request.ctx = &caller;
      request.token = on_token;
      succeeds(gpt2rtl_generate(engine, &request, &result, &error));
      assert_int_equal(result.ending, GPT2RTL_END_CALLER);
      assert_int_equal(result.tokens, at);
      request.token = NULL;
      request.position = on_position;
      caller.calls = 0;
      succeeds(gpt2rtl_generate(engine, &request, &result, &error));
      assert_int_equal(result.ending, GPT2RTL_END_CALLER);
      assert_int_equal(caller.calls, at);
      request.position = NULL;
      request.token = come_back;
      caller.request = &request;
      caller.calls = 0;
      succeeds(gpt2rtl_generate(engine, &request, &result, &error));
      assert_int_equal(caller.calls, result.tokens);
    }
    request = request_of(&said);
    succeeds(gpt2rtl_generate(engine, &request, &result, &error));
    assert_string_equal(said.text, whole.text);
    gpt2rtl_engine_close(engine);
  }
  gpt2rtl_model_close(model);
}

// Requests side by side, or one after another: each has its own text and result, those that a stop
// text or a callback ends, too.
struct ending {
  struct said said;
  size_t *ended, stop_all_at;
};
static int in_many(void *ctx, const char *text, size_t n) {
  return on_text(&((struct ending *)ctx)->said, text, n);
}
static int on_ended(void *ctx, const struct gpt2rtl_result *result) {
  struct ending *e = ctx;
  assert_true(result->tokens > 0);
  return ++*e->ended == e->stop_all_at;
}

static void many(void **state) {
  (void)state;
  enum { N = 7, STOPS = 2, CALLER = 4 };
  static const char *const prompts[N] = {"Once upon a time",
                                         "",
                                         "The dog",
                                         "Lily and Tom",
                                         "One day",
                                         "A",
                                         "The little girl was happy. She"};
  static const uint32_t tokens[N] = {30, 5, 40, 1, 25, 12, 8};
  static const char *const stop_texts[] = {"a", NULL};
  struct gpt2rtl_model *model = open_demo();
  for (int kind = GPT2RTL_GOLDEN; kind <= GPT2RTL_RTL; kind++) {
    const struct gpt2rtl_options options = {.size = sizeof options,
                                            .kind = (enum gpt2rtl_kind)kind,
                                            .sequences = 3};
    static struct ending alone[N], together[N];  // large
    struct gpt2rtl_request requests[N];
    const struct gpt2rtl_request *all[N];
    struct gpt2rtl_result one, results[N];
    struct gpt2rtl_engine *engine;
    size_t ended = 0;
    succeeds(gpt2rtl_engine_open(&engine, model, &options, &error));
    for (size_t i = 0; i < N; i++) {
      requests[i] = request_of(&alone[i].said);
      together[i] = (struct ending){.said = alone[i].said};
      alone[i].ended = together[i].ended = &ended;
      if (i == CALLER) alone[i].said.stop_at = together[i].said.stop_at = 20;
      requests[i].prompt = prompts[i];
      requests[i].tokens = tokens[i];
      requests[i].seed = i;
      requests[i].stop_texts = i == STOPS ? stop_texts : NULL;
      if (kind != GPT2RTL_RTL && i == 5) requests[i].top_p = 0.9;
      requests[i].text = in_many;
      requests[i].ended = on_ended;
      requests[i].ctx = &together[i];
      all[i] = &requests[i];
    }
    succeeds(gpt2rtl_generate_many(engine, all, N, results, &error));
    assert_int_equal(ended, N);
    for (size_t i = 0; i < N; i++) {
      requests[i].ctx = &alone[i];
      succeeds(gpt2rtl_generate(engine, &requests[i], &one, &error));
      assert_string_equal(together[i].said.text, alone[i].said.text);
      assert_int_equal(results[i].tokens, one.tokens);
      assert_int_equal(results[i].ending, one.ending);
      assert_int_equal(one.ending, i == STOPS    ? GPT2RTL_END_STOP
                                   : i == CALLER ? GPT2RTL_END_CALLER
                                                 : GPT2RTL_END_LENGTH);
    }
    // The first to end ends all.
    ended = 0;
    for (size_t i = 0; i < N; i++) {
      requests[i].ctx = &together[i];
      together[i].said = (struct said){0};
      together[i].stop_all_at = 1;
    }
    succeeds(gpt2rtl_generate_many(engine, all, N, results, &error));
    assert_int_equal(ended, 1);
    for (size_t i = 0; i < N; i++)
      assert_memory_equal(together[i].said.text, alone[i].said.text, together[i].said.n);
    assert_int_equal(results[N - 1].ending, GPT2RTL_END_CALLER);
    assert_int_equal(results[N - 1].tokens, 0);
    // None begins unless all are right.
    ended = 0;
    requests[1].tokens = 0;
    fails(gpt2rtl_generate_many(engine, all, N, results, &error), "request 2 of 7: tokens is 0");
    fails(gpt2rtl_generate_many(engine, all, 0, results, &error), "there are no requests");
    assert_int_equal(ended, 0);
    gpt2rtl_engine_close(engine);
  }
  gpt2rtl_model_close(model);
}

// ------------------------------------------------------------------------------------- wrong calls

static void nulls(void **state) {
  (void)state;
  struct gpt2rtl_model *model = open_demo(), *none = model;
  struct gpt2rtl_engine *engine = open_kind(model, GPT2RTL_GOLDEN), *other = engine;
  struct gpt2rtl_options options = {.size = sizeof options};
  struct said said;
  struct gpt2rtl_request request = request_of(&said);
  uint32_t *ids, id = 3;
  size_t n;
  char *text;
  fails(gpt2rtl_model_open(NULL, DEMO, &error), "NULL");
  fails(gpt2rtl_model_open(&none, NULL, &error), "NULL");
  assert_null(none);
  fails(gpt2rtl_model_open_image(NULL, "x", NULL, &error), "NULL");
  fails(gpt2rtl_model_open_image(&none, NULL, NULL, &error), "NULL");
  fails(gpt2rtl_engine_open(NULL, model, &options, &error), "NULL");
  fails(gpt2rtl_engine_open(&other, NULL, &options, &error), "NULL");
  assert_null(other);
  fails(gpt2rtl_engine_open(&other, model, NULL, &error), "options is NULL");
  fails(gpt2rtl_encode(NULL, "x", 1, &ids, &n, &error), "NULL");
  fails(gpt2rtl_encode(model, NULL, 1, &ids, &n, &error), "NULL");
  fails(gpt2rtl_encode(model, "x", 1, NULL, &n, &error), "NULL");
  fails(gpt2rtl_encode(model, "x", 1, &ids, NULL, &error), "NULL");
  fails(gpt2rtl_decode(NULL, &id, 1, &text, &n, &error), "NULL");
  fails(gpt2rtl_decode(model, NULL, 1, &text, &n, &error), "NULL");
  fails(gpt2rtl_decode(model, &id, 1, NULL, &n, &error), "NULL");
  fails(gpt2rtl_decode(model, &id, 1, &text, NULL, &error), "NULL");
  fails(gpt2rtl_step(NULL, 1, NULL, &error), "engine is NULL");
  fails(gpt2rtl_logits(NULL, &id, 1, on_logits, NULL, &error), "engine is NULL");
  fails(gpt2rtl_logits(engine, &id, 1, NULL, NULL, &error), "NULL");
  fails(gpt2rtl_logits(engine, NULL, 1, on_logits, NULL, &error), "NULL");
  fails(gpt2rtl_generate(NULL, &request, NULL, &error), "engine is NULL");
  fails(gpt2rtl_generate(engine, NULL, NULL, &error), "request is NULL");
  fails(gpt2rtl_prompt_ids(NULL, &request, &ids, &n, &error), "NULL");
  fails(gpt2rtl_prompt_ids(model, NULL, &ids, &n, &error), "NULL");
  fails(gpt2rtl_prompt_ids(model, &request, NULL, &n, &error), "NULL");
  assert_int_equal(gpt2rtl_generate(NULL, NULL, NULL, NULL),
                   -1);  // without a place for the sentence
  assert_int_equal(gpt2rtl_model_shape(NULL).context, 0);
  assert_false(gpt2rtl_has_tokenizer(NULL, NULL));
  assert_false(gpt2rtl_is_end(NULL, 0));
  assert_null(gpt2rtl_token(NULL, 0, NULL));
  assert_null(gpt2rtl_token(model, UINT32_MAX, &n));
  assert_int_equal(gpt2rtl_position(NULL), 0);
  gpt2rtl_reset(NULL);
  gpt2rtl_free(NULL);
  gpt2rtl_engine_close(NULL);
  gpt2rtl_model_close(NULL);
  succeeds(gpt2rtl_generate(engine, &request, NULL, &error));
  gpt2rtl_engine_close(engine);
  gpt2rtl_model_close(model);
}

static void numbers(void **state) {
  (void)state;
  struct gpt2rtl_model *model = open_demo();
  struct gpt2rtl_engine *engine = open_kind(model, GPT2RTL_GOLDEN), *none;
  static const char *const empty[] = {"x", "", NULL};
  static uint32_t many[2000];
  static const uint32_t high = VOCABULARY;
  struct said said;
#define REQUEST(fragment, ...)                                         \
  do {                                                                 \
    struct gpt2rtl_request request = request_of(&said);                \
    __VA_ARGS__;                                                       \
    fails(gpt2rtl_generate(engine, &request, NULL, &error), fragment); \
    assert_int_equal(said.n, 0);                                       \
  } while (0)
  REQUEST("size is 0", request.size = 0);
  REQUEST("size is 3", request.size = 3);
  REQUEST("version of the library", request.size++);
  REQUEST("tokens is 0", request.tokens = 0);
  REQUEST("temperature is -1", request.temperature = -1);
  REQUEST("temperature is nan", request.temperature = NAN);
  REQUEST("temperature is 0.001", request.temperature = 0.001);
  REQUEST("temperature is inf", request.temperature = INFINITY);
  REQUEST("top_k is 65", request.top_k = 65);
  REQUEST("top_p is 1.5", request.top_p = 1.5);
  REQUEST("top_p is nan", request.top_p = NAN);
  REQUEST("top_p draws", request.top_p = 0.5, request.temperature = 0);
  REQUEST("repetition_penalty is 11", request.repetition_penalty = 11);
  REQUEST("n_candidates is 101", request.n_candidates = 101, request.candidates = on_candidates);
  REQUEST("candidates is NULL", request.n_candidates = 5);
  REQUEST("not NULL", request.candidates = on_candidates);
  REQUEST("stop text 1 is empty", request.stop_texts = empty);
  REQUEST("ids is NULL", request.prompt = NULL, request.n_ids = 2);
  REQUEST("id 4096", request.prompt = NULL, request.ids = &high, request.n_ids = 1);
  REQUEST("2000 ids", request.prompt = NULL, request.ids = many, request.n_ids = 2000);
#define OPTIONS(fragment, ...)                                            \
  do {                                                                    \
    struct gpt2rtl_options options = {.size = sizeof options};            \
    __VA_ARGS__;                                                          \
    fails(gpt2rtl_engine_open(&none, model, &options, &error), fragment); \
    assert_null(none);                                                    \
  } while (0)
  OPTIONS("size is 2000", options.size = 2000);
  OPTIONS("kind 4", options.kind = (enum gpt2rtl_kind)4);
  OPTIONS("kind -1", options.kind = (enum gpt2rtl_kind) - 1);
  OPTIONS("threads is 257", options.threads = 257);
  OPTIONS("vector code 'mmx'", options.vector = "mmx");
  OPTIONS("sequences is 65", options.sequences = 65);
  OPTIONS("lanes is 96", options.lanes = 96);
  OPTIONS("lanes is 8192", options.lanes = 8192);
  OPTIONS("latency=0", options.kind = GPT2RTL_RTL, options.memory = "latency=0");
  OPTIONS("memory setting", options.kind = GPT2RTL_RTL, options.memory = "fast");
  OPTIONS("clock is 3000", options.kind = GPT2RTL_RTL, options.clock = 3000);
  // An older program's request is shorter: what it lacks has its default.
  struct gpt2rtl_request older = request_of(&said);
  older.n_candidates = 99;
  older.size = offsetof(struct gpt2rtl_request, n_candidates);
  succeeds(gpt2rtl_generate(engine, &older, NULL, &error));
  gpt2rtl_engine_close(engine);
  engine = open_kind(model, GPT2RTL_RTL);
  REQUEST("top_p needs an engine in C", request.top_p = 0.9);
  REQUEST("repetition_penalty needs", request.repetition_penalty = 1.1);
  gpt2rtl_engine_close(engine);
  gpt2rtl_model_close(model);
}

// ------------------------------------------------------------------------------------------- files

static void copy_demo(const char *folder, const char *name, size_t cut) {
  char from[FILE_PATH_SIZE], to[FILE_PATH_SIZE];
  struct file_map map;
  struct err err;
  assert_int_equal(file_join(from, DEMO, name, &err), 0);
  expect_success(file_map_open(&map, from, &err), &err);
  write_file(to, folder, name, map.data, map.size - cut);
  file_map_close(&map);
}

static void note(void *ctx, const char *sentence) {
  char *said = ctx;
  snprintf(said + strlen(said), TEXT - strlen(said), "%s\n", sentence);
}

static void files(void **state) {
  char no[FILE_PATH_SIZE], path[FILE_PATH_SIZE], notes[TEXT] = "";
  struct gpt2rtl_model *model;
  struct gpt2rtl_engine *engine;
  struct gpt2rtl_options options = {.size = sizeof options, .note = note, .note_ctx = notes};
  struct said said, same;
  uint32_t *ids;
  size_t n;
  assert_int_equal(file_join(no, *state, "no", NULL), 0);
  fails(gpt2rtl_model_open(&model, no, &error), "no/config.json");
  fails(gpt2rtl_model_open(&model, "", &error), "config.json");
  fails(gpt2rtl_model_open_image(&model, no, NULL, &error), "no");
  fails(gpt2rtl_model_open_image(&model, DEMO "/config.json", NULL, &error), "config.json");

  // Without a tokenizer ids go in; without weights the engine says so; cut weights too.
  copy_demo(*state, "config.json", 0);
  succeeds(gpt2rtl_model_open(&model, *state, &error));
  assert_false(gpt2rtl_has_tokenizer(model, &error));
  fails(gpt2rtl_encode(model, "x", 1, &ids, &n, &error), "");
  fails(gpt2rtl_engine_open(&engine, model, &options, &error), "model.safetensors");
  copy_demo(*state, "model.safetensors", 1);
  fails(gpt2rtl_engine_open(&engine, model, &options, &error), "model.safetensors");
  options.kind = GPT2RTL_FLOAT;
  fails(gpt2rtl_engine_open(&engine, model, &options, &error), "model.safetensors");
  options.kind = GPT2RTL_GOLDEN;
  copy_demo(*state, "model.safetensors", 0);

  // A cache that cannot be written: the image is made in memory, and the note says so.
  assert_int_equal(file_join(path, *state, "config.json/cache", NULL), 0);
  assert_int_equal(setenv("XDG_CACHE_HOME", path, 1), 0);
  succeeds(gpt2rtl_engine_open(&engine, model, &options, &error));
  if (!strstr(notes, "cache") || !strchr(notes, '\n')) fail_msg("the notes are \"%s\"", notes);
  struct gpt2rtl_request request = request_of(&said);
  fails(gpt2rtl_generate(engine, &request, NULL, &error), "");  // text without a tokenizer
  request.prompt = NULL;
  request.ids = (const uint32_t[]){1510, 698};
  request.n_ids = 2;
  struct gpt2rtl_result result;
  succeeds(gpt2rtl_generate(engine, &request, &result, &error));
  assert_int_equal(result.tokens, 20);
  gpt2rtl_engine_close(engine);
  gpt2rtl_model_close(model);

  // The same with a cache, and its image alone, of its own lanes; other lanes are refused.
  assert_int_equal(file_join(path, *state, "cache", NULL), 0);
  assert_int_equal(setenv("XDG_CACHE_HOME", path, 1), 0);
  model = open_demo();
  *notes = 0;
  options.lanes = 64;
  succeeds(gpt2rtl_engine_open(&engine, model, &options, &error));
  request = request_of(&said);
  succeeds(gpt2rtl_generate(engine, &request, NULL, &error));
  gpt2rtl_engine_close(engine);
  gpt2rtl_model_close(model);
  char *image = strstr(notes, "lanes: ");
  if (!image) fail_msg("the notes are \"%s\"", notes);
  image += strlen("lanes: ");
  image[strcspn(image, "\n")] = 0;
  succeeds(gpt2rtl_model_open_image(&model, image, DEMO, &error));
  options.lanes = 128;
  fails(gpt2rtl_engine_open(&engine, model, &options, &error), "for 64 lanes");
  options.lanes = 0;
  options.kind = GPT2RTL_FLOAT;
  fails(gpt2rtl_engine_open(&engine, model, &options, &error), "an image holds integers");
  options.kind = GPT2RTL_GOLDEN;
  succeeds(gpt2rtl_engine_open(&engine, model, &options, &error));
  request = request_of(&same);
  succeeds(gpt2rtl_generate(engine, &request, NULL, &error));
  assert_string_equal(same.text, said.text);
  gpt2rtl_engine_close(engine);
  gpt2rtl_model_close(model);
}

// ----------------------------------------------------------------------------------------- threads

struct job {
  const struct gpt2rtl_model *model;
  enum gpt2rtl_kind kind;
  uint64_t seed;
  struct said said;
  struct gpt2rtl_error error;
  int status;
};
static void *work(void *ctx) {
  struct job *j = ctx;
  struct gpt2rtl_model *own = NULL;
  struct gpt2rtl_engine *engine = NULL;
  const struct gpt2rtl_options options = {.size = sizeof options, .kind = j->kind, .threads = 2};
  struct gpt2rtl_request request = request_of(&j->said);
  request.seed = j->seed;
  j->status = j->model ? 0 : gpt2rtl_model_open(&own, DEMO, &j->error);
  if (!j->status)
    j->status = gpt2rtl_engine_open(&engine, j->model ? j->model : own, &options, &j->error);
  for (int i = 0; !j->status && i < 3; i++) {
    j->said = (struct said){.n = 0};
    j->status = gpt2rtl_generate(engine, &request, NULL, &j->error);
  }
  gpt2rtl_engine_close(engine);
  gpt2rtl_model_close(own);
  return NULL;
}

// Engines of each kind in threads, of one model and of their own, with a cache that none has
// filled.
static void threads(void **state) {
  enum { JOBS = 8 };
  struct gpt2rtl_model *model = open_demo();
  static struct job together[JOBS], alone[JOBS];
  pthread_t thread[JOBS];
  assert_int_equal(setenv("XDG_CACHE_HOME", *state, 1), 0);
  for (int i = 0; i < JOBS; i++) {
    together[i] = alone[i] = (struct job){.model = i < 4 ? model : NULL,
                                          .kind = (enum gpt2rtl_kind)(i % 4),
                                          .seed = (uint64_t)i};
    assert_int_equal(pthread_create(&thread[i], NULL, work, &together[i]), 0);
  }
  for (int i = 0; i < JOBS; i++) assert_int_equal(pthread_join(thread[i], NULL), 0);
  for (int i = 0; i < JOBS; i++) {
    work(&alone[i]);
    if (alone[i].status || together[i].status)
      fail_msg("%s", (alone[i].status ? alone : together)[i].error.text);
    assert_string_equal(together[i].said.text, alone[i].said.text);
  }
  gpt2rtl_model_close(model);
}

// ---------------------------------------------------------------------------------------- silence

static int saved[2];
static char printed[FILE_PATH_SIZE];

// What cmocka prints itself goes through its own stream before and after each test, so the two
// descriptors are exchanged only around the calls.
static void silence(void **state) {
  char text[64] = "";
  assert_int_equal(file_join(printed, *state, "printed", NULL), 0);
  const int file = open(printed, O_RDWR | O_CREAT, 0666);
  fflush(NULL);
  for (int i = 0; i < 2; i++) {
    saved[i] = dup(i + 1);
    dup2(file, i + 1);
  }
  struct job job = {.kind = GPT2RTL_RTL, .seed = 1};
  work(&job);
  struct gpt2rtl_model *model;
  const int failed = gpt2rtl_model_open(&model, "/no/where", &error);
  fflush(NULL);
  for (int i = 0; i < 2; i++) {
    dup2(saved[i], i + 1);
    close(saved[i]);
  }
  const ssize_t n = pread(file, text, sizeof text - 1, 0);
  close(file);
  assert_int_equal(failed, -1);
  assert_int_equal(job.status, 0);
  if (n != 0) fail_msg("the library prints \"%s\"", text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(engines),    cmocka_unit_test(steps),     cmocka_unit_test(candidates),
      cmocka_unit_test(stop_texts), cmocka_unit_test(callbacks), cmocka_unit_test(many),
      cmocka_unit_test(nulls),      cmocka_unit_test(numbers),   IN_FOLDER(files),
      IN_FOLDER(threads),           IN_FOLDER(silence),
  };
  return cmocka_run_group_tests_name("gpt2rtl", tests, NULL, NULL);
}
