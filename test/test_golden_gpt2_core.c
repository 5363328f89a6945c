// SPDX-License-Identifier: Apache-2.0
// The whole integer model against float32 with the same weights, those of the image: the remaining
// difference is the arithmetic's error, most of it the int8 cache's. Lanes change nothing.
#include "golden_test.h"
#include "gpt2_float.h"
#include "random_model.h"
#include "tensor_assembly.h"

// A random model and its image for some lanes.
struct model {
  struct gpt2_weights weights;  // as the image has them
  struct image image;
};

static void make_model(struct model *m, const char *folder, uint64_t seed, uint32_t lanes) {
  char dir[FILE_PATH_SIZE], path[FILE_PATH_SIZE], name[32];
  struct gpt2_weights weights;
  struct err err;
  snprintf(name, sizeof name, "nano-%u", (unsigned)seed);
  expect_success(file_join(dir, folder, name, &err), &err);
  if (!file_exists(dir)) expect_success(random_model_write("nano", seed, dir, &err), &err);
  expect_success(weights_load(&weights, dir, &err), &err);
  expect_success(file_join(path, dir, "image", &err), &err);
  expect_success(image_build(path, &weights, lanes, 0, &err), &err);
  expect_success(image_open(&m->image, path, IMAGE_CHECKED, &err), &err);
  expect_success(image_weights(&m->weights, &m->image, &err), &err);
  weights_free(&weights);
}

static void free_model(struct model *m) {
  image_close(&m->image);
  weights_free(&m->weights);
}

// ----------------------------------------------------------------------------------- against float

enum { STAGES = 3 };  // after the embedding and each layer of nano

struct seen {
  double x[STAGES][128];
  size_t calls;
};

static void observe(void *ctx, const struct tensor_place *place, const float *x, size_t n) {
  struct seen *seen = ctx;
  seen->calls++;
  if (place->tensor == TENSOR_DROP || place->tensor == TENSOR_LAYER)
    for (size_t c = 0; c < n; c++)
      seen->x[place->tensor == TENSOR_DROP ? 0 : place->layer + 1][c] = (double)x[c];
}

static void test_against_float(void **state) {
  double square[STAGES + 1] = {0}, error_square[STAGES + 1] = {0};
  double loss = 0, loss_square = 0;
  size_t positions = 0;
  for (uint64_t seed = 1; seed <= 3; seed++) {
    struct model m;
    struct err err;
    struct gpt2_float *reference;
    struct gpt2_core core;
    struct tensor_assembly assembly;
    struct seen expected = {.calls = 0}, found = {.calls = 0};
    make_model(&m, *state, seed, 256);
    expect_success(gpt2_float_create(&reference, &m.weights, &err), &err);
    expect_success(gpt2_core_create(&core, &m.image, &err), &err);
    gpt2_float_observe(reference, observe, &expected);
    expect_success(tensor_assembly_golden(&assembly, &core, observe, &found, &err), &err);
    const size_t vocabulary = m.weights.config.vocab_size;
    float *logits = calloc(vocabulary, sizeof *logits),
          *integer = calloc(vocabulary, sizeof *logits);
    uint64_t random = seed;
    for (uint32_t t = 0; t < m.weights.config.n_ctx; t++) {
      const uint32_t id = (uint32_t)random_below(&random, vocabulary);
      expect_success(gpt2_float_step(reference, id, t, logits, &err), &err);
      gpt2_core_step(&core, id, t, true);
      for (size_t stage = 0; stage < STAGES; stage++) {
        for (size_t c = 0; c < 128; c++) {
          const double e = found.x[stage][c] - expected.x[stage][c];
          if (t > 0) {  // position 0 has the outlier of 1000
            square[stage] += expected.x[stage][c] * expected.x[stage][c];
            error_square[stage] += e * e;
          }
        }
      }
      for (size_t v = 0; v < vocabulary; v++) {
        integer[v] = (float)from_row(core.logits[v]);
        const double e = (double)integer[v] - (double)logits[v];
        square[STAGES] += (double)logits[v] * (double)logits[v];
        error_square[STAGES] += e * e;
      }
      const uint32_t target = (uint32_t)random_below(&random, vocabulary);
      const double difference = gpt2_float_loss(integer, vocabulary, target) -
                                gpt2_float_loss(logits, vocabulary, target);
      loss += difference;
      loss_square += difference * difference;
      positions++;
    }
    assert_int_equal(found.calls, expected.calls);
    assert_int_equal(saturations(&core.sat), 0);
    tensor_assembly_close(&assembly);
    free(logits);
    free(integer);
    gpt2_core_destroy(&core);
    gpt2_float_free(reference);
    free_model(&m);
  }
  static const char *const names[] = {"embedding", "layer 0", "layer 1", "logits"};
  for (size_t i = 0; i <= STAGES; i++) {
    const double relative = sqrt(error_square[i] / square[i]);
    print_message("gpt2_core, %-23s error %.2g of its root mean square\n", names[i], relative);
    assert_true(relative < (i == 0 ? 1e-3 : 1e-2));
  }
  const double mean = loss / (double)positions, rms = sqrt(loss_square / (double)positions);
  print_message("gpt2_core, loss: mean difference %.2g, root mean square %.2g nats\n", mean, rms);
  assert_true(fabs(mean) < 5e-3 && rms < 0.05);
}

// ----------------------------------------------------------------------- lanes, and starting again

static uint64_t run(struct gpt2_core *core, uint64_t seed, uint32_t n) {
  uint64_t random = seed, hash = 0;
  for (uint32_t t = 0; t < n; t++) {
    gpt2_core_step(core, (uint32_t)random_below(&random, core->image->header.vocab_size), t, true);
    for (uint32_t v = 0; v < core->image->header.vocab_size; v++)
      hash = (hash ^ (uint32_t)core->logits[v]) * UINT64_C(0x100000001b3);
  }
  return hash;
}

static void test_lanes(void **state) {
  uint64_t first = 0;
  for (uint32_t lanes = 64; lanes <= 4096; lanes *= 2) {
    struct model m;
    struct gpt2_core core;
    struct err err;
    make_model(&m, *state, 1, lanes);
    expect_success(gpt2_core_create(&core, &m.image, &err), &err);
    const uint64_t hash = run(&core, 5, 20);
    run(&core, 6, 64);  // and after another text
    assert_true(run(&core, 5, 20) == hash);
    assert_true(lanes == 64 || hash == first);
    first = hash;
    gpt2_core_destroy(&core);
    free_model(&m);
  }
}

// --------------------------------------------------------------------------------------- any bytes

// An image of random bytes: weights of -128, the largest scales, gains of 1e5. Everything
// saturates, nothing leaves its format (and nothing is undefined: this runs under UBSan too).
static void test_any_bytes(void **unused) {
  (void)unused;
  for (uint64_t seed = 1; seed <= 4; seed++) {
    struct image image = {.header = {.lanes = 256,
                                     .n_layer = 2,
                                     .n_head = 2,
                                     .n_ctx = 70,
                                     .vocab_size = 301,
                                     .tied = 1,
                                     .layer_norm_epsilon = 1e-5f}};
    struct gpt2_core core;
    struct err err;
    expect_success(image_layout(&image.header, &err), &err);
    const size_t bytes = image.header.n_beats * image.header.lanes;
    uint8_t *beats = malloc(bytes);
    uint64_t random = seed;
    for (size_t i = 0; i < bytes; i++) beats[i] = (uint8_t)random_next(&random);
    image.beats = beats;
    expect_success(gpt2_core_create(&core, &image, &err), &err);
    for (uint32_t t = 0; t < 70; t++) {
      gpt2_core_step(&core, t, t, true);
      for (size_t v = 0; v < 301; v++)
        assert_true(core.logits[v] >= -ROW_MAX && core.logits[v] <= ROW_MAX);
      for (size_t c = 0; c < 128; c++)
        assert_true(core.residual.x[c] >= -RES_MAX && core.residual.x[c] <= RES_MAX);
    }
    assert_int_equal(core.sat.norm, 0);
    assert_true(core.sat.row > 0 && core.sat.residual > 0 && core.sat.prob > 0);
    gpt2_core_destroy(&core);
    free(beats);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_FOLDER(test_against_float),
      IN_FOLDER(test_lanes),
      cmocka_unit_test(test_any_bytes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
