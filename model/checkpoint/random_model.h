// SPDX-License-Identifier: Apache-2.0
// random_model - a GPT-2 of any named shape with random weights, as a Hugging Face folder
//
// For tests and benchmarks without a download: the folder is a valid model with a tokenizer that
// encodes any bytes, its weights are the same on every machine, and its numbers behave like a
// trained model's: attention is neither flat nor one-hot, logits spread. All tensors are BF16 and
// normal, with standard deviations for inputs of about 1:
//
//   token embedding            4 / sqrt(C)    logits of standard deviation 4 or so
//   position embedding         2 / sqrt(C)
//   LayerNorm gain             0.25 about 1; bias 0.25
//   query, key and value       1.2 / sqrt(C); bias 0.5: scores of standard deviation 2 or so
//   attention's projection     1 / sqrt(C); bias 0.1
//   MLP, first layer           1 / sqrt(C); bias 0.25
//   MLP, second layer          0.5 / sqrt(C); bias 0.1
//
// With outliers it has what makes number formats hard in GPT-2 124M, made as it is there, by the
// MLP of an early layer at the first position: the residual's dimension 447 (447 mod C in narrower
// shapes) is near 3,000 at position 0 behind layer 0 and stays so; for C = 768 the mean square that
// LayerNorm sees is about 12,500 there, 1 to 10 elsewhere. A pattern of signs s, in the position
// embedding of position 0 and in K rows of the MLP's first layer, opens these K neurons there and
// nowhere else; their columns of the second layer have a large weight in that dimension:
//
//   position embedding, position 0     + 4 s[i]
//   MLP of layer 0, rows j < K         s[i] / sqrt(C), bias -sqrt(C) / 3: GELU of 0.62 sqrt(C) or
//                                      so
//   its second layer, columns j < K    4 in the outlier's row
//
// Vocabulary: ids 0..255 are the bytes in GPT-2's order, the last is <|endoftext|>, and each
// between is an earlier token and one more character.

#ifndef GPT2RTL_RANDOM_MODEL_H
#define GPT2RTL_RANDOM_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"

// Writes config.json, model.safetensors, vocab.json and merges.txt to the folder dir, which must
// not exist or be empty. config_name: a shape of config_named, or the path of a config.json,
// "x.json", whose shape is taken: at least 257 tokens. The folder has its name when it is complete
// (staged.h); after an error nothing is left. 2 bytes a parameter. Errors: an unknown name, what
// config_read refuses, dir in use, a failed write.
int random_model_write(const char *config_name, uint64_t seed, const char *dir, struct err *err);

// The same with outliers.
int random_model_write_outliers(const char *config_name, uint64_t seed, const char *dir,
                                struct err *err);

// The outlier's dimension.
static inline size_t random_model_outlier(size_t width) { return 447 % width; }

#endif
