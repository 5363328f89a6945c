// SPDX-License-Identifier: Apache-2.0
//
// An image with its layout changed to other lanes is the image that the compiler writes for those
// lanes, byte for byte.
#include "model_test.h"
#include "image_build.h"
#include "relayout.h"
#include "recording.h"
#include "weights.h"

static void is_the_compilers(void **state) {
  const uint32_t lanes[] = {64, 128, 256, 1024};
  struct gpt2_weights weights;
  struct err err;
  char path[FILE_PATH_SIZE];
  expect_success(weights_load(&weights, "models/demo", &err), &err);
  struct image made[4], again;
  for (int i = 0; i < 4; i++) {
    char name[16];
    snprintf(name, sizeof name, "%u", (unsigned)lanes[i]);
    assert_int_equal(file_join(path, *state, name, NULL), 0);
    expect_success(image_build(path, &weights, lanes[i], 7, &err), &err);
    expect_success(image_open(&made[i], path, IMAGE_CHECKED, &err), &err);
  }
  for (int from = 0; from < 4; from++) {
    for (int to = 0; to < 4; to++) {
      expect_success(relayout(&again, &made[from], lanes[to], &err), &err);
      assert_memory_equal(&again.header, &made[to].header, sizeof again.header);
      assert_memory_equal(again.beats, made[to].beats,
                          (size_t)(again.header.n_beats * again.header.lanes));
      relayout_free(&again);
    }
  }
  expect_failure(relayout(&again, &made[0], 65, &err), &err, "lanes");
  relayout_free(&again);
  for (int i = 0; i < 4; i++) image_close(&made[i]);
  weights_free(&weights);
}

int main(void) {
  const struct CMUnitTest tests[] = {IN_FOLDER(is_the_compilers)};
  return cmocka_run_group_tests_name("relayout", tests, NULL, NULL);
}
