// SPDX-License-Identifier: Apache-2.0
//
// inspect - the intermediate tensors of a run, read off the wires of the simulated hardware
//
// What golden models show a probe (golden/probe.h), from the same places in gpt2_core: rows behind
// rescale, rows of the embedding, operand blocks on their way to the engine, keys and values on
// their way to the cache, the residual as it is written. The signals are named in sim/inspect.vlt;
// only the build with waveforms has them. Nothing is computed here but element numbers.
#ifndef GPT2RTL_INSPECT_H
#define GPT2RTL_INSPECT_H

#include "err.h"
#include "golden.h"
#include "image.h"
#include "verilated_block.h"

struct inspect;

// For instance, a build with waveforms (SIM_TRACE) that runs the model in header. probe: its see
// and ctx are taken. Release with inspect_destroy, which takes NULL. Errors: a signal that is not
// there; out of memory.
int inspect_create(struct inspect **inspect, const struct verilated_block *code, void *instance,
                   const struct image_header *header, const struct probe *probe, struct err *err);
void inspect_destroy(struct inspect *inspect);

// Once a cycle, with settled outputs. Attention's tensors come head by head, rows in groups.
void inspect_cycle(struct inspect *inspect);

#endif
