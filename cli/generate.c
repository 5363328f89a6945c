// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine.h"
#include "file.h"
#include "stats.h"
#include "tokenizer.h"
#include "trace.h"

static const char command[] = "generate";
static const char help[] =
  "gpt2rtl generate - continues a text; what is generated, and nothing else, goes to standard output as it is made\n"
  "\n"
  "usage: gpt2rtl generate --model DIR (--prompt TEXT | --ids 1,2,3) [OPTION...]\n"
  "\n"
  "  --model DIR         the model's folder\n"
  "  --prompt TEXT       what to continue; an empty text starts from the end-of-text token\n"
  "  --ids 1,2,3         the same as token ids\n"
  "  --tokens N          how many tokens to generate, 1 to 1000000; default 100. When the context is full, its newest\n"
  "                      half is computed again\n"
  "  --ignore-eos        go on behind the end-of-text token (config.json's eos_token_id)\n"
  "  --engine E          rtl: the simulated hardware, the default; golden: the same integers in C, the same tokens;\n"
  "                      golden-readable: the same again, by the code that the hardware is compared with, slower;\n"
  "                      float: the reference in float32\n"
  "  --temperature T     0 takes the likeliest token each time; 0.01 to 100 draws. Default 0, or 1 with --top-k or --seed\n"
  "  --top-k K           draw among the K likeliest, 1 to 64; default 40\n"
  "  --seed S            of the drawing, 0 to 2^64 - 1; default: from the clock, and printed\n"
  "  --lanes L           multipliers of the hardware: 64, 128, 256, ... 4096; default 256. Others than 64, 256 and 1024\n"
  "                      are made on first use: a minute or more\n"
  OPTION_FAST_HELP
  "  --memory SETTINGS   of the simulated memory; default latency=150,beats=1.0,stall=0.0: cycles from request to answer\n"
  "                      (1 to 100000), beats a cycle (0.001 to 1), probability that none comes in a cycle (0 to 0.95);\n"
  "                      or a real one in place of the first two: ideal, ddr4-2400, 4xddr4-2400, hbm2-u50, hbm2-u280\n"
  "  --clock MHZ         at which such a memory is seen, 1 to 2000; default 250\n"
  "  --stats FILE        write what happened at each position, as JSON\n"
  TRACE_HELP
  "\n"
  "The last line on standard error: tokens, cycles a token, simulated cycles a second, tokens a second. The memory image\n"
  "is made on first use and kept in $XDG_CACHE_HOME/gpt2rtl or ~/.cache/gpt2rtl.\n"
  "\n"
  "example: gpt2rtl generate --model models/demo --prompt 'Once upon a time' --tokens 200 --temperature 0.8 --seed 7\n";

struct generate {
  // as given
  const char *dir, *prompt, *stats_path;
  struct trace_options trace;
  bool ignore_eos;
  enum engine_kind kind;
  uint32_t lanes, tokens;
  uint64_t seed;
  bool draws, seed_given;
  struct sim_memory memory;
  struct fast_options fast;
  // made from it
  struct gpt2_config config;
  struct tokenizer *tokenizer;
  struct tokenizer_decoder decoder;
  char *text;                              // room for one push
  uint32_t *ids;
  size_t n_ids;
  struct sampling sampling;
  struct engine engine;
  struct output stats_file;
  struct stats stats;
  struct err *err;
};

// ------------------------------------------------------------------------------------------------------------- options

static int parse_sampling(struct generate *g, const char *temperature, const char *top_k, const char *seed) {
  double t = top_k || seed ? 1 : 0;
  uint64_t k = 40;
  int status;
  if (temperature) {
    if ((status = option_double(command, "--temperature", temperature, 0, 100, &t))) return status;
    if (t > 0 && t < 0.01) return cli_usage(command, "--temperature '%s': 0, or 0.01 to 100, is expected", temperature);
  }
  if (top_k && (status = option_u64(command, "--top-k", top_k, 1, MAX_TOP_K, &k))) return status;
  if (seed && (status = option_u64(command, "--seed", seed, 0, UINT64_MAX, &g->seed))) return status;
  g->seed_given = seed != NULL;
  g->draws = t > 0 && k > 1;
  if (!g->seed_given) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    g->seed = (sampling_seed((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec) ^ (uint64_t)getpid()) % 1000000000u;
  }
  g->sampling.top_k = g->draws ? (uint32_t)k : 1;
  g->sampling.inv_t = sampling_inv_t(g->draws ? t : 1);
  g->sampling.state = sampling_seed(g->seed);
  return 0;
}

// -1 to go on, or the exit status.
static int parse(struct generate *g, int argc, char **argv) {
  const char *ids = NULL, *tokens = NULL, *engine = NULL, *temperature = NULL, *top_k = NULL, *seed = NULL, *lanes = NULL;
  const char *memory = NULL, *clock = NULL, *threads = NULL, *vector = NULL;
  const struct option_spec specs[] = {
    {"--model", &g->dir, NULL}, {"--prompt", &g->prompt, NULL}, {"--ids", &ids, NULL}, {"--tokens", &tokens, NULL},
    {"--engine", &engine, NULL}, {"--temperature", &temperature, NULL}, {"--top-k", &top_k, NULL},
    {"--seed", &seed, NULL}, {"--lanes", &lanes, NULL}, {"--memory", &memory, NULL}, {"--clock", &clock, NULL},
    {"--stats", &g->stats_path, NULL}, {"--ignore-eos", NULL, &g->ignore_eos}, TRACE_SPECS(g->trace),
    {"--threads", &threads, NULL}, {"--vector", &vector, NULL},
  };
  struct err err;
  uint64_t n = 100;
  int status = options_parse(command, help, specs, sizeof specs / sizeof *specs, argc, argv, NULL);
  if (status >= 0) return status;
  g->lanes = 256;
  g->memory = SIM_MEMORY_DEFAULT;
  if (!g->dir) return cli_usage(command, "--model is missing");
  if (!g->prompt == !ids) return cli_usage(command, "one of --prompt and --ids is needed");
  if (engine && (status = option_engine(command, engine, &g->kind))) return status;
  if (tokens && (status = option_u64(command, "--tokens", tokens, 1, 1000000, &n))) return status;
  g->tokens = (uint32_t)n;
  if (lanes && (status = option_lanes(command, lanes, &g->lanes))) return status;
  if (memory && sim_memory_parse(&g->memory, memory, &err)) return cli_usage(command, "--memory: %s", err.text);
  if (clock && (status = option_double(command, "--clock", clock, 1, 2000, &g->memory.clock))) return status;
  sim_memory_resolve(&g->memory, g->lanes);
  if ((status = parse_sampling(g, temperature, top_k, seed))) return status;
  if ((status = option_fast(command, g->kind, threads, vector, &g->fast))) return status;
  if ((status = trace_parse(command, &g->trace))) return status;
  if (g->trace.path && g->kind != ENGINE_RTL) return cli_usage(command, "--trace needs --engine rtl");
  if (ids && (status = option_ids(command, "--ids", ids, &g->ids, &g->n_ids))) return status;
  return -1;
}

// --------------------------------------------------------------------------------------------------------------- model

// An empty prompt is the end-of-text token.
static int start_from_eos(struct generate *g, struct err *err) {
  uint32_t eos = g->config.eos_token_id;
  if (eos == CONFIG_NO_TOKEN) eos = tokenizer_end_of_text(g->tokenizer);
  if (eos == TOKENIZER_NO_TOKEN) return err_set(err, "%s: the model has no end-of-text token to start from: give a prompt", g->dir);
  free(g->ids);
  g->ids = calloc(1, sizeof *g->ids);
  if (!g->ids) return err_memory(err, "the prompt");
  g->ids[0] = eos;
  g->n_ids = 1;
  return 0;
}

static int load(struct generate *g, struct err *err) {
  char path[FILE_PATH_SIZE];
  if (file_join(path, g->dir, "config.json", err) || config_read(&g->config, path, err) ||
      tokenizer_load(&g->tokenizer, g->dir, g->config.vocab_size, err))
    return -1;
  if (g->prompt && tokenizer_encode(g->tokenizer, g->prompt, strlen(g->prompt), &g->ids, &g->n_ids, err)) return -1;
  if (g->n_ids == 0 && start_from_eos(g, err)) return -1;
  g->text = malloc(tokenizer_push_room(g->tokenizer));
  if (!g->text) return err_memory(err, "a token's text");
  const struct controller_run run = {.prompt = g->ids, .n_prompt = g->n_ids};
  if (controller_check(&run, (uint32_t)g->config.n_ctx, (uint32_t)g->config.vocab_size, err)) return -1;
  if (g->stats_path && output_open(&g->stats_file, g->stats_path, err)) return -1;
  const bool traces = g->trace.path != NULL;
  const struct engine_options options = {
    .lanes = g->lanes, .memory = &g->memory, .build = traces ? SIM_TRACE : SIM_FAST, .fast = g->fast,
  };
  if (engine_open(&g->engine, g->kind, g->dir, &options, err)) return -1;
  return traces ? trace_start(&g->engine, &g->trace, g->n_ids, g->tokens, err) : 0;
}

// ----------------------------------------------------------------------------------------------------------------- run

static bool stops(const struct generate *g, uint32_t id) { return !g->ignore_eos && id == g->config.eos_token_id; }

static int on_token(void *ctx, uint32_t id) {
  struct generate *g = ctx;
  g->stats.generated++;
  if (stops(g, id)) return 0;              // the end of the text is no part of it
  const size_t n = tokenizer_push(g->tokenizer, &g->decoder, id, g->text);
  return n && stdout_write(g->text, n, g->err);
}

static int on_step(void *ctx, const struct controller_step *step) {
  struct generate *g = ctx;
  return stats_add(&g->stats, step, engine_cycles(&g->engine), g->err);
}

static int run(struct generate *g, struct err *err) {
  struct err stopped = {""};
  char rest[TOKENIZER_HELD];
  uint64_t saturations;
  g->err = &stopped;
  const struct controller_run run = {
    .prompt = g->ids, .n_prompt = g->n_ids, .max_new = g->tokens,
    .stop_enabled = !g->ignore_eos && g->config.eos_token_id != CONFIG_NO_TOKEN, .stop_id = g->config.eos_token_id,
    .sampling = g->sampling, .ctx = g, .token = on_token, .step = on_step,
  };
  if (g->draws && !g->seed_given) fprintf(stderr, "gpt2rtl: --seed %llu\n", (unsigned long long)g->seed);
  stats_start(&g->stats);
  if (engine_run(&g->engine, &run, NULL, &saturations, err)) {
    if (!err->text[0]) *err = stopped;     // a callback ended it
    return -1;
  }
  const size_t n = tokenizer_flush(&g->decoder, rest);
  if (stdout_write(rest, n, err)) return -1;
  if (isatty(STDOUT_FILENO)) stdout_write("\n", 1, err);
  if (saturations)
    fprintf(stderr, "gpt2rtl: %llu numbers were too large for their format and were cut: the result is not exact\n",
            (unsigned long long)saturations);
  return 0;
}

static int write_stats(struct generate *g, struct err *err) {
  const bool image = g->kind != ENGINE_FLOAT, cycles = g->kind == ENGINE_RTL;
  char memory[128];
  sim_memory_print(memory, &g->memory);
  struct sim_counters counters;
  if (cycles && engine_counters(&g->engine, &counters, err)) return -1;
  const struct stats_about about = {
    .model = g->dir, .engine = engine_names[g->kind], .checksum = image ? &g->engine.image.header.checksum : NULL,
    .lanes = image ? g->lanes : 0, .memory = cycles ? memory : NULL, .seed = g->draws ? &g->seed : NULL,
    .cycles = cycles, .shape = cycles ? &g->engine.image.header : NULL, .counters = cycles ? &counters : NULL,
  };
  stats_summary(&g->stats, &about);
  if (!g->stats_path) return 0;
  stats_write(&g->stats, &about, g->stats_file.file);
  return output_close(&g->stats_file, err);
}

int generate_main(int argc, char **argv) {
  struct generate g = {0};
  struct err err = {""};
  int status = parse(&g, argc, argv);
  if (status < 0) status = load(&g, &err) || run(&g, &err) || write_stats(&g, &err) ? cli_fail(&err) : EXIT_DONE;
  output_discard(&g.stats_file);
  engine_close(&g.engine);
  stats_free(&g.stats);
  tokenizer_free(g.tokenizer);
  free(g.text);
  free(g.ids);
  return status;
}
