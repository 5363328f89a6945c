// SPDX-License-Identifier: Apache-2.0
//
// Missing simulators are made, once, and a wrong one is never used. The program runs from a folder
// with the layout of an installed one, bin/ and share/gpt2rtl/, with links to the project's
// sources. The folder's name has a space and quotes in it.
#include "model_test.h"

#include <sys/wait.h>

#include "random_model.h"

static char said[4096];

// Runs a command in the test's folder, "@" standing for the program's command line on nano. Returns
// the exit status.
static int run(const char *folder, const char *command) {
  char text[4096];
  size_t n = (size_t)snprintf(text, sizeof text,
                              "exec 2>&1; cd \"$TEST_FOLDER\"; export XDG_CACHE_HOME=$PWD/cache; ");
  assert_int_equal(setenv("TEST_FOLDER", folder, 1), 0);
  for (; *command; command++)
    if (*command == '@')
      n += (size_t)snprintf(text + n, sizeof text - n,
                            "bin/gpt2rtl generate --model nano --ids 5,6,7 --tokens 30 "
                            "--temperature 1 --seed 3 --ignore-eos");
    else text[n++] = *command;
  text[n] = 0;
  FILE *pipe = popen(text, "r");
  assert_non_null(pipe);
  said[fread(said, 1, sizeof said - 1, pipe)] = 0;
  const int status = pclose(pipe);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void expect(void **state, int status, const char *command) {
  const int found = run(*state, command);
  if (found != status)
    fail_msg("%s: exit status %d, expected %d: %s", command, found, status, said);
}

// One of the two makes it while the other waits; both have the golden model's text. Then it is
// there.
static void two_at_once(void **state) {
  expect(state, 0, "@ --engine golden > golden 2> /dev/null");
  expect(state, 0,
         "@ --lanes 128 > one & first=$!; @ --lanes 128 > two && wait $first && cmp one golden && "
         "cmp two golden");
  expect(state, 0,
         "ls -d cache/gpt2rtl/*/sim/gpt2_top_128.so && ! ls -d cache/gpt2rtl/*/sim/*work*");
  expect(state, 0, "PATH=\"$PWD/broken:$PATH\"; @ --lanes 128 > one && cmp one golden");
}

// A signal ends make and everything that it started, and leaves nothing half made.
static void interrupted(void **state) {
  expect(state, 143,
         "@ --lanes 4096 > one & p=$!; while ! pgrep -f '[G]Lanes=4096' > /dev/null; do sleep 0.1; "
         "done; kill -TERM $p; wait $p");
  expect(state, 0,
         "sleep 0.5; ! pgrep -f '[G]Lanes=4096' && ! ls -d cache/gpt2rtl/*/sim/*work* && ! ls "
         "cache/gpt2rtl/*/sim/gpt2_top_4096.so");
}

// What make has built is used if it was made from these sources, and only then.
static void prebuilt(void **state) {
  expect(state, 0, "PATH=\"$PWD/broken:$PATH\"; @ --lanes 64 > one && cmp one golden");
  expect(state, 1,
         "chmod u+w share/gpt2rtl/rtl/block/gelu.sv; echo '// changed' >> "
         "share/gpt2rtl/rtl/block/gelu.sv; PATH=\"$PWD/broken:$PATH\"; @ --lanes 64");
  if (!strstr(said, "could not be made")) fail_msg("%s", said);
}

// A simulator records for which instructions it was compiled. If this processor lacks one, it is
// not loaded: another is made, or the one for any processor is used.
static void other_processor(void **state) {
  expect(state, 0,
         "cp -r share share.before && cd share/gpt2rtl/build && rm sim && mkdir -p sim && cp "
         "../../../prebuilt/gpt2_top_64.so sim && "
         "grep -c 'gpt2rtl-cpu: ' sim/gpt2_top_64.so && sed -i 's/gpt2rtl-cpu: .../gpt2rtl-cpu: "
         "zzz/' sim/gpt2_top_64.so");
  expect(state, 1, "PATH=\"$PWD/broken:$PATH\"; @ --lanes 64");
  if (!strstr(said, "could not be made")) fail_msg("%s", said);
  expect(state, 1, "GPT2RTL_SIMULATOR=$PWD/share/gpt2rtl/build/sim/gpt2_top_64.so @ --lanes 64");
  if (!strstr(said, "no simulator made from the sources in")) fail_msg("%s", said);
  expect(state, 0,
         "mkdir share/gpt2rtl/build/sim/any && cp prebuilt/gpt2_top_64.so "
         "share/gpt2rtl/build/sim/any/ && "
         "PATH=\"$PWD/broken:$PATH\"; @ --lanes 64 2>&1 > one | tee log && cmp one golden && grep "
         "-q 'using the simulator for any processor' log");
  // It is made again; with no folder to keep it, it is made for the run and gone after it.
  expect(state, 0,
         "unset XDG_CACHE_HOME HOME; mkdir tmp && TMPDIR=$PWD/tmp @ --lanes 64 2> log > one && cmp "
         "one golden && "
         "grep -q 'neither XDG_CACHE_HOME nor HOME is set.*simulator.*for this run only' log && ! "
         "ls tmp | grep .");
  expect(state, 0,
         "rm -r share && mv share.before share && unset XDG_CACHE_HOME HOME; @ --lanes 64 2> log > "
         "one && cmp one golden && ! grep simulator log");
}

// A build that fails is reported with its log, and leaves nothing that would be taken for a
// simulator.
static void fails(void **state) {
  expect(state, 1, "PATH=\"$PWD/broken:$PATH\"; @ --lanes 2048");
  if (!strstr(said, "the simulator for 2048 lanes could not be made") || !strstr(said, "make.log"))
    fail_msg("%s", said);
  expect(state, 0,
         "grep -q 'no compiler today' cache/gpt2rtl/*/make.log && ! ls "
         "cache/gpt2rtl/*/sim/gpt2_top_2048.so");
  expect(state, 1,
         "mkdir lost && cp bin/gpt2rtl lost && rm -r share && lost/gpt2rtl generate --model nano "
         "--ids 5 --tokens 1");
  if (!strstr(said, "sources are not above the running program")) fail_msg("%s", said);
}

static int setup(void **state) {
  char dir[256], text[2048], root[1024];
  struct err err;
  *state = strdup("/tmp/gpt2rtl it's a \"test\" XXXXXX");
  if (!*state || !mkdtemp(*state) || setenv("TEST_FOLDER", *state, 1) || !getcwd(root, sizeof root))
    return -1;
  snprintf(dir, sizeof dir, "%s/nano", (char *)*state);
  snprintf(text, sizeof text,
           "cd \"$TEST_FOLDER\" && mkdir -p bin broken cache share/gpt2rtl/build && cp "
           "'%s/build/gpt2rtl' bin/ && cd share/gpt2rtl && cp -rL '%s/rtl' . && "
           "ln -s '%s/sim' '%s/tools' '%s/Makefile' . && ln -s '%s/build/sim' build/sim && ln -s "
           "'%s/build/sim' ../../prebuilt && "
           "printf '#!/bin/sh\\necho no compiler today >&2\\nexit 1\\n' > ../../broken/clang++ && "
           "chmod +x ../../broken/clang++",
           root, root, root, root, root, root, root);
  return random_model_write("nano", 1, dir, &err) || system(text) ? -1 : 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(two_at_once), cmocka_unit_test(interrupted),
                                     cmocka_unit_test(other_processor), cmocka_unit_test(prebuilt),
                                     cmocka_unit_test(fails)};
  return cmocka_run_group_tests_name("library", tests, setup, remove_folder);
}
