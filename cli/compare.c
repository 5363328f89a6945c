// SPDX-License-Identifier: Apache-2.0
//
// compare - compares the integer model, or an emulation of other widths, with the float reference
#include "compare.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "compare_report.h"
#include "emulate.h"
#include "evaluate.h"
#include "file.h"
#include "parallel.h"
#include "progress.h"
#include "tokenizer.h"

static const char command[] = "compare";
static const char help[] =
    "gpt2rtl compare - the error of the integers against float32, in each tensor and in "
    "predictions\n\n"
    "usage: gpt2rtl compare --model DIR --text FILE [OPTION...]\n\n"
    "  --model DIR         the model's folder\n"
    "  --text FILE         the text; its tokens are split into windows, each a separate sequence\n"
    "  --image FILE        an image of this model from gpt2rtl compile, instead of the one that "
    "generate would make\n"
    "  --context N         tokens per window, 2 to the model's context, which is the default\n"
    "  --limit N           only the first N tokens of the text\n"
    "  --threads N         1 to 256; default: the number of processors. The result is the same "
    "with any number\n"
    "  --json              everything as JSON: each tensor of each layer\n\n"
    "The integer model equals the hardware bit for bit. For each tensor, compare prints the "
    "signal-to-noise ratio in decibels,\n"
    "averaged over positions, the largest error, and how often and where a number was too large "
    "for its format. For the next\n"
    "token's distribution it prints the perplexity of both, how often the most likely token is the "
    "same, and the divergence\n"
    "(KL, of the integers' from float's, in nats). Names are Hugging Face's (base/tensor.h).\n\n"
    "To see what a bit buys, give any of the following options. They replace the integer model "
    "with an emulation: float32 with\n"
    "the hardware's kinds of rounding at these widths. It is not the hardware's arithmetic.\n\n"
    "  --weight-bits N     2 to 16 (the hardware: 8)\n"
    "  --weight-group N    weights that share a scale: 16 to 4096 columns of a row, 0: the row "
    "(the hardware), or \"tensor\"\n"
    "  --weight-scale S    max: the smallest that clips no weight (the hardware's image); least: "
    "least squared error;\n"
    "                      compensated: like max, rounded so that errors cancel (gpt2rtl compile "
    "--rounding compensated)\n"
    "  --activation-bits N 4 to 16: elements of operands (16)\n"
    "  --activation-block N  elements that share an exponent: 1 to 65536, a power of two (64)\n"
    "  --kv-bits N         2 to 16: cached keys and values (8)\n"
    "  --residual-bits N   2 to 20: fraction bits of the hidden state (12)\n"
    "  --exp-segments N    segments of the exponential's table, 1 to 65536 (64)\n"
    "  --gelu-segments N   of GELU's table, 1 to 65536 (512)\n\n"
    "Every other option keeps the hardware's width; \"float\" instead of a number means not "
    "rounded at all.\n\n"
    "example: gpt2rtl compare --model models/demo --text story.txt\n"
    "         gpt2rtl compare --model models/demo --text story.txt --weight-bits 6 --kv-bits "
    "float\n";

struct run {
  const char *dir, *path, *image_path;
  uint64_t context, limit, threads;
  bool json, emulated;
  struct emulation emulation;
  struct gpt2_weights weights, rounded;
  struct image image;
  struct tokenizer *tokenizer;
  struct file_map file;
  uint32_t *ids;
  size_t n_ids, n_windows, finished;
  struct worker {
    struct compare compare;
    struct emulator emulator;
  } * workers;
  struct compare_result *results;  // [n_windows]
  struct compare_result all;
  struct progress progress;
};

// ----------------------------------------------------------------------------------------- options

// Reads a width of the emulation: a number or "float".
static int option_width(struct run *r, const char *name, const char *text, uint64_t low,
                        uint64_t high, int *width) {
  uint64_t value = 0;
  if (!text) return 0;
  r->emulated = true;
  if (strcmp(text, "float")) {
    const int status = option_u64(command, name, text, low, high, &value);
    if (status) return status;
  }
  *width = (int)value;
  return 0;
}

static int parse(struct run *r, int argc, char **argv) {
  const char *context = NULL, *limit = NULL, *threads = NULL, *group = NULL, *block = NULL,
             *scale = NULL;
  const char *weight = NULL, *activation = NULL, *kv = NULL, *residual = NULL, *exp = NULL,
             *gelu = NULL;
  const struct option_spec specs[] = {
      {"--model", &r->dir, NULL},
      {"--text", &r->path, NULL},
      {"--context", &context, NULL},
      {"--limit", &limit, NULL},
      {"--threads", &threads, NULL},
      {"--json", NULL, &r->json},
      {"--weight-bits", &weight, NULL},
      {"--weight-group", &group, NULL},
      {"--activation-bits", &activation, NULL},
      {"--activation-block", &block, NULL},
      {"--kv-bits", &kv, NULL},
      {"--residual-bits", &residual, NULL},
      {"--exp-segments", &exp, NULL},
      {"--gelu-segments", &gelu, NULL},
      {"--weight-scale", &scale, NULL},
      {"--image", &r->image_path, NULL},
  };
  int status = options_parse(command, help, specs, sizeof specs / sizeof *specs, argc, argv, NULL);
  if (status >= 0) return status;
  struct emulation *e = &r->emulation;
  *e = EMULATION_HARDWARE;
  r->threads = parallel_processors();
  if (!r->dir) return cli_usage(command, "--model is missing");
  if (!r->path) return cli_usage(command, "--text is missing");
  if (context &&
      (status = option_u64(command, "--context", context, 2, CONFIG_MAX_CTX, &r->context)))
    return status;
  if (limit && (status = option_u64(command, "--limit", limit, 2, UINT32_MAX, &r->limit)))
    return status;
  if (threads && (status = option_u64(command, "--threads", threads, 1, PARALLEL_MAX, &r->threads)))
    return status;
  if (group && !strcmp(group, "tensor")) {
    e->weight_tensor = r->emulated = true;
    group = NULL;
  }
  if (scale) {
    r->emulated = true;
    e->weight_least = !strcmp(scale, "least");
    e->weight_compensated = !strcmp(scale, "compensated");
    if (!e->weight_least && !e->weight_compensated && strcmp(scale, "max"))
      return cli_usage(command, "--weight-scale '%s': expected max, least or compensated", scale);
  }
  if ((status = option_width(r, "--weight-bits", weight, 2, 16, &e->weight_bits)) ||
      (status = option_width(r, "--weight-group", group, 0, 4096, &e->weight_group)) ||
      (status = option_width(r, "--activation-bits", activation, 4, 16, &e->activation_bits)) ||
      (status = option_width(r, "--activation-block", block, 1, 65536, &e->activation_block)) ||
      (status = option_width(r, "--kv-bits", kv, 2, 16, &e->kv_bits)) ||
      (status = option_width(r, "--residual-bits", residual, 2, 20, &e->residual_bits)) ||
      (status = option_width(r, "--exp-segments", exp, 1, 65536, &e->exp_segments)) ||
      (status = option_width(r, "--gelu-segments", gelu, 1, 65536, &e->gelu_segments)))
    return status;
  if (r->image_path && r->emulated)
    return cli_usage(command, "--image cannot be combined with an emulation, which has no image");
  if (e->weight_compensated && (e->weight_bits != 8 || e->weight_group || e->weight_tensor))
    return cli_usage(command, "--weight-scale compensated needs 8 bits and one scale per row");
  return -1;
}

// --------------------------------------------------------------------------------------------- run

static int open_worker(struct run *r, struct worker *w, struct err *err) {
  struct gpt2_float *other = NULL;
  if (!r->emulated) return compare_open(&w->compare, &r->weights, &r->image, NULL, err);
  if (gpt2_float_create(&other, &r->rounded, err) ||
      compare_open(&w->compare, &r->weights, NULL, other, err))
    return -1;
  return emulator_open(&w->emulator, &r->emulation, &r->weights.config, other, err);
}

static int work(void *ctx, size_t worker, size_t item, struct err *err) {
  struct run *r = ctx;
  const size_t begin = item * r->context, left = r->n_ids - begin;
  if (compare_result_create(&r->results[item], &r->weights.config, err)) return -1;
  return compare_run(&r->workers[worker].compare, r->ids + begin,
                     left < r->context ? left : r->context, &r->results[item], err);
}

static void finished(void *ctx, size_t item) {
  struct run *r = ctx;
  (void)item;
  progress_show(&r->progress, ++r->finished, NULL);
}

static int compare(struct run *r, struct err *err) {
  const struct parallel parallel = {work, finished, r};
  if (r->threads > r->n_windows) r->threads = r->n_windows;
  r->workers = calloc(r->threads, sizeof *r->workers);
  r->results = calloc(r->n_windows, sizeof *r->results);
  if (!r->workers || !r->results) return err_memory(err, "the results");
  for (size_t i = 0; i < r->threads; i++)
    if (open_worker(r, &r->workers[i], err)) return -1;
  progress_start(&r->progress, command, r->n_windows);
  const int result = parallel_run(&parallel, r->n_windows, r->threads, err);
  progress_end(&r->progress);
  if (result || compare_result_create(&r->all, &r->weights.config, err)) return -1;
  for (size_t i = 0; i < r->n_windows; i++) compare_result_merge(&r->all, &r->results[i]);
  return 0;
}

static int open_image(struct run *r, struct err *err) {
  const struct gpt2_config *c = &r->weights.config;
  const struct image_header *h = &r->image.header;
  if (!r->image_path) return model_image(&r->image, r->dir, 256, err);
  if (image_open(&r->image, r->image_path, IMAGE_CHECKED, err)) return -1;
  if (h->n_layer == c->n_layer && h->n_embd == c->n_embd && h->n_ctx == c->n_ctx &&
      h->vocab_size == c->vocab_size)
    return 0;
  return err_set(err, "%s: the image's shape differs from that of %s", r->image_path, r->dir);
}

static int run(struct run *r, struct err *err) {
  if (file_map_open(&r->file, r->path, err) || weights_load(&r->weights, r->dir, err)) return -1;
  const struct gpt2_config *config = &r->weights.config;
  if (!r->context) r->context = config->n_ctx;
  if (r->context > config->n_ctx)
    return err_set(err, "--context %" PRIu64 ": the model's context is %zu", r->context,
                   config->n_ctx);
  if (r->emulated ? emulate_weights(&r->rounded, &r->weights, &r->emulation, err)
                  : open_image(r, err))
    return -1;
  if (tokenizer_load(&r->tokenizer, r->dir, config->vocab_size, err) ||
      tokenizer_encode_part(r->tokenizer, (const char *)r->file.data, r->file.size, &r->ids,
                            &r->n_ids, err))
    return -1;
  if (r->limit && r->n_ids > r->limit) r->n_ids = r->limit;
  if (r->n_ids < 2)
    return err_set(err, "%s: %zu tokens, expected at least 2: the first has no loss", r->path,
                   r->n_ids);
  // A last window of one token would predict nothing.
  r->n_windows = r->n_ids / r->context + (r->n_ids % r->context > 1);
  if (compare(r, err)) return -1;
  const struct compare_about about = {
      .model = r->dir,
      .text = r->path,
      .context = r->context,
      .windows = r->n_windows,
      .emulation = r->emulated ? &r->emulation : NULL,
  };
  return r->json ? stdout_json(compare_json(&r->all, &about), err)
                 : compare_print(&r->all, &about, err);
}

int compare_main(int argc, char **argv) {
  struct run r = {0};
  struct err err;
  int status = parse(&r, argc, argv);
  if (status < 0) status = run(&r, &err) ? cli_fail(&err) : EXIT_DONE;
  for (size_t i = 0; r.workers && i < r.threads; i++) {
    compare_close(&r.workers[i].compare);
    emulator_close(&r.workers[i].emulator);
  }
  for (size_t i = 0; r.results && i < r.n_windows; i++) compare_result_free(&r.results[i]);
  compare_result_free(&r.all);
  free(r.workers);
  free(r.results);
  free(r.ids);
  tokenizer_free(r.tokenizer);
  file_map_close(&r.file);
  image_close(&r.image);
  weights_free(&r.weights);
  weights_free(&r.rounded);
  return status;
}
