// SPDX-License-Identifier: Apache-2.0
//
// cli_bad_input: wrong folders, images and ids, given to the commands: exit status 1, one line that
// names file and place, nothing on standard output, nothing half-written; and folders that merely
// have another layout
#include "model_test.h"

#include <math.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "layout.h"
#include "random_model.h"
#include "shell.h"

enum { OUTPUT = SHELL_OUTPUT };
#define out shell_out
#define err_text shell_err
#define expect_text shell_expect_text

static int run(const char *folder, const char *line) {
  return shell_run(folder, "@/cache", 60, "%s", line);
}

static void shell(void **state, const char *line) {
  if (run(*state, line) != 0) fail_msg("%s: %s", line, err_text);
}

// The commands that read a folder's weights, and those that read its tokenizer. Each writes, if at
// all, to @/new.
static const char *const readers[] = {
    "gpt2rtl generate --model @/model --ids 1,2 --tokens 2 --engine rtl",
    "gpt2rtl generate --model @/model --ids 1,2 --tokens 2 --engine golden",
    "gpt2rtl generate --model @/model --ids 1,2 --tokens 2 --engine float --stats @/new",
    "gpt2rtl logits --model @/model --ids 1,2 --engine golden --output @/new",
    "gpt2rtl logits --model @/model --ids 1,2 --engine float --output @/new",
    "gpt2rtl compile --model @/model --output @/new",
    "gpt2rtl info @/model",
};
static const char *const text_readers[] = {
    "gpt2rtl tokenize --model @/model < @/nano/config.json",
    "echo 1 2 | gpt2rtl detokenize --model @/model",
    "gpt2rtl generate --model @/model --prompt x --tokens 2 --engine golden",
    "gpt2rtl info @/model",
};

// The command fails with a line that contains the fragment, after at most a message that an image
// is made, and leaves what was there.
static void expect_failed(void **state, const char *line, const char *fragment) {
  const int status = run(*state, line);
  if (status != 1) fail_msg("%s: exit status %d, expected 1: %s", line, status, err_text);
  const char *message = err_text;
  if (!strncmp(message, "gpt2rtl: making the memory image", 32))
    message = strchr(message, '\n') + 1;
  expect_text(message, fragment);
  if (strncmp(message, "gpt2rtl: ", 9) || strchr(message, '\n') != message + strlen(message) - 1)
    fail_msg("%s: one line is expected: %s", line, err_text);
  assert_string_equal(out, "");
  shell(state, "ls -A @ @/model @/cache/gpt2rtl 2> /dev/null | grep -E '^new|[.]tmp-' || true");
  if (out[0]) fail_msg("%s: not removed: %s", line, out);
}

// ----------------------------------------------------------------------------------------- folders

static void bad_weights(void **state) {
  static const struct {
    const char *how, *error;
  } cases[] = {
      {"truncate -s -100 @/model/model.safetensors",
       "model.safetensors: tensor ln_f.bias ends at byte "},
      {"truncate -s 100 @/model/model.safetensors",
       "model.safetensors: bytes 0..7 announce a header of "},
      {"truncate -s 0 @/model/model.safetensors", "model.safetensors: 0 bytes, too short"},
      {"printf '\\377\\377\\377\\377\\377\\377\\377\\177' | dd of=@/model/model.safetensors "
       "conv=notrunc 2> /dev/null",
       "announce a header of 9223372036854775807"},
      {"printf '\\200\\177' | dd of=@/model/model.safetensors bs=1 seek=400000 conv=notrunc 2> "
       "/dev/null",
       "(byte 400000 of the file) is NaN or infinite"},
      {"sed -i 's/\"BF16\"/\"I16\", \"x\":\"\"/; s/I16/I64/' @/model/model.safetensors",
       "model.safetensors: "},
      {"sed -i 's/\"n_layer\": 2/\"n_layer\": 3/' @/model/config.json",
       "tensor h.2.ln_1.weight is missing"},
      {"sed -i 's/\"n_layer\": 2/\"n_layer\": 1/' @/model/config.json", "tensor h.1."},
      {"sed -i 's/\"n_ctx\": 64/\"n_ctx\": 32/; s/\"n_positions\": 64/\"n_positions\": 32/' "
       "@/model/config.json",
       "tensor wpe.weight has shape [64][128], expected [32][128]"},
      {"sed -i 's/gelu_new/relu/' @/model/config.json",
       "config.json: activation_function is \"relu\""},
      {"sed -i 's/1e-05/1e-12/' @/model/config.json", "config.json: layer_norm_epsilon is 1e-12"},
      {"sed -i 's/\"n_inner\": null/\"n_inner\": 100/' @/model/config.json",
       "config.json: n_inner is 100"},
      {"sed -i 's/null,/null, \"add_cross_attention\": true,/' @/model/config.json",
       "config.json: add_cross_attention is true"},
      {"truncate -s -10 @/model/config.json", "config.json: line "},
      {"rm @/model/config.json", "config.json: cannot open: No such file"},
      {"mv @/model/model.safetensors @/model/pytorch_model.bin",
       "convert it: python3 -c \"from transformers import GPT2LMHeadModel"},
      {"rm @/model/model.safetensors", "no model.safetensors; expected a folder with"},
      {"rm @/model/model.safetensors; mkfifo @/model/model.safetensors",
       "model.safetensors: not a regular file"},
      // Also if the image of the weights alone is cached.
      {"gpt2rtl generate --model @/model --ids 1 --tokens 1 --engine golden > @/text 2>&1 && echo "
       "'{}' > @/model/adapter_config.json",
       "adapter_config.json is present: an adapter (LoRA) that is not merged into the weights"},
      {"printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:0\\n' > "
       "@/model/model.safetensors",
       "git lfs pull"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    for (size_t k = 0; k < sizeof readers / sizeof *readers; k++) {
      shell(state, "rm -rf @/model && cp -r @/nano @/model");
      shell(state, cases[i].how);
      expect_failed(state, readers[k], cases[i].error);
    }
  }
}

static void bad_tokenizers(void **state) {
  static const struct {
    const char *how, *error;
  } cases[] = {
      {"rm @/model/vocab.json @/model/merges.txt",
       "no tokenizer, expected vocab.json and merges.txt, or tokenizer.json"},
      {"rm @/model/merges.txt", "merges.txt: cannot open"},
      {"truncate -s -20 @/model/vocab.json", "vocab.json: line "},
      {"echo junk >> @/model/merges.txt",
       "merges.txt: line 46: expected two tokens separated by one space: \"junk\""},
      {"sed -i 's/\"<|endoftext|>\": 300/\"<|endoftext|>\": 7/' @/model/vocab.json",
       "id 7: this id is repeated"},
      {"echo '{}' > @/model/tokenizer.json",
       "tokenizer.json: pre_tokenizer is absent, expected ByteLevel"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    for (size_t k = 0; k < sizeof text_readers / sizeof *text_readers; k++) {
      shell(state, "rm -rf @/model && cp -r @/nano @/model");
      shell(state, cases[i].how);
      expect_failed(state, text_readers[k], cases[i].error);
    }
  }
}

// ---------------------------------------------------------------------------- ids, images, outputs

static void bad_arguments(void **state) {
  static const struct {
    const char *line, *error;
  } cases[] = {
      {"gpt2rtl logits --model @/model --ids 301 --engine float --output @/new", "0 to 300"},
      {"gpt2rtl logits --model @/model --ids 0,4294967295 --engine golden --output @/new",
       "0 to 300"},
      {"gpt2rtl generate --model @/model --ids 5,9999 --engine rtl", "0 to 300"},
      {"gpt2rtl compile --model @/model --output @/nano",
       "nano: cannot be written: it is a folder"},
      {"gpt2rtl compile --model @/model --output @/no/new", "No such file"},
      {"gpt2rtl info @/nano/model.safetensors", "not a memory image"},
      {"gpt2rtl info /dev/zero", "/dev/zero: not a regular file"},
      {"gpt2rtl info @/pipe", "pipe: not a regular file"},
      {"gpt2rtl info @/empty", "empty: 0 bytes, expected at least the 4096 of an image's header"},
      {"gpt2rtl info @/cut",
       "cut: 465856 bytes, expected 465920 from its header: the file was truncated"},
      {"gpt2rtl info @/altered", "altered: the checksum of its content is "},
  };
  shell(state, "rm -rf @/model && cp -r @/nano @/model; mkfifo @/pipe; touch @/empty; gpt2rtl "
               "compile --model @/model --output @/cut; "
               "cp @/cut @/altered; truncate -s -64 @/cut; printf x | dd of=@/altered bs=1 "
               "seek=70000 conv=notrunc 2> /dev/null");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    expect_failed(state, cases[i].line, cases[i].error);
}

// A kept image that was damaged is made again, with a message.
static void damaged_cache(void **state) {
  static char before[OUTPUT];
  const char *line =
      "gpt2rtl generate --model @/nano --ids 1,2,3 --tokens 20 --ignore-eos --engine golden";
  shell(state, "rm -rf @/cache");
  shell(state, line);
  memcpy(before, out, OUTPUT);
  shell(state, "for f in @/cache/gpt2rtl/*.image; do printf x | dd of=$f bs=1 seek=9000 "
               "conv=notrunc 2> /dev/null; done");
  shell(state, line);
  assert_string_equal(out, before);
  expect_text(err_text, "checksum");
  shell(state, "for f in @/cache/gpt2rtl/*.image; do truncate -s 5000 $f; done");
  shell(state, line);
  assert_string_equal(out, before);
  shell(state, "rm -rf @/cache; touch @/cache");
  shell(state, line);
  assert_string_equal(out, before);
  expect_text(err_text, "the folder cannot be made");
  shell(state, "rm -f @/cache");
}

// ----------------------------------------------------------------------------------- other layouts

// The same model as three shards and a tokenizer.json gives the same text on every engine.
static void other_layouts(void **state) {
  static char before[OUTPUT];
  static const char *const engines[] = {"rtl", "golden", "float"};
  // Makes tokenizer.json from vocab.json and merges.txt, and shards by splitting the file between
  // tensors.
  shell(state, "rm -rf @/model && cp -r @/nano @/model && cd @/model && { "
               "printf '{\"added_tokens\": [{\"id\": 300, \"content\": \"<|endoftext|>\"}], "
               "\"pre_tokenizer\": {\"type\": \"ByteLevel\"}, \"model\": {\"vocab\": '; "
               "cat vocab.json; printf ', \"merges\": ['; "
               "tail -n +2 merges.txt | sed 's/\\\\/\\\\\\\\/g; s/\"/\\\\\"/g; s/.*/\"&\"/' | "
               "paste -sd, -; printf ']}}'; } > tokenizer.json && rm vocab.json merges.txt");
  for (int i = 0; i < 3; i++) {
    char line[256];
    snprintf(
        line, sizeof line,
        "gpt2rtl generate --model @/nano --prompt 'the end' --tokens 30 --ignore-eos --engine %s",
        engines[i]);
    shell(state, line);
    memcpy(before, out, OUTPUT);
    assert_true(strlen(before) > 0);
    snprintf(
        line, sizeof line,
        "gpt2rtl generate --model @/model --prompt 'the end' --tokens 30 --ignore-eos --engine %s",
        engines[i]);
    shell(state, line);
    assert_string_equal(out, before);
  }
  shell(state, "gpt2rtl tokenize --model @/nano < @/nano/config.json > @/a; gpt2rtl tokenize "
               "--model @/model < @/nano/config.json | cmp - @/a");
}

// -------------------------------------------------------------------------------------- arithmetic

enum { LOGITS = 4 * 301 };

static void read_logits(void **state, const char *engine, float logits[static LOGITS]) {
  char line[256];
  snprintf(line, sizeof line,
           "gpt2rtl logits --model @/model --ids 5,6,7,8 --engine %s --output @/%s", engine,
           engine);
  shell(state, line);
  char path[FILE_PATH_SIZE];
  assert_int_equal(file_join(path, *state, engine, NULL), 0);
  FILE *f = fopen(path, "rb");
  assert_non_null(f);
  assert_int_equal(fread(logits, sizeof *logits, LOGITS, f), LOGITS);
  fclose(f);
}

// The largest difference of any two logits.
static float distance(const float a[static LOGITS], const float b[static LOGITS]) {
  float largest = 0;
  for (int i = 0; i < LOGITS; i++) largest = fmaxf(largest, fabsf(a[i] - b[i]));
  return largest;
}

// Fields of config.json that are honoured change what every engine computes, and change it alike.
static void honoured(void **state) {
  static const struct {
    const char *field;
    bool changes, own_head;
  } cases[] = {
      {"\"reorder_and_upcast_attn\": true", false, false},
      {"\"activation_function\": \"gelu_pytorch_tanh\"", false, false},
      {"\"scale_attn_weights\": false", true, false},
      {"\"scale_attn_by_inverse_layer_idx\": true", true, false},
      {"\"layer_norm_epsilon\": 0.5", true, false},
      {"\"n_inner\": 512", false, false},
      {"\"tie_word_embeddings\": false", true, true},
  };
  static float plain[LOGITS], real[LOGITS], golden[LOGITS], rtl[LOGITS];
  const struct layout layout = {.layers = 2,
                                .heads = 2,
                                .ctx = 64,
                                .vocab = 301,
                                .prefix = "",
                                .dtype = "F32",
                                .head = "F32",
                                .own_head = true};
  shell(state, "rm -rf @/model && cp -r @/nano @/model");
  read_logits(state, "float", plain);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char line[1024], dir[FILE_PATH_SIZE];
    shell(state, "rm -rf @/model && cp -r @/nano @/model");
    // Logits without the field, as it was, and with it, as it is here.
    snprintf(line, sizeof line, "sed -i '/\"%.*s\"/d; s/^{/{%s,/' @/model/config.json",
             (int)(strchr(cases[i].field + 1, '"') - cases[i].field - 1), cases[i].field + 1,
             cases[i].field);
    shell(state, line);
    if (cases[i].own_head) {
      assert_int_equal(file_join(dir, *state, "model", NULL), 0);
      layout_write(&layout, dir, 1, false);
    }
    read_logits(state, "float", real);
    read_logits(state, "golden", golden);
    read_logits(state, "rtl", rtl);
    assert_memory_equal(golden, rtl, sizeof golden);
    print_message("%-42s golden from float %.3f, float from the plain model's %.3f\n",
                  cases[i].field, (double)distance(golden, real), (double)distance(real, plain));
    assert_true(distance(golden, real) < 1);
    // The integers stay near the float that honours the field, not near the one that does not.
    assert_true(cases[i].changes ? distance(real, plain) > 3 * distance(golden, real)
                                 : distance(real, plain) == 0);
  }
}

static int setup(void **state) {
  struct err err;
  char dir[FILE_PATH_SIZE];
  if (make_folder(state) != 0) return -1;
  snprintf(dir, sizeof dir, "%s/nano", (char *)*state);
  return random_model_write("nano", 1, dir, &err);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bad_weights),   cmocka_unit_test(bad_tokenizers),
      cmocka_unit_test(bad_arguments), cmocka_unit_test(damaged_cache),
      cmocka_unit_test(other_layouts), cmocka_unit_test(honoured),
  };
  return cmocka_run_group_tests_name("cli_bad_input", tests, setup, remove_folder);
}
