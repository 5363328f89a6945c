// SPDX-License-Identifier: Apache-2.0
// tensor - the names of a step's intermediate tensors, as in Hugging Face
//
// Every engine can show these tensors. A name means the same quantity in each, so two engines can
// be compared tensor by tensor. Values are float32, in Hugging Face's element order. Integer
// engines convert their numbers; the conversion is exact up to float's 24 bits. The tensors are, in
// the order of computation, for layer l and C = 64 NH:
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
// key, value, scores, probs, context and resid_mid are not outputs of Hugging Face's modules; their
// names are this project's. ln_f and lm_head are computed only for positions whose logits are
// needed. The hardware divides by the sum of the exponentials after PV and has no probabilities;
// probs is derived from its numbers. docs/numerics.md has the formats.

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

// A callback that receives a whole tensor of one position: x[n], n = tensor_elements(), valid
// during the call. The tensors of a position come in the order above. An engine that computes
// several positions at once gives one tensor for all of them, in ascending order, before the next
// tensor.
typedef void tensor_observe(void *ctx, const struct tensor_place *place, const float *x, size_t n);

// Whether the tensor belongs to a layer.
bool tensor_in_layer(enum tensor tensor);

// The number of elements of the model's largest tensor, at any position; and of a tensor at a
// position.
size_t tensor_max_elements(const struct gpt2_config *config);
size_t tensor_elements(const struct gpt2_config *config, enum tensor tensor, size_t position);

// Writes the tensor's name with its layer, which is ignored for tensors outside the layers.
enum { TENSOR_NAME_SIZE = 32 };
void tensor_name(char name[TENSOR_NAME_SIZE], enum tensor tensor, size_t layer);

// Finds the tensor and the layer of a name, which may begin with "transformer.". Errors: an unknown
// name, with the known ones; a layer that the model does not have.
int tensor_find(enum tensor *tensor, size_t *layer, const char *name,
                const struct gpt2_config *config, struct err *err);

#endif
