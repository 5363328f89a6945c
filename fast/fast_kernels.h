// SPDX-License-Identifier: Apache-2.0
//
// fast_kernels - the inner loops of the fast engine: a file for each instruction set, and the
// struct of functions that each file defines
//
// All of them compute the integers of golden/ bit for bit, and count the same saturations; only the
// time differs. A kernel takes tiles, operands and rows. It knows nothing of layers, heads or
// images.
//
// A tile is 64 x 64 int8, 4096 bytes, which the hardware's engine takes in 64 / Segments beats. Two
// or four columns are adjacent in memory, as suits the instruction set, for all 64 rows. So one
// load gives a vector of rows with two or four products each to add, and nothing is ever summed
// across a vector. With n columns together:
//
//   byte (row r, column c)  at  (c / n) * 64 n + r * n + c % n
//
// A strip is n_blocks consecutive tiles: 64 rows of a matrix. As in the hardware, its rows and
// columns are one of three things: outputs and inputs of a linear layer; cached positions and
// dimensions (keys); dimensions and cached positions (values).
#ifndef GPT2RTL_FAST_KERNELS_H
#define GPT2RTL_FAST_KERNELS_H

#include "golden.h"

enum { TILE_BYTES = HEAD_DIM * HEAD_DIM };

static inline size_t tile_offset(uint32_t together, uint32_t row, uint32_t column) {
  return column / together * (together * HEAD_DIM) + row * together + column % together;
}

// golden's operand block, as a kernel's block_quant writes it and its multiply reads it. It holds
// either the numbers, or their low and high bytes apart: x = (high - 128) * 256 + low.
struct fast_operand {
  union {
    int16_t m[HEAD_DIM];
    struct {
      uint8_t low[HEAD_DIM], high[HEAD_DIM];
    };
  };
  int32_t e;
  int32_t sum_high;  // the sum of high - 128, if bytes are apart
};

// The arguments of multiply: a strip, n positions, and where the rows go.
struct fast_product {
  const int8_t *strip;
  uint32_t n_blocks;
  const struct fast_operand *x;  // position t's blocks begin at x + t * x_stride
  size_t x_stride;
  const int *first;      // [n] from fast_first; the same for all strips of a matrix
  const uint32_t *side;  // [64] bias << 16 | scale; position t's begin at side + t * side_stride
  size_t side_stride;    // 0: the same for all positions
  int extra;             // RESCALE_*
  int32_t *row;          // out: position t's rows begin at row + t * row_stride
  size_t row_stride;
  uint32_t n;
  // The first n_rows (at least one) of the strip's 64 rows are written, and their saturations are
  // counted. If `causal` is set, position t has t rows more, up to 64.
  uint32_t n_rows;
  bool causal;
};
static inline uint32_t fast_product_rows(const struct fast_product *p, uint32_t t) {
  const uint32_t rows = p->n_rows + (p->causal ? t : 0);
  return rows < HEAD_DIM ? rows : HEAD_DIM;
}

// Computes first[n] for fast_product: golden's rescale_first of each position.
static inline void fast_first(int *first, const struct fast_operand *x, size_t x_stride,
                              uint32_t n_blocks, uint32_t n) {
  for (uint32_t t = 0; t < n; t++, x += x_stride) {
    int e = 0;
    for (uint32_t k = 0; k < n_blocks; k++) e = x[k].e > e ? x[k].e : e;
    first[t] = rescale_first(e, n_blocks);
  }
}

struct fast_kernels {
  const char *name;
  uint32_t together;  // adjacent columns of its tiles

  // Computes row r of each position as golden does, rescale_row of matvec_row: sum_k ((row r of
  // tile k) . x[k].m) << x[k].e. Returns the number of saturations. It may prefetch bytes after the
  // strip but does not read them.
  uint64_t (*multiply)(const struct fast_product *p);

  void (*block_quant)(struct fast_operand *out, const int32_t *row);    // as golden's
  void (*kv_quantize)(int8_t *q, uint16_t *scale, const int32_t *row);  // as golden's
  void (*gelu)(int32_t *row, uint32_t n);                               // in place
  void (*residual_add)(struct residual *r, const int32_t *row, uint32_t width,
                       struct saturation *sat);  // as golden's
  // The part of golden's layernorm_rows after the statistics. word[width] are the gains and biases.
  void (*layernorm)(int32_t *y, const int32_t *x, const uint32_t *word, uint32_t width,
                    const struct layernorm_statistics *statistics, struct saturation *sat);
  int32_t (*largest)(const int32_t *x, uint32_t n);  // n >= 1
  // The first part of golden's softmax: p[i] = exp(score[i] - max) * v_scale[i], as rows. Returns
  // the sum of the exponentials.
  uint64_t (*exponentials)(int32_t *p, const int32_t *score, const uint16_t *v_scale, uint32_t n,
                           int32_t max, struct saturation *sat);
};

// The kernels that exist. fast_portable is always compiled in, the others for their architecture.
extern const struct fast_kernels fast_portable, fast_avx2, fast_avx512vnni, fast_neon;

// The i-th of those that this machine can run, the fastest last; NULL after the last.
const struct fast_kernels *fast_kernels_at(size_t i);

// The kernels named "auto" (the fastest), "portable", "avx2", "avx512vnni" or "neon". NULL with err
// if the name is unknown or this machine cannot run them; the text lists those that it can run.
const struct fast_kernels *fast_kernels_named(const char *name, struct err *err);

#endif
