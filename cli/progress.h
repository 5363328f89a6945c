// SPDX-License-Identifier: Apache-2.0
//
// progress - a bar on standard error if that is a terminal; otherwise nothing
#ifndef GPT2RTL_PROGRESS_H
#define GPT2RTL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
  const char *what;     // text before the bar: what is done, in a few words
  uint64_t total;       // in whatever unit
  uint64_t first;       // done before the clock was started; 0 unless set after progress_start
  bool shown;           // standard error is a terminal
  double begin, drawn;  // seconds
};

void progress_start(struct progress *progress, const char *what, uint64_t total);
// Draws the bar at done of total with the time left, at most ten times a second. note: more to say,
// or NULL.
void progress_show(struct progress *progress, uint64_t done, const char *note);
// Clears the line, so that messages can follow.
void progress_end(struct progress *progress);

#endif
