// SPDX-License-Identifier: Apache-2.0
// test_weights - layout in memory, names, heads, and folders that are not a model
#include "model_test.h"

#include "gpt2_tensors.h"
#include "safetensors_writer.h"
#include "weights.h"

enum { C = 64, V = 10, T = 4, MAX_TENSORS = 32 };

static const char config_json[] =
    "{\"n_layer\": %d, \"n_head\": 1, \"n_embd\": 64, \"n_positions\": 4, \"vocab_size\": 10%s}";

// What differs from a good file.
struct twist {
  const char *config;       // further fields of config.json
  const char *prefix;       // of all names
  const char *missing;      // this tensor is left out
  const char *transposed;   // this one's shape is reversed
  const char *extra;        // an additional tensor of 4 x 4 floats
  int layers;               // 0: one
  int head;                 // 1: lm_head.weight equal to wte, 2: another, 3: it and no wte.weight
  const char *head_prefix;  // of its name
  bool linear;              // matrices are stored as [outputs][inputs]
  bool no_linear_bias, no_norm_bias;
};

// Element i of tensor index, exact in float32.
static float value_of(size_t index, size_t i) { return (float)(index * 100000 + i); }

static void write_model(void **state, struct twist twist) {
  char path[FILE_PATH_SIZE];
  char text[512];
  struct err err;
  struct gpt2_config config;
  snprintf(text, sizeof text, config_json, twist.layers == 0 ? 1 : twist.layers, "");
  write_string(path, *state, "config.json", text);
  expect_success(config_read(&config, path, &err), &err);
  snprintf(text, sizeof text, config_json, twist.layers == 0 ? 1 : twist.layers,
           !twist.config ? "" : twist.config);
  write_string(path, *state, "config.json", text);

  static char names[MAX_TENSORS][80];
  struct safetensors_spec specs[MAX_TENSORS];
  size_t source[MAX_TENSORS];
  size_t count = 0;
  for (size_t i = 0; i < gpt2_tensor_count(&config); i++) {
    struct gpt2_tensor t = gpt2_tensor_at(&config, i);
    if ((twist.missing && strcmp(t.name, twist.missing) == 0) || (i == 0 && twist.head == 3) ||
        (gpt2_tensor_is_bias(&t) && (t.norm ? twist.no_norm_bias : twist.no_linear_bias)))
      continue;
    bool reversed =
        (twist.transposed && strcmp(t.name, twist.transposed) == 0) || (twist.linear && t.conv1d);
    snprintf(names[count], sizeof names[count], "%s%s", !twist.prefix ? "" : twist.prefix, t.name);
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
    static char head[80];
    snprintf(head, sizeof head, "%slm_head.weight", !twist.head_prefix ? "" : twist.head_prefix);
    source[count] = twist.head == 2 ? 50 : 0;
    specs[count++] = (struct safetensors_spec){.name = head,
                                               .dtype = SAFETENSORS_F32,
                                               .rank = 2,
                                               .shape = {V, C}};
  }
  // A mask, as older files have it: not a weight, whatever its type.
  source[count] = 99;
  specs[count++] = (struct safetensors_spec){.name = "h.0.attn.bias",
                                             .dtype = SAFETENSORS_F32,
                                             .rank = 4,
                                             .shape = {1, 1, T, T}};

  if (twist.extra) {
    source[count] = 98;
    specs[count++] = (struct safetensors_spec){.name = twist.extra,
                                               .dtype = SAFETENSORS_F32,
                                               .rank = 2,
                                               .shape = {T, T}};
  }

  struct safetensors_writer writer;
  assert_int_equal(file_join(path, *state, "model.safetensors", NULL), 0);
  expect_success(safetensors_writer_open(&writer, path, specs, count, &err), &err);
  for (size_t k = 0; k < count; k++) {
    size_t elements = 1;
    for (size_t d = 0; d < specs[k].rank; d++) elements *= specs[k].shape[d];
    // Stored as [outputs][inputs], element i has the value that it has as [inputs][outputs].
    const size_t rows = specs[k].shape[0], columns = specs[k].shape[1];
    const bool turned = twist.linear && specs[k].rank == 2 && source[k] >= 2 && source[k] < 50;
    for (size_t i = 0; i < elements; i++) {
      float value = value_of(source[k], turned ? i % columns * rows + i / columns : i);
      expect_success(safetensors_writer_append(&writer, &value, sizeof value, &err), &err);
    }
  }
  expect_success(safetensors_writer_finish(&writer, &err), &err);
}

static void check_linear(const float *w, size_t index, size_t inputs, size_t outputs) {
  for (size_t o = 0; o < outputs; o++)
    for (size_t i = 0; i < inputs; i++)
      assert_true(w[o * inputs + i] == value_of(index, i * outputs + o));
}

static void check_model(void **state, struct twist twist) {
  struct gpt2_weights w;
  struct gpt2_config config;
  struct err err;
  const float linear = twist.no_linear_bias ? 0 : 1, norm = twist.no_norm_bias ? 0 : 1;
  write_model(state, twist);
  expect_success(weights_check(&config, *state, &err), &err);
  expect_success(weights_load(&w, *state, &err), &err);
  const struct gpt2_layer *layer = &w.layers[0];
  assert_true(w.wte[9 * C + 3] == value_of(0, 9 * C + 3));
  assert_true(w.wpe[3 * C + 5] == value_of(1, 3 * C + 5));
  assert_true(layer->ln_1_g[7] == value_of(2, 7) && layer->ln_1_b[7] == norm * value_of(3, 7));
  check_linear(layer->attn_w, 4, C, 3 * C);
  assert_true(layer->attn_b[191] == linear * value_of(5, 191));
  check_linear(layer->attn_proj_w, 6, C, C);
  assert_true(layer->attn_proj_b[63] == linear * value_of(7, 63));
  assert_true(layer->ln_2_g[7] == value_of(8, 7) && layer->ln_2_b[7] == norm * value_of(9, 7));
  check_linear(layer->fc_w, 10, C, 4 * C);
  assert_true(layer->fc_b[255] == linear * value_of(11, 255));
  check_linear(layer->mlp_proj_w, 12, 4 * C, C);
  assert_true(layer->mlp_proj_b[63] == linear * value_of(13, 63));
  assert_true(w.ln_f_g[63] == value_of(14, 63) && w.ln_f_b[63] == norm * value_of(15, 63));
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
  check_model(state, (struct twist){.extra = "score.weight"});  // the head of another task
  check_model(state, (struct twist){.extra = "h.0.attn.masked_bias"});
  check_model(state, (struct twist){.extra = "transformer.h.0.attn.bias"});
  const char *untied = ", \"tie_word_embeddings\": false";
  check_model(state, (struct twist){.config = untied, .head = 1});
  check_model(state, (struct twist){.config = untied, .head = 2});
  check_model(state, (struct twist){.config = untied, .prefix = "transformer.", .head = 2});
}

// The forms in which trainers and savers write the same model.
static void test_forms(void **state) {
  static const char *const prefixes[] = {"_orig_mod.",
                                         "module.",
                                         "model.",
                                         "module._orig_mod.transformer.",
                                         "_orig_mod.transformer.",
                                         "anything.at.all."};
  for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
    check_model(state, (struct twist){.prefix = prefixes[i]});
    check_model(state, (struct twist){.prefix = prefixes[i], .head = 1});
  }
  const char *untied = ", \"tie_word_embeddings\": false";
  check_model(state, (struct twist){.prefix = "_orig_mod.transformer.",
                                    .head = 2,
                                    .head_prefix = "_orig_mod.",
                                    .config = untied});
  // safetensors' save_model keeps one name of two: the head's.
  check_model(state, (struct twist){.head = 3});
  check_model(state, (struct twist){.prefix = "transformer.", .head = 3});
  check_model(state, (struct twist){.prefix = "_orig_mod.transformer.",
                                    .head = 3,
                                    .head_prefix = "_orig_mod."});
  // nanoGPT: no biases, Linear in place of Conv1D.
  check_model(state, (struct twist){.no_linear_bias = true});
  check_model(state, (struct twist){.no_norm_bias = true});
  check_model(state, (struct twist){.no_linear_bias = true, .no_norm_bias = true, .linear = true});
  check_model(state, (struct twist){.linear = true, .prefix = "transformer."});
}

static void expect_refusal(void **state, struct twist twist, const char *fragment) {
  struct gpt2_weights w;
  struct err err;
  write_model(state, twist);
  expect_failure(weights_load(&w, *state, &err), &err, fragment);
  assert_null(w.storage);
  assert_null(w.layers);
}

// What config.json says about the scale of scores is in the query's rows, and nowhere else.
static void test_score_scale(void **state) {
  static const struct {
    const char *config;
    float factor;  // of layer 0; the second layer's is half of it if the layers count
  } cases[] = {
      {", \"scale_attn_weights\": false", 8},
      {", \"scale_attn_by_inverse_layer_idx\": true", 1},
      {", \"scale_attn_by_inverse_layer_idx\": true, \"scale_attn_weights\": false", 8},
      {", \"reorder_and_upcast_attn\": true", 1},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct gpt2_weights plain, w;
    struct err err;
    write_model(state, (struct twist){.layers = 2});
    expect_success(weights_load(&plain, *state, &err), &err);
    write_model(state, (struct twist){.layers = 2, .config = cases[i].config});
    expect_success(weights_load(&w, *state, &err), &err);
    for (size_t l = 0; l < 2; l++) {
      const bool by_layer = strstr(cases[i].config, "inverse") != NULL;
      const float factor = by_layer ? cases[i].factor / (float)(l + 1) : cases[i].factor;
      for (size_t row = 0; row < 3 * C; row++) {
        const float f = row < C ? factor : 1;
        assert_true(w.layers[l].attn_b[row] == plain.layers[l].attn_b[row] * f);
        for (size_t c = 0; c < C; c++)
          assert_true(w.layers[l].attn_w[row * C + c] == plain.layers[l].attn_w[row * C + c] * f);
      }
      assert_memory_equal(w.layers[l].attn_proj_w, plain.layers[l].attn_proj_w, C * C * 4);
    }
    weights_free(&plain);
    weights_free(&w);
  }
}

static void test_refusals(void **state) {
  expect_refusal(
      state, (struct twist){.head = 2},
      "lm_head.weight is not the token embedding, and config.json says tie_word_embeddings");
  expect_refusal(state, (struct twist){.extra = "h.1.ln_1.weight"},
                 "tensor h.1.ln_1.weight is not part of a GPT-2 of 1 layers");
  expect_refusal(state, (struct twist){.extra = "h.0.crossattention.c_attn.weight"},
                 "tensor h.0.crossattention.c_attn.weight is not part");
  expect_refusal(state, (struct twist){.extra = "transformer.h.0.attn.c_attn.lora_A.weight"},
                 "tensor transformer.h.0.attn.c_attn.lora_A.weight belongs to an adapter (LoRA) "
                 "that is not merged");
  expect_refusal(state, (struct twist){.extra = "h.00.attn.bias2"}, "h.00.attn.bias2 is not part");
  expect_refusal(state, (struct twist){.extra = "h.18446744073709551616.attn.bias"}, "is not part");
  expect_refusal(state, (struct twist){.extra = "lm_head.bias"}, "lm_head.bias is not part");
  expect_refusal(state, (struct twist){.extra = "transformer.wte.weight"},
                 "tensor wte.weight is present twice, also as transformer.wte.weight");
  expect_refusal(state, (struct twist){.config = ", \"tie_word_embeddings\": false"},
                 "tensor lm_head.weight is missing, and config.json says tie_word_embeddings");
  expect_refusal(state, (struct twist){.config = ", \"tie_word_embeddings\": false", .head = 3},
                 "tensor wte.weight is missing");
  expect_refusal(state, (struct twist){.missing = "wpe.weight"},
                 "tensor wpe.weight is missing: not a GPT-2 model");
  expect_refusal(state, (struct twist){.extra = "transformer.wpe.weight"},
                 "tensor transformer.wpe.weight is present twice, also as wpe.weight");
  expect_refusal(state, (struct twist){.prefix = "transformer.", .extra = "wte.weight"},
                 "tensor transformer.wte.weight is present twice, also as wte.weight");
  expect_refusal(state, (struct twist){.head = 1, .extra = "lm_head.weight.x"},
                 "lm_head.weight.x is not part");
  expect_refusal(state,
                 (struct twist){.head = 1, .prefix = "model.", .extra = "model.lm_head.weight"},
                 "tensor lm_head.weight is present twice, also as model.lm_head.weight");
  expect_refusal(state,
                 (struct twist){.prefix = "base_model.model.",
                                .extra = "base_model.model.h.0.attn.c_attn.base_layer.weight"},
                 "base_layer.weight belongs to an adapter (LoRA) that is not merged into the "
                 "weights: merge it");
  expect_refusal(state, (struct twist){.linear = true, .transposed = "h.0.ln_1.weight"},
                 "ln_1.weight has shape [1], expected [64]");
  expect_refusal(state, (struct twist){.missing = "ln_f.bias"}, "tensor ln_f.bias is missing");
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
  snprintf(text, sizeof text, config_json, 1, "");
  write_string(path, *state, "config.json", text);
  expect_failure(weights_load(&w, *state, &err), &err, "no model.safetensors; expected a folder");
  write_string(path, *state, "pytorch_model.bin", "");
  expect_failure(weights_load(&w, *state, &err), &err, "pytorch_model.bin is there");
  expect_failure(weights_load(&w, *state, &err), &err, "save_pretrained('");
}

// config.json has one layer more than the file.
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
      IN_FOLDER(test_layouts),  IN_FOLDER(test_forms),   IN_FOLDER(test_score_scale),
      IN_FOLDER(test_refusals), IN_FOLDER(test_folders), IN_FOLDER(test_missing_layer),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
