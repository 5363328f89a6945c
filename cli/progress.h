// SPDX-License-Identifier: Apache-2.0
//
// progress - draws a progress bar on standard error if that is a terminal
#ifndef GPT2RTL_PROGRESS_H
#define GPT2RTL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
  const char *what;     // the text before the bar
  uint64_t total;       // in any unit
  uint64_t first;       // done before progress_start, which sets it to 0
  bool shown;           // standard error is a terminal
  double begin, drawn;  // seconds
};

void progress_start(struct progress *progress, const char *what, uint64_t total);
// Draws the bar at done of total, with the time left and note (or NULL), at most ten times a
// second.
void progress_show(struct progress *progress, uint64_t done, const char *note);
// Clears the line, so that messages can follow.
void progress_end(struct progress *progress);

#endif
