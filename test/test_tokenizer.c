// SPDX-License-Identifier: Apache-2.0
// test_tokenizer - GPT-2's ids as other projects give them, exact bytes back, wrong files
#include "model_test.h"

#include <time.h>

#include "json_util.h"
#include "pretokenizer.h"
#include "tokenizer.h"
#include "tokenizer_files.h"
#include "utf8.h"

static struct tokenizer *need_tokenizer(void) {
  char vocab[FILE_PATH_SIZE];
  char merges[FILE_PATH_SIZE];
  struct err err;
  struct tokenizer *t;
  need_shared(vocab, "tokenizer/encoder.json");
  need_shared(merges, "tokenizer/vocab.bpe");
  expect_success(tokenizer_load_files(&t, vocab, merges, 50257, &err), &err);
  return t;
}

// ------------------------------------------------------------------------------------- GPT-2's own

static void test_vectors(void **state) {
  (void)state;
  char path[FILE_PATH_SIZE];
  struct err err;
  struct tokenizer *t = need_tokenizer();
  cJSON *root;
  need_shared(path, "tokenizer/test_vectors.json");
  struct file_map map;
  expect_success(file_map_open(&map, path, &err), &err);
  expect_success(json_parse(&root, (const char *)map.data, map.size, path, 0, &err), &err);
  file_map_close(&map);
  int vectors = 0;
  const cJSON *vector;
  cJSON_ArrayForEach(vector, root) {
    const char *text = cJSON_GetObjectItem(vector, "text")->valuestring;
    const cJSON *expected = cJSON_GetObjectItem(vector, "ids");
    uint32_t *ids;
    size_t count;
    char *back;
    size_t length;
    expect_success(tokenizer_encode(t, text, strlen(text), &ids, &count, &err), &err);
    expect_success(tokenizer_decode(t, ids, count, &back, &length, &err), &err);
    assert_string_equal(back, text);
    size_t i = 0;
    const cJSON *id;
    cJSON_ArrayForEach(id, expected) {
      if (i >= count || ids[i] != (uint32_t)id->valueint) {
        fail_msg("\"%s\": id %zu is %d, expected %d", text, i, i < count ? (int)ids[i] : -1,
                 id->valueint);
      }
      i++;
    }
    assert_int_equal(count, i);
    free(ids);
    free(back);
    vectors++;
  }
  assert_int_equal(vectors, 56);
  cJSON_Delete(root);
  tokenizer_free(t);
}

static void expect_ids(const struct tokenizer *t, const char *text, size_t length,
                       const uint32_t *expected, size_t expected_count) {
  struct err err;
  uint32_t *ids;
  size_t count;
  expect_success(tokenizer_encode(t, text, length, &ids, &count, &err), &err);
  assert_int_equal(count, expected_count);
  assert_memory_equal(ids, expected, count * sizeof *ids);
  free(ids);
}

static void test_special(void **state) {
  (void)state;
  struct tokenizer *t = need_tokenizer();
  assert_int_equal(tokenizer_end_of_text(t), 50256);
  assert_int_equal(tokenizer_vocab_size(t), 50257);
  assert_int_equal(tokenizer_find(t, " the", 4), 262);
  assert_int_equal(tokenizer_find(t, " theX", 5), TOKENIZER_NO_TOKEN);
  expect_ids(t, "<|endoftext|>", 13, (const uint32_t[]){50256}, 1);
  // The text ends at the special token, so two spaces before it stay one piece.
  expect_ids(t, "Hello<|endoftext|><|endoftext|>  <|endoftext|> world", 52,
             (const uint32_t[]){15496, 50256, 50256, 220, 220, 50256, 995}, 7);
  // Part of the special token is ordinary text.
  expect_ids(t, "<|endoftext", 11, (const uint32_t[]){27, 91, 437, 1659, 5239}, 5);
  // U+180E was white space until Unicode 6.3. PCRE2's \s still includes it, GPT-2's does not: here
  // it takes the space before it.
  expect_ids(t, "a \xE1\xA0\x8E", 5, (const uint32_t[]){64, 28053, 254, 236}, 4);
  tokenizer_free(t);
}

// --------------------------------------------------------------------------------------- any bytes

static void test_random_bytes(void **state) {
  (void)state;
  static const char *const fragments[] =
      {" ",    "  ",   "\n",  "the",  "\xC3\xBC",      "\xE2\x82",     "'s",       "\xF0\x9F",
       "\x9A", "\x80", "123", "\xFF", "<|endoftext|>", "\xE6\x88\x91", "\xC2\xA0", "."};
  struct tokenizer *t = need_tokenizer();
  uint64_t random = 3;
  char text[400];
  for (int round = 0; round < 2000; round++) {
    size_t length = 0;
    while (length < 300) {
      if (round % 2 == 0) {
        text[length++] = (char)random_next(&random);
      } else {
        const char *fragment = fragments[random_below(&random, 16)];
        memcpy(text + length, fragment, strlen(fragment));
        length += strlen(fragment);
      }
    }
    tokenizer_round_trip(t, text, random_below(&random, length));
  }
  tokenizer_free(t);
}

static void test_streaming(void **state) {
  (void)state;
  struct tokenizer *t = need_tokenizer();
  struct tokenizer_decoder decoder = {0};
  char *out = malloc(tokenizer_push_room(t));
  // 8582 248 222 is U+1F680, a rocket: F0 9F, 9A, 80.
  assert_int_equal(tokenizer_push(t, &decoder, 8582, out), 0);
  assert_int_equal(tokenizer_push(t, &decoder, 248, out), 0);
  assert_int_equal(tokenizer_push(t, &decoder, 222, out), 4);
  assert_memory_equal(out, "\xF0\x9F\x9A\x80", 4);
  assert_int_equal(tokenizer_push(t, &decoder, 8582, out), 0);
  assert_int_equal(tokenizer_push(t, &decoder, 262, out), 6);  // no longer a character
  assert_memory_equal(out, "\xF0\x9F the", 6);
  assert_int_equal(tokenizer_push(t, &decoder, 50257, out), 0);
  assert_int_equal(tokenizer_push(t, &decoder, 8582, out), 0);
  assert_int_equal(tokenizer_flush(&decoder, out), 2);
  assert_int_equal(tokenizer_flush(&decoder, out), 0);
  free(out);

  struct err err;
  char *text;
  size_t length;
  const uint32_t ids[] = {262, 50257};
  expect_failure(tokenizer_decode(t, ids, 2, &text, &length, &err), &err,
                 "id 50257 at index 1, expected ids below 50257");
  assert_null(tokenizer_token(t, 50257, &length));
  tokenizer_free(t);
}

// ------------------------------------------------------------------------------------------- speed

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

// A megabyte that is one word, spaces before a letter, and other inputs that make quadratic code
// slow.
static void test_long_words(void **state) {
  (void)state;
  static const char *const patterns[] = {"a", "ab", " ", "\n", "\x80", "\xE2\x82\xAC", "=", "7"};
  enum { SIZE = 1 << 20 };
  struct tokenizer *t = need_tokenizer();
  char *text = malloc(SIZE + 1);
  for (size_t p = 0; p < sizeof patterns / sizeof patterns[0]; p++) {
    size_t unit = strlen(patterns[p]);
    for (size_t i = 0; i < SIZE; i++) text[i] = patterns[p][i % unit];
    text[SIZE] = 'x';
    double start = seconds();
    size_t count = tokenizer_round_trip(t, text, SIZE + 1);
    double spent = seconds() - start;
    print_message("1 MB of \"%s\": %zu ids, %.2f s\n",
                  p == 3   ? "\\n"
                  : p == 4 ? "80"
                           : patterns[p],
                  count, spent);
    assert_true(spent < 20);  // quadratic would be hours
  }
  free(text);
  tokenizer_free(t);
}

static void test_shakespeare(void **state) {
  (void)state;
  char path[FILE_PATH_SIZE];
  struct file_map map;
  struct err err;
  struct tokenizer *t = need_tokenizer();
  uint32_t *ids;
  size_t count;
  need_shared(path, "text/tinyshakespeare.txt");
  expect_success(file_map_open(&map, path, &err), &err);
  double start = seconds();
  expect_success(tokenizer_encode(t, (const char *)map.data, map.size, &ids, &count, &err), &err);
  print_message("%zu bytes, %zu ids, %.2f s\n", map.size, count, seconds() - start);
  free(ids);
  // The number that nanoGPT's README gives: 301,966 tokens in its first 90 %, 36,059 in the rest.
  size_t train = map.size * 9 / 10;
  expect_success(tokenizer_encode(t, (const char *)map.data, train, &ids, &count, &err), &err);
  assert_int_equal(count, 301966);
  free(ids);
  expect_success(tokenizer_encode(t, (const char *)map.data + train, map.size - train, &ids, &count,
                                  &err),
                 &err);
  assert_int_equal(count, 36059);
  free(ids);
  file_map_close(&map);
  tokenizer_free(t);
}

// ------------------------------------------------------------------------------------------ pieces

static void test_pieces(void **state) {
  (void)state;
  static const char text[] = "I'll say it's 42% \xFF  done\xC2\xA0\xC2\xA0now \n\n x\xE2\x82 y  ";
  static const char *const expected[] = {"I",     "'ll",      " say",     " it",  "'s",
                                         " 42",   "%",        " ",        "\xFF", " ",
                                         " done", "\xC2\xA0", "\xC2\xA0", "now",  " \n\n",
                                         " x",    "\xE2",     "\x82",     " y",   "  "};
  struct pretokenizer *p;
  struct pretokenizer_walk walk;
  struct err err;
  expect_success(pretokenizer_create(&p, &err), &err);
  expect_success(pretokenizer_start(&walk, p, (const unsigned char *)text, sizeof text - 1, &err),
                 &err);
  for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
    assert_int_equal(pretokenizer_next(&walk, p, &err), 1);
    if (walk.end - walk.begin != strlen(expected[i]) ||
        memcmp(text + walk.begin, expected[i], strlen(expected[i])) != 0) {
      fail_msg("piece %zu is \"%.*s\", expected \"%s\"", i, (int)(walk.end - walk.begin),
               text + walk.begin, expected[i]);
    }
  }
  assert_int_equal(pretokenizer_next(&walk, p, &err), 0);
  pretokenizer_finish(&walk);
  pretokenizer_free(p);
}

// ------------------------------------------------------------------------------------------- files

// A vocabulary of the 256 bytes and then extra, which is more entries of the object.
static char *make_vocabulary(const char *extra) {
  char *text = NULL;
  size_t length;
  FILE *file = open_memstream(&text, &length);
  for (unsigned id = 0; id < 256; id++) {
    unsigned code_point = id;  // in the order of bytes; any order will do
    unsigned stand_in = 0x100;
    for (unsigned byte = 0; byte <= id; byte++) {
      bool other = byte <= 0x20 || (byte >= 0x7F && byte <= 0xA0) || byte == 0xAD;
      code_point = other ? stand_in : byte;
      stand_in += other;
    }
    fprintf(file, "%s\"\\u%04x\": %u", id == 0 ? "{" : ", ", code_point, id);
  }
  fprintf(file, "%s}", extra);
  fclose(file);
  return text;
}

static int load_pair(void **state, const char *extra, const char *merges, size_t vocab_size,
                     struct tokenizer **t, struct err *err) {
  char path[FILE_PATH_SIZE];
  char *vocabulary = make_vocabulary(extra);
  write_string(path, *state, "vocab.json", vocabulary);
  write_string(path, *state, "merges.txt", merges);
  free(vocabulary);
  return tokenizer_load(t, *state, vocab_size, err);
}

static void test_small_vocabulary(void **state) {
  struct tokenizer *t;
  struct err err;
  const char *extra = ", \"th\": 256, \"the\": 257, \"\\u0120the\": 258";
  expect_success(load_pair(state, extra, "#version: 0.2\r\nt h\r\nth e\r\n\xC4\xA0 the", 259, &t,
                           &err),
                 &err);
  expect_ids(t, " theth", 6, (const uint32_t[]){258, 256}, 2);
  assert_int_equal(tokenizer_end_of_text(t), TOKENIZER_NO_TOKEN);
  expect_ids(t, "<|", 2, (const uint32_t[]){'<', '|'}, 2);
  expect_ids(t, "", 0, NULL, 0);
  tokenizer_round_trip(t, "a\0b", 3);
  tokenizer_free(t);

  // A model whose vocabulary is padded, here to a multiple of 8: the ids after the tokens have no
  // text.
  expect_success(load_pair(state, extra, "t h\n", 264, &t, &err), &err);
  size_t length;
  char *text;
  assert_int_equal(tokenizer_vocab_size(t), 259);
  assert_int_equal(tokenizer_ids(t), 264);
  expect_success(tokenizer_decode(t, (const uint32_t[]){'a', 263, 'b'}, 3, &text, &length, &err),
                 &err);
  assert_string_equal(text, "ab");
  free(text);
  expect_failure(tokenizer_decode(t, (const uint32_t[]){'a', 264}, 2, &text, &length, &err), &err,
                 "id 264 at index 1, expected ids below 264");
  tokenizer_free(t);
  expect_success(load_pair(state, extra, "t h\n", 384, &t, &err), &err);
  char *room = malloc(tokenizer_push_room(t));
  struct tokenizer_decoder decoder = {0};
  assert_int_equal(tokenizer_vocab_size(t), 259);
  assert_null(tokenizer_token(t, 300, &length));
  assert_int_equal(tokenizer_push(t, &decoder, 300, room), 0);
  free(room);
  tokenizer_free(t);
}

static void test_bad_files(void **state) {
  static const struct {
    const char *extra, *merges;
    size_t vocab_size;
    const char *error;
  } cases[] = {
      {"", "", 1280, "vocab.json: 256 tokens, but the model has 1280"},
      {"", "", 255, "vocab.json: 256 tokens, but the model has 255"},
      {"", "", 192, "vocab.json: 256 tokens, but the model has 192"},
      {", \"th\": 257", "", 0, "token \"th\": expected an id of 0..256, as there are 257"},
      {", \"th\": -1", "", 0, "token \"th\": expected an id"},
      {", \"th\": \"x\"", "", 0, "token \"th\": expected an id"},
      {", \"th\": 255", "", 0, "token \"th\", id 255: this id is repeated"},
      {", \"t\": 256", "", 0, "token \"t\", id 256: this token is repeated"},
      {", \"\": 256", "", 0, "token \"\", id 256, is empty"},
      {", \"t h\": 256", "", 0, "id 256, is not in the characters"},
      {", \"th\"", "", 0, "vocab.json: line 1, byte "},
      {", \"th\": 256", "t h\nt h\n", 0, "merges.txt: line 2: this merge is repeated: \"t h\""},
      {", \"th\": 256", "th\n", 0, "line 1: expected two tokens separated by one space: \"th\""},
      {", \"th\": 256", "#version\nt  h\n", 0, "line 2: expected two tokens"},
      {", \"th\": 256", "t h \n", 0, "line 1: expected two tokens"},
      {", \"th\": 256", " t\n", 0, "line 1: expected two tokens"},
      {", \"th\": 256", "\n\nt\xE2\x82\xAC h\n", 0, "line 3: not in the characters"},
      {", \"th\": 256", "t h\nth e\n", 0, "line 2: the merged token is not in the vocabulary"},
      {", \"th\": 256", "t h\nthe n\n", 0, "line 2: the left part is not in the vocabulary"},
      {", \"th\": 256", "t h\nn the\n", 0, "line 2: the right part is not in the vocabulary"},
  };
  struct tokenizer *t;
  struct err err;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    expect_failure(load_pair(state, cases[i].extra, cases[i].merges, cases[i].vocab_size, &t, &err),
                   &err, cases[i].error);
    assert_null(t);
  }
  char path[FILE_PATH_SIZE];
  write_string(path, *state, "vocab.json", "{\"a\": 0}");
  expect_failure(tokenizer_load(&t, *state, 0, &err), &err, "no token for byte 0x00");
  write_string(path, *state, "vocab.json", "{}");
  expect_failure(tokenizer_load(&t, *state, 0, &err), &err, "0 tokens, expected 1..65536");
  expect_failure(tokenizer_load(&t, "/no/such", 0, &err), &err,
                 "/no/such: no tokenizer, expected vocab.json and");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_vectors),      cmocka_unit_test(test_special),
      cmocka_unit_test(test_random_bytes), cmocka_unit_test(test_streaming),
      cmocka_unit_test(test_long_words),   cmocka_unit_test(test_shakespeare),
      cmocka_unit_test(test_pieces),       IN_FOLDER(test_small_vocabulary),
      IN_FOLDER(test_bad_files),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
