// SPDX-License-Identifier: Apache-2.0
//
// run_report - writes one self-contained web page of a run: text, candidates, attention, the
// timeline, and where the cycles went. It draws with the scripts of `make web`'s page (web/page).
//
// The run may be on any engine. Cycles and the timeline come from the simulated hardware. Attention
// is read from its wires or comes from golden/; that of float is not shown.
#ifndef GPT2RTL_RUN_REPORT_H
#define GPT2RTL_RUN_REPORT_H

#include "internal.h"
#include "staged.h"
#include "tensor_assembly.h"
#include "timeline.h"

enum { RUN_REPORT_CANDIDATES = 10 };

struct run_report {
  const char *path;  // NULL: no report, and these functions do nothing
  size_t top;        // candidates per step
  struct staged file;
  const struct gpt2rtl_model *model;
  struct engine *engine;
  struct timeline *timeline;
  struct tensor_observer observer;
  struct tensor_assembly assembly;
  uint8_t *attention;  // [layer][head][position][0 .. position] for `room` positions; or NULL
  size_t positions, room;
  bool *used;                         // [V] ids whose text is needed
  FILE *events, *steps, *candidates;  // JSON, in memory
  char *event_text, *step_text, *candidate_text;
  size_t n_events, n_steps, n_candidates;
};

// Prepares the report before a run of n_prompt ids that generates n_new more. Errors: the path
// cannot be written; out of memory; the simulator lacks a signal.
int run_report_start(struct run_report *report, struct engine *engine,
                     const struct gpt2rtl_model *model, size_t n_prompt, size_t n_new,
                     struct err *err);

// Record a choice's candidates, and then its position.
void run_report_candidates(struct run_report *report, const struct gpt2rtl_candidate *list,
                           size_t n);
void run_report_position(struct run_report *report, const struct gpt2rtl_position_report *position);

struct run_report_about {
  const char *model, *memory;
  const uint32_t *prompt;
  size_t n_prompt;
  double seconds, floor;
  const struct sim_counters *counters;  // NULL: no cycles
};
// Completes the page after the run. Errors: a failed write; out of memory.
int run_report_finish(struct run_report *report, const struct run_report_about *about,
                      struct err *err);

// Releases everything, also after an error.
void run_report_close(struct run_report *report);

#endif
