// SPDX-License-Identifier: Apache-2.0
// test_weights - layout in memory, names, heads, and folders that are not a model
#include "model_test.h"

#include "gpt2_tensors.h"
#include "safetensors_writer.h"
#include "weights.h"

enum { C = 64, V = 10, T = 4, MAX_TENSORS = 32 };

static const char config_json[] =
    "{\"n_layer\": 1, \"n_head\": 1, \"n_embd\": 64, \"n_positions\": 4, \"vocab_size\": 10%s}";

// What to do differently from a good file.
struct twist {
  const char *config;      // further fields of config.json
  const char *prefix;      // of all names
  const char *missing;     // this tensor is left out
  const char *transposed;  // this one's shape is reversed
  int head;                // 1: lm_head.weight equal to wte, 2: another
};

// Element i of tensor index, exact in float32.
static float value_of(size_t index, size_t i) {
  return (float)(index * 100000 + i);
}

static void write_model(void **state, struct twist twist) {
  char path[FILE_PATH_SIZE];
  char text[512];
  struct err err;
  struct gpt2_config config;
  snprintf(text, sizeof text, config_json, "");
  write_string(path, *state, "config.json", text);
  expect_success(config_read(&config, path, &err), &err);
  snprintf(text, sizeof text, config_json, twist.config == NULL ? "" : twist.config);
  write_string(path, *state, "config.json", text);

  static char names[MAX_TENSORS][80];
  struct safetensors_spec specs[MAX_TENSORS];
  size_t source[MAX_TENSORS];
  size_t count = 0;
  for (size_t i = 0; i < gpt2_tensor_count(&config); i++) {
    struct gpt2_tensor t = gpt2_tensor_at(&config, i);
    if (twist.missing != NULL && strcmp(t.name, twist.missing) == 0) {
      continue;
    }
    bool reversed = twist.transposed != NULL && strcmp(t.name, twist.transposed) == 0;
    snprintf(names[count], sizeof names[count], "%s%s", twist.prefix == NULL ? "" : twist.prefix,
             t.name);
    source[count] = i;
    specs[count] = (struct safetensors_spec){
        .name = names[count],
        .dtype = SAFETENSORS_F32,
        .rank = t.rank,
        .shape = {t.shape[reversed], t.shape[!reversed]},
    };
    count++;
  }
  if (twist.head != 0) {
    source[count] = twist.head == 1 ? 0 : 50;
    specs[count++] = (struct safetensors_spec){
        .name = "lm_head.weight", .dtype = SAFETENSORS_F32, .rank = 2, .shape = {V, C}};
  }
  // A mask, as older files have it: not a weight, whatever its type.
  source[count] = 99;
  specs[count++] = (struct safetensors_spec){
      .name = "h.0.attn.bias", .dtype = SAFETENSORS_F32, .rank = 4, .shape = {1, 1, T, T}};

  struct safetensors_writer writer;
  assert_int_equal(file_join(path, *state, "model.safetensors", NULL), 0);
  expect_success(safetensors_writer_open(&writer, path, specs, count, &err), &err);
  for (size_t k = 0; k < count; k++) {
    size_t elements = 1;
    for (size_t d = 0; d < specs[k].rank; d++) {
      elements *= specs[k].shape[d];
    }
    for (size_t i = 0; i < elements; i++) {
      float value = value_of(source[k], i);
      expect_success(safetensors_writer_append(&writer, &value, sizeof value, &err), &err);
    }
  }
  expect_success(safetensors_writer_finish(&writer, &err), &err);
}

static void check_linear(const float *w, size_t index, size_t inputs, size_t outputs) {
  for (size_t o = 0; o < outputs; o++) {
    for (size_t i = 0; i < inputs; i++) {
      assert_true(w[o * inputs + i] == value_of(index, i * outputs + o));
    }
  }
}

static void check_model(void **state, struct twist twist) {
  struct gpt2_weights w;
  struct err err;
  write_model(state, twist);
  expect_success(weights_load(&w, *state, &err), &err);
  const struct gpt2_layer *layer = &w.layers[0];
  assert_true(w.wte[9 * C + 3] == value_of(0, 9 * C + 3));
  assert_true(w.wpe[3 * C + 5] == value_of(1, 3 * C + 5));
  assert_true(layer->ln_1_g[7] == value_of(2, 7) && layer->ln_1_b[7] == value_of(3, 7));
  check_linear(layer->attn_w, 4, C, 3 * C);
  assert_true(layer->attn_b[191] == value_of(5, 191));
  check_linear(layer->attn_proj_w, 6, C, C);
  assert_true(layer->attn_proj_b[63] == value_of(7, 63));
  assert_true(layer->ln_2_g[7] == value_of(8, 7) && layer->ln_2_b[7] == value_of(9, 7));
  check_linear(layer->fc_w, 10, C, 4 * C);
  assert_true(layer->fc_b[255] == value_of(11, 255));
  check_linear(layer->mlp_proj_w, 12, 4 * C, C);
  assert_true(layer->mlp_proj_b[63] == value_of(13, 63));
  assert_true(w.ln_f_g[63] == value_of(14, 63) && w.ln_f_b[63] == value_of(15, 63));
  assert_int_equal((uintptr_t)layer->mlp_proj_w % 64, 0);
  if (twist.head == 2) {
    assert_ptr_not_equal(w.lm_head, w.wte);
    assert_true(w.lm_head[C + 1] == value_of(50, C + 1));
  } else {
    assert_ptr_equal(w.lm_head, w.wte);
  }
  assert_int_equal(w.config.tie_word_embeddings, twist.head != 2);
  weights_free(&w);
  weights_free(&w);
}

static void test_layouts(void **state) {
  check_model(state, (struct twist){0});
  check_model(state, (struct twist){.prefix = "transformer."});
  check_model(state, (struct twist){.head = 1});
  check_model(state, (struct twist){.head = 2});
  check_model(state, (struct twist){.prefix = "transformer.", .head = 2});
  check_model(state, (struct twist){.config = ", \"tie_word_embeddings\": false", .head = 2});
}

static void expect_refusal(void **state, struct twist twist, const char *fragment) {
  struct gpt2_weights w;
  struct err err;
  write_model(state, twist);
  expect_failure(weights_load(&w, *state, &err), &err, fragment);
  assert_null(w.storage);
  assert_null(w.layers);
}

static void test_refusals(void **state) {
  expect_refusal(state, (struct twist){.config = ", \"tie_word_embeddings\": false"},
                 "tensor lm_head.weight is missing, and config.json says tie_word_embeddings");
  expect_refusal(state, (struct twist){.missing = "h.0.mlp.c_fc.bias"},
                 "tensor h.0.mlp.c_fc.bias is missing");
  expect_refusal(state, (struct twist){.transposed = "h.0.attn.c_attn.weight"},
                 "tensor h.0.attn.c_attn.weight has shape [192][64], expected [64][192]");
}

static void test_folders(void **state) {
  struct gpt2_weights w;
  struct err err;
  char path[FILE_PATH_SIZE];
  char text[512];
  expect_failure(weights_load(&w, *state, &err), &err, "config.json: cannot open");
  snprintf(text, sizeof text, config_json, "");
  write_string(path, *state, "config.json", text);
  expect_failure(weights_load(&w, *state, &err), &err, "no model.safetensors; expected a folder");
  write_string(path, *state, "pytorch_model.bin", "");
  expect_failure(weights_load(&w, *state, &err), &err, "pytorch_model.bin is there");
  expect_failure(weights_load(&w, *state, &err), &err, "save_pretrained('");
}

// A layer more in config.json than in the file.
static void test_missing_layer(void **state) {
  struct gpt2_weights w;
  struct err err;
  char path[FILE_PATH_SIZE];
  write_model(state, (struct twist){0});
  write_string(path, *state, "config.json",
               "{\"n_layer\": 2, \"n_head\": 1, \"n_embd\": 64, \"n_positions\": 4,"
               " \"vocab_size\": 10}");
  expect_failure(weights_load(&w, *state, &err), &err, "tensor h.1.ln_1.weight is missing");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_layouts, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(test_refusals, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(test_folders, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(test_missing_layer, make_folder, remove_folder),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
