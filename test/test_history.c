// SPDX-License-Identifier: Apache-2.0
// test_history - the context crop rule, at every step of small contexts
#include "model_test.h"

#include "history.h"

// For n_ctx 5: ids 0..4 fill it; 5 makes it 4, 5 (the newest 2) and begins again at position 0.
static void test_crop(void **state) {
  (void)state;
  struct history h;
  struct err err;
  expect_success(history_create(&h, 5, &err), &err);
  for (uint32_t id = 0; id < 5; id++) assert_int_equal(history_push(&h, id), id);
  assert_int_equal(history_push(&h, 5), 0);
  assert_int_equal(h.count, 2);
  assert_int_equal(h.ids[0], 4);
  assert_int_equal(h.ids[1], 5);
  assert_int_equal(history_push(&h, 6), 2);
  history_free(&h);
}

// Whatever the context, the kept ids are the newest, and a crop keeps exactly half.
static void test_all_contexts(void **state) {
  (void)state;
  struct err err;
  for (size_t n_ctx = 2; n_ctx <= 17; n_ctx++) {
    struct history h;
    expect_success(history_create(&h, n_ctx, &err), &err);
    for (uint32_t id = 0; id < 100; id++) {
      size_t before = h.count;
      size_t position = history_push(&h, id);
      assert_int_equal(position, before == n_ctx ? 0 : before);
      assert_int_equal(h.count, before == n_ctx ? n_ctx / 2 : before + 1);
      for (size_t i = 0; i < h.count; i++) assert_int_equal(h.ids[i], id + 1 - h.count + i);
    }
    history_free(&h);
  }
}

static void test_append(void **state) {
  (void)state;
  struct history h;
  struct err err;
  const uint32_t prompt[11] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  expect_success(history_create(&h, 4, &err), &err);
  assert_int_equal(history_append(&h, prompt, 3), 0);
  assert_int_equal(history_append(&h, prompt, 0), 3);
  assert_int_equal(history_append(&h, prompt + 3, 1), 3);
  assert_int_equal(history_append(&h, prompt + 4, 7), 0);
  assert_int_equal(h.count, 2);  // 4 crops to 3 4, 7 to 6 7, 10 to 9 10
  assert_int_equal(h.ids[0], 9);
  assert_int_equal(h.ids[1], 10);
  history_clear(&h);
  assert_int_equal(h.count, 0);
  history_free(&h);
  expect_failure(history_create(&h, 1, &err), &err, "expected at least 2");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_crop),
      cmocka_unit_test(test_all_contexts),
      cmocka_unit_test(test_append),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
