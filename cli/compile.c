// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "cli.h"
#include "compensate.h"
#include "file.h"
#include "image_build.h"
#include "model_source.h"
#include "random_model.h"
#include "tokenizer.h"
#include "weights.h"

// ----------------------------------------------------------------------------------------- compile

static const char compile_help[] =
    "gpt2rtl compile - compiles a model folder to one memory image, in the order in which the "
    "hardware reads it\n\n"
    "usage: gpt2rtl compile --model DIR --output FILE [--lanes L] [--rounding R] [--hex] "
    "[--stripes N] [--json]\n\n"
    "  --model DIR         the model's folder; its tokenizer is not needed\n"
    "  --lanes L           bytes per beat: 64, 128, 256, ... 4096; default 256\n"
    "  --rounding R        nearest, the default, or compensated: the errors of a row cancel in its "
    "results, based on the\n"
    "                      model's own activations; closer to float32 (docs/fidelity.md), takes "
    "seconds to minutes\n"
    "  --output FILE       the image (docs/memory_image.md)\n"
    "  --hex               write text for $readmemh instead, one beat per line; a file of the same "
    "name with .vh gets the sizes\n"
    "                      and the configuration as Verilog (examples/testbench)\n"
    "  --stripes N         for N memory ports of the hardware, 2, 4, ... 32: after the header come "
    "all bytes of the first port,\n"
    "                      padded to a multiple of 4096, then those of the next; for loading "
    "without the driver (docs/integration.md)\n"
    "  --json              describe the written file as JSON on standard output\n\n"
    "generate and logits make and cache their own images; this command is for inspecting one, or "
    "for real hardware.\n\n"
    "example: gpt2rtl compile --model models/demo --lanes 64 --hex --output demo.hex\n";

static int compile(const char *dir, uint32_t lanes, const char *path, bool hex, uint32_t stripes,
                   bool compensated, struct err *err) {
  struct gpt2_weights weights;
  struct image image;
  uint64_t source;
  int status;
  if (hex || stripes) {
    if (model_image(&image, dir, lanes, err)) return -1;
    status = hex ? compile_hex(path, &image, err) : compile_stripes(path, &image, stripes, err);
    image_close(&image);
    return status;
  }
  struct model_identity identity;
  if (model_identity(&identity, dir, err) ||
      model_source_load(&weights, &source, false, &identity, dir, err))
    return -1;
  status = compensated ? compensate_weights(&weights, err) : 0;
  if (!status) status = image_build(path, &weights, lanes, source, err);
  weights_free(&weights);
  return status;
}

static char *hex64(char text[static 17], uint64_t x) {
  snprintf(text, 17, "%016llx", (unsigned long long)x);
  return text;
}

// Prints the contents of an image.
static cJSON *image_json(const struct image_header *h) {
  char text[17];
  cJSON *json = cJSON_CreateObject();
  cJSON_AddNumberToObject(json, "lanes", h->lanes);
  cJSON_AddNumberToObject(json, "version", h->version);
  cJSON_AddNumberToObject(json, "beats", (double)h->n_beats);
  cJSON_AddNumberToObject(json, "bytes", (double)(IMAGE_HEADER_BYTES + h->n_beats * h->lanes));
  cJSON_AddNumberToObject(json, "bytes_with_kv",
                          (double)(h->n_beats + (uint64_t)h->n_layer * h->n_head * h->kv_stride) *
                              h->lanes);
  cJSON_AddNumberToObject(json, "layers", h->n_layer);
  cJSON_AddNumberToObject(json, "heads", h->n_head);
  cJSON_AddNumberToObject(json, "width", h->n_embd);
  cJSON_AddNumberToObject(json, "context", h->n_ctx);
  cJSON_AddNumberToObject(json, "vocabulary", h->vocab_size);
  cJSON_AddBoolToObject(json, "tied", h->tied != 0);
  cJSON_AddStringToObject(json, "checksum", hex64(text, h->checksum));
  cJSON_AddStringToObject(json, "source", hex64(text, h->source));
  return json;
}

// Describes the image at path and its contents; for $readmemh text, only the name.
static int compile_report(const char *path, uint32_t lanes, bool hex, struct err *err) {
  struct image image;
  cJSON *json;
  if (hex) {
    json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "lanes", lanes);
  } else {
    if (image_open(&image, path, IMAGE_CHECKED, err)) return -1;
    json = image_json(&image.header);
    image_close(&image);
  }
  json_add_name(json, "output", path);
  return stdout_json(json, err);
}

// Whether path names a regular file, or nothing yet, and not standard output.
static bool is_file(const char *path) {
  struct stat st, out;
  if (stat(path, &st)) return true;
  return S_ISREG(st.st_mode) &&
         (fstat(STDOUT_FILENO, &out) || st.st_dev != out.st_dev || st.st_ino != out.st_ino);
}

int compile_main(int argc, char **argv) {
  const char *dir = NULL, *lanes_text = NULL, *path = NULL, *rounding = NULL, *stripes_text = NULL;
  uint64_t stripes = 0;
  bool hex = false, json = false;
  const struct option_spec specs[] = {
      {"--model", &dir, NULL},
      {"--lanes", &lanes_text, NULL},
      {"--output", &path, NULL},
      {"--hex", NULL, &hex},
      {"--rounding", &rounding, NULL},
      {"--json", NULL, &json},
      {"--stripes", &stripes_text, NULL},
  };
  uint32_t lanes = 256;
  struct err err;
  int status =
      options_parse("compile", compile_help, specs, sizeof specs / sizeof *specs, argc, argv, NULL);
  if (status >= 0) return status;
  if (!dir) return cli_usage("compile", "--model is missing");
  if (!path) return cli_usage("compile", "--output is missing");
  if (lanes_text && (status = option_lanes("compile", lanes_text, &lanes))) return status;
  const bool compensated = rounding && !strcmp(rounding, "compensated");
  if (rounding && !compensated && strcmp(rounding, "nearest"))
    return cli_usage("compile", "--rounding '%s': expected nearest or compensated", rounding);
  if (stripes_text && (status = option_u64("compile", "--stripes", stripes_text, 2, 32, &stripes)))
    return status;
  if (stripes & (stripes - 1))
    return cli_usage("compile", "--stripes '%s': expected 2, 4, 8, 16 or 32", stripes_text);
  if (stripes && (hex || compensated || json))
    return cli_usage("compile", "--stripes cannot be combined with %s",
                     hex           ? "--hex"
                     : compensated ? "--rounding compensated"
                                   : "--json");
  if (compensated && hex) return cli_usage("compile", "--hex needs --rounding nearest");
  if (hex && !is_file(path))
    return cli_usage("compile", "--hex writes two files; --output is not the name of one");
  if (json && !is_file(path))
    return cli_usage("compile", "--json describes a file; --output is not the name of one");
  if (compile(dir, lanes, path, hex, (uint32_t)stripes, compensated, &err) ||
      (json && compile_report(path, lanes, hex, &err)))
    return cli_fail(&err);
  return EXIT_DONE;
}

// -------------------------------------------------------------------------------------------- info

static const char info_help[] = "gpt2rtl info - describes a model folder or a memory image, after "
                                "reading and checking all of it\n\n"
                                "usage: gpt2rtl info DIR|FILE [--json]\n\n"
                                "For a folder it prints shape, parameters, tokenizer and the "
                                "checksum of the weights; for an image, sizes, layout and\n"
                                "checksum.\n\n"
                                "example: gpt2rtl info models/demo\n";

static cJSON *id_json(uint32_t id) {
  return id == CONFIG_NO_TOKEN ? cJSON_CreateNull() : cJSON_CreateNumber(id);
}

static int info_folder_json(const char *dir, const struct gpt2_config *c, uint32_t end,
                            uint64_t source, struct err *err) {
  char text[17];
  cJSON *json = cJSON_CreateObject();
  json_add_name(json, "model", dir);
  cJSON_AddNumberToObject(json, "layers", (double)c->n_layer);
  cJSON_AddNumberToObject(json, "heads", (double)c->n_head);
  cJSON_AddNumberToObject(json, "width", (double)c->n_embd);
  cJSON_AddNumberToObject(json, "context", (double)c->n_ctx);
  cJSON_AddNumberToObject(json, "vocabulary", (double)c->vocab_size);
  cJSON_AddBoolToObject(json, "tied", c->tie_word_embeddings);
  cJSON_AddNumberToObject(json, "parameters", (double)config_parameters(c));
  cJSON_AddNumberToObject(json, "layer_norm_epsilon", c->layer_norm_epsilon);
  cJSON_AddItemToObject(json, "stop_id", id_json(config_eos(c)));
  cJSON *stops = cJSON_AddArrayToObject(json, "stop_ids");
  for (size_t i = 0; i < c->n_eos; i++)
    cJSON_AddItemToArray(stops, cJSON_CreateNumber(c->eos_token_ids[i]));
  cJSON_AddItemToObject(json, "endoftext_id",
                        end == TOKENIZER_NO_TOKEN ? cJSON_CreateNull() : cJSON_CreateNumber(end));
  cJSON_AddStringToObject(json, "source", hex64(text, source));
  return stdout_json(json, err);
}

static int info_folder(const char *dir, bool json, struct err *err) {
  struct gpt2_weights weights;
  struct tokenizer *tokenizer;
  uint64_t source;
  if (weights_load(&weights, dir, err)) return -1;
  const struct gpt2_config c = weights.config;
  weights_free(&weights);
  if (tokenizer_load(&tokenizer, dir, c.vocab_size, err)) return -1;
  const uint32_t end = tokenizer_end_of_text(tokenizer);
  tokenizer_free(tokenizer);
  if (image_source(&source, dir, err)) return -1;
  if (json) return info_folder_json(dir, &c, end, source, err);
  char name[CLI_NAME_SIZE];
  printf("model folder        %s\n"
         "layers              %zu\n"
         "heads               %zu of %d\n"
         "width               %zu\n"
         "context             %zu positions\n"
         "vocabulary          %zu tokens\n"
         "head                %s\n"
         "parameters          %zu\n"
         "layer norm epsilon  %g\n",
         cli_name(name, dir), c.n_layer, c.n_head, HEAD_DIM, c.n_embd, c.n_ctx, c.vocab_size,
         c.tie_word_embeddings ? "tied to the token embedding" : "its own", config_parameters(&c),
         c.layer_norm_epsilon);
  printf("stop id             ");
  for (size_t i = 0; i < c.n_eos; i++) printf(i ? ", %u" : "%u", (unsigned)c.eos_token_ids[i]);
  puts(c.n_eos ? "" : "none");
  if (end == TOKENIZER_NO_TOKEN) printf("<|endoftext|>       none\n");
  else printf("<|endoftext|>       %u\n", (unsigned)end);
  printf("checksum            %016llx (config.json and the safetensors)\n",
         (unsigned long long)source);
  return stdout_write("", 0, err);
}

static int info_file(const char *path, bool json, struct err *err) {
  struct image image;
  if (image_open(&image, path, IMAGE_CHECKED, err)) return -1;
  if (!json) image_describe(stdout, &image.header);
  cJSON *description = json ? image_json(&image.header) : NULL;
  image_close(&image);
  if (json) {
    json_add_name(description, "image", path);
    return stdout_json(description, err);
  }
  return stdout_write("", 0, err);
}

int info_main(int argc, char **argv) {
  const char *path = NULL;
  struct stat st;
  struct err err;
  bool json = false;
  const struct option_spec specs[] = {{"--json", NULL, &json}};
  const int status = options_parse("info", info_help, specs, 1, argc, argv, &path);
  if (status >= 0) return status;
  if (!path) return cli_usage("info", "expected a model folder or an image");
  const bool folder = !stat(path, &st) && S_ISDIR(st.st_mode);
  return (folder ? info_folder(path, json, &err) : info_file(path, json, &err)) ? cli_fail(&err)
                                                                                : EXIT_DONE;
}

// ------------------------------------------------------------------------------------ random-model

static const char random_help[] =
    "gpt2rtl random-model - writes a model folder of any shape with random weights, for tests "
    "without a download\n\n"
    "usage: gpt2rtl random-model --config NAME --output DIR [--seed S] [--outliers]\n\n"
    "  --config NAME       nano, gpt2, gpt2-medium, gpt2-large or gpt2-xl; or a config.json: its "
    "layers, heads, context and\n"
    "                      vocabulary, of 257 tokens or more\n"
    "  --seed S            0 to 2^64 - 1; default 1. The same seed gives the same files on every "
    "machine\n"
    "  --outliers          with GPT-2's known outliers: the hidden state near 3,000 in one "
    "dimension of position 0\n"
    "  --output DIR        a folder that does not exist or is empty\n\n"
    "example: gpt2rtl random-model --config nano --seed 1 --output /tmp/nano\n";

int random_model_main(int argc, char **argv) {
  const char *name = NULL, *seed_text = NULL, *dir = NULL;
  bool outliers = false;
  const struct option_spec specs[] = {
      {"--config", &name, NULL},
      {"--seed", &seed_text, NULL},
      {"--output", &dir, NULL},
      {"--outliers", NULL, &outliers},
  };
  uint64_t seed = 1;
  struct gpt2_config config;
  struct stat st;
  struct err err;
  int status = options_parse("random-model", random_help, specs, 4, argc, argv, NULL);
  if (status >= 0) return status;
  if (!name) return cli_usage("random-model", "--config is missing");
  if (!dir) return cli_usage("random-model", "--output is missing");
  if (stat(name, &st) && config_named(&config, name, &err))
    return cli_usage("random-model", "--config: %s", err.text);
  if (seed_text && (status = option_u64("random-model", "--seed", seed_text, 0, UINT64_MAX, &seed)))
    return status;
  const int result = outliers ? random_model_write_outliers(name, seed, dir, &err)
                              : random_model_write(name, seed, dir, &err);
  return result ? cli_fail(&err) : EXIT_DONE;
}
