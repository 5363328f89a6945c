// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine.h"
#include "file.h"
#include "interrupt.h"
#include "host_sampling.h"
#include "stats.h"
#include "stop_text.h"
#include "tensor_assembly.h"
#include "tokenizer.h"
#include "top.h"
#include "timeline_request.h"
#include "waveform_request.h"

static const char command[] = "generate";
static const char help[] =
    "gpt2rtl generate - continues a text; only what is generated goes to standard output, as it is "
    "made\n\n"
    "usage: gpt2rtl generate --model DIR (--prompt TEXT | --prompt-file FILE | --ids 1,2,3) "
    "[OPTION...]\n"
    "       gpt2rtl generate --image FILE (--ids 1,2,3 | --model DIR --prompt TEXT) [OPTION...]\n\n"
    "  --model DIR         the model's folder\n"
    "  --image FILE        run from this memory image (gpt2rtl compile); --model then gives the "
    "tokenizer and what ends a\n"
    "                      text; without it ids go in and come out, and only the image's stop id "
    "ends a text\n"
    "  --prompt TEXT       what to continue; an empty text starts from the model's bos_token_id\n"
    "  --prompt-file FILE  the same from a file, all its bytes, including a final line end; - is "
    "standard input\n"
    "  --ids 1,2,3         the same as token ids; if the folder has no tokenizer, ids come out "
    "too\n"
    "  --tokens N          how many tokens to generate, 1 to 1000000; default 100. When the "
    "context is full, its newest\n"
    "                      half is computed again\n"
    "  --ignore-eos        continue after the end-of-text token (eos_token_id, one or several, of "
    "generation_config.json\n"
    "                      or, if there is none, config.json)\n"
    "  --stop TEXT         end before this text, wherever its tokens end; up to 16 times. The "
    "first to be complete counts\n" OPTION_ENGINE_HELP
    "  --temperature T     0 takes the most likely token each time; 0.01 to 100 draws. Default 0, "
    "or 1 with --top-k, --top-p or\n"
    "                      --seed\n"
    "  --top-k K           draw among the K most likely, 1 to 64; default 40, or all with --top-p\n"
    "  --top-p P           draw among the most likely that together have this probability, 0.001 "
    "to 1; not in the hardware:\n"
    "                      golden, golden-readable and float take it; with --top-k and 1 they draw "
    "the hardware's ids\n"
    "  --repetition-penalty R\n"
    "                      the logits of ids that have occurred, also in the prompt, are divided "
    "by R if they are positive\n"
    "                      and multiplied by it if they are negative, 0.1 to 10; the same engines\n"
    "  --seed S            of the random draws, 0 to 2^64 - 1; default: from the clock, and "
    "printed\n"
    "  --lanes L           multipliers of the hardware: 64, 128, 256, ... 4096; default 256. "
    "Simulators for other\n"
    "                      numbers than 64, 256 and 1024 are made on first use: a minute or "
    "more\n" OPTION_FAST_HELP "  --memory SETTINGS   of the simulated memory; default "
    "latency=150,beats=1.0,stall=0.0: cycles from request to answer\n"
    "                      (1 to 100000), beats a cycle (0.001 to 1), probability that none comes "
    "in a cycle (0 to 0.95);\n"
    "                      or, instead of the first two, a real one: ideal, ddr4-2400, "
    "4xddr4-2400, hbm2-u50, hbm2-u280\n"
    "  --bus axi           the hardware behind AXI (gpt2_axi), run by its driver as in a system; "
    "axi:2x1024 names its memory\n"
    "                      ports, their number and bits; default: as few as carry a beat a cycle\n"
    "  --clock MHZ         of the hardware, for a real memory, 1 to 2000; default 250\n"
    "  --top N             at each step the N most likely tokens, 1 to 100: probability among all "
    "tokens at the temperature (1 if\n"
    "                      nothing is drawn), probability of being drawn, id, text; a star at the "
    "choice. The text comes last\n"
    "  --json              one JSON object instead of the text, at the end; with --top the "
    "candidates are in it\n"
    "  --stats FILE        write what happened at each position, as JSON\n" WAVEFORM_HELP
        TIMELINE_HELP "\n"
    "The last line on standard error: tokens, cycles a token, simulated cycles a second, tokens a "
    "second. The memory image\n"
    "is made on first use and kept in $XDG_CACHE_HOME/gpt2rtl or ~/.cache/gpt2rtl. Interrupted "
    "(SIGINT, SIGTERM, SIGHUP), it\n"
    "says on standard error how far it came, and keeps the waveform up to that point; a second "
    "signal ends it at once.\n\n"
    "example: gpt2rtl generate --model models/demo --prompt 'Once upon a time' --tokens 200 "
    "--temperature 0.8 --seed 7\n";

struct generate {
  // as given
  const char *dir, *image, *prompt, *prompt_file, *stats_path;
  const char *stop_texts[OPTION_MANY + 1];
  struct waveform_request waveform;
  struct timeline_request timeline;
  bool ignore_eos, json, host;  // host: what the hardware's sampler has not is asked for
  size_t top;                   // candidates, 0: none
  double temperature, top_p, penalty;
  uint32_t top_k;  // 0: all
  enum engine_kind kind;
  uint32_t lanes, tokens;
  uint64_t seed;
  bool draws, seed_given;
  struct sim_memory memory;
  const char *bus;  // NULL, or "axi", or "axi:" and the ports:
  struct axi_ports ports;
  struct fast_options fast;
  // made from it
  struct gpt2_config config;
  struct tokenizer *tokenizer;
  struct tokenizer_decoder decoder;
  char *text;  // room for one push
  uint32_t *ids;
  size_t n_ids;
  struct sampling sampling;
  struct host_sampling host_sampling;
  float *penalised;  // [V] its logits, for --top
  struct stop_text stop;
  struct engine engine;
  struct staged stats_file;
  struct stats stats;
  char *held;  // text that is shown at the end
  size_t n_held, held_room;
  cJSON *new_ids, *steps;  // for --json
  enum { END_LENGTH, END_EOS, END_TEXT } ending;
  struct err *err;
};

// ----------------------------------------------------------------------------------------- options

static int parse_sampling(struct generate *g, const char *temperature, const char *top_k,
                          const char *top_p, const char *penalty, const char *seed) {
  double t = top_k || top_p || seed ? 1 : 0;
  uint64_t k = 40;
  int status;
  if (temperature) {
    if ((status = option_double(command, "--temperature", temperature, 0, 100, &t))) return status;
    if (t > 0 && t < 0.01)
      return cli_usage(command, "--temperature '%s': expected 0, or 0.01 to 100", temperature);
  }
  if (top_k && (status = option_u64(command, "--top-k", top_k, 1, MAX_TOP_K, &k))) return status;
  if (seed && (status = option_u64(command, "--seed", seed, 0, UINT64_MAX, &g->seed)))
    return status;
  g->top_p = g->penalty = 1;
  if (top_p && (status = option_double(command, "--top-p", top_p, 0.001, 1, &g->top_p)))
    return status;
  if (penalty &&
      (status = option_double(command, "--repetition-penalty", penalty, 0.1, 10, &g->penalty)))
    return status;
  if (top_p && t <= 0)
    return cli_usage(command, "--top-p draws, and --temperature 0 does not: give one of them");
  g->host = top_p || penalty;
  if (g->host && g->kind == ENGINE_RTL)
    return cli_usage(command,
                     "%s needs --engine golden, golden-readable or float: the hardware draws by "
                     "temperature and top-k alone",
                     top_p ? "--top-p" : "--repetition-penalty");
  g->seed_given = seed != NULL;
  g->draws = t > 0 && k > 1;
  g->temperature = g->draws ? t : 1;
  if (!g->seed_given) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    g->seed = (sampling_seed((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec) ^
               (uint64_t)getpid()) %
              1000000000u;
  }
  g->sampling.top_k = g->draws ? (uint32_t)k : 1;
  g->top_k = g->draws && top_p && !top_k ? 0 : g->sampling.top_k;
  g->sampling.inv_t = sampling_inv_t(g->temperature);
  g->sampling.state = sampling_seed(g->seed);
  return 0;
}

// -1 to go on, or the exit status.
static int parse(struct generate *g, int argc, char **argv) {
  const char *ids = NULL, *tokens = NULL, *engine = NULL, *temperature = NULL, *top_k = NULL,
             *seed = NULL, *lanes = NULL;
  const char *memory = NULL, *clock = NULL, *threads = NULL, *vector = NULL, *top = NULL,
             *top_p = NULL, *penalty = NULL;
  bool stops = false;
  const struct option_spec specs[] = {
      {"--model", &g->dir, NULL},
      {"--prompt", &g->prompt, NULL},
      {"--ids", &ids, NULL},
      {"--tokens", &tokens, NULL},
      {"--bus", &g->bus, NULL},
      {"--engine", &engine, NULL},
      {"--temperature", &temperature, NULL},
      {"--top-k", &top_k, NULL},
      {"--seed", &seed, NULL},
      {"--lanes", &lanes, NULL},
      {"--memory", &memory, NULL},
      {"--clock", &clock, NULL},
      {"--stats", &g->stats_path, NULL},
      {"--ignore-eos", NULL, &g->ignore_eos},
      WAVEFORM_SPECS(g->waveform),
      TIMELINE_SPECS(g->timeline),
      {"--threads", &threads, NULL},
      {"--vector", &vector, NULL},
      {"--image", &g->image, NULL},
      {"--top", &top, NULL},
      {"--json", NULL, &g->json},
      {"--prompt-file", &g->prompt_file, NULL},
      {"--stop", g->stop_texts, &stops},
      {"--top-p", &top_p, NULL},
      {"--repetition-penalty", &penalty, NULL},
  };
  struct err err;
  uint64_t n = 100, n_top = 0;
  int status = options_parse(command, help, specs, sizeof specs / sizeof *specs, argc, argv, NULL);
  if (status >= 0) return status;
  g->lanes = 256;
  g->memory = SIM_MEMORY_DEFAULT;
  if (!g->dir && !g->image) return cli_usage(command, "--model is missing");
  if (!g->dir && (g->prompt || g->prompt_file || stops))
    return cli_usage(command, "%s needs --model for its tokenizer; --ids does without",
                     g->prompt        ? "--prompt"
                     : g->prompt_file ? "--prompt-file"
                                      : "--stop");
  for (size_t i = 0; g->stop_texts[i]; i++)
    if (!*g->stop_texts[i]) return cli_usage(command, "--stop '': expected a text");
  if (g->image && lanes)
    return cli_usage(command, "--lanes goes with --model: an image has its own");
  if (!!g->prompt + !!g->prompt_file + !!ids != 1)
    return cli_usage(command, "one of --prompt, --prompt-file and --ids is needed");
  if (engine && (status = option_engine(command, engine, &g->kind))) return status;
  if ((status = option_rtl(command, g->kind, lanes, memory, clock))) return status;
  if (g->bus && g->kind != ENGINE_RTL) return cli_usage(command, "--bus needs --engine rtl");
  if (g->bus && strcmp(g->bus, "axi") && strncmp(g->bus, "axi:", 4))
    return cli_usage(command, "--bus '%s': axi is expected, or axi: and memory ports, axi:2x1024",
                     g->bus);
  if (tokens && (status = option_u64(command, "--tokens", tokens, 1, 1000000, &n))) return status;
  g->tokens = (uint32_t)n;
  if (top && (status = option_u64(command, "--top", top, 1, TOP_MAX, &n_top))) return status;
  g->top = n_top;
  if (lanes && (status = option_lanes(command, lanes, &g->lanes))) return status;
  if (memory && sim_memory_parse(&g->memory, memory, &err))
    return cli_usage(command, "--memory: %s", err.text);
  if (clock && (status = option_double(command, "--clock", clock, 1, 2000, &g->memory.clock)))
    return status;
  if (clock && !g->memory.preset)
    return cli_usage(command, "--clock goes with a real memory: --memory hbm2-u280");
  sim_memory_resolve(&g->memory, g->lanes);
  if ((status = parse_sampling(g, temperature, top_k, top_p, penalty, seed))) return status;
  if (g->image && g->kind == ENGINE_FLOAT)
    return cli_usage(command, "--engine float needs --model: an image holds integers");
  if ((status = option_fast(command, g->kind, threads, vector, &g->fast))) return status;
  if ((status = waveform_parse(command, &g->waveform))) return status;
  if (g->waveform.path && g->kind != ENGINE_RTL)
    return cli_usage(command, "--trace needs --engine rtl");
  if (g->waveform.path && g->bus)
    return cli_usage(command, "--trace shows gpt2_top: it does not go with --bus");
  if ((status = timeline_parse(command, &g->timeline))) return status;
  if (g->timeline.path && g->kind != ENGINE_RTL)
    return cli_usage(command, "--timeline needs --engine rtl");
  if (g->timeline.path && g->bus)
    return cli_usage(command, "--timeline shows gpt2_top: it does not go with --bus");

  if (ids && (status = option_ids(command, "--ids", ids, &g->ids, &g->n_ids))) return status;
  return -1;
}

// ------------------------------------------------------------------------------------------- model

// An empty prompt is the token that begins a text: bos, which GPT-2 has as eos too.
static int start_from_bos(struct generate *g, struct err *err) {
  uint32_t first = g->config.bos_token_id;
  if (first == CONFIG_NO_TOKEN) first = config_eos(&g->config);
  if (first == CONFIG_NO_TOKEN && g->tokenizer) first = tokenizer_end_of_text(g->tokenizer);
  if (first >= g->config.vocab_size)
    return err_set(
        err,
        "%s: the prompt is empty, and the model has no token to start from: its bos_token_id and "
        "eos_token_id are not among its ids, and neither is <|endoftext|>; give a prompt",
        g->dir ? g->dir : g->image);
  free(g->ids);
  g->ids = calloc(1, sizeof *g->ids);
  if (!g->ids) return err_memory(err, "the prompt");
  g->ids[0] = first;
  g->n_ids = 1;
  return 0;
}

// An image has one token that ends a text. The folder, where one is given too, may have several,
// and one that begins it.
static int take_ends(struct generate *g, struct err *err) {
  struct gpt2_config folder;
  if (config_vocab_size(g->dir) != g->config.vocab_size)
    return 0;  // a folder with the tokenizer alone
  if (config_read_folder(&folder, g->dir, err)) return -1;
  g->config.bos_token_id = folder.bos_token_id;
  g->config.n_eos = folder.n_eos;
  memcpy(g->config.eos_token_ids, folder.eos_token_ids, sizeof folder.eos_token_ids);
  return 0;
}

// The shape, and the tokenizer where there is a folder.
static int load_config(struct generate *g, struct err *err) {
  if (g->image) {
    struct image image;
    if (image_open(&image, g->image, IMAGE_CHECKED, err)) return -1;
    g->config = image_config(&image.header);
    g->lanes = image.header.lanes;
    image_close(&image);
    sim_memory_resolve(&g->memory, g->lanes);
    if (g->dir && take_ends(g, err)) return -1;
  } else if (config_read_folder(&g->config, g->dir, err)) {
    return -1;
  }
  if (!g->dir || !tokenizer_load(&g->tokenizer, g->dir, g->config.vocab_size, err)) return 0;
  if (g->prompt || g->prompt_file || g->stop_texts[0]) return -1;
  fprintf(stderr, "gpt2rtl: %s: the output is ids\n", err->text);  // and went in
  return 0;
}

static int encode_prompt(struct generate *g, struct err *err) {
  char *text = NULL;
  size_t length;
  if (g->prompt)
    return tokenizer_encode(g->tokenizer, g->prompt, strlen(g->prompt), &g->ids, &g->n_ids, err);
  if (!g->prompt_file) return 0;
  const int result = input_read(g->prompt_file, &text, &length, err) ||
                     tokenizer_encode(g->tokenizer, text, length, &g->ids, &g->n_ids, err);
  free(text);
  return result ? -1 : 0;
}

// The sampler of the host, where one is needed; the prompt's ids were there.
static int load_sampler(struct generate *g, struct err *err) {
  struct host_sampling *s = &g->host_sampling;
  if (!g->host) return 0;
  if (host_sampling_create(s, (uint32_t)g->config.vocab_size, err)) return -1;
  s->draws = g->draws;
  s->top_k = g->top_k;
  s->top_p = g->top_p;
  s->penalty = g->penalty;
  s->inv_t = g->sampling.inv_t;
  s->state = g->sampling.state;
  for (size_t i = 0; i < g->n_ids; i++) host_sampling_see(s, g->ids[i]);
  g->penalised = calloc(g->config.vocab_size, sizeof *g->penalised);
  return g->penalised ? 0 : err_memory(err, "the logits");
}

static int on_chosen(void *ctx, const struct controller_step *step, const float *logits);

static int load(struct generate *g, struct err *err) {
  if (load_config(g, err)) return -1;
  if (encode_prompt(g, err)) return -1;
  if (g->n_ids == 0 && start_from_bos(g, err)) return -1;
  g->text = malloc(g->tokenizer ? tokenizer_push_room(g->tokenizer) : 16);
  if (!g->text) return err_memory(err, "a token's text");
  const struct controller_run run = {.prompt = g->ids,
                                     .n_prompt = g->n_ids,
                                     .sampling = g->sampling};
  if (controller_check(&run, (uint32_t)g->config.n_ctx, (uint32_t)g->config.vocab_size, err))
    return -1;
  if (load_sampler(g, err)) return -1;
  g->stop.texts = g->stop_texts;
  if (g->stats_path && staged_open(&g->stats_file, g->stats_path, err)) return -1;
  const bool waveform = g->waveform.path != NULL, timeline = g->timeline.path != NULL;
  g->ports = axi_ports_default(g->lanes);
  if (g->bus && g->bus[3] && axi_ports_parse(&g->ports, g->bus + 4, g->lanes, err)) return -1;
  const struct engine_options options = {.lanes = g->lanes,
                                         .image = g->image,
                                         .memory = &g->memory,
                                         .axi = g->bus ? &g->ports : NULL,
                                         .build = waveform || timeline ? SIM_WAVEFORM : SIM_FAST,
                                         .fast = g->fast};
  if (engine_open(&g->engine, g->kind, g->dir, &options, err)) return -1;
  if (g->top && engine_show_choices(&g->engine, &g->fast, on_chosen, err)) return -1;
  if (timeline && timeline_start(&g->engine, &g->timeline, g->n_ids, g->tokens, err)) return -1;
  return waveform ? waveform_start(&g->engine, &g->waveform, g->n_ids, g->tokens, err) : 0;
}

// --------------------------------------------------------------------------------------------- run

static bool stops(const struct generate *g, uint32_t id) {
  for (size_t i = 0; i < g->config.n_eos && !g->ignore_eos; i++)
    if (id == g->config.eos_token_ids[i]) return true;
  return false;
}

// Shows text, now or at the end.
static int emit(struct generate *g, const char *text, size_t n, struct err *err) {
  if (!n) return 0;
  if (!g->top && !g->json) return stdout_write(text, n, err);
  if (g->n_held + n > g->held_room) {
    const size_t room = 2 * (g->n_held + n) + 1024;
    char *more = realloc(g->held, room);
    if (!more) return err_memory(err, "the text");
    g->held = more;
    g->held_room = room;
  }
  memcpy(g->held + g->n_held, text, n);
  g->n_held += n;
  return 0;
}

// Shows text up to a stop text. 1 where that came, -1 after an error.
static int emit_until_stop(struct generate *g, const char *text, size_t n, struct err *err) {
  size_t ready;
  if (!g->stop_texts[0]) return emit(g, text, n, err);
  if (stop_text_push(&g->stop, text, n, &ready, err) || emit(g, g->stop.held, ready, err))
    return -1;
  stop_text_drop(&g->stop, ready);
  if (!g->stop.found) return 0;
  g->ending = END_TEXT;
  return 1;
}

// What is still held back, at the end of the run.
static int emit_rest(struct generate *g, struct err *err) {
  char rest[TOKENIZER_HELD];
  const size_t n = tokenizer_flush(&g->decoder, rest);
  if (g->ending == END_TEXT) return 0;
  const int status = emit_until_stop(g, rest, n, err);
  return status ? (status < 0 ? -1 : 0) : emit(g, g->stop.held, g->stop.n_held, err);
}

static int on_token(void *ctx, uint32_t id) {
  struct generate *g = ctx;
  g->stats.generated++;
  if (g->host) host_sampling_see(&g->host_sampling, id);
  if (g->json) cJSON_AddItemToArray(g->new_ids, cJSON_CreateNumber(id));
  if (stops(g, id)) {  // the end of the text is no part of it
    g->ending = END_EOS;
    return id != config_eos(&g->config);  // the first of them ends the run by itself
  }
  const size_t n =
      g->tokenizer ? tokenizer_push(g->tokenizer, &g->decoder, id, g->text)
                   : (size_t)sprintf(g->text, g->stats.generated > 1 ? " %u" : "%u", (unsigned)id);
  return emit_until_stop(g, g->text, n, g->err);
}

static uint32_t on_choose(void *ctx, const int32_t *logits) {
  struct generate *g = ctx;
  return host_sampling_choose(&g->host_sampling, logits);
}

static int on_chosen(void *ctx, const struct controller_step *step, const float *logits) {
  struct generate *g = ctx;
  struct top_candidate list[TOP_MAX + 1];
  for (size_t i = 0; g->host && i < g->config.vocab_size; i++)
    g->penalised[i] = (float)g->host_sampling.logits[i] / 65536.0f;
  const size_t n =
      top_find(list, g->top, g->host ? g->penalised : logits, (uint32_t)g->config.vocab_size,
               g->temperature, g->sampling.top_k, g->host ? &g->host_sampling : NULL, step->choice);
  if (!g->json) {
    printf("position %u\n", (unsigned)step->position);
    return top_print(list, n, step->choice, g->tokenizer, g->err);
  }
  cJSON *entry = cJSON_CreateObject();
  cJSON_AddNumberToObject(entry, "position", step->position);
  cJSON_AddNumberToObject(entry, "id", step->id);
  cJSON_AddNumberToObject(entry, "choice", step->choice);
  cJSON_AddItemToObject(entry, "candidates", top_json(list, n, g->tokenizer));
  cJSON_AddItemToArray(g->steps, entry);
  return 0;
}

// What --json prints: the run as it was asked for, and what came out.
static int print_json(struct generate *g, struct err *err) {
  static const char *const endings[] = {"length", "eos", "text"};
  cJSON *json = cJSON_CreateObject(), *prompt = cJSON_AddArrayToObject(json, "prompt_ids");
  for (size_t i = 0; i < g->n_ids; i++) cJSON_AddItemToArray(prompt, cJSON_CreateNumber(g->ids[i]));
  cJSON_AddItemToObject(json, "ids", g->new_ids);
  cJSON_AddItemToObject(json, "text",
                        g->tokenizer ? text_json(g->held ? g->held : "", g->n_held)
                                     : cJSON_CreateNull());
  cJSON_AddStringToObject(json, "stop", endings[g->ending]);
  if (g->ending == END_TEXT)
    cJSON_AddItemToObject(json, "stop_text", text_json(g->stop.found, strlen(g->stop.found)));
  if (g->image) json_add_name(json, "image", g->image);
  else json_add_name(json, "model", g->dir);
  cJSON_AddStringToObject(json, "engine", engine_names[g->kind]);
  cJSON_AddNumberToObject(json, "temperature", g->draws ? g->temperature : 0);
  cJSON_AddItemToObject(json, "top_k",
                        g->top_k ? cJSON_CreateNumber(g->top_k) : cJSON_CreateNull());
  cJSON_AddNumberToObject(json, "top_p", g->top_p);
  cJSON_AddNumberToObject(json, "repetition_penalty", g->penalty);
  char seed[24];  // 64 bits: more than a number of JSON is sure to keep
  snprintf(seed, sizeof seed, "%llu", (unsigned long long)g->seed);
  cJSON_AddItemToObject(json, "seed", g->draws ? cJSON_CreateString(seed) : cJSON_CreateNull());
  cJSON_AddNumberToObject(json, "positions", (double)g->stats.n);
  cJSON_AddItemToObject(json, "cycles",
                        g->kind == ENGINE_RTL ? cJSON_CreateNumber((double)g->stats.cycles)
                                              : cJSON_CreateNull());
  cJSON_AddNumberToObject(json, "seconds", g->stats.seconds);
  if (g->top) cJSON_AddItemToObject(json, "steps", g->steps);
  else cJSON_Delete(g->steps);
  g->new_ids = g->steps = NULL;
  return stdout_json(json, err);
}

static int on_step(void *ctx, const struct controller_step *step) {
  struct generate *g = ctx;
  if (interrupt_pending()) return -1;
  return stats_add(&g->stats, step, engine_cycles(&g->engine), g->err);
}

// Says how far an interrupted run came, and ends as the signal would have.
static _Noreturn void end_interrupted(struct generate *g) {
  struct err err;
  emit_rest(g, &err);  // if that fails, there is nobody to read it
  if (isatty(STDOUT_FILENO)) putchar('\n');
  fflush(stdout);
  fprintf(stderr, "gpt2rtl: interrupted after %zu of %u tokens, %zu positions, %.1f s%s\n",
          g->stats.generated, (unsigned)g->tokens, g->stats.n, g->stats.seconds,
          engine_kept_waveform(&g->engine) ? "; the waveform holds what was traced until then"
                                           : "");
  if (timeline_finish(&g->timeline, &err)) cli_say("%s", err.text);
  interrupt_end();
}

static int run(struct generate *g, struct err *err) {
  struct err stopped = {""};
  uint64_t saturations;
  g->err = &stopped;
  const struct controller_run run = {.prompt = g->ids,
                                     .n_prompt = g->n_ids,
                                     .max_new = g->tokens,
                                     .stop_enabled = !g->ignore_eos && g->config.n_eos > 0,
                                     .stop_id = config_eos(&g->config),
                                     .sampling = g->sampling,
                                     .ctx = g,
                                     .token = on_token,
                                     .step = on_step,
                                     .choose = g->host ? on_choose : NULL};
  if (g->json) {
    g->new_ids = cJSON_CreateArray();
    g->steps = cJSON_CreateArray();
  }
  if (g->draws && !g->seed_given)
    fprintf(stderr, "gpt2rtl: --seed %llu\n", (unsigned long long)g->seed);
  stats_start(&g->stats);
  interrupt_hold();
  const int failed = engine_run(&g->engine, &run, NULL, &saturations, err);
  if (interrupt_pending()) end_interrupted(g);
  interrupt_release();
  if (failed && !(g->ending && !err->text[0] && !stopped.text[0])) {
    if (!err->text[0]) *err = stopped;  // a callback ended it
    return -1;
  }
  if (emit_rest(g, err)) return -1;
  if (g->json ? print_json(g, err)
              : g->top && (putchar('\n'), stdout_write(g->held ? g->held : "", g->n_held, err)))
    return -1;
  if (!g->json && (isatty(STDOUT_FILENO) || g->top || !g->tokenizer)) stdout_write("\n", 1, err);
  if (saturations)
    fprintf(stderr,
            "gpt2rtl: %llu numbers were too large for their format and were clipped: the result is "
            "not exact\n",
            (unsigned long long)saturations);
  return 0;
}

static int write_stats(struct generate *g, struct err *err) {
  const bool image = g->kind != ENGINE_FLOAT, cycles = g->kind == ENGINE_RTL;
  char memory[128];
  sim_memory_print(memory, &g->memory);
  struct sim_counters counters;
  if (cycles && engine_counters(&g->engine, &counters, err)) return -1;
  const struct stats_about about = {.model = g->image ? g->image : g->dir,
                                    .engine = engine_names[g->kind],
                                    .checksum = image ? &g->engine.image.header.checksum : NULL,
                                    .lanes = image ? g->lanes : 0,
                                    .memory = cycles ? memory : NULL,
                                    .seed = g->draws ? &g->seed : NULL,
                                    .cycles = cycles,
                                    .shape = cycles ? &g->engine.image.header : NULL,
                                    .counters = cycles ? &counters : NULL};
  stats_summary(&g->stats, &about);
  if (!g->stats_path) return 0;
  stats_write(&g->stats, &about, g->stats_file.file);
  return staged_commit(&g->stats_file, err);
}

int generate_main(int argc, char **argv) {
  struct generate g = {0};
  struct err err = {""};
  int status = parse(&g, argc, argv);
  if (status < 0)
    status = load(&g, &err) || run(&g, &err) || write_stats(&g, &err) ||
                     timeline_finish(&g.timeline, &err)
                 ? cli_fail(&err)
                 : EXIT_DONE;
  staged_discard(&g.stats_file);
  staged_discard(&g.timeline.file);
  engine_close(&g.engine);
  stats_free(&g.stats);
  tokenizer_free(g.tokenizer);
  cJSON_Delete(g.new_ids);
  cJSON_Delete(g.steps);
  host_sampling_free(&g.host_sampling);
  stop_text_free(&g.stop);
  free(g.penalised);
  free(g.held);
  free(g.text);
  free(g.ids);
  return status;
}
