// SPDX-License-Identifier: Apache-2.0
// tensor - the intermediate tensors of a step, by Hugging Face's names
//
// Every engine can show them. A name means the same quantity everywhere, so two engines can be
// compared tensor by tensor. Values are float32 and the element order is Hugging Face's. Integer
// engines convert, exactly up to float's 24 bits. In the order of computation, with l a layer and C
// = 64 NH:
//
//   name               elements          what it is                          integers: format
//   wte                C                 the id's row of the token table     row, Q14.16
//   wpe                C                 the position's row                  residual, Q14.12
//   drop               C                 their sum: the hidden state that    residual
//                                        enters layer 0
//   h.l.ln_1           C                 LayerNorm, as attn.c_attn takes it  operand, 64 x int16
//   h.l.attn.c_attn    3C                query, key, value of all heads      row
//   h.l.attn.key       C                 the key as it is cached             int8 x scale a head
//   h.l.attn.value     C                 the value as it is cached           int8 x scale a head
//   h.l.attn.scores    NH (position+1)   q k / 8, before the softmax: head   row
//                                        by head, cached positions ascending
//   h.l.attn.probs     NH (position+1)   softmax of the scores               exponential x V scale,
//                                                                            both divided out
//   h.l.attn.context   C                 softmax(scores) v of all heads, as  operand
//                                        attn.c_proj takes it
//   h.l.attn.c_proj    C                 added to the hidden state           row
//   h.l.resid_mid      C                 the hidden state after attention:   residual
//                                        what ln_2 takes
//   h.l.ln_2           C                 LayerNorm, as mlp.c_fc takes it     operand
//   h.l.mlp.c_fc       4C                before GELU                         row
//   h.l.mlp.act        4C                GELU, as mlp.c_proj takes it        operand
//   h.l.mlp.c_proj     C                 added to the hidden state           row
//   h.l                C                 the hidden state after layer l      residual
//   ln_f               C                 as the head takes it                operand
//   lm_head            V                 logits                              row
//
// key, value, scores, probs, context and resid_mid are not outputs of Hugging Face's modules and
// have names of their own. ln_f and lm_head are computed only for positions whose logits are
// wanted. The hardware divides by the sum of the exponentials after PV, so it has no probabilities:
// they are derived from its numbers. Formats: docs/numerics.md.

#ifndef GPT2RTL_TENSOR_H
#define GPT2RTL_TENSOR_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "err.h"

enum tensor {
  TENSOR_WTE,
  TENSOR_WPE,
  TENSOR_DROP,
  TENSOR_LN_1,
  TENSOR_C_ATTN,
  TENSOR_KEY,
  TENSOR_VALUE,
  TENSOR_SCORES,
  TENSOR_PROBS,
  TENSOR_CONTEXT,
  TENSOR_ATTN_PROJ,
  TENSOR_RESID_MID,
  TENSOR_LN_2,
  TENSOR_C_FC,
  TENSOR_ACT,
  TENSOR_MLP_PROJ,
  TENSOR_LAYER,
  TENSOR_LN_F,
  TENSOR_LM_HEAD,
  TENSORS,
};

// Which tensor of which step.
struct tensor_place {
  enum tensor tensor;
  size_t layer;  // 0 for a tensor outside the layers
  size_t position;
};

// Receives a whole tensor of one position, n = tensor_elements() numbers, valid during the call.
// The tensors of a position come in the order above. An engine that computes several positions at
// once gives a tensor for all of them, in ascending order, before the next tensor.
typedef void tensor_observe(void *ctx, const struct tensor_place *place, const float *x, size_t n);

// Whether the tensor is one of a layer.
bool tensor_in_layer(enum tensor tensor);

// The most elements a tensor of this model has, at any position.
size_t tensor_max_elements(const struct gpt2_config *config);
size_t tensor_elements(const struct gpt2_config *config, enum tensor tensor, size_t position);

// The name above with its layer, which is ignored for tensors outside the layers.
enum { TENSOR_NAME_SIZE = 32 };
void tensor_name(char name[TENSOR_NAME_SIZE], enum tensor tensor, size_t layer);

// The tensor with a name; a prefix "transformer." is allowed. Errors: an unknown name, with the
// known ones; a layer that the model does not have.
int tensor_find(enum tensor *tensor, size_t *layer, const char *name,
                const struct gpt2_config *config, struct err *err);

#endif
