// SPDX-License-Identifier: Apache-2.0
// tensor_assembly - the integer tensors that an observer sees (golden/tensor_observer.h), whole and
// as floats

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
  struct saturation before;      // the same when the last part arrived
  // Saturations on the way to each current tensor. In a call of `observe`, those of the tensor it
  // gets.
  struct saturation sat[TENSORS];
};

// From now on `observe` receives every tensor of core's steps. Errors: out of memory.
int tensor_assembly_golden(struct tensor_assembly *assembly, struct gpt2_core *core,
                           tensor_observe *observe, void *ctx, struct err *err);
// The same for any observer that shows the tensors of the model in header, such as the hardware's.
int tensor_assembly_open(struct tensor_assembly *assembly, const struct image_header *header,
                         struct tensor_observer *observer, tensor_observe *observe, void *ctx,
                         struct err *err);
// Forgets the parts that have come: a run that was ended early leaves some of a tensor. To be
// called before the next run.
void tensor_assembly_restart(struct tensor_assembly *assembly);
// Detaches it. Harmless on a zeroed or closed struct.
void tensor_assembly_close(struct tensor_assembly *assembly);

#endif
