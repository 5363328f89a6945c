// SPDX-License-Identifier: Apache-2.0
//
// estimate - cycles of a token by a model of the schedule, without simulating it
//
// It walks through the jobs of one token in the order of rtl/core/sequencer.sv. A job takes a cycle
// per beat. It starts when the previous job has ended and its operands are ready (a constant after
// the job that makes them, measured in simulation: sim/estimate.c), and proceeds as its beats
// arrive. Memory is a fluid: `beats` per cycle flow into weight_stream's queue, which holds 256
// less those under way.
//
// Within 1 % of simulation for the 124M shape at 64 to 1024 lanes, with each preset and at every
// context, and for the demo model at 64 and 256 lanes (test/test_estimate.c). Smaller models on
// more lanes wait mostly for sampling, whose time depends on the draws.
#ifndef GPT2RTL_ESTIMATE_H
#define GPT2RTL_ESTIMATE_H

#include <stdint.h>

#include "config.h"
#include "memory.h"

// Why the engine takes no beat in a cycle.
enum estimate_cause {
  ESTIMATE_BANDWIDTH,  // the memory delivers less than a beat per cycle
  ESTIMATE_START,      // the memory's latency and the embedding, once per token
  ESTIMATE_LAYERNORM,
  ESTIMATE_SOFTMAX,
  ESTIMATE_HANDOVER,  // quantising of K and V, and of attention's output
  ESTIMATE_SAMPLING,
  ESTIMATE_CAUSES,
};
extern const char *const estimate_cause_names[ESTIMATE_CAUSES];

struct estimate {
  double cycles;  // from one chosen token to the next
  double floor;   // weights and cached keys and values / lanes: the time of the engine's work alone
  uint64_t beats;   // read; with scales, biases, padding, LayerNorm's parameters and embedding rows
  uint64_t writes;  // beats written to the KV cache
  double idle[ESTIMATE_CAUSES];  // cycles = beats + their sum
};

// Hardware that runs `positions` of a prompt or sequences together, `engines` of them in a cycle,
// and holds a beat for `folding` cycles (gpt2_top's parameters Positions, Engines and Folding).
struct estimate_batch {
  uint32_t positions, engines, folding;
};

// Estimates the token at position `context`, with as many positions cached, with the head.
// memory is resolved here; its stalls are ignored. top_k: 1 for argmax, otherwise as in sampling.
void estimate_token(struct estimate *estimate, const struct gpt2_config *config, uint32_t lanes,
                    uint32_t context, const struct sim_memory *memory, uint32_t top_k);

// The same for a token of each of batch->positions sequences, all at position `context`, together.
void estimate_tokens(struct estimate *estimate, const struct gpt2_config *config, uint32_t lanes,
                     uint32_t context, const struct estimate_batch *batch,
                     const struct sim_memory *memory, uint32_t top_k);

// Estimates a whole batch of a prompt, the one that holds position `context`, without the head,
// from the end of the batch before to its own. The figures are those of all its positions together.
void estimate_prompt(struct estimate *estimate, const struct gpt2_config *config, uint32_t lanes,
                     uint32_t context, const struct estimate_batch *batch,
                     const struct sim_memory *memory);

#endif
