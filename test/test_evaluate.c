// SPDX-License-Identifier: Apache-2.0
// gpt2rtl perplexity and lambada against their definitions, computed here in double precision from
// a model that shares only the weights (naive_gpt2.h), or from the golden core's logits.
#include "golden_test.h"

#include <cjson/cJSON.h>

#include "evaluate.h"
#include "naive_gpt2.h"
#include "random_model.h"
#include "tokenizer.h"

static struct gpt2_weights weights;
static struct image image;
static struct tokenizer *tokenizer;
static char folder[] = "/tmp/gpt2rtl-test-XXXXXX";
static char model[FILE_PATH_SIZE];
enum { V = 301, CTX = 64 };

static int setup(void **unused) {
  (void)unused;
  char path[FILE_PATH_SIZE];
  struct err err;
  expect_success(mkdtemp(folder) == NULL ? -1 : 0, &err);
  expect_success(file_join(model, folder, "nano", &err), &err);
  expect_success(random_model_write("nano", 1, model, &err), &err);
  expect_success(weights_load(&weights, model, &err), &err);
  expect_success(file_join(path, folder, "image", &err), &err);
  expect_success(image_build(path, &weights, 256, 0, &err), &err);
  expect_success(image_open(&image, path, IMAGE_CHECKED, &err), &err);
  expect_success(tokenizer_load(&tokenizer, model, V, &err), &err);
  return 0;
}

static int teardown(void **unused) {
  (void)unused;
  tokenizer_free(tokenizer);
  image_close(&image);
  weights_free(&weights);
  remove_tree(folder);
  return 0;
}

// The JSON that `gpt2rtl ARGUMENTS --json` prints, to be deleted.
static cJSON *run(const char *format, ...) {
  char arguments[2048], command[8192], text[4096];
  va_list args;
  va_start(args, format);
  vsnprintf(arguments, sizeof arguments, format, args);
  va_end(args);
  snprintf(command, sizeof command, "XDG_CACHE_HOME=%s build/gpt2rtl %s --json 2> /dev/null",
           folder, arguments);
  FILE *pipe = popen(command, "r");
  assert_non_null(pipe);
  text[fread(text, 1, sizeof text - 1, pipe)] = 0;
  if (pclose(pipe) != 0) fail_msg("%s failed", command);
  cJSON *json = cJSON_Parse(text);
  assert_non_null(json);
  return json;
}

static double number(const cJSON *json, const char *name) {
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
  assert_true(cJSON_IsNumber(item));
  return item->valuedouble;
}

// -ln p(target) and whether it is the likeliest.
static double loss(const double *logits, uint32_t target, bool *likely) {
  double sum = 0;
  *likely = true;
  for (size_t v = 0; v < V; v++) {
    sum += exp(logits[v] - logits[target]);
    *likely = *likely && (v == target || logits[v] < logits[target]);
  }
  return log(sum);
}

// logits[n][V] of ids as a sequence of its own.
static void logits_of(double *logits, const uint32_t *ids, size_t n, bool golden) {
  if (!golden) {
    struct naive_statistics ignored;
    naive_gpt2(logits, &weights, ids, n, &ignored);
    return;
  }
  struct gpt2_core core;
  struct err err;
  expect_success(gpt2_core_create(&core, &image, &err), &err);
  for (size_t t = 0; t < n; t++) {
    gpt2_core_step(&core, ids[t], (uint32_t)t, true);
    for (size_t v = 0; v < V; v++) logits[t * V + v] = from_row(core.logits[v]);
  }
  gpt2_core_destroy(&core);
}

// ----------------------------------------------------------------------------------------- windows

static void expect_windows(size_t count, size_t context, size_t stride, const char *expected) {
  struct window *windows;
  struct err err;
  char text[256] = "";
  size_t n, used = 0;
  expect_success(evaluate_windows(&windows, &n, count, context, stride, &err), &err);
  for (size_t i = 0; i < n; i++) {
    used += (size_t)snprintf(text + used, sizeof text - used, "%zu-%zu:%zu ", windows[i].begin,
                             windows[i].end, windows[i].begin + windows[i].first);
  }
  assert_string_equal(text, expected);
  free(windows);
}

static void test_windows(void **unused) {
  (void)unused;
  struct window *windows;
  struct err err;
  size_t n;
  expect_windows(2, 8, 4, "0-2:1 ");
  expect_windows(8, 8, 4, "0-8:1 ");
  expect_windows(9, 8, 4, "0-8:1 4-9:8 ");
  expect_windows(21, 8, 4, "0-8:1 4-12:8 8-16:12 12-20:16 16-21:20 ");
  expect_windows(20, 8, 3, "0-8:1 3-11:8 6-14:11 9-17:14 12-20:17 ");
  expect_windows(20, 8, 8, "0-8:1 8-16:9 16-20:17 ");
  expect_windows(17, 8, 8, "0-8:1 8-16:9 ");  // a window of one token predicts none
  expect_windows(5, 2, 1, "0-2:1 1-3:2 2-4:3 3-5:4 ");
  expect_failure(evaluate_windows(&windows, &n, 1, 8, 4, &err), &err, "at least 2");
}

// -------------------------------------------------------------------------------------- perplexity

// Each token but the first counts once: in the first window that ends after it.
static void test_perplexity(void **unused) {
  (void)unused;
  enum { CONTEXT = 40, STRIDE = 13, BYTES = 300 };
  static double logits[CTX * V];
  char path[FILE_PATH_SIZE], text[BYTES];
  struct err err;
  uint32_t *ids;
  uint64_t random = 9;
  size_t count;
  for (size_t i = 0; i < BYTES; i++) text[i] = (char)('a' + random_below(&random, 20));
  write_file(path, folder, "text", text, BYTES);
  expect_success(tokenizer_encode(tokenizer, text, BYTES, &ids, &count, &err), &err);
  for (int golden = 0; golden < 2; golden++) {
    double sum = 0;
    size_t right = 0, scored = 0, begin = 0;
    for (size_t i = 1; i < count; i++) {
      while (i >= begin + CONTEXT) begin += STRIDE;
      bool likely;
      if (i == 1 || i >= scored) {
        logits_of(logits, ids + begin, CONTEXT < count - begin ? CONTEXT : count - begin, golden);
        scored = begin + CONTEXT;
      }
      sum += loss(logits + (i - 1 - begin) * V, ids[i], &likely);
      right += likely;
    }
    cJSON *json =
        run("perplexity --model %s --text %s --engine %s --context 40 --stride 13 --threads 3",
            model, path, golden ? "golden" : "float");
    const double expected = exp(sum / (double)(count - 1));
    print_message("perplexity %.6f, expected %.6f\n", number(json, "perplexity"), expected);
    assert_true(fabs(number(json, "perplexity") / expected - 1) < 1e-4);
    assert_true(fabs(number(json, "accuracy") * (double)(count - 1) - (double)right) < 1e-6);
    assert_int_equal((size_t)number(json, "tokens"), count - 1);
    assert_int_equal((int)number(json, "saturations"), 0);
    cJSON_Delete(json);
  }
  free(ids);
}

// ----------------------------------------------------------------------------------------- LAMBADA

// Passages of words; one with a blank too many, and one too long for the context.
static void test_lambada(void **unused) {
  (void)unused;
  static const char *const passages[][2] = {
      {"the cat sat on the", " mat"},
      {"a b c d e f g h i", " j"},
      {"two", " words"},
      {"a blank too many ", " here"},
      {"a line\\n", " break"},
      {"one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
       "sixteen",
       " seventeen"},
  };
  enum { N = sizeof passages / sizeof *passages };
  static double logits[CTX * V];
  char path[FILE_PATH_SIZE], text[4096] = "", line[512];
  struct err err;
  for (size_t i = 0; i < N; i++) {
    snprintf(line, sizeof line, "{\"text\": \"%s%s\"}\n%s", passages[i][0], passages[i][1],
             i == 2 ? "\n" : "");
    strcat(text, line);
  }
  write_string(path, folder, "passages", text);
  for (int golden = 0; golden < 2; golden++) {
    double sum = 0;
    size_t right = 0, longest = 0;
    for (size_t i = 0; i < N; i++) {
      uint32_t *ids, *context;
      size_t count, n;
      snprintf(line, sizeof line, "%s%s", passages[i][0], passages[i][1]);
      for (char *c = line; *c != 0; c++) {
        if (c[0] == '\\' && c[1] == 'n') {
          *c = '\n';
          memmove(c + 1, c + 2, strlen(c + 1));
        }
      }
      expect_success(tokenizer_encode(tokenizer, line, strlen(line), &ids, &count, &err), &err);
      size_t end = (size_t)(strrchr(line, ' ') - line);
      while (line[end - 1] == ' ' || line[end - 1] == '\n') end--;
      expect_success(tokenizer_encode(tokenizer, line, end, &context, &n, &err), &err);
      const size_t cut = count > CTX + 1 ? count - (CTX + 1) : 0;
      longest = count > longest ? count : longest;
      logits_of(logits, ids + cut, count - cut - 1, golden);
      bool all = true;
      for (size_t t = n; t < count; t++) {
        bool likely;
        sum += loss(logits + (t - 1 - cut) * V, ids[t], &likely);
        all = all && likely;
      }
      right += all;
      free(ids);
      free(context);
    }
    assert_true(longest > CTX + 1);
    cJSON *json =
        run("lambada --model %s --file %s --engine %s", model, path, golden ? "golden" : "float");
    assert_int_equal((int)number(json, "passages"), N);
    assert_true(fabs(number(json, "perplexity") / exp(sum / N) - 1) < 1e-4);
    assert_true(fabs(number(json, "accuracy") - (double)right / N) < 1e-9);
    cJSON_Delete(json);
  }
  struct passage passage;
  expect_failure(evaluate_passage(&passage, tokenizer, "word", CTX, &err), &err, "no word before");
  expect_failure(evaluate_passage(&passage, tokenizer, " word", CTX, &err), &err, "no word before");
}

// Of equal logits the lower id counts.
static void test_likely(void **unused) {
  (void)unused;
  const float equal[3] = {1, 5, 5};
  assert_true(scorer_score(equal, 3, 1).likely);
  assert_false(scorer_score(equal, 3, 2).likely);
  assert_false(scorer_score(equal, 3, 0).likely);
}

// Errors are reported with path and line.
static void expect_error(int status, const char *fragment, const char *arguments) {
  char command[8192], text[4096];
  snprintf(command, sizeof command, "XDG_CACHE_HOME=%s build/gpt2rtl %s 2>&1 > /dev/null", folder,
           arguments);
  FILE *pipe = popen(command, "r");
  assert_non_null(pipe);
  text[fread(text, 1, sizeof text - 1, pipe)] = 0;
  const int found = pclose(pipe) / 256;
  if (found != status || strstr(text, fragment) == NULL) {
    fail_msg("gpt2rtl %s: status %d, \"%s\"; expected %d and \"%s\"", arguments, found, text,
             status, fragment);
  }
}

static void test_errors(void **unused) {
  (void)unused;
  char path[FILE_PATH_SIZE], arguments[6000];
  write_string(path, folder, "one", "a");
  snprintf(arguments, sizeof arguments, "perplexity --model %s --text %s", model, path);
  expect_error(1, "at least 2", arguments);
  write_string(path, folder, "many", "some words to score");
  static const struct {
    int status;
    const char *fragment, *options;
  } wrong[] = {
      {1, "model's context is 64", "--context 65"},
      {1, "at most the context, 20", "--context 20 --stride 21"},
      {2, "1 to 1024", "--stride 0"},
      {2, "golden gives the same", "--engine rtl"},
      {2, "1 to 256", "--threads 0"},
      {2, "unknown option", "--file x"},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    snprintf(arguments, sizeof arguments, "perplexity --model %s --text %s %s", model, path,
             wrong[i].options);
    expect_error(wrong[i].status, wrong[i].fragment, arguments);
  }
  expect_error(2, "--model is missing", "perplexity --text x");
  expect_error(2, "--file is missing", "lambada --model x");
  static const char *const lines[][2] = {{"{\"text\": \"a b\"}\n{\"txt\": \"a b\"}",
                                          "line 2: expected an object"},
                                         {"\n\n{\"text\": \"word\"}",
                                          "line 3: 'word' has no word before"},
                                         {"{\"text\": 3}", "line 1: expected"},
                                         {"{\"text\": \"a b\"", "line 1: expected"},
                                         {" \n\n", "no passage"}};
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    write_string(path, folder, "lines", lines[i][0]);
    snprintf(arguments, sizeof arguments, "lambada --model %s --file %s", model, path);
    expect_error(1, lines[i][1], arguments);
  }
}

// ---------------------------------------------------------------------------- the official weights

// lm-evaluation-harness prints accuracy 0.3256 and perplexity 40.06 for GPT-2 124M on the whole
// file. A tenth of the passages, taken from the front, is within a few standard errors of both.
static void test_published_lambada(void **unused) {
  (void)unused;
  const char *dir = need_gpt2();
  char path[FILE_PATH_SIZE];
  need_shared(path, "text/lambada/lambada_test.jsonl");
  for (int golden = 0; golden < 2; golden++) {
    cJSON *json = run("lambada --model %s --file %s --engine %s --limit 500", dir, path,
                      golden ? "golden" : "float");
    print_message("accuracy %.4f, perplexity %.2f\n", number(json, "accuracy"),
                  number(json, "perplexity"));
    assert_true(fabs(number(json, "accuracy") - 0.3256) < 0.07);
    assert_true(fabs(log(number(json, "perplexity") / 40.06)) < 0.4);
    cJSON_Delete(json);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_windows), cmocka_unit_test(test_perplexity),
      cmocka_unit_test(test_lambada), cmocka_unit_test(test_likely),
      cmocka_unit_test(test_errors),  cmocka_unit_test(test_published_lambada),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
