// SPDX-License-Identifier: Apache-2.0
//
// cache: a start with a warm cache does not open the weights; a changed model is noticed, also
// while it is read; everything works without a folder for the cache; gpt2rtl cache lists and
// clears; names reach a terminal and JSON as text
#include "model_test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/wait.h>

#include <cjson/cJSON.h>

#include "model_source.h"
#include "printable.h"
#include "random_model.h"
#include "shell.h"

#define said shell_out
#define expect_said(text) shell_expect_text(said, text)

// Runs a shell command in the test's folder; `golden` is a run of the program. Its output is in
// `said`.
static void expect(void **state, int status, const char *command) {
  const int found =
      shell_run(*state, "@/cache", 0,
                "exec 2>&1; cd '@'; golden() { gpt2rtl generate --ids 5,6,7 --tokens 30 --engine "
                "golden \"$@\"; }; %s",
                command);
  if (found != status) fail_msg("%s: status %d, expected %d: %s", command, found, status, said);
}

// Whether the weights were opened since the last call.
static bool opened(int watch) {
  char events[4096];
  return read(watch, events, sizeof events) > 0;
}

// -------------------------------------------------------------------------------------------- warm

static void warm(void **state) {
  char path[FILE_PATH_SIZE];
  const int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  expect(state, 0,
         "gpt2rtl random-model --config nano --output nano && sleep 3");  // unchanged for two
                                                                          // seconds: model_source.h
  assert_int_equal(file_join(path, *state, "nano/model.safetensors", NULL), 0);
  assert_true(inotify_add_watch(watch, path, IN_OPEN) >= 0);
  expect(state, 0,
         "golden --model nano 2> log > cold && grep -q 'making the memory image' log && ls "
         "cache/gpt2rtl/*.source");
  assert_true(opened(watch));
  expect(state, 0, "golden --model nano 2> log > warm && cmp cold warm && ! grep image log");
  assert_false(opened(watch));
  expect(state, 0, "ln -s nano link && golden --model link > warm && cmp cold warm");
  assert_false(opened(watch));
  close(watch);
  // Changes one byte in place; the size and the time of change are as they were.
  expect(
      state, 0,
      "cp nano/model.safetensors . && touch -r nano/model.safetensors time && "
      "printf '\\077' | dd of=nano/model.safetensors bs=1 seek=300000 conv=notrunc 2> /dev/null && "
      "touch -r time nano/model.safetensors && ! cmp -s nano/model.safetensors model.safetensors "
      "&& golden --model nano > changed && "
      "ls cache/gpt2rtl/*.image | grep -c . | grep 2");
}

static void changed_meanwhile(void **state) {
  char path[FILE_PATH_SIZE];
  struct model_identity identity;
  struct gpt2_weights weights;
  struct err err;
  uint64_t source;
  assert_int_equal(file_join(path, *state, "model", NULL), 0);
  expect_success(random_model_write("nano", 1, path, &err), &err);
  expect_success(model_identity(&identity, path, &err), &err);
  expect_success(model_source_load(&weights, &source, false, &identity, path, &err), &err);
  weights_free(&weights);
  expect(state, 0, "touch model/config.json");
  expect_failure(model_source_load(&weights, &source, false, &identity, path, &err), &err,
                 "changed while they were read");
}

// An image that is truncated while a run reads it.
static void cut_while_read(void **state) {
  expect(state, 0,
         "gpt2rtl random-model --config nano --output nano && gpt2rtl compile --model nano "
         "--output image && "
         "{ gpt2rtl generate --image image --ids 1 --engine golden-readable --tokens 1000000 "
         "--ignore-eos --stats stats > ids 2> log & } && "
         "while ! [ -s ids ]; do sleep 0.1; done; truncate -s 5000 image; wait $!; echo $?; cat "
         "log; ls | tr '\n' ' '");
  if (strcmp(said, "1\n"
                   "gpt2rtl: image: was truncated during the read, or its disk failed\n"
                   "ids image log nano "))
    fail_msg("%s", said);
}

// ---------------------------------------------------------------------------------------- no place

static void nowhere(void **state) {
  static const char *const without[] = {
      "unset XDG_CACHE_HOME HOME",
      "export XDG_CACHE_HOME=$PWD/nano/config.json",
      "mkdir -p full && ln -sfn /proc full/gpt2rtl && export XDG_CACHE_HOME=$PWD/full",
  };
  expect(state, 0,
         "gpt2rtl random-model --config nano --output nano && golden --model nano 2> /dev/null > "
         "expected");
  for (size_t i = 0; i < sizeof without / sizeof *without; i++) {
    char text[1024];
    snprintf(text, sizeof text,
             "%s; golden --model nano 2> log > found && cmp expected found && cat log", without[i]);
    expect(state, 0, text);
    expect_said("is made for this run only");
    snprintf(text, sizeof text,
             "%s; gpt2rtl generate --ids 5,6,7 --tokens 30 --model nano 2> log > found && cmp "
             "expected found",
             without[i]);
    expect(state, 0, text);
  }
}

// Header fields that come from generation_config.json are not taken from an image made before that
// file changed.
static void eos_changes(void **state) {
  expect(state, 0,
         "gpt2rtl random-model --config nano --output nano && gpt2rtl compile --model nano --lanes "
         "64 --hex --output a.hex && grep 'StopId     = 300;' a.vh && "
         "echo '{\"eos_token_id\": 7}' > nano/generation_config.json && gpt2rtl compile --model "
         "nano --lanes 64 --hex --output a.hex && "
         "grep 'StopId     = 7;' a.vh");
}

// ----------------------------------------------------------------------------------------- command

static void lists_and_clears(void **state) {
  expect(state, 0, "gpt2rtl cache && ! ls cache");  // listing creates nothing
  expect_said("  0.0 MB  in ");
  expect(state, 0,
         "gpt2rtl random-model --config nano --output nano && sleep 3; golden --model nano 2> "
         "/dev/null > text; cd cache/gpt2rtl && "
         "mkdir -p 0123456789abcdef-01234567/sim && echo > 0123456789abcdef-01234567/sim/x && echo "
         "> x.image.tmp-abcdefgh && echo mine > other.txt");
  expect(state, 0, "gpt2rtl cache");
  expect_said("MB  image       256 lanes, ");
  expect_said("/nano\n");
  expect_said("simulators  0123456789abcdef-01234567\n");
  expect_said("left over   x.image.tmp-abcdefgh\n");
  expect(state, 0, "gpt2rtl cache --json");
  cJSON *json = cJSON_Parse(said);
  assert_non_null(json);
  assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "entries")), 4);
  assert_true(cJSON_GetObjectItem(json, "bytes")->valuedouble > 400000);
  cJSON_Delete(json);
  expect(state, 0,
         "(flock 9; gpt2rtl cache --clear) 9> cache/gpt2rtl/0123456789abcdef-01234567/lock && ls "
         "cache/gpt2rtl | tr '\\n' ' '");
  expect_said("0123456789abcdef-01234567: a simulator is being made there: not removed");
  expect_said("\n0123456789abcdef-01234567 other.txt ");
  expect(state, 0,
         "gpt2rtl cache --clear && ls cache/gpt2rtl && golden --model nano 2> /dev/null > again && "
         "cmp text again");
  expect_said("0.0 MB  in ");
  expect_said("\nother.txt\n");
}

// ------------------------------------------------------------------------------------------- names

static bool has_control(const char *text) {
  return strpbrk(text, "\033\007\177") || strstr(text, "\xc2\x9b") ||
         strstr(text, "\xe2\x80\xae") || strstr(text, "\xe2\x81\xa6") || strchr(text, '\x9b');
}

static void printed(void **state) {
  (void)state;
  static const struct {
    const char *text, *shown;
  } cases[] = {
      {"plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80 \\",
       "plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80 \\"},
      {"\033[2J\n\t\177", "\\x1b[2J\\x0a\\x09\\x7f"},
      {"\xc2\x9b"
       "31m\xc2\xa0",
       "\\xc2\\x9b31m\xc2\xa0"},
      {"a\xe2\x80\xae"
       "b\xe2\x81\xa9\xd8\x9c\xe2\x80\x8f",
       "a\\xe2\\x80\\xaeb\\xe2\\x81\\xa9\\xd8\\x9c\\xe2\\x80\\x8f"},
      {"\x9b\xff\xc3", "\\x9b\\xff\\xc3"},
      {"\xe2\x80\xa8\xe2\x80\xa9", "\\xe2\\x80\\xa8\\xe2\\x80\\xa9"},
      {"", ""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char to[128];
    const size_t n = strlen(cases[i].text);
    printable(to, PRINTABLE_ROOM(n), cases[i].text, n);
    assert_string_equal(to, cases[i].shown);
  }
  char small[6];
  printable(small, sizeof small, "ab\033c", 4);  // no half characters
  assert_string_equal(small, "ab");
  struct err err;
  err_set(&err, "%s: no",
          "\xc2\x9b"
          "31m");
  assert_string_equal(err.text, "\\xc2\\x9b31m: no");
}

// Whatever the name of a folder or file, in every command that prints it.
static void names(void **state) {
  static const char *const commands[] = {
      "generate --model \"$N\" --prompt x --tokens 2 --engine golden",
      "generate --model \"$N\" --ids 1 --tokens 2 --engine float --json",
      "generate --model \"$N\" --ids 1 --tokens 2 --engine golden --stats /dev/stdout",
      "info \"$N\"",
      "info \"$N\" --json",
      "compile --model \"$N\" --lanes 64 --output \"$N.image\" --json",
      "info \"$N.image\" --json",
      "compile --model \"$N\" --lanes 64 --hex --output \"$N.hex\" && cat \"$N.vh\"",
      "dump --model \"$N\" --ids 1 --tensor ln_f --engine golden --output \"$N.npy\"",
      "dump --model \"$N\" --ids 1 --tensor ln_f --engine golden --output \"$N.npy\" --json",
      "logits --model \"$N\" --ids 1 --engine golden --output \"$N.f32\" --json",
      "cache",
      "cache --json",
      "bench --model \"$N\" --threads 1 --json",
      "perplexity --model \"$N\" --text nano/merges.txt --limit 100 --json",
  };
  static const char *const failing[] = {
      "\"$N\"",
      "generate --model \"$N\" --prompt x \"$N\"",
      "generate --model \"$N/none\" --ids 1",
      "info \"$N/none\"",
      "generate \"--$N\"",
      "estimate --memory \"$N\"",
      "generate --model nano --ids \"$N\"",
  };
  expect(state, 0,
         "gpt2rtl random-model --config nano --output nano; N=$(printf "
         "'a\\302\\233b\\342\\200\\256c\\377d\\033[1m'); cp -r nano \"$N\"; "
         "sleep 3; gpt2rtl generate --model \"$N\" --ids 1 --tokens 1 --engine golden > /dev/null "
         "2>&1");
  for (size_t i = 0; i < sizeof commands / sizeof *commands + sizeof failing / sizeof *failing;
       i++) {
    const bool fails = i >= sizeof commands / sizeof *commands;
    const char *command = fails ? failing[i - sizeof commands / sizeof *commands] : commands[i];
    char text[1024];
    snprintf(text, sizeof text,
             "N=$(printf 'a\\302\\233b\\342\\200\\256c\\377d\\033[1m'); %sgpt2rtl %s 2> log%s; %s "
             "cat log",
             fails ? "! " : "", command, fails ? "" : " || exit 1", fails ? "[ -s log ] &&" : "");
    expect(state, 0, text);
    if (has_control(said)) fail_msg("%s: a control character: %s", command, said);
    const char *begin = strchr(said, '{');
    if (!strstr(command, "--json") && !strstr(command, "--stats")) continue;
    if (begin != said && !strstr(command, "--stats")) fail_msg("%s: %s", command, said);
    cJSON *json = cJSON_Parse(begin);
    if (!json) fail_msg("%s: no JSON: %s", command, said);
    char *out = cJSON_PrintUnformatted(json);
    assert_non_null(strstr(out, "a\xc2\x9b"
                                "b\xe2\x80\xae"
                                "c\xef\xbf\xbd"
                                "d"));
    free(out);
    cJSON_Delete(json);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_FOLDER(warm),           IN_FOLDER(changed_meanwhile),
      IN_FOLDER(cut_while_read), IN_FOLDER(nowhere),
      IN_FOLDER(eos_changes),    IN_FOLDER(lists_and_clears),
      IN_FOLDER(printed),        IN_FOLDER(names),
  };
  return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
