// SPDX-License-Identifier: Apache-2.0
//
// clock - seconds for measuring durations, which do not jump when the date is set
#ifndef GPT2RTL_CLOCK_H
#define GPT2RTL_CLOCK_H

#include <time.h>

static inline double clock_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// The processor time of the calling thread, in seconds.
static inline double clock_thread(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
