// SPDX-License-Identifier: Apache-2.0
//
// final_layernorm - ln_f, only for positions whose head is wanted (rtl/block/final_layernorm.sv)
#include "golden.h"

void final_layernorm(struct operand *out, const struct residual *r, const struct image *image,
                     struct saturation *sat) {
  struct weight_stream w;
  weight_stream_layer(&w, &image->header, image->header.n_layer - 1);
  layernorm(out, r, image, w.ln_next, sat);
}
