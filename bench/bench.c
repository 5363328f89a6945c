// SPDX-License-Identifier: Apache-2.0
//
// bench - measures the RTL at the 124M shape: cycles per token by lanes, context and memory, and
// the speed of simulation
//
//   build/bench/bench MODEL BARE_ENGINE.so CSV SVG LANES[:POSITIONS][-PARAMETER.VALUE...]...
//
// For each number of lanes, one run of up to 1024 positions passes every context. At each context
// shown, one position runs on the default memory and the next ones on the presets; the memory is
// changed between positions. At 1024 lanes, simulation of the bare engine alternates with it in the
// same thread, so that both see the same load on the machine. Rates are per second of the thread's
// processor time. With parameters (-NormWidth.16-ExpWidth.4) only the contexts are shown.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bare.h"
#include "cli.h"
#include "clock.h"
#include "estimate.h"
#include "row.h"
#include "interrupt.h"
#include "sim.h"

static const uint32_t contexts[] = {1, 128, 512, 1023};
enum { CONTEXTS = 4, PRESETS = 5, MAX_ROWS = 256, RATE = 8 };

struct bench {
  const struct image *image;
  struct sim *sim;
  struct bare *bare;
  uint32_t positions;  // of the run
  struct sim_counters before;
  double time[RATE];  // the thread's seconds and cycles at the last RATE positions
  uint64_t cycles[RATE];
  double bare_rate, whole_rate;
  unsigned pairs;
  struct row rows[MAX_ROWS];
  size_t n;
  struct err err;
};

// Whether position p is shown, on memory_presets[*preset] or (-1) on the default memory. Presets
// come after a context, except before the last.
static bool is_shown(const struct bench *b, uint32_t p, int *preset) {
  for (int c = 0; c < CONTEXTS; c++) {
    const uint32_t at = contexts[c];
    if (p != at && library_parameters[0]) continue;
    const bool room = at + PRESETS < b->image->header.n_ctx;
    if (at >= b->positions) continue;
    *preset = p == at ? -1 : room ? (int)(p - at - 1) : (int)(p + PRESETS - at);
    if (p == at || (*preset >= 0 && *preset < PRESETS && (room ? p > at : p < at))) return true;
  }
  return false;
}

static void add_row(struct bench *b, uint32_t position, int preset, const struct sim_counters *now,
                    double rate) {
  const struct image_header *h = &b->image->header;
  const struct gpt2_config config = {.n_layer = h->n_layer,
                                     .n_head = h->n_head,
                                     .n_embd = h->n_embd,
                                     .n_ctx = h->n_ctx,
                                     .vocab_size = h->vocab_size};
  struct sim_memory memory = SIM_MEMORY_DEFAULT;
  struct estimate e;
  if (b->n == MAX_ROWS) return;
  struct row *r = &b->rows[b->n++];
  if (preset >= 0) memory.preset = &memory_presets[preset];
  estimate_token(&e, &config, h->lanes, position, &memory, 40);
  *r = (struct row){.lanes = h->lanes,
                    .context = position,
                    .parameters = library_parameters,
                    .memory = preset < 0 ? NULL : memory_presets[preset].name,
                    .cycles = now->cycles - b->before.cycles,
                    .floor = floor_cycles(h, position, true),
                    .estimate = e.cycles,
                    .rate = rate};
  printf("%5u %7u  %-24s %9llu %6.2f %%", r->lanes, r->context,
         r->memory        ? r->memory
         : *r->parameters ? r->parameters + 1
                          : "-",
         (unsigned long long)r->cycles, 100 * r->floor / (double)r->cycles);
  for (int i = 0; i < CAUSES; i++) {
    const enum count_what what = (enum count_what)(COUNT_MEMORY + i);
    r->idle[i] = counters_of(now, what) - counters_of(&b->before, what);
    printf(" %9llu", (unsigned long long)r->idle[i]);
  }
  if (*r->parameters) printf(" %11s", "-");
  else printf(" %+9.2f %%", 100 * (r->estimate / (double)r->cycles - 1));
  if (rate > 0) printf(" %9.2f %8.1f", rate / 1e6, rate / (double)r->cycles);
  puts("");
  fflush(stdout);
}

static int on_step(void *ctx, const struct controller_step *step) {
  struct bench *b = ctx;
  struct sim_counters now;
  struct sim_memory memory = SIM_MEMORY_DEFAULT;
  int preset;
  const uint32_t p = step->position, slot = p % RATE;
  if (sim_read_counters(b->sim, &now, &b->err)) return 1;
  const double time = clock_thread();
  if (is_shown(b, p, &preset)) {
    const uint32_t since =
        p < RATE ? (p + RATE - 1) % RATE : slot;  // the previous position, or the one RATE before
    const double rate =
        preset < 0 ? (double)(now.cycles - b->cycles[since]) / (time - b->time[since]) : 0;
    add_row(b, p, preset, &now, rate);
    if (preset < 0 && b->bare && p >= RATE) {
      const double bare = bare_run(b->bare, 1, &b->err);
      if (bare < 0) return 1;
      b->bare_rate += bare;
      b->whole_rate += rate;
      b->pairs++;
    }
  }
  if (isatty(STDERR_FILENO))
    fprintf(stderr, "\r%u lanes, position %u \r", b->image->header.lanes, p);
  if (is_shown(b, p + 1, &preset) && preset >= 0) memory.preset = &memory_presets[preset];
  sim_set_memory(b->sim, &memory);
  b->before = now;
  b->time[slot] = clock_thread();
  b->cycles[slot] = now.cycles;
  return 0;
}

static int run_lanes(struct bench *b, const char *model, uint32_t lanes, uint32_t positions,
                     const char *bare, struct err *err) {
  struct image image;
  struct sim_result result;
  const uint32_t id = 7;
  if (model_image(&image, model, lanes, err)) return -1;
  b->image = &image;
  b->positions = positions;
  memset(&b->before, 0, sizeof b->before);
  const struct controller_run run = {.prompt = &id,
                                     .n_prompt = 1,
                                     .max_new = positions,
                                     .ctx = b,
                                     .step = on_step,
                                     .sampling = {.top_k = 40,
                                                  .inv_t = sampling_inv_t(1),
                                                  .state = sampling_seed(1)}};
  int failed = sim_open(&b->sim, &image, &SIM_MEMORY_DEFAULT, SIM_FAST, err);
  if (!failed && lanes == 1024 && !*library_parameters) failed = bare_open(&b->bare, bare, err);
  b->time[RATE - 1] = clock_thread();
  b->cycles[RATE - 1] = 0;
  if (!failed) failed = sim_run(b->sim, &run, &result, err);
  if (failed && !err->text[0]) *err = b->err;
  bare_close(b->bare);
  sim_close(b->sim);
  image_close(&image);
  b->bare = NULL;
  b->sim = NULL;
  return failed;
}

static int write_csv(const struct bench *b, const char *path, struct err *err) {
  struct staged out;
  if (staged_open(&out, path, err)) return -1;
  fprintf(out.file, "lanes,parameters,context,memory,cycles,floor,share");
  for (int i = 0; i < CAUSES; i++) fprintf(out.file, ",idle_%s", count_what_name[COUNT_MEMORY + i]);
  fputs(",estimate,simulated_cycles_per_second,simulated_tokens_per_second,tokens_per_second_at_"
        "250_mhz\n",
        out.file);
  for (size_t k = 0; k < b->n; k++) {
    const struct row *r = &b->rows[k];
    fprintf(out.file, "%u,%s,%u,%s,%llu,%.1f,%.5f", r->lanes,
            *r->parameters ? r->parameters + 1 : "", r->context,
            r->memory ? r->memory : "latency=150", (unsigned long long)r->cycles, r->floor,
            r->floor / (double)r->cycles);
    for (int i = 0; i < CAUSES; i++) fprintf(out.file, ",%llu", (unsigned long long)r->idle[i]);
    fprintf(out.file, ",%.0f,", r->estimate);
    if (r->rate > 0) fprintf(out.file, "%.0f,%.2f", r->rate, r->rate / (double)r->cycles);
    else fputs(",", out.file);
    fprintf(out.file, ",%.1f\n", 250e6 / (double)r->cycles);
  }
  return staged_commit(&out, err);
}

int main(int argc, char **argv) {
  static struct bench b;
  struct err err = {""};
  interrupt_install();
  if (argc < 6)
    return fprintf(stderr, "usage: bench MODEL BARE_ENGINE.so CSV SVG "
                           "LANES[:POSITIONS][-PARAMETER.VALUE...]...\n"),
           2;
  printf("lanes context  memory or widths            cycles    floor    memory layernorm   softmax "
         " sampling hand_over   estimate M cycles/s tokens/s\n");
  for (int i = 5; i < argc; i++) {
    char *end;
    const unsigned long lanes = strtoul(argv[i], &end, 10),
                        positions = *end == ':' ? strtoul(end + 1, &end, 10) : 1024;
    library_parameters = *end == '-' ? end : "";
    if (run_lanes(&b, argv[1], (uint32_t)lanes, (uint32_t)positions, argv[2], &err))
      return cli_fail(&err);
  }
  if (b.pairs)
    printf("\nThe whole machine at 1024 lanes simulates at %.2f M cycles/s, the bare engine at "
           "%.2f M: %.0f %%\n",
           b.whole_rate / b.pairs / 1e6, b.bare_rate / b.pairs / 1e6,
           100 * b.whole_rate / b.bare_rate);
  if (write_csv(&b, argv[3], &err) || plot_write(argv[4], b.rows, b.n, &err)) return cli_fail(&err);
  printf("written: %s, %s\n", argv[3], argv[4]);
  return 0;
}
