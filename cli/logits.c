// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "engine_options.h"

static const char command[] = "logits";
static const char help[] =
    "gpt2rtl logits - writes the logits after every position of a sequence\n\n"
    "usage: gpt2rtl logits (--model DIR | --image FILE) --ids 1,2,3 --output FILE [OPTION...]\n\n"
    "  --model DIR         the model's folder\n"
    "  --image FILE        a memory image (gpt2rtl compile) instead of a folder; it fixes the "
    "lanes; not for --engine float\n"
    "  --ids 1,2,3         token ids, 1 to the model's context\n"
    "  --output FILE       float32, little-endian: one row of the vocabulary per "
    "position\n" OPTION_ENGINE_HELP
    "  --lanes L           64, 128, 256, ... 4096; default 256\n" OPTION_FAST_HELP
    "  --memory SETTINGS   default latency=150,beats=1.0,stall=0.0 (gpt2rtl generate --help)\n"
    "  --positions N, --engines N, --folding N   hardware of these parameters (gpt2rtl generate "
    "--help). Only a batch's\n"
    "                      last position can have logits, so here each position goes through it "
    "alone\n"
    "  --json              describe the written file as JSON on standard output\n\n"
    "example: gpt2rtl logits --model models/demo --ids 12,7,300 --engine golden --output "
    "logits.f32\n";

struct writer {
  struct staged output;
  uint32_t n_vocab;
};

static int on_logits(void *ctx, const float *logits) {
  struct writer *w = ctx;
  return fwrite(logits, sizeof *logits, w->n_vocab, w->output.file) != w->n_vocab;
}

static int report(const char *model, size_t n_ids, uint32_t n_vocab, enum engine_kind kind,
                  const char *path, struct err *err) {
  const int shape[2] = {(int)n_ids, (int)n_vocab};
  cJSON *json = cJSON_CreateObject();
  json_add_name(json, "model", model);
  cJSON_AddStringToObject(json, "engine", engine_names[kind]);
  cJSON_AddStringToObject(json, "dtype", "float32");
  cJSON_AddItemToObject(json, "shape", cJSON_CreateIntArray(shape, 2));
  json_add_name(json, "output", path);
  return stdout_json(json, err);
}

static int run(const char *dir, const uint32_t *ids, size_t n_ids, enum engine_kind kind,
               const struct engine_options *options, const char *path, bool json, struct err *err) {
  struct engine engine;
  struct writer writer = {0};
  uint64_t saturations;
  int result = -1;
  engine_say();
  if (!engine_open(&engine, kind, dir, options, err)) {
    const struct controller_run run = {.prompt = ids,
                                       .n_prompt = n_ids,
                                       .all_heads = true,
                                       .ctx = &writer,
                                       .sampling = {.top_k = 1, .inv_t = 1, .state = 1}};
    writer.n_vocab = engine.n_vocab;
    if (!controller_check(&run, engine.n_ctx, engine.n_vocab, err) &&
        !staged_open(&writer.output, path, err)) {
      result = engine_run(&engine, &run, on_logits, &saturations, err);
      if (result && !err->text[0]) err_set(err, "%s: cannot be written: %s", path, strerror(errno));
      if (!result) result = staged_commit(&writer.output, err);
    }
  }
  staged_discard(&writer.output);
  engine_close(&engine);
  return result || !json
             ? result
             : report(dir ? dir : options->image, n_ids, writer.n_vocab, kind, path, err);
}

int logits_main(int argc, char **argv) {
  const char *dir = NULL, *ids_text = NULL, *engine = NULL, *lanes_text = NULL, *memory_text = NULL,
             *path = NULL;
  const char *threads = NULL, *vector = NULL;
  struct batch_text text = {NULL, NULL, NULL};
  struct estimate_batch batch;
  bool json = false;
  struct sim_memory memory = SIM_MEMORY_DEFAULT;
  struct engine_options options = {.lanes = 256,
                                   .memory = &memory,
                                   .build = SIM_FAST,
                                   .note = cli_note};
  const struct option_spec specs[] = {
      {"--image", &options.image, NULL},
      {"--json", NULL, &json},
      {"--model", &dir, NULL},
      {"--ids", &ids_text, NULL},
      {"--engine", &engine, NULL},
      {"--lanes", &lanes_text, NULL},
      {"--memory", &memory_text, NULL},
      {"--output", &path, NULL},
      {"--threads", &threads, NULL},
      {"--vector", &vector, NULL},
      {"--positions", &text.positions, NULL},
      {"--engines", &text.engines, NULL},
      {"--folding", &text.folding, NULL},
  };
  enum engine_kind kind = ENGINE_RTL;
  uint32_t *ids = NULL;
  size_t n_ids;
  struct err err = {""};
  int status = options_parse(command, help, specs, sizeof specs / sizeof *specs, argc, argv, NULL);
  if (status >= 0) return status;
  if (!dir && !options.image) return cli_usage(command, "--model is missing");
  if (dir && options.image) return cli_usage(command, "one of --model and --image is needed");
  if (options.image && lanes_text)
    return cli_usage(command, "--lanes goes with --model: an image has its own");
  if (!ids_text) return cli_usage(command, "--ids is missing");
  if (!path) return cli_usage(command, "--output is missing");
  if (engine && (status = option_engine(command, engine, &kind))) return status;
  if ((status = option_rtl(command, kind, lanes_text, memory_text, NULL))) return status;
  if ((status = option_machine(command, kind, &text, &batch))) return status;
  if (lanes_text && (status = option_lanes(command, lanes_text, &options.lanes))) return status;
  if (memory_text && sim_memory_parse(&memory, memory_text, &err))
    return cli_usage(command, "--memory: %s", err.text);
  if (options.image && kind == ENGINE_FLOAT)
    return cli_usage(command, "--engine float needs --model: an image holds integers");
  if ((status = option_fast(command, kind, threads, vector, &options.fast))) return status;
  if ((status = option_ids(command, "--ids", ids_text, &ids, &n_ids))) return status;
  status = run(dir, ids, n_ids, kind, &options, path, json, &err) ? cli_fail(&err) : EXIT_DONE;
  free(ids);
  return status;
}
