// SPDX-License-Identifier: Apache-2.0
#include "timeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNIT_NAME(name, text) text,
const char *const timeline_unit_name[TIMELINE_N_UNITS] = {TIMELINE_UNITS(UNIT_NAME)};

#define CORE "gpt2_top.u_core."
#define BLOCK CORE "gen_member[%u].u_transformer_block."
#define COUNTERS CORE "u_counters."
// clang-format off
#define SIGNALS(S)                                                                                \
  S(const uint8_t, counted, COUNTERS "busy_i") S(const uint8_t, what, COUNTERS "spent")            \
  S(const uint8_t, begun, COUNTERS "begun_q") S(const uint32_t, label, CORE "label")              \
  S(const uint8_t, beat, CORE "beat_valid")                                                       \
  S(const uint16_t, asked, CORE "u_weight_stream.asked_q")                                        \
  S(const uint16_t, reserved, CORE "u_weight_stream.reserved_q")                                  \
  S(const uint8_t, sequencer, CORE "sequencer_active") S(const uint8_t, request, "rd_req_valid_o")\
  S(const uint8_t, read, "rd_rsp_valid_i") S(const uint8_t, write, "wr_valid_o")                  \
  S(const uint8_t, write_ready, "wr_ready_i") S(const uint8_t, embedding, CORE "emb_valid")       \
  S(const uint8_t, rows, CORE "rows_valid")                                                       \
  S(const uint32_t, event, "event_o") S(const uint8_t, kv, CORE "kv_valid")                       \
  S(const uint8_t, op, CORE "op_valid")                                                           \
  S(const uint8_t, logits, CORE "smp_valid") S(const uint8_t, sampling, CORE "sampling_busy")     \
  S(const uint8_t, norm, CORE "norm_busy") S(const uint8_t, busy, "busy_o")
// Of each position's units.
#define MEMBER_SIGNALS(S)                                                                         \
  S(const uint8_t, attention, "attention_busy") S(const uint8_t, blocks, "blk_valid")
// clang-format on
enum { BLOCK_Q = 1 << 1, BLOCK_G = 1 << 2 };  // of blk_valid: rtl/core/transformer_block.sv

// Cycles of activity, joined across pauses of less than TIMELINE_GAP. It is reported when it has
// been over for that long.
struct activity {
  uint64_t start, end;  // start == end: none
  uint32_t count;
};

struct timeline {
  SIGNALS(SIGNAL_MEMBER)
  struct member {
    MEMBER_SIGNALS(SIGNAL_MEMBER)
  } members[PKG_MAX_POSITIONS];
  uint32_t n_members;
  struct sim_observer observer;
  int (*see)(void *ctx, const struct timeline_event *event);
  void *ctx;
  bool running, stop;
  uint64_t first;  // the run's first cycle
  struct timeline_event job, idle;
  struct timeline_event steps[PKG_MAX_POSITIONS];  // those of the batch under way
  uint32_t n_steps;
  struct activity units[TIMELINE_N_UNITS], reads, writes;
  uint32_t queue_told;
  struct timeline_now now;
};

static void tell(struct timeline *t, const struct timeline_event *event) {
  if (t->see(t->ctx, event)) t->stop = true;
}

// -------------------------------------------------------------------------------- joined activity

static struct timeline_event activity_event(enum timeline_track track, enum timeline_unit unit,
                                            const struct activity *a) {
  return (struct timeline_event){.track = track,
                                 .unit = unit,
                                 .start = a->start,
                                 .end = a->end,
                                 .count = a->count};
}

static void tell_activity(struct timeline *t, enum timeline_track track, enum timeline_unit unit,
                          struct activity *a) {
  if (a->start == a->end) return;
  const struct timeline_event event = activity_event(track, unit, a);
  *a = (struct activity){0};
  tell(t, &event);
}

static void activity(struct timeline *t, enum timeline_track track, enum timeline_unit unit,
                     struct activity *a, bool active, uint64_t cycle) {
  if (active) {
    if (a->start == a->end) a->start = cycle;
    a->end = cycle + 1;
    a->count++;
  } else if (a->start != a->end && cycle - a->end >= TIMELINE_GAP) {
    tell_activity(t, track, unit, a);
  }
}

// ------------------------------------------------------------------------------------- the engine

static void end_idle(struct timeline *t, uint64_t cycle) {
  if (t->idle.start == t->idle.end) return;
  t->idle.end = cycle;
  tell(t, &t->idle);
  t->idle = (struct timeline_event){.track = TIMELINE_IDLE};
}

static uint32_t job_beats(const struct timeline_event *job) {
  uint32_t beats = 0;
  for (int what = 0; what < COUNT_MEMORY; what++) beats += job->at[what];
  return beats;
}

static void end_job(struct timeline *t, uint64_t cycle) {
  if (t->job.start == t->job.end) return;
  t->job.end = cycle;
  t->job.count = job_beats(&t->job);
  tell(t, &t->job);
  t->job = (struct timeline_event){.track = TIMELINE_JOB};
}

// Counts a cycle as the hardware's counters do (rtl/core/counters.sv).
static void count(struct timeline *t, uint64_t cycle) {
  struct pkg_label label;
  const enum count_what what = (enum count_what) * t->what;
  pkg_label_unpack(&label, t->label);
  const bool begun = *t->begun || *t->beat;
  const uint32_t phase = begun ? (uint32_t)label.op : COUNT_START;
  const uint32_t layer = begun ? (uint32_t)label.layer : 0;
  const uint32_t head = begun ? (uint32_t)label.head : 0;
  struct timeline_event *job = &t->job;
  if (job->start == job->end || job->phase != phase || job->layer != layer || job->head != head) {
    end_job(t, cycle);
    // Before the first step the label is still the previous run's.
    t->now.layers += t->now.steps && ((phase == PKG_OP_QKV && head == 0) || phase == PKG_OP_HEAD);
    *job = (struct timeline_event){.track = TIMELINE_JOB,
                                   .start = cycle,
                                   .end = cycle + 1,
                                   .phase = phase,
                                   .layer = layer,
                                   .head = head,
                                   .position = t->now.position};
    t->now.jobs++;
  }
  job->at[what]++;
  if (what < COUNT_MEMORY) {
    end_idle(t, cycle);
  } else if (t->idle.start == t->idle.end || t->idle.what != what || t->idle.phase != phase) {
    end_idle(t, cycle);
    t->idle = (struct timeline_event){.track = TIMELINE_IDLE,
                                      .start = cycle,
                                      .end = cycle + 1,
                                      .what = what,
                                      .phase = phase,
                                      .layer = layer,
                                      .head = head};
  }
  t->now.phase = phase;
  t->now.layer = layer;
  t->now.head = head;
  t->now.what = what;
}

// -------------------------------------------------------------------------------------- the units

// Whether a bit is set that each member has.
static bool any(const struct timeline *t, const uint8_t *bits) {
  return bits[0] || (t->n_members > 8 && bits[1]);
}

static uint32_t units(const struct timeline *t) {
  bool attention = false;
  uint8_t blocks = 0;
  for (uint32_t p = 0; p < t->n_members; p++) {
    attention |= *t->members[p].attention;
    blocks |= *t->members[p].blocks;
  }
  const bool taken = *t->counted && *t->what < COUNT_MEMORY && t->now.phase >= PKG_OP_QKV;
  return (uint32_t) !!(*t->event & (PKG_EVENT_STEP_START | PKG_EVENT_STEP_END))
             << TIMELINE_CONTROLLER |
         (uint32_t)*t->sequencer << TIMELINE_SEQUENCER |
         (uint32_t)(*t->request | *t->read) << TIMELINE_WEIGHT_STREAM |
         (uint32_t)*t->embedding << TIMELINE_EMBEDDING | (uint32_t)taken << TIMELINE_MATVEC |
         (uint32_t)any(t, t->rows) << TIMELINE_RESCALE |
         (uint32_t) !!(*t->event & PKG_EVENT_RESIDUAL) << TIMELINE_RESIDUAL_ADD |
         (uint32_t)*t->norm << TIMELINE_LAYERNORM |
         (uint32_t)(any(t, t->kv) || (blocks & BLOCK_Q)) << TIMELINE_QKV_LINEAR |
         (uint32_t)*t->write << TIMELINE_KV_CACHE | (uint32_t)attention << TIMELINE_ATTENTION_CORE |
         (uint32_t) !!(blocks & BLOCK_G) << TIMELINE_MLP_FFN |
         (uint32_t)any(t, t->op) << TIMELINE_BLOCK_QUANT |
         (uint32_t)*t->logits << TIMELINE_FINAL_LINEAR |
         (uint32_t)*t->sampling << TIMELINE_SAMPLING;
}

static void steps(struct timeline *t, uint64_t cycle) {
  if (*t->event & PKG_EVENT_STEP_END) {
    for (uint32_t i = 0; i < t->n_steps; i++) {
      t->steps[i].end = cycle + 1;
      tell(t, &t->steps[i]);
    }
    t->n_steps = 0;
  }
  if (!(*t->event & PKG_EVENT_STEP_START)) return;
  struct pkg_event event;
  pkg_event_unpack(&event, t->event);
  t->now.position = (uint32_t)event.position;
  if (t->n_steps == 0) {
    t->now.before_batch = t->now.steps;
    t->now.batch_start = cycle;
  }
  t->now.steps++;
  t->steps[t->n_steps++ % PKG_MAX_POSITIONS] =
      (struct timeline_event){.track = TIMELINE_STEP,
                              .start = cycle,
                              .end = cycle + 1,
                              .id = (uint32_t)event.id,
                              .position = (uint32_t)event.position};
}

static int on_cycle(void *self, uint64_t absolute, struct err *err) {
  struct timeline *t = self;
  (void)err;
  if (!t->running) {
    t->running = true;
    t->stop = false;
    t->first = absolute;
    t->now = (struct timeline_now){.positions = t->n_members};
    t->job = (struct timeline_event){.track = TIMELINE_JOB};
    t->idle = (struct timeline_event){.track = TIMELINE_IDLE};
    t->n_steps = 0;
  }
  const uint64_t cycle = t->now.cycle = absolute - t->first;
  steps(t, cycle);
  if (*t->counted) count(t, cycle);
  else end_idle(t, cycle), end_job(t, cycle);
  t->now.units = units(t);
  for (int i = 0; i < TIMELINE_N_UNITS; i++)
    activity(t, TIMELINE_UNIT_WORKS, (enum timeline_unit)i, &t->units[i], t->now.units >> i & 1,
             cycle);
  activity(t, TIMELINE_READ, 0, &t->reads, *t->read, cycle);
  activity(t, TIMELINE_WRITE, 0, &t->writes, *t->write && *t->write_ready, cycle);
  t->now.queue = (uint32_t)(*t->reserved - *t->asked);  // requested beats that have arrived
  if (cycle % TIMELINE_GAP == 0 && t->now.queue != t->queue_told) {
    t->queue_told = t->now.queue;
    tell(t, &(struct timeline_event){.track = TIMELINE_QUEUE,
                                     .start = cycle,
                                     .end = cycle,
                                     .count = t->queue_told});
  }
  return t->stop ? SIM_ABORT : 0;
}

static int on_end(void *self, enum sim_end how, struct err *err) {
  struct timeline *t = self;
  (void)how, (void)err;
  const uint64_t cycle = t->now.cycle + 1;
  end_idle(t, cycle);
  end_job(t, cycle);
  for (int i = 0; i < TIMELINE_N_UNITS; i++)
    tell_activity(t, TIMELINE_UNIT_WORKS, (enum timeline_unit)i, &t->units[i]);
  tell_activity(t, TIMELINE_READ, 0, &t->reads);
  tell_activity(t, TIMELINE_WRITE, 0, &t->writes);
  t->queue_told = 0;
  t->running = false;
  return 0;
}

#define FIND_MEMBER(type, member, signal)       \
  snprintf(name, sizeof name, BLOCK signal, p); \
  m->member = signals_find(&signals, name);

int sim_observe_timeline(struct sim *sim, struct timeline **out,
                         int (*see)(void *ctx, const struct timeline_event *event), void *ctx,
                         struct err *err) {
  struct timeline *t = *out = calloc(1, sizeof *t), *at = t;
  if (!t) return err_memory(err, "the timeline");
  struct signals signals = sim_signals(sim);
  char name[128];
  SIGNALS(SIGNAL_FIND)
  t->n_members = signals_width(&signals, CORE "rows_valid");
  for (uint32_t p = 0; p < t->n_members; p++) {
    struct member *m = &t->members[p];
    MEMBER_SIGNALS(FIND_MEMBER)
  }
  if (signals.missing) {
    free(t);
    *out = NULL;
    return err_set(err,
                   "the simulator has no readable signal %s (sim/timeline.vlt): it was not built "
                   "for timelines",
                   signals.missing);
  }
  t->see = see;
  t->ctx = ctx;
  t->observer = (struct sim_observer){.self = t, .cycle = on_cycle, .end = on_end, .destroy = free};
  sim_observe(sim, &t->observer);
  return 0;
}

const struct timeline_now *timeline_now(const struct timeline *t) { return &t->now; }

static void see_activity(enum timeline_track track, enum timeline_unit unit,
                         const struct activity *a,
                         void (*see)(void *ctx, const struct timeline_event *event), void *ctx) {
  const struct timeline_event event = activity_event(track, unit, a);
  if (a->start != a->end) see(ctx, &event);
}

void timeline_under_way(const struct timeline *t,
                        void (*see)(void *ctx, const struct timeline_event *event), void *ctx) {
  if (!t->running) return;
  for (uint32_t i = 0; i < t->n_steps + 2; i++) {
    struct timeline_event event = i < t->n_steps ? t->steps[i] : i == t->n_steps ? t->job : t->idle;
    if (event.start == event.end) continue;
    event.end = t->now.cycle + 1;
    if (event.track == TIMELINE_JOB) event.count = job_beats(&event);
    see(ctx, &event);
  }
  for (int i = 0; i < TIMELINE_N_UNITS; i++)
    see_activity(TIMELINE_UNIT_WORKS, (enum timeline_unit)i, &t->units[i], see, ctx);
  see_activity(TIMELINE_READ, 0, &t->reads, see, ctx);
  see_activity(TIMELINE_WRITE, 0, &t->writes, see, ctx);
}
