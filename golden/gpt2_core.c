// SPDX-License-Identifier: Apache-2.0
//
// gpt2_core - embedding, layers, head (rtl/core/gpt2_core.sv)
#include "tensor_observer.h"

#include <stdlib.h>
#include <string.h>

int gpt2_core_create(struct gpt2_core *core, const struct image *image, struct err *err) {
  const struct image_header *h = &image->header;
  memset(core, 0, sizeof *core);
  core->image = image;
  core->kv = calloc((size_t)h->n_layer * h->n_head, sizeof *core->kv);
  core->logits = calloc(h->vocab_size, sizeof *core->logits);
  if (core->kv && core->logits) return 0;
  gpt2_core_destroy(core);
  return err_set(err, "no memory for the KV cache of %u layers and %u heads", h->n_layer,
                 h->n_head);
}

void gpt2_core_destroy(struct gpt2_core *core) {
  free(core->kv);
  free(core->logits);
  core->kv = NULL;
  core->logits = NULL;
}

static void report(const struct gpt2_core *core, int layer) {
  if (core->hidden) core->hidden(core->hidden_ctx, layer, core->residual.x);
}

void gpt2_core_step(struct gpt2_core *core, uint32_t id, uint32_t position, bool head) {
  const struct image_header *h = &core->image->header;
  const struct matrix wpe = {core->image, h->wpe_base, h->n_ctx, 2 * h->n_head, false};
  const struct matrix wte = {core->image, h->wte_base, h->vocab_size, h->n_head, false};
  const struct tensor_observer *observer = &core->observer;
  int32_t row[MAX_WIDTH];
  core->observer.place.position = position;

  token_embedding(row, &wte, id);
  observe_rows(observer, TENSOR_WTE, 0, row, h->n_embd, ROW_FRAC);
  pos_embedding(&core->residual, &wpe, position, &core->sat);
  observe_rows(observer, TENSOR_WPE, 0, core->residual.x, h->n_embd, RES_FRAC);
  residual_add(&core->residual, row, h->n_embd, &core->sat);
  observe_rows(observer, TENSOR_DROP, 0, core->residual.x, h->n_embd, RES_FRAC);
  report(core, -1);
  for (uint32_t layer = 0; layer < h->n_layer; layer++) {
    transformer_block(core, layer, position);
    report(core, (int)layer);
  }
  if (!head) return;
  struct operand x[MAX_HEADS];
  final_layernorm(x, &core->residual, core->image, &core->sat);
  observe_operands(observer, TENSOR_LN_F, 0, x, h->n_head);
  final_linear(core->logits, core->image, x, &core->sat);
  observe_rows(observer, TENSOR_LM_HEAD, 0, core->logits, h->vocab_size, ROW_FRAC);
}
