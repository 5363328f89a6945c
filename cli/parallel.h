// SPDX-License-Identifier: Apache-2.0
//
// parallel - does independent pieces of work on several threads
#ifndef GPT2RTL_PARALLEL_H
#define GPT2RTL_PARALLEL_H

#include <stddef.h>

#include "err.h"

enum { PARALLEL_MAX = 256 };

// The number of processors, at most PARALLEL_MAX.
size_t parallel_processors(void);

// Calls work(ctx, worker, item, err) once for every item 0 .. n - 1, on `threads` threads numbered
// worker = 0 .. threads - 1. After each item, done(ctx, item), if not NULL, is called, by one
// thread at a time. So that results do not depend on the number of threads, each item should write
// only its own. After a failure no more items are started. Returns 0, or -1 with the first
// failure's err.
struct parallel {
  int (*work)(void *ctx, size_t worker, size_t item, struct err *err);
  void (*done)(void *ctx, size_t item);
  void *ctx;
};
int parallel_run(const struct parallel *parallel, size_t n, size_t threads, struct err *err);

#endif
