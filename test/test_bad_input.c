// SPDX-License-Identifier: Apache-2.0
// test_bad_input - files that are truncated, altered or not files at all: an error that names the
// file, or a sound result
//
// A byte of a file is altered, the folder is loaded, and the byte is restored. This is done for
// each byte of each small file and of each header, with values that have a meaning in JSON, in
// numbers or in UTF-8. Nothing may crash, hang or fail silently. Under sanitizers this test finds
// more than that.
#include "golden_test.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "layout.h"
#include "random_model.h"
#include "safetensors.h"
#include "tokenizer.h"
#include "tokenizer_files.h"

// ---------------------------------------------------------------------------------------- altering

struct outcome {
  size_t refused, taken;
};

// A loader's result for a folder: 0, or -1 with err.
typedef int (*loader)(const char *folder, struct err *err);

// An error says which file is meant.
static void expect_named(const struct err *err, const char *folder) {
  if (strstr(err->text, folder) == NULL)
    fail_msg("the error names no file of %s: \"%s\"", folder, err->text);
}

static void attempt(struct outcome *o, const char *folder, loader load) {
  struct err err = {""};
  if (load(folder, &err) == 0) {
    o->taken++;
  } else {
    expect_named(&err, folder);
    o->refused++;
  }
}

// Alters bytes first..end-1 of folder/name, one at a time, each to several values.
static struct outcome alter(const char *folder, const char *name, size_t first, size_t end,
                            size_t step, loader load) {
  static const unsigned char values[] = {0,   ' ', '"',  '{',  '}',  '[', ',',
                                         '-', '9', '\\', 0xFF, 0x80, 0x7F};
  struct outcome o = {0};
  char path[FILE_PATH_SIZE];
  assert_int_equal(file_join(path, folder, name, NULL), 0);
  const int file = open(path, O_RDWR);
  assert_true(file >= 0);
  for (size_t at = first; at < end; at += step) {
    unsigned char before;
    assert_int_equal(pread(file, &before, 1, (off_t)at), 1);
    for (size_t i = 0; i <= sizeof values; i++) {
      const unsigned char after = i < sizeof values ? values[i] : before ^ 1;
      if (after == before || (i + at) % 3 == 0)
        continue;  // two thirds of them: seconds, not minutes
      assert_int_equal(pwrite(file, &after, 1, (off_t)at), 1);
      attempt(&o, folder, load);
    }
    assert_int_equal(pwrite(file, &before, 1, (off_t)at), 1);
  }
  close(file);
  struct err err;
  expect_success(load(folder, &err), &err);  // everything is as it was
  print_message("%-32s %6zu bytes: %6zu refused, %6zu taken\n", name, end - first, o.refused,
                o.taken);
  assert_true(o.refused > 0);
  return o;
}

static size_t size_of(const char *folder, const char *name) {
  char path[FILE_PATH_SIZE];
  struct stat st;
  assert_int_equal(file_join(path, folder, name, NULL), 0);
  assert_int_equal(stat(path, &st), 0);
  return (size_t)st.st_size;
}

// Truncates folder/name to each of the sizes, which descend; all are refused.
static void cut(const char *folder, const char *name, const size_t *sizes, size_t count,
                loader load) {
  char path[FILE_PATH_SIZE];
  assert_int_equal(file_join(path, folder, name, NULL), 0);
  for (size_t i = 0; i < count; i++) {
    struct err err = {""};
    assert_int_equal(truncate(path, (off_t)sizes[i]), 0);
    if (load(folder, &err) == 0) fail_msg("%s cut to %zu bytes is taken", name, sizes[i]);
    expect_named(&err, folder);
  }
}

// ----------------------------------------------------------------------------------------- loaders

static int load_config(const char *folder, struct err *err) {
  char path[FILE_PATH_SIZE];
  struct gpt2_config c;
  if (file_join(path, folder, "config.json", err) != 0 || config_read(&c, path, err) != 0)
    return -1;
  assert_in_range(c.n_layer, 1, CONFIG_MAX_LAYERS);  // what is accepted can be run
  assert_in_range(c.n_head, 1, CONFIG_MAX_HEADS);
  assert_int_equal(c.n_embd, 64 * c.n_head);
  assert_in_range(c.n_ctx, CONFIG_MIN_CTX, CONFIG_MAX_CTX);
  assert_in_range(c.vocab_size, 1, CONFIG_MAX_VOCAB);
  for (size_t i = 0; i < c.n_eos; i++) assert_true(c.eos_token_ids[i] < c.vocab_size);
  assert_true(c.layer_norm_epsilon > 0 && c.layer_norm_epsilon < 1e5);
  return 0;
}

static int load_weights(const char *folder, struct err *err) {
  struct gpt2_weights w;
  if (weights_load(&w, folder, err) != 0) {
    assert_null(w.storage);
    return -1;
  }
  weights_free(&w);
  return 0;
}

static int load_tokenizer(const char *folder, struct err *err) {
  static const char text[] = "The end. <|endoftext|> \xC3\xA9 12\n\xFF";
  struct tokenizer *t;
  if (tokenizer_load(&t, folder, 0, err) != 0) return -1;
  uint32_t *ids;
  size_t count, length;
  char *back;
  expect_success(tokenizer_encode(t, text, sizeof text - 1, &ids, &count, err),
                 err);  // whatever it is, it is one
  expect_success(tokenizer_decode(t, ids, count, &back, &length, err), err);
  assert_int_equal(length, sizeof text - 1);
  assert_memory_equal(back, text, length);
  free(back);
  free(ids);
  tokenizer_free(t);
  return 0;
}

// The same where spaces and tokens may surround a text, and for what ends a text.
static int load_settings(const char *folder, struct err *err) {
  static const char text[] = "The<pad>end<|endoftext|>";
  struct gpt2_config c;
  struct tokenizer *t;
  if (config_read_folder(&c, folder, err) != 0 || tokenizer_load(&t, folder, 0, err) != 0)
    return -1;
  for (size_t i = 0; i < c.n_eos; i++) assert_true(c.eos_token_ids[i] < c.vocab_size);
  uint32_t *ids;
  size_t count, length;
  char *back;
  expect_success(tokenizer_encode(t, text, sizeof text - 1, &ids, &count, err), err);
  expect_success(tokenizer_decode(t, ids, count, &back, &length, err), err);
  free(back);
  free(ids);
  tokenizer_free(t);
  return 0;
}

static int load_image(const char *folder, struct err *err) {
  char path[FILE_PATH_SIZE];
  struct image image;
  if (file_join(path, folder, "image", err) != 0 ||
      image_open(&image, path, IMAGE_CHECKED, err) != 0)
    return -1;
  image_close(&image);
  return 0;
}

// ----------------------------------------------------------------------------------------- folders

static const struct layout small = {.layers = 1,
                                    .heads = 1,
                                    .ctx = 4,
                                    .vocab = 257,
                                    .prefix = "transformer.",
                                    .dtype = "F16",
                                    .mask = "BOOL",
                                    .head = "F16"};

static size_t header_end(const char *folder, const char *name) {
  char path[FILE_PATH_SIZE];
  struct file_map map;
  struct err err;
  uint64_t length;
  assert_int_equal(file_join(path, folder, name, NULL), 0);
  expect_success(file_map_open(&map, path, &err), &err);
  memcpy(&length, map.data, 8);
  file_map_close(&map);
  return 8 + (size_t)length;
}

static void write_tokenizer(const char *folder) {
  struct err err;
  char dir[FILE_PATH_SIZE], from[FILE_PATH_SIZE], to[FILE_PATH_SIZE];
  static const char *const names[] = {"vocab.json", "merges.txt"};
  assert_int_equal(file_join(dir, folder, "nano", NULL), 0);
  expect_success(random_model_write("nano", 1, dir, &err), &err);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(file_join(from, dir, names[i], NULL), 0);
    assert_int_equal(file_join(to, folder, names[i], NULL), 0);
    assert_int_equal(rename(from, to), 0);
  }
  remove_tree(dir);
}

// ----------------------------------------------------------------------------------- altered files

static void altered_config(void **state) {
  layout_write(&small, *state, 1, false);
  alter(*state, "config.json", 0, size_of(*state, "config.json"), 1, load_config);
}

static void altered_weights(void **state) {
  layout_write(&small, *state, 1, false);
  alter(*state, "model.safetensors", 0, header_end(*state, "model.safetensors"), 1, load_weights);
}

static void altered_shards(void **state) {
  layout_write(&small, *state, 3, false);
  alter(*state, "model.safetensors.index.json", 0, size_of(*state, "model.safetensors.index.json"),
        1, load_weights);
  alter(*state, "model-00002-of-00003.safetensors", 0,
        header_end(*state, "model-00002-of-00003.safetensors"), 3, load_weights);
}

static void altered_tokenizer(void **state) {
  write_tokenizer(*state);
  alter(*state, "vocab.json", 0, size_of(*state, "vocab.json"), 3, load_tokenizer);
  alter(*state, "merges.txt", 0, size_of(*state, "merges.txt"), 1, load_tokenizer);
}

static void altered_tokenizer_json(void **state) {
  char *vocab, path[FILE_PATH_SIZE], *text = NULL;
  size_t length;
  struct file_map map;
  struct err err;
  write_tokenizer(*state);
  assert_int_equal(file_join(path, *state, "vocab.json", NULL), 0);
  expect_success(file_map_open(&map, path, &err), &err);
  vocab = strndup((const char *)map.data, map.size);
  file_map_close(&map);
  FILE *out = open_memstream(&text, &length);
  fprintf(out, "{\"added_tokens\": [{\"id\": 300, \"content\": \"<|endoftext|>\", \"lstrip\": "
               "false}], \"normalizer\": null, "
               "\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false}, "
               "\"decoder\": {\"type\": \"ByteLevel\"},"
               " \"model\": {\"type\": \"BPE\", \"dropout\": null, \"merges\": [\"\\u0120 e\", "
               "[\"\\u0120\", \"t\"]], \"vocab\": ");
  const size_t front = (size_t)ftell(out);
  fprintf(out, "%s}}", vocab);
  fclose(out);
  write_string(path, *state, "tokenizer.json", text);
  alter(*state, "tokenizer.json", 0, front, 1, load_tokenizer);
  alter(*state, "tokenizer.json", front, length, 7, load_tokenizer);
  free(text);
  free(vocab);
}

static void altered_settings(void **state) {
  static const struct {
    const char *name, *text;
  } files[] = {
      {"added_tokens.json", "{\"<pad>\": 301, \"<a>\": 302}"},
      {"special_tokens_map.json",
       "{\"pad_token\": {\"content\": \"<pad>\", \"lstrip\": false}, \"eos_token\": \"e\"}"},
      {"tokenizer_config.json",
       "{\"add_bos_token\": true, \"add_prefix_space\": true, \"bos_token\": \"<|endoftext|>\","
       " \"additional_special_tokens\": [\"<b>\"]}"},
      {"tokenizer_config.json", "{\"add_eos_token\": true, \"added_tokens_decoder\": {\"301\": "
                                "{\"content\": \"<pad>\", \"special\": true}}}"},
      {"generation_config.json", "{\"bos_token_id\": 3, \"eos_token_id\": [1, 2, -1]}"},
      {"tokenizer.json", NULL},
  };
  char path[FILE_PATH_SIZE], template[8192];
  layout_write(&small, *state, 1, true);
  write_tokenizer(*state);
  assert_int_equal(file_join(path, *state, "vocab.json", NULL), 0);
  char *vocab = read_text(path);
  const size_t front =
      (size_t)snprintf(template, sizeof template,
                       "{\"pre_tokenizer\": {\"type\": \"ByteLevel\"}, \"post_processor\": "
                       "{\"type\": \"Sequence\", \"processors\": [{\"type\":"
                       " \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"e\"}}, "
                       "{\"Sequence\": {\"id\": \"A\"}}],"
                       " \"special_tokens\": {\"e\": {\"ids\": [300, 7]}}}]}, \"model\": "
                       "{\"merges\": [], \"vocab\": ");
  snprintf(template + front, sizeof template - front, "%s}}", vocab);
  free(vocab);
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    const char *text = !files[i].text ? template : files[i].text;
    write_string(path, *state, files[i].name, text);
    alter(*state, files[i].name, 0, !files[i].text ? front : strlen(text), 1, load_settings);
  }
}

static void altered_image(void **state) {
  char path[FILE_PATH_SIZE];
  struct gpt2_weights w;
  struct err err;
  layout_write(&small, *state, 1, false);
  expect_success(weights_load(&w, *state, &err), &err);
  assert_int_equal(file_join(path, *state, "image", NULL), 0);
  expect_success(image_build(path, &w, 64, 1, &err), &err);
  weights_free(&w);
  struct outcome o = alter(*state, "image", 0, 192, 1, load_image);
  assert_int_equal(o.taken, 0);  // there is a checksum
  o = alter(*state, "image", 192, size_of(*state, "image"), 997, load_image);
  assert_int_equal(o.taken, 0);
}

// --------------------------------------------------------------------------------------- cut files

static int descending(const void *a, const void *b) {
  const size_t x = *(const size_t *)a, y = *(const size_t *)b;
  return (x < y) - (x > y);
}

// Around the beginning and the end of each part, and all small sizes.
static void cut_everywhere(const char *folder, const char *name, const size_t *parts,
                           size_t n_parts, loader load) {
  size_t *sizes = malloc((3 * n_parts + 64) * sizeof *sizes), count = 0;
  const size_t size = size_of(folder, name);
  for (size_t i = 0; i < n_parts; i++) {
    for (size_t at = parts[i] - 1; at <= parts[i] + 1; at++)
      if (at < size) sizes[count++] = at;
  }
  for (size_t at = 0; at < 32; at++) sizes[count++] = at;
  qsort(sizes, count, sizeof *sizes, descending);
  cut(folder, name, sizes, count, load);
  print_message("%-32s cut %zu times\n", name, count);
  free(sizes);
}

static void cut_weights(void **state) {
  char path[FILE_PATH_SIZE];
  struct safetensors *file;
  struct err err;
  size_t parts[64], n = 0;
  layout_write(&small, *state, 1, false);
  assert_int_equal(file_join(path, *state, "model.safetensors", NULL), 0);
  expect_success(safetensors_open(&file, path, &err), &err);
  for (size_t i = 0; i < safetensors_count(file); i++) parts[n++] = safetensors_at(file, i)->begin;
  safetensors_close(file);
  parts[n++] = size_of(*state, "model.safetensors");
  for (size_t at = 100; at < parts[0]; at += 150) parts[n++] = at;  // inside the header
  cut_everywhere(*state, "model.safetensors", parts, n, load_weights);
}

static void cut_others(void **state) {
  static const struct {
    const char *name;
    loader load;
  } files[] = {{"config.json", load_config}, {"vocab.json", load_tokenizer}};
  layout_write(&small, *state, 1, false);
  write_tokenizer(*state);
  for (size_t i = 0; i < 2; i++) {
    const size_t size = size_of(*state, files[i].name);
    size_t parts[32], n = 0;
    for (size_t at = 40; at + 2 < size && n < 32; at += size / 32 + 1) parts[n++] = at;
    cut_everywhere(*state, files[i].name, parts, n, files[i].load);
  }
}

static void cut_image(void **state) {
  char path[FILE_PATH_SIZE];
  struct gpt2_weights w;
  struct image image;
  struct err err;
  size_t parts[64], n = 0;
  layout_write(&small, *state, 1, false);
  expect_success(weights_load(&w, *state, &err), &err);
  assert_int_equal(file_join(path, *state, "image", NULL), 0);
  expect_success(image_build(path, &w, 256, 1, &err), &err);
  weights_free(&w);
  expect_success(image_open(&image, path, IMAGE_CHECKED, &err), &err);
  for (struct image_region r = {0}; image_next_region(&r, &image.header) && n < 63;)
    parts[n++] = sizeof image.header + (r.base + r.beats) * image.header.lanes;
  image_close(&image);
  parts[n++] = sizeof(struct image_header);
  cut_everywhere(*state, "image", parts, n, load_image);
}

// ------------------------------------------------------------------------------- values and shapes

// NaN and infinity anywhere: the tensor, the element, the byte.
static void not_finite(void **state) {
  static const uint16_t bits[] = {0x7C00, 0xFC00, 0x7E00, 0xFFFF};
  char path[FILE_PATH_SIZE];
  struct safetensors *file;
  struct err err;
  uint64_t random = 5;
  layout_write(&small, *state, 1, false);
  assert_int_equal(file_join(path, *state, "model.safetensors", NULL), 0);
  expect_success(safetensors_open(&file, path, &err), &err);
  const int fd = open(path, O_RDWR);
  for (size_t i = 0; i < safetensors_count(file); i++) {
    const struct safetensors_tensor *t = safetensors_at(file, i);
    if (t->dtype == SAFETENSORS_OTHER) continue;
    const size_t element = random_below(&random, t->elements), at = t->begin + 2 * element;
    uint16_t before;
    char expected[128];
    assert_int_equal(pread(fd, &before, 2, (off_t)at), 2);
    assert_int_equal(pwrite(fd, &bits[i % 4], 2, (off_t)at), 2);
    snprintf(expected, sizeof expected,
             "model.safetensors: tensor %s: element %zu (byte %zu of the file) is NaN or infinite",
             t->name, element, at);
    expect_failure(load_weights(*state, &err), &err, expected);
    assert_int_equal(pwrite(fd, &before, 2, (off_t)at), 2);
  }
  close(fd);
  safetensors_close(file);
}

// The tensors of one shape with the config.json of another.
static void other_shapes(void **state) {
  static const struct {
    const char *name;
    struct layout other;
    const char *error;
  } cases[] = {{"layers",
                {.layers = 2, .heads = 1, .ctx = 4, .vocab = 257},
                "tensor h.1.ln_1.weight is missing"},
               {"heads",
                {.layers = 1, .heads = 2, .ctx = 4, .vocab = 257},
                "tensor wte.weight has shape [257][64], expected [257][128]"},
               {"context",
                {.layers = 1, .heads = 1, .ctx = 5, .vocab = 257},
                "tensor wpe.weight has shape [4][64], expected [5][64]"},
               {"vocabulary",
                {.layers = 1, .heads = 1, .ctx = 4, .vocab = 256},
                "tensor wte.weight has shape [257][64], expected [256][64]"}};
  char path[FILE_PATH_SIZE], kept[FILE_PATH_SIZE];
  struct err err;
  assert_int_equal(file_join(path, *state, "model.safetensors", NULL), 0);
  assert_int_equal(file_join(kept, *state, "kept", NULL), 0);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct layout other = small;
    other.layers = cases[i].other.layers, other.heads = cases[i].other.heads;
    other.ctx = cases[i].other.ctx, other.vocab = cases[i].other.vocab;
    layout_write(&small, *state, 1, false);
    assert_int_equal(rename(path, kept), 0);
    layout_write(&other, *state, 1, true);
    assert_int_equal(rename(kept, path), 0);
    expect_failure(load_weights(*state, &err), &err, cases[i].error);
  }
}

// Weights of dtypes that hold no weights.
static void wrong_dtypes(void **state) {
  static const char *const dtypes[] = {"I64", "F64", "U8", "BOOL", "I16", "I8"};
  for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
    struct layout l = small;
    struct err err;
    char expected[128];
    l.dtype = dtypes[i];
    l.head = NULL;
    layout_write(&l, *state, 1, true);
    snprintf(expected, sizeof expected,
             "tensor transformer.wte.weight is %s, expected F32, F16 or BF16", dtypes[i]);
    expect_failure(load_weights(*state, &err), &err, expected);
  }
}

// --------------------------------------------------------------------------------- what is not a
// file

static void no_files(void **state) {
  static const struct {
    const char *name;
    loader load;
  } files[] = {{"config.json", load_weights},
               {"model.safetensors", load_weights},
               {"vocab.json", load_tokenizer},
               {"merges.txt", load_tokenizer},
               {"tokenizer.json", load_tokenizer},
               {"image", load_image},
               {"model.safetensors.index.json", load_weights}};
  char path[FILE_PATH_SIZE];
  alarm(60);  // a pipe without a writer must not be waited for
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    for (int kind = 0; kind < 5; kind++) {
      struct err err = {""};
      remove_tree(*state);
      assert_int_equal(mkdir(*state, 0777), 0);
      layout_write(&small, *state, 1, true);
      write_tokenizer(*state);
      assert_int_equal(file_join(path, *state, "model.safetensors", NULL), 0);
      if (strstr(files[i].name, "index") != NULL) remove(path);
      assert_int_equal(file_join(path, *state, files[i].name, NULL), 0);
      remove(path);
      assert_int_equal(kind == 0   ? mkfifo(path, 0666)
                       : kind == 1 ? mkdir(path, 0777)
                       : kind == 2 ? symlink("/dev/zero", path)
                       : kind == 3 ? symlink(path, path)
                                   : (write_string(path, *state, files[i].name, ""), 0),
                       0);
      // Zero merges are valid; a broken link counts as no tokenizer.json: the other two files are
      // there.
      const bool sound = (kind == 4 && strcmp(files[i].name, "merges.txt") == 0) ||
                         (kind == 3 && strcmp(files[i].name, "tokenizer.json") == 0);
      if (files[i].load(*state, &err) != (sound ? 0 : -1))
        fail_msg("%s of kind %d: %s", files[i].name, kind, err.text);
      if (!sound) expect_named(&err, *state);
    }
  }
  alarm(0);
}

// ----------------------------------------------------------------------------------- hostile beats

// An image with the right checksum and arbitrary content: the integer model computes something, in
// time.
static void any_beats(void **state) {
  static const int fills[] = {-1, 0x00, 0xFF, 0x80, 0x7F, -2, -3};
  char path[FILE_PATH_SIZE];
  struct layout l = small;
  struct gpt2_weights w;
  struct err err;
  uint64_t random = 1;
  l.layers = 2, l.heads = 2, l.ctx = 64;
  layout_write(&l, *state, 1, false);
  expect_success(weights_load(&w, *state, &err), &err);
  assert_int_equal(file_join(path, *state, "image", NULL), 0);
  expect_success(image_build(path, &w, 64, 1, &err), &err);
  weights_free(&w);
  for (size_t i = 0; i < sizeof fills / sizeof fills[0]; i++) {
    struct image image;
    struct gpt2_core core;
    expect_success(image_open(&image, path, IMAGE_CHECKED, &err), &err);
    const size_t bytes = (size_t)image.header.n_beats * image.header.lanes;
    uint8_t *beats = malloc(bytes);
    for (size_t k = 0; k < bytes; k++)
      beats[k] = fills[i] < 0 ? (uint8_t)(random_next(&random) >> 24) : (uint8_t)fills[i];
    const struct image hostile = {.header = image.header, .beats = beats};
    expect_success(gpt2_core_create(&core, &hostile, &err), &err);
    for (uint32_t p = 0; p < 5; p++) gpt2_core_step(&core, p * 50, p, true);
    gpt2_core_destroy(&core);
    free(beats);
    image_close(&image);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_FOLDER(altered_config),
      IN_FOLDER(altered_weights),
      IN_FOLDER(altered_shards),
      IN_FOLDER(altered_tokenizer),
      IN_FOLDER(altered_tokenizer_json),
      IN_FOLDER(altered_settings),
      IN_FOLDER(altered_image),
      IN_FOLDER(cut_weights),
      IN_FOLDER(cut_others),
      IN_FOLDER(cut_image),
      IN_FOLDER(not_finite),
      IN_FOLDER(other_shapes),
      IN_FOLDER(wrong_dtypes),
      IN_FOLDER(no_files),
      IN_FOLDER(any_beats),
  };
  return cmocka_run_group_tests_name("bad_input", tests, NULL, NULL);
}
