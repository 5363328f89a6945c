// SPDX-License-Identifier: Apache-2.0
// test_tokenizer_json - the one-file tokenizer: the same ids as the pair of files, added tokens,
// and every step that is not GPT-2's refused by name
#include "model_test.h"

#include <sys/stat.h>
#include <time.h>

#include "json_util.h"
#include "random_model.h"
#include "tokenizer.h"
#include "tokenizer_files.h"

// The file as the tokenizers library writes GPT-2's, with parts to put in: added tokens and the
// model's own.
static const char frame[] =
    "{\"version\": \"1.0\", \"truncation\": null, \"padding\": null, \"added_tokens\": [%s], "
    "\"normalizer\": null,\n"
    " \"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": "
    "true},\n"
    " \"post_processor\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true, \"trim_offsets\": "
    "false},\n"
    " \"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true, \"trim_offsets\": true},\n"
    " \"model\": {\"dropout\": null, \"unk_token\": null, \"continuing_subword_prefix\": \"\",\n"
    "  \"end_of_word_suffix\": \"\", \"fuse_unk\": false, \"vocab\": %s, \"merges\": %s}}\n";

#define ADDED(id, content, more)                                 \
  "{\"id\": " #id ", \"special\": true, \"content\": \"" content \
  "\", \"single_word\": false, \"lstrip\": false, "              \
  "\"rstrip\": false, \"normalized\": true" more "}"

static void write_json(void **state, const char *added, const char *vocab, const char *merges) {
  char path[FILE_PATH_SIZE];
  const size_t size = sizeof frame + strlen(added) + strlen(vocab) + strlen(merges);
  char *text = malloc(size);
  snprintf(text, size, frame, added, vocab, merges);
  write_string(path, *state, "tokenizer.json", text);
  free(text);
}

static void expect_same(const struct tokenizer *a, const struct tokenizer *b, const char *text,
                        size_t length) {
  uint32_t *x, *y;
  size_t n, m;
  struct err err;
  expect_success(tokenizer_encode(a, text, length, &x, &n, &err), &err);
  expect_success(tokenizer_encode(b, text, length, &y, &m, &err), &err);
  assert_int_equal(n, m);
  assert_memory_equal(x, y, n * sizeof *x);
  free(x);
  free(y);
}

// GPT-2's own tokenizer as one file gives the ids of the two.
static void gpt2(void **state) {
  char vocab_path[FILE_PATH_SIZE], merges_path[FILE_PATH_SIZE], text_path[FILE_PATH_SIZE];
  struct err err;
  struct tokenizer *pair, *one;
  need_shared(vocab_path, "tokenizer/encoder.json");
  need_shared(merges_path, "tokenizer/vocab.bpe");
  need_shared(text_path, "text/tinyshakespeare.txt");
  expect_success(tokenizer_load_files(&pair, vocab_path, merges_path, 50257, &err), &err);
  char *vocab = read_text(vocab_path), *text = read_text(text_path);
  for (int pairs = 0; pairs <= 1; pairs++) {
    char *merges = merges_list(merges_path, pairs);
    write_json(state, ADDED(50256, "<|endoftext|>", ""), vocab, merges);
    expect_success(tokenizer_load(&one, *state, 50257, &err), &err);
    assert_int_equal(tokenizer_end_of_text(one), 50256);
    expect_same(pair, one, text, strlen(text));
    expect_same(pair, one, "a<|endoftext|><|endoftext|> b  <|endoftext", 42);
    tokenizer_free(one);
    free(merges);
  }
  tokenizer_free(pair);
  free(vocab);
  free(text);
}

// ------------------------------------------------------------------------------------ added tokens

static char *vocab;  // of nano: 301 tokens, the last <|endoftext|>
static char *merges;

static void expect_ids(const struct tokenizer *t, const char *text, const uint32_t *expected,
                       size_t count) {
  struct err err;
  uint32_t *ids;
  size_t n, length;
  char *back;
  expect_success(tokenizer_encode(t, text, strlen(text), &ids, &n, &err), &err);
  assert_int_equal(n, count);
  assert_memory_equal(ids, expected, n * sizeof *ids);
  expect_success(tokenizer_decode(t, ids, n, &back, &length, &err), &err);
  assert_string_equal(back, text);
  free(back);
  free(ids);
}

static void added(void **state) {
  struct tokenizer *t;
  struct err err;
  // In the vocabulary already; after it; with spaces and characters beyond Latin-1; one inside
  // another.
  write_json(state,
             ADDED(300, "<|endoftext|>",
                   "") ", " ADDED(301, "<pad>", "") ", " ADDED(303, "<|im start|>\\u20ac",
                                                               "") ", " ADDED(302, "<pad>>", ""),
             vocab, merges);
  expect_success(tokenizer_load(&t, *state, 304, &err), &err);
  expect_ids(t, "<|endoftext|><pad>><pad><|im start|>\xE2\x82\xAC",
             (const uint32_t[]){300, 302, 301, 303}, 4);
  const uint32_t x = tokenizer_find(t, "x", 1);
  expect_ids(t, "x<pad>x<pad>>x", (const uint32_t[]){x, 301, x, 302, x}, 5);
  tokenizer_free(t);
  // Added tokens may have no row in the model; other tokens must.
  uint32_t *ids;
  size_t n;
  expect_success(tokenizer_load(&t, *state, 302, &err), &err);
  expect_ids(t, "x<pad>x", (const uint32_t[]){x, 301, x}, 3);
  expect_failure(tokenizer_encode(t, "x<pad>>", 7, &ids, &n, &err), &err,
                 "the text has the token \"<pad>>\", id 302, for which the model has no row: its "
                 "ids are 0..301");
  assert_null(ids);
  tokenizer_free(t);
  expect_failure(tokenizer_load(&t, *state, 299, &err), &err,
                 "tokenizer.json: 304 tokens, but the model has 299");
  // <|endoftext|> is kept whole even if only the vocabulary has it.
  write_json(state, "", vocab, merges);
  expect_success(tokenizer_load(&t, *state, 301, &err), &err);
  expect_ids(t, "x<|endoftext|>x", (const uint32_t[]){x, 300, x}, 3);
  tokenizer_free(t);
}

// Many added tokens and a text full of them: the time stays linear in their product.
static void many(void **state) {
  char *list = NULL, *text = NULL;
  size_t length, n;
  struct tokenizer *t;
  struct err err;
  uint32_t *ids;
  FILE *out = open_memstream(&list, &length);
  for (int i = 0; i < 1024; i++)
    fprintf(out, "%s{\"id\": %d, \"content\": \"<%d>\"}", i == 0 ? "" : ", ", 301 + i, i);
  fclose(out);
  write_json(state, list, vocab, merges);
  expect_success(tokenizer_load(&t, *state, 1325, &err), &err);
  out = open_memstream(&text, &length);
  for (int i = 0; i < 20000; i++) fprintf(out, "<%d>", i * 7 % 1024);
  fclose(out);
  expect_success(tokenizer_encode(t, text, length, &ids, &n, &err), &err);
  assert_int_equal(n, 20000);
  for (uint32_t i = 0; i < 20000; i++) assert_int_equal(ids[i], 301 + i * 7 % 1024);
  free(ids);
  free(text);
  tokenizer_free(t);
  char *more = malloc(strlen(list) + 64);
  sprintf(more, "%s, {\"id\": 1325, \"content\": \"<more>\"}", list);
  write_json(state, more, vocab, merges);
  expect_failure(tokenizer_load(&t, *state, 0, &err), &err, "more than 1024 added tokens");
  free(more);
  free(list);
}

// ----------------------------------------------------------------------------- what is not GPT-2's

static void refusals(void **state) {
  static const struct {
    const char *old, *new, *error;
  } cases[] = {
      {"\"normalizer\": null", "\"normalizer\": {\"type\": \"NFC\"}",
       "it has a normalizer, expected null"},
      {"\"pre_tokenizer\": {\"type\": \"ByteLevel\"",
       "\"pre_tokenizer\": {\"type\": \"Whitespace\"",
       "pre_tokenizer is Whitespace, expected ByteLevel"},
      {"\"pre_tokenizer\": {\"type\": \"ByteLevel\"", "\"pre_tokenizer\": {\"type\": \"Sequence\"",
       "pre_tokenizer is Sequence"},
      {"\"pre_tokenizer\"", "\"pre\"", "pre_tokenizer is absent, expected ByteLevel"},
      {"\"add_prefix_space\": false", "\"add_prefix_space\": true",
       "pre_tokenizer's add_prefix_space is on"},
      {"\"trim_offsets\": true", "\"use_regex\": false", "pre_tokenizer's use_regex is off"},
      {"\"post_processor\": {\"type\": \"ByteLevel\"",
       "\"post_processor\": {\"type\": \"TemplateProcessing\"",
       "post_processor's template, expected special tokens and once the text"},
      {"\"post_processor\": {\"type\": \"ByteLevel\"",
       "\"post_processor\": {\"type\": \"RobertaProcessing\"",
       "post_processor is RobertaProcessing, expected ByteLevel, TemplateProcessing or"},
      {"\"decoder\": {\"type\": \"ByteLevel\"", "\"decoder\": {\"type\": \"WordPiece\"",
       "decoder is WordPiece"},
      {"\"dropout\": null", "\"type\": \"Unigram\"", "model is Unigram, expected BPE"},
      {"\"dropout\": null", "\"dropout\": 0.1", "model's dropout is on"},
      {"\"dropout\": null", "\"byte_fallback\": true", "model's byte_fallback is on"},
      {"\"dropout\": null", "\"ignore_merges\": true", "model's ignore_merges is on"},
      {"prefix\": \"\"", "prefix\": \"##\"", "model's continuing_subword_prefix is on"},
      {"suffix\": \"\"", "suffix\": \"</w>\"", "model's end_of_word_suffix is on"},
      {"\"vocab\"", "\"words\"", "model.vocab is missing"},
      {"\"merges\"", "\"rules\"", "model.merges is missing"},
      {"\"model\"", "\"engine\"", "model.vocab is missing"},
      {"\"added_tokens\": [", "\"added_tokens\": 7, \"x\": [", "added_tokens is not a list"},
      {"\"lstrip\": false", "\"lstrip\": true", "added token \"<|endoftext|>\"'s lstrip is on"},
      {"\"single_word\": false", "\"single_word\": true", "single_word is on"},
      {"\"id\": 300", "\"id\": 299", "id 299: this id is repeated"},
      {"\"id\": 300", "\"id\": -1", "added_tokens[0] lacks a content or an id"},
      {"\"id\": 300", "\"id\": 301", "expected an id of 0..300, as there are 301 tokens"},
      {"\"content\": \"<|endoftext|>\"", "\"content\": \"\"", "added token of id 300 is empty"},
      {"\"content\": \"<|endoftext|>\"", "\"content\": null", "lacks a content"},
      {"{\"version\": \"1.0\",", "[", "tokenizer.json: line "},
  };
  char path[FILE_PATH_SIZE];
  struct tokenizer *t;
  struct err err;
  write_json(state, ADDED(300, "<|endoftext|>", ""), vocab, merges);
  assert_int_equal(file_join(path, *state, "tokenizer.json", NULL), 0);
  char *good = read_text(path), *text = malloc(strlen(good) + 256);
  expect_success(tokenizer_load(&t, *state, 301, &err), &err);
  tokenizer_free(t);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const char *at = strstr(good, cases[i].old);
    assert_non_null(at);
    sprintf(text, "%.*s%s%s", (int)(at - good), good, cases[i].new, at + strlen(cases[i].old));
    write_string(path, *state, "tokenizer.json", text);
    expect_failure(tokenizer_load(&t, *state, 0, &err), &err, cases[i].error);
    assert_non_null(strstr(err.text, "tokenizer.json: "));
    assert_null(t);
  }
  // Merges that are invalid.
  static const char *const bad[] = {"[5]",     "[[\"e\"]]",  "[[\"e\", \"t\", \"a\"]]",
                                    "[\"e\"]", "[\"e  t\"]", "[[\"\", \"t\"]]",
                                    "[null]"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    write_json(state, "", vocab, bad[i]);
    expect_failure(tokenizer_load(&t, *state, 0, &err), &err, "tokenizer.json: merge 1: expected ");
  }
  write_json(state, "", vocab, "[\"\\u0120 e\", [\"\\u0120\", \"qq\"]]");
  expect_failure(tokenizer_load(&t, *state, 0, &err), &err,
                 "merge 2: the right part is not in the vocabulary: \"");
  free(text);
  free(good);
}

static int setup(void **state) {
  struct err err;
  char dir[FILE_PATH_SIZE], path[FILE_PATH_SIZE];
  if (make_folder(state) != 0 || file_join(dir, *state, "nano", &err) != 0 ||
      random_model_write("nano", 1, dir, &err) != 0)
    return -1;
  file_join(path, dir, "vocab.json", &err);
  vocab = read_text(path);
  file_join(path, dir, "merges.txt", &err);
  merges = merges_list(path, false);
  return remove_folder(state);
}

static int teardown(void **state) {
  (void)state;
  free(vocab);
  free(merges);
  return 0;
}

// A file with a million tokens and a thousand added ones is refused in the time it takes to read
// it.
static void refused_quickly(void **state) {
  enum { TOKENS = 1000000, ADDED_TOKENS = 1000 };
  char *tokens = malloc(32 * TOKENS), *added_list = malloc(200 * ADDED_TOKENS);
  size_t n = (size_t)sprintf(tokens, "{"), m = 0;
  for (int i = 0; i < TOKENS; i++)
    n += (size_t)sprintf(tokens + n, "%s\"%x\":%d", i ? "," : "", (unsigned)i, i);
  strcpy(tokens + n, "}");
  for (int i = 0; i < ADDED_TOKENS; i++)
    m += (size_t)sprintf(added_list + m,
                         "%s{\"id\": %d, \"special\": true, \"content\": \"<%d>\", "
                         "\"single_word\": false, \"lstrip\": false, "
                         "\"rstrip\": false, \"normalized\": true}",
                         i ? "," : "", TOKENS + i, i);
  write_json(state, added_list, tokens, "[]");
  free(tokens);
  free(added_list);
  struct tokenizer *tokenizer;
  struct err err;
  const clock_t begin = clock();
  expect_failure(tokenizer_load(&tokenizer, *state, 0, &err), &err, "expected 1..65536");
  const double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
  if (seconds > 3) fail_msg("%.1f s of the processor", seconds);
}

int main(void) {
  const struct CMUnitTest tests[] = {IN_FOLDER(gpt2), IN_FOLDER(added), IN_FOLDER(many),
                                     IN_FOLDER(refusals), IN_FOLDER(refused_quickly)};
  return cmocka_run_group_tests_name("tokenizer_json", tests, setup, teardown);
}
