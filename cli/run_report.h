// SPDX-License-Identifier: Apache-2.0
//
// run_report - one self-contained web page of a run: text, candidates, attention, the timeline,
// where the cycles went; with the pictures of the page that `make web` makes (web/page)
//
// From any engine. Cycles and the timeline are the simulated hardware's, attention is read off its
// wires or shown by golden/; float's is not shown.
#ifndef GPT2RTL_RUN_REPORT_H
#define GPT2RTL_RUN_REPORT_H

#include "internal.h"
#include "staged.h"
#include "tensor_assembly.h"
#include "timeline.h"

enum { RUN_REPORT_CANDIDATES = 10 };

struct run_report {
  const char *path;  // NULL: none is wanted, and nothing here does anything
  size_t top;        // candidates of a step
  struct staged file;
  const struct gpt2rtl_model *model;
  struct engine *engine;
  struct timeline *timeline;
  struct tensor_observer observer;
  struct tensor_assembly assembly;
  uint8_t *attention;  // [layer][head][position][0 .. position] of `room` positions; or NULL
  size_t positions, room;
  bool *used;                         // [V] ids whose text is needed
  FILE *events, *steps, *candidates;  // JSON, in memory
  char *event_text, *step_text, *candidate_text;
  size_t n_events, n_steps, n_candidates;
};

// Before the run of n_prompt ids and n_new more. Errors: a path that cannot be written; out of
// memory; the hardware's signals.
int run_report_start(struct run_report *report, struct engine *engine,
                     const struct gpt2rtl_model *model, size_t n_prompt, size_t n_new,
                     struct err *err);

// A choice's candidates, then its position.
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
// After the run: the page has its name. Errors: I/O; out of memory.
int run_report_finish(struct run_report *report, const struct run_report_about *about,
                      struct err *err);

// Also after an error.
void run_report_close(struct run_report *report);

#endif
