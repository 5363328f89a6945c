// SPDX-License-Identifier: Apache-2.0
#include "estimate.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "file.h"

static const char command[] = "estimate";
static const char help[] =
    "gpt2rtl estimate - estimates the speed of the hardware with a given memory and clock, without "
    "simulating it\n\n"
    "usage: gpt2rtl estimate [OPTION...]\n\n"
    "  --config C          gpt2, gpt2-medium, gpt2-large, gpt2-xl or nano; a model's folder; or a "
    "config.json. Default gpt2\n"
    "  --lanes L           multipliers of the hardware: 64, 128, 256, ... 4096; default 256\n"
    "  --memory P          ideal, ddr4-2400, 4xddr4-2400, hbm2-u50, hbm2-u280, ulx3s, ecpix5, or "
    "in cycles as for "
    "generate; default\n"
    "                      latency=150,beats=1.0\n"
    "  --clock MHZ         of the hardware, 1 to 2000; default 250\n"
    "  --context N         positions already cached; default: those of 1, 128, 512 and 1023 that "
    "the model has\n"
    "  --greedy            takes the most likely token instead of drawing from the 40 most likely\n"
    "  --positions N       also estimates hardware that runs N positions of a prompt, or a token "
    "of N sequences, together: 1, 2,\n"
    "                      4, 8 or 16; default 1\n"
    "  --engines N         of which N meet a beat in the same cycle, 1, 2, 4, ... positions; "
    "default: all\n"
    "  --folding N         multipliers are lanes / N, and hold a beat for N cycles: 1, 2, 4, 8 or "
    "16; default 1\n"
    "  --json              as JSON\n\n"
    "The floor is the time to read every weight and every cached key and value once, with all "
    "lanes. For the 124M shape at 64\n"
    "to 1024 lanes the cycles are within 1 % of the simulation's (docs/performance.md).\n\n"
    "example: gpt2rtl estimate --memory hbm2-u280 --clock 300 --lanes 1024\n";

struct asked {
  const char *name;
  struct gpt2_config config;
  uint32_t lanes, top_k;
  struct sim_memory memory;
  struct estimate_batch batch;
  uint32_t contexts[4];
  size_t n_contexts;
};

// Reads a configuration by its name, or from a folder or a file.
static int read_config(struct gpt2_config *config, const char *name, struct err *err) {
  char path[FILE_PATH_SIZE];
  struct stat st;
  if (stat(name, &st)) return config_named(config, name, err);
  if (!S_ISDIR(st.st_mode)) return config_read(config, name, err);
  return file_join(path, name, "config.json", err) ? -1 : config_read(config, path, err);
}

// The cause of the most cycles beyond the floor.
static const char *binds(const struct estimate *e) {
  static const char *const text[ESTIMATE_CAUSES] = {
      "the memory's bandwidth",
      "the memory's latency",
      "LayerNorm",
      "softmax",
      "the hand-over between units",
      "sampling",
  };
  size_t most = 0;
  double idle = 0;
  for (size_t i = 0; i < ESTIMATE_CAUSES; i++) {
    idle += e->idle[i];
    if (e->idle[i] > e->idle[most]) most = i;
  }
  return idle > 0.1 * e->cycles ? text[most] : "the engine";
}

static int print_text(const struct asked *a, struct err *err) {
  const struct estimate_batch alone = {1, 1, a->batch.folding};
  char text[4096];
  int n =
      snprintf(text, sizeof text,
               "%s: %zu layers, %zu heads, width %zu, vocabulary %zu\n"
               "%u lanes at %g MHz, latency %u cycles, %.4g beats per cycle",
               a->name, a->config.n_layer, a->config.n_head, a->config.n_embd, a->config.vocab_size,
               a->lanes, a->memory.clock, a->memory.latency, a->memory.beats);
  if (a->memory.preset)
    n +=
        snprintf(text + n, sizeof text - (size_t)n, " (%s: %g GB/s, %.1f %% of it in order, %g ns)",
                 a->memory.preset->name, a->memory.preset->peak, 100 * a->memory.preset->efficiency,
                 a->memory.preset->latency);
  n += snprintf(text + n, sizeof text - (size_t)n, "\n\n%7s %12s %9s %7s   idle for", "context",
                "cycles/token", "tokens/s", "floor");
  for (int i = 0; i < ESTIMATE_CAUSES; i++)
    n += snprintf(text + n, sizeof text - (size_t)n, " %10s", estimate_cause_names[i]);
  n += snprintf(text + n, sizeof text - (size_t)n, "   bound by\n");
  for (size_t i = 0; i < a->n_contexts; i++) {
    struct estimate e;
    estimate_tokens(&e, &a->config, a->lanes, a->contexts[i], &alone, &a->memory, a->top_k);
    n += snprintf(text + n, sizeof text - (size_t)n, "%7u %12.0f %9.4g %5.1f %%           ",
                  a->contexts[i], e.cycles, a->memory.clock * 1e6 / e.cycles,
                  100 * e.floor / e.cycles);
    for (int c = 0; c < ESTIMATE_CAUSES; c++)
      n += snprintf(text + n, sizeof text - (size_t)n, " %10.0f", e.idle[c]);
    n += snprintf(text + n, sizeof text - (size_t)n, "   %s\n", binds(&e));
  }
  if (a->batch.positions > 1)
    n += snprintf(text + n, sizeof text - (size_t)n,
                  "\n%u positions of a prompt, or tokens of as many sequences, together, %u in a "
                  "cycle\n%7s %15s %12s %12s %9s\n",
                  a->batch.positions, a->batch.engines, "context", "cycles/position", "positions/s",
                  "cycles/token", "tokens/s");
  for (size_t i = 0; a->batch.positions > 1 && i < a->n_contexts; i++) {
    struct estimate e, t;
    const double positions = a->batch.positions, hz = a->memory.clock * 1e6;
    estimate_prompt(&e, &a->config, a->lanes, a->contexts[i], &a->batch, &a->memory);
    estimate_tokens(&t, &a->config, a->lanes, a->contexts[i], &a->batch, &a->memory, a->top_k);
    n += snprintf(text + n, sizeof text - (size_t)n, "%7u %15.0f %12.4g %12.0f %9.4g\n",
                  a->contexts[i], e.cycles / positions, hz * positions / e.cycles,
                  t.cycles / positions, hz * positions / t.cycles);
  }
  return stdout_write(text, (size_t)n, err);
}

static int print_json(const struct asked *a, struct err *err) {
  const struct estimate_batch alone = {1, 1, a->batch.folding};
  cJSON *json = cJSON_CreateObject();
  json_add_name(json, "config", a->name);
  if (a->memory.preset) cJSON_AddStringToObject(json, "memory", a->memory.preset->name);
  else cJSON_AddNullToObject(json, "memory");
  cJSON_AddNumberToObject(json, "latency", a->memory.latency);
  cJSON_AddNumberToObject(json, "beats", a->memory.beats);
  cJSON_AddNumberToObject(json, "clock_mhz", a->memory.clock);
  cJSON_AddNumberToObject(json, "lanes", a->lanes);
  cJSON_AddNumberToObject(json, "positions", a->batch.positions);
  cJSON_AddNumberToObject(json, "engines", a->batch.engines);
  cJSON_AddNumberToObject(json, "folding", a->batch.folding);
  cJSON *list = cJSON_AddArrayToObject(json, "estimates");
  for (size_t i = 0; i < a->n_contexts; i++) {
    struct estimate e;
    cJSON *entry = cJSON_CreateObject(), *idle;
    estimate_tokens(&e, &a->config, a->lanes, a->contexts[i], &alone, &a->memory, a->top_k);
    cJSON_AddItemToArray(list, entry);
    cJSON_AddNumberToObject(entry, "context", a->contexts[i]);
    cJSON_AddNumberToObject(entry, "cycles", e.cycles);
    cJSON_AddNumberToObject(entry, "floor", e.floor);
    cJSON_AddNumberToObject(entry, "tokens_per_second", a->memory.clock * 1e6 / e.cycles);
    cJSON_AddStringToObject(entry, "bound_by", binds(&e));
    idle = cJSON_AddObjectToObject(entry, "idle");
    for (int c = 0; c < ESTIMATE_CAUSES; c++)
      cJSON_AddNumberToObject(idle, estimate_cause_names[c], e.idle[c]);
    estimate_prompt(&e, &a->config, a->lanes, a->contexts[i], &a->batch, &a->memory);
    cJSON_AddNumberToObject(entry, "prompt_cycles", e.cycles / a->batch.positions);
    estimate_tokens(&e, &a->config, a->lanes, a->contexts[i], &a->batch, &a->memory, a->top_k);
    cJSON_AddNumberToObject(entry, "together_cycles", e.cycles / a->batch.positions);
  }
  return stdout_json(json, err);
}

int estimate_main(int argc, char **argv) {
  static const uint32_t usual[] = {1, 128, 512, 1023};
  struct asked a = {.name = NULL, .lanes = 256, .top_k = 40, .memory = SIM_MEMORY_DEFAULT};
  const char *lanes = NULL, *memory = NULL, *clock = NULL, *context = NULL;
  struct batch_text text = {NULL, NULL, NULL};
  bool json = false, greedy = false;
  const struct option_spec specs[] = {
      {"--config", &a.name, NULL},
      {"--lanes", &lanes, NULL},
      {"--memory", &memory, NULL},
      {"--clock", &clock, NULL},
      {"--context", &context, NULL},
      {"--greedy", NULL, &greedy},
      {"--json", NULL, &json},
      {"--positions", &text.positions, NULL},
      {"--engines", &text.engines, NULL},
      {"--folding", &text.folding, NULL},
  };
  struct err err;
  int status = options_parse(command, help, specs, sizeof specs / sizeof *specs, argc, argv, NULL);
  if (status >= 0) return status;
  if (!a.name) a.name = "gpt2";
  if (lanes && (status = option_lanes(command, lanes, &a.lanes))) return status;
  if ((status = option_batch(command, &text, &a.batch))) return status;
  if (memory && sim_memory_parse(&a.memory, memory, &err))
    return cli_usage(command, "--memory: %s", err.text);
  if (clock && (status = option_double(command, "--clock", clock, 1, 2000, &a.memory.clock)))
    return status;
  if (a.memory.stall > 0) return cli_usage(command, "--memory: stalls are not estimated");
  if (read_config(&a.config, a.name, &err)) return cli_fail(&err);
  if (greedy) a.top_k = 1;
  sim_memory_resolve(&a.memory, a.lanes);
  if (context) {
    uint64_t n;
    if ((status = option_u64(command, "--context", context, 0, a.config.n_ctx - 1, &n)))
      return status;
    a.contexts[a.n_contexts++] = (uint32_t)n;
  } else {
    for (size_t i = 0; i < 4; i++)
      if (usual[i] < a.config.n_ctx) a.contexts[a.n_contexts++] = usual[i];
  }
  return (json ? print_json(&a, &err) : print_text(&a, &err)) ? cli_fail(&err) : EXIT_DONE;
}
