// SPDX-License-Identifier: Apache-2.0
// gpt2_source - finds each tensor of a GPT-2 in a checkpoint, and checks that all of them are there
//
// Names are those of gpt2_tensors.h. In a file they may share one prefix: "transformer.", after
// what torch.compile, DataParallel and others add ("_orig_mod.", "module.", "model."). Matrices may
// be transposed, as in Linear layers and in nanoGPT. The biases of all matrices, or those of all
// LayerNorms, may be absent; they are then zero. A tied model may have its embedding only under the
// head's name.

#ifndef GPT2RTL_GPT2_SOURCE_H
#define GPT2RTL_GPT2_SOURCE_H

#include <stdbool.h>

#include "checkpoint.h"
#include "config.h"
#include "err.h"
#include "gpt2_tensors.h"

enum { GPT2_NAME_SIZE = 160 };

// How a checkpoint names and stores a model.
struct gpt2_form {
  const struct checkpoint *from;
  char prefix[GPT2_NAME_SIZE];  // of all tensors of the model
  char head[GPT2_NAME_SIZE];    // lm_head.weight's full name; empty if there is none
  bool head_only;               // lm_head.weight also serves as the token embedding
  bool linear;                  // matrices are [outputs][inputs]
  bool no_linear_bias, no_norm_bias;
};

// A tensor of the model, and the file that holds it, which lives as long as its checkpoint. tensor
// is NULL for an absent bias, and for a head that is the token embedding.
struct gpt2_source {
  const struct safetensors *file;
  const struct safetensors_tensor *tensor;
};

// Finds how the checkpoint names and stores the model, and checks everything but the values against
// config. Errors: a tensor that is missing, repeated, or of another shape or dtype; no head
// although the configuration does not tie it; a tensor inside the model that is not part of GPT-2
// (GPT2_NAME_STRANGE), which the arithmetic would ignore; an adapter that has not been merged.
// Masks of any dtype and the heads of other tasks are skipped.
int gpt2_source_check(struct gpt2_form *form, const struct gpt2_config *config,
                      const struct checkpoint *from, struct err *err);

// Finds a tensor, or the head's own table, of a checked form.
struct gpt2_source gpt2_source_find(const struct gpt2_form *form, const struct gpt2_tensor *tensor);
struct gpt2_source gpt2_source_head(const struct gpt2_form *form);

#endif
