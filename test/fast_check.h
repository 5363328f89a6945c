// SPDX-License-Identifier: Apache-2.0
//
// fast_check - the fast engine and its kernels against golden/, bit for bit, without a test
// framework: it runs here and on AArch64 under an emulator (test/arm64/fast_neon.c)
#ifndef GPT2RTL_FAST_CHECK_H
#define GPT2RTL_FAST_CHECK_H

#include "fast.h"

// --------------------------------------------------------------------------- images made in memory

// What the beats contain.
enum fast_check_bytes {
  FAST_MODEL,      // weights -127 .. 127, scales, gains and biases such that numbers behave as in a
                   // trained model
  FAST_ANY_BYTES,  // any bytes: weights of -128, huge scales and gains: everything saturates
};

// An image of shape {n_layer, n_head, n_ctx, vocab_size} for some lanes. *beats, the caller's to
// free, holds them. Errors: a shape out of range; out of memory.
int fast_check_image(struct image *image, uint8_t **beats, const struct image_header *shape,
                     enum fast_check_bytes bytes, uint64_t seed, struct err *err);

// ----------------------------------------------------------------------------------------- kernels

// Each kernel against its golden function, on random numbers and on the largest that formats allow.
// Returns 0, or -1 with what differs.
int fast_check_kernels(const struct fast_kernels *kernels, uint64_t seed, struct err *err);

// -------------------------------------------------------------------------------------- the engine

// What golden/gpt2_core gives for n positions of random ids, each with its head.
struct fast_expected {
  struct gpt2_core core;      // its cache and saturations
  uint32_t n, *ids, *choice;  // [n]; chosen with the sampling of fast_check_sampling
  int32_t *hidden;            // [n][n_layer + 1][C]
  int32_t *logits;            // [n][V]
};
int fast_expect(struct fast_expected *expected, const struct image *image, uint32_t n,
                uint64_t seed, struct err *err);
void fast_expected_free(struct fast_expected *expected);

// The same from the fast engine, in runs of batch positions (1 .. n), must be equal: hidden states
// after every layer, logits, choices, cache, saturations. Returns 0, or -1 with the first
// difference.
int fast_check_engine(const struct fast_expected *expected, const struct fast_options *options,
                      uint32_t batch, struct err *err);

// The whole token loop, prompt, generation and context crops, by both; ids, positions, hidden
// states, logits.
int fast_check_loop(const struct image *image, const struct fast_kernels *kernels, uint32_t threads,
                    uint32_t n_prompt, uint32_t max_new, bool all_heads, struct err *err);

// Runs side by side in an engine of so many sequences: each as golden has it alone, one that is
// refused and one that its callback ends among them. The model has at least 70 positions.
int fast_check_many(const struct image *image, const struct fast_options *options, struct err *err);

#endif
