// SPDX-License-Identifier: Apache-2.0
//
// final_linear - the language-model head (rtl/block/final_linear.sv)
#include "golden.h"

void final_linear(int32_t *logits, const struct image *image, const struct operand *x,
                  struct saturation *sat) {
  const struct image_header *h = &image->header;
  struct matrix head = {image, h->head_base, h->vocab_size, h->n_head, false};
  rescale_matrix(logits, &head, x, sat);
}
