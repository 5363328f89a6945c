// SPDX-License-Identifier: Apache-2.0
//
// A loop is one 64-bit ticket: its number of items and the next item to take. A thread that takes
// an existing item knows that the loop is not over, so the loop's data (f, ctx) cannot change. A
// thread that the system preempts delays no other thread until the loop's end.
#include "fast_pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

// About ten microseconds: longer than one thread works alone between a token's loops.
enum { SPINS = 4000 };

struct fast_pool {
  uint32_t n, started;
  pthread_t threads[FAST_MAX_THREADS];
  void (*f)(void *ctx, uint32_t item, uint32_t thread);
  void *ctx;
  atomic_ullong ticket;    // number of items << 32 | next item
  atomic_uint unfinished;  // items
  atomic_uint sleeping;    // threads
  atomic_bool over;        // the threads must end
  pthread_mutex_t mutex;   // of sleepers
  pthread_cond_t wake;
};

struct member {
  struct fast_pool *pool;
  uint32_t thread;
};

static inline void pause_a_little(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static bool has_items(unsigned long long ticket) { return (uint32_t)ticket < ticket >> 32; }

static void take_items(struct fast_pool *p, uint32_t thread) {
  for (;;) {
    const unsigned long long ticket = atomic_fetch_add(&p->ticket, 1);
    if (!has_items(ticket)) return;
    p->f(p->ctx, (uint32_t)ticket, thread);
    atomic_fetch_sub(&p->unfinished, 1);
  }
}

static bool called(struct fast_pool *p) {
  return has_items(atomic_load(&p->ticket)) || atomic_load(&p->over);
}

static void wait_for_call(struct fast_pool *p) {
  for (int i = 0; i < SPINS; i++) {
    if (called(p)) return;
    pause_a_little();
  }
  pthread_mutex_lock(&p->mutex);
  // Before the last check: call() writes the ticket first and then reads `sleeping`.
  atomic_fetch_add(&p->sleeping, 1);
  while (!called(p)) pthread_cond_wait(&p->wake, &p->mutex);
  atomic_fetch_sub(&p->sleeping, 1);
  pthread_mutex_unlock(&p->mutex);
}

static void call(struct fast_pool *p) {
  if (!atomic_load(&p->sleeping)) return;
  pthread_mutex_lock(&p->mutex);
  pthread_cond_broadcast(&p->wake);
  pthread_mutex_unlock(&p->mutex);
}

static void *work(void *arg) {
  const struct member me = *(struct member *)arg;
  free(arg);
  for (;;) {
    wait_for_call(me.pool);
    if (atomic_load(&me.pool->over)) return NULL;
    take_items(me.pool, me.thread);
  }
}

void fast_pool_run(struct fast_pool *p, uint32_t n_items,
                   void (*f)(void *ctx, uint32_t item, uint32_t thread), void *ctx) {
  if (p->n == 1 || n_items < 2) {
    for (uint32_t i = 0; i < n_items; i++) f(ctx, i, 0);
    return;
  }
  p->f = f;
  p->ctx = ctx;
  atomic_store(&p->unfinished, n_items);
  atomic_store(&p->ticket, (unsigned long long)n_items << 32);
  call(p);
  take_items(p, 0);
  for (int i = 0; atomic_load(&p->unfinished); i++)
    if (i < SPINS) pause_a_little();
    else sched_yield();
}

int fast_pool_create(struct fast_pool **pool, uint32_t n, struct err *err) {
  struct fast_pool *p = *pool = calloc(1, sizeof *p);
  if (!p) return err_memory(err, "threads");
  p->n = n;
  pthread_mutex_init(&p->mutex, NULL);
  pthread_cond_init(&p->wake, NULL);
  for (p->started = 1; p->started < n; p->started++) {
    struct member *me = malloc(sizeof *me);
    if (me) *me = (struct member){p, p->started};
    if (!me || pthread_create(&p->threads[p->started], NULL, work, me)) {
      err_set(err, "thread %u of %u cannot be started: ask for fewer", p->started + 1, n);
      free(me);
      fast_pool_destroy(p);
      *pool = NULL;
      return -1;
    }
  }
  return 0;
}

void fast_pool_destroy(struct fast_pool *p) {
  if (!p) return;
  atomic_store(&p->over, true);
  call(p);
  for (uint32_t i = 1; i < p->started; i++) pthread_join(p->threads[i], NULL);
  pthread_cond_destroy(&p->wake);
  pthread_mutex_destroy(&p->mutex);
  free(p);
}
