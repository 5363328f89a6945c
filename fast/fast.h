// SPDX-License-Identifier: Apache-2.0
//
// fast - computes the integers of golden/ at the speed of the memory
//
// Hidden states, logits, cached keys and values, and saturation counters equal those of
// golden/gpt2_core bit for bit. This holds for any vector code and any number of threads, whether
// the positions come one by one or many at once, and whether they belong to one sequence or to
// several. Only the method differs. The weights are repacked into tiles when the engine is made
// (fast_kernels.h), many positions share each read of them, and threads divide rows and heads among
// themselves.
#ifndef GPT2RTL_FAST_H
#define GPT2RTL_FAST_H

#include "controller.h"
#include "fast_kernels.h"
#include "fast_pool.h"

struct fast_engine;

struct fast_options {
  uint32_t threads;    // 1 .. FAST_MAX_THREADS; 0 is 1
  uint32_t sequences;  // sequences with a cache each, 1 .. FAST_SEQUENCES; 0 is 1
  // From fast_kernels_named. NULL: the fastest that this machine runs.
  const struct fast_kernels *kernels;
  // NULL, or an engine for the same image whose weights this one uses too. That engine must outlive
  // this one, and its kernels must have the same tiles (`together`). The two may run at the same
  // time, so several threads can each have an engine with one copy of the weights.
  const struct fast_engine *share;
};

// Makes an engine for image, which must outlive it. On success release *engine with
// fast_engine_destroy, which also accepts NULL. The engine takes as many bytes again as the image,
// 2 n_layer n_embd n_ctx bytes of cache for each sequence, and some megabytes.
// Errors: out of memory or threads; the weights to share have other tiles.
int fast_engine_create(struct fast_engine **engine, const struct image *image,
                       const struct fast_options *options, struct err *err);
void fast_engine_destroy(struct fast_engine *engine);

enum fast_heads { FAST_NO_HEAD, FAST_LAST_HEAD, FAST_EVERY_HEAD };

// Callbacks, called during a run on the caller's thread. Each may be NULL.
struct fast_report {
  void *ctx;
  // logits[V], Q14.16, of each position whose head runs, in ascending order.
  void (*logits)(void *ctx, uint32_t position, const int32_t *logits);
  // x[C], Q14.12, after the embedding (layer -1) and each layer. Within a batch of at most
  // FAST_BATCH positions the calls ascend by layer, then by position.
  void (*hidden)(void *ctx, uint32_t position, int layer, const int32_t *x);
};

enum { FAST_BATCH = 64 };  // positions that share a read of the weights
enum { FAST_SEQUENCES = FAST_BATCH };

// Computes ids[n] at positions position .. position + n - 1 of sequence 0, as n calls of
// gpt2_core_step would. n is at least 1, positions are below n_ctx, and ids are below the
// vocabulary's size. Earlier positions must have been computed. `heads` says which positions run
// the head. report may be NULL.
void fast_engine_run(struct fast_engine *engine, const uint32_t *ids, uint32_t n, uint32_t position,
                     enum fast_heads heads, const struct fast_report *report);

// One position of one sequence, and its id.
struct fast_place {
  uint32_t sequence, position, id;
};
// Computes n places at once, 1 .. FAST_BATCH, each as fast_engine_run would. The places of one
// sequence are adjacent, and their positions ascend by one. The head runs for the last n_heads
// places.
void fast_engine_step(struct fast_engine *engine, const struct fast_place *places, uint32_t n,
                      uint32_t n_heads);

// The logits [V], Q14.16, of the last position whose head ran, valid until the next run; and the id
// that golden's sampling_choose would choose from them.
const int32_t *fast_engine_logits(const struct fast_engine *engine);
uint32_t fast_engine_choose(struct fast_engine *engine, struct sampling *sampling);

// The saturations since the engine was made.
struct saturation fast_engine_saturation(const struct fast_engine *engine);

// Reads the cache for a position of sequence 0 that has been computed: what golden's kv_head holds.
void fast_engine_cached(const struct fast_engine *engine, uint32_t layer, uint32_t head,
                        uint32_t position, int8_t k[HEAD_DIM], uint16_t *k_scale,
                        int8_t v[HEAD_DIM], uint16_t *v_scale);

// Runs the token loop, as controller_run_golden does.
int controller_run_fast(const struct controller_run *run, struct fast_engine *engine,
                        struct err *err);
// Runs n token loops (without all_heads and hidden), as many side by side as the engine has
// sequences; when one ends, the next takes its sequence. Each run chooses the same ids as it would
// alone. In its callbacks, fast_engine_logits gives its own logits. results[i] is 0, or -1 with
// errs[i]; errs[i] is empty if a callback ended run i or it did not begin. `over`, which may be
// NULL, is called when a run ends; if it returns non-zero, the others end too. Returns 0, or -1 if
// any run failed.
int controller_run_fast_many(const struct controller_run *runs, size_t n,
                             struct fast_engine *engine, int (*over)(void *ctx, size_t run),
                             void *ctx, int *results, struct err *errs);

#endif
