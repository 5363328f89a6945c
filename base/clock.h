// SPDX-License-Identifier: Apache-2.0
//
// clock - seconds for measuring durations: they do not jump when the date is set
#ifndef GPT2RTL_CLOCK_H
#define GPT2RTL_CLOCK_H

#include <time.h>

static inline double clock_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// Of the calling thread, while it had a processor.
static inline double clock_thread(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
