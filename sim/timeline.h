// SPDX-License-Identifier: Apache-2.0
//
// timeline - the work of each unit of the simulated hardware over time
//
// An observer (observer.h) that turns the cycles of a run into events:
//
//   job     the engine's input, without gaps: from a job's first beat, or from the wait for it, to
//           the next job's. `at` has its cycles by use (counters.h); the sums over all jobs,
//           including the start of each step, are the hardware's counters
//   idle    consecutive cycles in which the engine took no beat for the same cause
//   unit    a unit at work: activities less than TIMELINE_GAP cycles apart are one event
//   read    beats that arrived from memory; write: beats sent to it; joined like a unit's
//   queue   number of beats between memory and engine, reported after a change, at most every
//           TIMELINE_GAP cycles
//   step    a position; those that run together begin one after the other and end in one cycle
//
// An event is reported when it ends, so the events of one track are in order, and those of
// different tracks are not. Cycles count from the run's first; `end` is the cycle after the event.
#ifndef GPT2RTL_TIMELINE_H
#define GPT2RTL_TIMELINE_H

#include "counters.h"
#include "sim.h"

enum { TIMELINE_GAP = 16 };

// clang-format off
#define TIMELINE_UNITS(U)                                                                         \
  U(CONTROLLER, "controller") U(SEQUENCER, "sequencer") U(WEIGHT_STREAM, "weight_stream")         \
  U(EMBEDDING, "embedding_row") U(MATVEC, "matvec") U(RESCALE, "rescale")                         \
  U(RESIDUAL_ADD, "residual_add") U(LAYERNORM, "layernorm") U(QKV_LINEAR, "qkv_linear")           \
  U(KV_CACHE, "kv_cache") U(ATTENTION_CORE, "attention_core") U(MLP_FFN, "mlp_ffn")               \
  U(BLOCK_QUANT, "block_quant") U(FINAL_LINEAR, "final_linear") U(SAMPLING, "sampling")
// clang-format on
#define TIMELINE_UNIT(name, text) TIMELINE_##name,
enum timeline_unit { TIMELINE_UNITS(TIMELINE_UNIT) TIMELINE_N_UNITS };
extern const char *const timeline_unit_name[TIMELINE_N_UNITS];  // of the RTL's modules

enum timeline_track {
  TIMELINE_JOB,
  TIMELINE_IDLE,
  TIMELINE_UNIT_WORKS,
  TIMELINE_READ,
  TIMELINE_WRITE,
  TIMELINE_QUEUE,
  TIMELINE_STEP,
};

struct timeline_event {
  enum timeline_track track;
  uint64_t start, end;
  // job, idle: the phase (counters.h), whose layer and head these are. step: id and position
  uint32_t phase, layer, head, id, position;
  enum count_what what;      // idle: the cause
  enum timeline_unit unit;   // unit
  uint32_t count;            // job, read, write: beats; queue: its depth
  uint32_t at[COUNT_WHATS];  // job: cycles
};

struct timeline;

// From now on the events of sim's runs (SIM_WAVEFORM) are reported to `see`, which returns 0, or 1
// to abort the run. *timeline lives as long as sim. Errors: a signal that does not exist; out of
// memory.
int sim_observe_timeline(struct sim *sim, struct timeline **timeline,
                         int (*see)(void *ctx, const struct timeline_event *event), void *ctx,
                         struct err *err);

// The state in the last cycle: units at work, a bit each (1 << enum timeline_unit); the cycle; how
// many jobs, layers and steps have begun in the run so far.
struct timeline_now {
  uint64_t cycle;
  uint32_t units;
  uint32_t phase, layer, head, position;
  enum count_what what;
  uint32_t queue;
  uint64_t jobs, layers, steps;
  // The newest batch: the cycle in which it began, and the steps that had begun before it.
  uint64_t batch_start, before_batch;
  uint32_t positions;  // that the hardware runs together, at most
};
const struct timeline_now *timeline_now(const struct timeline *timeline);

// Passes what has begun and not ended to `see`, as events that end with the last cycle. Each comes
// again when it ends. At most one of each track and unit, but all steps of a batch; none between
// runs.
void timeline_under_way(const struct timeline *timeline,
                        void (*see)(void *ctx, const struct timeline_event *event), void *ctx);

#endif
