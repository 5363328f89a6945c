// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache.h"
#include "cli.h"
#include "download.h"
#include "file.h"
#include "tokenizer.h"
#include "weights.h"

static const char command[] = "fetch";
static const char help[] =
    "gpt2rtl fetch - downloads a model's weights and tokenizer from their publisher, and checks "
    "them by sha256\n\n"
    "usage: gpt2rtl fetch NAME [OPTION...]\n\n"
    "  NAME                gpt2 (550 MB), gpt2-medium (1.5 GB), gpt2-large (3.2 GB), gpt2-xl (6.4 "
    "GB), distilgpt2 (350 MB): with\n"
    "                      built-in revision and hashes; or OWNER/MODEL or OWNER/MODEL@REVISION of "
    "huggingface.co,\n"
    "                      checked against the hashes that it gives; the default revision is main\n"
    "  --output DIR        the folder; default models/MODEL\n"
    "  --base-url URL      a mirror; default $HF_ENDPOINT or https://huggingface.co\n"
    "  --timeout S         give up a connection after S seconds without a byte, 1 to 3600; default "
    "30\n"
    "  --retries N         consecutive failures that are retried, 0 to 100; default 5\n\n"
    "config.json, vocab.json, merges.txt and model.safetensors; of OWNER/MODEL also other "
    "tokenizer files and\n"
    "generation_config.json, if they exist. An interrupted download is kept as FILE.part; run the "
    "command again to resume it.\n"
    "Files that are already there and correct are not fetched again. At the end all names and "
    "shapes are checked.\n\n"
    "example: gpt2rtl fetch gpt2 && gpt2rtl generate --model models/gpt2 --prompt 'Alan Turing' "
    "--tokens 20\n";

// ------------------------------------------------------------------------------------------ models

enum { FILES = 4 };
static const char *const file_names[FILES] = {"config.json", "vocab.json", "merges.txt",
                                              "model.safetensors"};
// Further files, which describe tokenizer and generation, of models without built-in hashes. They
// need not exist.
static const char *const more_names[] = {"generation_config.json", "tokenizer.json",
                                         "tokenizer_config.json", "special_tokens_map.json",
                                         "added_tokens.json"};

struct expected {
  uint64_t size;
  const char *sha256;  // NULL: not known here; the publisher's hash is used
};

// All sizes of GPT-2 share one tokenizer.
#define VOCAB \
  { 1042301, "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783" }
#define MERGES \
  { 456318, "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5" }

static const struct model {
  const char *name, *owner, *revision;
  struct expected files[FILES];
} models[] = {
    {"gpt2",
     "openai-community",
     "607a30d783dfa663caf39e06633721c8d4cfcd7e",
     {{665, "0daed7749b4f02b8f76240d5444551d7b08712dab4d0adb8239c56ba823bb7b4"},
      VOCAB,
      MERGES,
      {548105171, "248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707"}}},
    {"gpt2-medium",
     "openai-community",
     "6dcaa7a952f72f9298047fd5137cd6e4f05f41da",
     {{718, "ef1a44d889ad1a0acc7731c78134f1b87d2d222f110e97dd10fd4117331caf22"},
      VOCAB,
      MERGES,
      {1519984962, "fc5a354a19255ad494f3d71549390baca1ccf61d1d822b9408971705c687c9cd"}}},
    {"gpt2-large",
     "openai-community",
     "32b71b12589c2f8d625668d2335a01cac3249519",
     {{0, NULL},
      VOCAB,
      MERGES,
      {3247159078, "5f47f3e12f91cd33b662ce7e433b6150ad5512b5884a2cee961b50e9c3bbebce"}}},
    {"gpt2-xl",
     "openai-community",
     "15ea56dee5df4983c59b2538573817e1667135e2",
     {{0, "be48115d52314bc27327e160bf10197760db02ea689d10adb24db4102edf7a8a"},
      VOCAB,
      MERGES,
      {0, "0f8b28eb05a8075f48b61b6f35332978c74fc7763fa9fb4051a1c30511736a6a"}}},
    {"distilgpt2",
     "distilbert",
     "2290a62682d06624634c1f46a6ad5be0f47f38aa",
     {{762, "4ec5947c1d59fee6212cdf3b0ec1a53eac02092554c5ff0a733488cbd2c64f3a"},
      VOCAB,
      MERGES,
      {352824413, "e1ff18884359fe8beb795a5f414feb85a6ce3d929ad019c0d958c039d2b94a1b"}}},
};

// Whether text is a valid part of an address: letters, digits, points, dashes and underscores, and
// no point at the beginning.
static bool is_plain(const char *text, size_t length) {
  if (!length || length > 96 || text[0] == '.') return false;
  for (size_t i = 0; i < length; i++)
    if (!isalnum((unsigned char)text[i]) && !strchr("._-", text[i])) return false;
  return true;
}

// Splits OWNER/MODEL[@REVISION] into parts. Returns 0 or -1.
static int parse_model(struct model *model, char parts[static 3][97], const char *text) {
  const char *slash = strchr(text, '/'), *at = strchr(text, '@');
  const char *end = at ? at : text + strlen(text), *revision = at ? at + 1 : "main";
  if (!slash || slash > end || !is_plain(text, (size_t)(slash - text)) ||
      !is_plain(slash + 1, (size_t)(end - slash - 1)) || !is_plain(revision, strlen(revision)))
    return -1;
  snprintf(parts[0], 97, "%.*s", (int)(slash - text), text);
  snprintf(parts[1], 97, "%.*s", (int)(end - slash - 1), slash + 1);
  snprintf(parts[2], 97, "%s", revision);
  *model = (struct model){.owner = parts[0], .name = parts[1], .revision = parts[2]};
  return 0;
}

// ------------------------------------------------------------------------------------------- fetch

struct fetch {
  struct model model;
  const char *base, *dir;
  uint64_t timeout, retries;
};

static int fetch_file(const struct fetch *f, const char *name, const struct expected *expected,
                      bool optional, struct err *err) {
  char url[2048], path[FILE_PATH_SIZE];
  const size_t base = strlen(f->base);
  if (file_join(path, f->dir, name, err)) return -1;
  snprintf(url, sizeof url, "%.*s/%s/%s/resolve/%s/%s",
           (int)(f->base[base - 1] == '/' ? base - 1 : base), f->base, f->model.owner,
           f->model.name, f->model.revision, name);
  const struct download what = {.url = url,
                                .path = path,
                                .name = name,
                                .optional = optional,
                                .size = expected->size,
                                .sha256 = expected->sha256,
                                .timeout = (unsigned)f->timeout,
                                .retries = (unsigned)f->retries};
  const enum download_result result = download(&what, err);
  if (result == DOWNLOAD_FAILED) return -1;
  if (result == DOWNLOAD_ABSENT) return 0;
  cli_say("%s: %s", path,
          result == DOWNLOAD_THERE
              ? (expected->sha256 ? "already there, sha256 is correct" : "already there")
          : expected->sha256 ? "fetched, sha256 is correct"
                             : "fetched, its hash matches the one that the server gives");
  return 0;
}

// Checks names and shapes of the weights, and that the tokenizer has the model's size.
static int check_folder(const char *dir, struct err *err) {
  struct gpt2_config c;
  struct tokenizer *tokenizer;
  if (weights_check(&c, dir, err) || tokenizer_load(&tokenizer, dir, c.vocab_size, err)) return -1;
  tokenizer_free(tokenizer);
  char name[CLI_NAME_SIZE];
  printf("%s: %zu layers, %zu heads, width %zu, context %zu, %zu tokens\n", cli_name(name, dir),
         c.n_layer, c.n_head, c.n_embd, c.n_ctx, c.vocab_size);
  return stdout_write("", 0, err);
}

static int run(const struct fetch *f, struct err *err) {
  const bool there = file_exists(f->dir);
  const bool known = f->model.files[FILES - 1].sha256 != NULL;
  int result = folder_make(f->dir, err);
  for (size_t i = 0; i < FILES && !result; i++) {
    result = fetch_file(f, file_names[i], &f->model.files[i], false, err);
    for (size_t k = 0; i == 0 && k < sizeof more_names / sizeof *more_names && !known && !result;
         k++)
      result = fetch_file(f, more_names[k], &(struct expected){0}, true, err);
  }
  if (result && !there) rmdir(f->dir);  // fails if it is not empty
  return result ? -1 : check_folder(f->dir, err);
}

int fetch_main(int argc, char **argv) {
  const char *name = NULL, *base = NULL, *dir = NULL, *timeout = NULL, *retries = NULL;
  const struct option_spec specs[] = {
      {"--output", &dir, NULL},
      {"--base-url", &base, NULL},
      {"--timeout", &timeout, NULL},
      {"--retries", &retries, NULL},
  };
  struct fetch f = {.timeout = 30, .retries = 5};
  char parts[3][97], folder[128];
  struct err err;
  int status = options_parse(command, help, specs, sizeof specs / sizeof *specs, argc, argv, &name);
  if (status >= 0) return status;
  if (!name) return cli_usage(command, "expected a model's name");
  for (size_t i = 0; i < sizeof models / sizeof *models; i++)
    if (!strcmp(name, models[i].name)) f.model = models[i];
  if (!f.model.name && parse_model(&f.model, parts, name))
    return cli_usage(command,
                     "'%s': expected gpt2, gpt2-medium, gpt2-large, gpt2-xl, distilgpt2 or "
                     "OWNER/MODEL[@REVISION]",
                     name);
  if (dir && !*dir) return cli_usage(command, "--output '': expected the name of a folder");
  if (timeout && (status = option_u64(command, "--timeout", timeout, 1, 3600, &f.timeout)))
    return status;
  if (retries && (status = option_u64(command, "--retries", retries, 0, 100, &f.retries)))
    return status;
  const char *endpoint = getenv("HF_ENDPOINT");
  f.base = base ? base : endpoint && *endpoint ? endpoint : "https://huggingface.co";
  if ((strncmp(f.base, "https://", 8) && strncmp(f.base, "http://", 7)) || strlen(f.base) > 1024 ||
      strpbrk(f.base, " \t\n?#"))
    return cli_usage(command, "--base-url '%s': expected https://... or http://...", f.base);
  snprintf(folder, sizeof folder, "models/%s", f.model.name);
  f.dir = dir ? dir : folder;
  if (curl_global_init(CURL_GLOBAL_DEFAULT)) {
    err_set(&err, "libcurl cannot start");
    return cli_fail(&err);
  }
  status = run(&f, &err) ? cli_fail(&err) : EXIT_DONE;
  curl_global_cleanup();
  return status;
}
