// SPDX-License-Identifier: Apache-2.0
#include "parallel.h"

#include <pthread.h>
#include <unistd.h>

struct pool {
  const struct parallel *parallel;
  pthread_mutex_t mutex;
  size_t n, next;  // the next item to start; n to start no more
  size_t workers;  // started
  int result;
  struct err *err;
};

static void *worker(void *ctx) {
  struct pool *pool = ctx;
  const struct parallel *p = pool->parallel;
  pthread_mutex_lock(&pool->mutex);
  const size_t self = pool->workers++;
  while (pool->next < pool->n) {
    struct err err;
    const size_t item = pool->next++;
    pthread_mutex_unlock(&pool->mutex);
    const int result = p->work(p->ctx, self, item, &err);
    pthread_mutex_lock(&pool->mutex);
    if (result) {
      if (!pool->result) *pool->err = err;
      pool->result = -1;
      pool->next = pool->n;
    } else if (p->done) {
      p->done(p->ctx, item);
    }
  }
  pthread_mutex_unlock(&pool->mutex);
  return NULL;
}

int parallel_run(const struct parallel *parallel, size_t n, size_t threads, struct err *err) {
  struct pool pool = {.parallel = parallel, .mutex = PTHREAD_MUTEX_INITIALIZER, .n = n, .err = err};
  pthread_t thread[PARALLEL_MAX];
  size_t started = 0;
  // If a thread does not start, the others do its work. This thread works too.
  while (started + 1 < threads && started + 1 < n && started < PARALLEL_MAX - 1 &&
         !pthread_create(&thread[started], NULL, worker, &pool))
    started++;
  worker(&pool);
  while (started) pthread_join(thread[--started], NULL);
  return pool.result;
}

size_t parallel_processors(void) {
  const long n = sysconf(_SC_NPROCESSORS_ONLN);
  return n < 1 ? 1 : n > PARALLEL_MAX ? PARALLEL_MAX : (size_t)n;
}
