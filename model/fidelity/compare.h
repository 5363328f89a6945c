// SPDX-License-Identifier: Apache-2.0
// compare - an engine against the float reference, tensor by tensor and in what it predicts
//
// Both compute the same ids. Every tensor of every position (tensor.h) is compared as it is made.
// The measures of a tensor, with x float's elements and y the other's:
//
//   signal to noise   10 log10(sum x^2 / sum (x - y)^2) of each position, averaged over positions
//                     in decibels, so that one position with an outlier does not hide the others
//   largest error     max |x - y|, with its place
//   saturations       elements that were clipped to their format's range on the way to the tensor
//
// The measures of the next token's distribution, p (float) and q (the other): the divergence sum p
// ln(p / q), in nats; whether both have the same most likely token; the loss of the token that
// follows.

#ifndef GPT2RTL_COMPARE_H
#define GPT2RTL_COMPARE_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "gpt2_float.h"
#include "tensor_assembly.h"

// Results for one tensor of a layer.
struct compare_tensor {
  double decibels;  // summed over positions; COMPARE_EXACT where there is no error
  size_t positions;
  double error;  // summed over positions; COMPARE_EXACT if there is no error
  size_t position, element;
  float expected, found;
  double largest;  // the largest |x|
  struct saturation sat;
  // Of the saturations, the one whose x is largest.
  size_t sat_position, sat_element;
  float sat_value;
};
#define COMPARE_EXACT 200.0

// Sums over positions; results of several runs can be merged.
struct compare_result {
  struct compare_tensor *tensors;  // [L][TENSORS]; those outside the layers are in layer 0
  size_t n_layer;
  size_t tokens;  // predicted
  double divergence, largest_divergence;
  size_t largest_divergence_position;
  size_t same;            // with the same most likely token
  double nll, nll_other;  // summed losses, nats
};
// Makes an empty result. Release with compare_result_free, also after an error. Errors: out of
// memory.
int compare_result_create(struct compare_result *result, const struct gpt2_config *config,
                          struct err *err);
void compare_result_free(struct compare_result *result);
void compare_result_merge(struct compare_result *all, const struct compare_result *more);
double compare_decibels(const struct compare_tensor *tensor);

// The two engines, and the reference's record of the last positions; one per thread.
struct compare {
  struct gpt2_config config;
  struct gpt2_float *reference;
  // the other: the integer model, or a float model that is not the reference (emulate.h)
  struct gpt2_core core;
  struct tensor_assembly assembly;
  struct gpt2_float *other;
  float *record;  // [GPT2_FLOAT_BATCH][record_size]
  size_t record_size;
  size_t *offset;       // [L][TENSORS] in the record
  float *logits;        // [V] of the other, for the current position
  const uint32_t *ids;  // of the run, and its result
  struct compare_result *result;
};

// Opens the two engines. reference must outlive `compare`. The second engine is either image, which
// must also outlive it, or other, which it then owns (also after an error); the unused one is NULL.
// Release with compare_close, also after an error. Errors: out of memory.
int compare_open(struct compare *compare, const struct gpt2_weights *reference,
                 const struct image *image, struct gpt2_float *other, struct err *err);
void compare_close(struct compare *compare);

// Compares the engines on a new sequence ids[count], 2 <= count <= n_ctx + 1, and adds to result.
// The last id is only predicted. Errors: a count or an id outside its range; out of memory.
int compare_run(struct compare *compare, const uint32_t *ids, size_t count,
                struct compare_result *result, struct err *err);

#endif
