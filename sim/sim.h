// SPDX-License-Identifier: Apache-2.0
//
// sim - the simulation controller: gpt2_top and the memory at its port, as plain C calls
//
// The Verilated hardware (library.h) has room for every GPT-2. The memory (memory.h) holds the
// image, followed by the KV cache. The ports of output ids and logits stall like the memory.
//
// None of this changes the result of a run, only its cycles, which are counted here, outside the
// hardware. Code that wants to see more of a run registers as an observer.
#ifndef GPT2RTL_SIM_H
#define GPT2RTL_SIM_H

#include "controller.h"
#include "counters.h"
#include "err.h"
#include "gpt2_pkg.h"
#include "image.h"
#include "library.h"
#include "memory.h"
#include "observer.h"
#include "report.h"
#include "signals.h"

// The hardware's configuration port for an image.
void sim_config(struct pkg_config *config, const struct image_header *header);

struct sim;

// The hardware in reset, with image (of 64, 128, ... lanes; it must outlive the simulator) in its
// memory. On success *sim is released by sim_close, which also accepts NULL. Errors: a model larger
// than the hardware's maxima; the build fails; out of memory.
int sim_open(struct sim **sim, const struct image *image, const struct sim_memory *memory,
             enum sim_build build, struct err *err);
void sim_close(struct sim *sim);

// From now on observer (observer.h) sees each cycle of every run. The observer registered last
// comes first; the run's callbacks come last, after every observer has seen the cycle. The
// simulator owns the observer from here on and destroys it.
void sim_observe(struct sim *sim, struct sim_observer *observer);

// For observers: the signals that can be read (signals.h), what runs, and on what.
struct signals sim_signals(const struct sim *sim);
const struct verilated_block *sim_code(const struct sim *sim);
void *sim_instance(const struct sim *sim);
const struct image *sim_image(const struct sim *sim);
const struct sim_memory *sim_settings(const struct sim *sim);  // resolved
uint32_t sim_positions(const struct sim *sim);                 // the hardware's Positions

struct sim_result {
  uint64_t cycles;  // of the run: from start to the end of its last position
  uint64_t beats_read, beats_written;
  uint32_t saturations;
  uint64_t busy;  // cycles in which busy_o was high, counted here
};

// Starts the hardware and runs it until it is done. Reports through run as controller_run does for
// the golden model: the same calls in the same order. A sim runs any number of runs, one after
// another. Errors: the run's own (controller_check); the hardware reports an error, reads or writes
// outside its memory, fails an assertion (SIM_CHECK) or makes no progress for a million cycles; an
// observer's. After these the sim can only be closed. A callback that returns non-zero, and a
// signal that is pending (interrupt.h), abort the run, in the hardware too:
// the result is -1 with an empty err, and the next run is like any other.
int sim_run(struct sim *sim, const struct controller_run *run, struct sim_result *result,
            struct err *err);
// The same for several runs (report.h) with the same settings, each with a prompt and a seed of its
// own, as one run of the hardware: as many at a time as it has Positions, the others as places
// become free. Each gets the ids that it would get alone. A run whose callback returns non-zero
// goes on unseen until it ends by itself, or until all have ended: then the hardware's run is
// aborted, and the result is -1 with an empty err.
// Errors: sim_run's; runs that differ in more than prompts and seeds.
enum { SIM_MAX_RUNS = 65536 };
int sim_run_many(struct sim *sim, const struct sim_runs *runs, struct sim_result *result,
                 struct err *err);
bool sim_same_settings(const struct controller_run *a, const struct controller_run *b);

// sim_run in pieces, for a caller that does other work in between.
//   begin    its errors are sim_run's; what run points to must outlive the run
//   advance  runs at most this many cycles. 1: the run is under way; otherwise it has ended, with
//            the result of sim_run, and *result is filled
//   abort    makes the hardware end the run, and returns when it has; the next run is like any
//            other
int sim_begin(struct sim *sim, const struct controller_run *run, struct err *err);
int sim_begin_many(struct sim *sim, const struct sim_runs *runs, struct err *err);
int sim_advance(struct sim *sim, uint64_t cycles, struct sim_result *result, struct err *err);
int sim_abort(struct sim *sim, struct sim_result *result, struct err *err);

// Another memory (except its seed) from here on, also in callbacks: the next position then runs on
// it.
void sim_set_memory(struct sim *sim, const struct sim_memory *memory);

// For use in callbacks: numbers that saturated since the start of the run.
uint32_t sim_saturations(const struct sim *sim);
// For use in callbacks: cycles since the start of the run, the present one included.
uint64_t sim_cycles(const struct sim *sim);

// The hardware's own counters, since the run's start: after a run or in callbacks, where the last
// three cycles are missing (counters.c). Errors: a simulator of other sources that has none.
int sim_read_counters(const struct sim *sim, struct sim_counters *counters, struct err *err);
// One of them through the hardware's port, between two runs; address: {phase, what},
// COUNT_KV_WRITES or COUNT_CYCLES. Errors: as an evaluation's (SIM_CHECK).
int sim_read_count_port(struct sim *sim, unsigned address, uint64_t *count, struct err *err);

#endif
