// SPDX-License-Identifier: Apache-2.0
//
// observer - the interface between the loop that clocks the hardware (sim.c) and the code that
// watches it
//
// Tensors (tensors.h), waveforms (waveform.h) and the run's own report (report.h) are observers. An
// observer finds the signals that it reads once (signals.h), registers with sim_observe (sim.h),
// and is called in each cycle of a run. It never drives a port, so no observer changes what the
// hardware computes or when.
#ifndef GPT2RTL_OBSERVER_H
#define GPT2RTL_OBSERVER_H

#include <stdint.h>

#include "err.h"

enum sim_end {
  SIM_DONE,     // the run completed
  SIM_ABORTED,  // an observer or a signal (interrupt.h) ended it
  SIM_FAILED,   // the simulator can only be closed
};

enum { SIM_ABORT = 1 };

// A member of the observer's struct, to which `self` points. A function that is NULL is not called.
struct sim_observer {
  void *self;
  // Called in each cycle of a run while clk_i is low and the outputs have followed the inputs; the
  // rising edge comes after all observers. `cycle` counts from the opening of the simulator.
  // Returns 0; SIM_ABORT, which aborts the run, in the hardware too; or -1 with err, after which
  // the run has failed. The cycles in which the hardware drains an aborted run are not shown.
  int (*cycle)(void *self, uint64_t cycle, struct err *err);
  // Called after a run. Returns 0, or -1 with err, after which a run that was done has failed.
  int (*end)(void *self, enum sim_end how, struct err *err);
  // Called when the simulator is closed; frees self.
  void (*destroy)(void *self);

  struct sim_observer *next;  // the simulator's
};

#endif
