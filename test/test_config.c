// SPDX-License-Identifier: Apache-2.0
// test_config - what config_read accepts, what it refuses, and with which message
#include "model_test.h"

#include "config.h"

static const char gpt2_json[] =
    "{\"model_type\": \"gpt2\", \"activation_function\": \"gelu_new\", \"n_layer\": 12,\n"
    " \"n_head\": 12, \"n_embd\": 768, \"n_positions\": 1024, \"n_ctx\": 1024, \"n_inner\": null,\n"
    " \"vocab_size\": 50257, \"layer_norm_epsilon\": 1e-05, \"bos_token_id\": 50256,\n"
    " \"eos_token_id\": 50256, \"attn_pdrop\": 0.1, \"initializer_range\": 0.02,\n"
    " \"task_specific_params\": {\"text-generation\": {\"do_sample\": true}}}\n";

static int read_text(void **state, struct gpt2_config *config, const char *text, struct err *err) {
  char path[FILE_PATH_SIZE];
  write_string(path, *state, "config.json", text);
  return config_read(config, path, err);
}

static void test_gpt2(void **state) {
  struct gpt2_config c;
  struct err err;
  expect_success(read_text(state, &c, gpt2_json, &err), &err);
  assert_int_equal(c.n_layer, 12);
  assert_int_equal(c.n_head, 12);
  assert_int_equal(c.n_embd, 768);
  assert_int_equal(c.n_inner, 3072);
  assert_int_equal(c.n_ctx, 1024);
  assert_int_equal(c.vocab_size, 50257);
  assert_true(c.layer_norm_epsilon > 0.99e-5 && c.layer_norm_epsilon < 1.01e-5);
  assert_int_equal(c.bos_token_id, 50256);
  assert_int_equal(config_eos(&c), 50256);
  assert_int_equal(c.n_eos, 1);
  assert_true(c.tie_word_embeddings);
  assert_int_equal(config_parameters(&c), 124439808);

  struct gpt2_config named;
  expect_success(config_named(&named, "gpt2", &err), &err);
  assert_int_equal(named.n_layer, c.n_layer);
  assert_int_equal(named.n_embd, c.n_embd);
  assert_int_equal(named.n_inner, c.n_inner);
  assert_int_equal(config_eos(&named), config_eos(&c));
}

// The demo's config.json as transformers 5.24 saves it.
static void test_saved(void **state) {
  struct gpt2_config c;
  struct err err;
  expect_success(read_text(state, &c,
                           "{\"activation_function\": \"gelu_new\", \"add_cross_attention\": "
                           "false, \"architectures\": [\"GPT2LMHeadModel\"],"
                           " \"attn_pdrop\": 0.1, \"bos_token_id\": 0, \"dtype\": \"float16\", "
                           "\"embd_pdrop\": 0.1, \"eos_token_id\": 0,"
                           " \"initializer_range\": 0.02, \"layer_norm_epsilon\": 1e-05, "
                           "\"model_type\": \"gpt2\", \"n_ctx\": 256,"
                           " \"n_embd\": 192, \"n_head\": 3, \"n_inner\": null, \"n_layer\": 6, "
                           "\"n_positions\": 256, \"pad_token_id\": null,"
                           " \"reorder_and_upcast_attn\": false, \"resid_pdrop\": 0.1, "
                           "\"scale_attn_by_inverse_layer_idx\": false,"
                           " \"scale_attn_weights\": true, \"summary_activation\": null, "
                           "\"summary_first_dropout\": 0.1,"
                           " \"summary_proj_to_labels\": true, \"summary_type\": \"cls_index\", "
                           "\"summary_use_proj\": true,"
                           " \"tie_word_embeddings\": true, \"transformers_version\": \"5.24.0\", "
                           "\"use_cache\": true,"
                           " \"vocab_size\": 4096}",
                           &err),
                 &err);
  assert_int_equal(c.n_layer, 6);
  assert_int_equal(config_eos(&c), 0);
}

static void test_named_sizes(void **state) {
  (void)state;
  static const struct {
    const char *name;
    size_t parameters;
  } sizes[] = {{"gpt2-medium", 354823168}, {"gpt2-large", 774030080}, {"gpt2-xl", 1557611200}};
  struct gpt2_config c;
  struct err err;
  for (size_t i = 0; i < 3; i++) {
    expect_success(config_named(&c, sizes[i].name, &err), &err);
    assert_int_equal(config_parameters(&c), sizes[i].parameters);
  }
  expect_failure(config_named(&c, "gpt3", &err), &err, "\"gpt3\", expected nano, gpt2,");
}

static void test_defaults(void **state) {
  struct gpt2_config c;
  struct err err;
  expect_success(read_text(state, &c,
                           "{\"n_layer\": 1, \"n_head\": 1, \"n_embd\": 64, \"n_ctx\": 16,"
                           " \"vocab_size\": 300, \"n_inner\": 256, \"eos_token_id\": null,"
                           " \"tie_word_embeddings\": false, \"reorder_and_upcast_attn\": true,"
                           " \"activation_function\": \"gelu_pytorch_tanh\"}",
                           &err),
                 &err);
  assert_int_equal(c.n_ctx, 16);
  assert_int_equal(config_eos(&c), CONFIG_NO_TOKEN);
  assert_int_equal(c.bos_token_id, CONFIG_NO_TOKEN);
  assert_false(c.tie_word_embeddings);
  assert_true(c.scale_attn_weights);
  assert_false(c.scale_attn_by_inverse_layer_idx);
}

// Fields that are honoured, and one that changes nothing.
static void test_honoured(void **state) {
  static const char *const forms[] = {"gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh",
                                      "gelu_fast", "gelu_accurate"};
  for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
    char text[512];
    struct gpt2_config c;
    struct err err;
    snprintf(
        text, sizeof text,
        "{\"n_layer\": 1, \"n_head\": 1, \"n_embd\": 64, \"n_positions\": 16, \"n_ctx\": 8,"
        " \"vocab_size\": 300, \"scale_attn_weights\": false, \"reorder_and_upcast_attn\": %s,"
        " \"scale_attn_by_inverse_layer_idx\": true, \"layer_norm_epsilon\": 0.125,"
        " \"pruned_heads\": {}, \"quantization_config\": null, \"activation_function\": \"%s\"}",
        i % 2 ? "true" : "false", forms[i]);
    expect_success(read_text(state, &c, text, &err), &err);
    assert_int_equal(c.n_ctx, 16);  // n_positions counts
    assert_false(c.scale_attn_weights);
    assert_true(c.scale_attn_by_inverse_layer_idx);
    assert_true(c.layer_norm_epsilon == 0.125);
  }
}

// What ends a text: one or several ids of the model; others count as none.
static void test_ends(void **state) {
  static const struct {
    const char *eos, *generation;  // config.json's, and generation_config.json or NULL
    uint32_t bos;
    size_t n;
    uint32_t ids[3];
  } cases[] = {
      {"5", NULL, 7, 1, {5}},
      {"[5, 6]", NULL, 7, 2, {5, 6}},
      {"[]", NULL, 7, 0, {0}},
      {"-1", NULL, 7, 0, {0}},
      {"300", NULL, 7, 0, {0}},
      {"[300, 5, -1, 6]", NULL, 7, 2, {5, 6}},
      {"null", NULL, 7, 0, {0}},
      {"5",
       "{\"eos_token_id\": [9, 8, 299], \"bos_token_id\": 50256}",
       CONFIG_NO_TOKEN,
       3,
       {9, 8, 299}},
      {"5", "{\"eos_token_id\": 9, \"bos_token_id\": 3}", 3, 1, {9}},
      {"5", "{\"temperature\": 0.5}", CONFIG_NO_TOKEN, 0, {0}},  // as in transformers
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[512], path[FILE_PATH_SIZE];
    struct gpt2_config c;
    struct err err;
    snprintf(
        text, sizeof text,
        "{\"n_layer\": 1, \"n_head\": 1, \"n_embd\": 64, \"n_positions\": 16, \"vocab_size\": 300,"
        " \"bos_token_id\": 7, \"eos_token_id\": %s}",
        cases[i].eos);
    write_string(path, *state, "config.json", text);
    if (cases[i].generation)
      write_string(path, *state, "generation_config.json", cases[i].generation);
    expect_success(config_read_folder(&c, *state, &err), &err);
    assert_int_equal(c.bos_token_id, cases[i].bos);
    assert_int_equal(c.n_eos, cases[i].n);
    for (size_t k = 0; k < c.n_eos; k++) assert_int_equal(c.eos_token_ids[k], cases[i].ids[k]);
    assert_int_equal(config_eos(&c), c.n_eos == 0 ? CONFIG_NO_TOKEN : cases[i].ids[0]);
    assert_int_equal(config_vocab_size(*state), 300);
  }
  char path[FILE_PATH_SIZE];
  struct gpt2_config c;
  struct err err;
  write_string(path, *state, "generation_config.json", "{\"eos_token_id\": \"x\"}");
  expect_failure(config_read_folder(&c, *state, &err), &err,
                 "generation_config.json: eos_token_id is not a token's id");
  write_string(path, *state, "generation_config.json",
               "{\"eos_token_id\": 1, \"eos_token_id\": 2}");
  expect_failure(config_read_folder(&c, *state, &err), &err,
                 "generation_config.json: eos_token_id appears 2 times");
  write_string(path, *state, "generation_config.json", "{");
  expect_failure(config_read_folder(&c, *state, &err), &err, "generation_config.json: line 1");
  assert_int_equal(config_vocab_size("/no/such"), 0);
}

// gpt2_json with one field replaced or, at the end, added.
static void test_refusals(void **state) {
  static const struct {
    const char *old, *new, *error;
  } cases[] = {
      {"\"n_embd\": 768", "\"n_embd\": 770", "n_embd is 770, expected n_head x 64 = 768"},
      {"\"n_embd\": 768", "\"n_embd\": 1664", "n_embd is 1664, expected a whole number of 1..1600"},
      {"\"n_layer\": 12", "\"n_layer\": 0", "n_layer is 0, expected a whole number of 1..128"},
      {"\"n_layer\": 12", "\"n_layer\": 129", "n_layer is 129"},
      {"\"n_layer\": 12", "\"n_layer\": 1.5", "n_layer is 1.5"},
      {"\"n_layer\": 12", "\"n_layer\": -1", "n_layer is -1"},
      {"\"n_layer\": 12", "\"n_layer\": 1e300", "n_layer is 1e+300"},
      {"\"n_layer\": 12", "\"n_layer\": \"12\"", "n_layer is not a number"},
      {"\"n_layer\": 12,", "", "n_layer is missing"},
      {"\"n_head\": 12", "\"n_head\": 26", "n_head is 26, expected a whole number of 1..25"},
      {"\"n_positions\": 1024", "\"n_positions\": 2048", "n_positions is 2048"},
      {"\"n_positions\": 1024", "\"n_positions\": 1", "n_positions is 1, expected"},
      {"\"n_positions\": 1024, \"n_ctx\": 1024,", "", "n_positions is missing"},
      {"\"vocab_size\": 50257", "\"vocab_size\": 65537", "vocab_size is 65537"},
      {"\"n_inner\": null", "\"n_inner\": 3000", "n_inner is 3000, expected null or 4 x n_embd"},
      {"1e-05", "0", "layer_norm_epsilon is 0"},
      {"1e-05", "\"small\"", "layer_norm_epsilon is not a number"},
      {"gelu_new", "relu", "activation_function is \"relu\", expected \"gelu_new\" or"},
      {"gelu_new", "gelu",
       "activation_function is \"gelu\", expected \"gelu_new\" or \"gelu_pytorch_tanh\": the "
       "hardware's table is GELU in its"},
      {"\"gpt2\"", "\"gpt_neo\"", "model_type is \"gpt_neo\", expected \"gpt2\""},
      {"1e-05", "1e-10", "layer_norm_epsilon is 1e-10, expected 6.6e-09..28 for width 768"},
      {"1e-05", "30", "layer_norm_epsilon is 30, expected"},
      {"1e-05", "-1e-5", "layer_norm_epsilon is -1e-05, expected"},
      {"gelu_new", "\\u001b[2J\\n",
       "activation_function is \"\\x1b[2J\\x0a\""},  // not for a terminal
      {"gelu_new", "quick_gelu", "activation_function is \"quick_gelu\", expected \"gelu_new\" or"},
      {"gelu_new", "silu", "activation_function is \"silu\", expected \"gelu_new\" or"},
      {"gelu_new", "swish", "activation_function is \"swish\", expected \"gelu_new\" or"},
      {"\"gelu_new\"", "7", "activation_function is \"(not a string)\""},
      {"}}}", "}}, \"scale_attn_weights\": \"no\"}",
       "scale_attn_weights is neither true nor false"},
      {"}}}", "}}, \"scale_attn_by_inverse_layer_idx\": 2}", "inverse_layer_idx is neither"},
      {"}}}", "}}, \"reorder_and_upcast_attn\": 0}", "reorder_and_upcast_attn is neither"},
      {"}}}", "}}, \"pruned_heads\": {\"0\": [1]}}", "pruned_heads is not empty"},
      {"}}}", "}}, \"quantization_config\": {\"bits\": 4}}", "quantization_config is not empty"},
      {"}}}", "}}, \"n_layer\": 13}", "n_layer appears 2 times"},
      {"}}}", "}}, \"a\": \"\\u0000\"}", "byte 373: a zero byte"},
      {"\"n_head\": 12", "\"n_head\": {}", "n_head is not a number"},
      {"\"n_head\": 12", "\"n_head\": 1e999", "n_head is "},
      {"50256,\n \"eos", "1.5,\n \"eos", "bos_token_id is not a token's id"},
      {"50256,\n \"eos", "[1],\n \"eos", "bos_token_id is not a token's id"},
      {"50256, \"attn", "\"x\", \"attn", "eos_token_id is not a token's id, or a list of them"},
      {"50256, \"attn", "[5, [6]], \"attn", "eos_token_id is not a token's id, or a list of them"},
      {"50256, \"attn", "{}, \"attn", "eos_token_id is not a token's id, or a list of them"},
      {"50256, \"attn", "[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16], \"attn",
       "eos_token_id has more than 16 ids"},
      {"}}}", "}}, \"add_cross_attention\": true}", "add_cross_attention is true"},
      {"}}}", "}}, \"tie_word_embeddings\": 1}", "tie_word_embeddings is neither true nor false"},
      {"}}}", "}}", "the JSON text ends early"},
      {"}}}", "}}} x", "line 5, byte 367: something follows"},
      {"\"n_head\": 12", "\"n_head\" 12", "line 2, byte "},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[1024];
    const char *at = strstr(gpt2_json, cases[i].old);
    assert_non_null(at);
    int prefix = (int)(at - gpt2_json);
    snprintf(text, sizeof text, "%.*s%s%s", prefix, gpt2_json, cases[i].new,
             at + strlen(cases[i].old));
    struct gpt2_config c;
    struct err err = {{0}};
    expect_failure(read_text(state, &c, text, &err), &err, cases[i].error);
    assert_non_null(strstr(err.text, "config.json: "));
  }
}

static void test_not_an_object(void **state) {
  struct gpt2_config c;
  struct err err;
  char path[FILE_PATH_SIZE];
  write_string(path, *state, "config.json", "{");
  assert_int_equal(truncate(path, (33 << 20)), 0);
  expect_failure(config_read(&c, path, &err), &err,
                 "34603008 bytes of JSON, expected at most 33554432");
  expect_failure(read_text(state, &c, "[1]", &err), &err, "expected a JSON object");
  expect_failure(read_text(state, &c, "", &err), &err, "byte 0: the JSON text ends early");
  expect_failure(config_read(&c, "/no/such/config.json", &err), &err,
                 "/no/such/config.json: cannot open: No such file");
  expect_failure(config_read(&c, *state, &err), &err, "not a regular file");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_FOLDER(test_gpt2),     IN_FOLDER(test_saved),         cmocka_unit_test(test_named_sizes),
      IN_FOLDER(test_defaults), IN_FOLDER(test_honoured),      IN_FOLDER(test_ends),
      IN_FOLDER(test_refusals), IN_FOLDER(test_not_an_object),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
