// SPDX-License-Identifier: Apache-2.0
#include "tensor_assembly.h"

#include <math.h>
#include <stdlib.h>

// Saturations since the last part are attributed to this one.
static void count_saturations(struct tensor_assembly *assembly, enum tensor tensor) {
  const struct saturation *now = assembly->now;
  struct saturation *sat = &assembly->sat[tensor];
  if (!now) return;
  sat->row += now->row - assembly->before.row;
  sat->residual += now->residual - assembly->before.residual;
  sat->norm += now->norm - assembly->before.norm;
  sat->prob += now->prob - assembly->before.prob;
  assembly->before = *now;
}

static void part(void *ctx, const struct tensor_place *place, uint32_t first, const int32_t *x,
                 uint32_t n, int frac) {
  struct tensor_assembly *assembly = ctx;
  float *to = assembly->x[place->tensor];
  const float unit = ldexpf(1, -frac);
  for (size_t i = 0; i < n; i++) to[first + i] = (float)x[i] * unit;
  count_saturations(assembly, place->tensor);
  size_t *count = &assembly->count[place->tensor];
  *count += n;
  if (*count == tensor_elements(&assembly->config, place->tensor, place->position)) {
    assembly->observe(assembly->ctx, place, to, *count);
    *count = 0;
    assembly->sat[place->tensor] = (struct saturation){0};
  }
}

int tensor_assembly_golden(struct tensor_assembly *assembly, struct gpt2_core *core,
                           tensor_observe *observe, void *ctx, struct err *err) {
  if (tensor_assembly_open(assembly, &core->image->header, &core->observer, observe, ctx, err) != 0)
    return -1;
  assembly->now = &core->sat;
  assembly->before = core->sat;
  return 0;
}

int tensor_assembly_open(struct tensor_assembly *assembly, const struct image_header *header,
                         struct tensor_observer *observer, tensor_observe *observe, void *ctx,
                         struct err *err) {
  *assembly = (struct tensor_assembly){.config = image_config(header),
                                       .observer = observer,
                                       .observe = observe,
                                       .ctx = ctx};
  const size_t last = assembly->config.n_ctx - 1;
  size_t first[TENSORS], all = 0;
  for (int i = 0; i < TENSORS; i++) {
    first[i] = all;
    all += tensor_elements(&assembly->config, (enum tensor)i, last);
  }
  float *storage = malloc(all * sizeof *storage);
  if (!storage) return err_memory(err, "the tensors of a step");
  for (int i = 0; i < TENSORS; i++) assembly->x[i] = storage + first[i];
  *observer = (struct tensor_observer){.part = part, .ctx = assembly};
  return 0;
}

void tensor_assembly_restart(struct tensor_assembly *assembly) {
  for (int i = 0; i < TENSORS; i++) {
    assembly->count[i] = 0;
    assembly->sat[i] = (struct saturation){0};
  }
  if (assembly->now) assembly->before = *assembly->now;
}

void tensor_assembly_close(struct tensor_assembly *assembly) {
  if (assembly->observer) assembly->observer->part = NULL;
  free(assembly->x[0]);
  *assembly = (struct tensor_assembly){0};
}
