// SPDX-License-Identifier: Apache-2.0
#include "model_test.h"

#include "layout.h"

#include "config.h"
#include "gpt2_tensors.h"

// Names, shapes and dtypes of the files at huggingface.co/openai-community, /distilbert and
// /microsoft. If a size is given, the file written here has that size to the byte, including the
// header.
const struct layout layouts[] = {
    {"gpt2", 12, 12, 1024, 50257, "", "F32", "F32", false, NULL, false, 0},
    {"gpt2-medium", 24, 16, 1024, 50257, "", "F32", "F32", false, NULL, false, 1519984962},
    {"gpt2-large", 36, 20, 1024, 50257, "", "F32", "F32", false, NULL, false, 3247159078},
    {"gpt2-xl", 48, 25, 1024, 50257, "", "F32", "F32", false, NULL, false, 0},
    {"distilgpt2", 6, 12, 1024, 50257, "transformer.", "F32", "F32", false, NULL, false, 352824413},
    {"DialoGPT-small", 12, 12, 1024, 50257, "transformer.", "F16", "F16", true, "F16", false, 0},
    {"DialoGPT-medium", 24, 16, 1024, 50257, "transformer.", "F16", "F16", true, "F16", false, 0},
    {"DialoGPT-large", 36, 20, 1024, 50257, "transformer.", "F16", "F16", true, "F16", false, 0},
    {0},
};

enum { MAX_TENSORS = 1024 };

struct entry {
  char name[80];
  const char *dtype;
  size_t rank, shape[4], elements, bytes, shard;
  uint64_t begin;  // in its shard's data
  int kind;        // 0: a weight, 1: a mask
};

static size_t bytes_of(const char *dtype) {
  static const struct {
    const char *name;
    size_t bytes;
  } all[] = {{"F64", 8},  {"I64", 8}, {"F32", 4}, {"I32", 4}, {"F16", 2},
             {"BF16", 2}, {"I16", 2}, {"U8", 1},  {"I8", 1},  {"BOOL", 1}};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    if (strcmp(all[i].name, dtype) == 0) return all[i].bytes;
  fail_msg("%s is no dtype", dtype);
  return 0;
}

float layout_value(const char *name, size_t i) {
  uint64_t state = 88172645463325252u;
  for (const char *c = name; *c != 0; c++) state = (state ^ (unsigned char)*c) * 0x100000001B3u;
  state ^= (uint64_t)i * 0x9E3779B97F4A7C15u | 1;
  random_next(&state);
  random_next(&state);
  const float small =
      (float)(int)(random_next(&state) >> 60) - 7.5f;  // 16 values, exact in every dtype
  return strstr(name, "ln_") != NULL && strstr(name, "weight") != NULL ? 1 + small / 32
                                                                       : small / 64;
}

static struct entry *add(struct entry *list, size_t *count, const char *prefix, const char *name,
                         const char *dtype, int kind, size_t rank, const size_t *shape) {
  struct entry *e = &list[(*count)++];
  assert_true(*count <= MAX_TENSORS);
  *e = (struct entry){.dtype = dtype, .rank = rank, .elements = 1, .kind = kind};
  snprintf(e->name, sizeof e->name, "%s%s", prefix, name);
  for (size_t d = 0; d < rank; d++) {
    e->shape[d] = shape[d];
    e->elements *= shape[d];
  }
  e->bytes = e->elements * bytes_of(dtype);
  return e;
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static size_t make_list(struct entry *list, const struct layout *l) {
  const struct gpt2_config config = {.n_layer = l->layers,
                                     .n_head = l->heads,
                                     .n_embd = 64 * l->heads,
                                     .n_ctx = l->ctx,
                                     .vocab_size = l->vocab};
  size_t count = 0;
  for (size_t i = 0; i < gpt2_tensor_count(&config); i++) {
    const struct gpt2_tensor t = gpt2_tensor_at(&config, i);
    add(list, &count, l->prefix, t.name, l->dtype, 0, t.rank, t.shape);
  }
  for (size_t i = 0; i < l->layers && l->mask != NULL; i++) {
    char name[80];
    snprintf(name, sizeof name, "h.%zu.attn.bias", i);
    add(list, &count, l->prefix, name, l->mask, 1, 4, (const size_t[]){1, 1, l->ctx, l->ctx});
    if (l->masked_bias) {
      snprintf(name, sizeof name, "h.%zu.attn.masked_bias", i);
      add(list, &count, l->prefix, name, l->mask, 1, 0, NULL);
    }
  }
  if (l->head) {
    add(list, &count, "", "lm_head.weight", l->head, 0, 2,
        (const size_t[]){l->vocab, 64 * l->heads});
  }
  qsort(list, count, sizeof *list, by_name);
  return count;
}

static void put_value(FILE *file, const char *dtype, float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  if (strcmp(dtype, "F32") == 0) {
    fwrite(&bits, 4, 1, file);
    return;
  }
  // The values have few bits and the exponents of a half: both conversions are exact.
  const uint16_t half =
      strcmp(dtype, "BF16") == 0
          ? (uint16_t)(bits >> 16)
          : (uint16_t)((bits >> 16 & 0x8000) |
                       (value == 0 ? 0 : ((bits >> 23 & 255) - 112) << 10 | (bits >> 13 & 1023)));
  fwrite(&half, 2, 1, file);
}

static void put_data(FILE *file, const struct entry *e, const struct layout *l) {
  if (e->kind == 1) {  // garbage: 0xFF is NaN where it can be
    for (size_t i = 0; i < e->bytes; i++) fputc(0xFF, file);
    return;
  }
  const size_t prefix = strlen(l->prefix);
  const char *name = strncmp(e->name, l->prefix, prefix) == 0 ? e->name + prefix : e->name;
  if (!l->own_head && strcmp(name, "lm_head.weight") == 0) name = "wte.weight";
  for (size_t i = 0; i < e->elements; i++) put_value(file, e->dtype, layout_value(name, i));
}

static void put_header(FILE *file, struct entry *list, size_t count, size_t shard, uint64_t *data) {
  char *text = NULL;
  size_t length;
  FILE *out = open_memstream(&text, &length);
  fprintf(out, "{\"__metadata__\":{\"format\":\"pt\"}");
  *data = 0;
  for (size_t i = 0; i < count; i++) {
    struct entry *e = &list[i];
    if (e->shard != shard) continue;
    e->begin = *data;
    *data += e->bytes;
    fprintf(out, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", e->name, e->dtype);
    for (size_t d = 0; d < e->rank; d++) fprintf(out, d == 0 ? "%zu" : ",%zu", e->shape[d]);
    fprintf(out, "],\"data_offsets\":[%zu,%zu]}", (size_t)e->begin, (size_t)*data);
  }
  fputc('}', out);
  fclose(out);
  const uint64_t size = length;
  fwrite(&size, 8, 1, file);
  fwrite(text, 1, length, file);
  free(text);
}

static void write_config(const struct layout *l, const char *folder) {
  char path[FILE_PATH_SIZE], text[1024];
  snprintf(text, sizeof text,
           "{\n  \"activation_function\": \"gelu_new\",\n  \"architectures\": [\n    "
           "\"GPT2LMHeadModel\"\n  ],\n"
           "  \"attn_pdrop\": 0.1,\n  \"bos_token_id\": %zu,\n  \"embd_pdrop\": 0.1,\n  "
           "\"eos_token_id\": %zu,\n"
           "  \"initializer_range\": 0.02,\n  \"layer_norm_epsilon\": 1e-05,\n  \"model_type\": "
           "\"gpt2\",\n"
           "  \"n_ctx\": %zu,\n  \"n_embd\": %zu,\n  \"n_head\": %zu,\n  \"n_layer\": %zu,\n  "
           "\"n_positions\": %zu,\n"
           "  \"resid_pdrop\": 0.1,\n  \"summary_activation\": null,\n  \"summary_first_dropout\": "
           "0.1,\n"
           "  \"summary_proj_to_labels\": true,\n  \"summary_type\": \"cls_index\",\n  "
           "\"summary_use_proj\": true,\n"
           "  \"task_specific_params\": {\n    \"text-generation\": {\n      \"do_sample\": true,\n"
           "      \"max_length\": 50\n    }\n  },\n%s  \"vocab_size\": %zu\n}\n",
           l->vocab - 1, l->vocab - 1, l->ctx, 64 * l->heads, l->heads, l->layers, l->ctx,
           l->own_head ? "  \"tie_word_embeddings\": false,\n" : "", l->vocab);
  write_string(path, folder, "config.json", text);
}

static void shard_name(char name[static 64], size_t shard, size_t shards) {
  if (shards == 1) snprintf(name, 64, "model.safetensors");
  else snprintf(name, 64, "model-%05zu-of-%05zu.safetensors", shard + 1, shards);
}

void layout_write(const struct layout *l, const char *folder, size_t shards, bool sparse) {
  struct entry *list = calloc(MAX_TENSORS, sizeof *list);
  char path[FILE_PATH_SIZE], name[64];
  const size_t count = make_list(list, l);
  write_config(l, folder);
  for (size_t i = 0; i < count; i++) list[i].shard = i * shards / count;
  for (size_t shard = 0; shard < shards; shard++) {
    uint64_t data;
    shard_name(name, shard, shards);
    assert_int_equal(file_join(path, folder, name, NULL), 0);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    put_header(file, list, count, shard, &data);
    for (size_t i = 0; i < count && !sparse; i++)
      if (list[i].shard == shard) put_data(file, &list[i], l);
    assert_int_equal(fflush(file), 0);
    if (sparse) assert_int_equal(ftruncate(fileno(file), ftell(file) + (long)data), 0);
    assert_int_equal(fclose(file), 0);
  }
  if (shards > 1) {
    assert_int_equal(file_join(path, folder, "model.safetensors.index.json", NULL), 0);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fprintf(file, "{\"metadata\": {\"total_size\": 0}, \"weight_map\": {");
    for (size_t i = 0; i < count; i++) {
      shard_name(name, list[i].shard, shards);
      fprintf(file, "%s\"%s\": \"%s\"", i == 0 ? "" : ", ", list[i].name, name);
    }
    fprintf(file, "}}\n");
    assert_int_equal(fclose(file), 0);
  }
  free(list);
}
