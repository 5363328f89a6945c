// SPDX-License-Identifier: Apache-2.0
// tensor_assembly - assembles an observer's parts of integer tensors (golden/tensor_observer.h)
// into whole tensors of floats

#ifndef GPT2RTL_TENSOR_ASSEMBLY_H
#define GPT2RTL_TENSOR_ASSEMBLY_H

#include "golden.h"
#include "tensor.h"

struct tensor_assembly {
  struct gpt2_config config;  // the shape
  struct tensor_observer *observer;
  tensor_observe *observe;
  void *ctx;
  float *x[TENSORS];             // the current tensors; x[0] owns the memory
  size_t count[TENSORS];         // elements received of each
  const struct saturation *now;  // the core's counters; NULL: saturations are not known
  struct saturation before;      // their values when the last part arrived
  // Saturations on the way to each current tensor. During a call of `observe` they are those of its
  // tensor.
  struct saturation sat[TENSORS];
};

// Attaches the assembly to core: `observe` then receives every tensor of core's steps. Errors: out
// of memory.
int tensor_assembly_golden(struct tensor_assembly *assembly, struct gpt2_core *core,
                           tensor_observe *observe, void *ctx, struct err *err);
// The same for any source of the tensors of the model in header, such as the hardware.
int tensor_assembly_open(struct tensor_assembly *assembly, const struct image_header *header,
                         struct tensor_observer *observer, tensor_observe *observe, void *ctx,
                         struct err *err);
// Forgets incomplete tensors. Call it before the next run after a run that ended early.
void tensor_assembly_restart(struct tensor_assembly *assembly);
// Detaches it. Harmless on a zeroed or closed struct.
void tensor_assembly_close(struct tensor_assembly *assembly);

#endif
