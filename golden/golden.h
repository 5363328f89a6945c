// SPDX-License-Identifier: Apache-2.0
//
// golden - the integer models of the RTL, one file per block, named after the block
//
// Each function is the arithmetic of one RTL block without its timing; the RTL equals it bit for
// bit. The functions are declared in the order of the data flow. fixed.h has the number formats.
// Dimensions are T position, C width, NH heads (C = 64 NH), L layers and V vocabulary. The caller
// owns all pointers. Outputs come first and do not alias inputs. A `sat` counts saturations and is
// not NULL. Only gpt2_core_create can fail or allocate.
#ifndef GPT2RTL_GOLDEN_H
#define GPT2RTL_GOLDEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fixed.h"
#include "image.h"
#include "tensor.h"

enum {
  MAX_CTX = CONFIG_MAX_CTX,
  MAX_HEADS = CONFIG_MAX_HEADS,  // gpt2-xl
  MAX_WIDTH = MAX_HEADS * HEAD_DIM,
  MAX_TOP_K = 64,
};

// 64 numbers with one exponent, by which the engine multiplies weights.
struct operand {
  int16_t m[HEAD_DIM];  // value = m * 2^(e - F)
  uint8_t e;            // 0..15
};

// -------------------------------------------------------------------------------------- arithmetic

// 2^-t as Q.22 (1.0 = 2^22), t >= 0 with 16 fraction bits. Relative error < 8e-6 + half an LSB.
uint32_t exp2_neg(uint64_t t);

// 2^31 / x within 4.6e-5 relative, for x in [2^15, 2^16); result in [2^15, 2^16].
uint32_t reciprocal(uint32_t x);

// 1/sqrt(m / 2^30) as Q.22 for m in [2^30, 2^32), by a table and one Newton step. The relative
// error is below 2.5e-7.
uint32_t rsqrt(uint32_t m);

// ------------------------------------------------------------------------------- stream and engine

// Where one layer's parts lie in the image, as beat addresses (the layout is in
// model/image/image.h).
struct weight_stream {
  uint64_t ln1, qkv, ln2, proj, mlp1, ln_next, mlp2;  // of one layer; ln1: its ln_1 parameters
};
void weight_stream_layer(struct weight_stream *w, const struct image_header *h, uint32_t layer);

// One matrix of the image: n_rows x 64 n_blocks int8 weights.
struct matrix {
  const struct image *image;
  uint64_t base;              // its first beat
  uint32_t n_rows, n_blocks;  // rows; columns / 64
  bool by_columns;
};
const int8_t *matrix_block(const struct matrix *m, uint32_t row, uint32_t block);  // 64 weights
uint32_t matrix_side(const struct matrix *m, uint32_t row);  // bias << 16 | scale
// The index-th 32-bit word of the beats from `base` on.
uint32_t side_word(const struct image *image, uint64_t base, uint64_t index);

// sum_k (sum_i w[k][i] * x[k].m[i]) << x[k].e, in 52 bits. *e_max receives the largest exponent.
int64_t matvec_row(int *e_max, const int8_t *const *w, const struct operand *x, uint32_t n_blocks);

// Converts the engine's sum to a row: acc * scale / 2^extra + bias. scale and bias are a scale and
// a half (fixed.h). n_blocks is the number of operand blocks in the sum, and bounds acc. extra is
// one of RESCALE_*: the binary places by which the operand's F, with the job's own factor, exceeds
// 16.
enum { RESCALE_LINEAR = 0, RESCALE_SCORES = 3, RESCALE_PV = PROB_FRAC - ROW_FRAC };
int rescale_first(int e_max, uint32_t n_blocks);  // the shift of the first rounding, 0..19
int32_t rescale_row(int64_t acc, int e_max, uint32_t n_blocks, uint16_t scale, uint16_t bias,
                    int extra, struct saturation *sat);

// y = W x + b for a whole matrix: x[n_blocks] operands, y[n_rows] rows.
void rescale_matrix(int32_t *y, const struct matrix *m, const struct operand *x,
                    struct saturation *sat);

// Converts 64 rows (31 bits) to an operand, with the smallest exponent at which all fit int16,
// rounded half up.
void block_quant(struct operand *out, const int32_t row[HEAD_DIM]);

// ------------------------------------------------------------------------------------------ blocks

// An observer of intermediate tensors. Functions that compute such a tensor take an observer, or
// NULL (tensor_observer.h).
struct tensor_observer {
  // Receives elements first .. first + n - 1 of a tensor: integers with frac fraction bits.
  // Attention's tensors come head by head. NULL: no observer.
  void (*part)(void *ctx, const struct tensor_place *place, uint32_t first, const int32_t *x,
               uint32_t n, int frac);
  void *ctx;
  struct tensor_place place;  // layer and position; observe_rows sets the tensor
};

struct residual {
  int32_t x[MAX_WIDTH];  // Q14.12
  int64_t sum;
  uint64_t sum_sq;
};

// Dequantises int8 row `id` of the token table to rows: y[C].
void token_embedding(int32_t *y, const struct matrix *table, uint32_t id);
// Dequantises a 16-bit row of the position table (n_ctx rows x 2C columns) to rows: y[C].
void pos_embedding_rows(int32_t *y, const struct matrix *table, uint32_t position,
                        struct saturation *sat);
// Sets the residual to that row, rounded to Q14.12.
void pos_embedding(struct residual *r, const struct matrix *table, uint32_t position,
                   struct saturation *sat);

// x += row, rounded to Q14.12. sum and sum_sq become those of the new x[width].
void residual_add(struct residual *r, const int32_t *row, uint32_t width, struct saturation *sat);

// A residual's statistics for LayerNorm: (x - mean) * ratio / 2^ratio_shift has 18 fraction bits.
struct layernorm_statistics {
  int64_t mean;     // 16 fraction bits
  int64_t ratio;    // C / sqrt(V'), 18 bits
  int ratio_shift;  // 1..36
};
struct layernorm_statistics layernorm_statistics(const struct residual *r,
                                                 const struct image_header *h);

// LayerNorm of the residual. The gain and bias words begin at beat `params` (image.h, 4).
// layernorm_rows gives rows y[C]; layernorm gives the same as C / 64 operand blocks;
// final_layernorm is layernorm with ln_f's parameters.
void layernorm_rows(int32_t *y, const struct residual *r, const struct image *image,
                    uint64_t params, struct saturation *sat);
void layernorm(struct operand *out, const struct residual *r, const struct image *image,
               uint64_t params, struct saturation *sat);
void final_layernorm(struct operand *out, const struct residual *r, const struct image *image,
                     struct saturation *sat);

// The cache of one head: int8 vectors with their scales, one of each per position.
struct kv_head {
  int8_t k[MAX_CTX][HEAD_DIM], v[MAX_CTX][HEAD_DIM];
  uint16_t k_scale[MAX_CTX], v_scale[MAX_CTX];
};
// kv_quantize converts 64 rows to int8 and a scale: q = round(127 x / max|x|). kv_scale returns
// that scale. *r receives the factor 127 * 2^24 / m, where m is max|x| reduced to 16 bits. Both are
// 0 if max|x| is 0. kv_cache_write quantises a key and a value into position t.
uint16_t kv_scale(uint32_t max, int32_t *r);
void kv_quantize(int8_t q[HEAD_DIM], uint16_t *scale, const int32_t row[HEAD_DIM]);
void kv_cache_write(struct kv_head *kv, uint32_t t, const int32_t k[HEAD_DIM],
                    const int32_t v[HEAD_DIM]);

// Computes query, key and value of one head from x[NH]. The query becomes an operand block; the key
// and the value are quantised into kv at position t.
void qkv_linear(struct operand *q, struct kv_head *kv, const struct matrix *qkv,
                const struct operand *x, uint32_t head, uint32_t t, struct saturation *sat,
                const struct tensor_observer *observer);

// p[i] = exp(s[i] - max s) * v_scale[i], as ceil(n / 64) operand blocks, zero beyond n. softmax
// returns softmax_inverse of the sum of the exponentials; softmax_inverse returns 1 / (z * 2^-22)
// as a scale.
uint16_t softmax_inverse(uint64_t z);
uint16_t softmax(struct operand *p, const int32_t *score, const uint16_t *v_scale, uint32_t n,
                 struct saturation *sat);

// Attention of one head over positions 0 .. n-1. *out receives the operand block for the
// projection. Only the observer uses the number `head`.
void attention_core(struct operand *out, const struct operand *q, const struct kv_head *kv,
                    uint32_t head, uint32_t n, struct saturation *sat,
                    const struct tensor_observer *observer);

int32_t gelu(int32_t row);  // row to row
// y[C] = W2 gelu(W1 x + b1) + b2; x[NH] operands, y rows.
void mlp_ffn(int32_t *y, const struct matrix *w1, const struct matrix *w2, const struct operand *x,
             struct saturation *sat, const struct tensor_observer *observer);

// The language-model head: logits[V], as rows.
void final_linear(int32_t *logits, const struct image *image, const struct operand *x,
                  struct saturation *sat);

// How an id is chosen. top_k = 1 is argmax, and of equal logits the lower id wins. inv_t is
// round(log2(e) / temperature * 2^16) in 24 bits: sampling_inv_t.
struct sampling {
  uint32_t top_k, inv_t;
  uint64_t state;  // xorshift64, never 0; advanced once per choice with top_k > 1
};
uint64_t sampling_seed(uint64_t seed);  // makes any seed a state (splitmix64)
enum { SAMPLING_INV_T_BITS = 24 };
uint32_t sampling_inv_t(double temperature);
uint32_t sampling_choose(struct sampling *s, const int32_t *logits, uint32_t n_vocab);

// ------------------------------------------------------------------------------------------ wiring

struct gpt2_core {
  const struct image *image;
  struct kv_head *kv;  // [L][NH]
  struct residual residual;
  struct saturation sat;
  int32_t *logits;  // [V], valid after a step with head
  // Called with the hidden state x[C], Q14.12, after the embedding (layer -1) and after each layer.
  // May be NULL.
  void (*hidden)(void *ctx, int layer, const int32_t *x);
  void *hidden_ctx;
  struct tensor_observer observer;  // all zero, or an observer of every tensor
};
// An empty core for image, which must outlive it. Release with gpt2_core_destroy, which also
// accepts a zeroed one. Errors: out of memory.
int gpt2_core_create(struct gpt2_core *core, const struct image *image, struct err *err);
void gpt2_core_destroy(struct gpt2_core *core);
// Runs one layer: updates core->residual, and writes the layer's keys and values of this position.
void transformer_block(struct gpt2_core *core, uint32_t layer, uint32_t position);
// Runs one token: embeds id at position, runs all layers and, with head, computes core->logits.
// Positions 0 .. position - 1 must have been run.
void gpt2_core_step(struct gpt2_core *core, uint32_t id, uint32_t position, bool head);

#endif
