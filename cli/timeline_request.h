// SPDX-License-Identifier: Apache-2.0
//
// timeline_request - the options of generate that write a timeline (sim/timeline.h) as trace events
// for Perfetto (ui.perfetto.dev) and chrome://tracing
//
// One cycle is one nanosecond, as in waveforms. The threads are token, engine, idle, each unit,
// memory reads and memory writes. The counter is the queue between memory and engine. A slice of
// the engine is a job; its arguments are layer, head, position, beats, and its cycles by their use.
// "otherData" has the sums of these cycles over the file. For a file of all positions the sums
// equal the hardware's counters.
#ifndef GPT2RTL_TIMELINE_REQUEST_H
#define GPT2RTL_TIMELINE_REQUEST_H

#include "engine.h"
#include "staged.h"
#include "timeline.h"

struct timeline_request {
  const char *path, *tokens;  // as given, or NULL
  // made from it
  uint64_t first, last;  // positions
  struct staged file;
  struct timeline *timeline;
  struct timeline_writer {
    FILE *file;  // NULL: only count the bytes
    uint64_t first, last, from, to, bytes;
    const struct timeline_now *now;
    struct sim_counters sums;
  } writer;
};

#define TIMELINE_SPECS(o) \
  {"--timeline", &(o).path, NULL}, { "--timeline-tokens", &(o).tokens, NULL }
// Their part of the help.
#define TIMELINE_HELP                                                                            \
  "  --timeline FILE     write the work of each unit over time (rtl only) as trace events in "   \
  "JSON, which\n"                                                                                \
  "                      ui.perfetto.dev and chrome://tracing open. Its size is estimated by a " \
  "trial first, and printed\n"                                                                   \
  "  --timeline-tokens A:B\n"                                                                    \
  "                      positions A to B (or one, A) of the timeline, counted from 0 in the "   \
  "order of the run; default:\n"                                                                 \
  "                      the last of the prompt, after which the first token is chosen. "        \
  "Positions that run\n"                                                                         \
  "                      together with these are shown too\n"

// Returns 0, or EXIT_USAGE with a message.
int timeline_parse(const char *command, struct timeline_request *options);

// Makes engine's next run, of n_prompt prompt ids and n_new generated ones, write the timeline.
// Prints an estimate of its size on standard error. Errors: the run does not reach the positions;
// the path cannot be written; sim_observe_timeline's.
int timeline_start(struct engine *engine, struct timeline_request *options, size_t n_prompt,
                   uint64_t n_new, struct err *err);

// Completes the file after the run, even if the run was interrupted. Errors: staged_commit's.
int timeline_finish(struct timeline_request *options, struct err *err);

#endif
