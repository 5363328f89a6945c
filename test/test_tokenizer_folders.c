// SPDX-License-Identifier: Apache-2.0
// test_tokenizer_folders - what the smaller files of a folder say about its tokenizer
//
// The vocabulary is models/demo's. The ids are those of transformers 4.57 and 5.24, which agree
// unless a comment says otherwise; `make test-hf` compares again, with more folders than these.
#include "model_test.h"

#include "json_util.h"
#include "tokenizer.h"
#include "tokenizer_files.h"

enum { MAX_IDS = 16 };

static void write_pair(const char *folder) {
  static const char *const names[] = {"vocab.json", "merges.txt"};
  for (size_t i = 0; i < 2; i++) {
    char from[FILE_PATH_SIZE], to[FILE_PATH_SIZE];
    assert_int_equal(file_join(from, "models/demo", names[i], NULL), 0);
    char *text = read_text(from);
    write_string(to, folder, names[i], text);
    free(text);
  }
}

// tokenizer.json as transformers 5.24 saves the demo's, except for the given parts, without the
// pair of files.
static void write_json(const char *folder, const char *added, const char *cut, const char *post) {
  char path[FILE_PATH_SIZE];
  char *vocab = read_text("models/demo/vocab.json"),
       *merges = merges_list("models/demo/merges.txt", true), *text;
  size_t length;
  FILE *out = open_memstream(&text, &length);
  fprintf(
      out,
      "{\"version\": \"1.0\", \"truncation\": null, \"padding\": null,\n \"added_tokens\": "
      "[{\"id\": 0, \"content\":"
      " \"<|endoftext|>\", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, "
      "\"normalized\": false,"
      " \"special\": true}%s],\n \"normalizer\": null, \"pre_tokenizer\": {\"type\": \"ByteLevel\","
      " \"add_prefix_space\": %s, \"trim_offsets\": true, \"use_regex\": true},\n "
      "\"post_processor\": %s,\n"
      " \"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true, \"trim_offsets\": true,"
      " \"use_regex\": true},\n \"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": "
      "null,"
      " \"continuing_subword_prefix\": \"\", \"end_of_word_suffix\": \"\", \"fuse_unk\": false,"
      " \"byte_fallback\": false, \"ignore_merges\": false, \"vocab\": %s, \"merges\": %s}}\n",
      added, cut, post, vocab, merges);
  fclose(out);
  write_string(path, folder, "tokenizer.json", text);
  free(text);
  free(vocab);
  free(merges);
}

#define TEXT_A "{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}"
#define TEXT_B "{\"Sequence\": {\"id\": \"B\", \"type_id\": 1}}"
#define END "{\"SpecialToken\": {\"id\": \"<|endoftext|>\", \"type_id\": 0}}"
#define TEMPLATE(single, special)                                                               \
  "{\"type\": \"TemplateProcessing\", \"single\": [" single "], \"pair\": [" TEXT_A ", " TEXT_B \
  "],"                                                                                          \
  " \"special_tokens\": {" special "}}"
#define NO_TEMPLATE TEMPLATE(TEXT_A, "")
#define END_IDS \
  "\"<|endoftext|>\": {\"id\": \"<|endoftext|>\", \"ids\": [0], \"tokens\": [\"<|endoftext|>\"]}"
#define BYTE_LEVEL "{\"type\": \"ByteLevel\", \"add_prefix_space\": true, \"trim_offsets\": false}"

struct expected {
  const char *text;
  size_t count;
  uint32_t ids[MAX_IDS];
};

static void expect_ids(const char *folder, const struct expected *list) {
  struct tokenizer *t;
  struct err err;
  expect_success(tokenizer_load(&t, folder, 0, &err), &err);
  for (; list->text != NULL; list++) {
    uint32_t *ids;
    size_t count;
    expect_success(tokenizer_encode(t, list->text, strlen(list->text), &ids, &count, &err), &err);
    bool same = count == list->count;
    for (size_t i = 0; same && i < count; i++) same = ids[i] == list->ids[i];
    if (!same) {
      for (size_t i = 0; i < count; i++) print_message("%u ", (unsigned)ids[i]);
      fail_msg("found these ids of \"%s\"; expected %zu, %u ...", list->text, list->count,
               (unsigned)list->ids[0]);
    }
    free(ids);
  }
  tokenizer_free(t);
}

#define IDS(...) \
  sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t), { __VA_ARGS__ }
#define EXPECT(folder, ...) \
  expect_ids(folder, (const struct expected[]){__VA_ARGS__, {NULL, 0, {0}}})
#define PLAIN                                                              \
  {"Hello", IDS(40, 3983)}, {"a <|endoftext|> b", IDS(65, 221, 0, 268)}, { \
    "", 0, { 0 }                                                           \
  }

// The demo as transformers 5.24 saves it: a template that adds nothing.
static void saved_demo(void **state) {
  write_json(*state, "", "false", NO_TEMPLATE);
  EXPECT(*state, PLAIN);
  write_json(*state, "", "false", "null");
  EXPECT(*state, PLAIN);
}

// A template that adds something.
static void template(void **state) {
  write_json(*state, "", "false", TEMPLATE(END ", " TEXT_A, END_IDS));
  EXPECT(*state, {"Hello", IDS(0, 40, 3983)}, {"", IDS(0)});
  write_json(*state, "", "false", TEMPLATE(END ", " TEXT_A ", " END ", " END, END_IDS));
  EXPECT(*state, {"Hello", IDS(0, 40, 3983, 0, 0)}, {"", IDS(0, 0, 0)});
  write_json(*state, "", "false",
             "{\"type\": \"Sequence\", \"processors\": [" BYTE_LEVEL
             ", " TEMPLATE(END ", " TEXT_A, END_IDS) "]}");
  EXPECT(*state, {"Hello", IDS(0, 40, 3983)});
  // A part of a text has nothing around it.
  struct tokenizer *t;
  struct err err;
  uint32_t *ids;
  size_t count;
  expect_success(tokenizer_load(&t, *state, 4096, &err), &err);
  expect_success(tokenizer_encode_part(t, "Hello", 5, &ids, &count, &err), &err);
  assert_int_equal(count, 2);
  free(ids);
  tokenizer_free(t);
}

static void expect_refused(const char *folder, const char *fragment) {
  struct tokenizer *t;
  struct err err;
  expect_failure(tokenizer_load(&t, folder, 4096, &err), &err, fragment);
  assert_null(t);
}

static void bad_templates(void **state) {
  static const struct {
    const char *post, *error;
  } cases[] = {
      {TEMPLATE(END, END_IDS),
       "post_processor's template, expected special tokens and once the text"},
      {TEMPLATE(TEXT_A ", " TEXT_A, ""), "once the text"},
      {TEMPLATE(TEXT_B, ""), "once the text"},
      {TEMPLATE(TEXT_A ", 5", ""), "once the text"},
      {TEMPLATE(END ", " TEXT_A, ""), "special token \"<|endoftext|>\" without ids"},
      {TEMPLATE(END ", " TEXT_A, "\"<|endoftext|>\": {\"ids\": [4096]}"), "has no id of 0..4095"},
      {TEMPLATE(END ", " TEXT_A, "\"<|endoftext|>\": {\"ids\": [-1]}"), "has no id of 0..4095"},
      {"{\"type\": \"Sequence\", \"processors\": [{\"type\": \"Sequence\"}]}",
       "post_processor is Sequence"},
      {"{\"type\": \"Sequence\", \"processors\": [{\"type\": \"BertProcessing\"}]}",
       "post_processor is BertProcessing"},
      {"{\"type\": \"Sequence\", \"processors\": [" TEMPLATE(END ", " TEXT_A,
                                                             END_IDS) ", " NO_TEMPLATE "]}",
       "two templates"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    write_json(*state, "", "false", cases[i].post);
    expect_refused(*state, cases[i].error);
  }
}

static void write_settings(const char *folder, const char *text) {
  char path[FILE_PATH_SIZE];
  write_string(path, folder, "tokenizer_config.json", text);
}
static void write_added(const char *folder, const char *text) {
  char path[FILE_PATH_SIZE];
  write_string(path, folder, "added_tokens.json", text);
}

// add_bos_token and add_eos_token count only if there is no tokenizer.json; its template counts
// instead.
static void ends(void **state) {
  write_pair(*state);
  write_settings(*state, "{\"add_bos_token\": true}");
  EXPECT(*state, {"Hello", IDS(0, 40, 3983)}, {"", IDS(0)});
  write_settings(*state,
                 "{\"add_bos_token\": true, \"bos_token\": \"!\", \"add_eos_token\": true}");
  EXPECT(*state, {"Hello", IDS(1, 40, 3983, 0)}, {"", IDS(1, 0)});
  write_settings(*state,
                 "{\"add_bos_token\": true, \"bos_token\": null, \"add_eos_token\": false}");
  EXPECT(*state, PLAIN);
  write_settings(*state, "{\"add_bos_token\": true}");
  write_json(*state, "", "false", NO_TEMPLATE);
  EXPECT(*state, PLAIN);
}

// add_prefix_space counts in tokenizer_config.json.
static void prefix_space(void **state) {
  write_pair(*state);
  write_settings(*state, "{\"add_prefix_space\": true}");
  write_added(*state, "{\"<speaker1>\": 4096}");
  EXPECT(*state, {"Hello", IDS(388, 3983)}, {" Hello", IDS(388, 3983)},
         {"\nHello", IDS(221, 199, 40, 3983)}, {"", 0, {0}},
         {"<speaker1>Hello<speaker1> you", IDS(4096, 388, 3983, 4096, 309)},
         {"<|endoftext|>x", IDS(0, 221, 88)});
  write_json(*state, "", "false", NO_TEMPLATE);
  EXPECT(*state, {"Hello", IDS(388, 3983)});
  write_json(*state, "", "true", NO_TEMPLATE);
  EXPECT(*state, {"Hello", IDS(388, 3983)});
  write_settings(*state, "{\"add_prefix_space\": false}");
  EXPECT(*state, {"Hello", IDS(40, 3983)});
  write_settings(*state, "{}");
  expect_refused(*state, "tokenizer.json: pre_tokenizer's add_prefix_space is on, and "
                         "tokenizer_config.json does not say so");
}

#define SPEAKER(id, more) "\"" id "\": {\"content\": \"<speaker1>\", \"special\": false" more "}"

static void added(void **state) {
  write_pair(*state);
  write_added(*state, "{\"<speaker2>\": 4097, \"<speaker1>\": 4096}");
  EXPECT(*state, PLAIN, {"hi <speaker1> x", IDS(72, 73, 221, 4096, 221, 88)},
         {"<speaker2><speaker1>", IDS(4097, 4096)});
  // If tokenizer_config.json has a list, only that counts.
  write_settings(*state, "{\"added_tokens_decoder\": {" SPEAKER("4096", "") "}}");
  EXPECT(*state, PLAIN, {"hi <speaker1> x", IDS(72, 73, 221, 4096, 221, 88)},
         {"<speaker2>", IDS(28, 83, 1242, 3060, 18, 30)});
  // Also together with tokenizer.json; both may name the same token.
  write_json(*state, "", "false", NO_TEMPLATE);
  EXPECT(*state, PLAIN, {"hi <speaker1> x", IDS(72, 73, 221, 4096, 221, 88)});
  write_json(*state, ", {\"id\": 4096, \"content\": \"<speaker1>\"}", "false", NO_TEMPLATE);
  EXPECT(*state, PLAIN, {"hi <speaker1> x", IDS(72, 73, 221, 4096, 221, 88)});
  // Those that are not normalized are found first, the longest of them.
  write_settings(*state, "{}");
  write_json(*state,
             ", {\"id\": 4098, \"content\": \"<x>\"}, {\"id\": 4097, \"content\": \"x>\", "
             "\"normalized\": false}",
             "false", NO_TEMPLATE);
  write_added(*state, "{\"<speaker1>\": 4096}");
  EXPECT(*state, {"a<x>b", IDS(65, 28, 4097, 66)}, {"<x", IDS(28, 88)});
  // One file's tokens have the order that they have there.
  write_json(*state, "", "false", NO_TEMPLATE);
  write_added(*state, "{\"<x>\": 4097, \"x>\": 4096}");
  EXPECT(*state, {"a<x>b", IDS(65, 4097, 66)});
  write_settings(*state, "{\"pad_token\": \"x>\"}");
  EXPECT(*state, {"a<x>b", IDS(65, 28, 4096, 66)});
}

static void special(void **state) {
  char path[FILE_PATH_SIZE];
  write_pair(*state);
  // A text that the vocabulary has keeps its id; another gets the next id, in transformers' order.
  // (think_token, a name of the model's own, exists only in 5.24, and so does add_eos_token.)
  write_settings(*state, "{\"eos_token\": \"!\", \"mask_token\": \"<mask>\", \"pad_token\": "
                         "{\"__type\": \"AddedToken\","
                         " \"content\": \"<pad>\"}, \"additional_special_tokens\": [\"<a>\"], "
                         "\"think_token\": \"<t>\"}");
  EXPECT(*state, {"a! b", IDS(65, 1, 268)}, {"<|endoftext|>", IDS(0)},
         {"<pad><mask><t><a>", IDS(4096, 4097, 4098, 4099)});
  // special_tokens_map.json counts only if there is no added_tokens_decoder.
  write_string(path, *state, "special_tokens_map.json", "{\"pad_token\": \"<mask>\"}");
  EXPECT(*state, {"<mask>", IDS(4096)}, {"<pad>", IDS(28, 80, 297, 30)});
  write_settings(*state, "{\"added_tokens_decoder\": {}}");
  EXPECT(*state, PLAIN, {"<mask>", IDS(28, 77, 1540, 30)});
  // If bos, eos and unk are others, <|endoftext|> is text.
  write_settings(*state, "{\"bos_token\": null, \"eos_token\": null, \"unk_token\": null, "
                         "\"added_tokens_decoder\": {}}");
  EXPECT(*state, {"<|endoftext|>", IDS(28, 92, 628, 79, 680, 2863, 92, 30)});
}

static void bad_settings(void **state) {
  static const struct {
    const char *settings, *added, *error;
  } cases[] = {
      {"{\"add_bos_token\": 1}", "{}",
       "tokenizer_config.json: add_bos_token is neither true nor false"},
      {"{\"add_prefix_space\": \"no\"}", "{}", "add_prefix_space is neither"},
      {"{\"split_special_tokens\": true}", "{}", "split_special_tokens is on"},
      {"{\"pad_token\": 5}", "{}", "special token pad_token has no text"},
      {"{\"pad_token\": \"\"}", "{}", "special token pad_token has no text"},
      {"{\"additional_special_tokens\": [5]}", "{}", "special token of a list has no text"},
      {"{\"mask_token\": {\"content\": \"<m>\", \"lstrip\": true}}", "{}",
       "added token \"<m>\"'s lstrip is on"},
      {"{\"added_tokens_decoder\": []}", "{}", "added_tokens_decoder is not an object"},
      {"{\"added_tokens_decoder\": {\"x\": {\"content\": \"a\"}}}", "{}",
       "added_tokens_decoder has \"x\", expected an id"},
      {"{\"added_tokens_decoder\": {\"4096\": {}}}", "{}", "added_tokens_decoder has \"4096\""},
      {"{\"added_tokens_decoder\": {" SPEAKER("4096", ", \"rstrip\": true") "}}", "{}",
       "added token \"<speaker1>\"'s rstrip is on"},
      {"{\"added_tokens_decoder\": {" SPEAKER("4097", "") "}}", "{}",
       "tokenizer_config.json beside /tmp/"},
      {"{}", "{\"<a>\": 4098}",
       "token \"<a>\" has id 4098, but there are 4097 tokens: expected ids without a gap"},
      {"{}", "{\"<a>\": 4096, \"<b>\": 4096}",
       "token \"<b>\" has id 4096, which is another token's: <a>"},
      {"{}", "{\"<a>\": 7}", "token \"<a>\" has id 7, which is another token's: of the vocabulary"},
      {"{}", "{\"!\": 4096}", "token \"!\" has id 4096, expected 1, which it has there"},
      {"{}", "{\"<a>\": \"4096\"}", "added_tokens.json: token \"<a>\" has no id"},
      {"{}", "{\"\": 4096}", "added_tokens.json: token \"\" has no id"},
      {"{}", "[]", "added_tokens.json: byte 0: expected a JSON object"},
      {"{", "{}", "tokenizer_config.json: line 1, byte 0"},
  };
  write_pair(*state);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    write_settings(*state, cases[i].settings);
    write_added(*state, cases[i].added);
    expect_refused(*state, cases[i].error);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_FOLDER(saved_demo), IN_FOLDER(template),     IN_FOLDER(bad_templates),
      IN_FOLDER(ends),       IN_FOLDER(prefix_space), IN_FOLDER(added),
      IN_FOLDER(special),    IN_FOLDER(bad_settings),
  };
  return cmocka_run_group_tests_name("tokenizer_folders", tests, NULL, NULL);
}
