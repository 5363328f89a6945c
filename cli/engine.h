// SPDX-License-Identifier: Apache-2.0
//
// engine - one model on one of three engines: the simulated hardware, the integer model, the float model
#ifndef GPT2RTL_ENGINE_H
#define GPT2RTL_ENGINE_H

#include "cli.h"
#include "controller.h"
#include "gpt2_float.h"
#include "sim.h"
#include "weights.h"

enum engine_kind { ENGINE_RTL, ENGINE_GOLDEN, ENGINE_FLOAT };
extern const char *const engine_names[3];
// "rtl", "golden" or "float". Returns 0, or EXIT_USAGE with a message.
int option_engine(const char *command, const char *text, enum engine_kind *kind);

struct engine {
  enum engine_kind kind;
  uint32_t n_ctx, n_vocab;
  struct image image;        // rtl and golden
  struct sim *sim;           // rtl
  struct gpt2_core core;     // golden
  struct gpt2_weights weights;   // float
  struct gpt2_float *state;
};

// Loads the model in dir. lanes: rtl and golden; memory, build: rtl. Release with engine_close, also after an error.
int engine_open(struct engine *engine, enum engine_kind kind, const char *dir, uint32_t lanes,
                const struct sim_memory *memory, enum sim_build build, struct err *err);
void engine_close(struct engine *engine);

// Runs run (its member logits is not looked at). logits[V] come as floats to `logits` (or NULL) where run has all_heads.
// *saturations counts where an integer format overflowed; 0 for float.
int engine_run(struct engine *engine, const struct controller_run *run, int (*logits)(void *ctx, const float *logits),
               uint64_t *saturations, struct err *err);

// In a callback of a run: cycles so far. 0 for engines without cycles.
uint64_t engine_cycles(const struct engine *engine);
// The hardware's counters (sim.h), behind a run. Only for ENGINE_RTL.
int engine_counters(const struct engine *engine, struct sim_counters *counters, struct err *err);

#endif
