// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "engine_options.h"
#include "file.h"
#include "npy.h"
#include "tensor_assembly.h"
#include "tensors.h"

static const char command[] = "dump";
static const char help[] =
    "gpt2rtl dump - writes an intermediate tensor of the hardware, the integer model or the float "
    "reference as a NumPy file\n\n"
    "usage: gpt2rtl dump --model DIR --ids 1,2,3 --tensor NAME --output FILE.npy [OPTION...]\n"
    "       gpt2rtl dump --model DIR --list\n\n"
    "  --model DIR         the model's folder\n"
    "  --image FILE        a memory image (gpt2rtl compile) instead of a folder; it fixes the "
    "lanes; not for --engine float\n"
    "  --ids 1,2,3         token ids, 1 to the model's context: T of them\n"
    "  --tensor NAME       Hugging Face's name, h.3.attn.c_attn; \"transformer.\" may precede it\n"
    "  --output FILE       float32, T rows; attention's scores and probs are [heads][T][T], with "
    "-inf and 0 where a position\n"
    "                      does not see another\n" OPTION_ENGINE_HELP
    "  --lanes L           64, 128, 256, ... 4096; default 256. The simulator with readable wires "
    "is built on first use\n"
    "  --memory SETTINGS   default latency=150,beats=1.0,stall=0.0 (gpt2rtl generate --help)\n"
    "  --positions N, --engines N, --folding N   hardware of these parameters (gpt2rtl generate "
    "--help)\n"
    "  --list              the names and shapes of all tensors (T from --ids, otherwise the "
    "context)\n"
    "  --json              describe the written file, or list, as JSON on standard output\n\n"
    "Rows, residuals and cached vectors are the integers times their unit, exact up to float32's "
    "24 bits. base/tensor.h has\n"
    "the formats. A name means the same with every engine.\n\n"
    "example: gpt2rtl dump --model models/demo --ids 12,7,300 --tensor h.3.attn.c_attn --engine "
    "golden --output qkv.npy\n";

struct dump {
  const char *dir, *image, *name, *path;
  bool list, json;
  enum engine_kind kind;
  uint32_t lanes, *ids;
  size_t n_ids;
  struct sim_memory memory;
  // derived
  struct gpt2_config config;
  enum tensor tensor;
  size_t layer, shape[3], rank;
  float *x;
  size_t positions;  // seen
};

// ----------------------------------------------------------------------------------------- options

static int parse(struct dump *d, int argc, char **argv) {
  const char *ids = NULL, *engine = NULL, *lanes = NULL, *memory = NULL;
  struct batch_text text = {NULL, NULL, NULL};
  struct estimate_batch batch;
  const struct option_spec specs[] = {
      {"--model", &d->dir, NULL},
      {"--image", &d->image, NULL},
      {"--ids", &ids, NULL},
      {"--tensor", &d->name, NULL},
      {"--output", &d->path, NULL},
      {"--engine", &engine, NULL},
      {"--lanes", &lanes, NULL},
      {"--memory", &memory, NULL},
      {"--list", NULL, &d->list},
      {"--json", NULL, &d->json},
      {"--positions", &text.positions, NULL},
      {"--engines", &text.engines, NULL},
      {"--folding", &text.folding, NULL},
  };
  struct err err;
  int status = options_parse(command, help, specs, sizeof specs / sizeof *specs, argc, argv, NULL);
  if (status >= 0) return status;
  d->lanes = 256;
  d->memory = SIM_MEMORY_DEFAULT;
  if (!d->dir == !d->image) return cli_usage(command, "one of --model and --image is needed");
  if (d->list && (d->name || d->path))
    return cli_usage(command, "--list cannot be combined with --tensor or --output");
  if (!d->list && !ids) return cli_usage(command, "--ids is missing");
  if (!d->list && !d->name)
    return cli_usage(command, "--tensor is missing; --list prints the names");
  if (!d->list && !d->path) return cli_usage(command, "--output is missing");
  if (engine && (status = option_engine(command, engine, &d->kind))) return status;
  if ((status = option_rtl(command, d->kind, lanes, memory, NULL))) return status;
  if ((status = option_machine(command, d->kind, &text, &batch))) return status;
  if (d->image && d->kind == ENGINE_FLOAT)
    return cli_usage(command, "--engine float needs --model: an image holds integers");
  if (d->image && lanes)
    return cli_usage(command, "--lanes goes with --model: an image has its own");
  if (lanes && (status = option_lanes(command, lanes, &d->lanes))) return status;
  if (memory && sim_memory_parse(&d->memory, memory, &err))
    return cli_usage(command, "--memory: %s", err.text);
  if (ids && (status = option_ids(command, "--ids", ids, &d->ids, &d->n_ids))) return status;
  return -1;
}

// ------------------------------------------------------------------------------------------ shapes

static bool is_square(enum tensor tensor) {
  return tensor == TENSOR_SCORES || tensor == TENSOR_PROBS;
}

// The shape of a tensor: T rows, or a square per head. Returns the number of elements.
static size_t find_shape(const struct gpt2_config *config, enum tensor tensor, size_t T,
                         size_t shape[3], size_t *rank) {
  *rank = is_square(tensor) ? 3 : 2;
  shape[0] = is_square(tensor) ? config->n_head : T;
  shape[1] = is_square(tensor) ? T : tensor_elements(config, tensor, 0);
  shape[2] = is_square(tensor) ? T : 1;
  return shape[0] * shape[1] * shape[2];
}

static cJSON *shape_json(const size_t shape[3], size_t rank) {
  cJSON *json = cJSON_CreateArray();
  for (size_t i = 0; i < rank; i++)
    cJSON_AddItemToArray(json, cJSON_CreateNumber((double)shape[i]));
  return json;
}

static int list(const struct dump *d, struct err *err) {
  cJSON *json = cJSON_CreateArray();
  for (size_t layer = 0; layer < d->config.n_layer; layer++) {
    for (int i = 0; i < TENSORS; i++) {
      const enum tensor tensor = (enum tensor)i;
      if (tensor_in_layer(tensor) ? false
                                  : layer != (tensor < TENSOR_LN_1 ? 0 : d->config.n_layer - 1))
        continue;
      char name[TENSOR_NAME_SIZE];
      size_t shape[3], rank;
      tensor_name(name, tensor, layer);
      find_shape(&d->config, tensor, d->n_ids ? d->n_ids : d->config.n_ctx, shape, &rank);
      cJSON *entry = cJSON_CreateObject();
      cJSON_AddStringToObject(entry, "tensor", name);
      cJSON_AddItemToObject(entry, "shape", shape_json(shape, rank));
      cJSON_AddItemToArray(json, entry);
      if (d->json) continue;
      if (rank == 3) printf("%-20s [%zu, %zu, %zu]\n", name, shape[0], shape[1], shape[2]);
      else printf("%-20s [%zu, %zu]\n", name, shape[0], shape[1]);
    }
  }
  if (d->json) return stdout_json(json, err);
  cJSON_Delete(json);
  return stdout_write("", 0, err);
}

// --------------------------------------------------------------------------------------------- run

static void observe(void *ctx, const struct tensor_place *place, const float *x, size_t n) {
  struct dump *d = ctx;
  if (place->tensor != d->tensor || place->layer != d->layer || place->position >= d->n_ids) return;
  d->positions++;
  const size_t t = place->position, T = d->n_ids;
  if (!is_square(d->tensor)) {
    memcpy(d->x + t * n, x, n * sizeof *x);
    return;
  }
  for (size_t h = 0; h < d->shape[0]; h++)
    memcpy(d->x + (h * T + t) * T, x + h * (t + 1), (t + 1) * sizeof *x);
}

// Makes the engine pass its tensors to observe.
static int observe_engine(struct dump *d, struct engine *engine, struct tensor_assembly *assembly,
                          struct tensor_observer *observer, struct err *err) {
  if (d->kind == ENGINE_FLOAT) {
    gpt2_float_observe(engine->state, observe, d);
    return 0;
  }
  if (d->kind != ENGINE_RTL)
    return tensor_assembly_golden(assembly, &engine->core, observe, d, err);
  if (tensor_assembly_open(assembly, &engine->image.header, observer, observe, d, err)) return -1;
  return sim_observe_tensors(engine->sim, observer, err);
}

static int fill(struct dump *d, struct engine *engine, struct err *err) {
  const struct controller_run run = {.prompt = d->ids,
                                     .n_prompt = d->n_ids,
                                     .all_heads =
                                         d->tensor == TENSOR_LN_F || d->tensor == TENSOR_LM_HEAD,
                                     .sampling = {.top_k = 1, .inv_t = 1, .state = 1}};
  struct tensor_assembly assembly = {0};
  struct tensor_observer observer = {0};
  uint64_t saturations;
  if (controller_check(&run, engine->n_ctx, engine->n_vocab, err)) return -1;
  const size_t count = find_shape(&d->config, d->tensor, d->n_ids, d->shape, &d->rank);
  d->x = malloc(count * sizeof *d->x);
  if (!d->x) return err_memory(err, "the tensor");
  for (size_t i = 0; i < count; i++) d->x[i] = d->tensor == TENSOR_SCORES ? -INFINITY : 0;
  int result = observe_engine(d, engine, &assembly, &observer, err);
  if (!result) result = engine_run(engine, &run, NULL, &saturations, err);
  tensor_assembly_close(&assembly);
  if (!result && d->positions != d->n_ids)
    return err_set(err, "%s: only %zu of %zu positions appeared on the wires", d->name,
                   d->positions, d->n_ids);
  return result;
}

static int report(const struct dump *d, struct err *err) {
  char name[TENSOR_NAME_SIZE];
  tensor_name(name, d->tensor, d->layer);
  if (!d->json) {
    if (d->rank == 3)
      cli_say("%s: %s [%zu, %zu, %zu], float32", d->path, name, d->shape[0], d->shape[1],
              d->shape[2]);
    else cli_say("%s: %s [%zu, %zu], float32", d->path, name, d->shape[0], d->shape[1]);
    return 0;
  }
  cJSON *json = cJSON_CreateObject();
  cJSON_AddStringToObject(json, "tensor", name);
  cJSON_AddStringToObject(json, "dtype", "float32");
  cJSON_AddItemToObject(json, "shape", shape_json(d->shape, d->rank));
  cJSON_AddStringToObject(json, "engine", engine_names[d->kind]);
  json_add_name(json, d->dir ? "model" : "image", d->dir ? d->dir : d->image);
  json_add_name(json, "output", d->path);
  return stdout_json(json, err);
}

static int run(struct dump *d, struct err *err) {
  struct engine engine = {0};
  struct staged output = {0};
  if (d->dir && config_read_folder(&d->config, d->dir, err)) return -1;
  if (d->image) {
    if (image_open(&engine.image, d->image, IMAGE_CHECKED, err)) return -1;
    d->config = image_config(&engine.image.header);
    image_close(&engine.image);
  }
  if (d->list) return list(d, err);
  if (tensor_find(&d->tensor, &d->layer, d->name, &d->config, err)) return -1;
  const struct engine_options options = {.lanes = d->lanes,
                                         .image = d->image,
                                         .memory = &d->memory,
                                         .build = SIM_WAVEFORM,
                                         .tensors = true,
                                         .note = cli_note};
  engine_say();
  int result = engine_open(&engine, d->kind, d->dir, &options, err);
  if (!result) result = fill(d, &engine, err);
  engine_close(&engine);
  if (!result) result = staged_open(&output, d->path, err);
  if (!result && npy_write(output.file, d->x, d->shape, d->rank))
    result = err_set(err, "%s: cannot be written: %s", d->path, strerror(errno));
  if (!result) result = staged_commit(&output, err);
  staged_discard(&output);
  return result ? -1 : report(d, err);
}

int dump_main(int argc, char **argv) {
  struct dump d = {0};
  struct err err = {""};
  int status = parse(&d, argc, argv);
  if (status < 0) status = run(&d, &err) ? cli_fail(&err) : EXIT_DONE;
  free(d.ids);
  free(d.x);
  return status;
}
