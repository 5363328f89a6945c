// SPDX-License-Identifier: Apache-2.0
// emulate - the float model with the hardware's kinds of rounding at any width, to see what a bit
// buys
//
// This is an emulation. The arithmetic is float32, and only the roundings named here are applied,
// by the hardware's rules. Everything else (rows, accumulators, the rest of softmax and LayerNorm)
// has float's precision. Figures for the hardware itself come from the integer model.

#ifndef GPT2RTL_EMULATE_H
#define GPT2RTL_EMULATE_H

#include <stdbool.h>

#include "gpt2_float.h"

// Zero in a field means that it is not rounded.
struct emulation {
  int weight_bits;          // 2..16: integers of every matrix and of the token table
  int weight_group;         // columns that share a scale; 0: the row (the hardware)
  bool weight_tensor;       // one scale for the whole matrix
  bool weight_compensated;  // 8 bits, rounded by compensate.h
  bool weight_least;        // scales of least squared error, instead of those that clip nothing
  int activation_bits;      // 4..16: elements of operands: of everything that a matrix or a cached
                            // vector is multiplied by
  int activation_block;     // elements that share an exponent, a power of two; 0: 64 (the hardware)
  int kv_bits;              // 2..16: cached keys and values, one scale per head and position
  int residual_bits;        // 4..30: fraction bits of the hidden state; the hardware has 12
  int exp_segments;         // segments of the table of 2^-x; the hardware has 64
  int gelu_segments;        // segments of the table of GELU over 0..8; the hardware has 512
};
// The hardware's own settings.
#define EMULATION_HARDWARE                   \
  ((struct emulation){.weight_bits = 8,      \
                      .activation_bits = 16, \
                      .kv_bits = 8,          \
                      .residual_bits = 12,   \
                      .exp_segments = 64,    \
                      .gelu_segments = 512})

// Makes a rounded copy of weights. On success release with weights_free. Errors: out of memory; a
// row that no scale fits.
int emulate_weights(struct gpt2_weights *rounded, const struct gpt2_weights *weights,
                    const struct emulation *emulation, struct err *err);

// The roundings made during a sequence.
struct emulator {
  struct emulation emulation;
  const struct gpt2_config *config;
  float *inner;  // [GPT2_FLOAT_BATCH][n_inner] GELU's arguments
};
// Attaches the emulator to state, a float model of the rounded weights. config and state must
// outlive it. Release with emulator_close, also after an error. Errors: out of memory.
int emulator_open(struct emulator *emulator, const struct emulation *emulation,
                  const struct gpt2_config *config, struct gpt2_float *state, struct err *err);
void emulator_close(struct emulator *emulator);

#endif
