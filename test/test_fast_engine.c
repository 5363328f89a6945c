// SPDX-License-Identifier: Apache-2.0
//
// The fast engine against golden/gpt2_core, bit for bit: hidden state after every layer, logits,
// choices, KV cache, saturations, for every vector code of this machine, several threads, positions
// one by one and many at once, every named shape.
#include "model_test.h"

#include "config.h"
#include "fast_check.h"
#include "image_build.h"
#include "random_model.h"

struct shape {
  const char *name;
  uint32_t lanes, n_layer, n_head, n_ctx, vocab_size, tied;
  enum fast_check_bytes bytes;
};

static struct image open_shape(const struct shape *s, uint8_t **beats) {
  const struct image_header header = {.lanes = s->lanes,
                                      .n_layer = s->n_layer,
                                      .n_head = s->n_head,
                                      .n_ctx = s->n_ctx,
                                      .vocab_size = s->vocab_size,
                                      .tied = s->tied};
  struct image image;
  struct err err;
  expect_success(fast_check_image(&image, beats, &header, s->bytes, s->n_layer * 77 + s->n_head,
                                  &err),
                 &err);
  return image;
}

static void check_shared(const struct fast_expected *g, const char *name,
                         const struct fast_kernels *k, uint32_t threads, uint32_t batch,
                         const struct fast_engine *share) {
  const struct fast_options options = {.threads = threads, .kernels = k, .share = share};
  struct err err;
  if (fast_check_engine(g, &options, batch, &err))
    fail_msg("%s, %s, %u threads, %u positions at once: %s", name, k->name, threads, batch,
             err.text);
}

static void check(const struct fast_expected *g, const char *name, const struct fast_kernels *k,
                  uint32_t threads, uint32_t batch) {
  check_shared(g, name, k, threads, batch, NULL);
}

// Small shapes: everything with everything.
static void test_small(void **state) {
  (void)state;
  static const struct shape shapes[] = {
      {"nano", 64, 2, 2, 128, 301, 1, FAST_MODEL},
      {"nano, 4096 lanes", 4096, 2, 2, 128, 301, 1, FAST_MODEL},
      {"five heads", 256, 3, 5, 90, 1000, 0, FAST_MODEL},
      {"any bytes", 256, 2, 3, 70, 301, 1, FAST_ANY_BYTES},
      {"one of each", 128, 1, 1, 2, 1, 0, FAST_MODEL},
  };
  static const uint32_t threads[] = {1, 2, 3, 8};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    const struct shape *s = &shapes[i];
    const uint32_t batches[] = {1, s->n_ctx, 1 + s->n_ctx / 10, FAST_BATCH + 1};
    struct fast_expected g;
    struct err err;
    uint8_t *beats;
    const struct image image = open_shape(s, &beats);
    const struct fast_kernels *k;
    expect_success(fast_expect(&g, &image, s->n_ctx, 3 + i, &err), &err);
    if (s->bytes == FAST_ANY_BYTES &&
        (g.core.sat.row == 0 || g.core.sat.residual == 0 || g.core.sat.prob == 0))
      fail_msg("tame bytes");
    for (size_t v = 0; (k = fast_kernels_at(v)); v++)
      for (size_t t = 0; t < 4; t++)
        for (size_t b = 0; b < 4; b++)
          check(&g, s->name, k, threads[t], batches[b] < s->n_ctx ? batches[b] : s->n_ctx);
    fast_expected_free(&g);
    free(beats);
  }
}

// Users' folders, compiled for several lane counts.
static void folder(const char *dir, const char *path, uint32_t n) {
  struct err err;
  struct gpt2_weights weights;
  expect_success(weights_load(&weights, dir, &err), &err);
  for (uint32_t lanes = 64; lanes <= 4096; lanes *= 8) {
    struct image image;
    struct fast_expected g;
    expect_success(image_build(path, &weights, lanes, 0, &err), &err);
    expect_success(image_open(&image, path, IMAGE_CHECKED, &err), &err);
    expect_success(fast_expect(&g, &image, n, 9, &err), &err);
    assert_int_equal(g.core.sat.row + g.core.sat.residual + g.core.sat.norm + g.core.sat.prob, 0);
    const struct fast_kernels *k;
    for (size_t v = 0; (k = fast_kernels_at(v)); v++) check(&g, dir, k, 2, v % 2 ? n : 1);
    fast_expected_free(&g);
    image_close(&image);
  }
  weights_free(&weights);
}

static void test_folders(void **state) {
  struct err err;
  char dir[FILE_PATH_SIZE], path[FILE_PATH_SIZE];
  expect_success(file_join(dir, *state, "nano", &err), &err);
  expect_success(file_join(path, *state, "image", &err), &err);
  expect_success(random_model_write("nano", 4, dir, &err), &err);
  folder(dir, path, 64);
  folder("models/demo", path, 40);
}

// The shapes that have names, whole: few positions, each vector code, one by one and at once.
static void named(const char *name, uint32_t n) {
  struct gpt2_config config;
  struct fast_expected g;
  struct err err;
  uint8_t *beats;
  expect_success(config_named(&config, name, &err), &err);
  const struct shape s = {
      name,
      256,
      (uint32_t)config.n_layer,
      (uint32_t)config.n_head,
      (uint32_t)config.n_ctx,
      (uint32_t)config.vocab_size,
      1,
      FAST_MODEL,
  };
  const struct image image = open_shape(&s, &beats);
  const struct fast_kernels *k;
  struct fast_engine *owner = NULL;  // of the weights, for those that have the same tiles
  uint32_t together = 0;
  expect_success(fast_expect(&g, &image, n, 5, &err), &err);
  for (size_t v = 0; (k = fast_kernels_at(v)); v++) {
    if (k->together != together) {
      fast_engine_destroy(owner);
      expect_success(fast_engine_create(&owner, &image, &(struct fast_options){.kernels = k}, &err),
                     &err);
      together = k->together;
    }
    check_shared(&g, name, k, 1 + (uint32_t)v, v % 2 ? n : 1, owner);
  }
  fast_engine_destroy(owner);
  fast_expected_free(&g);
  free(beats);
}

static void test_gpt2(void **state) { (void)state, named("gpt2", 8); }
static void test_gpt2_medium(void **state) { (void)state, named("gpt2-medium", 4); }
static void test_gpt2_large(void **state) { (void)state, named("gpt2-large", 3); }
static void test_gpt2_xl(void **state) { (void)state, named("gpt2-xl", 3); }

// Weights in one kernel's tiles do not serve another kernel.
static void test_other_tiles(void **state) {
  (void)state;
  static const struct shape s = {"nano", 64, 1, 1, 4, 5, 1, FAST_MODEL};
  struct fast_engine *owner, *engine;
  const struct fast_kernels *k;
  struct err err;
  uint8_t *beats;
  const struct image image = open_shape(&s, &beats);
  const struct fast_options options = {.kernels = &fast_portable};
  expect_success(fast_engine_create(&owner, &image, &options, &err), &err);
  for (size_t v = 0; (k = fast_kernels_at(v)); v++) {
    const struct fast_options other = {.kernels = k, .share = owner};
    const int failed = fast_engine_create(&engine, &image, &other, &err);
    assert_int_equal(failed != 0, k->together != fast_portable.together);
    if (failed) assert_non_null(strstr(err.text, k->name));
    if (failed) assert_null(engine);
    fast_engine_destroy(engine);
  }
  fast_engine_destroy(owner);
  free(beats);
}

// A full context of 1,024 positions: sixteen tiles of keys.
static void test_long_context(void **state) {
  (void)state;
  static const struct shape s = {"1024 positions", 256, 2, 2, 1024, 301, 1, FAST_MODEL};
  struct fast_expected g;
  struct err err;
  uint8_t *beats;
  const struct image image = open_shape(&s, &beats);
  const struct fast_kernels *k;
  expect_success(fast_expect(&g, &image, s.n_ctx, 5, &err), &err);
  for (size_t v = 0; (k = fast_kernels_at(v)); v++) check(&g, s.name, k, 2, v % 2 ? 1 : s.n_ctx);
  fast_expected_free(&g);
  free(beats);
}

// The token loop: prompts of all lengths, generation past several context crops.
static void test_loop(void **state) {
  (void)state;
  static const struct shape shapes[] = {
      {"loop", 64, 2, 2, 70, 301, 1, FAST_MODEL},
      {"loop on any bytes", 64, 1, 2, 70, 301, 1,
       FAST_ANY_BYTES},  // what the cache still holds after a crop saturates nothing
  };
  static const struct {
    uint32_t n_prompt, max_new;
  } runs[] = {{1, 1}, {1, 200}, {37, 3}, {69, 2}, {70, 0}, {70, 1}, {70, 100}};
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
    struct err err;
    uint8_t *beats;
    const struct image image = open_shape(&shapes[s], &beats);
    const struct fast_kernels *k = fast_kernels_named("auto", &err);
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++)
      for (int all = 0; all < 2; all++)
        expect_success(fast_check_loop(&image, k, 2, runs[i].n_prompt, runs[i].max_new, all, &err),
                       &err);
    free(beats);
  }
}

// Several token loops side by side.
static void test_many(void **state) {
  (void)state;
  static const struct shape shapes[] = {{"many", 64, 2, 2, 70, 301, 1, FAST_MODEL},
                                        {"many on any bytes", 64, 1, 2, 70, 301, 1,
                                         FAST_ANY_BYTES}};
  static const uint32_t sequences[] = {0, 2, 3, 9, FAST_SEQUENCES};
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
    struct err err;
    uint8_t *beats;
    const struct image image = open_shape(&shapes[s], &beats);
    const struct fast_kernels *k;
    for (size_t v = 0; (k = fast_kernels_at(v)); v++)
      for (size_t i = 0; i < sizeof sequences / sizeof *sequences; i++) {
        const struct fast_options options = {.kernels = k, .threads = 2, .sequences = sequences[i]};
        if (fast_check_many(&image, &options, &err))
          fail_msg("%s, %s, %u sequences: %s", shapes[s].name, k->name, sequences[i], err.text);
      }
    free(beats);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_small),        IN_FOLDER(test_folders),
      cmocka_unit_test(test_long_context), cmocka_unit_test(test_other_tiles),
      cmocka_unit_test(test_loop),         cmocka_unit_test(test_many),
      cmocka_unit_test(test_gpt2),         cmocka_unit_test(test_gpt2_medium),
      cmocka_unit_test(test_gpt2_large),   cmocka_unit_test(test_gpt2_xl),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
