// SPDX-License-Identifier: Apache-2.0
#include "random_model.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "byte_alphabet.h"
#include "config.h"
#include "file.h"
#include "gpt2_tensors.h"
#include "safetensors_writer.h"
#include "staged.h"

static const char *const file_names[] = {"config.json", "model.safetensors", "vocab.json",
                                         "merges.txt", NULL};

// ----------------------------------------------------------------------------------------- weights

struct distribution {
  float mean, deviation;
};

// The table of the header.
static struct distribution distribution_of(enum gpt2_tensor_kind kind, size_t width) {
  float unit = 1 / sqrtf((float)width);
  switch (kind) {
    case TENSOR_WTE: return (struct distribution){0, 4 * unit};
    case TENSOR_WPE: return (struct distribution){0, 2 * unit};
    case TENSOR_LN_1_G:
    case TENSOR_LN_2_G:
    case TENSOR_LN_F_G: return (struct distribution){1, 0.25f};
    case TENSOR_LN_1_B:
    case TENSOR_LN_2_B:
    case TENSOR_LN_F_B:
    case TENSOR_FC_B: return (struct distribution){0, 0.25f};
    case TENSOR_ATTN_W: return (struct distribution){0, 1.2f * unit};
    case TENSOR_ATTN_B: return (struct distribution){0, 0.5f};
    case TENSOR_ATTN_PROJ_W:
    case TENSOR_FC_W: return (struct distribution){0, unit};
    case TENSOR_MLP_PROJ_W: return (struct distribution){0, 0.5f * unit};
    case TENSOR_ATTN_PROJ_B:
    case TENSOR_MLP_PROJ_B: break;
  }
  return (struct distribution){0, 0.1f};
}

// splitmix64's output function (https://prng.di.unimi.it/splitmix64.c): state in, 64 bits out.
static uint64_t mix(uint64_t x) {
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
  x = (x ^ x >> 27) * 0x94D049BB133111EBu;
  return x ^ x >> 31;
}

// Element `index` of a random stream with mean 0 and deviation 1. It is a sum of four 16-bit
// uniform numbers, which is close enough to normal, bounded by 3.5, and exact on every machine.
static float normal(uint64_t stream, uint64_t index) {
  uint64_t bits = mix(stream + index * 0x9E3779B97F4A7C15u);
  int sum = (int)(bits & 0xFFFF) + (int)(bits >> 16 & 0xFFFF) + (int)(bits >> 32 & 0xFFFF) +
            (int)(bits >> 48);
  const float deviation = 37837.22f;  // sqrt(4 (2^32 - 1) / 12)
  return (float)(sum - 2 * 65535) / deviation;
}

// The number of neurons that make the outlier. Their GELU is about 0.62 sqrt(C), and their weights
// are 4.
static size_t outlier_neurons(size_t width) {
  return (size_t)(3180 / (4 * 0.62 * sqrt((double)width)));
}

// Element `index` of a tensor with outliers, where x is the element without them. Matrices are as
// stored: [inputs][outputs].
static float with_outlier(float x, const struct gpt2_tensor *tensor, size_t width, size_t index) {
  const size_t columns = tensor->shape[1], row = index / columns, column = index % columns;
  const size_t input = tensor->kind == TENSOR_WPE ? column : row;
  const float sign = mix(input) >> 63 ? 1 : -1;
  if (tensor->kind == TENSOR_WPE) return row == 0 ? x + 4 * sign : x;
  if (tensor->layer != 0) return x;
  if (tensor->kind == TENSOR_FC_W)
    return column < outlier_neurons(width) ? sign / sqrtf((float)width) : x;
  if (tensor->kind == TENSOR_FC_B)
    return index < outlier_neurons(width) ? -sqrtf((float)width) / 3 : x;
  const bool large = tensor->kind == TENSOR_MLP_PROJ_W && row < outlier_neurons(width) &&
                     column == random_model_outlier(width);
  return large ? 4 : x;
}

static int write_tensor(struct safetensors_writer *writer, const struct gpt2_tensor *tensor,
                        size_t width, uint64_t stream, bool outliers, struct err *err) {
  enum { CHUNK = 1 << 14 };
  uint16_t chunk[CHUNK];
  struct distribution d = distribution_of(tensor->kind, width);
  size_t elements = tensor->shape[0] * tensor->shape[1];
  for (size_t begin = 0; begin < elements; begin += CHUNK) {
    size_t count = elements - begin < CHUNK ? elements - begin : CHUNK;
    for (size_t i = 0; i < count; i++) {
      // Two statements, which no compiler fuses, so that the bits are the same everywhere.
      float offset = d.deviation * normal(stream, begin + i);
      const float x = d.mean + offset;
      chunk[i] = safetensors_bf16(outliers ? with_outlier(x, tensor, width, begin + i) : x);
    }
    if (safetensors_writer_append(writer, chunk, count * sizeof chunk[0], err) != 0) return -1;
  }
  return 0;
}

static int write_tensors(struct safetensors_writer *writer, const struct gpt2_config *config,
                         uint64_t seed, bool outliers, struct err *err) {
  for (size_t i = 0; i < gpt2_tensor_count(config); i++) {
    struct gpt2_tensor tensor = gpt2_tensor_at(config, i);
    uint64_t stream = mix(mix(seed) + i);
    if (write_tensor(writer, &tensor, config->n_embd, stream, outliers, err) != 0) {
      safetensors_writer_abort(writer);
      return -1;
    }
  }
  return safetensors_writer_finish(writer, err);
}

static int write_weights(const char *path, const struct gpt2_config *config, uint64_t seed,
                         bool outliers, struct err *err) {
  size_t count = gpt2_tensor_count(config);
  struct gpt2_tensor *tensors = calloc(count, sizeof *tensors);
  struct safetensors_spec *specs = calloc(count, sizeof *specs);
  struct safetensors_writer writer;
  int result = -1;
  if (!tensors || !specs) {
    err_memory(err, "the tensor list");
  } else {
    for (size_t i = 0; i < count; i++) {
      tensors[i] = gpt2_tensor_at(config, i);
      specs[i] = (struct safetensors_spec){
          .name = tensors[i].name,
          .dtype = SAFETENSORS_BF16,
          .rank = tensors[i].rank,
          .shape = {tensors[i].shape[0], tensors[i].shape[1]},
      };
    }
    if (safetensors_writer_open(&writer, path, specs, count, err) == 0)
      result = write_tensors(&writer, config, seed, outliers, err);
  }
  free(specs);
  free(tensors);
  return result;
}

// -------------------------------------------------------------------------------------- vocabulary
//
// Merge r joins parts[r / 64] and the character at r % 64 into token 256 + r. The parts are the 64
// characters, the other bytes, and then the tokens made so far, in turn. So every merge is new, and
// its parts exist.

static const unsigned char characters[] = " etaoinshrdlucmfwypvbgkjqxz"
                                          "ETAOINSHRDLUCMFWYPVBGKJQXZ"
                                          "0123456789.";

enum { N_BYTES = 256, N_CHARACTERS = 64, MAX_TOKEN = 8 };
static_assert(sizeof characters - 1 == N_CHARACTERS, "a merge's right part is r % 64");

struct word {
  unsigned char bytes[MAX_TOKEN];
  size_t length;
};

static struct word word_of_merge(size_t r);

static struct word part(size_t index) {
  if (index < N_CHARACTERS) return (struct word){.bytes = {characters[index]}, .length = 1};
  if (index >= N_BYTES) return word_of_merge(index - N_BYTES);
  size_t left = index - N_CHARACTERS;  // among the bytes that are not among the 64 characters
  for (unsigned byte = 0;; byte++) {
    bool taken = byte != 0 && strchr((const char *)characters, (int)byte) != NULL;
    if (!taken && left-- == 0) return (struct word){.bytes = {(unsigned char)byte}, .length = 1};
  }
}

static struct word word_of_merge(size_t r) {
  struct word word = part(r / N_CHARACTERS);
  word.bytes[word.length++] = characters[r % N_CHARACTERS];
  return word;
}

static size_t merges_of(const struct gpt2_config *config) {
  return config->vocab_size - N_BYTES - 1;
}

// Writes a word in the vocabulary's characters, optionally with JSON escapes.
static void print_word(FILE *file, const struct word *word, bool escape) {
  unsigned char text[2 * MAX_TOKEN];
  size_t length = byte_alphabet_write(text, word->bytes, word->length);
  for (size_t i = 0; i < length; i++) {
    if (escape && (text[i] == '"' || text[i] == '\\')) fputc('\\', file);
    fputc(text[i], file);
  }
}

static void print_vocab(FILE *file, const struct gpt2_config *config) {
  fputc('{', file);
  for (size_t id = 0; id + 1 < config->vocab_size; id++) {
    struct word byte = {.bytes = {byte_alphabet_order((unsigned)id & 0xFF)}, .length = 1};
    struct word word = id < N_BYTES ? byte : word_of_merge(id - N_BYTES);
    fputc('"', file);
    print_word(file, &word, true);
    fprintf(file, "\": %zu, ", id);
  }
  fprintf(file, "\"<|endoftext|>\": %zu}\n", config->vocab_size - 1);
}

static void print_merges(FILE *file, const struct gpt2_config *config) {
  fputs("#version: 0.2\n", file);
  for (size_t r = 0; r < merges_of(config); r++) {
    struct word left = part(r / N_CHARACTERS);
    struct word right = {.bytes = {characters[r % N_CHARACTERS]}, .length = 1};
    print_word(file, &left, false);
    fputc(' ', file);
    print_word(file, &right, false);
    fputc('\n', file);
  }
}

// -------------------------------------------------------------------------------------- the folder

static void print_config(FILE *file, const struct gpt2_config *config) {
  fprintf(file,
          "{\n"
          "  \"model_type\": \"gpt2\",\n"
          "  \"architectures\": [\"GPT2LMHeadModel\"],\n"
          "  \"activation_function\": \"gelu_new\",\n"
          "  \"n_layer\": %zu,\n"
          "  \"n_head\": %zu,\n"
          "  \"n_embd\": %zu,\n"
          "  \"n_positions\": %zu,\n"
          "  \"n_ctx\": %zu,\n"
          "  \"n_inner\": null,\n"
          "  \"vocab_size\": %zu,\n"
          "  \"layer_norm_epsilon\": %g,\n"
          "  \"bos_token_id\": %lu,\n"
          "  \"eos_token_id\": %lu,\n"
          "  \"tie_word_embeddings\": true,\n"
          "  \"torch_dtype\": \"bfloat16\"\n"
          "}\n",
          config->n_layer, config->n_head, config->n_embd, config->n_ctx, config->n_ctx,
          config->vocab_size, config->layer_norm_epsilon, (unsigned long)config->bos_token_id,
          (unsigned long)config_eos(config));
}

static int write_text(const char *dir, const char *name, const struct gpt2_config *config,
                      void (*print)(FILE *, const struct gpt2_config *), struct err *err) {
  char path[FILE_PATH_SIZE];
  if (file_join(path, dir, name, err) != 0) return -1;
  struct staged out;
  if (staged_open(&out, path, err) != 0) return -1;
  print(out.file, config);
  return staged_commit(&out, err);
}

static int write_files(const char *dir, const struct gpt2_config *config, uint64_t seed,
                       bool outliers, struct err *err) {
  char path[FILE_PATH_SIZE];
  if (file_join(path, dir, "model.safetensors", err) != 0 ||
      write_text(dir, "config.json", config, print_config, err) != 0 ||
      write_text(dir, "vocab.json", config, print_vocab, err) != 0 ||
      write_text(dir, "merges.txt", config, print_merges, err) != 0)
    return -1;
  return write_weights(path, config, seed, outliers, err);
}

// Checks that dir is absent or an empty folder, which rename can replace.
static int check_free(const char *dir, struct err *err) {
  DIR *folder = opendir(dir);
  if (!folder)
    return errno == ENOENT ? 0 : err_set(err, "%s: cannot write there: %s", dir, strerror(errno));
  size_t entries = 0;
  while (readdir(folder) != NULL) entries++;
  closedir(folder);
  if (entries > 2)  // "." and ".."
    return err_set(err, "%s: the folder is not empty; name one that does not exist", dir);
  return 0;
}

// A shape's name, or a config.json whose shape is used.
static int shape_of(struct gpt2_config *config, const char *name, struct err *err) {
  const size_t length = strlen(name);
  if (length < 5 || strcmp(name + length - 5, ".json") != 0) return config_named(config, name, err);
  if (config_read(config, name, err) != 0) return -1;
  if (config->vocab_size <= N_BYTES) {
    return err_set(err, "%s: vocab_size is %zu, expected %d or more: each byte is a token", name,
                   config->vocab_size, N_BYTES + 1);
  }
  config->n_eos = 1;
  config->bos_token_id = config->eos_token_ids[0] = (uint32_t)config->vocab_size - 1;
  config->scale_attn_weights = config->tie_word_embeddings = true;
  config->scale_attn_by_inverse_layer_idx = false;
  return 0;
}

static int write_folder(const char *config_name, uint64_t seed, bool outliers, const char *dir,
                        struct err *err) {
  struct gpt2_config config;
  struct staged_folder folder;
  if (shape_of(&config, config_name, err) != 0 || check_free(dir, err) != 0 ||
      staged_folder_open(&folder, dir, file_names, err) != 0)
    return -1;
  if (write_files(folder.staging, &config, seed, outliers, err) != 0) {
    staged_folder_discard(&folder);
    return -1;
  }
  return staged_folder_commit(&folder, err);
}

int random_model_write(const char *config_name, uint64_t seed, const char *dir, struct err *err) {
  return write_folder(config_name, seed, false, dir, err);
}

int random_model_write_outliers(const char *config_name, uint64_t seed, const char *dir,
                                struct err *err) {
  return write_folder(config_name, seed, true, dir, err);
}
