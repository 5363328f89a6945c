// SPDX-License-Identifier: Apache-2.0
// golden_test - what the tests of golden/ against double precision share: bounds, numbers, matrices
//
// Include first, as model_test.h. The bounds that the tests state are those of docs/numerics.md.

#ifndef GPT2RTL_GOLDEN_TEST_H
#define GPT2RTL_GOLDEN_TEST_H

#include <math.h>

#include "golden.h"
#include "image_build.h"
#include "image_format.h"
#include "image_weights.h"
#include "model_test.h"

// ------------------------------------------------------------------------------------------ bounds

// The case that came closest to its bound so far.
struct worst {
  double ratio, error, bound;
  size_t cases;
};

// found must not exceed bound.
static inline void expect_within(struct worst *worst, const char *what, double found,
                                 double expected, double bound) {
  const double error = fabs(found - expected);
  if (!(error <= bound)) {
    fail_msg("%s: %.9g, expected %.9g within %.3g: off by %.3g", what, found, expected, bound,
             error);
  }
  worst->cases++;
  if (error / bound > worst->ratio) {
    worst->ratio = error / bound;
    worst->error = error;
    worst->bound = bound;
  }
}

static inline void print_worst(const char *what, const struct worst *worst) {
  print_message("%-34s %8zu cases, worst error %.3g of %.3g (%.0f %%)\n", what, worst->cases,
                worst->error, worst->bound, 100 * worst->ratio);
}

// Errors that are sums of many independent roundings: their root mean square, each in units of the
// standard deviation that was predicted for it, must be about 1.
struct spread {
  double squares;
  size_t cases;
};

static inline void spread_add(struct spread *spread, double error, double predicted) {
  spread->squares += error * error / (predicted * predicted);
  spread->cases++;
}

static inline void expect_spread(const struct spread *spread, const char *what, double low,
                                 double high) {
  const double rms = sqrt(spread->squares / (double)spread->cases);
  print_message("%-34s %8zu cases, errors %.2f of the prediction\n", what, spread->cases, rms);
  if (!(rms >= low && rms <= high))
    fail_msg("%s: errors are %.3f of the prediction, expected %.2f..%.2f", what, rms, low, high);
}

// The variance of a number rounded to multiples of step.
static inline double rounding_variance(double step) { return step * step / 12; }

// ----------------------------------------------------------------------------------------- numbers

// Uniform in [-1, 1).
static inline double random_signed(uint64_t *state) {
  return ldexp((double)(int64_t)random_next(state), -63);
}

// Normal with standard deviation 1.
static inline double random_normal(uint64_t *state) {
  const double radius = ldexp((double)((random_next(state) >> 11) + 1), -53);
  return sqrt(-2 * log(radius)) * cos(acos(-1) * random_signed(state));
}

static inline int32_t to_row(double x) { return (int32_t)lrint(ldexp(x, ROW_FRAC)); }

static inline double from_row(int32_t row) { return ldexp(row, -ROW_FRAC); }

// Element i of a block with F = frac.
static inline double operand_value(const struct operand *x, size_t i, int frac) {
  return ldexp(x->m[i], x->e - frac);
}

// A block of normal numbers, quantised.
static inline struct operand random_operand(uint64_t *state, double deviation) {
  int32_t row[HEAD_DIM];
  for (size_t i = 0; i < HEAD_DIM; i++) row[i] = to_row(deviation * random_normal(state));
  struct operand x;
  block_quant(&x, row);
  return x;
}

// GELU in its tanh form, as GPT-2 defines it.
static inline double exact_gelu(double x) {
  return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
}

// The error bound of rescale_row, in rows: half of its first rounding's step, half a row, half a
// row for the bias.
static inline double rescale_bound(int e_max, uint32_t n_blocks, uint16_t scale, int extra) {
  const int over = log2_ceil(n_blocks) - 3;
  const int first = e_max + (over > 0 ? over : 0);
  return 0.5 * ldexp(image_scale_value(scale), first - extra) + 1;
}

static inline uint64_t saturations(const struct saturation *sat) {
  return sat->row + sat->residual + sat->norm + sat->prob;
}

// ---------------------------------------------------------------------------------------- matrices

// A matrix in an image of its own, and its values. Weights are uniform in -127..127 and reach both
// ends.
struct test_matrix {
  struct image image;
  struct matrix matrix;
  uint8_t *beats;    // owned
  double *w, *bias;  // [rows][columns], [rows]: owned
  double *scale;     // [rows], owned
};

// Places a matrix of rows x 64 blocks by rows or by columns. Row weights are up to largest, biases
// up to largest_bias.
static inline void make_matrix(struct test_matrix *t, uint64_t *state, uint32_t lanes,
                               uint32_t rows, uint32_t blocks, bool by_columns, double largest,
                               double largest_bias) {
  const struct image_region region = {
      .kind = IMAGE_FC,
      .beats = image_matrix_beats(lanes, rows, 64 * (uint64_t)blocks),
      .n_rows = rows,
      .n_cols = 64 * blocks,
      .by_columns = by_columns,
  };
  const size_t columns = region.n_cols, segments = lanes / 64;
  *t = (struct test_matrix){.beats = calloc(region.beats, lanes),
                            .w = calloc(rows * columns, sizeof(double)),
                            .bias = calloc(rows, sizeof(double)),
                            .scale = calloc(rows, sizeof(double))};
  uint32_t *words = calloc(rows, sizeof *words);
  for (uint32_t r = 0; r < rows; r++) {
    uint16_t scale, bias;
    assert_int_equal(image_scale(&scale, largest * (1.01 + random_signed(state)) / 254), 0);
    assert_int_equal(image_half(&bias, largest_bias * random_signed(state)), 0);
    words[r] = (uint32_t)bias << 16 | scale;
    t->scale[r] = image_scale_value(scale);
    t->bias[r] = image_half_value(bias);
  }
  for (uint64_t i = 0; i < region.beats; i++) {
    const struct image_beat at = image_beat_at(&region, lanes, i);
    uint8_t *beat = t->beats + i * lanes;
    for (size_t n = 0; at.side && n < lanes / 4 && at.group * segments + n < rows; n++)
      memcpy(beat + 4 * n, &words[at.group * segments + n], 4);
    for (size_t s = 0; !at.side && s < segments && at.group * segments + s < rows; s++) {
      const size_t r = at.group * segments + s;
      for (size_t c = 0; c < 64; c++) {
        const int q = (int)random_below(state, 255) - 127;
        beat[64 * s + c] = (uint8_t)(int8_t)q;
        t->w[r * columns + 64 * at.block + c] = q * t->scale[r];
      }
    }
  }
  free(words);
  t->image.header.lanes = lanes;
  t->image.beats = t->beats;
  t->matrix = (struct matrix){NULL, 0, rows, blocks, by_columns};
}

// The matrix to hand to golden functions; its image is in t, which may have been copied.
static inline struct matrix matrix_of(const struct test_matrix *t) {
  struct matrix m = t->matrix;
  m.image = &t->image;
  return m;
}

static inline void free_matrix(struct test_matrix *t) {
  free(t->beats);
  free(t->w);
  free(t->bias);
  free(t->scale);
}

// Row r of W x + b, exact.
static inline double exact_row(const struct test_matrix *t, uint32_t r, const struct operand *x) {
  const size_t columns = 64 * (size_t)t->matrix.n_blocks;
  double y = t->bias[r];
  for (size_t c = 0; c < columns; c++)
    y += t->w[r * columns + c] * operand_value(&x[c / 64], c % 64, ROW_FRAC);
  return y;
}

static inline int largest_exponent(const struct operand *x, size_t n_blocks) {
  int e = 0;
  for (size_t k = 0; k < n_blocks; k++) e = x[k].e > e ? x[k].e : e;
  return e;
}

#endif
