// SPDX-License-Identifier: Apache-2.0
// random_model - a GPT-2 of any named shape with random weights, as a Hugging Face folder
//
// It serves tests and benchmarks without a download. The folder is a valid model with a tokenizer
// that encodes any bytes. Its weights are the same on every machine, and its numbers behave like a
// trained model's: attention is neither flat nor one-hot, and logits spread. All tensors are BF16
// and normally distributed, with standard deviations chosen for inputs of about 1:
//
//   token embedding            4 / sqrt(C)    logits of standard deviation about 4
//   position embedding         2 / sqrt(C)
//   LayerNorm gain             0.25 about 1; bias 0.25
//   query, key and value       1.2 / sqrt(C); bias 0.5: scores of standard deviation about 2
//   attention's projection     1 / sqrt(C); bias 0.1
//   MLP, first layer           1 / sqrt(C); bias 0.25
//   MLP, second layer          0.5 / sqrt(C); bias 0.1
//
// With outliers the model has what makes number formats hard in GPT-2 124M, and by the same cause:
// the MLP of an early layer at the first position. Dimension 447 of the residual (447 mod C in
// narrower shapes) is near 3,000 at position 0 after layer 0 and stays there. For C = 768 the mean
// square that LayerNorm sees is about 12,500 at that position, and 1 to 10 elsewhere. A pattern of
// signs s, in the position embedding of position 0 and in K rows of the MLP's first layer,
// activates these K neurons at that position only. Their columns of the second layer have a large
// weight in that dimension:
//
//   position embedding, position 0     + 4 s[i]
//   MLP of layer 0, rows j < K         s[i] / sqrt(C), bias -sqrt(C) / 3: GELU of about
//                                      0.62 sqrt(C)
//   its second layer, columns j < K    4 in the outlier's row
//
// In the vocabulary, ids 0..255 are the bytes in GPT-2's order, the last id is <|endoftext|>, and
// each id between is an earlier token with one character more.

#ifndef GPT2RTL_RANDOM_MODEL_H
#define GPT2RTL_RANDOM_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"

// Writes config.json, model.safetensors, vocab.json and merges.txt to the folder dir, which must be
// absent or empty. config_name is a shape of config_named, or the path of a config.json, "x.json",
// whose shape is used; it needs at least 257 tokens. A parameter takes 2 bytes. The folder appears
// when it is complete (staged.h); after an error nothing is left. Errors: an unknown name; what
// config_read refuses; dir is not empty; a failed write.
int random_model_write(const char *config_name, uint64_t seed, const char *dir, struct err *err);

// The same, with outliers.
int random_model_write_outliers(const char *config_name, uint64_t seed, const char *dir,
                                struct err *err);

// The outlier's dimension.
static inline size_t random_model_outlier(size_t width) { return 447 % width; }

#endif
