// SPDX-License-Identifier: Apache-2.0
#include "timeline_request.h"

#include "cli.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

int timeline_parse(const char *command, struct timeline_request *o) {
  if (!o->path) return o->tokens ? cli_usage(command, "--timeline-tokens needs --timeline") : 0;
  return o->tokens ? option_positions(command, "--timeline-tokens", o->tokens, &o->first, &o->last)
                   : 0;
}

// ----------------------------------------------------------------------------------------- writing

enum { STEPS = 1, ENGINE, IDLE, UNITS = 10, READS = 40, WRITES };

static void put(struct timeline_writer *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void put(struct timeline_writer *w, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int n =
      w->file ? vfprintf(w->file, format, arguments) : vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  if (n > 0) w->bytes += (uint64_t)n;  // stream errors are checked at the end
}

static void name_thread(struct timeline_writer *w, int thread, const char *name) {
  put(w,
      "{\"ph\":\"M\",\"pid\":1,\"tid\":%d,\"name\":\"thread_name\",\"args\":{\"name\":\"%s\"}},\n"
      "{\"ph\":\"M\",\"pid\":1,\"tid\":%d,\"name\":\"thread_sort_index\",\"args\":{\"sort_index\":%"
      "d"
      "}},\n",
      thread, name, thread, thread);
}

static void put_head(struct timeline_writer *w, const struct image_header *h) {
  put(w,
      "{\"displayTimeUnit\":\"ns\",\n\"traceEvents\":[\n"
      "{\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\",\"args\":{\"name\":\"gpt2_top, %u "
      "lanes\"}},\n",
      (unsigned)h->lanes);
  name_thread(w, STEPS, "position");
  name_thread(w, ENGINE, "engine");
  name_thread(w, IDLE, "engine idle");
  for (int unit = 0; unit < TIMELINE_N_UNITS; unit++)
    name_thread(w, UNITS + unit, timeline_unit_name[unit]);
  name_thread(w, READS, "memory reads");
  name_thread(w, WRITES, "memory writes");
}

static void put_foot(struct timeline_writer *w) {
  uint64_t all = 0;
  for (int what = 0; what < COUNT_WHATS; what++)
    all += counters_of(&w->sums, (enum count_what)what);
  put(w,
      "{\"ph\":\"M\",\"pid\":1,\"name\":\"process_labels\",\"args\":{\"labels\":\"1 ns is 1 "
      "cycle\"}}\n],\n"
      "\"otherData\":{\"cycles\":%" PRIu64,
      all);
  for (int what = 0; what < COUNT_WHATS; what++)
    put(w, ",\"%s\":%" PRIu64, count_what_name[what], counters_of(&w->sums, (enum count_what)what));
  put(w, "}}\n");
}

// Writes a slice up to its arguments. Times are microseconds, of which a thousandth is a cycle.
static void put_slice(struct timeline_writer *w, const char *name, int thread,
                      const struct timeline_event *e) {
  const uint64_t length = e->end - e->start;
  put(w,
      "{\"ph\":\"X\",\"pid\":1,\"tid\":%d,\"name\":\"%s\",\"ts\":%" PRIu64 ".%03u,\"dur\":%" PRIu64
      ".%03u,\"args\":{",
      thread, name, e->start / 1000, (unsigned)(e->start % 1000), length / 1000,
      (unsigned)(length % 1000));
}

static void put_job(struct timeline_writer *w, const struct timeline_event *e) {
  char name[48];
  const bool head = e->phase >= PKG_OP_QKV && e->phase <= PKG_OP_PROJ;
  if (head)
    snprintf(name, sizeof name, "%s %u.%u", count_phase_name[e->phase], (unsigned)e->layer,
             (unsigned)e->head);
  else if (e->phase >= PKG_OP_NORM && e->phase < PKG_OP_HEAD)
    snprintf(name, sizeof name, "%s %u", count_phase_name[e->phase], (unsigned)e->layer);
  else snprintf(name, sizeof name, "%s", count_phase_name[e->phase]);
  put_slice(w, name, ENGINE, e);
  put(w, "\"job\":\"%s\",\"layer\":%u,", count_phase_name[e->phase], (unsigned)e->layer);
  if (head) put(w, "\"head\":%u,", (unsigned)e->head);
  put(w, "\"position\":%u,\"beats\":%u", (unsigned)e->position, (unsigned)e->count);
  for (int what = 0; what < COUNT_WHATS; what++) {
    w->sums.at[e->phase][what] += e->at[what];
    if (e->at[what]) put(w, ",\"%s\":%u", count_what_name[what], (unsigned)e->at[what]);
  }
  put(w, "}},\n");
}

static int on_event(void *ctx, const struct timeline_event *e) {
  struct timeline_writer *w = ctx;
  const uint64_t steps = w->now->steps;
  if (steps > w->first && w->first && !w->from) w->from = w->now->batch_start;
  if (w->now->before_batch > w->last && w->to == UINT64_MAX) w->to = w->now->batch_start;
  if (steps <= w->first || e->start < w->from || e->start >= w->to) return 0;
  switch (e->track) {
    case TIMELINE_JOB: put_job(w, e); break;
    case TIMELINE_IDLE:
      put_slice(w, count_what_name[e->what], IDLE, e);
      put(w, "\"at\":\"%s\"}},\n", count_phase_name[e->phase]);
      break;
    case TIMELINE_UNIT_WORKS:
      put_slice(w, timeline_unit_name[e->unit], UNITS + (int)e->unit, e);
      put(w, "\"cycles\":%u}},\n", (unsigned)e->count);
      break;
    case TIMELINE_READ:
    case TIMELINE_WRITE:
      put_slice(w, e->track == TIMELINE_READ ? "read" : "write",
                e->track == TIMELINE_READ ? READS : WRITES, e);
      put(w, "\"beats\":%u}},\n", (unsigned)e->count);
      break;
    case TIMELINE_QUEUE:
      put(w,
          "{\"ph\":\"C\",\"pid\":1,\"name\":\"queue\",\"ts\":%" PRIu64
          ".%03u,\"args\":{\"beats\":%u}},\n",
          e->start / 1000, (unsigned)(e->start % 1000), (unsigned)e->count);
      break;
    case TIMELINE_STEP: {
      char name[32];
      snprintf(name, sizeof name, "position %u", (unsigned)e->position);
      put_slice(w, name, STEPS, e);
      put(w, "\"id\":%u}},\n", (unsigned)e->id);
      break;
    }
  }
  return 0;
}

// ------------------------------------------------------------------------------------------- a run

static int observe(struct sim *sim, struct timeline_writer *w, struct timeline **timeline,
                   struct err *err) {
  if (sim_observe_timeline(sim, timeline, on_event, w, err)) return -1;
  w->now = timeline_now(*timeline);
  w->from = w->bytes = 0;
  w->to = UINT64_MAX;
  put_head(w, &sim_image(sim)->header);
  return 0;
}

// Measures the bytes of position 0 with a simulator of its own, which tells how many positions run
// together.
static int try_one(const struct sim *sim, uint64_t *bytes, uint32_t *together, struct err *err) {
  static const uint32_t prompt[] = {0};
  const struct controller_run run = {.prompt = prompt,
                                     .n_prompt = 1,
                                     .max_new = 1,
                                     .sampling = {.top_k = 1, .inv_t = 1, .state = 1}};
  struct timeline_writer writer = {.file = NULL};
  struct timeline *timeline;
  struct sim_result result;
  struct sim *trial;
  if (sim_open(&trial, sim_image(sim), sim_settings(sim), SIM_WAVEFORM, err)) return -1;
  int status = observe(trial, &writer, &timeline, err);
  if (!status) status = sim_run(trial, &run, &result, err);
  *bytes = writer.bytes;
  if (!status) *together = timeline_now(timeline)->positions;
  sim_close(trial);
  return status;
}

int timeline_start(struct engine *engine, struct timeline_request *o, size_t n_prompt,
                   uint64_t n_new, struct err *err) {
  const uint64_t computed = n_prompt + n_new - (n_new > 0);
  uint64_t bytes, batches = 0;
  uint32_t together = 1;
  if (!o->tokens) o->first = o->last = n_prompt - 1;
  if (o->last >= computed)
    return err_set(err, "--timeline-tokens %s: the run computes positions 0 to %" PRIu64, o->tokens,
                   computed - 1);
  if (staged_open(&o->file, o->path, err) || try_one(engine->sim, &bytes, &together, err))
    return -1;
  for (uint64_t i = o->first; i <= o->last; i++)
    batches += i == o->last || (i + 1) % together == 0 || i + 1 >= n_prompt;
  const double megabytes = (double)bytes * (double)batches / 1e6;
  cli_say("%s: positions %" PRIu64 " to %" PRIu64 ", about %.*f MB", o->path, o->first, o->last,
          megabytes < 10 ? 2 : 0, megabytes);
  o->writer = (struct timeline_writer){.file = o->file.file, .first = o->first, .last = o->last};
  return observe(engine->sim, &o->writer, &o->timeline, err);
}

int timeline_finish(struct timeline_request *o, struct err *err) {
  if (!o->file.file) return 0;
  put_foot(&o->writer);
  return staged_commit(&o->file, err);
}
