// SPDX-License-Identifier: Apache-2.0
#include "engine_options.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "parallel.h"

int option_engine(const char *command, const char *text, enum engine_kind *kind) {
  for (int i = 0; i < ENGINES; i++) {
    if (!strcmp(text, engine_names[i])) {
      *kind = (enum engine_kind)i;
      return 0;
    }
  }
  return cli_usage(command, "--engine '%s': expected rtl, golden, golden-readable or float", text);
}

int option_rtl(const char *command, enum engine_kind kind, const char *lanes, const char *memory,
               const char *clock) {
  const char *given = lanes ? "--lanes" : memory ? "--memory" : clock ? "--clock" : NULL;
  return given && kind != ENGINE_RTL ? cli_usage(command, "%s needs --engine rtl", given) : 0;
}

int option_machine(const char *command, enum engine_kind kind, const struct batch_text *text,
                   struct estimate_batch *batch) {
  static char parameters[64];
  const char *given = text->positions ? "--positions"
                      : text->engines ? "--engines"
                      : text->folding ? "--folding"
                                      : NULL;
  int n = 0, status;
  if (given && kind != ENGINE_RTL) return cli_usage(command, "%s needs --engine rtl", given);
  if ((status = option_batch(command, text, batch))) return status;
  if (batch->positions > 1)
    n += snprintf(parameters, sizeof parameters, "-Positions.%u", batch->positions);
  if (batch->engines < batch->positions)
    n += snprintf(parameters + n, sizeof parameters - (size_t)n, "-Engines.%u", batch->engines);
  if (batch->folding > 1)
    n += snprintf(parameters + n, sizeof parameters - (size_t)n, "-Folding.%u", batch->folding);
  if (n) library_parameters = parameters;
  return 0;
}

int option_fast(const char *command, enum engine_kind kind, const char *threads, const char *vector,
                struct fast_options *fast) {
  const size_t processors = parallel_processors();
  uint64_t n = processors < 8 ? processors : 8;
  struct err err;
  int status;
  if ((threads || vector) && kind != ENGINE_GOLDEN)
    return cli_usage(command, "%s needs --engine golden", threads ? "--threads" : "--vector");
  if (threads && (status = option_u64(command, "--threads", threads, 1, FAST_MAX_THREADS, &n)))
    return status;
  *fast = (struct fast_options){.threads = (uint32_t)n,
                                .kernels = fast_kernels_named(vector ? vector : "auto", &err)};
  return fast->kernels ? 0 : cli_usage(command, "--vector: %s", err.text);
}

int option_drawing(const char *command, const char *temperature, const char *top_k,
                   const char *seed, bool another, struct drawing_options *d) {
  uint64_t k = 40;
  int status;
  *d = (struct drawing_options){.temperature = top_k || seed || another ? 1 : 0};
  if (temperature &&
      (status = option_double(command, "--temperature", temperature, 0, 100, &d->temperature)))
    return status;
  if (d->temperature > 0 && d->temperature < 0.01)
    return cli_usage(command, "--temperature '%s': expected 0, or 0.01 to 100", temperature);
  if (top_k && (status = option_u64(command, "--top-k", top_k, 1, MAX_TOP_K, &k))) return status;
  if (seed && (status = option_u64(command, "--seed", seed, 0, UINT64_MAX, &d->seed)))
    return status;
  d->top_k = (uint32_t)k;
  d->draws = d->temperature > 0 && k > 1;
  d->seed_given = seed != NULL;
  if (!seed) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    d->seed = (sampling_seed((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec) ^
               (uint64_t)getpid()) %
              1000000000u;
  }
  return 0;
}

// On a terminal, counts the seconds while a simulator is made; otherwise prints one line.
static void show_making(uint32_t lanes, enum sim_build build, double seconds) {
  static const char *const kind[] = {"", " with assertions", " with waveforms"};
  static bool said;
  if (isatty(STDERR_FILENO)) {
    if (seconds < 0) fputs("\r\033[K", stderr);
    else
      fprintf(stderr,
              "\rgpt2rtl: making the simulator for %u lanes%s (once; a minute or more): %.0f s ",
              lanes, kind[build], seconds);
  } else if (!said) {
    fprintf(stderr, "gpt2rtl: making the simulator for %u lanes%s (once; a minute or more)\n",
            lanes, kind[build]);
  }
  said = seconds >= 0;
}

static void show_note(const char *sentence) { cli_say("%s", sentence); }

void engine_say(void) {
  library_progress = show_making;
  library_note = show_note;
}
