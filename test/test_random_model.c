// SPDX-License-Identifier: Apache-2.0
// test_random_model - folders that load, tokenizers that accept any bytes, numbers that are not
// flat
#include "model_test.h"

#include <math.h>
#include <sys/stat.h>

#include "gpt2_float.h"
#include "naive_gpt2.h"
#include "random_model.h"
#include "tokenizer.h"
#include "tokenizer_files.h"
#include "weights.h"

static void make_model(char dir[static FILE_PATH_SIZE], void **state, const char *name,
                       uint64_t seed) {
  struct err err;
  assert_int_equal(file_join(dir, *state, name, NULL), 0);
  expect_success(random_model_write(name, seed, dir, &err), &err);
}

static void test_nano_loads(void **state) {
  char dir[FILE_PATH_SIZE];
  struct err err;
  struct gpt2_weights weights;
  make_model(dir, state, "nano", 1);
  expect_success(weights_load(&weights, dir, &err), &err);
  assert_int_equal(weights.config.n_layer, 2);
  assert_int_equal(weights.config.n_embd, 128);
  assert_int_equal(weights.config.n_ctx, 64);
  assert_int_equal(weights.config.vocab_size, 301);
  assert_int_equal(config_eos(&weights.config), 300);
  assert_ptr_equal(weights.lm_head, weights.wte);
  weights_free(&weights);
}

// From a config.json only the shape is taken, here the smallest heads and vocabulary, and no other
// field.
static void test_shape_of_a_file(void **state) {
  char dir[FILE_PATH_SIZE], path[FILE_PATH_SIZE];
  struct err err;
  struct gpt2_weights weights;
  write_string(path, *state, "shape.json",
               "{\"n_layer\": 3, \"n_head\": 1, \"n_embd\": 64, \"n_positions\": 5,"
               " \"vocab_size\": 257, \"tie_word_embeddings\": false, \"eos_token_id\": 7}");
  assert_int_equal(file_join(dir, *state, "model", NULL), 0);
  expect_success(random_model_write(path, 1, dir, &err), &err);
  expect_success(weights_load(&weights, dir, &err), &err);
  assert_int_equal(weights.config.n_layer, 3);
  assert_int_equal(weights.config.n_head, 1);
  assert_int_equal(weights.config.n_ctx, 5);
  assert_int_equal(weights.config.vocab_size, 257);
  assert_int_equal(config_eos(&weights.config), 256);
  assert_ptr_equal(weights.lm_head, weights.wte);
  weights_free(&weights);
  write_string(
      path, *state, "small.json",
      "{\"n_layer\": 1, \"n_head\": 1, \"n_embd\": 64, \"n_positions\": 5, \"vocab_size\": 256}");
  expect_failure(random_model_write(path, 1, dir, &err), &err, "vocab_size is 256, expected 257");
  assert_int_equal(file_join(path, *state, "absent.json", NULL), 0);
  expect_failure(random_model_write(path, 1, dir, &err), &err, "absent.json");
}

// Pinned, so that every machine and compiler makes the same model.
static void test_weights_are_reproducible(void **state) {
  char dir[FILE_PATH_SIZE];
  struct err err;
  struct gpt2_weights one;
  struct gpt2_weights two;
  make_model(dir, state, "nano", 7);
  expect_success(weights_load(&one, dir, &err), &err);
  remove_tree(dir);
  make_model(dir, state, "nano", 7);
  expect_success(weights_load(&two, dir, &err), &err);
  size_t bytes = config_parameters(&one.config) * sizeof(float);
  assert_memory_equal(one.storage, two.storage, bytes);
  weights_free(&two);
  remove_tree(dir);
  make_model(dir, state, "nano", 8);
  expect_success(weights_load(&two, dir, &err), &err);
  assert_memory_not_equal(one.storage, two.storage, bytes);

  uint64_t hash = 0xCBF29CE484222325u;  // FNV-1a over the bits, all of which are in the top 16
  for (size_t i = 0; i < config_parameters(&one.config); i++) {
    uint32_t bits;
    memcpy(&bits, &one.storage[i], sizeof bits);
    hash = (hash ^ bits >> 16) * 0x100000001B3u;
  }
  assert_int_equal(hash, 0x2F152D5D5FF27ED6u);
  weights_free(&one);
  weights_free(&two);
}

// Attention between flat and one-hot, logits that tell tokens apart, a residual that stays bounded.
static void test_numbers_are_not_flat(void **state) {
  char dir[FILE_PATH_SIZE];
  struct err err;
  struct gpt2_weights w;
  make_model(dir, state, "nano", 3);
  expect_success(weights_load(&w, dir, &err), &err);
  enum { N = 64 };
  size_t V = w.config.vocab_size;
  uint32_t ids[N];
  uint64_t random = 5;
  for (size_t i = 0; i < N; i++) ids[i] = (uint32_t)random_below(&random, V);
  double *logits = calloc(N * V, sizeof *logits);
  assert_non_null(logits);
  struct naive_statistics stats;
  naive_gpt2(logits, &w, ids, N, &stats);

  double mean = 0;
  double squares = 0;
  for (size_t i = 0; i < N * V; i++) mean += logits[i] / (double)(N * V);
  for (size_t i = 0; i < N * V; i++)
    squares += (logits[i] - mean) * (logits[i] - mean) / (double)(N * V);
  double relative = stats.entropy / stats.flat;
  double scores = sqrt(stats.score_squares / stats.scores);
  print_message("attention entropy %.2f of flat, scores' deviation %.2f, logits' deviation %.2f, "
                "largest residual %.0f\n",
                relative, scores, sqrt(squares), stats.largest);
  assert_true(relative > 0.3 && relative < 0.85);
  assert_true(scores > 1 && scores < 4);
  assert_true(sqrt(squares) > 2 && sqrt(squares) < 8);
  assert_true(stats.largest > 2 && stats.largest < 50);
  free(logits);
  weights_free(&w);
}

// GPT-2 124M's hidden state has one: near 3,000 at position 0, one dimension, whatever the token.
static void observe_outlier(void *ctx, const struct tensor_place *place, const float *x, size_t n) {
  double(*largest)[2] =
      ctx;  // [0]: the outlier at position 0; [1]: anything else of the hidden state
  for (size_t i = 0; i < n && (place->tensor == TENSOR_DROP || place->tensor == TENSOR_LAYER);
       i++) {
    const bool outlier =
        place->position == 0 && i == random_model_outlier(n) && place->tensor == TENSOR_LAYER;
    (*largest)[outlier ? 0 : 1] = fmax((*largest)[outlier ? 0 : 1], fabs((double)x[i]));
  }
}

static void test_outliers(void **state) {
  for (uint64_t seed = 1; seed <= 3; seed++) {
    char dir[FILE_PATH_SIZE], name[32];
    struct err err;
    struct gpt2_weights w;
    struct gpt2_float *s;
    snprintf(name, sizeof name, "outliers-%u", (unsigned)seed);
    expect_success(file_join(dir, *state, name, &err), &err);
    expect_success(random_model_write_outliers("nano", seed, dir, &err), &err);
    expect_success(weights_load(&w, dir, &err), &err);
    expect_success(gpt2_float_create(&s, &w, &err), &err);
    double smallest = INFINITY, largest = 0, others = 0;
    for (uint32_t id = 0; id < 301; id += 30) {
      double seen[2] = {0};
      gpt2_float_observe(s, observe_outlier, &seen);
      for (uint32_t t = 0; t < 8; t++)
        expect_success(gpt2_float_step(s, (id + 41 * t) % 301, t, NULL, &err), &err);
      smallest = fmin(smallest, seen[0]);
      largest = fmax(largest, seen[0]);
      others = fmax(others, seen[1]);
    }
    print_message("outlier from %.0f to %.0f, others up to %.0f\n", smallest, largest, others);
    assert_true(smallest > 2600 && largest < 3400 &&
                others < 150);  // in so narrow a shape the neurons open a little elsewhere
    gpt2_float_free(s);
    weights_free(&w);
  }
}

static void test_tokenizer_takes_any_bytes(void **state) {
  char dir[FILE_PATH_SIZE];
  struct err err;
  struct tokenizer *t;
  make_model(dir, state, "nano", 1);
  expect_success(tokenizer_load(&t, dir, 301, &err), &err);
  assert_int_equal(tokenizer_end_of_text(t), 300);
  for (uint32_t id = 0; id < 301; id++) {
    size_t length;
    assert_non_null(tokenizer_token(t, id, &length));
    assert_true(length > 0);
  }
  uint64_t random = 11;
  for (int round = 0; round < 200; round++) {
    char text[300];
    for (size_t i = 0; i < sizeof text; i++) text[i] = (char)random_next(&random);
    tokenizer_round_trip(t, text, random_below(&random, sizeof text));
  }
  uint32_t *ids;
  size_t count;
  expect_success(tokenizer_encode(t, "the end<|endoftext|>", 20, &ids, &count, &err), &err);
  assert_true(count < 20);
  assert_int_equal(ids[count - 1], 300);
  free(ids);
  tokenizer_free(t);
}

static void test_folder_in_use(void **state) {
  char dir[FILE_PATH_SIZE];
  char path[FILE_PATH_SIZE];
  struct err err;
  make_model(dir, state, "nano", 1);
  expect_failure(random_model_write("nano", 1, dir, &err), &err, "not empty");
  expect_failure(random_model_write("pico", 1, dir, &err), &err, "expected nano, gpt2,");
  write_string(path, *state, "file", "");
  expect_failure(random_model_write("nano", 1, path, &err), &err, "file");
  assert_int_equal(file_join(path, *state, "empty/", NULL), 0);
  assert_int_equal(mkdir(path, 0777), 0);
  expect_success(random_model_write("nano", 1, path, &err), &err);
  assert_int_equal(file_join(path, *state, "no/such/parent", NULL), 0);
  expect_failure(random_model_write("nano", 1, path, &err), &err, "No such file");
}

// The full vocabulary and the true shape: 250 MB, in about a second.
static void test_gpt2_shape(void **state) {
  char dir[FILE_PATH_SIZE];
  struct err err;
  struct gpt2_weights w;
  struct tokenizer *t;
  make_model(dir, state, "gpt2", 1);
  expect_success(weights_load(&w, dir, &err), &err);
  assert_int_equal(config_parameters(&w.config), 124439808);
  expect_success(tokenizer_load(&t, dir, w.config.vocab_size, &err), &err);
  tokenizer_round_trip(t, "Once upon a time, 42 \xF0\x9F\x9A\x80 \xFF\xC3", 25);
  tokenizer_free(t);
  weights_free(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_FOLDER(test_nano_loads),
      IN_FOLDER(test_shape_of_a_file),
      IN_FOLDER(test_weights_are_reproducible),
      IN_FOLDER(test_numbers_are_not_flat),
      IN_FOLDER(test_outliers),
      IN_FOLDER(test_tokenizer_takes_any_bytes),
      IN_FOLDER(test_folder_in_use),
      IN_FOLDER(test_gpt2_shape),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
