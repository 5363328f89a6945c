// SPDX-License-Identifier: Apache-2.0
// What the integer model loses against float32, on text that the model was not trained on: the last
// 2 % of some books of the shared stories, which the training leaves out of every book.
#include "golden_test.h"
#include "gpt2_float.h"
#include "tokenizer.h"

enum { TOKENS = 4000 };  // or a few more

static const char *const books[] = {"1874_the_railway_children.txt", "146_a_little_princess.txt",
                                    "271_black_beauty.txt", "7885_celtic_fairy_tales.txt"};
enum { BOOKS = sizeof books / sizeof *books };

// The held-out ends of the books, one after the other. Skips the test without the shared data.
static char *held_out(size_t *size) {
  char path[FILE_PATH_SIZE], name[128];
  char *text = NULL;
  struct err err;
  *size = 0;
  for (int b = 0; b < BOOKS; b++) {
    struct file_map book;
    snprintf(name, sizeof name, "text/stories/%s", books[b]);
    need_shared(path, name);
    expect_success(file_map_open(&book, path, &err), &err);
    size_t cut = book.size / 50 * 49 + book.size % 50;  // a little after 98 %, at a space
    while (cut < book.size && book.data[cut] != ' ') cut++;
    text = realloc(text, *size + book.size - cut);
    memcpy(text + *size, book.data + cut, book.size - cut);
    *size += book.size - cut;
    file_map_close(&book);
  }
  return text;
}

// The model that ships, or the stand-in until it does.
static void find_model(char dir[static FILE_PATH_SIZE]) {
  if (file_exists("models/demo/model.safetensors")) strcpy(dir, "models/demo");
  else need_shared(dir, "models/stories-3.5m");
}

struct model {
  char dir[FILE_PATH_SIZE];
  struct gpt2_weights weights, quantised;  // as trained; as the image has them
  struct image image;
  uint32_t *ids;  // the text's
  size_t count;
};

static void load_model(struct model *m, const char *folder) {
  char path[FILE_PATH_SIZE];
  size_t size;
  char *text = held_out(&size);
  struct tokenizer *tokenizer;
  struct err err;
  find_model(m->dir);
  expect_success(weights_load(&m->weights, m->dir, &err), &err);
  expect_success(file_join(path, folder, "image", &err), &err);
  expect_success(image_build(path, &m->weights, 256, 0, &err), &err);
  expect_success(image_open(&m->image, path, IMAGE_CHECKED, &err), &err);
  expect_success(image_weights(&m->quantised, &m->image, &err), &err);
  expect_success(tokenizer_load(&tokenizer, m->dir, m->weights.config.vocab_size, &err), &err);
  expect_success(tokenizer_encode(tokenizer, text, size, &m->ids, &m->count, &err), &err);
  free(text);
  tokenizer_free(tokenizer);
}

static void free_model(struct model *m) {
  image_close(&m->image);
  weights_free(&m->weights);
  weights_free(&m->quantised);
  free(m->ids);
}

static size_t most_likely(const float *logits, size_t n) {
  size_t best = 0;
  for (size_t v = 1; v < n; v++) best = logits[v] > logits[best] ? v : best;
  return best;
}

static void test_perplexity(void **state) {
  struct model m = {0};
  struct err err;
  struct gpt2_float *trained, *quantised;
  struct gpt2_core core;
  load_model(&m, *state);
  expect_success(gpt2_float_create(&trained, &m.weights, &err), &err);
  expect_success(gpt2_float_create(&quantised, &m.quantised, &err), &err);
  expect_success(gpt2_core_create(&core, &m.image, &err), &err);

  const size_t vocabulary = m.weights.config.vocab_size, context = m.weights.config.n_ctx;
  float *logits = calloc(vocabulary, sizeof *logits), *integer = calloc(vocabulary, sizeof *logits);
  double *nll = calloc(context, sizeof *nll);
  double of_trained = 0, of_quantised = 0, of_golden = 0;
  size_t n = 0, same = 0;
  // Each context is a separate text, whose last id is only predicted.
  for (size_t first = 0; first + context <= m.count && n < TOKENS; first += context - 1) {
    const uint32_t *ids = m.ids + first;
    expect_success(gpt2_float_nll(quantised, ids, context, nll, &err), &err);
    for (size_t t = 0; t + 1 < context; t++) {
      of_quantised += nll[t];
      expect_success(gpt2_float_step(trained, ids[t], t, logits, &err), &err);
      of_trained += gpt2_float_loss(logits, vocabulary, ids[t + 1]);
      gpt2_core_step(&core, ids[t], (uint32_t)t, true);
      for (size_t v = 0; v < vocabulary; v++) integer[v] = (float)from_row(core.logits[v]);
      of_golden += gpt2_float_loss(integer, vocabulary, ids[t + 1]);
      same += most_likely(integer, vocabulary) == most_likely(logits, vocabulary);
      n++;
    }
  }
  const double count = (double)n;
  const double from_weights = expm1((of_quantised - of_trained) / count);
  const double from_arithmetic = expm1((of_golden - of_quantised) / count);
  const double in_all = expm1((of_golden - of_trained) / count);
  print_message("%s, %zu tokens: perplexity %.4f in float, %.4f in integers\n", m.dir, n,
                exp(of_trained / count), exp(of_golden / count));
  print_message("%+.3f %%: %+.3f %% from int8 weights, %+.3f %% from the rest\n", 100 * in_all,
                100 * from_weights, 100 * from_arithmetic);
  print_message("%.2f %% of the most likely tokens are the same\n", 100 * (double)same / count);
  assert_true(n >= TOKENS);
  assert_true(fabs(in_all) < 0.005);
  assert_true(fabs(from_arithmetic) < 0.002);
  assert_true((double)same / count > 0.96);
  assert_int_equal(saturations(&core.sat), 0);

  free(nll);
  free(logits);
  free(integer);
  gpt2_core_destroy(&core);
  gpt2_float_free(trained);
  gpt2_float_free(quantised);
  free_model(&m);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_FOLDER(test_perplexity),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
