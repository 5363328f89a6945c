// SPDX-License-Identifier: Apache-2.0
#include "counters.h"

const char *const count_what_name[COUNT_WHATS] = {
    "weights", "padding",   "scales",  "kv",       "other",
    "memory",  "layernorm", "softmax", "sampling", "hand_over",
};
const char *const count_phase_name[COUNT_PHASES] = {
    "position",   "token", "layernorm", "qkv",  "scores", "pv",
    "projection", "mlp1",  "mlp2",      "head", "start",
};

uint64_t counters_of(const struct sim_counters *c, enum count_what what) {
  uint64_t sum = 0;
  for (int phase = 0; phase < COUNT_PHASES; phase++) sum += c->at[phase][what];
  return sum;
}

uint64_t counters_used(const struct sim_counters *c) {
  uint64_t sum = 0;
  for (int what = 0; what < COUNT_MEMORY; what++) sum += counters_of(c, (enum count_what)what);
  return sum;
}

enum count_what counters_bound(const struct sim_counters *c) {
  enum count_what bound = COUNT_MEMORY;
  for (int what = COUNT_MEMORY; what < COUNT_WHATS; what++)
    if (counters_of(c, (enum count_what)what) > counters_of(c, bound))
      bound = (enum count_what)what;
  return bound;
}

double floor_cycles(const struct image_header *h, uint32_t position, bool head) {
  const double width = h->n_embd, layers = h->n_layer;
  const double weights =
      12 * layers * width * width + (head ? width * h->vocab_size : 0);  // 3 + 1 + 4 + 4 a layer
  return (weights + 2 * layers * width * position) / h->lanes;
}
