// SPDX-License-Identifier: Apache-2.0
//
// pos_embedding - sets the residual to the position's 16-bit row (rtl/block/embedding_row.sv)
//
// Eight bits are too few here, because a few dimensions of GPT-2's position embeddings are a
// hundred times larger than the others. A row is 2C columns of the table. Block 2k holds the high
// bytes of elements 64k .. 64k+63, and block 2k+1 holds the low bytes; both are signed, and x =
// (256 high + low) * scale.
#include <string.h>

#include "golden.h"

void pos_embedding_rows(int32_t *y, const struct matrix *table, uint32_t position,
                        struct saturation *sat) {
  const uint32_t width = table->n_blocks / 2 * HEAD_DIM;
  uint16_t scale = (uint16_t)matrix_side(table, position);
  for (uint32_t c = 0; c < width; c++) {
    const uint32_t block = c / HEAD_DIM * 2, i = c % HEAD_DIM;
    int64_t x =
        matrix_block(table, position, block)[i] * 256 + matrix_block(table, position, block + 1)[i];
    // x * mantissa * 2^(e - 35), with 16 fraction bits: at most 2^15 * 2^12 * 2^12
    int64_t row = round_shift(x * scale_mantissa(scale) * (1 << 12), 31 - scale_exponent(scale));
    y[c] = (int32_t)saturate(row, ROW_MAX, &sat->row);
  }
}

void pos_embedding(struct residual *r, const struct matrix *table, uint32_t position,
                   struct saturation *sat) {
  const uint32_t width = table->n_blocks / 2 * HEAD_DIM;
  int32_t row[MAX_WIDTH];
  pos_embedding_rows(row, table, position, sat);
  memset(r, 0, sizeof *r);
  residual_add(r, row, width, sat);
}
