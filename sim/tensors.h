// SPDX-License-Identifier: Apache-2.0
//
// tensors - the intermediate tensors of a run, read from the wires of the simulated hardware
//
// They are what golden models show (golden/tensor_observer.h), from the same places in gpt2_core:
// rows after rescale, rows of the embedding, operand blocks on their way to the engine, keys and
// values on their way to the cache, the residual as it is written. The signals are named in
// sim/tensors.vlt; only the build with waveforms has them. Only element numbers are computed here.
#ifndef GPT2RTL_TENSORS_H
#define GPT2RTL_TENSORS_H

#include "golden.h"
#include "sim.h"

// From now on sim's runs (SIM_WAVEFORM) show every intermediate tensor to observer's `part`, with
// its ctx: attention's head by head, rows in groups, the parts of a position in the order in which
// the hardware makes them. Hardware that runs several positions together shows them one after the
// other, at the end of their batch. Errors: a signal that does not exist; out of memory.
int sim_observe_tensors(struct sim *sim, const struct tensor_observer *observer, struct err *err);

#endif
