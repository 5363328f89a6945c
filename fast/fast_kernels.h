// SPDX-License-Identifier: Apache-2.0
//
// fast_kernels - the inner loops of the fast engine, one file for each instruction set behind one
// struct of functions
//
// All of them compute the integers of golden/, bit for bit, and count the same saturations; only
// the time differs. A kernel knows nothing of layers, heads or images: it gets tiles, operands and
// rows.
//
// A tile is 64 x 64 int8, 4096 bytes: what the hardware's engine computes in 64 / Segments beats.
// Two columns of all 64 rows are adjacent, so that one load gives a vector of rows with two
// products each to add, and nothing is ever summed across a vector:
//
//   byte (row r, column c)  at  (c / 2) * 128 + r * 2 + c % 2
//
// A strip is n_blocks consecutive tiles: 64 rows of a matrix. As in the hardware it serves three
// jobs: rows and inputs of a linear layer; cached positions and dimensions (keys); dimensions and
// cached positions (values).
#ifndef GPT2RTL_FAST_KERNELS_H
#define GPT2RTL_FAST_KERNELS_H

#include "golden.h"

enum { TILE_BYTES = HEAD_DIM * HEAD_DIM };

static inline size_t tile_offset(uint32_t row, uint32_t column) {
  return column / 2 * (2 * HEAD_DIM) + row * 2 + column % 2;
}

struct fast_kernels {
  const char *name;

  // acc[t][r] = sum_k (row r of tile k) . x[t * stride + k].m << x[t * stride + k].e for n tokens:
  // golden's matvec_row of 64 rows. The bytes after the strip may be prefetched but not read.
  void (*multiply)(int64_t (*acc)[HEAD_DIM], const int8_t *strip, uint32_t n_blocks,
                   const struct operand *x, size_t stride, uint32_t n);

  // golden's rescale_row of n sums, with their side words (bias << 16 | scale) and the first shift
  // of rescale_first. Returns the saturations.
  uint64_t (*rescale)(int32_t *row, const int64_t *acc, const uint32_t *side, uint32_t n, int first,
                      int extra);

  void (*block_quant)(struct operand *out, const int32_t *row);  // as golden's
  void (*gelu)(int32_t *row, uint32_t n);                        // in place
  void (*residual_add)(struct residual *r, const int32_t *row, uint32_t width,
                       struct saturation *sat);  // as golden's
  // The part of golden's layernorm_rows after its statistics; word[width] are its parameters.
  void (*layernorm)(int32_t *y, const int32_t *x, const uint32_t *word, uint32_t width,
                    const struct layernorm_statistics *statistics, struct saturation *sat);
  int32_t (*largest)(const int32_t *x, uint32_t n);  // n >= 1
  // golden's softmax up to its blocks: p[i] = exp(score[i] - max) * v_scale[i]. Returns the sum of
  // the exponentials.
  uint64_t (*exponentials)(int32_t *p, const int32_t *score, const uint16_t *v_scale, uint32_t n,
                           int32_t max, struct saturation *sat);
};

// The compiled-in ones: portable always, and of the others those for this machine's architecture.
extern const struct fast_kernels fast_portable, fast_avx2, fast_avx512vnni, fast_neon;

// The i-th that this machine can run, the fastest last; NULL after the last.
const struct fast_kernels *fast_kernels_at(size_t i);

// "auto" (the fastest), "portable", "avx2", "avx512vnni" or "neon". NULL with err: the name is
// unknown, or this machine cannot run it; the text lists those that it can.
const struct fast_kernels *fast_kernels_named(const char *name, struct err *err);

#endif
