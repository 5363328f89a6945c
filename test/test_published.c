// SPDX-License-Identifier: Apache-2.0
// The integer model with the official weights against what others published of GPT-2 124M
// (../shared/data/reference) and against the float reference. test_gpt2_float does so for float.
#include "golden_test.h"

#include "evaluate.h"
#include "reference.h"
#include "tokenizer.h"

static struct gpt2_weights weights;
static struct image image;
static struct tokenizer *tokenizer;
static struct scorer integers, reference;
static char folder[] = "/tmp/gpt2rtl-test-XXXXXX";
static bool loaded;

// Loads all at the first test that needs it. Skips without the weights.
static void need_models(void) {
  const char *dir = need_gpt2();
  char path[FILE_PATH_SIZE];
  struct err err;
  if (loaded) return;
  expect_success(mkdtemp(folder) == NULL ? -1 : 0, &err);
  expect_success(weights_load(&weights, dir, &err), &err);
  expect_success(file_join(path, folder, "image", &err), &err);
  expect_success(image_build(path, &weights, 256, 0, &err), &err);
  expect_success(image_open(&image, path, IMAGE_CHECKED, &err), &err);
  expect_success(tokenizer_load(&tokenizer, dir, weights.config.vocab_size, &err), &err);
  expect_success(scorer_open(&integers, NULL, &image, NULL, &err), &err);
  expect_success(scorer_open(&reference, &weights, NULL, NULL, &err), &err);
  loaded = true;
}

static int teardown(void **unused) {
  (void)unused;
  if (loaded) {
    scorer_close(&integers);
    scorer_close(&reference);
    tokenizer_free(tokenizer);
    image_close(&image);
    weights_free(&weights);
    remove_tree(folder);
  }
  return 0;
}

// Mean cross-entropy of 4 x 64 targets; llm.c gets 5.270007 in float32. Half a percent of
// perplexity is 0.005 nats.
static void test_loss(void **unused) {
  (void)unused;
  need_models();
  cJSON *root = need_json("reference/llmc_debug_batch.json");
  double sum = 0;
  size_t n = 0;
  for (int b = 0; b < cJSON_GetArraySize(cJSON_GetObjectItem(root, "x")); b++) {
    uint32_t ids[65], y[64];
    struct token_score scores[64];
    struct err err;
    assert_int_equal(read_ids(ids, 64, cJSON_GetArrayItem(cJSON_GetObjectItem(root, "x"), b)), 64);
    assert_int_equal(read_ids(y, 64, cJSON_GetArrayItem(cJSON_GetObjectItem(root, "y"), b)), 64);
    assert_memory_equal(ids + 1, y, 63 * sizeof *y);
    ids[64] = y[63];
    expect_success(scorer_run(&integers, ids, 65, 1, scores, &err), &err);
    for (size_t i = 0; i < 64; i++, n++) sum += scores[i].nll;
  }
  cJSON_Delete(root);
  print_message("mean loss %.5f, published for float32 5.27001\n", sum / (double)n);
  assert_true(fabs(sum / (double)n - 5.270007) < 0.005);
  assert_int_equal(scorer_saturations(&integers), 0);
}

// The published first candidate of each prompt is the most likely, or the second by less than the
// integers' error of a logit. Published logits: of "One two three four", " five".
static void test_candidates(void **unused) {
  (void)unused;
  need_models();
  cJSON *root = need_json("reference/gpt2_124m_logits.json");
  const cJSON *item;
  struct token_score score;
  struct err err;
  cJSON_ArrayForEach(item, root) {
    uint32_t ids[64];
    const size_t n = read_ids(ids, 63, cJSON_GetObjectItem(item, "ids"));
    const cJSON *first = cJSON_GetObjectItem(item, "last_logits_top200")->child,
                *second = first->next;
    const double gap = first->child->next->valuedouble - second->child->next->valuedouble;
    ids[n] = (uint32_t)first->child->valueint;
    expect_success(scorer_run(&integers, ids, n + 1, n, &score, &err), &err);
    print_message("%s: %s, %.2f before the next\n",
                  cJSON_GetObjectItem(item, "prompt")->valuestring,
                  score.likely ? "the same" : "another", gap);
    assert_true(score.likely || gap < 0.3);
  }
  cJSON_Delete(root);
  static const uint32_t count[] = {3198, 734, 1115, 1440, 1936};
  expect_success(scorer_run(&integers, count, 5, 4, &score, &err), &err);
  assert_true(score.likely);
}

// Greedy continuations, token by token on the published text: a near tie may fall the other way.
static void test_texts(void **unused) {
  (void)unused;
  static const char *const texts[][2] = {
      {"Alan Turing theorized that computers would one day become",
       " the most powerful machines on the planet.\n\nThe computer is a machine that can perform "
       "complex calculations, and it "
       "can perform these calculations in a way that is very similar to the human brain.\n"},
      {"The meaning of life is", " not the same as the meaning of death"},
      {"The dog",
       " was found in a field near the intersection of West and West Streets.\n\nThe dog"},
  };
  need_models();
  size_t same = 0, all = 0;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    uint32_t ids[128], *part;
    struct token_score scores[128];
    size_t n[2], count = 0;
    struct err err;
    for (int k = 0; k < 2; k++) {
      expect_success(tokenizer_encode(tokenizer, texts[i][k], strlen(texts[i][k]), &part, &n[k],
                                      &err),
                     &err);
      assert_true(count + n[k] <= 128);
      memcpy(ids + count, part, n[k] * sizeof *part);
      count += n[k];
      free(part);
    }
    expect_success(scorer_run(&integers, ids, count, n[0], scores, &err), &err);
    for (size_t t = 0; t < n[1]; t++, all++) same += scores[t].likely;
  }
  print_message("%zu of %zu published tokens are the likeliest\n", same, all);
  assert_true(same >= all - all / 20);
}

// Within half a percent of float's perplexity on WikiText-2's test part, its first 2,048 tokens.
static void test_perplexity(void **unused) {
  (void)unused;
  enum { CONTEXT = 1024, TOKENS = 2 * CONTEXT };
  static struct token_score scores[CONTEXT];
  char path[FILE_PATH_SIZE];
  struct file_map text;
  struct err err;
  uint32_t *ids;
  size_t count;
  need_models();
  need_shared(path, "text/wikitext2/wiki.test.raw");
  expect_success(file_map_open(&text, path, &err), &err);
  expect_success(tokenizer_encode(tokenizer, (const char *)text.data, 16384, &ids, &count, &err),
                 &err);
  assert_true(count > TOKENS);
  double nll[2] = {0};
  size_t tokens = 0;
  for (size_t begin = 0; begin < TOKENS; begin += CONTEXT) {
    const struct window window = {begin, begin + CONTEXT, 1};
    struct evaluate_sum sum[2];
    expect_success(evaluate_window(&sum[0], &reference, ids, &window, scores, &err), &err);
    expect_success(evaluate_window(&sum[1], &integers, ids, &window, scores, &err), &err);
    nll[0] += sum[0].nll;
    nll[1] += sum[1].nll;
    tokens += sum[0].tokens;
  }
  const double n = (double)tokens;
  print_message("perplexity %.3f in float, %.3f in integers\n", exp(nll[0] / n), exp(nll[1] / n));
  assert_true(fabs(nll[1] - nll[0]) / n < 0.005);
  assert_int_equal(scorer_saturations(&integers), 0);
  free(ids);
  file_map_close(&text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_loss),
      cmocka_unit_test(test_candidates),
      cmocka_unit_test(test_texts),
      cmocka_unit_test(test_perplexity),
  };
  return cmocka_run_group_tests(tests, NULL, teardown);
}
