// SPDX-License-Identifier: Apache-2.0
//
// stats - records what happened at each position of a run, for the summary on standard error and
// for --stats
#ifndef GPT2RTL_STATS_H
#define GPT2RTL_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "controller.h"
#include "counters.h"
#include "err.h"
#include "image.h"

struct stats_position {
  struct controller_step step;
  size_t prompt;
  uint64_t cycles;  // since the end of the previous position
};

struct stats {
  struct stats_position *positions;
  size_t n, room;
  size_t generated;  // ids chosen and reported
  size_t prompts;    // that the run continues
  bool *continues;   // [prompts] its first id was chosen
  uint64_t cycles;   // until the end of the last position
  uint32_t batch;    // 0: positions that run together are those that end together; otherwise the
                     // ends are not known, and as many run together as gpt2_top's Positions says
  double begin, seconds;  // the start and the duration by the wall clock
  struct stats_share {
    size_t positions;
    uint64_t cycles;
    double seconds;
  } prompt;  // of each prompt until its first id was chosen
};

// Starts the clock. Errors: out of memory.
int stats_start(struct stats *stats, size_t prompts, struct err *err);
// Records a completed position of a prompt, 0 .. prompts - 1, `cycles` after the start. Errors: out
// of memory.
int stats_add(struct stats *stats, size_t prompt, const struct controller_step *step,
              uint64_t cycles, struct err *err);
// Records that an id was chosen after the prompt's last position.
void stats_chosen(struct stats *stats, size_t prompt);
void stats_free(struct stats *stats);

struct stats_about {
  const char *model, *engine;
  const uint64_t *checksum, *seed;      // NULL: null
  uint32_t lanes;                       // 0: null
  const char *memory;                   // NULL: null
  bool first;                           // the summary gives the time to the first token
  bool cycles;                          // false: null in place of cycles
  const struct image_header *shape;     // of the hardware's model, or NULL
  const struct sim_counters *counters;  // NULL: null
};
// The memory floor of the run: the cycles to read every weight, key and value once per position.
double stats_floor(const struct stats *stats, const struct image_header *shape);
// Prints the summary on standard error: how many tokens, how fast, and what limited the speed.
void stats_summary(const struct stats *stats, const struct stats_about *about);
// Writes the JSON of --stats, schema 1:
//   {"schema": 1, "version": "0.1.0", "model": DIR, "image_checksum": 16 hex digits,
//    "engine": "rtl", "lanes": 256, "memory": "latency=150,beats=1,stall=0", "seed": "7"
//    (null if nothing is drawn, or if each prompt has its own),
//    "tokens": [{"position": 0, "id": 464, "next": null, "cycles": 12345, "recomputed": true},
//               ...],
//    (of positions that run together the first has the cycles of all, or of sequences that run
//    together, nearly all; of several prompts each entry has "prompt": 0, 1, ..)
//    "cycles", "floor": cycles for reading everything once, "seconds",
//    "cycles_per_second", "tokens_per_second",
//    "prompt": {"positions": 4, "cycles", "seconds"}: of each prompt until its first token was
//    chosen,
//    "generated": the others,
//    "counters": {"cycles", "kv_reads", "kv_writes": beats,
//                 "weights", "padding", .. "hand_over": cycles (counters.h),
//                 "phases": {"qkv": {"weights": ..}, ..}: the same by phase, where not 0}}
// "tokens" has one entry per position, in the order of computation. "id" is the input, and "next"
// the id chosen after it, or null. "recomputed" is present, and true, only after a context crop.
// Sums and rates are over all these positions.
void stats_write(const struct stats *stats, const struct stats_about *about, FILE *file);

#endif
