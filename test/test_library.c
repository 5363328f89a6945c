// SPDX-License-Identifier: Apache-2.0
//
// Simulators that are not there are made, once, and never taken for what they are not. The program runs from a folder laid out as an
// installed one, bin/ and share/gpt2rtl/, with links to the project's sources.
#include "model_test.h"

#include <sys/wait.h>

#include "random_model.h"

static char said[4096];

// Runs a command in the test's folder, "@" standing for the program's command line on nano. Returns the exit status.
static int run(const char *folder, const char *command) {
  char text[4096];
  size_t n = (size_t)snprintf(text, sizeof text, "exec 2>&1; cd '%s'; export XDG_CACHE_HOME=$PWD/cache; ", folder);
  for (; *command; command++) {
    if (*command == '@')
      n += (size_t)snprintf(text + n, sizeof text - n,
                            "bin/gpt2rtl generate --model nano --ids 5,6,7 --tokens 30 --temperature 1 --seed 3 --ignore-eos");
    else text[n++] = *command;
  }
  text[n] = 0;
  FILE *pipe = popen(text, "r");
  assert_non_null(pipe);
  said[fread(said, 1, sizeof said - 1, pipe)] = 0;
  const int status = pclose(pipe);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void expect(void **state, int status, const char *command) {
  const int found = run(*state, command);
  if (found != status) fail_msg("%s: exit status %d, expected %d: %s", command, found, status, said);
}

// One of the two makes it while the other waits; both have the golden model's text. Then it is there.
static void two_at_once(void **state) {
  expect(state, 0, "@ --engine golden > golden 2> /dev/null");
  expect(state, 0, "@ --lanes 128 > one & first=$!; @ --lanes 128 > two && wait $first && cmp one golden && cmp two golden");
  expect(state, 0, "ls -d cache/gpt2rtl/*/sim/gpt2_top_128.so && ! ls -d cache/gpt2rtl/*/sim/*work*");
  expect(state, 0, "PATH=$PWD/broken:$PATH; @ --lanes 128 > one && cmp one golden");
}

// What make has built is taken where it is made from these sources, and only there.
static void prebuilt(void **state) {
  expect(state, 0, "PATH=$PWD/broken:$PATH; @ --lanes 64 > one && cmp one golden");
  expect(state, 1, "chmod u+w share/gpt2rtl/rtl/gelu.sv; echo '// changed' >> share/gpt2rtl/rtl/gelu.sv; PATH=$PWD/broken:$PATH; @ --lanes 64");
  if (!strstr(said, "could not be made")) fail_msg("%s", said);
}

// A build that fails says so, names its log and leaves nothing that would be taken for a simulator.
static void fails(void **state) {
  expect(state, 1, "PATH=$PWD/broken:$PATH; @ --lanes 2048");
  if (!strstr(said, "the simulator for 2048 lanes could not be made") || !strstr(said, "make.log")) fail_msg("%s", said);
  expect(state, 0, "grep -q 'no compiler today' cache/gpt2rtl/*/make.log && ! ls cache/gpt2rtl/*/sim/gpt2_top_2048.so");
  expect(state, 1, "mkdir lost && cp bin/gpt2rtl lost && rm -r share && lost/gpt2rtl generate --model nano --ids 5 --tokens 1");
  if (!strstr(said, "sources are not above the running program")) fail_msg("%s", said);
}

static int setup(void **state) {
  char dir[256], text[2048], root[1024];
  struct err err;
  if (make_folder(state) || !getcwd(root, sizeof root)) return -1;
  snprintf(dir, sizeof dir, "%s/nano", (char *)*state);
  snprintf(text, sizeof text,
           "cd '%s' && mkdir -p bin broken cache share/gpt2rtl/build && cp '%s/build/gpt2rtl' bin/ && cd share/gpt2rtl && cp -r '%s/rtl' . && "
           "ln -s '%s/sim' '%s/tools' '%s/Makefile' . && ln -s '%s/build/sim' build/sim && "
           "printf '#!/bin/sh\\necho no compiler today >&2\\nexit 1\\n' > ../../broken/clang++ && chmod +x ../../broken/clang++",
           (char *)*state, root, root, root, root, root, root);
  return random_model_write("nano", 1, dir, &err) || system(text) ? -1 : 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(two_at_once), cmocka_unit_test(prebuilt), cmocka_unit_test(fails)};
  return cmocka_run_group_tests_name("library", tests, setup, remove_folder);
}
