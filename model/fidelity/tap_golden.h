// SPDX-License-Identifier: Apache-2.0
// tap_golden - the integer tensors that a probe sees (golden/probe.h), whole and as floats

#ifndef GPT2RTL_TAP_GOLDEN_H
#define GPT2RTL_TAP_GOLDEN_H

#include "golden.h"
#include "tap.h"

struct tap_golden {
  struct gpt2_config config;  // the shape
  struct probe *probe;
  tap_see *see;
  void *ctx;
  float *x[TAP_TENSORS];         // the current tensors; x[0] owns the memory
  size_t count[TAP_TENSORS];     // elements received of each
  const struct saturation *now;  // the core's counters; NULL: saturations are not known
  struct saturation before;      // the same when the last part arrived
  // Saturations on the way to each current tensor. In a call of `see`, those of the tensor it gets.
  struct saturation sat[TAP_TENSORS];
};

// From now on `see` receives every tensor of core's steps. Errors: out of memory.
int tap_golden_open(struct tap_golden *tap, struct gpt2_core *core, tap_see *see, void *ctx,
                    struct err *err);
// The same for any probe that shows the tensors of the model in header, such as the hardware's.
int tap_probe_open(struct tap_golden *tap, const struct image_header *header, struct probe *probe,
                   tap_see *see, void *ctx, struct err *err);
// Detaches it. Harmless on a zeroed or closed struct.
void tap_golden_close(struct tap_golden *tap);

// The shape in an image's header, as a configuration.
struct gpt2_config tap_golden_config(const struct image_header *header);

#endif
