// SPDX-License-Identifier: Apache-2.0
//
// generate: where it starts and ends, where it takes the prompt from, and how it chooses, on each
// engine
#include "model_test.h"

#include "shell.h"

#include <sys/wait.h>

#include <cjson/cJSON.h>

enum { OUTPUT = SHELL_OUTPUT };
#define out shell_out
#define err_text shell_err
#define out_length shell_out_length
#define expect_text shell_expect_text

#define EXPECT(status, ...) shell_expect(*state, NULL, 60, status, __VA_ARGS__)

static const char *const engines[] = {"rtl", "golden", "golden-readable", "float"};
enum { ENGINES = 4 };

// The ids, the text and why it ended, from the --json of the last command.
static void expect_json(size_t count, const int *ids, const char *text, const char *stop) {
  cJSON *json = cJSON_Parse(out);
  assert_non_null(json);
  const cJSON *list = cJSON_GetObjectItem(json, "ids");
  assert_int_equal(cJSON_GetArraySize(list), count);
  for (int i = 0; i < (int)count; i++)
    assert_int_equal(cJSON_GetArrayItem(list, i)->valueint, ids[i]);
  if (text) assert_string_equal(cJSON_GetObjectItem(json, "text")->valuestring, text);
  else assert_true(cJSON_IsNull(cJSON_GetObjectItem(json, "text")));
  assert_string_equal(cJSON_GetObjectItem(json, "stop")->valuestring, stop);
  cJSON_Delete(json);
}

// The demo with another line in config.json.
static void make_demo(void **state, const char *sed) {
  EXPECT(0,
         "rm -rf @/demo && mkdir @/demo && cp models/demo/config.json @/demo && ln -s "
         "$PWD/models/demo/[mv]*.* @/demo && sed -i '%s' "
         "@/demo/config.json",
         sed);
}

// Greedily, after "a" (65): , and the old man was so pleased with the old man ...
static const int greedy[] = {12, 270, 260, 527, 458, 308, 357, 1814};

// Any of a list ends the text, also in the hardware, which itself stops at one.
static void ends(void **state) {
  for (int i = 0; i < ENGINES; i++) {
    make_demo(state, "s/\"eos_token_id\": 0/\"eos_token_id\": [4095, 527, 458]/");
    EXPECT(0, "gpt2rtl generate --model @/demo --ids 65 --tokens 8 --json --engine %s", engines[i]);
    expect_json(4, greedy, ", and the", "eos");
    EXPECT(0, "gpt2rtl generate --model @/demo --ids 65 --tokens 8 --engine %s --stats @/stats",
           engines[i]);
    assert_string_equal(out, ", and the");
    expect_text(err_text, "4 tokens, 4 positions");
    EXPECT(0, "gpt2rtl generate --model @/demo --ids 65 --tokens 6 --json --engine %s --ignore-eos",
           engines[i]);
    expect_json(6, greedy, ", and the old man was", "length");
    // generation_config.json counts in place of config.json.
    EXPECT(0, "echo '{\"eos_token_id\": 458}' > @/demo/generation_config.json");
    EXPECT(0, "gpt2rtl generate --model @/demo --ids 65 --tokens 8 --json --engine %s", engines[i]);
    expect_json(5, greedy, ", and the old", "eos");
  }
  EXPECT(0, "gpt2rtl info @/demo");
  expect_text(out, "stop id             458\n");
  // An image has one stop id; with its folder, all of them.
  EXPECT(0, "echo '{\"eos_token_id\": [527, 270]}' > @/demo/generation_config.json && gpt2rtl "
            "compile --model @/demo --output @/image");
  EXPECT(0, "gpt2rtl generate --image @/image --ids 65 --tokens 8 --engine golden --json");
  expect_json(4, greedy, NULL, "eos");
  EXPECT(
      0,
      "gpt2rtl generate --image @/image --model @/demo --ids 65 --tokens 8 --engine golden --json");
  expect_json(2, greedy, ",", "eos");
  make_demo(state, "s/\"eos_token_id\": 0/\"eos_token_id\": [-1, 270, 99999, 4095]/");
  EXPECT(0, "gpt2rtl info @/demo --json");
  expect_text(out, "\"stop_ids\":	[270, 4095]");
}

// Where a text starts matters only for an empty prompt.
static void starts(void **state) {
  make_demo(
      state,
      "s/\"bos_token_id\": 0/\"bos_token_id\": 65/; s/\"eos_token_id\": 0/\"eos_token_id\": -1/");
  EXPECT(0, "gpt2rtl generate --model @/demo --prompt '' --tokens 3 --json --engine golden");
  expect_text(out, "\"prompt_ids\":	[65]");
  expect_json(3, greedy, ", and the", "length");
  make_demo(state, "s/\"bos_token_id\": 0/\"bos_token_id\": 50256/; s/\"eos_token_id\": "
                   "0/\"eos_token_id\": 50256/");
  EXPECT(0, "gpt2rtl generate --model @/demo --ids 65 --tokens 3 --json --engine golden");
  expect_json(3, greedy, ", and the", "length");
  EXPECT(0, "gpt2rtl generate --model @/demo --prompt '' --tokens 1 --json --engine golden");
  expect_text(out, "\"prompt_ids\":	[0]");  // <|endoftext|>
  EXPECT(0, "rm @/demo/vocab.json @/demo/merges.txt");
  EXPECT(0, "gpt2rtl random-model --config nano --output @/nano && gpt2rtl compile --model @/nano "
            "--output @/image");
  EXPECT(0, "sed -i 's/\"bos_token_id\": 300/\"bos_token_id\": -1/; s/\"eos_token_id\": "
            "300/\"eos_token_id\": 301/' @/nano/config.json");
  EXPECT(0, "sed -i 's/<|endoftext|>/<|other|>/' @/nano/vocab.json");
  EXPECT(0, "gpt2rtl generate --model @/nano --prompt x --tokens 1 --engine golden");
  EXPECT(1, "gpt2rtl generate --model @/nano --prompt '' --tokens 1 --engine golden");
  expect_text(err_text, "the prompt is empty, and the model has no token to start from");
}

static void stop_texts(void **state) {
  for (int i = 0; i < ENGINES; i++) {
    // "old man" is two tokens; "man was so x" begins and does not end.
    EXPECT(0,
           "gpt2rtl generate --model models/demo --ids 65 --tokens 8 --engine %s --stop 'old man' "
           "--stop='man was so x'",
           engines[i]);
    assert_string_equal(out, ", and the ");
    EXPECT(0,
           "gpt2rtl generate --model models/demo --ids 65 --tokens 8 --json --engine %s --stop 'ld "
           "m' --stats @/stats",
           engines[i]);
    expect_json(5, greedy, ", and the o", "text");
    expect_text(out, "\"stop_text\":	\"ld m\"");
    expect_text(err_text, "5 tokens, 5 positions");
    char path[FILE_PATH_SIZE];
    assert_int_equal(file_join(path, *state, "stats", NULL), 0);
    shell_read(path, out);
    expect_text(out, "\"tokens\"");
    EXPECT(0,
           "gpt2rtl generate --model models/demo --ids 65 --tokens 6 --engine %s --stop 'man was "
           "so x'",
           engines[i]);
    assert_string_equal(out, ", and the old man was");
  }
  EXPECT(0, "gpt2rtl generate --model models/demo --ids 65 --tokens 8 --engine golden --top 1 "
            "--stop 'old man'");
  expect_text(out, "* ");
  expect_text(out, "\n, and the \n");
  EXPECT(2, "gpt2rtl generate --model models/demo --ids 65 --stop ''");
  EXPECT(2, "gpt2rtl generate --model models/demo --ids 65$(printf ' --stop %%s' 1 2 3 4 5 6 7 8 9 "
            "10 11 12 13 14 15 16 17)");
  expect_text(err_text, "--stop is given more than 16 times");
  EXPECT(2, "gpt2rtl generate --image x --ids 65 --stop x");
  expect_text(err_text, "--stop needs --model for its tokenizer");
}

// A run that a second stop id has ended also reports what did not fit: here a position embedding of
// 19,968.
static void saturated(void **state) {
  EXPECT(0, "gpt2rtl random-model --config nano --output @/nano && printf '\\234\\106' | dd "
            "conv=notrunc bs=1 of=@/nano/model.safetensors "
            "seek=$(($(stat -c %%s @/nano/model.safetensors) - 2 * 443520 + 2 * (304 * 128 + 9))) "
            "2> /dev/null");
  EXPECT(0, "gpt2rtl generate --model @/nano --ids 1,2,3,4,5 --tokens 5 --engine golden --json");
  expect_text(err_text, "numbers were too large for their format");
  cJSON *json = cJSON_Parse(out);
  const int id = cJSON_GetArrayItem(cJSON_GetObjectItem(json, "ids"), 2)->valueint;
  cJSON_Delete(json);
  EXPECT(0, "echo '{\"eos_token_id\": [300, %d]}' > @/nano/generation_config.json", id);
  for (int i = 0; i < 2; i++) {
    EXPECT(0, "gpt2rtl generate --model @/nano --ids 1,2,3,4,5 --tokens 5 --engine %s --json",
           engines[i]);
    expect_text(out, "\"eos\"");
    expect_text(err_text, "numbers were too large for their format");
  }
}

// An interrupted run shows what it held back: as many tokens as it says, equal to a run of that
// many.
static void interrupted(void **state) {
  static char shown[OUTPUT];
  static const char line[] = "gpt2rtl generate --model models/demo --ids 65 --ignore-eos --stop "
                             "'he was so pleased with the old man that he was so pleasedX'";
  int n = 0;
  for (int seconds = 1; n < 3; seconds *= 2) {
    assert_true(seconds < 60);  // a busy machine may not have begun in so short a time
    EXPECT(130, "timeout --preserve-status -s INT %d build/gpt2rtl %s --tokens 100000", seconds,
           line + 8);
    const char *said = strstr(err_text, "interrupted after ");
    if (said) n = atoi(said + 18);
  }
  strcpy(shown, out);
  EXPECT(0, "%s --engine golden --tokens %d", line, n);
  assert_string_equal(shown, out);
}

static void prompt_file(void **state) {
  EXPECT(0, "printf 'Once upon a time\\n' > @/prompt");
  EXPECT(0, "gpt2rtl generate --model models/demo --prompt-file @/prompt --tokens 5 --json "
            "--engine golden");
  expect_text(out, "\"prompt_ids\":	[1510, 698, 259, 516, 199]");
  EXPECT(0, "gpt2rtl generate --model models/demo --prompt-file - --tokens 5 --json --engine "
            "golden < @/prompt");
  expect_text(out, "\"prompt_ids\":	[1510, 698, 259, 516, 199]");
  EXPECT(0, "cat @/prompt | gpt2rtl generate --model models/demo --prompt-file /dev/stdin --tokens "
            "5 --json --engine golden");
  expect_text(out, "\"prompt_ids\":	[1510, 698, 259, 516, 199]");
  EXPECT(0, "printf 'a\\000b' | gpt2rtl generate --model models/demo --prompt-file - --tokens 1 "
            "--json --engine golden");
  expect_text(out, "\"prompt_ids\":	[65, 189, 66]");
  EXPECT(1, "gpt2rtl generate --model models/demo --prompt-file @/absent");
  expect_text(err_text, "/absent: cannot be read: No such file");
  EXPECT(1, "gpt2rtl generate --model models/demo --prompt-file @");
  expect_text(err_text, ": cannot be read: Is a directory");
  EXPECT(2, "gpt2rtl generate --model models/demo --prompt x --prompt-file @/prompt");
  EXPECT(2, "gpt2rtl generate --image x --prompt-file @/prompt");
  expect_text(err_text, "--prompt-file needs --model for its tokenizer");
}

// Ids need no tokenizer; ids without a token have no text; tokens that the model lacks are refused
// when they occur.
static void ids_alone(void **state) {
  make_demo(state, "");
  EXPECT(0, "rm @/demo/vocab.json @/demo/merges.txt");
  EXPECT(0, "gpt2rtl generate --model @/demo --ids 65 --tokens 4 --engine golden");
  assert_string_equal(out, "12 270 260 527\n");
  expect_text(
      err_text,
      "no tokenizer, expected vocab.json and merges.txt, or tokenizer.json: the output is ids\n");
  EXPECT(0, "gpt2rtl generate --model @/demo --ids 65 --tokens 4 --engine golden --json --top 1");
  expect_json(4, greedy, NULL, "length");
  EXPECT(0, "echo '{' > @/demo/tokenizer.json");
  EXPECT(0, "gpt2rtl generate --model @/demo --ids 65 --tokens 4 --engine golden");
  assert_string_equal(out, "12 270 260 527\n");
  expect_text(err_text, "tokenizer.json: line 1");
  EXPECT(1, "gpt2rtl generate --model @/demo --ids 65 --stop x --engine golden");
  EXPECT(1, "gpt2rtl generate --model @/demo --prompt x --engine golden");
  expect_text(err_text, "tokenizer.json: line 1");

  // 304 rows for 301 tokens.
  EXPECT(0, "gpt2rtl random-model --config nano --output @/nano && sed 's/\"vocab_size\": "
            "301/\"vocab_size\": 304/' @/nano/config.json > @/304.json");
  EXPECT(0, "gpt2rtl random-model --config @/304.json --output @/padded && cp @/nano/vocab.json "
            "@/nano/merges.txt @/padded");
  EXPECT(0, "gpt2rtl generate --model @/padded --prompt x --tokens 1 --engine golden");
  EXPECT(0, "gpt2rtl generate --model @/padded --ids 303,302 --tokens 1 --engine golden");
  EXPECT(0, "echo 87 303 302 87 | gpt2rtl detokenize --model @/padded");
  assert_string_equal(out, "xx");
  EXPECT(0, "echo 303 | gpt2rtl detokenize --model @/padded --json");
  expect_text(out, "\"text\":	\"\"");
  EXPECT(1, "echo 304 | gpt2rtl detokenize --model @/padded");
  expect_text(err_text, "id 304 is not in the vocabulary of 304 ids");

  // A padding token without a row.
  EXPECT(0, "echo '{\"<pad>\": 301}' > @/nano/added_tokens.json");
  EXPECT(0, "gpt2rtl generate --model @/nano --prompt x --tokens 1 --engine golden");
  EXPECT(0, "printf 'x<pad>' | gpt2rtl tokenize --model @/nano");
  assert_string_equal(out, "87 301\n");
  EXPECT(0, "echo 87 301 | gpt2rtl detokenize --model @/nano");
  assert_string_equal(out, "x<pad>");
  EXPECT(1, "gpt2rtl generate --model @/nano --prompt 'x<pad>' --engine golden");
  expect_text(err_text, "the text has the token \"<pad>\", id 301, for which the model has no row: "
                        "its ids are 0..300");
}

// What the hardware's sampler lacks.
static void host_sampling(void **state) {
  static char plain[OUTPUT], other[OUTPUT];
  static const char line[] =
      "gpt2rtl generate --model models/demo --prompt 'Once upon a time' --tokens 40 --seed 7";
  EXPECT(0, "%s --engine golden", line);
  strcpy(plain, out);
  EXPECT(0, "%s --engine golden --top-k 40 --top-p 1 --repetition-penalty 1", line);
  assert_string_equal(out, plain);
  for (int i = 0; i < 4; i++) {
    static const char *const settings[] = {"--top-p 0.8", "--top-p 0.5 --top-k 20",
                                           "--repetition-penalty 1.3",
                                           "--repetition-penalty 1.2 --temperature 0"};
    EXPECT(0, "%s --engine golden %s", line, settings[i]);
    strcpy(other, out);
    assert_string_not_equal(other, plain);
    EXPECT(0, "%s --engine golden-readable %s", line, settings[i]);
    assert_string_equal(out, other);
    EXPECT(0, "%s --engine float %s", line, settings[i]);
    EXPECT(2, "%s %s", line, settings[i]);
    expect_text(err_text, "needs --engine golden, golden-readable or float: the hardware draws "
                          "only by temperature and top-k");
  }
  // With a large enough penalty nothing is repeated.
  EXPECT(0, "gpt2rtl generate --model models/demo --ids 65,65,12 --tokens 60 --json --engine "
            "golden --repetition-penalty 10");
  cJSON *json = cJSON_Parse(out);
  const cJSON *ids = cJSON_GetObjectItem(json, "ids");
  bool seen[4096] = {[65] = true, [12] = true};
  const cJSON *id;
  cJSON_ArrayForEach(id, ids) {
    assert_false(seen[id->valueint]);
    seen[id->valueint] = true;
  }
  assert_true(cJSON_GetObjectItem(json, "repetition_penalty")->valuedouble == 10);
  cJSON_Delete(json);
  // --top shows what can be drawn.
  EXPECT(0, "gpt2rtl generate --model models/demo --prompt 'Once upon a' --tokens 3 --seed 1 "
            "--json --engine golden --top 100 --top-p 0.7");
  json = cJSON_Parse(out);
  assert_true(cJSON_IsNull(cJSON_GetObjectItem(json, "top_k")));
  const cJSON *step, *candidate;
  cJSON_ArrayForEach(step, cJSON_GetObjectItem(json, "steps")) {
    double all = 0, drawn = 0, before = 0;
    cJSON_ArrayForEach(candidate, cJSON_GetObjectItem(step, "candidates")) {
      const double p = cJSON_GetObjectItem(candidate, "probability")->valuedouble,
                   d = cJSON_GetObjectItem(candidate, "drawn")->valuedouble;
      assert_true((d > 0) == (before < 0.7));
      before = all += p;
      drawn += d;
    }
    assert_true(drawn > 0.999 && drawn < 1.001);
  }
  cJSON_Delete(json);
  static const char *const wrong[] = {"--top-p 0",
                                      "--top-p 1.1",
                                      "--top-p x",
                                      "--top-p 0.5 --temperature 0",
                                      "--repetition-penalty 0",
                                      "--repetition-penalty 11",
                                      "--repetition-penalty nan"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    EXPECT(2, "gpt2rtl generate --model models/demo --prompt x --engine golden %s", wrong[i]);
}

// Several prompts, as options or as lines: the texts that they have alone, in their order.
static void prompts(void **state) {
  static const char *const prompt[] = {"Once upon a time", "The dog", "", "Lily and Tom"};
  static char expected[OUTPUT];
  const char *common =
      "gpt2rtl generate --model models/demo --tokens 12 --temperature 0.8 --seed 7";
  size_t n = 0;
  for (size_t i = 0; i < 4; i++) {
    EXPECT(0, "%s --engine golden --prompt '%s'", common, prompt[i]);
    n += (size_t)snprintf(expected + n, sizeof expected - n, "%s==> prompt %zu <==\n%s",
                          i ? "\n\n" : "", i + 1, out);
  }
  strcat(expected, "\n");
  for (int e = 0; e < 3; e++) {
    EXPECT(0, "%s --engine %s --prompt '%s' --prompt '%s' --prompt '%s' --prompt '%s'", common,
           engines[e], prompt[0], prompt[1], prompt[2], prompt[3]);
    assert_string_equal(out, expected);
    expect_text(err_text, "48 tokens");
    if (e == 0) expect_text(err_text, "cycles per token");
  }
  // More than are computed side by side, of different lengths; lines may end in CR, or be empty.
  EXPECT(0, "for i in $(seq 40); do printf 'Tom had %%d dogs\\r\\n\\n' $i; done > @/lines && "
            "gpt2rtl generate --model models/demo --engine golden --prompts @/lines --tokens 9 "
            "> @/many && for i in $(seq 40); do [ $i = 1 ] || printf '\\n\\n'; printf '==> prompt "
            "%%d <==\\n' $i; gpt2rtl generate --model models/demo --engine golden --prompt \"Tom "
            "had $i dogs\" --tokens 9 2> /dev/null; done > @/alone; echo >> @/alone; cmp @/many "
            "@/alone");
  EXPECT(0, "gpt2rtl generate --model models/demo --engine golden --prompts - --tokens 2 --json < "
            "@/lines");
  cJSON *json = cJSON_Parse(out);
  assert_int_equal(cJSON_GetArraySize(json), 40);
  cJSON_Delete(json);
  // Seeds of their own.
  static const char *const four[] = {"7", "18446744073709551615", "7", "0"};
  n = 0;
  for (size_t i = 0; i < 4; i++) {
    EXPECT(0,
           "gpt2rtl generate --model models/demo --tokens 12 --engine golden --prompt A --seed %s",
           four[i]);
    n += (size_t)snprintf(expected + n, sizeof expected - n, "%s==> prompt %zu <==\n%s",
                          i ? "\n\n" : "", i + 1, out);
  }
  strcat(expected, "\n");
  for (int e = 0; e < 2; e++) {
    EXPECT(0,
           "gpt2rtl generate --model models/demo --tokens 12 --engine %s --prompt A --seed 7 "
           "--prompt A --seed 18446744073709551615 --prompt A --prompt A --seed 7 --seed 0",
           engines[e]);
    assert_string_equal(out, expected);
  }
  EXPECT(0, "printf 'A\nA\nA\nA\n' > @/prompts && printf '7\r\n\n18446744073709551615\n7\n0' > "
            "@/seeds && gpt2rtl generate --model models/demo --tokens 12 --engine golden --prompts "
            "@/prompts --seeds @/seeds");
  assert_string_equal(out, expected);
  EXPECT(0, "gpt2rtl generate --model models/demo --tokens 2 --engine golden --prompts @/prompts "
            "--seeds @/seeds --json --stats @/stats");
  json = cJSON_Parse(out);
  for (int i = 0; i < 4; i++)
    assert_string_equal(cJSON_GetStringValue(
                            cJSON_GetObjectItem(cJSON_GetArrayItem(json, i), "seed")),
                        four[i]);
  cJSON_Delete(json);
  EXPECT(0, "grep '\"seed\": null' @/stats");
  static const struct {
    int status;
    const char *options, *message;
  } seeds[] = {
      {1, "--prompt b --prompt c --seed 1 --seed 2",
       "2 seeds for 3 prompts: give one for each, or one for all"},
      {1, "--seed 1 --seed 2", "2 seeds for 1 prompts"},
      {1, "--seeds @/seeds", "4 seeds for 1 prompts: give one for each"},
      {1, "--seeds @/prompts", "/prompts: line 1: 'A': expected a whole number from 0 to 2^64 - 1"},
      {2, "--seed 1 --seed x", "--seed 'x': expected a whole number"},
      {2, "--seed 1 --seeds @/seeds", "--seed and --seeds both give seeds"},
      {2, "--temperature 0 --seeds @/seeds", "--seeds is for random draws"},
  };
  for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
    EXPECT(seeds[i].status, "gpt2rtl generate --model models/demo --engine golden --prompt a %s",
           seeds[i].options);
    expect_text(err_text, seeds[i].message);
  }
  EXPECT(1, "gpt2rtl generate --model models/demo --prompts /dev/null");
  expect_text(err_text, "/dev/null: holds no prompt");
  EXPECT(1, "(echo a; seq 300 | tr '\\n' ' ') | gpt2rtl generate --model models/demo --prompts -");
  expect_text(err_text, "-: line 2: the prompt has");
  static const char *const alone[] = {"--top 3", "--trace @/t.fst", "--timeline @/t.json",
                                      "--report @/r.html"};
  for (size_t i = 0; i < sizeof alone / sizeof *alone; i++) {
    EXPECT(2, "gpt2rtl generate --model models/demo --prompt a --prompt b %s", alone[i]);
    expect_text(err_text, "allows only one prompt");
  }
  EXPECT(2, "gpt2rtl generate --model models/demo --prompt a --prompts @/lines");
  expect_text(err_text, "one of --prompt, --prompts, --prompt-file and --ids");
}

// Prompt and generated positions are counted apart.
static void shares(void **state) {
  for (int e = 0; e < 2; e++) {
    EXPECT(0,
           "gpt2rtl generate --model models/demo --engine %s --ids 65,12,270 --tokens 5 --stats "
           "@/stats",
           engines[e]);
    expect_text(err_text, ", the first after ");
    EXPECT(0, "cat @/stats");
    cJSON *json = cJSON_Parse(out);
    static const char *const names[] = {"prompt", "generated"};
    static const int positions[] = {3, 4};
    double cycles = 0;
    for (int i = 0; i < 2; i++) {
      const cJSON *share = cJSON_GetObjectItem(json, names[i]);
      assert_int_equal(cJSON_GetObjectItem(share, "positions")->valueint, positions[i]);
      assert_true(cJSON_GetObjectItem(share, "seconds")->valuedouble >= 0);
      if (e == 0) cycles += cJSON_GetObjectItem(share, "cycles")->valuedouble;
    }
    if (e == 0) assert_true(cycles == cJSON_GetObjectItem(json, "cycles")->valuedouble);
    cJSON_Delete(json);
  }
}

// Hardware that runs several positions of a prompt together writes the same, in fewer cycles; its
// share of the memory floor counts a batch's weights once. What it cannot do is refused.
static void positions(void **state) {
  static const char ids[] = "65,12,270,260,527,458,308,357,1814,12,270,260,527,458,308,357,1814";
  double cycles[2];
  char text[2][OUTPUT];
  for (int p = 0; p < 2; p++) {
    EXPECT(0,
           "gpt2rtl generate --model models/demo --ids %s --tokens 5 --seed 3 %s --stats @/stats",
           ids, p ? "--positions 8" : "");
    memcpy(text[p], out, out_length + 1);
    EXPECT(0, "cat @/stats");
    cJSON *json = cJSON_Parse(out);
    const cJSON *prompt = cJSON_GetObjectItem(json, "prompt");
    assert_int_equal(cJSON_GetObjectItem(prompt, "positions")->valueint, 17);
    cycles[p] = cJSON_GetObjectItem(prompt, "cycles")->valuedouble;
    assert_true(cJSON_GetObjectItem(json, "floor")->valuedouble <
                cJSON_GetObjectItem(json, "cycles")->valuedouble);
    cJSON_Delete(json);
  }
  assert_string_equal(text[1], text[0]);
  assert_true(cycles[1] < cycles[0] / 4);
  // Several prompts, more than there are places; some end early, by a text.
  EXPECT(0, "for i in $(seq 11); do printf 'Tom had %%d dogs\\n' $i; done > @/lines; "
            "gpt2rtl generate --model models/demo --prompts @/lines --tokens 12 --seed 4 --stop "
            "' dog' --engine golden > @/golden && gpt2rtl generate --model models/demo --prompts "
            "@/lines --tokens 12 --seed 4 --stop ' dog' --positions 8 --stats @/stats > @/rtl && "
            "cmp @/golden @/rtl && cat @/stats");
  cJSON *json = cJSON_Parse(out);
  bool seen[11] = {false};
  const cJSON *entry;
  cJSON_ArrayForEach(entry, cJSON_GetObjectItem(json, "tokens"))
      seen[cJSON_GetObjectItem(entry, "prompt")->valueint] = true;
  for (int i = 0; i < 11; i++) assert_true(seen[i]);
  cJSON_Delete(json);
  EXPECT(0,
         "seq 11 > @/seeds && for run in golden 'rtl --positions 8'; do gpt2rtl generate --model "
         "models/demo --prompts @/lines --seeds @/seeds --tokens 9 --engine $run --stats @/stats "
         "> \"@/${run%%%% *}\" || exit; done; cmp @/golden @/rtl && cat @/stats");
  json = cJSON_Parse(out);
  cycles[0] = cJSON_GetObjectItem(json, "cycles")->valuedouble;  // all together
  cJSON_Delete(json);
  EXPECT(0,
         "gpt2rtl generate --model models/demo --prompts @/lines --seed 4 --tokens 9 --positions "
         "8 --stats @/stats > @/rtl && cat @/stats");
  json = cJSON_Parse(out);
  assert_true(cycles[0] < 1.05 * cJSON_GetObjectItem(json, "cycles")->valuedouble);
  cJSON_Delete(json);
  EXPECT(0, "gpt2rtl logits --model models/demo --ids 65,12,270 --positions 8 --output @/batch");
  EXPECT(0, "gpt2rtl logits --model models/demo --ids 65,12,270 --engine golden --output @/golden");
  EXPECT(0, "cmp @/batch @/golden");
  EXPECT(2, "gpt2rtl logits --model models/demo --ids 1 --positions 8 --engine float --output @/x");
  expect_text(err_text, "--positions needs --engine rtl");
  static const struct {
    const char *options, *message;
  } refused[] = {
      {"--positions 3", "--positions '3': expected 1, 2, 4, 8 or 16"},
      {"--positions 8x", "--positions '8x': expected 1, 2, 4, 8 or 16"},
      {"--positions 4 --engines 8", "--engines '8': expected 1, 2, 4, ... --positions, which is 4"},
      {"--engines 0", "--engines '0': expected"},
      {"--engine golden --positions 2", "--positions needs --engine rtl"},
      {"--folding 3", "--folding '3': expected 1, 2, 4, 8 or 16"},
      {"--engine golden --folding 2", "--folding needs --engine rtl"},
  };
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    EXPECT(2, "gpt2rtl generate --model models/demo --prompt a %s", refused[i].options);
    expect_text(err_text, refused[i].message);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_FOLDER(ends),      IN_FOLDER(starts),        IN_FOLDER(stop_texts),
      IN_FOLDER(saturated), IN_FOLDER(interrupted),   IN_FOLDER(prompt_file),
      IN_FOLDER(ids_alone), IN_FOLDER(host_sampling), IN_FOLDER(prompts),
      IN_FOLDER(shares),    IN_FOLDER(positions),
  };
  return cmocka_run_group_tests_name("generate", tests, NULL, NULL);
}
