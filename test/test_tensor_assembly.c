// SPDX-License-Identifier: Apache-2.0
// Names and shapes of the intermediate tensors, and every golden tensor against float's.
#include "golden_test.h"
#include "gpt2_float.h"
#include "random_model.h"
#include "tensor_assembly.h"

static void test_names(void **unused) {
  (void)unused;
  struct gpt2_config config;
  struct err err;
  expect_success(config_named(&config, "gpt2", &err), &err);
  size_t largest = 0;
  for (size_t layer = 0; layer < config.n_layer; layer++) {
    for (int i = 0; i < TENSORS; i++) {
      const enum tensor tensor = (enum tensor)i;
      enum tensor found;
      size_t found_layer = 99;
      char name[TENSOR_NAME_SIZE], prefixed[64];
      tensor_name(name, tensor, layer);
      snprintf(prefixed, sizeof prefixed, "transformer.%s", name);
      expect_success(tensor_find(&found, &found_layer, prefixed, &config, &err), &err);
      assert_int_equal(found, tensor);
      assert_int_equal(found_layer, tensor_in_layer(tensor) ? layer : 0);
      const size_t n = tensor_elements(&config, tensor, config.n_ctx - 1);
      largest = n > largest ? n : largest;
    }
  }
  assert_int_equal(largest, 50257);
  assert_int_equal(tensor_elements(&config, TENSOR_SCORES, 9), 120);
  enum tensor tensor;
  size_t layer;
  expect_success(tensor_find(&tensor, &layer, "h.3.attn.c_attn", &config, &err), &err);
  assert_int_equal(tensor, TENSOR_C_ATTN);
  assert_int_equal(layer, 3);
  expect_failure(tensor_find(&tensor, &layer, "h.12", &config, &err), &err,
                 "the model has layers 0 to 11");
  static const char *const bad[] = {"",     "h",        "h.",        "h.x",       "h.1.",
                                    "ln_1", "h.1.ln_f", "h.-1.ln_1", "h. 1.ln_1", "wte "};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    expect_failure(tensor_find(&tensor, &layer, bad[i], &config, &err), &err,
                   "h.N.attn.c_attn, h.N");
}

// ----------------------------------------------------------- golden and float name the same things

enum { MOST = 1024 };

struct seen {
  size_t n[2][TENSORS];
  float x[2][TENSORS][MOST];
};

static void observe(void *ctx, const struct tensor_place *place, const float *x, size_t n) {
  struct seen *seen = ctx;
  assert_true(n <= MOST);
  seen->n[place->layer][place->tensor] = n;
  memcpy(seen->x[place->layer][place->tensor], x, n * sizeof *x);
}

static void test_golden(void **state) {
  static struct seen expected, found;
  char dir[FILE_PATH_SIZE], path[FILE_PATH_SIZE];
  struct gpt2_weights trained, weights;
  struct image image;
  struct gpt2_float *reference;
  struct gpt2_core core;
  struct tensor_assembly assembly;
  struct err err;
  float logits[301];
  expect_success(file_join(dir, *state, "nano", &err), &err);
  expect_success(random_model_write("nano", 1, dir, &err), &err);
  expect_success(weights_load(&trained, dir, &err), &err);
  expect_success(file_join(path, dir, "image", &err), &err);
  expect_success(image_build(path, &trained, 64, 0, &err), &err);
  expect_success(image_open(&image, path, IMAGE_CHECKED, &err), &err);
  expect_success(image_weights(&weights, &image, &err), &err);
  expect_success(gpt2_float_create(&reference, &weights, &err), &err);
  expect_success(gpt2_core_create(&core, &image, &err), &err);
  gpt2_float_observe(reference, observe, &expected);
  expect_success(tensor_assembly_golden(&assembly, &core, observe, &found, &err), &err);
  // A part of a tensor that no others follow, as a run that is aborted leaves it.
  assembly.observer->part(&assembly, &(struct tensor_place){.tensor = TENSOR_PROBS}, 0,
                          (const int32_t[]){1}, 1, 30);
  tensor_assembly_restart(&assembly);
  for (uint32_t t = 0; t < 8; t++) {
    memset(&expected, 0, sizeof expected);
    memset(&found, 0, sizeof found);
    expect_success(gpt2_float_step(reference, 7 * t + 3, t, logits, &err), &err);
    gpt2_core_step(&core, 7 * t + 3, t, true);
    for (size_t layer = 0; layer < 2; layer++) {
      for (int i = 0; i < TENSORS; i++) {
        const size_t n = expected.n[layer][i];
        char name[TENSOR_NAME_SIZE];
        tensor_name(name, (enum tensor)i, layer);
        assert_int_equal(found.n[layer][i], n);
        double signal = 0, noise = 0;
        for (size_t j = 0; j < n; j++) {
          const double x = (double)expected.x[layer][i][j], e = (double)found.x[layer][i][j] - x;
          signal += x * x;
          noise += e * e;
        }
        if (sqrt(noise) > 0.05 * sqrt(signal)) {
          fail_msg("position %u, %s: error %g of root mean square", (unsigned)t, name,
                   sqrt(noise / signal));
        }
      }
    }
  }
  tensor_assembly_close(&assembly);
  memset(&found, 0, sizeof found);
  gpt2_core_step(&core, 1, 8, true);
  assert_int_equal(found.n[0][TENSOR_WTE], 0);  // off again
  gpt2_core_destroy(&core);
  gpt2_float_free(reference);
  image_close(&image);
  weights_free(&weights);
  weights_free(&trained);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_names),
      IN_FOLDER(test_golden),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
