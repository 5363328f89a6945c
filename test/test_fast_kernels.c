// SPDX-License-Identifier: Apache-2.0
//
// Every vector code that this machine runs against golden/, kernel by kernel.
#include "model_test.h"

#include "fast_check.h"

static void test_native(void **state) {
  (void)state;
  const struct fast_kernels *k;
  for (size_t i = 0; (k = fast_kernels_at(i)); i++) {
    struct err err;
    print_message("fast_kernels: %s\n", k->name);
    expect_success(fast_check_kernels(k, 1 + i, &err), &err);
  }
}

static void test_names(void **state) {
  (void)state;
  const struct fast_kernels *k, *best = NULL;
  struct err err;
  for (size_t i = 0; (k = fast_kernels_at(i)); i++) {
    assert_ptr_equal(fast_kernels_named(k->name, &err), k);
    best = k;
  }
  assert_ptr_equal(fast_kernels_named("auto", &err), best);
  assert_null(fast_kernels_named("sse9", &err));
  assert_non_null(strstr(err.text, "portable"));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_native), cmocka_unit_test(test_names)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
