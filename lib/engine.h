// SPDX-License-Identifier: Apache-2.0
//
// engine - one model on one of four engines: the simulated hardware, the integer model, fast or
// readable, the float model
#ifndef GPT2RTL_ENGINE_H
#define GPT2RTL_ENGINE_H

#include "axi_run.h"
#include "controller.h"
#include "fast.h"
#include "gpt2_float.h"
#include "model_image.h"
#include "sim.h"
#include "waveform.h"
#include "weights.h"

// The name of an engine says whose numbers they are, in every command:
//   rtl              the simulated hardware's
//   golden           the same integers, computed in C by fast/, or by golden/ if a command shows
//                    tensors, which fast/ does not have
//   golden-readable  the same integers, always by golden/, which the hardware is compared with
//   float            the float32 reference's
enum engine_kind { ENGINE_RTL, ENGINE_GOLDEN, ENGINE_READABLE, ENGINE_FLOAT };
enum { ENGINES = 4 };
extern const char *const engine_names[ENGINES];

struct engine {
  enum engine_kind kind;
  uint32_t n_ctx, n_vocab;
  struct image image;           // all but float
  struct sim *sim;              // rtl
  struct axi_run *axi;          // rtl in the AXI wrapper: instead of sim
  struct waveform *waveform;    // rtl, or NULL; the simulator's
  struct fast_engine *fast;     // golden, unless it shows tensors
  struct gpt2_core core;        // golden-readable, and golden that shows tensors
  struct gpt2_weights weights;  // float
  struct gpt2_float *state;
  int (*chosen)(void *ctx, const struct controller_step *step, const float *logits);
  struct fast_engine *shadow;  // rtl with chosen: computes along
};

struct engine_options {
  uint32_t lanes;  // all but float
  const char
      *image;  // all but float: a memory image, instead of the model's folder and lanes; or NULL
  const struct sim_memory *memory;  // rtl
  const struct axi_ports *axi;      // rtl: with AXI at these ports, or NULL
  enum sim_build build;             // rtl
  bool tensors;                     // the engine will be asked to show tensors
  struct fast_options fast;         // golden
  struct model_note note;           // called with what is made and kept
};

// Loads the model in dir (NULL with options->image). Release with engine_close, also after an
// error.
int engine_open(struct engine *engine, enum engine_kind kind, const char *dir,
                const struct engine_options *options, struct err *err);
void engine_close(struct engine *engine);

// Runs run (its member logits is ignored). logits[V] are passed as floats to `logits` (or NULL) if
// run has all_heads. *saturations counts the overflows of integer formats; 0 for float.
int engine_run(struct engine *engine, const struct controller_run *run,
               int (*logits)(void *ctx, const float *logits), uint64_t *saturations,
               struct err *err);

// n runs (without all_heads): side by side by the fast engine, in as many sequences as it has, by
// the others one after another. results[i] is 0, or -1 with errs[i], which is empty if a callback
// ended the run or it did not begin. `over` is called as each ends, and ends the others by
// returning non-zero. saturations[i] counts those from the start to the end of run i.
int engine_run_many(struct engine *engine, const struct controller_run *runs, size_t n,
                    int (*over)(void *ctx, size_t run), void *ctx, int *results,
                    uint64_t *saturations, struct err *errs);

// From now on `chosen` is called, with a run's ctx, after each position whose head ran and before
// the run's step, with the logits[V] from which the id was chosen. The hardware does not output
// them unless all of them are requested, which would change what is drawn. So the golden engine
// computes along: its logits are the hardware's, and a run in which their choices differ fails.
int engine_show_choices(struct engine *engine, const struct fast_options *fast,
                        int (*chosen)(void *ctx, const struct controller_step *step,
                                      const float *logits),
                        struct err *err);

// In a callback of a run: cycles so far. 0 for engines without cycles.
uint64_t engine_cycles(const struct engine *engine);
// Whether a run has left a waveform.
bool engine_kept_waveform(const struct engine *engine);
// The hardware's counters (sim.h), after a run. Only for ENGINE_RTL.
int engine_counters(const struct engine *engine, struct sim_counters *counters, struct err *err);

#endif
