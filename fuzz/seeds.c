// SPDX-License-Identifier: Apache-2.0
// seeds FOLDER - the inputs with which the libFuzzer targets begin, from the project's own writers:
// FOLDER/<target>/
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "file.h"
#include "image.h"
#include "random_model.h"
#include "safetensors_writer.h"

static const char *root;

static void check(int result, const struct err *err) {
  if (result == 0) return;
  fprintf(stderr, "seeds: %s\n", err->text);
  exit(1);
}

static void path_of(char path[static FILE_PATH_SIZE], const char *target, const char *name) {
  snprintf(path, FILE_PATH_SIZE, "%s/%s", root, target);
  mkdir(path, 0777);
  snprintf(path, FILE_PATH_SIZE, "%s/%s/%s", root, target, name);
}

// Writes the parts, strings, with a zero byte between them.
static void seed(const char *target, const char *name, size_t n, ...) {
  char path[FILE_PATH_SIZE];
  va_list parts;
  path_of(path, target, name);
  FILE *f = fopen(path, "wb");
  va_start(parts, n);
  for (size_t i = 0; f && i < n; i++) {
    if (i > 0) fputc(0, f);
    fputs(va_arg(parts, const char *), f);
  }
  va_end(parts);
  check(!f || fclose(f) != 0 ? -1 : 0, &(struct err){"a seed cannot be written"});
}

static char *text_of(const char *dir, const char *name) {
  char path[FILE_PATH_SIZE];
  struct file_map map;
  struct err err;
  check(file_join(path, dir, name, &err), &err);
  check(file_map_open(&map, path, &err), &err);
  char *text = calloc(1, map.size + 1);
  if (!text) exit(1);
  memcpy(text, map.data, map.size);
  file_map_close(&map);
  return text;
}

// merges.txt as a JSON list. Only `"` and `\` need escapes in nano's tokens.
static char *merges_json(const char *merges) {
  char *out = calloc(4, strlen(merges) + 16), *o = out;
  if (!out) exit(1);
  *o++ = '[';
  for (const char *line = strchr(merges, '\n'); line && line[1] != 0;
       line = strchr(line + 1, '\n')) {
    if (o[-1] != '[') *o++ = ',';
    *o++ = '"';
    for (const char *c = line + 1; *c != 0 && *c != '\n'; c++) {
      if (*c == '"' || *c == '\\') *o++ = '\\';
      *o++ = *c;
    }
    *o++ = '"';
  }
  *o = ']';
  return out;
}

static void image_seed(const char *name, uint32_t lanes, uint32_t layers, uint32_t heads,
                       uint32_t ctx, uint32_t vocab, uint32_t tied) {
  struct image_header h = {.lanes = lanes,
                           .n_layer = layers,
                           .n_head = heads,
                           .n_embd = 64 * heads,
                           .n_ctx = ctx,
                           .vocab_size = vocab,
                           .tied = tied,
                           .layer_norm_epsilon = 1e-5f};
  char path[FILE_PATH_SIZE];
  struct err err;
  check(image_layout(&h, &err), &err);
  path_of(path, "image", name);
  FILE *f = fopen(path, "wb");
  check(!f || fwrite(&h, sizeof h, 1, f) != 1 || fclose(f) != 0 ? -1 : 0,
        &(struct err){"the image cannot be written"});
}

static void safetensors_seed(void) {
  static const struct safetensors_spec specs[] = {
      {"wte.weight", SAFETENSORS_F32, 2, {3, 2}},
      {"h.0.ln_1.bias", SAFETENSORS_BF16, 1, {5}},
      {"a", SAFETENSORS_F16, 0, {0}},
  };
  static const char data[24 + 10 + 2];
  struct safetensors_writer writer;
  struct err err;
  char path[FILE_PATH_SIZE];
  path_of(path, "safetensors", "three");
  check(safetensors_writer_open(&writer, path, specs, 3, &err), &err);
  check(safetensors_writer_append(&writer, data, sizeof data, &err), &err);
  check(safetensors_writer_finish(&writer, &err), &err);
}

int main(int argc, char **argv) {
  char dir[FILE_PATH_SIZE];
  struct err err;
  if (argc != 2) return 2;
  root = argv[1];
  mkdir(root, 0777);
  check(file_join(dir, root, "nano", &err), &err);
  if (!file_exists(dir)) check(random_model_write("nano", 1, dir, &err), &err);
  char *vocab = text_of(dir, "vocab.json"), *merges = text_of(dir, "merges.txt"),
       *config = text_of(dir, "config.json");
  char *list = merges_json(merges), *json = malloc(strlen(vocab) + strlen(list) + 2048);
  if (!json) return 1;
  seed("vocab_merges", "nano", 2, vocab, merges);
  seed("config", "nano", 1, config);
  seed("config", "generation", 2, config,
       "{\"eos_token_id\": [3, 5], \"bos_token_id\": 3, \"pad_token_id\": 3}");
  static const char *const added[] = {
      "[]",
      "[{\"id\": 300, \"content\": \"<|endoftext|>\", \"special\": true, \"normalized\": false, "
      "\"lstrip\": false, \"single_word\": false}]",
  };
  static const char *const processor[] = {
      "null",
      "{\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"e\", "
      "\"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}],"
      " \"pair\": [], \"special_tokens\": {\"e\": {\"id\": \"e\", \"ids\": [300], \"tokens\": "
      "[\"<|endoftext|>\"]}}}",
  };
  for (int i = 0; i < 2; i++) {
    sprintf(json,
            "{\"version\": \"1.0\", \"truncation\": null, \"padding\": null, \"added_tokens\": %s, "
            "\"normalizer\": null, \"pre_tokenizer\": "
            "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, "
            "\"use_regex\": true}, \"post_processor\": %s, "
            "\"decoder\": {\"type\": \"ByteLevel\"}, \"model\": {\"type\": \"BPE\", \"dropout\": "
            "null, \"unk_token\": null, \"vocab\": %s, \"merges\": %s}}",
            added[i], processor[i], vocab, list);
    seed("tokenizer_json", i ? "added" : "plain", 1, json);
  }
  seed("tokenizer_json", "overruled", 4, json,
       "{\"add_prefix_space\": true, \"add_bos_token\": true, \"bos_token\": \"<|endoftext|>\", "
       "\"added_tokens_decoder\": "
       "{\"300\": {\"content\": \"<|endoftext|>\", \"special\": true, \"lstrip\": false, "
       "\"rstrip\": false, \"normalized\": false, \"single_word\": false}}}",
       "{\"<speaker1>\": 301}", "{\"pad_token\": \"[PAD]\"}");
  image_seed("nano", 64, 2, 2, 64, 301, 1);
  image_seed("small", 256, 1, 1, 2, 5, 0);
  safetensors_seed();
  free(vocab);
  free(merges);
  free(config);
  free(list);
  free(json);
  return 0;
}
