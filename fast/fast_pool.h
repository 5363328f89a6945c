// SPDX-License-Identifier: Apache-2.0
//
// fast_pool - threads that divide the items of a loop among themselves
//
// A token of GPT-2 124M takes 49 such loops of 12 to 786 items, each at most a few hundred
// microseconds long. The threads therefore persist, and poll for the next loop for a while before
// they sleep.
#ifndef GPT2RTL_FAST_POOL_H
#define GPT2RTL_FAST_POOL_H

#include <stdint.h>

#include "err.h"

enum { FAST_MAX_THREADS = 256 };

struct fast_pool;

// Makes a pool of n threads, 1 .. FAST_MAX_THREADS, of which the caller's own is one. Errors: out
// of memory or threads; *pool is then NULL.
int fast_pool_create(struct fast_pool **pool, uint32_t n, struct err *err);
void fast_pool_destroy(struct fast_pool *pool);  // takes NULL

// Calls f(ctx, item, thread) once for each item 0 .. n_items - 1, in any order. thread is 0 .. n -
// 1 and differs between simultaneous calls. Returns when all calls have returned; their writes are
// then visible to the caller.
void fast_pool_run(struct fast_pool *pool, uint32_t n_items,
                   void (*f)(void *ctx, uint32_t item, uint32_t thread), void *ctx);

#endif
