// SPDX-License-Identifier: Apache-2.0
#include "stats.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cjson/cJSON.h>

#include "cli.h"
#include "clock.h"

int stats_start(struct stats *s, size_t prompts, struct err *err) {
  memset(s, 0, sizeof *s);
  s->prompts = prompts;
  s->continues = calloc(prompts, sizeof *s->continues);
  s->begin = clock_now();
  return s->continues ? 0 : err_memory(err, "the statistics");
}

int stats_add(struct stats *s, size_t prompt, const struct controller_step *step, uint64_t cycles,
              struct err *err) {
  const double seconds = clock_now() - s->begin;
  if (s->n == s->room) {
    const size_t room = s->room ? 2 * s->room : 1024;
    struct stats_position *more = realloc(s->positions, room * sizeof *more);
    if (!more) return err_memory(err, "the statistics");
    s->positions = more;
    s->room = room;
  }
  s->positions[s->n++] =
      (struct stats_position){.step = *step, .prompt = prompt, .cycles = cycles - s->cycles};
  if (!s->continues[prompt]) {
    s->prompt.positions++;
    s->prompt.cycles += cycles - s->cycles;
    s->prompt.seconds += seconds - s->seconds;
  }
  s->cycles = cycles;
  s->seconds = seconds;
  return 0;
}

void stats_chosen(struct stats *s, size_t prompt) {
  s->generated++;
  s->continues[prompt] = true;
}

void stats_free(struct stats *s) {
  free(s->positions);
  free(s->continues);
  memset(s, 0, sizeof *s);
}

// Whether position i ran together with the next.
static bool is_shared(const struct stats *s, size_t i) {
  if (i + 1 == s->n) return false;
  if (!s->batch) return s->positions[i + 1].cycles == 0;
  const struct controller_step *step = &s->positions[i].step;
  return !step->head && (step->position + 1) % s->batch != 0;
}

double stats_floor(const struct stats *s, const struct image_header *shape) {
  double sum = 0;
  // Positions that run together share the weights that are read for the last of them.
  for (size_t i = 0; i < s->n; i++)
    if (!is_shared(s, i))
      sum += floor_cycles(shape, s->positions[i].step.position, s->positions[i].step.head);
  return sum;
}

void stats_summary(const struct stats *s, const struct stats_about *about) {
  const double n = (double)s->n, c = (double)s->cycles;
  const bool cycles = about->cycles;
  fflush(stdout);
  fprintf(stderr, "gpt2rtl: %zu tokens, %zu positions", s->generated, s->n);
  if (cycles)
    fprintf(stderr, ", %.0f cycles per token, %.3g million cycles per second", c / n,
            c / s->seconds / 1e6);
  fprintf(stderr, ", %.4g tokens per second", n / s->seconds);
  if (about->first && cycles)
    fprintf(stderr, ", the first after %" PRIu64 " cycles", s->prompt.cycles);
  else if (about->first) fprintf(stderr, ", the first after %.3g s", s->prompt.seconds);
  fputs("\n", stderr);
  if (!about->counters) return;
  const enum count_what bound = counters_bound(about->counters);
  const double total = (double)about->counters->cycles;
  fprintf(stderr,
          "gpt2rtl: %.1f %% of the memory floor; the engine was idle in %.1f %% of the cycles, "
          "most of them for %s (%.1f %%)\n",
          100 * stats_floor(s, about->shape) / c,
          100 - 100 * (double)counters_used(about->counters) / total, count_what_name[bound],
          100 * (double)counters_of(about->counters, bound) / total);
}

static void write_string(FILE *f, const char *text) {
  cJSON *json = text_json(text, strlen(text));
  char *printed = cJSON_PrintUnformatted(json);
  json_print(f, printed ? printed : "null");
  free(printed);
  cJSON_Delete(json);
}

static void write_string_or_null(FILE *f, const char *name, const char *text) {
  fprintf(f, "\"%s\": ", name);
  if (text) write_string(f, text);
  else fputs("null", f);
  fputs(",\n ", f);
}

static void write_number_or_null(FILE *f, const char *name, bool known, uint64_t value) {
  if (known) fprintf(f, "\"%s\": %" PRIu64, name, value);
  else fprintf(f, "\"%s\": null", name);
}

static void write_share(FILE *f, const char *name, bool cycles, struct stats_share share) {
  fprintf(f, "\"%s\": {\"positions\": %zu, ", name, share.positions);
  write_number_or_null(f, "cycles", cycles, share.cycles);
  fprintf(f, ", \"seconds\": %.6f},\n ", share.seconds);
}

// "counters": ...
static void write_counters(FILE *f, const struct sim_counters *c) {
  if (!c) {
    fputs("null", f);
    return;
  }
  const uint64_t kv_reads = counters_of(c, COUNT_KV) + c->at[COUNT_SCORES][COUNT_SCALES];
  fprintf(f, "{\"cycles\": %" PRIu64 ", \"kv_reads\": %" PRIu64 ", \"kv_writes\": %" PRIu64,
          c->cycles, kv_reads, c->kv_writes);
  for (int what = 0; what < COUNT_WHATS; what++)
    fprintf(f, ", \"%s\": %" PRIu64, count_what_name[what], counters_of(c, (enum count_what)what));
  fputs(",\n  \"phases\": {", f);
  for (int phase = 0; phase < COUNT_PHASES; phase++) {
    const char *comma = "";
    fprintf(f, "%s\n   \"%s\": {", phase ? "," : "", count_phase_name[phase]);
    for (int what = 0; what < COUNT_WHATS; what++) {
      if (!c->at[phase][what]) continue;
      fprintf(f, "%s\"%s\": %" PRIu64, comma, count_what_name[what], c->at[phase][what]);
      comma = ", ";
    }
    fputs("}", f);
  }
  fputs("}}", f);
}

void stats_write(const struct stats *s, const struct stats_about *about, FILE *f) {
  char checksum[17], seed[24];  // a string: a JSON number need not keep 64 bits
  if (about->seed) snprintf(seed, sizeof seed, "%" PRIu64, *about->seed);
  if (about->checksum) snprintf(checksum, sizeof checksum, "%016" PRIx64, *about->checksum);
  fprintf(f, "{\"schema\": 1,\n \"version\": \"%s\",\n ", GPT2RTL_VERSION);
  write_string_or_null(f, "model", about->model);
  write_string_or_null(f, "image_checksum", about->checksum ? checksum : NULL);
  write_string_or_null(f, "engine", about->engine);
  write_number_or_null(f, "lanes", about->lanes != 0, about->lanes);
  fputs(",\n ", f);
  write_string_or_null(f, "memory", about->memory);
  write_string_or_null(f, "seed", about->seed ? seed : NULL);
  fputs("\"tokens\": [", f);
  for (size_t i = 0; i < s->n; i++) {
    const struct controller_step *step = &s->positions[i].step;
    fprintf(f, "%s\n  {", i ? "," : "");
    if (s->prompts > 1) fprintf(f, "\"prompt\": %zu, ", s->positions[i].prompt);
    fprintf(f, "\"position\": %u, \"id\": %u, ", (unsigned)step->position, (unsigned)step->id);
    write_number_or_null(f, "next", step->head, step->choice);
    fputs(", ", f);
    write_number_or_null(f, "cycles", about->cycles, s->positions[i].cycles);
    fprintf(f, "%s}", step->recomputed ? ", \"recomputed\": true" : "");
  }
  fputs("],\n ", f);
  write_number_or_null(f, "cycles", about->cycles, s->cycles);
  if (about->shape) fprintf(f, ",\n \"floor\": %.1f", stats_floor(s, about->shape));
  fprintf(f, ",\n \"seconds\": %.6f,\n ", s->seconds);
  if (about->cycles) fprintf(f, "\"cycles_per_second\": %.1f,\n ", (double)s->cycles / s->seconds);
  else fputs("\"cycles_per_second\": null,\n ", f);
  fprintf(f, "\"tokens_per_second\": %.3f,\n ", (double)s->n / s->seconds);
  write_share(f, "prompt", about->cycles, s->prompt);
  write_share(f, "generated", about->cycles,
              (struct stats_share){s->n - s->prompt.positions, s->cycles - s->prompt.cycles,
                                   s->seconds - s->prompt.seconds});
  fputs("\"counters\": ", f);
  write_counters(f, about->counters);
  fputs("}\n", f);
}
