// SPDX-License-Identifier: Apache-2.0
#include "emulate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compensate.h"
#include "golden.h"
#include "image_format.h"
#include "quantize.h"

// ----------------------------------------------------------------------------------------- weights

// Moves pointers into storage from `from` to `to`.
static void move(const float **pointer, const float *from, size_t floats, float *to) {
  if (*pointer >= from && *pointer < from + floats) *pointer = to + (*pointer - from);
}

static int copy_weights(struct gpt2_weights *copy, const struct gpt2_weights *w, struct err *err) {
  struct gpt2_config tied = w->config;
  tied.tie_word_embeddings = true;
  const size_t floats = config_parameters(&tied), L = w->config.n_layer;
  const size_t head_floats = w->lm_head == w->wte ? 0 : w->config.vocab_size * w->config.n_embd;
  *copy = *w;
  copy->storage = aligned_alloc(64, floats * sizeof *copy->storage);
  copy->head_storage = head_floats == 0 ? NULL : aligned_alloc(64, head_floats * sizeof(float));
  copy->layers = malloc(L * sizeof *copy->layers);
  if (!copy->storage || !copy->layers || (head_floats > 0 && !copy->head_storage)) {
    weights_free(copy);
    return err_memory(err, "a copy of the weights");
  }
  memcpy(copy->storage, w->storage, floats * sizeof *copy->storage);
  memcpy(copy->layers, w->layers, L * sizeof *copy->layers);
  const float **const outside[] = {&copy->wte, &copy->wpe, &copy->ln_f_g, &copy->ln_f_b,
                                   &copy->lm_head};
  for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++)
    move(outside[i], w->storage, floats, copy->storage);
  for (size_t l = 0; l < L; l++) {
    const float **fields = (const float **)&copy->layers[l];
    for (size_t i = 0; i < sizeof copy->layers[l] / sizeof *fields; i++)
      move(&fields[i], w->storage, floats, copy->storage);
  }
  if (head_floats > 0) {
    memcpy(copy->head_storage, w->lm_head, head_floats * sizeof(float));
    copy->lm_head = copy->head_storage;
  }
  return 0;
}

static int round_matrix(const float *matrix, size_t rows, size_t columns, const struct emulation *e,
                        const char *name, struct err *err) {
  float *w = (float *)(uintptr_t)matrix;
  const int steps = (1 << (e->weight_bits - 1)) - 1;
  const size_t all = rows * columns, group = (size_t)e->weight_group;
  int32_t *q = malloc((e->weight_tensor ? all : columns) * sizeof *q);
  int result = !q ? err_memory(err, name) : 0;
  for (size_t i = 0, n; i < all && result == 0; i += n) {
    const size_t left = columns - i % columns;  // in the row
    uint16_t scale;
    n = e->weight_tensor ? all : group > 0 && group < left ? group : left;
    if ((e->weight_least ? quantize_row_least : quantize_row)(q, &scale, w + i, n, steps) != 0)
      result = err_set(err, "%s: row %zu has a weight that no scale fits", name, i / columns);
    for (size_t j = 0; j < n && result == 0; j++)
      w[i + j] = (float)(q[j] * image_scale_value(scale));
  }
  free(q);
  return result;
}

int emulate_weights(struct gpt2_weights *rounded, const struct gpt2_weights *weights,
                    const struct emulation *e, struct err *err) {
  if (copy_weights(rounded, weights, err) != 0) return -1;
  if (e->weight_bits == 0) return 0;
  if (e->weight_compensated && compensate_weights(rounded, err) != 0) {
    weights_free(rounded);
    return -1;
  }
  const size_t C = weights->config.n_embd, I = weights->config.n_inner;
  const size_t V = weights->config.vocab_size;
  int result = round_matrix(rounded->wte, V, C, e, "wte", err);
  if (result == 0 && rounded->lm_head != rounded->wte)
    result = round_matrix(rounded->lm_head, V, C, e, "lm_head", err);
  for (size_t l = 0; l < weights->config.n_layer && result == 0; l++) {
    const struct gpt2_layer *layer = &rounded->layers[l];
    if (round_matrix(layer->attn_w, 3 * C, C, e, "attn.c_attn", err) != 0 ||
        round_matrix(layer->attn_proj_w, C, C, e, "attn.c_proj", err) != 0 ||
        round_matrix(layer->fc_w, I, C, e, "mlp.c_fc", err) != 0 ||
        round_matrix(layer->mlp_proj_w, C, I, e, "mlp.c_proj", err) != 0)
      result = -1;
  }
  if (result != 0) weights_free(rounded);
  return result;
}

// ------------------------------------------------------------------------------------- activations

// Rounds blocks as block_quant does, to `bits` bits instead of 16: to the smallest step of at least
// 2^-frac with which all elements fit.
static void round_blocks(const struct emulator *m, float *x, size_t n, int frac) {
  const int bits = m->emulation.activation_bits;
  if (bits <= 0) return;
  const size_t block =
      m->emulation.activation_block > 0 ? (size_t)m->emulation.activation_block : 64;
  const float most = (float)((1 << (bits - 1)) - 1);
  for (size_t i = 0; i < n; i += block) {
    const size_t end = n - i < block ? n : i + block;
    float max = 0;
    for (size_t j = i; j < end; j++) max = fmaxf(max, fabsf(x[j]));
    int e = -frac;
    while (ldexpf(most + 1, e) <= max) e++;
    const float step = ldexpf(1, e), per_unit = ldexpf(1, -e);
    for (size_t j = i; j < end; j++) x[j] = fminf(floorf(x[j] * per_unit + 0.5f), most) * step;
  }
}

static void round_cached(const struct emulator *m, float *x, size_t n) {
  const int bits = m->emulation.kv_bits;
  if (bits <= 0) return;
  const float most = (float)((1 << (bits - 1)) - 1);
  for (size_t i = 0; i < n; i += HEAD_DIM) {
    float max = 0;
    for (size_t j = i; j < i + HEAD_DIM; j++) max = fmaxf(max, fabsf(x[j]));
    for (size_t j = i; max > 0 && j < i + HEAD_DIM; j++)
      x[j] = rintf(x[j] * (most / max)) * (max / most);
  }
}

// The hidden state saturates as the hardware's does, at 2^14.
static void round_residual(const struct emulator *m, float *x, size_t n) {
  const int bits = m->emulation.residual_bits;
  for (size_t i = 0; bits > 0 && i < n; i++) {
    const double y = floor(ldexp((double)x[i], bits) + 0.5);
    x[i] = (float)fmin(fmax(ldexp(y, -bits), -0x1p14), 0x1p14);
  }
}

// ------------------------------------------------------------------------------------------ tables

// f by chords over segments of width h from 0 on, each shifted by half its largest error.
static double chord(double (*f)(double), double h, double x) {
  const double a = floor(x / h) * h, fa = f(a), fb = f(a + h);
  const double middle = f(a + h / 2) - (fa + fb) / 2;
  return fa + (fb - fa) * (x - a) / h + middle / 2;
}

static double f_exp2(double x) { return exp2(-x); }

// a - gelu(a), as in the hardware's table
static double f_gelu(double a) {
  const double root = 0.79788456080286536;  // sqrt(2 / pi)
  return a - 0.5 * a * (1 + tanh(root * (a + 0.044715 * a * a * a)));
}

// Changes the scores s[n] of one head so that the exact exponential of each new score is the
// table's of the old one.
static void table_exp(const struct emulator *m, float *s, size_t n) {
  const double h = 1.0 / m->emulation.exp_segments;
  float max = s[0];
  for (size_t i = 1; i < n; i++) max = fmaxf(max, s[i]);
  for (size_t i = 0; i < n; i++) {
    const double t = ((double)max - (double)s[i]) * 1.4426950408889634, whole = floor(t);
    s[i] = (float)((double)max + log(chord(f_exp2, h, t - whole)) - whole * 0.69314718055994531);
  }
}

static void table_gelu(const struct emulator *m, float *y, const float *x, size_t n) {
  const double h = 8.0 / m->emulation.gelu_segments;
  for (size_t i = 0; i < n; i++) {
    const double a = fabs((double)x[i]);
    const double g = a < 8 ? chord(f_gelu, h, a) : 0;
    y[i] = (float)(fmax((double)x[i], 0) - g);
  }
}

// ---------------------------------------------------------------------------------------- the hook

static void alter(void *ctx, const struct tensor_place *place, float *x, size_t n) {
  struct emulator *m = ctx;
  const size_t C = m->config->n_embd, NH = m->config->n_head;
  float *inner = m->inner + place->position % GPT2_FLOAT_BATCH * m->config->n_inner;
  switch (place->tensor) {
    case TENSOR_LN_1:
    case TENSOR_LN_2:
    case TENSOR_LN_F:
    case TENSOR_CONTEXT: round_blocks(m, x, n, ROW_FRAC); break;
    case TENSOR_C_ATTN:
      round_blocks(m, x, C, ROW_FRAC);  // the queries
      break;
    case TENSOR_KEY:
    case TENSOR_VALUE: round_cached(m, x, n); break;
    case TENSOR_SCORES:
      for (size_t h = 0; m->emulation.exp_segments > 0 && h < NH; h++)
        table_exp(m, x + h * (n / NH), n / NH);
      break;
    case TENSOR_PROBS:
      for (size_t h = 0; h < NH; h++) round_blocks(m, x + h * (n / NH), n / NH, PROB_FRAC);
      break;
    case TENSOR_C_FC: memcpy(inner, x, n * sizeof *x); break;
    case TENSOR_ACT:
      if (m->emulation.gelu_segments > 0) table_gelu(m, x, inner, n);
      round_blocks(m, x, n, ROW_FRAC);
      break;
    case TENSOR_DROP:
    case TENSOR_RESID_MID:
    case TENSOR_LAYER: round_residual(m, x, n); break;
    default: break;
  }
}

int emulator_open(struct emulator *m, const struct emulation *emulation,
                  const struct gpt2_config *config, struct gpt2_float *state, struct err *err) {
  *m = (struct emulator){.emulation = *emulation, .config = config};
  m->inner = malloc(GPT2_FLOAT_BATCH * config->n_inner * sizeof *m->inner);
  if (!m->inner) return err_memory(err, "GELU's arguments");
  gpt2_float_change(state, alter, m);
  return 0;
}

void emulator_close(struct emulator *m) {
  free(m->inner);
  *m = (struct emulator){0};
}
