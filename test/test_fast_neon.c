// SPDX-License-Identifier: Apache-2.0
//
// The fast engine's AArch64 code against golden/, under an emulator: test/arm64/fast_neon.c.
#include "model_test.h"

static void test_emulated(void **state) {
  (void)state;
  char line[512];
  if (!file_exists("build/arm64/fast_neon") || system("command -v qemu-aarch64 > /dev/null")) {
    print_message("skipped: qemu-user or gcc-aarch64-linux-gnu is absent (tools/deps.sh test)\n");
    skip();
  }
  FILE *pipe = popen("qemu-aarch64 build/arm64/fast_neon 2>&1", "r");
  assert_non_null(pipe);
  bool neon = false;
  while (fgets(line, sizeof line, pipe)) {
    print_message("%s", line);
    neon |= !strcmp(line, "neon equals golden\n");
  }
  assert_int_equal(pclose(pipe), 0);
  assert_true(neon);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_emulated)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
