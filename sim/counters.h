// SPDX-License-Identifier: Apache-2.0
//
// counters - what the hardware's cycles went into: rtl/core/counters.sv, read through gpt2_top
#ifndef GPT2RTL_COUNTERS_H
#define GPT2RTL_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "image.h"

// What a cycle was spent on, in the order of count_what_e: up to COUNT_OTHER a beat was taken, from
// COUNT_MEMORY on none.
enum count_what {
  COUNT_WEIGHTS,
  COUNT_PADDING,
  COUNT_SCALES,
  COUNT_KV,
  COUNT_OTHER,
  COUNT_MEMORY,
  COUNT_LAYERNORM,
  COUNT_SOFTMAX,
  COUNT_SAMPLING,
  COUNT_HAND_OVER,
  COUNT_WHATS
};
// Phases: a job's op (enum pkg_op), or COUNT_START, before a step's first beat.
enum { COUNT_SCORES = 4, COUNT_START = 10, COUNT_PHASES };
// Addresses beside {phase, what}.
enum { COUNT_KV_WRITES = 0xf0, COUNT_CYCLES = 0xf1 };

struct sim_counters {
  uint64_t cycles;                         // while the hardware was busy, by its own count
  uint64_t kv_writes;                      // beats
  uint64_t at[COUNT_PHASES][COUNT_WHATS];  // cycles; their sum is `cycles`
};

extern const char *const count_what_name[COUNT_WHATS];  // "weights", "padding", ... "hand_over"
extern const char
    *const count_phase_name[COUNT_PHASES];  // "position", "token", "layernorm", "qkv", ... "start"

// Cycles spent on `what` in all phases.
uint64_t counters_of(const struct sim_counters *counters, enum count_what what);
// Cycles in which a beat was taken; all others are idle.
uint64_t counters_used(const struct sim_counters *counters);
// The idle cause with most cycles.
enum count_what counters_bound(const struct sim_counters *counters);

// The memory floor: cycles that reading each weight and each cached key and value once takes, at a
// beat a cycle. `position` positions are cached; the head's weights count where `head`. 124M:
// (123,532,032 + 18,432 position) / lanes with head.
double floor_cycles(const struct image_header *header, uint32_t position, bool head);

#endif
