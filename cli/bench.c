// SPDX-License-Identifier: Apache-2.0
//
// bench - measures how fast this machine runs the golden engine, and how fast it reads its memory;
// and how many cycles a prompt takes in hardware that runs positions together
//
// Machines are rarely quiet. So each figure is the fastest of several measurements. Measurements of
// the engine and of the memory alternate, so that conditions are the same: eight tokens, then eight
// reads of as many bytes.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cjson/cJSON.h>

#include "engine_options.h"
#include "clock.h"
#include "fast_weights.h"
#include "parallel.h"
#include "progress.h"

static const char command[] = "bench";
static const char help[] =
    "gpt2rtl bench - measures the speed of the golden engine (the hardware's integers in C) on "
    "this machine\n\n"
    "usage: gpt2rtl bench --model DIR [OPTION...]\n\n"
    "  --model DIR         the model's folder; random weights take the same time as trained ones "
    "(gpt2rtl random-model)\n"
    "  --threads N,N,...   1 to 256 each; default: 1, and the number of processors\n"
    "  --vector V          portable, avx2, avx512vnni or neon; auto, the default: the fastest; "
    "all: each in turn\n"
    "  --positions N       also simulates the prompt in hardware that runs N of its positions "
    "together: 1, 2, 4, 8 or 16\n"
    "  --engines N         of which N meet a beat of weights in the same cycle: 1, 2, 4, ... "
    "positions; default: all\n"
    "  --folding N         cycles that a beat is held by lanes / N multipliers (gpt2rtl generate "
    "--help)\n"
    "  --lanes L           of this hardware: 64, 128, 256, ... 4096; default 256\n"
    "  --json              the result as JSON\n\n"
    "Decoding is measured in tokens per second from one chosen token to the next, including "
    "embedding, attention, head and\n"
    "sampling (top-k 40), with the given number of positions cached. GB/s are the weights and "
    "cached vectors that a token reads,\n"
    "times tokens per second; their share is relative to a plain loop that reads a buffer as large "
    "as the model. Prefill is a\n"
    "prompt, 64 positions at a time, of which only the last position runs the head. Each figure is "
    "the fastest of several\n"
    "measurements; a prompt's is the sum of the fastest of its parts. One thread is measured in "
    "processor time, several in\n"
    "elapsed time.\n\n"
    "The simulated prompt is as long, and chooses no token. Its cycles are exact, on the default "
    "memory of gpt2rtl generate.\n\n"
    "example: gpt2rtl bench --model build/models/gpt2 --threads 1,2 --vector all\n";

enum {
  MAX_RUNS = 8,
  CONTEXTS = 3,
  PROMPT = 512,
  DECODED = 64,
  REPEATS = 3,
  WINDOW = 8 /* tokens, or readings of the memory, that are timed together */,
  PATIENCE = 10 /* seconds; then once is enough */
};

struct result {
  const struct fast_kernels *kernels;
  uint32_t threads;
  double read;              // bytes per second
  double decode[CONTEXTS];  // tokens per second
  double prefill;           // the same
};

// The simulated hardware, and the prompt's cycles in it.
struct hardware {
  bool wanted;
  uint32_t lanes;
  struct estimate_batch batch;
  struct engine engine;
  uint64_t cycles;
};

struct bench {
  const char *dir;
  bool json;
  uint32_t *threads;  // [n_threads]
  size_t n_threads;
  const struct fast_kernels *kernels[MAX_RUNS];
  size_t n_kernels;
  struct image image;
  struct tokens {
    uint32_t ids[CONFIG_MAX_CTX];
  } tokens;
  uint32_t context[CONTEXTS];  // positions cached when decoding begins
  uint32_t prompt;             // positions of the prefill
  struct hardware hardware;
  struct result *results;  // [n_threads * n_kernels]
  size_t n_results;
  uint8_t *buffer;  // for the memory measurement
  size_t bytes;
  bool prefetch;  // read it with prefetching
  struct progress progress;
  uint64_t done;
};

// ----------------------------------------------------------------------------------------- options

static int parse(struct bench *b, int argc, char **argv) {
  const char *threads = NULL, *vector = NULL, *lanes = NULL;
  struct batch_text text = {NULL, NULL, NULL};
  struct hardware *h = &b->hardware;
  const struct option_spec specs[] = {
      {"--model", &b->dir, NULL},
      {"--threads", &threads, NULL},
      {"--vector", &vector, NULL},
      {"--json", NULL, &b->json},
      {"--positions", &text.positions, NULL},
      {"--engines", &text.engines, NULL},
      {"--folding", &text.folding, NULL},
      {"--lanes", &lanes, NULL},
  };
  char standard[32];
  struct err err;
  int status = options_parse(command, help, specs, sizeof specs / sizeof *specs, argc, argv, NULL);
  if (status >= 0) return status;
  if (!b->dir) return cli_usage(command, "--model is missing");
  h->wanted = text.positions != NULL;
  h->lanes = 256;
  if (!h->wanted && (text.engines || text.folding || lanes))
    return cli_usage(command, "%s goes with --positions",
                     text.engines   ? "--engines"
                     : text.folding ? "--folding"
                                    : "--lanes");
  if ((status = option_machine(command, ENGINE_RTL, &text, &h->batch))) return status;
  if (lanes && (status = option_lanes(command, lanes, &h->lanes))) return status;
  snprintf(standard, sizeof standard, parallel_processors() > 1 ? "1,%zu" : "1",
           parallel_processors());
  if ((status = option_ids(command, "--threads", threads ? threads : standard, &b->threads,
                           &b->n_threads)))
    return status;
  if (b->n_threads == 0) return cli_usage(command, "--threads: expected at least one number");
  for (size_t i = 0; i < b->n_threads; i++)
    if (b->threads[i] < 1 || b->threads[i] > FAST_MAX_THREADS)
      return cli_usage(command, "--threads '%s': expected numbers from 1 to %d", threads,
                       FAST_MAX_THREADS);
  if (vector && !strcmp(vector, "all")) {
    while (b->n_kernels < MAX_RUNS && (b->kernels[b->n_kernels] = fast_kernels_at(b->n_kernels)))
      b->n_kernels++;
    return -1;
  }
  b->kernels[b->n_kernels++] = fast_kernels_named(vector ? vector : "auto", &err);
  return b->kernels[0] ? -1 : cli_usage(command, "--vector: %s, all", err.text);
}

// --------------------------------------------------------------------------------------- measuring

enum { PIECE = 1 << 18 };

static void read_piece(void *ctx, uint32_t item, uint32_t thread) {
  const struct bench *b = ctx;
  const uint64_t *p = (const uint64_t *)(const void *)(b->buffer + (size_t)item * PIECE);
  uint64_t sum[32] = {0};
  (void)thread;
  for (size_t i = 0; i < PIECE / sizeof *p; i += 32) {
    for (size_t j = 0; b->prefetch && j < 32; j += 8) __builtin_prefetch(p + i + 1024 + j);
    for (size_t j = 0; j < 32; j++) sum[j] ^= p[i + j];
  }
  for (size_t j = 1; j < 32; j++) sum[0] ^= sum[j];
  *(volatile uint64_t *)&sum[0] = sum[0];  // keeps the compiler from removing the reads
}

// The time in seconds: for one thread its processor time, which excludes the time that the system
// gives to others; for several threads the elapsed time.
static double now(const struct result *r) { return r->threads == 1 ? clock_thread() : clock_now(); }

static void faster(const struct result *r, double *best, double n, double begin) {
  const double rate = n / (now(r) - begin);
  if (rate > *best) *best = rate;
}

// Sets r->read. All threads read the whole buffer, with and without prefetching, and the faster way
// counts.
static void read_memory(struct bench *b, struct result *r, struct fast_pool *pool) {
  for (int i = 0; i < 2; i++) {
    const double begin = now(r);
    b->prefetch = i;
    for (int pass = 0; pass < WINDOW; pass++)
      fast_pool_run(pool, (uint32_t)(b->bytes / PIECE), read_piece, b);
    faster(r, &r->read, WINDOW * (double)b->bytes, begin);
  }
}

static void measure_decode(struct bench *b, struct result *r, struct fast_engine *engine,
                           struct fast_pool *pool, int c) {
  struct sampling sampling = {.top_k = 40, .inv_t = sampling_inv_t(1), .state = 1};
  uint32_t n = b->image.header.n_ctx - b->context[c];
  n = n < DECODED ? n : DECODED;
  const uint32_t window = n < WINDOW ? n : WINDOW;
  double begin = 0;
  read_memory(b, r, pool);
  for (uint32_t i = 0, id = b->tokens.ids[b->context[c]]; i < n; i++) {
    if (i % window == 0) begin = now(r);
    fast_engine_run(engine, &id, 1, b->context[c] + i, FAST_LAST_HEAD, NULL);
    id = fast_engine_choose(engine, &sampling);
    if (i % window == window - 1) faster(r, &r->decode[c], window, begin);
  }
}

// Fills the cache up to `end`, FAST_BATCH positions at a time. best[i] keeps the shortest time of
// part i.
static void measure_prefill(const struct bench *b, const struct result *r,
                            struct fast_engine *engine, uint32_t begin, uint32_t end,
                            double *best) {
  for (uint32_t t = begin, n; t < end; t += n, best++) {
    const double start = now(r);
    n = end - t < FAST_BATCH ? end - t : FAST_BATCH;
    fast_engine_run(engine, b->tokens.ids + t, n, t, t + n == end ? FAST_LAST_HEAD : FAST_NO_HEAD,
                    NULL);
    const double seconds = now(r) - start;
    if (*best == 0 || seconds < *best) *best = seconds;
  }
}

// Goes through the contexts, and fills the cache up to each.
static void measure(struct bench *b, struct result *r, struct fast_engine *engine,
                    struct fast_pool *pool) {
  const double start = clock_now();
  double parts[CONTEXTS][CONFIG_MAX_CTX / FAST_BATCH + 1] = {0}, seconds = 0;
  for (int repeat = 0; repeat < REPEATS && (repeat == 0 || clock_now() - start < PATIENCE);
       repeat++) {
    uint32_t filled = 0;
    for (int c = 0; c < CONTEXTS; c++) {
      measure_prefill(b, r, engine, filled, b->context[c], parts[c]);
      filled = b->context[c];
      for (int i = 0; i < REPEATS && (i == 0 || clock_now() - start < PATIENCE); i++)
        measure_decode(b, r, engine, pool, c);
      progress_show(&b->progress, ++b->done, NULL);
    }
  }
  for (uint32_t i = 0; i * FAST_BATCH < b->prompt; i++) seconds += parts[1][i];
  r->prefill = b->prompt / seconds;
}

static int on_step(void *ctx, const struct controller_step *step) {
  struct hardware *h = ctx;
  (void)step;
  h->cycles = engine_cycles(&h->engine);
  return 0;
}

static int simulate(struct bench *b, struct err *err) {
  struct hardware *h = &b->hardware;
  const struct sim_memory memory = SIM_MEMORY_DEFAULT;
  const struct engine_options options = {.lanes = h->lanes,
                                         .memory = &memory,
                                         .build = SIM_FAST,
                                         .note = cli_note};
  const struct controller_run prompt = {.prompt = b->tokens.ids,
                                        .n_prompt = b->prompt,
                                        .sampling = {.top_k = 1, .inv_t = 1, .state = 1},
                                        .ctx = h,
                                        .step = on_step};
  uint64_t saturations;
  engine_say();
  int failed = engine_open(&h->engine, ENGINE_RTL, b->dir, &options, err);
  if (!failed) failed = engine_run(&h->engine, &prompt, NULL, &saturations, err);
  engine_close(&h->engine);
  return failed;
}

static int run(struct bench *b, struct err *err) {
  if (model_image(&b->image, b->dir, 256, err)) return -1;
  const struct image_header *h = &b->image.header;
  const uint32_t contexts[CONTEXTS] = {0, PROMPT, 960};
  for (int c = 0; c < CONTEXTS; c++)  // for a smaller model, the same fractions of its context
    b->context[c] = h->n_ctx > 960 ? contexts[c] : contexts[c] * h->n_ctx / 1024;
  b->prompt = b->context[1];
  for (uint32_t i = 0; i < h->n_ctx; i++) b->tokens.ids[i] = i * 7919 % h->vocab_size;
  b->results = calloc(b->n_threads * b->n_kernels, sizeof *b->results);
  b->bytes = h->n_beats * h->lanes / PIECE * PIECE + PIECE;
  b->buffer = fast_memory_map(b->bytes);
  if (!b->results || !b->buffer) return err_memory(err, "the buffer for measuring the memory");
  memset(b->buffer, 1, b->bytes);
  progress_start(&b->progress, command, (uint64_t)b->n_threads * b->n_kernels * REPEATS * CONTEXTS);
  int failed = 0;
  for (size_t t = 0; t < b->n_threads && !failed; t++) {
    struct fast_pool *pool = NULL;
    failed = fast_pool_create(&pool, b->threads[t], err);
    for (size_t k = 0; k < b->n_kernels && !failed; k++) {
      struct result *r = &b->results[b->n_results++];
      struct fast_engine *engine = NULL;
      *r = (struct result){.kernels = b->kernels[k], .threads = b->threads[t]};
      failed =
          fast_engine_create(&engine, &b->image,
                             &(struct fast_options){.threads = r->threads, .kernels = r->kernels},
                             err);
      if (!failed) measure(b, r, engine, pool);
      fast_engine_destroy(engine);
    }
    fast_pool_destroy(pool);
  }
  progress_end(&b->progress);
  return failed || (b->hardware.wanted && simulate(b, err)) ? -1 : 0;
}

// ------------------------------------------------------------------------------------------ output

static double weight_bytes(const struct image_header *h) {
  const double c = h->n_embd;
  return h->n_layer * 12 * c * c + h->vocab_size * c;
}

// The bytes of weights and cached vectors that a token reads after `context` positions, averaged
// over the measured tokens.
static double token_bytes(const struct image_header *h, uint32_t context) {
  const uint32_t left = h->n_ctx - context, n = left < DECODED ? left : DECODED;
  return weight_bytes(h) + 2.0 * h->n_layer * h->n_embd * (context + (n + 1) / 2.0);
}

static int print_json(const struct bench *b, struct err *err) {
  cJSON *json = cJSON_CreateObject(), *results = cJSON_AddArrayToObject(json, "results");
  json_add_name(json, "model", b->dir);
  for (size_t i = 0; i < b->n_results; i++) {
    const struct result *r = &b->results[i];
    cJSON *run = cJSON_CreateObject(), *decode = cJSON_AddArrayToObject(run, "decode");
    cJSON_AddStringToObject(run, "vector", r->kernels->name);
    cJSON_AddNumberToObject(run, "threads", r->threads);
    cJSON_AddNumberToObject(run, "read_bytes_per_second", r->read);
    for (int c = 0; c < CONTEXTS; c++) {
      const double bytes = r->decode[c] * token_bytes(&b->image.header, b->context[c]);
      cJSON *at = cJSON_CreateObject();
      cJSON_AddNumberToObject(at, "context", b->context[c]);
      cJSON_AddNumberToObject(at, "tokens_per_second", r->decode[c]);
      cJSON_AddNumberToObject(at, "bytes_per_second", bytes);
      cJSON_AddNumberToObject(at, "share_of_read", bytes / r->read);
      cJSON_AddItemToArray(decode, at);
    }
    cJSON *prefill = cJSON_AddObjectToObject(run, "prefill");
    cJSON_AddNumberToObject(prefill, "tokens", b->prompt);
    cJSON_AddNumberToObject(prefill, "tokens_per_second", r->prefill);
    cJSON_AddItemToArray(results, run);
  }
  if (b->hardware.wanted) {
    cJSON *hardware = cJSON_AddObjectToObject(json, "hardware");
    cJSON_AddNumberToObject(hardware, "lanes", b->hardware.lanes);
    cJSON_AddNumberToObject(hardware, "positions", b->hardware.batch.positions);
    cJSON_AddNumberToObject(hardware, "engines", b->hardware.batch.engines);
    cJSON_AddNumberToObject(hardware, "folding", b->hardware.batch.folding);
    cJSON_AddNumberToObject(hardware, "tokens", b->prompt);
    cJSON_AddNumberToObject(hardware, "cycles", (double)b->hardware.cycles);
  }
  return stdout_json(json, err);
}

static int print_table(const struct bench *b, struct err *err) {
  const struct image_header *h = &b->image.header;
  char name[CLI_NAME_SIZE];
  printf("%s: %u layers, width %u, %u ids: %.1f MB of weights per token\n\n",
         cli_name(name, b->dir), h->n_layer, h->n_embd, h->vocab_size, weight_bytes(h) / 1e6);
  printf("| vector code | threads | memory reads |");
  for (int c = 0; c < CONTEXTS; c++) printf(" decode at context %u |", b->context[c]);
  printf(" prefill of %u |\n| --- | --- | --- |", b->prompt);
  for (int c = 0; c < CONTEXTS + 1; c++) printf(" --- |");
  putchar('\n');
  for (size_t i = 0; i < b->n_results; i++) {
    const struct result *r = &b->results[i];
    printf("| %s | %u | %.1f GB/s |", r->kernels->name, r->threads, r->read / 1e9);
    for (int c = 0; c < CONTEXTS; c++) {
      const double bytes = r->decode[c] * token_bytes(h, b->context[c]);
      printf(" %.1f tokens/s, %.1f GB/s, %.0f %% |", r->decode[c], bytes / 1e9,
             100 * bytes / r->read);
    }
    printf(" %.1f tokens/s |\n", r->prefill);
  }
  const struct hardware *hardware = &b->hardware;
  if (hardware->wanted)
    printf("\nhardware of %u lanes, %u positions together, %u in a cycle: a prompt of %u takes "
           "%.0f cycles per position\n",
           hardware->lanes, hardware->batch.positions, hardware->batch.engines, b->prompt,
           (double)hardware->cycles / b->prompt);
  return stdout_write("", 0, err);
}

int bench_main(int argc, char **argv) {
  struct bench b = {0};
  struct err err;
  int status = parse(&b, argc, argv);
  if (status < 0)
    status =
        run(&b, &err) || (b.json ? print_json : print_table)(&b, &err) ? cli_fail(&err) : EXIT_DONE;
  fast_memory_unmap(b.buffer, b.bytes);
  image_close(&b.image);
  free(b.results);
  free(b.threads);
  return status;
}
