// SPDX-License-Identifier: Apache-2.0
// random_model - a GPT-2 of any named shape with random weights, as a Hugging Face folder
//
// For tests and benchmarks without a download: the folder is a valid model with a tokenizer that
// encodes any bytes, its weights are the same on every machine, and its numbers behave like a
// trained model's: attention is neither flat nor one-hot, logits spread, the residual stream has an
// outlier. All tensors are BF16 and normal, with standard deviations for inputs of about 1:
//
//   token embedding            4 / sqrt(C)    logits of standard deviation 4 or so
//   position embedding         2 / sqrt(C)    but 1000 in dimension C / 2 of position 0: GPT-2 124M
//                                             has about 3000 there, in dimension 447
//   LayerNorm gain             0.25 about 1; bias 0.25
//   query, key and value       1.2 / sqrt(C); bias 0.5: scores of standard deviation 2 or so
//   attention's projection     1 / sqrt(C); bias 0.1
//   MLP, first layer           1 / sqrt(C); bias 0.25
//   MLP, second layer          0.5 / sqrt(C); bias 0.1
//
// Vocabulary: ids 0..255 are the bytes in GPT-2's order, the last is <|endoftext|>, and each
// between is an earlier token and one more character.

#ifndef RANDOM_MODEL_H
#define RANDOM_MODEL_H

#include <stdint.h>

#include "err.h"

// Writes config.json, model.safetensors, vocab.json and merges.txt for a shape of config_named to
// the folder dir, which must not exist or be empty. The folder is built as "dir.tmp-PID" and then
// renamed; after an error nothing is left. 2 bytes a parameter.
// Errors: an unknown name, dir in use, a failed write.
int random_model_write(const char *config_name, uint64_t seed, const char *dir, struct err *err);

#endif
