// SPDX-License-Identifier: Apache-2.0
//
// sim - the simulation controller: gpt2_top and the memory at its port, behind plain C calls
//
// The Verilated hardware (library.h) has room for every GPT-2. The memory (memory.h) holds the
// image and behind it the KV cache; ids and logits that come out are stalled as it is.
//
// The result of a run does not depend on any of that, only its cycles do. Cycles are counted here,
// outside the hardware.
#ifndef GPT2RTL_SIM_H
#define GPT2RTL_SIM_H

#include "controller.h"
#include "counters.h"
#include "err.h"
#include "gpt2_pkg.h"
#include "image.h"
#include "inspect.h"
#include "library.h"
#include "memory.h"
#include "waveform.h"

// The hardware's configuration port for an image.
void sim_config(struct pkg_config *config, const struct image_header *header);

struct sim;

// The hardware in reset, with image (of 64, 128, ... lanes; it must outlive the simulator) in its
// memory. On success *sim is released by sim_close, which takes NULL too. Errors: a model larger
// than the hardware's maxima; the build fails; out of memory.
int sim_open(struct sim **sim, const struct image *image, const struct sim_memory *memory,
             enum sim_build build, struct err *err);
void sim_close(struct sim *sim);

// The next run writes the waveform that trace describes (SIM_TRACE only; its strings must outlive
// the run, itself need not), and *bytes is about how large the file will be: a simulator of its own
// computes one position, with the waveform on for its first cycles; cycles and bytes of later
// positions follow from it. Errors: waveform_create's; sim_open's.
int sim_trace(struct sim *sim, const struct sim_trace *trace, uint64_t *bytes, struct err *err);

// Whether the waveform is written. A run that fails or is interrupted leaves one that ends there,
// under its name.
bool sim_traced(const struct sim *sim);

// From now on runs show every intermediate tensor to probe's function, as golden/ does, the parts
// in the order in which the hardware makes them (SIM_TRACE only). Errors: inspect_create's.
int sim_probe(struct sim *sim, const struct probe *probe, struct err *err);

struct sim_result {
  uint64_t cycles;  // of the run: from start to the end of its last position
  uint64_t beats_read, beats_written;
  uint32_t saturations;
  uint64_t busy;  // cycles in which the hardware said that it was busy, counted here
};

// Starts the hardware and runs it until it is done. Reports through run as controller_run does for
// the golden model: the same calls in the same order. A sim runs any number of runs, one after
// another. Errors: the run's own (controller_check); the hardware reports an error, reads or writes
// outside its memory, fails an assertion (SIM_CHECK) or makes no progress for a million cycles;
// sim_trace's file cannot be written. After these the sim can only be closed. A callback that
// returns non-zero, and a signal that is pending (interrupt.h), abort the run, in the hardware too:
// the result is -1 with an empty err, and the next run is as any other.
int sim_run(struct sim *sim, const struct controller_run *run, struct sim_result *result,
            struct err *err);

// sim_run in pieces, for a caller that has other things to do meanwhile.
//   begin    its errors are sim_run's; what run points to must outlive the run
//   advance  at most so many cycles. 1: the run is under way; otherwise it is over as sim_run would
//            have ended, and *result is filled
//   abort    tells the hardware to end the run, which it has done when this returns; the next run
//            is as any other
int sim_begin(struct sim *sim, const struct controller_run *run, struct err *err);
int sim_advance(struct sim *sim, uint64_t cycles, struct sim_result *result, struct err *err);
int sim_abort(struct sim *sim, struct sim_result *result, struct err *err);

// Another memory (but for its seed) from here on: in callbacks too, where the next position then
// runs on it.
void sim_set_memory(struct sim *sim, const struct sim_memory *memory);

// For use in callbacks: cycles since the start of the run, the present one included.
uint64_t sim_cycles(const struct sim *sim);

// The hardware's own counters, since the run's start: after a run or in callbacks, where the last
// three cycles are missing.
void sim_read_counters(const struct sim *sim, struct sim_counters *counters);
// One of them through the hardware's port, between two runs; address: {phase, what},
// COUNT_KV_WRITES or COUNT_CYCLES. Errors: as an evaluation's (SIM_CHECK).
int sim_read_count_port(struct sim *sim, unsigned address, uint64_t *count, struct err *err);

#endif
