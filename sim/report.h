// SPDX-License-Identifier: Apache-2.0
//
// report - the observer that calls a run's callbacks (controller.h)
//
// It reads residual rows, logits, ends of positions and chosen ids at gpt2_top's ports, and reports
// them in the order in which the golden model does: those of a batch of positions at its end.
#ifndef GPT2RTL_REPORT_H
#define GPT2RTL_REPORT_H

#include "controller.h"
#include "image.h"
#include "observer.h"
#include "signals.h"

struct report;

// Makes a report for the hardware with these signals, which runs the model in header. It is
// destroyed as an observer. Errors: a port does not exist; out of memory.
int report_create(struct report **report, struct signals signals, const struct image_header *header,
                  struct err *err);
struct sim_observer *report_observer(struct report *report);

// Reports to run until the next call.
void report_start(struct report *report, const struct controller_run *run);

#endif
