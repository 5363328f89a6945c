// SPDX-License-Identifier: Apache-2.0
//
// engine - runs a model on one of four engines: the simulated hardware, the fast or the readable
// integer model, the float model
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

// An engine's name means the same in every command:
//   rtl              the simulated hardware
//   golden           the same integers in C, by fast/ or, if a command shows tensors, by golden/
//   golden-readable  the same integers in C, always by golden/
//   float            the float32 reference
enum engine_kind { ENGINE_RTL, ENGINE_GOLDEN, ENGINE_READABLE, ENGINE_FLOAT };
enum { ENGINES = 4 };
extern const char *const engine_names[ENGINES];

struct engine {
  enum engine_kind kind;
  uint32_t n_ctx, n_vocab;
  struct image image;           // all but float
  struct sim *sim;              // rtl
  struct axi_run *axi;          // rtl in the AXI wrapper, instead of sim
  struct waveform *waveform;    // rtl: the simulator's, or NULL
  struct fast_engine *fast;     // golden, unless it shows tensors
  struct gpt2_core core;        // golden-readable, and golden that shows tensors
  struct gpt2_weights weights;  // float
  struct gpt2_float *state;
  int (*chosen)(void *ctx, const struct controller_step *step, const float *logits);
  struct fast_engine *shadow;  // rtl with chosen: computes the same run
};

struct engine_options {
  uint32_t lanes;     // all but float
  const char *image;  // all but float: NULL, or an image, which replaces the folder and lanes
  const struct sim_memory *memory;  // rtl
  const struct axi_ports *axi;      // rtl: NULL, or the ports of the AXI wrapper
  enum sim_build build;             // rtl
  bool tensors;                     // the engine must be able to show tensors
  struct fast_options fast;         // golden
  struct model_note note;           // reports what is made and kept
};

// Opens an engine for the model in dir (NULL with options->image). Release with engine_close, also
// after an error. Errors: the model or the image cannot be loaded; the simulator cannot be made;
// out of memory.
int engine_open(struct engine *engine, enum engine_kind kind, const char *dir,
                const struct engine_options *options, struct err *err);
void engine_close(struct engine *engine);

// Computes run. Its member logits is ignored; `logits`, if not NULL, receives logits[V] as floats
// if run has all_heads. *saturations receives the number of saturations; 0 for float. Errors: the
// run's; if a callback ends it, the result is -1 with an empty err.
int engine_run(struct engine *engine, const struct controller_run *run,
               int (*logits)(void *ctx, const float *logits), uint64_t *saturations,
               struct err *err);

// Computes n runs (without all_heads). The fast engine computes as many side by side as it has
// sequences; hardware with Positions as many as these, if the runs have the same settings and no
// `chosen`; the others one after another. results[i] is 0, or -1 with errs[i]; errs[i] is empty if
// a callback ended run i or it did not begin. `over` is called when a run ends; if it returns
// non-zero, the others end too. saturations[i] counts those between the start and the end of run i.
int engine_run_many(struct engine *engine, const struct controller_run *runs, size_t n,
                    int (*over)(void *ctx, size_t run), void *ctx, int *results,
                    uint64_t *saturations, struct err *errs);

// Makes runs call `chosen` with the logits[V] from which an id was chosen. It gets the run's ctx,
// and is called after each position whose head ran, before the run's step. The hardware does not
// output logits unless a run has all_heads, which would change what is drawn. So the golden engine
// computes the same run: its logits equal the hardware's, and a run in which their choices differ
// fails. Errors: out of memory or threads.
int engine_show_choices(struct engine *engine, const struct fast_options *fast,
                        int (*chosen)(void *ctx, const struct controller_step *step,
                                      const float *logits),
                        struct err *err);

// The cycles of the run so far, for use in its callbacks; 0 for engines without cycles.
uint64_t engine_cycles(const struct engine *engine);
// Whether a run has written a waveform.
bool engine_kept_waveform(const struct engine *engine);
// Reads the hardware's counters (sim.h) after a run. Only for ENGINE_RTL.
int engine_counters(const struct engine *engine, struct sim_counters *counters, struct err *err);

#endif
