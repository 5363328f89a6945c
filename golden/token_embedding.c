// SPDX-License-Identifier: Apache-2.0
//
// token_embedding - converts one int8 row of the table to rows, Q14.16 (rtl/block/embedding_row.sv)
#include "golden.h"

void token_embedding(int32_t *y, const struct matrix *table, uint32_t id) {
  uint16_t scale = (uint16_t)matrix_side(table, id);
  for (uint32_t c = 0; c < table->n_blocks * HEAD_DIM; c++) {
    int64_t w = matrix_block(table, id, c / HEAD_DIM)[c % HEAD_DIM];
    // w * mantissa * 2^(e - 35), with 16 fraction bits; at most 2^7 * 2^12 * 2^12, no saturation
    y[c] = (int32_t)round_shift(w * scale_mantissa(scale) * (1 << 12), 31 - scale_exponent(scale));
  }
}
