// SPDX-License-Identifier: Apache-2.0
// test_layouts - folders as publishers lay them out: full shapes as sparse files, small ones by
// value
#include "model_test.h"

#include <sys/stat.h>

#include "gpt2_tensors.h"
#include "image_build.h"
#include "layout.h"
#include "weights.h"

// The published shapes, whole: every name, shape and dtype is found. Data are holes: nothing is
// read.
static void published(void **state) {
  for (const struct layout *l = layouts; l->name != NULL; l++) {
    char path[FILE_PATH_SIZE];
    struct gpt2_config config;
    struct err err;
    struct stat st;
    layout_write(l, *state, 1, true);
    assert_int_equal(file_join(path, *state, "model.safetensors", NULL), 0);
    assert_int_equal(stat(path, &st), 0);
    if (l->published_bytes != 0) assert_int_equal(st.st_size, l->published_bytes);
    assert_true(st.st_blocks < 4096);
    expect_success(weights_check(&config, *state, &err), &err);
    assert_int_equal(config.n_layer, l->layers);
    assert_int_equal(config.n_embd, 64 * l->heads);
    print_message("%-16s %10jd bytes\n", l->name, (intmax_t)st.st_size);
    // The same as several files, and without one of them.
    assert_int_equal(remove(path), 0);
    layout_write(l, *state, 5, true);
    expect_success(weights_check(&config, *state, &err), &err);
    assert_int_equal(file_join(path, *state, "model-00003-of-00005.safetensors", NULL), 0);
    assert_int_equal(remove(path), 0);
    expect_failure(weights_check(&config, *state, &err), &err,
                   "model.safetensors.index.json: the shard model-00003-of-00005.safetensors that "
                   "it names is absent");
  }
}

static void check_values(const float *at, const char *name, size_t inputs, size_t outputs) {
  for (size_t o = 0; o < outputs; o++)
    for (size_t i = 0; i < inputs; i++)
      assert_true(at[o * inputs + i] == layout_value(name, i * outputs + o));
}

// The layouts at 2 layers, 2 heads, 300 tokens: what is loaded has each tensor's own values.
static void values(void **state) {
  uint64_t images[16] = {0};
  size_t n = 0;
  for (const struct layout *p = layouts; p->name != NULL; p++) {
    for (size_t shards = 1; shards <= 3; shards += 2) {
      struct layout l = *p;
      l.layers = 2, l.heads = 2, l.ctx = 16, l.vocab = 300;
      char path[FILE_PATH_SIZE];
      struct gpt2_weights w;
      struct image image;
      struct err err;
      remove_tree(*state);
      assert_int_equal(mkdir(*state, 0777), 0);
      layout_write(&l, *state, shards, false);
      expect_success(weights_load(&w, *state, &err), &err);
      assert_ptr_equal(w.lm_head, w.wte);
      for (size_t i = 0; i < 300 * 128; i++) assert_true(w.wte[i] == layout_value("wte.weight", i));
      for (size_t i = 0; i < 16 * 128; i++) assert_true(w.wpe[i] == layout_value("wpe.weight", i));
      check_values(w.layers[1].attn_w, "h.1.attn.c_attn.weight", 128, 384);
      check_values(w.layers[1].mlp_proj_w, "h.1.mlp.c_proj.weight", 512, 128);
      check_values(w.layers[0].ln_2_b, "h.0.ln_2.bias", 128, 1);
      check_values(w.ln_f_g, "ln_f.weight", 128, 1);
      // So the image is the same except for its source; its checksum without the source shows it.
      assert_int_equal(file_join(path, *state, "image", NULL), 0);
      expect_success(image_build(path, &w, 128, 7, &err), &err);
      expect_success(image_open(&image, path, IMAGE_CHECKED, &err), &err);
      images[n++ % 16] = image.header.checksum;
      assert_int_equal(images[0], image.header.checksum);
      image_close(&image);
      weights_free(&w);
    }
  }
  assert_int_equal(n, 16);
}

// Masks are skipped, whatever they contain.
static void masks(void **state) {
  static const char *const dtypes[] = {"F32", "F16", "BF16", "U8",  "BOOL",
                                       "I64", "F64", "I8",   "I16", "I32"};
  for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
    struct layout l = layouts[0];
    struct gpt2_weights w;
    struct err err;
    l.layers = 1, l.heads = 1, l.ctx = 8, l.vocab = 257;
    l.mask = dtypes[i];
    l.masked_bias = i % 2 == 0;
    layout_write(&l, *state, 1, false);
    expect_success(weights_load(&w, *state, &err), &err);
    weights_free(&w);
  }
}

// ----------------------------------------------------------------- shards that do not fit together

static void write_index(void **state, const char *weight_map) {
  char path[FILE_PATH_SIZE], text[1024];
  snprintf(text, sizeof text, "{\"weight_map\": %s}", weight_map);
  write_string(path, *state, "model.safetensors.index.json", text);
}

static void expect_refused(void **state, const char *fragment) {
  struct gpt2_config config;
  struct err err;
  expect_failure(weights_check(&config, *state, &err), &err, fragment);
}

static void broken_shards(void **state) {
  char path[FILE_PATH_SIZE], other[FILE_PATH_SIZE];
  struct layout l = layouts[0];
  l.layers = 1, l.heads = 1, l.ctx = 8, l.vocab = 257;
  layout_write(&l, *state, 2, false);
  static const struct {
    const char *map, *error;
  } cases[] = {
      {"{\"wte.weight\": \"../model-00001-of-00002.safetensors\"}",
       "weight_map names \"../model-00001"},
      {"{\"wte.weight\": \"/etc/passwd\"}", "expected *.safetensors in the same folder"},
      {"{\"wte.weight\": \"sub/model.safetensors\"}", "weight_map names \"sub/model.safetensors\""},
      {"{\"wte.weight\": \"/tmp/model.safetensors\"}",
       "weight_map names \"/tmp/model.safetensors\""},
      {"{\"wte.weight\": \".safetensors\"}", "expected *.safetensors"},
      {"{\"wte.weight\": \"pytorch_model.bin\"}", "weight_map names \"pytorch_model.bin\""},
      {"{\"wte.weight\": 5}", "weight_map gives tensor wte.weight no file name"},
      {"{}", "index.json: no weight_map"},
      {"[]", "index.json: no weight_map"},
      {"{\"wte.weight\": \"model-00001-of-00002.safetensors\"}",
       "tensor wte.weight should be in model-00001-of-00002"},
      {"{\"x\": \"model-00002-of-00002.safetensors\"}", "tensor x should be in model-00002"},
      {"{\"wte.weight\": \"model-00002-of-00002.safetensors\"}",
       "tensor h.0.ln_1.weight is missing"},
      {"{\"a\": \"a.safetensors\"}", "the shard a.safetensors that it names is absent"},
      {"{\"a\": ", "model.safetensors.index.json: line 1, byte "},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    write_index(state, cases[i].map);
    expect_refused(state, cases[i].error);
  }
  // A tensor in two shards; a truncated shard.
  assert_int_equal(file_join(path, *state, "model-00002-of-00002.safetensors", NULL), 0);
  assert_int_equal(file_join(other, *state, "copy.safetensors", NULL), 0);
  assert_int_equal(link(path, other), 0);
  write_index(state, "{\"wte.weight\": \"copy.safetensors\", \"wpe.weight\": "
                     "\"model-00002-of-00002.safetensors\"}");
  expect_refused(state, "is also in");
  layout_write(&l, *state, 2, false);
  assert_int_equal(truncate(path, 1000), 0);
  expect_refused(state, "ends at byte 1024 of the data, but the file has only");
}

// --------------------------------------------------------------------- folders without safetensors

static void other_formats(void **state) {
  static const struct {
    const char *file, *error;
  } cases[] = {
      {"pytorch_model.bin", "M.from_pretrained('"},
      {"pytorch_model.bin.index.json", ".save_pretrained('"},
      {"tf_model.h5", "from_tf=True"},
      {"flax_model.msgpack", "from_flax=True"},
  };
  char path[FILE_PATH_SIZE];
  struct layout l = layouts[0];
  l.layers = 1, l.heads = 1, l.ctx = 8, l.vocab = 257;
  layout_write(&l, *state, 1, true);
  assert_int_equal(file_join(path, *state, "model.safetensors", NULL), 0);
  assert_int_equal(remove(path), 0);
  expect_refused(state,
                 "no model.safetensors; expected a folder with config.json, model.safetensors (or");
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    uint64_t source;
    struct err err;
    write_string(path, *state, cases[i].file, "x");
    expect_refused(state, cases[i].error);
    expect_refused(state, cases[i].file);
    expect_failure(image_source(&source, *state, &err), &err,
                   "python3 -c \"from transformers import");
    assert_int_equal(remove(path), 0);
  }
}

// An adapter beside the weights would change what they compute.
static void adapter(void **state) {
  char path[FILE_PATH_SIZE];
  uint64_t source;
  struct err err;
  struct gpt2_weights w;
  struct layout l = layouts[0];
  l.layers = 1, l.heads = 1, l.ctx = 8, l.vocab = 257;
  layout_write(&l, *state, 1, true);
  write_string(path, *state, "adapter_config.json", "{\"peft_type\": \"LORA\"}");
  expect_refused(
      state,
      "adapter_config.json is present: an adapter (LoRA) that is not merged into the weights");
  expect_failure(weights_load(&w, *state, &err), &err, "merge_and_unload()");
  // Also if the base is elsewhere, and the folder has nothing of a model.
  char config[FILE_PATH_SIZE], kept[FILE_PATH_SIZE];
  assert_int_equal(file_join(config, *state, "config.json", NULL), 0);
  assert_int_equal(file_join(kept, *state, "kept", NULL), 0);
  assert_int_equal(rename(config, kept), 0);
  expect_failure(weights_load(&w, *state, &err), &err, "adapter_config.json is present");
  assert_int_equal(rename(kept, config), 0);
  expect_failure(image_source(&source, *state, &err), &err, "or move it elsewhere");
  assert_int_equal(remove(path), 0);
  expect_success(weights_load(&w, *state, &err), &err);
  weights_free(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_FOLDER(published),     IN_FOLDER(values),        IN_FOLDER(masks),
      IN_FOLDER(broken_shards), IN_FOLDER(other_formats), IN_FOLDER(adapter),
  };
  return cmocka_run_group_tests_name("layouts", tests, NULL, NULL);
}
