// SPDX-License-Identifier: Apache-2.0
// gpt2rtl compare: its measures against their definitions, an overflow that is named, and emulation
// that agrees with the integer model if both round alike.
#include "golden_test.h"

#include <cjson/cJSON.h>

#include "compare.h"
#include "compensate.h"
#include "emulate.h"
#include "image_format.h"
#include "quantize.h"
#include "random_model.h"

static struct gpt2_weights weights;
static struct image image;
static char folder[] = "/tmp/gpt2rtl-test-XXXXXX";
static uint32_t ids[65];
enum { V = 301, LAYERS = 2, N = sizeof ids / sizeof *ids };

static int setup(void **unused) {
  (void)unused;
  char model[FILE_PATH_SIZE], path[FILE_PATH_SIZE];
  struct err err;
  uint64_t random = 5;
  expect_success(mkdtemp(folder) == NULL ? -1 : 0, &err);
  expect_success(file_join(model, folder, "nano", &err), &err);
  expect_success(random_model_write("nano", 1, model, &err), &err);
  expect_success(weights_load(&weights, model, &err), &err);
  expect_success(file_join(path, folder, "image", &err), &err);
  expect_success(image_build(path, &weights, 256, 0, &err), &err);
  expect_success(image_open(&image, path, IMAGE_CHECKED, &err), &err);
  for (size_t i = 0; i < N; i++) ids[i] = (uint32_t)random_below(&random, V);
  return 0;
}

static int teardown(void **unused) {
  (void)unused;
  image_close(&image);
  weights_free(&weights);
  remove_tree(folder);
  return 0;
}

static void compare_integers(struct compare_result *result, const struct gpt2_weights *w,
                             const struct image *i) {
  struct compare c;
  struct err err;
  expect_success(compare_result_create(result, &w->config, &err), &err);
  expect_success(compare_open(&c, w, i, NULL, &err), &err);
  expect_success(compare_run(&c, ids, N, result, &err), &err);
  compare_close(&c);
}

static void compare_emulation(struct compare_result *result, const struct emulation *emulation) {
  struct gpt2_weights rounded;
  struct gpt2_float *other;
  struct emulator emulator;
  struct compare c;
  struct err err;
  expect_success(compare_result_create(result, &weights.config, &err), &err);
  expect_success(emulate_weights(&rounded, &weights, emulation, &err), &err);
  expect_success(gpt2_float_create(&other, &rounded, &err), &err);
  expect_success(compare_open(&c, &weights, NULL, other, &err), &err);
  expect_success(emulator_open(&emulator, emulation, &weights.config, other, &err), &err);
  expect_success(compare_run(&c, ids, N, result, &err), &err);
  compare_close(&c);
  emulator_close(&emulator);
  weights_free(&rounded);
}

// ------------------------------------------------------------------------------------ the measures

// Computed here from both engines' logits, in double precision, and for one tensor from its
// elements.
struct seen {
  float x[64][512];
};

static void observe(void *ctx, const struct tensor_place *place, const float *x, size_t n) {
  struct seen *seen = ctx;
  if (place->tensor == TENSOR_C_FC && place->layer == 1)
    memcpy(seen->x[place->position], x, n * sizeof *x);
}

static void test_measures(void **unused) {
  (void)unused;
  static struct seen expected, found;
  struct compare_result result;
  struct gpt2_float *reference;
  struct gpt2_core core;
  struct tensor_assembly assembly;
  struct err err;
  float logits[V];
  double nll = 0, nll_other = 0, divergence = 0, decibels = 0, worst = 0;
  size_t same = 0;
  compare_integers(&result, &weights, &image);
  expect_success(gpt2_float_create(&reference, &weights, &err), &err);
  expect_success(gpt2_core_create(&core, &image, &err), &err);
  expect_success(tensor_assembly_golden(&assembly, &core, observe, &found, &err), &err);
  gpt2_float_observe(reference, observe, &expected);
  for (uint32_t t = 0; t + 1 < N; t++) {
    double p[V], q[V], p_sum = 0, q_sum = 0, signal = 0, noise = 0;
    size_t p_best = 0, q_best = 0;
    expect_success(gpt2_float_step(reference, ids[t], t, logits, &err), &err);
    gpt2_core_step(&core, ids[t], t, true);
    for (size_t v = 0; v < V; v++) {
      p_sum += p[v] = exp((double)logits[v]);
      q_sum += q[v] = exp(from_row(core.logits[v]));
      p_best = p[v] > p[p_best] ? v : p_best;
      q_best = q[v] > q[q_best] ? v : q_best;
    }
    for (size_t v = 0; v < V; v++) divergence += p[v] / p_sum * log(p[v] / p_sum / (q[v] / q_sum));
    nll -= log(p[ids[t + 1]] / p_sum);
    nll_other -= log(q[ids[t + 1]] / q_sum);
    same += p_best == q_best;
    for (size_t i = 0; i < 512; i++) {
      const double x = (double)expected.x[t][i], e = x - (double)found.x[t][i];
      signal += x * x;
      noise += e * e;
      worst = fmax(worst, fabs(e));
    }
    decibels += 10 * log10(signal / noise) / (N - 1);
  }
  const struct compare_tensor *c_fc = &result.tensors[TENSORS + TENSOR_C_FC];
  assert_int_equal(result.tokens, N - 1);
  assert_int_equal(result.same, same);
  assert_true(fabs(result.nll - nll) < 1e-3 && fabs(result.nll_other - nll_other) < 1e-3);
  assert_true(fabs(result.divergence - divergence) < 1e-4);
  assert_true(fabs(compare_decibels(c_fc) - decibels) < 1e-2);
  assert_true(fabs(c_fc->error - worst) < 1e-5);
  assert_true(fabs(fabs((double)c_fc->expected - (double)c_fc->found) - worst) < 1e-5);
  tensor_assembly_close(&assembly);
  gpt2_core_destroy(&core);
  gpt2_float_free(reference);
  compare_result_free(&result);
}

static void test_merge(void **unused) {
  (void)unused;
  struct compare_result one, all;
  struct err err;
  compare_integers(&one, &weights, &image);
  expect_success(compare_result_create(&all, &weights.config, &err), &err);
  compare_result_merge(&all, &one);
  compare_result_merge(&all, &one);
  assert_int_equal(all.tokens, 2 * one.tokens);
  assert_true(fabs(all.divergence - 2 * one.divergence) < 1e-12 &&
              all.largest_divergence == one.largest_divergence);
  const struct compare_tensor *a = &all.tensors[TENSOR_LN_1], *b = &one.tensors[TENSOR_LN_1];
  assert_true(fabs(compare_decibels(a) - compare_decibels(b)) < 1e-9 && a->error == b->error &&
              a->found == b->found);
  compare_result_free(&one);
  compare_result_free(&all);
}

// ---------------------------------------------------------------------------------------- outliers

// With GPT-2's outlier the formats lose little more than without it, in every tensor and in
// predictions. The bounds are 1 to 3 dB below the measured values.
static void test_outliers(void **unused) {
  (void)unused;
  static const double bound[TENSORS] = {
      [TENSOR_WTE] = 42,    [TENSOR_WPE] = 70,     [TENSOR_DROP] = 42,      [TENSOR_LN_1] = 36,
      [TENSOR_C_ATTN] = 35, [TENSOR_KEY] = 34,     [TENSOR_VALUE] = 34,     [TENSOR_SCORES] = 33,
      [TENSOR_PROBS] = 35,  [TENSOR_CONTEXT] = 35, [TENSOR_ATTN_PROJ] = 34, [TENSOR_RESID_MID] = 34,
      [TENSOR_LN_2] = 35,   [TENSOR_C_FC] = 34,    [TENSOR_ACT] = 33,       [TENSOR_MLP_PROJ] = 32,
      [TENSOR_LAYER] = 34,  [TENSOR_LN_F] = 35,    [TENSOR_LM_HEAD] = 34,
  };
  char model[FILE_PATH_SIZE], path[FILE_PATH_SIZE];
  struct gpt2_weights hot;
  struct image its_image;
  struct compare_result result;
  struct err err;
  expect_success(file_join(model, folder, "outliers", &err), &err);
  expect_success(random_model_write_outliers("nano", 1, model, &err), &err);
  expect_success(weights_load(&hot, model, &err), &err);
  expect_success(file_join(path, folder, "outliers.image", &err), &err);
  expect_success(image_build(path, &hot, 256, 0, &err), &err);
  expect_success(image_open(&its_image, path, IMAGE_CHECKED, &err), &err);
  compare_integers(&result, &hot, &its_image);
  for (size_t i = 0; i < LAYERS * TENSORS; i++) {
    const struct compare_tensor *t = &result.tensors[i];
    char name[TENSOR_NAME_SIZE];
    tensor_name(name, (enum tensor)(i % TENSORS), i / TENSORS);
    if (compare_decibels(t) < bound[i % TENSORS])
      fail_msg("%s: %.1f dB, expected %.0f", name, compare_decibels(t), bound[i % TENSORS]);
    assert_int_equal(saturations(&t->sat), 0);
  }
  assert_true(result.tensors[TENSOR_LAYER].largest > 2600);
  print_message("divergence with outliers %.2g nats\n", result.divergence / (double)result.tokens);
  assert_true(result.divergence / (double)result.tokens < 4e-3);
  compare_result_free(&result);
  image_close(&its_image);
  weights_free(&hot);
}

// ---------------------------------------------------------------------------------------- overflow

// A number too large for the residual, and values too large for their scale, are found with their
// place.
static void test_overflow(void **unused) {
  (void)unused;
  char path[FILE_PATH_SIZE];
  struct emulation none = {0};
  struct gpt2_weights large;
  struct image its_image;
  struct compare_result result;
  struct err err;
  expect_success(emulate_weights(&large, &weights, &none, &err), &err);  // a copy
  ((float *)(uintptr_t)large.wpe)[7 * 128 + 100] = 20000;
  ((float *)(uintptr_t)large.layers[1].attn_b)[2 * 128 + 64 + 5] = 900;  // a value of head 1
  expect_success(file_join(path, folder, "large", &err), &err);
  expect_success(image_build(path, &large, 256, 0, &err), &err);
  expect_success(image_open(&its_image, path, IMAGE_CHECKED, &err), &err);
  compare_integers(&result, &large, &its_image);
  const struct compare_tensor *wpe = &result.tensors[TENSOR_WPE],
                              *value = &result.tensors[TENSORS + TENSOR_VALUE];
  assert_true(wpe->sat.row == 1 && wpe->sat.residual == 1);  // the row, and what it becomes
  assert_int_equal(wpe->sat_position, 7);
  assert_int_equal(wpe->sat_element, 100);
  assert_true(wpe->sat_value == 20000);
  assert_true(value->sat.prob > 0);
  assert_int_equal(value->sat_element, 64 + 5);
  assert_true(value->sat_value > 890);
  assert_int_equal(result.tensors[TENSOR_LN_1].sat.row + result.tensors[TENSOR_C_ATTN].sat.row, 0);
  compare_result_free(&result);

  image_close(&its_image);
  weights_free(&large);
}

// --------------------------------------------------------------------------------------- emulation

// With nothing rounded, the emulation is the reference itself.
static void test_nothing_rounded(void **unused) {
  (void)unused;
  struct compare_result result;
  const struct emulation none = {0};
  compare_emulation(&result, &none);
  assert_int_equal(result.same, N - 1);
  assert_true(result.divergence / (double)result.tokens < 1e-9);
  for (size_t i = 0; i < LAYERS * TENSORS; i++)
    assert_true(compare_decibels(&result.tensors[i]) > 100);
  compare_result_free(&result);
}

// At the hardware's widths, emulation makes the integer model's errors: within 2 dB in every tensor
// that follows 8-bit numbers.
static void test_hardware_widths(void **unused) {
  (void)unused;
  struct compare_result integers, emulated;
  compare_integers(&integers, &weights, &image);
  compare_emulation(&emulated, &EMULATION_HARDWARE);
  for (size_t layer = 0; layer < LAYERS; layer++) {
    for (int i = TENSOR_LN_1; i <= TENSOR_LAYER; i++) {
      const double a = compare_decibels(&integers.tensors[layer * TENSORS + (size_t)i]);
      const double b = compare_decibels(&emulated.tensors[layer * TENSORS + (size_t)i]);
      if (fabs(a - b) > 2)
        fail_msg("layer %zu, tensor %d: integers %.1f dB, emulation %.1f dB", layer, i, a, b);
    }
  }
  const double ratio = emulated.divergence / integers.divergence;
  print_message("divergence: emulation %.2f of the integer model's\n", ratio);
  assert_true(ratio > 0.7 && ratio < 1.4);
  compare_result_free(&integers);
  compare_result_free(&emulated);
}

// Every width matters: fewer bits give a larger divergence.
static void test_bits(void **unused) {
  (void)unused;
  static const struct {
    const char *name;
    struct emulation fine, coarse;
    double factor;  // between their divergences, at least
  } cases[] = {
      {"weights", {.weight_bits = 8}, {.weight_bits = 6}, 8},
      {"scale of a row or a tensor",
       {.weight_bits = 6},
       {.weight_bits = 6, .weight_tensor = true},
       1.3},
      {"scale of 32 or a row", {.weight_bits = 5, .weight_group = 32}, {.weight_bits = 5}, 1.05},
      {"activations", {.activation_bits = 10}, {.activation_bits = 8}, 8},
      {"block of 4 or 64",
       {.activation_bits = 7, .activation_block = 4},
       {.activation_bits = 7},
       1.3},
      {"keys and values", {.kv_bits = 8}, {.kv_bits = 5}, 20},
      {"residual", {.residual_bits = 10}, {.residual_bits = 6}, 20},
      {"exp", {.exp_segments = 8}, {.exp_segments = 2}, 20},
      {"gelu", {.gelu_segments = 64}, {.gelu_segments = 16}, 20},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct compare_result fine, coarse;
    compare_emulation(&fine, &cases[i].fine);
    compare_emulation(&coarse, &cases[i].coarse);
    print_message("%-28s divergence %.3g and %.3g nats\n", cases[i].name, fine.divergence / (N - 1),
                  coarse.divergence / (N - 1));
    assert_true(coarse.divergence > cases[i].factor * fine.divergence);
    compare_result_free(&fine);
    compare_result_free(&coarse);
  }
}

// ---------------------------------------------------------------------------- compensated rounding

static void expect_same(const float *x, const float *y, size_t n) {
  for (size_t i = 0; i < n; i++) assert_true(x[i] == y[i]);  // -0 is 0
}

// A scale that clips the one large weight of a row may lose less: never more than the usual one.
static void test_least_error(void **unused) {
  (void)unused;
  uint64_t random = 3;
  for (int round = 0; round < 50; round++) {
    float w[128];
    int32_t q[2][128];
    uint16_t scale[2];
    double error[2] = {0};
    for (size_t i = 0; i < 128; i++)
      w[i] = 0.7f * ((float)random_below(&random, 1001) / 1000 - 0.5f);
    w[7] = round % 2 == 0 ? 0.5f : 0.2f;
    assert_int_equal(quantize_row(q[0], &scale[0], w, 128, 7), 0);
    assert_int_equal(quantize_row_least(q[1], &scale[1], w, 128, 7), 0);
    for (size_t i = 0; i < 128; i++) {
      for (int k = 0; k < 2; k++) {
        assert_true(abs(q[k][i]) <= 7);
        error[k] += pow(q[k][i] * image_scale_value(scale[k]) - (double)w[i], 2);
      }
    }
    assert_true(error[1] <= error[0] * (round % 2 == 0 ? 0.97 : 1));
  }
}

// The image represents compensated weights exactly, and their predictions are closer to float's.
static void test_compensated(void **unused) {
  (void)unused;
  char path[FILE_PATH_SIZE];
  const struct emulation none = {0};
  struct gpt2_weights compensated, stored;
  struct image its_image;
  struct compare_result plain, better;
  struct err err;
  expect_success(emulate_weights(&compensated, &weights, &none, &err), &err);  // a copy
  expect_success(compensate_weights(&compensated, &err), &err);
  expect_success(file_join(path, folder, "compensated", &err), &err);
  expect_success(image_build(path, &compensated, 256, 0, &err), &err);
  expect_success(image_open(&its_image, path, IMAGE_CHECKED, &err), &err);
  expect_success(image_weights(&stored, &its_image, &err), &err);
  const struct gpt2_layer *a = &compensated.layers[1], *b = &stored.layers[1];
  expect_same(stored.wte, compensated.wte, V * 128);
  expect_same(a->attn_w, b->attn_w, 3 * 128 * 128);
  expect_same(a->attn_proj_w, b->attn_proj_w, 128 * 128);
  expect_same(a->fc_w, b->fc_w, 4 * 128 * 128);
  expect_same(a->mlp_proj_w, b->mlp_proj_w, 4 * 128 * 128);
  compare_integers(&plain, &weights, &image);
  compare_integers(&better, &weights, &its_image);
  print_message("divergence %.3g nats rounded to nearest, %.3g compensated\n",
                plain.divergence / (N - 1), better.divergence / (N - 1));
  assert_true(better.divergence < 0.9 * plain.divergence);
  compare_result_free(&plain);
  compare_result_free(&better);
  weights_free(&stored);
  weights_free(&compensated);
  image_close(&its_image);
}

// ------------------------------------------------------------------------------------- the command

static int run(char text[static 65536], const char *options) {
  char command[8192];
  snprintf(command, sizeof command,
           "XDG_CACHE_HOME=%s build/gpt2rtl compare --model %s/nano --text %s/words %s 2>&1",
           folder, folder, folder, options);
  FILE *pipe = popen(command, "r");
  assert_non_null(pipe);
  text[fread(text, 1, 65535, pipe)] = 0;
  return pclose(pipe) / 256;
}

static void test_command(void **unused) {
  (void)unused;
  static char one[65536], text[65536];
  char path[FILE_PATH_SIZE];
  write_string(path, folder, "words",
               "The old man sat on the hill and looked over the sea. There was a ship far out, and "
               "no wind at all. He had been "
               "waiting since the morning, and he would wait until it was dark; that was all he "
               "knew how to do by now.");
  assert_int_equal(run(text, "--threads 1 --json > /dev/null"), 0);  // makes the image
  assert_int_equal(run(one, "--threads 1 --json"), 0);
  assert_int_equal(run(text, "--threads 3 --json"), 0);
  assert_string_equal(one, text);
  cJSON *json = cJSON_Parse(text);
  assert_string_equal(cJSON_GetObjectItem(json, "engine")->valuestring, "golden");
  assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "tensors")),
                   TENSORS + TENSOR_LAYER - TENSOR_LN_1 + 1);
  const cJSON *tensor;
  cJSON_ArrayForEach(tensor, cJSON_GetObjectItem(json, "tensors")) {
    assert_true(cJSON_GetObjectItem(tensor, "signal_to_noise_db")->valuedouble > 20);
  }
  cJSON_Delete(json);
  assert_int_equal(run(text, "--weight-bits 5 --kv-bits float"), 0);
  assert_non_null(strstr(text, "emulation, not the hardware's arithmetic: bits of weights 5"));
  assert_non_null(strstr(text, "keys and values float"));
  assert_null(strstr(text, "saturations"));
  assert_int_equal(run(text, "--weight-group tensor --json"), 0);
  assert_non_null(strstr(text, "\"engine\":\t\"emulation\""));
  static const char *const wrong[] = {"--weight-bits 1",  "--weight-bits 17",
                                      "--kv-bits x",      "--activation-bits 3",
                                      "--limit 1",        "--weight-group 5000",
                                      "--weight-scale x", "--engine golden",
                                      "--threads 257"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    assert_int_equal(run(text, wrong[i]), 2);
  assert_int_equal(run(text, "--context 65"), 1);
  assert_non_null(strstr(text, "model's context is 64"));
}

// A number of the file made too large for the residual: the command names it.
static void test_command_overflow(void **unused) {
  (void)unused;
  static char text[65536];
  char path[FILE_PATH_SIZE], command[1024];
  struct file_map map;
  struct err err;
  snprintf(command, sizeof command, "cp -r %s/nano %s/hot", folder, folder);
  assert_int_equal(system(command), 0);
  snprintf(path, sizeof path, "%s/hot/model.safetensors", folder);
  expect_success(file_map_open(&map, path, &err), &err);
  const size_t data = map.size - config_parameters(&weights.config) * sizeof(uint16_t);
  const size_t at = data + (size_t)(weights.wpe - weights.wte + 3 * 128 + 9) * sizeof(uint16_t);
  char *bytes = malloc(map.size);
  memcpy(bytes, map.data, map.size);
  const size_t size = map.size;
  file_map_close(&map);
  bytes[at] = (char)0x9C;  // bfloat16 of 19968
  bytes[at + 1] = 0x46;
  FILE *file = fopen(path, "wb");
  assert_int_equal(fwrite(bytes, 1, size, file), size);
  fclose(file);
  free(bytes);
  snprintf(command, sizeof command,
           "XDG_CACHE_HOME=%s build/gpt2rtl compare --model %s/hot --text %s/words", folder, folder,
           folder);
  FILE *pipe = popen(command, "r");
  text[fread(text, 1, sizeof text - 1, pipe)] = 0;
  assert_int_equal(pclose(pipe) / 256, 0);
  assert_non_null(strstr(text, "numbers too large for their format were clipped"));
  assert_non_null(
      strstr(text,
             "beyond residual, Q14.12: within 16384; float has 19968 at position 3, element 9"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_measures),
      cmocka_unit_test(test_merge),
      cmocka_unit_test(test_outliers),
      cmocka_unit_test(test_overflow),
      cmocka_unit_test(test_nothing_rounded),
      cmocka_unit_test(test_hardware_widths),
      cmocka_unit_test(test_bits),
      cmocka_unit_test(test_command),
      cmocka_unit_test(test_command_overflow),
      cmocka_unit_test(test_compensated),
      cmocka_unit_test(test_least_error),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
