// SPDX-License-Identifier: Apache-2.0
#include "counters.h"

#include "sim.h"

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

// --------------------------------------------------------------------------------- the hardware's

// Of u_counters, made public by sim/counters.vlt.
#define COUNTERS(S)                                                   \
  S(const uint64_t, mem, "gpt2_top.u_core.u_counters.mem")            \
  S(const uint32_t, written, "gpt2_top.u_core.u_counters.written_q")  \
  S(const uint64_t, kv_writes, "gpt2_top.u_core.u_counters.writes_q") \
  S(const uint64_t, cycles, "gpt2_top.u_core.u_counters.cycles_q")

// The port gives a count one cycle after its request, but a callback runs within a cycle. So this
// reads the memory itself.
int sim_read_counters(const struct sim *sim, struct sim_counters *c, struct err *err) {
  struct signals signals = sim_signals(sim);
  struct {
    COUNTERS(SIGNAL_MEMBER)
  } counters, *at = &counters;
  COUNTERS(SIGNAL_FIND)
  if (signals.missing)
    return err_set(err, "the simulator has no readable counter %s: run make", signals.missing);
  for (unsigned phase = 0; phase < COUNT_PHASES; phase++) {
    for (unsigned what = 0; what < COUNT_WHATS; what++) {
      const unsigned i = phase << 4 | what;
      c->at[phase][what] = at->written[i / 32] >> i % 32 & 1 ? at->mem[i] : 0;
    }
  }
  c->kv_writes = *at->kv_writes;
  c->cycles = *at->cycles;
  return 0;
}
