// SPDX-License-Identifier: Apache-2.0
// test_gpt2_float - against double precision, against published outputs, and against itself
#include "reference.h"

#include <math.h>
#include <time.h>

#include "elementary.h"
#include "gpt2_float.h"
#include "naive_gpt2.h"
#include "random_model.h"
#include "tokenizer.h"
#include "weights.h"

// ----------------------------------------------------------------------------- a random nano model

static void load_nano(void **state, struct gpt2_weights *w, uint64_t seed) {
  char dir[FILE_PATH_SIZE];
  struct err err;
  assert_int_equal(file_join(dir, *state, "nano", NULL), 0);
  remove_tree(dir);
  expect_success(random_model_write("nano", seed, dir, &err), &err);
  expect_success(weights_load(w, dir, &err), &err);
}

static void test_against_double(void **state) {
  enum { N = 64, V = 301 };
  static double expected[N * V];
  for (uint64_t seed = 1; seed <= 3; seed++) {
    struct gpt2_weights w;
    struct gpt2_float *s;
    struct naive_statistics stats;
    struct err err;
    uint32_t ids[N];
    float logits[V];
    uint64_t random = seed;
    double worst = 0;
    load_nano(state, &w, seed);
    for (size_t i = 0; i < N; i++) ids[i] = (uint32_t)random_below(&random, V);
    naive_gpt2(expected, &w, ids, N, &stats);
    expect_success(gpt2_float_create(&s, &w, &err), &err);
    for (size_t t = 0; t < N; t++) {
      expect_success(gpt2_float_step(s, ids[t], t, logits, &err), &err);
      for (size_t i = 0; i < V; i++) worst = fmax(worst, fabs(logits[i] - expected[t * V + i]));
    }
    print_message("largest difference %.1e\n", worst);
    assert_true(worst < 1e-4);  // 1e-3 is required
    gpt2_float_free(s);
    weights_free(&w);
  }
}

// One at a time, all at once, rewound, and the losses: the numbers are the same.
static void test_batches(void **state) {
  enum { N = 61, V = 301 };
  struct gpt2_weights w;
  struct gpt2_float *s;
  struct err err;
  uint32_t ids[N];
  static float steps[N][V];
  float logits[V];
  double nll[N - 1];
  uint64_t random = 21;
  load_nano(state, &w, 4);
  expect_success(gpt2_float_create(&s, &w, &err), &err);
  for (size_t i = 0; i < N; i++) ids[i] = (uint32_t)random_below(&random, V);
  for (size_t t = 0; t < N; t++)
    expect_success(gpt2_float_step(s, ids[t], t, steps[t], &err), &err);
  for (size_t n = 1; n <= N; n++) {
    gpt2_float_reset(s);
    expect_success(gpt2_float_prompt(s, ids, n, 0, logits, &err), &err);
    for (size_t i = 0; i < V; i++) assert_true(fabsf(logits[i] - steps[n - 1][i]) < 1e-4f);
  }
  // Positions 10.. are computed again with other ids, and then with the old ones.
  expect_success(gpt2_float_step(s, 7, 10, NULL, &err), &err);
  expect_success(gpt2_float_prompt(s, ids + 10, 20, 10, logits, &err), &err);
  for (size_t i = 0; i < V; i++) assert_true(fabsf(logits[i] - steps[29][i]) < 1e-4f);
  expect_success(gpt2_float_nll(s, ids, N, nll, &err), &err);
  for (size_t t = 0; t + 1 < N; t++) {
    double total = 0;
    for (size_t i = 0; i < V; i++) total += exp(steps[t][i]);
    assert_true(fabs(nll[t] - (log(total) - steps[t][ids[t + 1]])) < 1e-4);
  }
  gpt2_float_free(s);
  weights_free(&w);
}

static void test_ranges(void **state) {
  struct gpt2_weights w;
  struct gpt2_float *s;
  struct err err;
  uint32_t ids[65] = {0};
  double nll[64];
  load_nano(state, &w, 4);
  expect_success(gpt2_float_create(&s, &w, &err), &err);
  expect_failure(gpt2_float_step(s, 301, 0, NULL, &err), &err, "id 301 at index 0");
  expect_failure(gpt2_float_step(s, 0, 1, NULL, &err), &err, "position 1, but only 0");
  expect_failure(gpt2_float_prompt(s, ids, 65, 0, NULL, &err), &err, "do not fit 64 positions");
  expect_failure(gpt2_float_nll(s, ids, 1, nll, &err), &err, "at least 2");
  expect_success(gpt2_float_prompt(s, ids, 64, 0, NULL, &err), &err);
  expect_failure(gpt2_float_step(s, 0, 64, NULL, &err), &err, "do not fit 64 positions");
  gpt2_float_reset(s);
  expect_failure(gpt2_float_step(s, 0, 1, NULL, &err), &err, "position 1, but only 0");
  gpt2_float_free(s);
  weights_free(&w);
}

struct final_norm {
  float x[10];
};

static void keep_final_norm(void *ctx, const struct tensor_place *place, const float *x, size_t n) {
  struct final_norm *kept = ctx;
  (void)n;
  if (place->tensor == TENSOR_LN_F && place->position == 0) memcpy(kept->x, x, sizeof kept->x);
}

// Every tensor of one position, as the engine shows it.
struct seen {
  size_t calls;
  struct tensor_place last;
  float x[2][TENSORS][4 * 128];
};

static void observe(void *ctx, const struct tensor_place *place, const float *x, size_t n) {
  struct seen *seen = ctx;
  assert_true(place->layer < 2 && n <= 4 * 128);
  assert_int_equal(place->position, 0);
  assert_true(seen->calls == 0 || place->layer > seen->last.layer ||
              place->tensor > seen->last.tensor);
  memcpy(seen->x[place->layer][place->tensor], x, n * sizeof *x);
  seen->last = *place;
  seen->calls++;
}

// The tensors are what their names say: sums add up, and functions of one tensor give the other.
static void test_tap(void **state) {
  static struct seen seen;
  struct gpt2_weights w;
  struct gpt2_float *s;
  struct err err;
  float logits[301];
  load_nano(state, &w, 4);
  expect_success(gpt2_float_create(&s, &w, &err), &err);
  gpt2_float_observe(s, observe, &seen);
  expect_success(gpt2_float_step(s, 5, 0, logits, &err), &err);
  assert_int_equal(seen.calls, 3 + 2 * 14 + 2);
  const float(*first)[4 * 128] = seen.x[0], (*second)[4 * 128] = seen.x[1];
  for (size_t i = 0; i < 128; i++) {
    assert_true(first[TENSOR_WTE][i] == w.wte[5 * 128 + i] && first[TENSOR_WPE][i] == w.wpe[i]);
    assert_true(first[TENSOR_DROP][i] == first[TENSOR_WTE][i] + first[TENSOR_WPE][i]);
    assert_true(first[TENSOR_KEY][i] == first[TENSOR_C_ATTN][128 + i]);
    assert_true(first[TENSOR_VALUE][i] == first[TENSOR_C_ATTN][256 + i]);
    assert_true(first[TENSOR_CONTEXT][i] == first[TENSOR_VALUE][i]);  // one position: all of it
    assert_true(first[TENSOR_RESID_MID][i] == first[TENSOR_DROP][i] + first[TENSOR_ATTN_PROJ][i]);
    assert_true(first[TENSOR_LAYER][i] == first[TENSOR_RESID_MID][i] + first[TENSOR_MLP_PROJ][i]);
    assert_true(second[TENSOR_RESID_MID][i] ==
                first[TENSOR_LAYER][i] + second[TENSOR_ATTN_PROJ][i]);
  }
  double layer[128], normed[128];
  for (size_t i = 0; i < 128; i++) layer[i] = (double)second[TENSOR_LAYER][i];
  naive_norm(normed, layer, w.ln_f_g, w.ln_f_b, 128, 1e-5);
  for (size_t i = 0; i < 128; i++)
    assert_true(fabs(normed[i] - (double)first[TENSOR_LN_F][i]) < 1e-3);
  for (size_t h = 0; h < 2; h++) {
    double score = 0;
    for (size_t d = 0; d < 64; d++)
      score += (double)first[TENSOR_C_ATTN][64 * h + d] * (double)first[TENSOR_KEY][64 * h + d] / 8;
    assert_true(fabs(score - (double)first[TENSOR_SCORES][h]) < 1e-4);
  }
  for (size_t i = 0; i < 512; i++) {
    const double u = (double)second[TENSOR_C_FC][i];
    const double g = 0.5 * u * (1 + tanh(0.7978845608028654 * (u + 0.044715 * u * u * u)));
    assert_true(fabs(g - (double)second[TENSOR_ACT][i]) < 1e-5);
  }
  assert_memory_equal(first[TENSOR_LM_HEAD], logits, sizeof logits);
  gpt2_float_free(s);
  weights_free(&w);
}

// ------------------------------------------------------------------------------- the stories model

static char *greedy(const struct gpt2_weights *w, const struct tokenizer *t, const char *prompt,
                    size_t new_ids) {
  struct gpt2_float *s;
  struct err err;
  uint32_t *ids;
  uint32_t all[1024];
  size_t count;
  size_t V = w->config.vocab_size;
  float *logits = malloc(V * sizeof *logits);
  char *text;
  size_t length;
  expect_success(tokenizer_encode(t, prompt, strlen(prompt), &ids, &count, &err), &err);
  memcpy(all, ids, count * sizeof *ids);
  free(ids);
  expect_success(gpt2_float_create(&s, w, &err), &err);
  expect_success(gpt2_float_prompt(s, all, count, 0, logits, &err), &err);
  for (size_t k = 0; k < new_ids; k++) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < V; i++) best = logits[i] > logits[best] ? i : best;
    all[count++] = best;
    expect_success(gpt2_float_step(s, best, count - 1, logits, &err), &err);
  }
  expect_success(tokenizer_decode(t, all, count, &text, &length, &err), &err);
  gpt2_float_free(s);
  free(logits);
  return text;
}

// The mean loss of the last 2 % of a book, which the model has not seen.
static double held_out_loss(const struct gpt2_weights *w, const struct tokenizer *t,
                            const char *path, size_t *targets) {
  struct gpt2_float *s;
  struct file_map map;
  struct err err;
  uint32_t *ids;
  size_t count;
  double *nll = malloc(w->config.n_ctx * sizeof *nll);
  double sum = 0;
  size_t n = 0;
  expect_success(file_map_open(&map, path, &err), &err);
  size_t begin = map.size - map.size / 50;
  expect_success(tokenizer_encode(t, (const char *)map.data + begin, map.size - begin, &ids, &count,
                                  &err),
                 &err);
  expect_success(gpt2_float_create(&s, w, &err), &err);
  for (size_t i = 0; i + 1 < count; i += w->config.n_ctx - 1) {
    size_t window = count - i < w->config.n_ctx ? count - i : w->config.n_ctx;
    expect_success(gpt2_float_nll(s, ids + i, window, nll, &err), &err);
    for (size_t k = 0; k + 1 < window; k++, n++) sum += nll[k];
  }
  gpt2_float_free(s);
  file_map_close(&map);
  free(ids);
  free(nll);
  *targets += n;
  return sum;
}

static void test_stories(void **state) {
  (void)state;
  static const char *const books[] = {"113_the_secret_garden.txt",
                                      "289_the_wind_in_the_willows.txt",
                                      "501_the_story_of_doctor_dolittle.txt",
                                      "2591_grimms_fairy_tales.txt"};
  char path[FILE_PATH_SIZE];
  char dir[FILE_PATH_SIZE];
  struct gpt2_weights w;
  struct tokenizer *t;
  struct err err;
  need_shared(dir, "models/stories-3.5m");
  expect_success(weights_load(&w, dir, &err), &err);
  expect_success(tokenizer_load(&t, dir, w.config.vocab_size, &err), &err);
  assert_int_equal(config_parameters(&w.config), 3505152);

  char *text = greedy(&w, t, "Once upon a time there was a little", 40);
  print_message("%s\n", text);
  free(text);
  double sum = 0;
  size_t targets = 0;
  for (size_t i = 0; i < sizeof books / sizeof books[0]; i++) {
    char name[128];
    snprintf(name, sizeof name, "text/stories/%s", books[i]);
    need_shared(path, name);
    sum += held_out_loss(&w, t, path, &targets);
  }
  double loss = sum / (double)targets;
  print_message("held-out loss of four books: %.3f nats over %zu tokens\n", loss, targets);
  assert_true(loss > 3.3 && loss < 3.9);  // 3.62 over all books, says the model's README
  tokenizer_free(t);
  weights_free(&w);
}

// ---------------------------------------------------------------------------- the official weights

static void load_gpt2(struct gpt2_weights *w, struct gpt2_float **s) {
  const char *dir = need_gpt2();
  struct err err;
  expect_success(weights_load(w, dir, &err), &err);
  assert_int_equal(config_parameters(&w->config), 124439808);
  expect_success(gpt2_float_create(s, w, &err), &err);
}

// Logits and hidden states printed by other implementations; the sources are in the README of
// ../shared/data/reference.
static void test_published_values(void **state) {
  (void)state;
  struct gpt2_weights w;
  struct gpt2_float *s;
  struct err err;
  load_gpt2(&w, &s);
  size_t V = w.config.vocab_size;
  float *logits = malloc(V * sizeof *logits);

  static const uint32_t dog[] = {15496, 11, 616, 3290, 318, 13779};
  static const float expected[3][3] = {{-114.5832f, -116.5725f, -116.0830f},
                                       {-89.8644f, -93.1977f, -94.4351f},
                                       {-88.3380f, -92.8703f, -94.4454f}};
  for (size_t t = 0; t < 4; t++) {
    expect_success(gpt2_float_step(s, dog[t], t, logits, &err), &err);
    for (size_t i = 0; t > 0 && i < 3; i++)
      assert_true(fabsf(logits[i + 1] - expected[t - 1][i]) < 1e-3f);
  }

  static const float norm[10] = {-9.0888e-06f, -0.140210f, -0.208451f, -0.028112f, -0.090178f,
                                 -0.198508f,   4.072483f,  -0.248991f, -0.171686f, -0.016896f};
  struct final_norm kept = {{0}};
  gpt2_float_observe(s, keep_final_norm, &kept);
  expect_success(gpt2_float_step(s, 15496, 0, logits, &err), &err);
  gpt2_float_observe(s, NULL, NULL);
  for (size_t i = 0; i < 10; i++) assert_true(fabsf(kept.x[i] - norm[i]) < 1e-3f);

  static const uint32_t count[] = {3198, 734, 1115, 1440};
  expect_success(gpt2_float_prompt(s, count, 4, 0, logits, &err), &err);
  for (size_t i = 0; i < V; i++) assert_true(logits[i] <= logits[1936]);
  assert_true(fabsf(logits[1936] - -69.4948f) < 1e-3f);
  free(logits);
  gpt2_float_free(s);
  weights_free(&w);
}

// The values of the file are of unknown precision: the first ranks must agree, and all values
// within 0.05.
static void test_published_ranks(void **state) {
  (void)state;
  struct gpt2_weights w;
  struct gpt2_float *s;
  struct err err;
  load_gpt2(&w, &s);
  float *logits = malloc(w.config.vocab_size * sizeof *logits);
  cJSON *root = need_json("reference/gpt2_124m_logits.json");
  const cJSON *item;
  cJSON_ArrayForEach(item, root) {
    uint32_t ids[64];
    size_t count = read_ids(ids, 64, cJSON_GetObjectItem(item, "ids"));
    expect_success(gpt2_float_prompt(s, ids, count, 0, logits, &err), &err);
    double worst = 0;
    float before = INFINITY;
    const cJSON *pair;
    cJSON_ArrayForEach(pair, cJSON_GetObjectItem(item, "last_logits_top200")) {
      float mine = logits[pair->child->valueint];
      worst = fmax(worst, fabs(mine - pair->child->next->valuedouble));
      assert_true(mine < before + 0.05f);  // the same order, except for near ties
      before = mine;
    }
    print_message("%s: largest difference %.4f\n", cJSON_GetObjectItem(item, "prompt")->valuestring,
                  worst);
    assert_true(worst < 0.05);
  }
  cJSON_Delete(root);
  free(logits);
  gpt2_float_free(s);
  weights_free(&w);
}

// Mean cross-entropy of 4 x 64 targets; llm.c gets 5.270007 in float32.
static void test_published_loss(void **state) {
  (void)state;
  struct gpt2_weights w;
  struct gpt2_float *s;
  struct err err;
  load_gpt2(&w, &s);
  float *logits = malloc(w.config.vocab_size * sizeof *logits);
  cJSON *root = need_json("reference/llmc_debug_batch.json");
  double sum = 0;
  int rows = cJSON_GetArraySize(cJSON_GetObjectItem(root, "x"));
  for (int b = 0; b < rows; b++) {
    uint32_t x[64];
    uint32_t y[64];
    read_ids(x, 64, cJSON_GetArrayItem(cJSON_GetObjectItem(root, "x"), b));
    read_ids(y, 64, cJSON_GetArrayItem(cJSON_GetObjectItem(root, "y"), b));
    for (size_t t = 0; t < 64; t++) {
      expect_success(gpt2_float_step(s, x[t], t, logits, &err), &err);
      sum += gpt2_float_loss(logits, w.config.vocab_size, y[t]);
    }
  }
  print_message("mean loss %.6f, expected 5.270007\n", sum / (64 * rows));
  assert_true(fabs(sum / (64 * rows) - 5.270007) < 1e-4);
  cJSON_Delete(root);
  free(logits);
  gpt2_float_free(s);
  weights_free(&w);
}

static void test_published_texts(void **state) {
  (void)state;
  static const char *const texts[][2] = {
      {"Alan Turing theorized that computers would one day become",
       " the most powerful machines on the planet.\n\nThe computer is a machine that can perform "
       "complex calculations, and it can perform these calculations in a way that is very similar "
       "to the human brain.\n"},
      {"The meaning of life is", " not the same as the meaning of death"},
      {"The dog", " was found in a field near the intersection of West and West Streets.\n\nThe "
                  "dog"},
  };
  const char *dir = need_gpt2();
  struct gpt2_weights w;
  struct tokenizer *t;
  struct err err;
  expect_success(weights_load(&w, dir, &err), &err);
  expect_success(tokenizer_load(&t, dir, w.config.vocab_size, &err), &err);
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    uint32_t *ids;
    size_t count;
    expect_success(tokenizer_encode(t, texts[i][1], strlen(texts[i][1]), &ids, &count, &err), &err);
    free(ids);
    char *text = greedy(&w, t, texts[i][0], count);
    assert_string_equal(text + strlen(texts[i][0]), texts[i][1]);
    free(text);
  }
  tokenizer_free(t);
  weights_free(&w);
}

// exp and tanh of every 977th float, both signs: the nearest float to what double precision gives.
static void test_elementary(void **unused) {
  (void)unused;
  size_t different = 0;
  for (uint32_t bits = 0; bits < 0x42D00000; bits += 977) {
    float x;
    memcpy(&x, &bits, sizeof x);
    for (int sign = 0; sign < 2; sign++, x = -x) {
      different +=
          elementary_exp(x) < (float)exp((double)x) || elementary_exp(x) > (float)exp((double)x);
      different += elementary_tanh(x) < (float)tanh((double)x) ||
                   elementary_tanh(x) > (float)tanh((double)x);
    }
  }
  assert_true(different < 5);
  assert_true(isnan(elementary_exp(NAN)) && isnan(elementary_tanh(NAN)));
  assert_true(elementary_exp(-INFINITY) <= 0 && isinf(elementary_exp(INFINITY)) &&
              elementary_tanh(-INFINITY) <= -1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_elementary),
      IN_FOLDER(test_against_double),
      IN_FOLDER(test_batches),
      IN_FOLDER(test_ranges),
      IN_FOLDER(test_tap),
      cmocka_unit_test(test_stories),
      cmocka_unit_test(test_published_values),
      cmocka_unit_test(test_published_ranks),
      cmocka_unit_test(test_published_loss),
      cmocka_unit_test(test_published_texts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
