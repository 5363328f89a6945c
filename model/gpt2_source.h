// SPDX-License-Identifier: Apache-2.0
// gpt2_source - where each tensor of a GPT-2 is in a checkpoint, and that all of them are there
//
// Names are those of gpt2_tensors.h, in the files with or without the prefix "transformer.".

#ifndef GPT2_SOURCE_H
#define GPT2_SOURCE_H

#include "checkpoint.h"
#include "config.h"
#include "err.h"

// A tensor of the model, found: the file lives as long as its checkpoint.
struct gpt2_source {
  const struct safetensors *file;
  const struct safetensors_tensor *tensor;
};

// Finds name; source->tensor is NULL where there is none. Error: it is there with and without the
// prefix.
int gpt2_source_find(struct gpt2_source *source, const struct checkpoint *from, const char *name,
                     struct err *err);

// Finds lm_head.weight and checks it; source->tensor is NULL where there is none and the configuration
// ties the head. Errors: as gpt2_source_check.
int gpt2_source_head(struct gpt2_source *source, const struct gpt2_config *config,
                     const struct checkpoint *from, struct err *err);

// Checks that the checkpoint is a model of that configuration, but for the values. Errors: a tensor
// missing, there twice, of another shape or dtype; no head where the configuration does not tie it; a
// tensor inside the model that is no part of GPT-2 (GPT2_NAME_STRANGE), which would be left out of the
// arithmetic. Masks of any dtype and the heads of other tasks are passed over.
int gpt2_source_check(const struct gpt2_config *config, const struct checkpoint *from,
                      struct err *err);

#endif
