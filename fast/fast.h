// SPDX-License-Identifier: Apache-2.0
//
// fast - the integers of golden/, at the speed of the memory
//
// Hidden states, logits, cached keys and values, and saturation counters equal those of
// golden/gpt2_core bit for bit, for any vector code and any number of threads, whether the
// positions come one by one or many at once, of one sequence or of several. Only the method
// differs: weights are repacked into tiles when the engine is made (fast_kernels.h), many positions
// share each read of them, and threads share rows and heads.
#ifndef GPT2RTL_FAST_H
#define GPT2RTL_FAST_H

#include "controller.h"
#include "fast_kernels.h"
#include "fast_pool.h"

struct fast_engine;

struct fast_options {
  uint32_t threads;    // 1 .. FAST_MAX_THREADS; 0 is 1
  uint32_t sequences;  // that it keeps side by side, 1 .. FAST_SEQUENCES; 0 is 1
  const struct fast_kernels
      *kernels;  // fast_kernels_named; NULL: the fastest that this machine runs
  // NULL, or an engine for the same image, which must outlive this one and whose kernels have the
  // same tiles (`together`). Both then use its weights, also at the same time, so that several
  // threads can each run an engine with one copy of the weights.
  const struct fast_engine *share;
};

// An engine for image, which must outlive it. On success *engine is released by
// fast_engine_destroy, which also accepts NULL. The engine needs as much memory as the image again,
// 2 n_layer n_embd n_ctx bytes of cache for each sequence, and some megabytes. Errors: out of
// memory or threads; the weights to share are in other tiles.
int fast_engine_create(struct fast_engine **engine, const struct image *image,
                       const struct fast_options *options, struct err *err);
void fast_engine_destroy(struct fast_engine *engine);

enum fast_heads { FAST_NO_HEAD, FAST_LAST_HEAD, FAST_EVERY_HEAD };

// What a run reports, during the run, on the caller's thread; each function may be NULL.
struct fast_report {
  void *ctx;
  // [V], Q14.16, for positions whose head runs, ascending.
  void (*logits)(void *ctx, uint32_t position, const int32_t *logits);
  // [C], Q14.12: layer -1 is after the embedding. Ascending by layer, then by position, within at
  // most FAST_BATCH positions.
  void (*hidden)(void *ctx, uint32_t position, int layer, const int32_t *x);
};

enum { FAST_BATCH = 64 };  // positions that share a read of the weights
enum { FAST_SEQUENCES = FAST_BATCH };

// Computes positions position .. position + n - 1 of ids (n >= 1, all below n_ctx, ids below the
// vocabulary's size) in sequence 0; earlier positions have been computed. Equivalent to n calls of
// gpt2_core_step, with head where `heads` says so. report may be NULL.
void fast_engine_run(struct fast_engine *engine, const uint32_t *ids, uint32_t n, uint32_t position,
                     enum fast_heads heads, const struct fast_report *report);

// A position of a sequence.
struct fast_place {
  uint32_t sequence, position, id;
};
// Computes n places at once, 1 .. FAST_BATCH, each as the function above does; those of one
// sequence stand together, and ascend by one. The head runs for the last n_heads of them.
void fast_engine_step(struct fast_engine *engine, const struct fast_place *places, uint32_t n,
                      uint32_t n_heads);

// Of the last position whose head ran: its logits [V], and the id that golden's sampling_choose
// would choose.
const int32_t *fast_engine_logits(const struct fast_engine *engine);
uint32_t fast_engine_choose(struct fast_engine *engine, struct sampling *sampling);

// Since the engine was made.
struct saturation fast_engine_saturation(const struct fast_engine *engine);

// The cache's contents for a position of sequence 0 that has been computed: golden's kv_head.
void fast_engine_cached(const struct fast_engine *engine, uint32_t layer, uint32_t head,
                        uint32_t position, int8_t k[HEAD_DIM], uint16_t *k_scale,
                        int8_t v[HEAD_DIM], uint16_t *v_scale);

// As controller_run_golden.
int controller_run_fast(const struct controller_run *run, struct fast_engine *engine,
                        struct err *err);
// n runs (without all_heads and hidden), as many side by side as the engine has sequences; when one
// ends, the next takes its place. Each chooses the ids that it chooses alone. In its callbacks,
// fast_engine_logits are its own. results[i] is 0, or -1 with errs[i], which is empty if a callback
// ended the run or it did not begin. `over`, or NULL, is called as each run ends, and ends the
// others by returning non-zero. Returns -1 if any run failed.
int controller_run_fast_many(const struct controller_run *runs, size_t n,
                             struct fast_engine *engine, int (*over)(void *ctx, size_t run),
                             void *ctx, int *results, struct err *errs);

#endif
