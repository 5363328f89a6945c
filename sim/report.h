// SPDX-License-Identifier: Apache-2.0
//
// report - the observer that calls the callbacks of runs (controller.h)
//
// It reads residual rows, logits, ends of positions and chosen ids at gpt2_top's ports, and reports
// them to each run in the order in which the golden model does: those of a batch at its end.
#ifndef GPT2RTL_REPORT_H
#define GPT2RTL_REPORT_H

#include "controller.h"
#include "image.h"
#include "observer.h"
#include "signals.h"

// Runs that go through the hardware together. A callback that returns non-zero ends its own run:
// the rest of it is not reported. If that was the last one under way, the hardware's run is
// aborted.
struct sim_runs {
  const struct controller_run *runs;
  size_t n;
  int *results;  // [n] of each: SIM_UNDER_WAY, also if it did not begin; 0; or -1, a callback ended
                 // it
  // NULL, or called when a run is over. A non-zero return value aborts the others too.
  int (*over)(void *ctx, size_t run);
  void *ctx;
};
enum { SIM_UNDER_WAY = 1 };

struct report;

// Makes a report for the hardware with these signals, which runs the model in header. It is
// destroyed as an observer. Errors: a port does not exist; out of memory.
int report_create(struct report **report, struct signals signals, const struct image_header *header,
                  struct err *err);
struct sim_observer *report_observer(struct report *report);

// The machine's Positions.
uint32_t report_positions(const struct report *report);

// Reports to runs until the next call.
void report_start(struct report *report, const struct sim_runs *runs);

#endif
