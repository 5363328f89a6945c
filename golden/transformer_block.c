// SPDX-License-Identifier: Apache-2.0
//
// transformer_block - the wiring of one layer (rtl/core/transformer_block.sv)
#include "tensor_observer.h"

void transformer_block(struct gpt2_core *core, uint32_t layer, uint32_t position) {
  const struct image *image = core->image;
  const uint32_t heads = image->header.n_head, width = image->header.n_embd;
  struct weight_stream w;
  struct operand x[MAX_HEADS], o[MAX_HEADS];
  int32_t row[MAX_WIDTH];
  struct tensor_observer observer = core->observer;
  observer.place.layer = layer;
  weight_stream_layer(&w, &image->header, layer);
  const struct matrix qkv = {image, w.qkv, 0, heads, false};
  const struct matrix proj = {image, w.proj, width, heads, true};
  const struct matrix mlp1 = {image, w.mlp1, 4 * width, heads, false};
  const struct matrix mlp2 = {image, w.mlp2, width, 4 * heads, true};

  layernorm(x, &core->residual, image, w.ln1, &core->sat);
  observe_operands(&observer, TENSOR_LN_1, 0, x, heads);
  for (uint32_t h = 0; h < heads; h++) {
    struct kv_head *kv = &core->kv[layer * heads + h];
    struct operand q;
    qkv_linear(&q, kv, &qkv, x, h, position, &core->sat, &observer);
    attention_core(&o[h], &q, kv, h, position + 1, &core->sat, &observer);
  }
  rescale_matrix(row, &proj, o, &core->sat);
  observe_rows(&observer, TENSOR_ATTN_PROJ, 0, row, width, ROW_FRAC);
  residual_add(&core->residual, row, width, &core->sat);
  observe_rows(&observer, TENSOR_RESID_MID, 0, core->residual.x, width, RES_FRAC);

  layernorm(x, &core->residual, image, w.ln2, &core->sat);
  observe_operands(&observer, TENSOR_LN_2, 0, x, heads);
  mlp_ffn(row, &mlp1, &mlp2, x, &core->sat, &observer);
  observe_rows(&observer, TENSOR_MLP_PROJ, 0, row, width, ROW_FRAC);
  residual_add(&core->residual, row, width, &core->sat);
  observe_rows(&observer, TENSOR_LAYER, 0, core->residual.x, width, RES_FRAC);
}
