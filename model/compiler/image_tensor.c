// SPDX-License-Identifier: Apache-2.0
#include "image_tensor.h"

#include <stdio.h>

struct image_tensor image_tensor_of(const struct gpt2_weights *weights,
                                    const struct image_region *r) {
  const struct gpt2_layer *l = &weights->layers[r->layer];
  const size_t c = weights->config.n_embd;
  struct image_tensor s = {.n_cols = c, .stride = HEAD_DIM};
  bool in_layer = true;
  switch (r->kind) {
    case IMAGE_LN_1: s.w = l->ln_1_g, s.bias = l->ln_1_b; break;
    case IMAGE_QKV:  // a head's 64 rows each of query, key and value
      s.w = l->attn_w, s.bias = l->attn_b;
      s.first = r->part * HEAD_DIM;
      s.stride = c;
      break;
    case IMAGE_LN_2: s.w = l->ln_2_g, s.bias = l->ln_2_b; break;
    case IMAGE_ATTN_PROJ: s.w = l->attn_proj_w, s.bias = l->attn_proj_b; break;
    case IMAGE_FC: s.w = l->fc_w, s.bias = l->fc_b; break;
    case IMAGE_MLP_PROJ:
      s.w = l->mlp_proj_w, s.bias = l->mlp_proj_b;
      s.n_cols = 4 * c;
      break;
    default:
      in_layer = false;
      s.w = r->kind == IMAGE_WPE    ? weights->wpe
            : r->kind == IMAGE_WTE  ? weights->wte
            : r->kind == IMAGE_LN_F ? weights->ln_f_g
                                    : weights->lm_head;
      s.bias = r->kind == IMAGE_LN_F ? weights->ln_f_b : NULL;
  }
  if (in_layer)
    snprintf(s.name, sizeof s.name, "h.%u.%s", (unsigned)r->layer, image_kind_name(r->kind));
  else snprintf(s.name, sizeof s.name, "%s", image_kind_name(r->kind));
  return s;
}
