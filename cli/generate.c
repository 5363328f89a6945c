// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "engine_options.h"
#include "file.h"
#include "internal.h"
#include "interrupt.h"
#include "run_report.h"
#include "stats.h"
#include "timeline_request.h"
#include "top_show.h"
#include "waveform_request.h"

static const char *command = "generate";  // or "report"
static const char generate_help[] =
    "gpt2rtl generate - continues a text; only the generated text goes to standard output, as it "
    "is produced\n\n"
    "usage: gpt2rtl generate --model DIR (--prompt TEXT... | --prompts FILE | --prompt-file FILE | "
    "--ids 1,2,3 ...)\n"
    "                        [OPTION...]\n"
    "       gpt2rtl generate --image FILE (--ids 1,2,3 | --model DIR --prompt TEXT) [OPTION...]\n\n"
    "  --model DIR         the model's folder\n"
    "  --image FILE        run from this memory image (gpt2rtl compile); --model then gives the "
    "tokenizer and the\n"
    "                      end-of-text ids. Without it, ids go in and come out, and only the "
    "image's stop id ends a text\n"
    "  --prompt TEXT       the text to continue; an empty text starts from the model's "
    "bos_token_id. May be given up to 16\n"
    "                      times: each text is the same as alone, and follows a line '==> prompt N "
    "<==' (with --json, the\n"
    "                      output is an array of objects). The golden engine computes up to 16 "
    "side by side, and rtl as\n"
    "                      many as --positions; they read each weight once for all. The others "
    "compute them in turn. Several\n"
    "                      prompts cannot be combined with --top, --trace, --timeline or --report\n"
    "  --prompts FILE      prompts from a file, one on each line, up to 10000; - is standard "
    "input\n"
    "  --prompt-file FILE  one prompt from a file, with all its bytes, including a final line end; "
    "- is standard input\n"
    "  --ids 1,2,3         a prompt as token ids; up to 16 times. If the folder has no tokenizer, "
    "the output is ids too\n"
    "  --tokens N          number of tokens to generate, 1 to 1000000; default 100. When the "
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
    "to 1; only with --engine\n"
    "                      golden, golden-readable or float. With --top-k and P = 1 they draw the "
    "hardware's ids\n"
    "  --repetition-penalty R\n"
    "                      divide positive logits of ids that have occurred, also in the prompt, "
    "by R, and multiply\n"
    "                      negative ones by R, 0.1 to 10; for the same engines as --top-p\n"
    "  --seed S            seed of the random draws, 0 to 2^64 - 1; by default it comes from the "
    "clock and is printed. One is\n"
    "                      for all prompts, each of which draws as if it were alone; or as many as "
    "prompts, in their order\n"
    "  --seeds FILE        a seed for each prompt, on a line each; - is standard input\n"
    "  --lanes L           multipliers of the hardware: 64, 128, 256, ... 4096; default 256. "
    "Simulators for numbers other\n"
    "                      than 64, 256 and 1024 are built on first use, in a minute or "
    "more\n" OPTION_FAST_HELP
    "  --positions N       hardware that runs N positions of a prompt, or N prompts, together: 1, "
    "2, 4, 8 or 16; default 1.\n"
    "                      Its simulator is built on first use\n"
    "  --engines N         of which N meet a beat of weights in the same cycle: 1, 2, 4, ... "
    "positions; default: all\n"
    "  --folding N         multipliers are lanes / N, and hold a beat for N cycles: 1, 2, 4, 8 or "
    "16; default 1\n"
    "  --memory SETTINGS   the simulated memory; default latency=150,beats=1.0,stall=0.0: cycles "
    "from request to answer (1 to\n"
    "                      100000), beats per cycle (0.001 to 1), probability of no beat in a "
    "cycle (0 to 0.95). A preset\n"
    "                      can replace the first two: ideal, ddr4-2400, 4xddr4-2400, hbm2-u50, "
    "hbm2-u280, ulx3s, ecpix5\n"
    "  --bus axi           the hardware in its AXI wrapper (gpt2_axi), run by its driver as in a "
    "system; axi:2x1024 sets the\n"
    "                      number of memory ports and their bits; default: the fewest that carry a "
    "beat per cycle\n"
    "  --clock MHZ         clock of the hardware, for a memory preset, 1 to 2000; default 250\n"
    "  --top N             print the N most likely tokens of each step, 1 to 100: probability "
    "among all tokens at the\n"
    "                      temperature (1 if nothing is drawn), probability of being drawn, id, "
    "text; a star marks the\n"
    "                      choice. The text comes last\n"
    "  --json              print one JSON object at the end instead of the text; with --top it "
    "includes the candidates\n"
    "  --stats FILE        write cycles and counters of each position, as JSON\n" WAVEFORM_HELP
        TIMELINE_HELP
    "  --report FILE.html  write a web page of the run (gpt2rtl report --help)\n\n"
    "Standard error ends with tokens, cycles per token, simulated cycles per second, tokens per "
    "second and the time to the\n"
    "first token. The memory image is made on first use and kept in $XDG_CACHE_HOME/gpt2rtl or "
    "~/.cache/gpt2rtl. After SIGINT,\n"
    "SIGTERM or SIGHUP it reports on standard error how far the run came, and keeps the waveform "
    "up to that point; a second\n"
    "signal ends it at once.\n\n"
    "example: gpt2rtl generate --model models/demo --prompt 'Once upon a time' --tokens 200 "
    "--temperature 0.8 --seed 7\n";

static const char report_help[] =
    "gpt2rtl report - continues a text as generate does, and writes one self-contained web page of "
    "the run\n\n"
    "usage: gpt2rtl report --model DIR --prompt TEXT --output FILE.html [OPTION...]\n\n"
    "  --output FILE.html  the page: text, each step's candidates, attention of every layer and "
    "head (all but float), and for\n"
    "                      rtl the timeline, the use of the cycles and the share of the memory "
    "floor\n"
    "  --tokens N          default 40: a position of the demo model takes about 25 KB\n"
    "  --top N             candidates of each step, 1 to 100; default 10\n\n"
    "All other options are those of generate (gpt2rtl generate --help).\n\n"
    "example: gpt2rtl report --model models/demo --prompt 'Once upon a time' --temperature 0.8 "
    "--seed 7 --output run.html\n";

// A prompt and its output: the context of its run's callbacks.
struct output {
  struct generate *g;
  uint32_t *ids;  // the prompt's
  uint64_t seed;
  size_t n_ids, generated;
  char *held;  // text to show later
  size_t n_held, held_room;
  cJSON *new_ids, *steps;  // for --json
  struct gpt2rtl_result result;
  bool over;
};

enum { PROMPTS = 10000, SIDE_BY_SIDE = 16 };

struct generate {
  // as given
  const char *dir, *image, *prompt_file, *prompts_file, *seeds_file, *stats_path;
  const char *prompts[OPTION_MANY + 1];
  const char *stop_texts[OPTION_MANY + 1];
  struct waveform_request waveform;
  struct timeline_request timeline;
  struct run_report report;
  bool ignore_eos, json, host;  // host: the hardware's sampler cannot draw this
  size_t top;                   // candidates per step; 0: none
  double temperature, top_p, penalty;
  uint32_t top_k;  // 0: all
  enum engine_kind kind;
  uint32_t lanes, positions, tokens;
  uint64_t seeds[OPTION_MANY];  // the prompts', or one for all
  size_t n_seeds;
  bool draws, seed_given;
  struct sim_memory memory;
  const char *bus;  // NULL, or "axi", or "axi:" and these ports
  struct axi_ports ports;
  struct fast_options fast;
  // derived
  struct gpt2rtl_model *model;
  struct gpt2rtl_engine *engine;
  struct gpt2rtl_request request;  // all but the prompt
  uint32_t *ids[OPTION_MANY];      // --ids
  size_t n_ids[OPTION_MANY], n_given;
  struct output *outputs;
  size_t n_outputs, shown;  // shown: the output that is written as it is generated
  struct staged stats_file;
  struct stats stats;
  uint64_t cycles_before;  // of earlier runs
  struct err *err;
};

// ----------------------------------------------------------------------------------------- options

static int parse_sampling(struct generate *g, const char *temperature, const char *top_k,
                          const char *top_p, const char *penalty, const char *const *seeds) {
  struct drawing_options d;
  int status = option_drawing(command, temperature, top_k, seeds[0], top_p || g->seeds_file, &d);
  if (status) return status;
  if (seeds[0] && g->seeds_file)
    return cli_usage(command, "--seed and --seeds both give seeds: give only one of them");
  g->seeds[0] = d.seed;
  for (g->n_seeds = 1; seeds[0] && seeds[g->n_seeds]; g->n_seeds++)
    if ((status = option_u64(command, "--seed", seeds[g->n_seeds], 0, UINT64_MAX,
                             &g->seeds[g->n_seeds])))
      return status;
  g->top_p = g->penalty = 1;
  if (top_p && (status = option_double(command, "--top-p", top_p, 0.001, 1, &g->top_p)))
    return status;
  if (penalty &&
      (status = option_double(command, "--repetition-penalty", penalty, 0.1, 10, &g->penalty)))
    return status;
  if (g->seeds_file && !d.draws)
    return cli_usage(command,
                     "--seeds is for random draws, and --temperature 0 takes the most likely");
  if (top_p && d.temperature <= 0)
    return cli_usage(
        command, "--top-p draws at random, and --temperature 0 does not: give only one of them");
  g->host = top_p || penalty;
  if (g->host && g->kind == ENGINE_RTL)
    return cli_usage(command,
                     "%s needs --engine golden, golden-readable or float: the hardware draws only "
                     "by temperature and top-k",
                     top_p ? "--top-p" : "--repetition-penalty");
  g->seed_given = d.seed_given || g->seeds_file;
  g->draws = d.draws;
  g->temperature = d.draws ? d.temperature : 1;
  g->top_k = !g->draws ? 1 : top_p && !top_k ? 0 : d.top_k;
  g->request.temperature = d.temperature;
  g->request.top_k = top_k ? d.top_k : 0;
  g->request.top_p = top_p ? g->top_p : 0;
  g->request.repetition_penalty = penalty ? g->penalty : 0;
  return 0;
}

// -1 to continue, or the exit status.
static int parse(struct generate *g, int argc, char **argv) {
  const bool report = !strcmp(command, "report");
  const char *ids[OPTION_MANY + 1] = {NULL}, *seeds[OPTION_MANY + 1] = {NULL};
  const char *tokens = NULL, *engine = NULL, *temperature = NULL, *top_k = NULL, *lanes = NULL;
  const char *memory = NULL, *clock = NULL, *threads = NULL, *vector = NULL, *top = NULL,
             *top_p = NULL, *penalty = NULL;
  struct batch_text batch_text = {NULL, NULL, NULL};
  struct estimate_batch batch;
  bool stops = false, prompts = false, lists = false, seeded = false;
  const struct option_spec specs[] = {
      {"--model", &g->dir, NULL},
      {"--prompt", g->prompts, &prompts},
      {"--prompts", &g->prompts_file, NULL},
      {"--ids", ids, &lists},
      {"--tokens", &tokens, NULL},
      {"--bus", &g->bus, NULL},
      {"--engine", &engine, NULL},
      {"--temperature", &temperature, NULL},
      {"--top-k", &top_k, NULL},
      {"--seed", seeds, &seeded},
      {"--seeds", &g->seeds_file, NULL},
      {"--lanes", &lanes, NULL},
      {"--positions", &batch_text.positions, NULL},
      {"--engines", &batch_text.engines, NULL},
      {"--folding", &batch_text.folding, NULL},
      {"--memory", &memory, NULL},
      {"--clock", &clock, NULL},
      {"--stats", &g->stats_path, NULL},
      {"--ignore-eos", NULL, &g->ignore_eos},
      WAVEFORM_SPECS(g->waveform),
      TIMELINE_SPECS(g->timeline),
      {report ? "--output" : "--report", &g->report.path, NULL},
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
  uint64_t n = report ? 40 : 100, n_top = 0;
  int status = options_parse(command, report ? report_help : generate_help, specs,
                             sizeof specs / sizeof *specs, argc, argv, NULL);
  if (status >= 0) return status;
  g->lanes = 256;
  g->memory = SIM_MEMORY_DEFAULT;
  if (!g->dir && !g->image) return cli_usage(command, "--model is missing");
  if (report && !g->report.path) return cli_usage(command, "--output is missing");
  if (!g->dir && (prompts || g->prompts_file || g->prompt_file || stops))
    return cli_usage(command, "%s needs --model for its tokenizer; --ids needs no tokenizer",
                     prompts           ? "--prompt"
                     : g->prompts_file ? "--prompts"
                     : g->prompt_file  ? "--prompt-file"
                                       : "--stop");
  for (size_t i = 0; g->stop_texts[i]; i++)
    if (!*g->stop_texts[i]) return cli_usage(command, "--stop '': expected a text");
  if (g->image && lanes)
    return cli_usage(command, "--lanes goes with --model: an image has its own");
  if (prompts + !!g->prompts_file + !!g->prompt_file + lists != 1)
    return cli_usage(command, "one of --prompt, --prompts, --prompt-file and --ids is needed");
  if (engine && (status = option_engine(command, engine, &g->kind))) return status;
  if ((status = option_rtl(command, g->kind, lanes, memory, clock))) return status;
  if ((status = option_machine(command, g->kind, &batch_text, &batch))) return status;
  g->positions = batch.positions;
  if (g->bus && g->kind != ENGINE_RTL) return cli_usage(command, "--bus needs --engine rtl");
  if (g->bus && strcmp(g->bus, "axi") && strncmp(g->bus, "axi:", 4))
    return cli_usage(command,
                     "--bus '%s': expected axi, or axi: and memory ports, as in axi:2x1024",
                     g->bus);
  if (tokens && (status = option_u64(command, "--tokens", tokens, 1, 1000000, &n))) return status;
  g->tokens = (uint32_t)n;
  if (top && (status = option_u64(command, "--top", top, 1, GPT2RTL_CANDIDATES, &n_top)))
    return status;
  g->report.top = n_top ? n_top : RUN_REPORT_CANDIDATES;
  g->top = report ? 0 : n_top;
  if (lanes && (status = option_lanes(command, lanes, &g->lanes))) return status;
  if (memory && sim_memory_parse(&g->memory, memory, &err))
    return cli_usage(command, "--memory: %s", err.text);
  if (clock && (status = option_double(command, "--clock", clock, 1, 2000, &g->memory.clock)))
    return status;
  if (clock && !g->memory.preset)
    return cli_usage(command, "--clock needs a memory preset, as in --memory hbm2-u280");
  sim_memory_resolve(&g->memory, g->lanes);
  if ((status = parse_sampling(g, temperature, top_k, top_p, penalty, seeds))) return status;
  if (g->image && g->kind == ENGINE_FLOAT)
    return cli_usage(command, "--engine float needs --model: an image holds integers");
  if ((status = option_fast(command, g->kind, threads, vector, &g->fast))) return status;
  if ((status = waveform_parse(command, &g->waveform))) return status;
  if (g->waveform.path && g->kind != ENGINE_RTL)
    return cli_usage(command, "--trace needs --engine rtl");
  if (g->waveform.path && g->bus)
    return cli_usage(command, "--trace shows gpt2_top and cannot be combined with --bus");
  if ((status = timeline_parse(command, &g->timeline))) return status;
  if (g->timeline.path && g->kind != ENGINE_RTL)
    return cli_usage(command, "--timeline needs --engine rtl");
  if (g->timeline.path && g->bus)
    return cli_usage(command, "--timeline shows gpt2_top and cannot be combined with --bus");
  if (g->report.path && g->bus)
    return cli_usage(command, "a report shows gpt2_top and cannot be combined with --bus");
  const char *one = g->top             ? "--top"
                    : g->waveform.path ? "--trace"
                    : g->timeline.path ? "--timeline"
                    : report           ? "a report"
                    : g->report.path   ? "--report"
                                       : NULL;
  if (one && (g->prompts_file || g->prompts[1] || ids[1]))
    return cli_usage(command, "%s allows only one prompt: run each prompt separately", one);

  for (size_t *n_given = &g->n_given; ids[*n_given]; ++*n_given)
    if ((status =
             option_ids(command, "--ids", ids[*n_given], &g->ids[*n_given], &g->n_ids[*n_given])))
      return status;
  return -1;
}

// ------------------------------------------------------------------------------------------- model

static int on_token(void *ctx, uint32_t id);
static int on_text(void *ctx, const char *text, size_t n);
static int on_ended(void *ctx, const struct gpt2rtl_result *result);
static int on_position(void *ctx, const struct gpt2rtl_position_report *report);
static int on_candidates(void *ctx, const struct gpt2rtl_position_report *report,
                         const struct gpt2rtl_candidate *list, size_t n);

// Loads the shape and, if there is a folder, the tokenizer.
static int load_model(struct generate *g, struct err *err) {
  struct gpt2rtl_error *error = public_error(err);
  if (g->image ? gpt2rtl_model_open_image(&g->model, g->image, g->dir, error)
               : gpt2rtl_model_open(&g->model, g->dir, error))
    return -1;
  if (g->image) {
    g->lanes = g->model->lanes;
    sim_memory_resolve(&g->memory, g->lanes);
  }
  if (!g->dir || gpt2rtl_has_tokenizer(g->model, error)) return 0;
  if (g->prompts[0] || g->prompts_file || g->prompt_file || g->stop_texts[0]) return -1;
  fprintf(stderr, "gpt2rtl: %s: the output is ids\n", err->text);  // as is the input
  return 0;
}

static struct output *output_add(struct generate *g) {
  if (g->n_outputs % 64 == 0) {
    struct output *more = realloc(g->outputs, (g->n_outputs + 64) * sizeof *more);
    if (!more) return NULL;
    g->outputs = more;
  }
  struct output *o = &g->outputs[g->n_outputs++];
  *o = (struct output){.g = g};
  return o;
}

// Adds an output. Its prompt is text or, if that is NULL, ids, which number `length`.
static int add_prompt(struct generate *g, const char *text, const uint32_t *given, size_t length,
                      struct err *err) {
  struct gpt2rtl_error *error = public_error(err);
  struct gpt2rtl_request r = g->request;
  uint32_t *ids = NULL;
  struct output *o = output_add(g);
  if (!o) return err_memory(err, "the prompts");
  r.ids = given;
  r.n_ids = length;
  if (text) {  // it may hold zeros
    if (gpt2rtl_encode(g->model, text, length, &ids, &r.n_ids, error)) return -1;
    r.ids = ids;
  }
  const int failed = gpt2rtl_prompt_ids(g->model, &r, &o->ids, &o->n_ids, error);
  free(ids);
  return failed;
}

// Each line is a prompt, except an empty line.
static int add_lines(struct generate *g, const char *text, size_t length, struct err *err) {
  for (size_t at = 0, line = 1, n; at < length; at += n + 1, line++) {
    const char *end = memchr(text + at, '\n', length - at);
    n = end ? (size_t)(end - text) - at : length - at;
    const size_t shown = n && text[at + n - 1] == '\r' ? n - 1 : n;
    if (!shown) continue;
    if (g->n_outputs == PROMPTS)
      return err_set(err, "%s: more than %d prompts: split the file", g->prompts_file, PROMPTS);
    if (add_prompt(g, text + at, NULL, shown, err)) {
      const struct err said = *err;
      return err_set(err, "%s: line %zu: %s", g->prompts_file, line, said.text);
    }
  }
  return g->n_outputs
             ? 0
             : err_set(err, "%s: holds no prompt: write one on each line", g->prompts_file);
}

static int load_prompts(struct generate *g, struct err *err) {
  const char *path = g->prompt_file ? g->prompt_file : g->prompts_file;
  size_t length;
  char *text;
  if (path) {
    if (input_read(path, &text, &length, err)) return -1;
    const int failed =
        g->prompt_file ? add_prompt(g, text, NULL, length, err) : add_lines(g, text, length, err);
    free(text);
    return failed;
  }
  for (size_t i = 0; g->prompts[i]; i++)
    if (add_prompt(g, g->prompts[i], NULL, strlen(g->prompts[i]), err)) return -1;
  for (size_t i = 0; i < g->n_given; i++)
    if (add_prompt(g, NULL, g->ids[i], g->n_ids[i], err)) return -1;
  return 0;
}

// Each line is a seed, except an empty line.
static int read_seeds(struct generate *g, const char *text, size_t length, struct err *err) {
  for (size_t at = 0, line = 1, n; at < length; at += n + 1, line++) {
    const char *end = memchr(text + at, '\n', length - at);
    uint64_t seed;
    n = end ? (size_t)(end - text) - at : length - at;
    const size_t shown = n && text[at + n - 1] == '\r' ? n - 1 : n;
    if (!shown) continue;
    if (parse_u64(text + at, &seed) != text + at + shown)
      return err_set(err, "%s: line %zu: '%.*s': expected a whole number from 0 to 2^64 - 1",
                     g->seeds_file, line, (int)(shown < 40 ? shown : 40), text + at);
    if (g->n_seeds < g->n_outputs) g->outputs[g->n_seeds].seed = seed;
    g->n_seeds++;
  }
  return 0;
}

static int load_seeds(struct generate *g, struct err *err) {
  for (size_t i = 0; i < g->n_outputs; i++) g->outputs[i].seed = g->seeds[i < g->n_seeds ? i : 0];
  if (g->seeds_file) {
    size_t length;
    char *text;
    if (input_read(g->seeds_file, &text, &length, err)) return -1;
    g->n_seeds = 0;
    const int failed = read_seeds(g, text, length, err);
    free(text);
    if (failed) return -1;
  }
  if (g->n_seeds == g->n_outputs || (g->n_seeds == 1 && !g->seeds_file)) return 0;
  return err_set(err, "%zu seeds for %zu prompts: give one for each%s", g->n_seeds, g->n_outputs,
                 g->seeds_file ? "" : ", or one for all");
}

static int load(struct generate *g, struct err *err) {
  const size_t shown = g->top ? g->top : g->report.path ? g->report.top : 0;
  g->request = (struct gpt2rtl_request){.size = sizeof g->request,
                                        .tokens = g->tokens,
                                        .ignore_end = g->ignore_eos,
                                        .stop_texts = g->stop_texts,
                                        .temperature = g->request.temperature,
                                        .top_k = g->request.top_k,
                                        .top_p = g->request.top_p,
                                        .repetition_penalty = g->request.repetition_penalty,
                                        .text = on_text,
                                        .token = on_token,
                                        .position = on_position,
                                        .n_candidates = shown,
                                        .candidates = shown ? on_candidates : NULL,
                                        .ended = on_ended};
  if (load_model(g, err) || load_prompts(g, err) || load_seeds(g, err)) return -1;
  g->fast.sequences = (uint32_t)(g->n_outputs < SIDE_BY_SIDE ? g->n_outputs : SIDE_BY_SIDE);
  const size_t n_ids = g->outputs[0].n_ids;
  if (g->stats_path && staged_open(&g->stats_file, g->stats_path, err)) return -1;
  const bool waveform = g->waveform.path != NULL, timeline = g->timeline.path != NULL,
             inside = waveform || timeline || g->report.path;
  g->ports = axi_ports_default(g->lanes);
  if (g->bus && g->bus[3] && axi_ports_parse(&g->ports, g->bus + 4, g->lanes, err)) return -1;
  const struct engine_options options = {.lanes = g->lanes,
                                         .memory = &g->memory,
                                         .axi = g->bus ? &g->ports : NULL,
                                         .build = inside ? SIM_WAVEFORM : SIM_FAST,
                                         .tensors = g->report.path,
                                         .fast = g->fast,
                                         .note = cli_note};
  engine_say();
  if (internal_engine_open(&g->engine, g->model, g->kind, &options, err)) return -1;
  if (run_report_start(&g->report, &g->engine->engine, g->model, n_ids, g->tokens, err)) return -1;
  if (timeline && timeline_start(&g->engine->engine, &g->timeline, n_ids, g->tokens, err))
    return -1;
  return waveform ? waveform_start(&g->engine->engine, &g->waveform, n_ids, g->tokens, err) : 0;
}

// --------------------------------------------------------------------------------------------- run

// Shows text, now or later.
static int emit(struct output *o, const char *text, size_t n, struct err *err) {
  struct generate *g = o->g;
  if (!n) return 0;
  if (!g->top && !g->json && o == &g->outputs[g->shown]) return stdout_write(text, n, err);
  if (o->n_held + n > o->held_room) {
    const size_t room = 2 * (o->n_held + n) + 1024;
    char *more = realloc(o->held, room);
    if (!more) return err_memory(err, "the text");
    o->held = more;
    o->held_room = room;
  }
  memcpy(o->held + o->n_held, text, n);
  o->n_held += n;
  return 0;
}

static int on_text(void *ctx, const char *text, size_t n) {
  struct output *o = ctx;
  return emit(o, text, n, o->g->err);
}

static int on_token(void *ctx, uint32_t id) {
  struct output *o = ctx;
  struct generate *g = o->g;
  char text[16];
  stats_chosen(&g->stats, (size_t)(o - g->outputs));
  o->generated++;
  if (g->json) cJSON_AddItemToArray(o->new_ids, cJSON_CreateNumber(id));
  if (g->model->tokenizer || (!g->ignore_eos && gpt2rtl_is_end(g->model, id))) return 0;
  return emit(o, text, (size_t)sprintf(text, o->generated > 1 ? " %u" : "%u", (unsigned)id),
              g->err);
}

// Prints the line before each of several outputs.
static int show_title(struct generate *g, struct err *err) {
  char title[48];
  if (g->n_outputs == 1 || g->json) return 0;
  return stdout_write(title,
                      (size_t)sprintf(title, "%s==> prompt %zu <==\n", g->shown ? "\n\n" : "",
                                      g->shown + 1),
                      err);
}

// Outputs are shown in the order of their prompts. The first that is not over is shown as it is
// generated; those after it are held.
static int on_ended(void *ctx, const struct gpt2rtl_result *result) {
  struct output *o = ctx;
  struct generate *g = o->g;
  o->result = *result;
  o->over = true;
  if (g->positions == 1) g->cycles_before = g->stats.cycles;  // otherwise they run together
  while (!g->json && g->outputs[g->shown].over && g->shown + 1 < g->n_outputs) {
    const struct output *next = &g->outputs[++g->shown];
    if (show_title(g, g->err) || stdout_write(next->held ? next->held : "", next->n_held, g->err))
      return -1;
  }
  return interrupt_pending() || g->err->text[0];
}

static int on_candidates(void *ctx, const struct gpt2rtl_position_report *report,
                         const struct gpt2rtl_candidate *list, size_t n) {
  struct output *o = ctx;
  struct generate *g = o->g;
  run_report_candidates(&g->report, list, n);
  if (!g->top) return 0;
  if (!g->json) {
    printf("position %u\n", (unsigned)report->position);
    return top_print(list, n, report->choice, g->model, g->err);
  }
  cJSON *entry = cJSON_CreateObject();
  cJSON_AddNumberToObject(entry, "position", report->position);
  cJSON_AddNumberToObject(entry, "id", report->id);
  cJSON_AddNumberToObject(entry, "choice", report->choice);
  cJSON_AddItemToObject(entry, "candidates", top_json(list, n, g->model));
  cJSON_AddItemToArray(o->steps, entry);
  return 0;
}

// The JSON of an output: the request and its result.
static cJSON *output_json(struct output *o) {
  static const char *const endings[] =
      {[GPT2RTL_END_LENGTH] = "length", [GPT2RTL_END_TOKEN] = "eos", [GPT2RTL_END_STOP] = "text"};
  struct generate *g = o->g;
  cJSON *json = cJSON_CreateObject(), *prompt = cJSON_AddArrayToObject(json, "prompt_ids");
  for (size_t i = 0; i < o->n_ids; i++) cJSON_AddItemToArray(prompt, cJSON_CreateNumber(o->ids[i]));
  cJSON_AddItemToObject(json, "ids", o->new_ids);
  cJSON_AddItemToObject(json, "text",
                        g->model->tokenizer ? text_json(o->held ? o->held : "", o->n_held)
                                            : cJSON_CreateNull());
  cJSON_AddStringToObject(json, "stop", endings[o->result.ending]);
  if (o->result.ending == GPT2RTL_END_STOP) {
    const char *found = g->stop_texts[o->result.stop_text];
    cJSON_AddItemToObject(json, "stop_text", text_json(found, strlen(found)));
  }
  if (g->image) json_add_name(json, "image", g->image);
  else json_add_name(json, "model", g->dir);
  cJSON_AddStringToObject(json, "engine", engine_names[g->kind]);
  cJSON_AddNumberToObject(json, "temperature", g->draws ? g->temperature : 0);
  cJSON_AddItemToObject(json, "top_k",
                        g->top_k ? cJSON_CreateNumber(g->top_k) : cJSON_CreateNull());
  cJSON_AddNumberToObject(json, "top_p", g->top_p);
  cJSON_AddNumberToObject(json, "repetition_penalty", g->penalty);
  char seed[24];  // a string: a JSON number need not keep 64 bits
  snprintf(seed, sizeof seed, "%llu", (unsigned long long)o->seed);
  cJSON_AddItemToObject(json, "seed", g->draws ? cJSON_CreateString(seed) : cJSON_CreateNull());
  if (g->n_outputs == 1) {
    cJSON_AddNumberToObject(json, "positions", (double)g->stats.n);
    cJSON_AddItemToObject(json, "cycles",
                          g->kind == ENGINE_RTL ? cJSON_CreateNumber((double)g->stats.cycles)
                                                : cJSON_CreateNull());
    cJSON_AddNumberToObject(json, "seconds", g->stats.seconds);
  }
  if (g->top) cJSON_AddItemToObject(json, "steps", o->steps);
  else cJSON_Delete(o->steps);
  o->new_ids = o->steps = NULL;
  return json;
}

static int print_json(struct generate *g, struct err *err) {
  if (g->n_outputs == 1) return stdout_json(output_json(&g->outputs[0]), err);
  cJSON *all = cJSON_CreateArray();
  for (size_t i = 0; i < g->n_outputs; i++) cJSON_AddItemToArray(all, output_json(&g->outputs[i]));
  return stdout_json(all, err);
}

static int on_position(void *ctx, const struct gpt2rtl_position_report *report) {
  struct output *o = ctx;
  struct generate *g = o->g;
  const struct controller_step step = {.id = report->id,
                                       .position = report->position,
                                       .head = report->chooses,
                                       .choice = report->choice,
                                       .recomputed = report->recomputed};
  if (interrupt_pending()) return -1;
  run_report_position(&g->report, report);
  return stats_add(&g->stats, (size_t)(o - g->outputs), &step, g->cycles_before + report->cycles,
                   g->err);
}

// Reports how far an interrupted run came, and ends the program by the signal.
static _Noreturn void end_interrupted(struct generate *g) {
  if (isatty(STDOUT_FILENO)) putchar('\n');
  fflush(stdout);
  fprintf(stderr, "gpt2rtl: interrupted after %zu of %u tokens, %zu positions, %.1f s%s\n",
          g->stats.generated, (unsigned)g->tokens, g->stats.n, g->stats.seconds,
          engine_kept_waveform(&g->engine->engine)
              ? "; the waveform holds what was traced until then"
              : "");
  struct err err;
  if (timeline_finish(&g->timeline, &err)) cli_say("%s", err.text);
  interrupt_end();
}

// Does the runs. Ends the program if they are interrupted.
static int generate(struct generate *g, struct err *err) {
  const size_t n = g->n_outputs;
  struct gpt2rtl_request *requests = calloc(n, sizeof *requests);
  const struct gpt2rtl_request **all = calloc(n, sizeof *all);
  int failed = -1;
  for (size_t i = 0; requests && all && i < n; i++) {
    requests[i] = g->request;
    requests[i].ids = g->outputs[i].ids;
    requests[i].n_ids = g->outputs[i].n_ids;
    requests[i].seed = g->outputs[i].seed;
    requests[i].ctx = &g->outputs[i];
    all[i] = &requests[i];
  }
  if (!requests || !all) {
    err_memory(err, "the prompts");
  } else {
    interrupt_hold();
    failed = gpt2rtl_generate_many(g->engine, all, n, NULL, public_error(err));
    if (interrupt_pending()) end_interrupted(g);
    interrupt_release();
  }
  free(requests);
  free(all);
  return failed;
}

static int run(struct generate *g, struct err *err) {
  struct err stopped = {""};
  struct output *first = &g->outputs[0];
  uint64_t saturations = 0;
  g->err = &stopped;
  for (size_t i = 0; g->json && i < g->n_outputs; i++) {
    g->outputs[i].new_ids = cJSON_CreateArray();
    g->outputs[i].steps = cJSON_CreateArray();
  }
  if (g->draws && !g->seed_given)
    fprintf(stderr, "gpt2rtl: --seed %llu\n", (unsigned long long)g->seeds[0]);
  if (stats_start(&g->stats, g->n_outputs, err) || show_title(g, err) || generate(g, err))
    return -1;
  if (stopped.text[0]) return *err = stopped, -1;
  if (g->json ? print_json(g, err)
              : g->top && (putchar('\n'),
                           stdout_write(first->held ? first->held : "", first->n_held, err)))
    return -1;
  if (!g->json && (isatty(STDOUT_FILENO) || g->top || !g->model->tokenizer || g->n_outputs > 1))
    stdout_write("\n", 1, err);
  for (size_t i = 0; i < g->n_outputs; i++)
    if (g->outputs[i].result.saturations > saturations)
      saturations = g->outputs[i].result.saturations;
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
  struct engine *engine = &g->engine->engine;
  if (cycles && engine_counters(engine, &counters, err)) return -1;
  if (g->bus) g->stats.batch = g->positions;
  const struct stats_about about = {.model = g->image ? g->image : g->dir,
                                    .engine = engine_names[g->kind],
                                    .checksum = image ? &engine->image.header.checksum : NULL,
                                    .lanes = image ? g->lanes : 0,
                                    .memory = cycles ? memory : NULL,
                                    .seed = g->draws && g->n_seeds == 1 ? g->seeds : NULL,
                                    .first = g->n_outputs == 1,
                                    .cycles = cycles,
                                    .shape =
                                        cycles && g->n_outputs == 1 ? &engine->image.header : NULL,
                                    .counters = cycles && g->n_outputs == 1 ? &counters : NULL};
  const struct run_report_about report = {.model = about.model,
                                          .memory = memory,
                                          .prompt = g->outputs[0].ids,
                                          .n_prompt = g->outputs[0].n_ids,
                                          .seconds = g->stats.seconds,
                                          .floor =
                                              about.shape ? stats_floor(&g->stats, about.shape) : 0,
                                          .counters = about.counters};
  stats_summary(&g->stats, &about);
  if (run_report_finish(&g->report, &report, err)) return -1;
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
  run_report_close(&g.report);
  staged_discard(&g.timeline.file);
  gpt2rtl_engine_close(g.engine);
  gpt2rtl_model_close(g.model);
  stats_free(&g.stats);
  for (size_t i = 0; i < g.n_outputs; i++) {
    cJSON_Delete(g.outputs[i].new_ids);
    cJSON_Delete(g.outputs[i].steps);
    free(g.outputs[i].held);
    free(g.outputs[i].ids);
  }
  free(g.outputs);
  for (size_t i = 0; i < g.n_given; i++) free(g.ids[i]);
  return status;
}

// generate with a web page of the run.
int report_main(int argc, char **argv) {
  command = "report";
  return generate_main(argc, argv);
}
