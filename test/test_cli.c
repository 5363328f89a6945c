// SPDX-License-Identifier: Apache-2.0
//
// cli: the gpt2rtl command as a user meets it: output, exit status, messages, files
#include "model_test.h"

#include <math.h>
#include <sys/wait.h>

#include <cjson/cJSON.h>

#include "random_model.h"
#include "recording.h"
#include "shell.h"

enum { OUTPUT = SHELL_OUTPUT };
#define out shell_out
#define err_text shell_err
#define out_length shell_out_length
#define expect_text shell_expect_text

// Runs "gpt2rtl ARGUMENTS".
#define RUN(...) shell_run(*state, NULL, 0, "gpt2rtl " __VA_ARGS__)
#define EXPECT(status, ...) shell_expect(*state, NULL, 0, status, "gpt2rtl " __VA_ARGS__)

static const char *const commands[] = {"generate", "logits",  "tokenize",     "detokenize",
                                       "compile",  "info",    "random-model", "perplexity",
                                       "lambada",  "compare", "estimate",     "bench",
                                       "board"};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void help(void **state) {
  EXPECT(0, "--help");
  expect_text(out, "example: ");
  for (int i = 0; i < COMMANDS; i++) expect_text(out, commands[i]);
  for (int i = 0; i < COMMANDS; i++) {
    EXPECT(0, "%s --help", commands[i]);
    expect_text(out, "usage: ");
    expect_text(out, "example: ");
    assert_string_equal(err_text, "");
    EXPECT(1, "%s --help > /dev/full", commands[i]);
  }
}

static void usage(void **state) {
  static const char *const wrong[] = {
      "",
      "nothing",
      "generate",
      "generate --model models/demo",
      "board",
      "board --model models/demo --prompt x",
      "board --port x --model models/demo",
      "board --port x --prompt y",
      "board --port x --baud 0",
      "board --port x --model models/demo --prompt y --tokens 0",
      "generate --model",
      "generate --modell x --prompt y",
      "generate --model @/nano --prompt x --ids 1",
      "generate --model @/nano --prompt x --tokens 0",
      "generate --model @/nano --prompt x --tokens 1x",
      "generate --model @/nano --prompt x --tokens -1",
      "generate --model @/nano --prompt x --engine gpu",
      "generate --model @/nano --prompt x --lanes 96",
      "generate --model @/nano --prompt x --temperature -1",
      "generate --model @/nano --prompt x --temperature nan",
      "generate --model @/nano --prompt x --top-k 65",
      "generate --model @/nano --prompt x --top-k 0",
      "generate --model @/nano --prompt x --seed 18446744073709551616",
      "generate --model @/nano --prompt x --memory speed=9",
      "generate --model @/nano --prompt x --memory latency=0",
      "generate --model @/nano --prompt x --memory stall=1",
      "generate --model @/nano --prompt x --memory ddr5",
      "generate --model @/nano --prompt x --memory ideal,beats=0.5",
      "generate --model @/nano --prompt x --memory ideal --clock 0",
      "estimate --memory beats=0",
      "estimate --lanes 65",
      "estimate --context 1024",
      "estimate --memory ideal --clock 3000",
      "estimate --memory stall=0.5",
      "generate --model @/nano --prompt x --memory beats=",
      "generate --model @/nano --ids 1,,2",
      "generate --model @/nano --ids 1,",
      "generate --model @/nano --ids x",
      "generate --model @/nano --prompt x extra",
      "generate --model a --model b --prompt x",
      "generate --model @/nano --prompt x --ignore-eos=1",
      "generate --model @/nano --prompt x --engine float --trace t.fst",
      "logits --model @/nano --ids 1",
      "logits --model @/nano --output x",
      "logits --ids 1 --output x",
      "tokenize",
      "detokenize",
      "compile --model @/nano",
      "compile --model @/nano --lanes 96 --output x",
      "compile --model @/nano --lanes 8192 --output x",
      "info",
      "info a b",
      "random-model --config nano",
      "random-model --output x",
      "random-model --config huge --output x",
      "random-model --config huge.json --output x",
      "generate --model @/nano --prompt x --threads 2",
      "generate --model @/nano --prompt x --engine golden-readable --vector auto",
      "generate --model @/nano --prompt x --engine golden --threads 0",
      "generate --model @/nano --prompt x --engine golden --vector sse",
      "generate --model @/nano --prompt x --engine golden --lanes 64",
      "generate --model @/nano --prompt x --engine float --lanes 256",
      "generate --model @/nano --prompt x --engine golden-readable --memory ideal",
      "generate --model @/nano --prompt x --engine golden --clock 250",
      "generate --model @/nano --prompt x --clock 250",
      "generate --model @/nano --prompt x --memory seed=-1",
      "generate --model @/nano --prompt x --memory seed=18446744073709551616",
      "generate --model @/nano --prompt x --seed -1",
      "random-model --config nano --seed -1 --output @/x",
      "logits --model @/nano --ids 1 --output @/x --engine golden --lanes 64",
      "logits --model @/nano --ids 1 --output @/x --engine float --memory ideal",
      "dump --model @/nano --ids 1 --tensor ln_f --output @/x --engine golden --lanes 64",
      "dump --model @/nano --ids 1 --tensor ln_f --output @/x --engine float --memory ideal",
      "bench",
      "bench --model @/nano --threads 1,0",
      "bench --model @/nano --threads 1,257",
      "bench --model @/nano --vector mmx",
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    const int status = RUN("%s < /dev/null", wrong[i]);
    if (status != 2)
      fail_msg("gpt2rtl %s: exit status %d, expected 2; %s", wrong[i], status, err_text);
    expect_text(err_text, "--help");
    assert_string_equal(out, "");
  }
}

static void failures(void **state) {
  EXPECT(1, "generate --model @/absent --prompt x");
  expect_text(err_text, "absent");
  EXPECT(1, "info @/absent");
  EXPECT(1, "tokenize --model @/absent < /dev/null");
  EXPECT(1, "compile --model @/nano --output @/no/such/folder");
  EXPECT(1, "random-model --config nano --output @/nano");  // in use
  EXPECT(1, "generate --model @/nano --ids 301 --engine golden");
  expect_text(err_text, "0 to 300");
  EXPECT(1, "generate --model @/nano --engine golden --ids "
            "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
            "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1");
  expect_text(err_text, "holds 64");
  EXPECT(1, "generate --model @/nano --prompt x --engine golden --stats @/no/such");
  EXPECT(1, "generate --model @/nano --prompt x --engine golden > /dev/full");
  expect_text(err_text, "standard output");
  EXPECT(1, "generate --model @/nano --prompt x --engine golden >&-");
  EXPECT(1, "logits --model @/nano --ids 1 --engine golden --output /dev/full");
  EXPECT(1, "generate --model @/nano --prompt x --trace @/no/such.fst");
  // A broken image is refused, and the field is named.
  EXPECT(0, "compile --model @/nano --lanes 64 --output @/image");
  EXPECT(0, "info @/image");
  EXPECT(1, "--version; printf x | dd of=@/image bs=1 seek=100000 conv=notrunc; build/gpt2rtl info "
            "@/image");
  expect_text(err_text, "checksum");
  EXPECT(1, "--version; truncate -s -64 @/image; build/gpt2rtl info @/image");
}

static void tokens(void **state) {
  char path[FILE_PATH_SIZE];
  EXPECT(0, "tokenize --model @/nano < /dev/null");
  assert_string_equal(out, "\n");
  EXPECT(0, "tokenize --model @/nano < /bin/true > @/ids; build/gpt2rtl detokenize --model @/nano "
            "< @/ids > @/bytes; cmp @/bytes /bin/true");
  EXPECT(0, "tokenize --model @/nano < /bin/true | tr ' ' '\\n' | build/gpt2rtl detokenize --model "
            "@/nano | cmp - /bin/true");
  EXPECT(0, "detokenize --model @/nano < /dev/null");
  assert_int_equal(out_length, 0);
  static const char *const wrong[] = {"1 2 301", "1 -2", "1,2", "99999999999999999999", "x", "0x1"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    write_string(path, *state, "wrong", wrong[i]);
    EXPECT(1, "detokenize --model @/nano < @/wrong");
    expect_text(err_text, i == 0 ? "301" : "standard input");
  }
}

// The three engines do the same; rtl and golden give the same results, whatever the lanes and
// memory.
static void engines(void **state) {
  static char golden[OUTPUT];
  const char *common =
      "generate --model @/nano --ids 5,6,7 --tokens 90 --temperature 1 --seed 11 --ignore-eos";
  EXPECT(0, "%s --engine golden --stats @/golden.json", common);
  memcpy(golden, out, OUTPUT);
  const size_t length = out_length;
  assert_true(length >= 90);
  static const char *const settings[] = {"", "--lanes 64", "--memory latency=3,stall=0.5",
                                         "--lanes 64 --memory beats=0.5",
                                         "--memory ddr4-2400,stall=0.1 --clock 300"};
  for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
    EXPECT(0, "%s %s", common, settings[i]);
    assert_int_equal(out_length, length);
    assert_memory_equal(out, golden, length);
    expect_text(err_text, "90 tokens");
    expect_text(err_text, "cycles per token");
  }
  static const char *const fast[] = {"golden-readable", "golden --threads 3",
                                     "golden --vector portable --threads 1",
                                     "golden --vector=auto"};
  for (size_t i = 0; i < sizeof fast / sizeof *fast; i++) {
    EXPECT(0, "%s --engine %s", common, fast[i]);
    assert_int_equal(out_length, length);
    assert_memory_equal(out, golden, length);
  }
  EXPECT(0, "%s --engine float", common);
  expect_text(err_text, "90 tokens");
  EXPECT(0, "generate --model @/nano --prompt '' --tokens 3 --engine golden");  // starts from the
                                                                                // end-of-text token
  EXPECT(0, "generate --model @/nano --ids 300 --tokens 5 --engine golden --temperature 1");
  expect_text(err_text, "--seed ");
}

static double number(const cJSON *object, const char *name) {
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
  if (!cJSON_IsNumber(item)) fail_msg("%s is no number", name);
  return item->valuedouble;
}

static void stats(void **state) {
  static char text[OUTPUT];
  char path[256];
  EXPECT(0, "generate --model @/nano --ids 5,6,7 --tokens 70 --temperature 1 --seed 11 "
            "--ignore-eos --stats @/stats.json");
  snprintf(path, sizeof path, "%s/stats.json", (char *)*state);
  shell_read(path, text);
  cJSON *json = cJSON_Parse(text);
  assert_non_null(json);
  static const char *const names[] = {
      "schema",
      "version",
      "model",
      "image_checksum",
      "engine",
      "lanes",
      "memory",
      "seed",
      "tokens",
      "cycles",
      "seconds",
      "cycles_per_second",
      "tokens_per_second",
  };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (!cJSON_HasObjectItem(json, names[i])) fail_msg("%s is missing", names[i]);
  // 3 + 61 positions fill the context; then 32 again; then 8 more tokens, the last of which is not
  // read in.
  const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, "tokens"), *entry;
  double cycles = 0;
  int n = 0, recomputed = 0, chosen = 0;
  uint32_t next = 0;
  cJSON_ArrayForEach(entry, list) {
    const bool again = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(entry, "recomputed"));
    const cJSON *choice = cJSON_GetObjectItemCaseSensitive(entry, "next");
    const uint32_t id = (uint32_t)number(entry, "id");
    assert_int_equal((int)number(entry, "position"), again ? recomputed : n < 64 ? n : n - 64);
    if (n > 2 && !again) assert_int_equal(id, next);
    if (cJSON_IsNumber(choice)) next = (uint32_t)choice->valuedouble;
    else assert_true(cJSON_IsNull(choice));
    chosen += cJSON_IsNumber(choice);
    cycles += number(entry, "cycles");
    recomputed += again;
    n++;
  }
  assert_int_equal(chosen, 70);
  assert_int_equal(recomputed, 32);
  assert_int_equal(n, 64 + 32 + 7);
  assert_true(cycles == number(json, "cycles"));
  assert_true(fabs(number(json, "tokens_per_second") * number(json, "seconds") / n - 1) < 1e-3);
  assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(json, "seed")),
                      "11");  // as --json has it
  assert_int_equal((int)number(json, "lanes"), 256);
  cJSON_Delete(json);
  EXPECT(0, "generate --model @/nano --ids 5 --tokens 2 --engine float --stats @/stats.json");
  shell_read(path, text);
  json = cJSON_Parse(text);
  assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(json, "cycles")));
  assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(json, "cycles_per_second")));
  cJSON_Delete(json);
}

static void logits(void **state) {
  static char golden[OUTPUT], rtl[OUTPUT], real[OUTPUT];
  char path[256];
  size_t length;
  static const char *const names[] = {"golden", "rtl", "float"};
  char *const to[] = {golden, rtl, real};
  for (int i = 0; i < 3; i++) {
    EXPECT(0, "logits --model @/nano --ids 5,6,7,8 --engine %s --output @/%s", names[i], names[i]);
    snprintf(path, sizeof path, "%s/%s", (char *)*state, names[i]);
    length = shell_read(path, to[i]);
    assert_int_equal(length, 4 * 301 * sizeof(float));
  }
  assert_memory_equal(golden, rtl, 4 * 301 * sizeof(float));
  for (int i = 0; i < 4 * 301; i++) {
    float a, b;
    memcpy(&a, golden + 4 * i, 4);
    memcpy(&b, real + 4 * i, 4);
    if (!(fabsf(a - b) < 0.5f)) fail_msg("logit %d: golden %g, float %g", i, (double)a, (double)b);
  }
}

// The golden engine's speed: each vector code and number of threads has figures, and none is zero.
static void bench(void **state) {
  EXPECT(0, "bench --model @/nano --threads 1,2 --vector all --json");
  cJSON *json = cJSON_Parse(out);
  const cJSON *results = cJSON_GetObjectItemCaseSensitive(json, "results"), *r, *at;
  assert_true(cJSON_GetArraySize(results) >= 2 && cJSON_GetArraySize(results) % 2 == 0);
  cJSON_ArrayForEach(r, results) {
    assert_true(number(r, "read_bytes_per_second") > 0);
    assert_true(number(cJSON_GetObjectItemCaseSensitive(r, "prefill"), "tokens_per_second") > 0);
    const cJSON *decode = cJSON_GetObjectItemCaseSensitive(r, "decode");
    assert_int_equal(cJSON_GetArraySize(decode), 3);
    cJSON_ArrayForEach(at, decode)
        assert_true(number(at, "tokens_per_second") > 0 && number(at, "share_of_read") > 0);
  }
  cJSON_Delete(json);
  EXPECT(0, "bench --model @/nano --threads 1");
  expect_text(out, "| 1 |");

  // A prompt in hardware that runs eight positions together.
  double cycles[2];
  for (int i = 0; i < 2; i++) {
    EXPECT(0, "bench --model @/nano --threads 1 --positions %d --json", i ? 8 : 1);
    json = cJSON_Parse(out);
    const cJSON *hardware = cJSON_GetObjectItemCaseSensitive(json, "hardware");
    assert_int_equal((int)number(hardware, "tokens"), 32);
    cycles[i] = number(hardware, "cycles");
    cJSON_Delete(json);
  }
  assert_true(cycles[1] > 0 && cycles[1] < cycles[0] / 4);
}

// A closed standard output ends the run; what was printed before is whole characters.
static void closed(void **state) {
  EXPECT(0, "generate --model @/nano --ids 5 --tokens 5000 --ignore-eos --temperature 1 --seed 1 | "
            "head -c 10");
  assert_int_equal(out_length, 10);
}

// Named shapes, folders and files; twice the clock gives twice the tokens if only the engine is the
// bottleneck.
static void estimates(void **state) {
  double rate[2];
  for (int i = 0; i < 2; i++) {
    EXPECT(0, "estimate --json --memory ideal --clock %d --config %s --context 0", 100 << i,
           i ? "@/nano/config.json" : "@/nano");
    cJSON *json = cJSON_Parse(out);
    assert_non_null(json);
    rate[i] = number(cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(json, "estimates"), 0),
                     "tokens_per_second");
    cJSON_Delete(json);
  }
  assert_true(fabs(rate[1] / rate[0] - 2) < 1e-6);
  EXPECT(0, "estimate --memory ddr4-2400 --lanes 1024");
  expect_text(out, "12 layers, 12 heads, width 768");
  expect_text(out, "the memory's bandwidth");
  EXPECT(1, "estimate --config gpt3");
  EXPECT(1, "estimate --config @/no/config.json");
}

static int setup(void **state) {
  struct err err;
  char dir[256];
  struct image image;
  open_random(&image, "nano", 1, 64);
  image_close(&image);
  if (make_folder(state)) return -1;
  snprintf(dir, sizeof dir, "%s/nano", (char *)*state);
  return random_model_write("nano", 1, dir, &err);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(help),      cmocka_unit_test(usage),   cmocka_unit_test(failures),
      cmocka_unit_test(tokens),    cmocka_unit_test(engines), cmocka_unit_test(stats),
      cmocka_unit_test(logits),    cmocka_unit_test(bench),   cmocka_unit_test(closed),
      cmocka_unit_test(estimates),
  };
  return cmocka_run_group_tests_name("cli", tests, setup, remove_folder);
}
