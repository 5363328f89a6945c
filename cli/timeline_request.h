// SPDX-License-Identifier: Apache-2.0
//
// timeline_request - the options of generate that write a timeline (sim/timeline.h) as trace
// events, which Perfetto (ui.perfetto.dev) and chrome://tracing open
//
// One cycle is one nanosecond, as in waveforms. Threads: token, engine, idle, a unit each, memory
// reads and writes; one counter, the queue between memory and engine. A slice of the engine is a
// job, with layer, head, position, beats and its cycles by what they were spent on in its
// arguments. "otherData" has the sums of these over the file: over all positions they are the
// hardware's counters.
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
    FILE *file;  // NULL: only the bytes are counted
    uint64_t first, last, from, to, bytes;
    const struct timeline_now *now;
    struct sim_counters sums;
  } writer;
};

#define TIMELINE_SPECS(o) \
  {"--timeline", &(o).path, NULL}, { "--timeline-tokens", &(o).tokens, NULL }
// Their lines of a help text.
#define TIMELINE_HELP                                                                            \
  "  --timeline FILE     write the work of each unit over time (rtl only) as trace events in "   \
  "JSON, which\n"                                                                                \
  "                      ui.perfetto.dev and chrome://tracing open. Its size is estimated by a " \
  "trial first, and printed\n"                                                                   \
  "  --timeline-tokens A:B\n"                                                                    \
  "                      positions A to B (or one, A) of the timeline, counted from 0 in the "   \
  "order of the run; default:\n"                                                                 \
  "                      the last of the prompt, after which the first token is chosen\n"

// Returns 0, or EXIT_USAGE with a message.
int timeline_parse(const char *command, struct timeline_request *options);

// Has engine's next run, whose prompt has n_prompt ids and which generates n_new more, write the
// timeline; prints an estimate of its size on standard error. Errors: positions that the run does
// not reach; a path that cannot be written; sim_observe_timeline's.
int timeline_start(struct engine *engine, struct timeline_request *options, size_t n_prompt,
                   uint64_t n_new, struct err *err);

// After the run, or when it was interrupted: gives the file its name. Errors: staged_commit's.
int timeline_finish(struct timeline_request *options, struct err *err);

#endif
