// SPDX-License-Identifier: Apache-2.0
#include "tap_golden.h"

#include <math.h>
#include <stdlib.h>

struct gpt2_config tap_golden_config(const struct image_header *h) {
  return (struct gpt2_config){
      .n_layer = h->n_layer,
      .n_head = h->n_head,
      .n_embd = h->n_embd,
      .n_inner = 4 * (size_t)h->n_embd,
      .n_ctx = h->n_ctx,
      .vocab_size = h->vocab_size,
      .layer_norm_epsilon = (double)h->layer_norm_epsilon,
      .bos_token_id = CONFIG_NO_TOKEN,
      .eos_token_ids = {h->eos_id},
      .n_eos = h->eos_id != CONFIG_NO_TOKEN,
      .tie_word_embeddings = h->tied != 0,
  };
}

// Everything that saturated since the last part did so on the way to this one.
static void count_saturations(struct tap_golden *tap, enum tap_tensor tensor) {
  const struct saturation *now = tap->now;
  struct saturation *sat = &tap->sat[tensor];
  if (!now) return;
  sat->row += now->row - tap->before.row;
  sat->residual += now->residual - tap->before.residual;
  sat->norm += now->norm - tap->before.norm;
  sat->prob += now->prob - tap->before.prob;
  tap->before = *now;
}

static void part(void *ctx, const struct tap_place *place, uint32_t first, const int32_t *x,
                 uint32_t n, int frac) {
  struct tap_golden *tap = ctx;
  float *to = tap->x[place->tensor];
  const float unit = ldexpf(1, -frac);
  for (size_t i = 0; i < n; i++) to[first + i] = (float)x[i] * unit;
  count_saturations(tap, place->tensor);
  size_t *count = &tap->count[place->tensor];
  *count += n;
  if (*count == tap_elements(&tap->config, place->tensor, place->position)) {
    tap->see(tap->ctx, place, to, *count);
    *count = 0;
    tap->sat[place->tensor] = (struct saturation){0};
  }
}

int tap_golden_open(struct tap_golden *tap, struct gpt2_core *core, tap_see *see, void *ctx,
                    struct err *err) {
  if (tap_probe_open(tap, &core->image->header, &core->probe, see, ctx, err) != 0) return -1;
  tap->now = &core->sat;
  tap->before = core->sat;
  return 0;
}

int tap_probe_open(struct tap_golden *tap, const struct image_header *header, struct probe *probe,
                   tap_see *see, void *ctx, struct err *err) {
  *tap = (struct tap_golden){.config = tap_golden_config(header),
                             .probe = probe,
                             .see = see,
                             .ctx = ctx};
  const size_t last = tap->config.n_ctx - 1;
  size_t first[TAP_TENSORS], all = 0;
  for (int i = 0; i < TAP_TENSORS; i++) {
    first[i] = all;
    all += tap_elements(&tap->config, (enum tap_tensor)i, last);
  }
  float *storage = malloc(all * sizeof *storage);
  if (!storage) return err_memory(err, "the tensors of a step");
  for (int i = 0; i < TAP_TENSORS; i++) tap->x[i] = storage + first[i];
  *probe = (struct probe){.see = part, .ctx = tap};
  return 0;
}

void tap_golden_close(struct tap_golden *tap) {
  if (tap->probe) tap->probe->see = NULL;
  free(tap->x[0]);
  *tap = (struct tap_golden){0};
}
