// SPDX-License-Identifier: Apache-2.0
#include "gpt2_float.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "elementary.h"

struct gpt2_float {
  const struct gpt2_weights *weights;
  size_t count;  // positions computed
  tensor_observe *observe;
  void *observe_ctx;
  gpt2_float_alter *alter;
  void *alter_ctx;
  float *keys, *values;  // [L][n_ctx][C]
  float *storage;        // what the buffers below point into
  float *x;              // [BATCH][C] the residual
  float *norm;           // [BATCH][C]
  float *qkv;            // [BATCH][3C]
  float *mixed;          // [BATCH][C] the heads' outputs side by side, later the addend of x
  float *inner;          // [BATCH][4C]
  float *scores;         // [NH][positions so far] of one position
};

// ----------------------------------------------------------------------------------- linear layers

// A sum of n products is made of LANES partial sums; lane j sums every LANES-th product from j on.
// The compiler keeps a group in vector registers. n is a multiple of 64.
enum { LANES = 16, GROUP = 4 };

static float lanes_total(const float *lanes) {
  float total[8] = {0};
  for (size_t j = 0; j < LANES; j++) total[j % 8] += lanes[j];
  return ((total[0] + total[4]) + (total[2] + total[6])) +
         ((total[1] + total[5]) + (total[3] + total[7]));
}

static float dot(const float *a, const float *b, size_t n) {
  float lanes[LANES] = {0};
  for (size_t i = 0; i < n; i += LANES)
    for (size_t j = 0; j < LANES; j++) lanes[j] += a[i + j] * b[i + j];
  return lanes_total(lanes);
}

// GROUP dot products with one row w: sums[t] = w . x[t], where each x[t] has n floats.
static void dot_group(float sums[GROUP], const float *w, const float *x, size_t n) {
  float lanes[GROUP][LANES] = {{0}};
  for (size_t i = 0; i < n; i += LANES) {
    for (size_t t = 0; t < GROUP; t++)
      for (size_t j = 0; j < LANES; j++) lanes[t][j] += w[i + j] * x[t * n + i + j];
  }
  for (size_t t = 0; t < GROUP; t++) sums[t] = lanes_total(lanes[t]);
}

// out[T][OC] = x[T][C] w[OC][C] + b[OC]; b may be NULL.
static void linear(float *out, const float *x, const float *w, const float *b, size_t T, size_t C,
                   size_t OC) {
  for (size_t o = 0; o < OC; o++) {
    float bias = !b ? 0 : b[o];
    size_t t = 0;
    for (; t + GROUP <= T; t += GROUP) {
      float sums[GROUP];
      dot_group(sums, w + o * C, x + t * C, C);
      for (size_t k = 0; k < GROUP; k++) out[(t + k) * OC + o] = sums[k] + bias;
    }
    for (; t < T; t++) out[t * OC + o] = dot(w + o * C, x + t * C, C) + bias;
  }
}

// ---------------------------------------------------------------------------- the other operations

// out[T][C] = (x - mean) / sqrt(variance + epsilon) * gain + bias
static void layernorm(float *out, const float *x, const float *gain, const float *bias,
                      double epsilon, size_t T, size_t C) {
  for (size_t t = 0; t < T; t++, x += C, out += C) {
    double sum = 0;
    double squares = 0;
    for (size_t i = 0; i < C; i++) sum += x[i];
    double mean = sum / (double)C;
    for (size_t i = 0; i < C; i++) squares += (x[i] - mean) * (x[i] - mean);
    float scale = (float)(1 / sqrt(squares / (double)C + epsilon));
    for (size_t i = 0; i < C; i++) out[i] = (x[i] - (float)mean) * scale * gain[i] + bias[i];
  }
}

// x[n] = exp(x - max) / sum of exp(x - max)
static void softmax(float *x, size_t n) {
  float max = x[0];
  for (size_t i = 1; i < n; i++) max = fmaxf(max, x[i]);
  float sum = 0;
  for (size_t i = 0; i < n; i++) {
    x[i] = elementary_exp(x[i] - max);
    sum += x[i];
  }
  for (size_t i = 0; i < n; i++) x[i] /= sum;
}

static void gelu(float *x, size_t n) {
  const float root = 0.79788456f;  // sqrt(2 / pi)
  for (size_t i = 0; i < n; i++) {
    float cube = x[i] * x[i] * x[i];
    x[i] = 0.5f * x[i] * (1 + elementary_tanh(root * (x[i] + 0.044715f * cube)));
  }
}

static void add(float *x, const float *y, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] += y[i];
}

// One head of one position over n positions, whose keys and values are stride floats apart.
// Computes scores[n] from query[HEAD_DIM], and out[HEAD_DIM] from their softmax.
static void score(float *scores, const float *query, const float *keys, size_t stride, size_t n) {
  for (size_t i = 0; i < n; i++)
    scores[i] = dot(query, keys + i * stride, HEAD_DIM) * 0.125f;  // 1 / sqrt(64)
}

static void mix(float *out, const float *probs, const float *values, size_t stride, size_t n) {
  float sums[HEAD_DIM] = {0};
  for (size_t i = 0; i < n; i++)
    for (size_t d = 0; d < HEAD_DIM; d++) sums[d] += probs[i] * values[i * stride + d];
  memcpy(out, sums, sizeof sums);
}

// --------------------------------------------------------------------------------------- the model

// Passes a computed tensor of T positions, x[T][n], to the functions that alter and observe it.
static void ready(const struct gpt2_float *s, enum tensor tensor, size_t l, float *x, size_t n,
                  size_t T, size_t position) {
  for (size_t t = 0; t < T; t++) {
    const struct tensor_place place = {tensor, l, position + t};
    if (s->alter && tensor != TENSOR_WPE) s->alter(s->alter_ctx, &place, x + t * n, n);
    if (s->observe) s->observe(s->observe_ctx, &place, x + t * n, n);
  }
}

// Computes s->mixed[t] for position n - 1, the newest.
static void attend(struct gpt2_float *s, size_t l, size_t t, size_t n) {
  const struct gpt2_config *config = &s->weights->config;
  const size_t C = config->n_embd, NH = config->n_head;
  const float *keys = s->keys + l * config->n_ctx * C;
  const float *values = s->values + l * config->n_ctx * C;
  for (size_t h = 0; h < NH; h++)
    score(s->scores + h * n, s->qkv + t * 3 * C + h * HEAD_DIM, keys + h * HEAD_DIM, C, n);
  ready(s, TENSOR_SCORES, l, s->scores, NH * n, 1, n - 1);
  for (size_t h = 0; h < NH; h++) softmax(s->scores + h * n, n);
  ready(s, TENSOR_PROBS, l, s->scores, NH * n, 1, n - 1);
  for (size_t h = 0; h < NH; h++)
    mix(s->mixed + t * C + h * HEAD_DIM, s->scores + h * n, values + h * HEAD_DIM, C, n);
}

static void attention(struct gpt2_float *s, size_t l, size_t T, size_t position) {
  const struct gpt2_config *config = &s->weights->config;
  const struct gpt2_layer *w = &s->weights->layers[l];
  size_t C = config->n_embd;
  float *keys = s->keys + (l * config->n_ctx + position) * C;
  float *values = s->values + (l * config->n_ctx + position) * C;

  layernorm(s->norm, s->x, w->ln_1_g, w->ln_1_b, config->layer_norm_epsilon, T, C);
  ready(s, TENSOR_LN_1, l, s->norm, C, T, position);
  linear(s->qkv, s->norm, w->attn_w, w->attn_b, T, C, 3 * C);
  ready(s, TENSOR_C_ATTN, l, s->qkv, 3 * C, T, position);
  for (size_t t = 0; t < T; t++) {
    memcpy(keys + t * C, s->qkv + t * 3 * C + C, C * sizeof(float));
    memcpy(values + t * C, s->qkv + t * 3 * C + 2 * C, C * sizeof(float));
  }
  ready(s, TENSOR_KEY, l, keys, C, T, position);
  ready(s, TENSOR_VALUE, l, values, C, T, position);
  for (size_t t = 0; t < T; t++) attend(s, l, t, position + t + 1);
  ready(s, TENSOR_CONTEXT, l, s->mixed, C, T, position);
  linear(s->norm, s->mixed, w->attn_proj_w, w->attn_proj_b, T, C, C);
  ready(s, TENSOR_ATTN_PROJ, l, s->norm, C, T, position);
  add(s->x, s->norm, T * C);
  ready(s, TENSOR_RESID_MID, l, s->x, C, T, position);
}

static void mlp(struct gpt2_float *s, size_t l, size_t T, size_t position) {
  const struct gpt2_config *config = &s->weights->config;
  const struct gpt2_layer *w = &s->weights->layers[l];
  size_t C = config->n_embd;

  layernorm(s->norm, s->x, w->ln_2_g, w->ln_2_b, config->layer_norm_epsilon, T, C);
  ready(s, TENSOR_LN_2, l, s->norm, C, T, position);
  linear(s->inner, s->norm, w->fc_w, w->fc_b, T, C, config->n_inner);
  ready(s, TENSOR_C_FC, l, s->inner, config->n_inner, T, position);
  gelu(s->inner, T * config->n_inner);
  ready(s, TENSOR_ACT, l, s->inner, config->n_inner, T, position);
  linear(s->norm, s->inner, w->mlp_proj_w, w->mlp_proj_b, T, config->n_inner, C);
  ready(s, TENSOR_MLP_PROJ, l, s->norm, C, T, position);
  add(s->x, s->norm, T * C);
  ready(s, TENSOR_LAYER, l, s->x, C, T, position);
}

// Computes T <= GPT2_FLOAT_BATCH ids, all in range, from position on.
static void forward(struct gpt2_float *s, const uint32_t *ids, size_t T, size_t position) {
  const struct gpt2_weights *w = s->weights;
  size_t C = w->config.n_embd;
  for (size_t t = 0; t < T; t++) memcpy(s->x + t * C, w->wte + ids[t] * C, C * sizeof(float));
  ready(s, TENSOR_WTE, 0, s->x, C, T, position);
  ready(s, TENSOR_WPE, 0, (float *)(uintptr_t)(w->wpe + position * C), C, T, position);
  add(s->x, w->wpe + position * C, T * C);
  ready(s, TENSOR_DROP, 0, s->x, C, T, position);
  for (size_t l = 0; l < w->config.n_layer; l++) {
    attention(s, l, T, position);
    mlp(s, l, T, position);
  }
  s->count = position + T;
}

// Computes logits[T][V] for the positions of the last forward from x[first] on.
static void head(const struct gpt2_float *s, float *logits, size_t first, size_t T) {
  const struct gpt2_weights *w = s->weights;
  const size_t C = w->config.n_embd, V = w->config.vocab_size, position = s->count - T;
  layernorm(s->norm, s->x + first * C, w->ln_f_g, w->ln_f_b, w->config.layer_norm_epsilon, T, C);
  ready(s, TENSOR_LN_F, 0, s->norm, C, T, position);
  linear(logits, s->norm, w->lm_head, NULL, T, C, V);
  ready(s, TENSOR_LM_HEAD, 0, logits, V, T, position);
}

// --------------------------------------------------------------------------------------- sequences

int gpt2_float_create(struct gpt2_float **state, const struct gpt2_weights *weights,
                      struct err *err) {
  *state = NULL;
  struct gpt2_float *s = calloc(1, sizeof *s);
  if (!s) return err_memory(err, "the float model");
  const struct gpt2_config *config = &weights->config;
  size_t C = config->n_embd;
  size_t cache = config->n_layer * config->n_ctx * C;
  s->weights = weights;
  s->keys = malloc(cache * sizeof(float));
  s->values = malloc(cache * sizeof(float));
  s->storage = malloc((GPT2_FLOAT_BATCH * 10 * C + config->n_head * config->n_ctx) * sizeof(float));
  if (!s->keys || !s->values || !s->storage) {
    gpt2_float_free(s);
    return err_memory(err, "the float model's keys and values");
  }
  s->x = s->storage;
  s->norm = s->x + GPT2_FLOAT_BATCH * C;
  s->mixed = s->norm + GPT2_FLOAT_BATCH * C;
  s->qkv = s->mixed + GPT2_FLOAT_BATCH * C;
  s->inner = s->qkv + GPT2_FLOAT_BATCH * 3 * C;
  s->scores = s->inner + GPT2_FLOAT_BATCH * 4 * C;
  *state = s;
  return 0;
}

void gpt2_float_free(struct gpt2_float *state) {
  if (state) {
    free(state->keys);
    free(state->values);
    free(state->storage);
    free(state);
  }
}

void gpt2_float_reset(struct gpt2_float *state) { state->count = 0; }

void gpt2_float_observe(struct gpt2_float *state, tensor_observe *observe, void *ctx) {
  state->observe = observe;
  state->observe_ctx = ctx;
}

static int check_range(const struct gpt2_float *s, const uint32_t *ids, size_t count,
                       size_t position, struct err *err) {
  const struct gpt2_config *config = &s->weights->config;
  if (position > s->count)
    return err_set(err, "position %zu, but only %zu are computed", position, s->count);
  if (count > config->n_ctx - position) {
    return err_set(err, "%zu ids from position %zu do not fit %zu positions", count, position,
                   config->n_ctx);
  }
  for (size_t i = 0; i < count; i++) {
    if (ids[i] >= config->vocab_size) {
      return err_set(err, "id %lu at index %zu, expected ids below %zu", (unsigned long)ids[i], i,
                     config->vocab_size);
    }
  }
  return 0;
}

int gpt2_float_prompt(struct gpt2_float *state, const uint32_t *ids, size_t count, size_t position,
                      float *logits, struct err *err) {
  if (check_range(state, ids, count, position, err) != 0) return -1;
  for (size_t i = 0; i < count; i += GPT2_FLOAT_BATCH) {
    size_t T = count - i < GPT2_FLOAT_BATCH ? count - i : GPT2_FLOAT_BATCH;
    forward(state, ids + i, T, position + i);
    if (logits && i + T == count) head(state, logits, T - 1, 1);
  }
  return 0;
}

void gpt2_float_change(struct gpt2_float *state, gpt2_float_alter *alter, void *ctx) {
  state->alter = alter;
  state->alter_ctx = ctx;
}

int gpt2_float_step(struct gpt2_float *state, uint32_t id, size_t position, float *logits,
                    struct err *err) {
  return gpt2_float_prompt(state, &id, 1, position, logits, err);
}

// ------------------------------------------------------------------------------------------ losses

double gpt2_float_loss(const float *logits, size_t n, uint32_t target) {
  float max = logits[0];
  for (size_t i = 1; i < n; i++) max = fmaxf(max, logits[i]);
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += elementary_exp(logits[i] - max);
  return log(sum) - ((double)logits[target] - (double)max);
}

// Gives the logits of T positions of a batch, from `position` on, to `take`, except those before
// `first`.
static int give(const struct gpt2_float *s, float *logits, size_t T, size_t position, size_t first,
                gpt2_float_take *take, void *ctx) {
  const size_t skip = first > position ? first - position : 0;
  if (skip >= T) return 0;
  head(s, logits, skip, T - skip);
  int result = 0;
  for (size_t t = skip; t < T && result == 0; t++)
    result = take(ctx, position + t, logits + (t - skip) * s->weights->config.vocab_size);
  return result;
}

int gpt2_float_sequence(struct gpt2_float *state, const uint32_t *ids, size_t count, size_t first,
                        gpt2_float_take *take, void *ctx, struct err *err) {
  if (check_range(state, ids, count, 0, err) != 0) return -1;
  float *logits = malloc(GPT2_FLOAT_BATCH * state->weights->config.vocab_size * sizeof *logits);
  if (!logits) return err_memory(err, "a batch of logits");
  int result = 0;
  for (size_t i = 0; i < count && result == 0; i += GPT2_FLOAT_BATCH) {
    size_t T = count - i < GPT2_FLOAT_BATCH ? count - i : GPT2_FLOAT_BATCH;
    forward(state, ids + i, T, i);
    result = give(state, logits, T, i, first, take, ctx);
  }
  free(logits);
  return result;
}

struct nll {
  const uint32_t *ids;
  size_t vocab_size;
  double *nll;
};

static int take_nll(void *ctx, size_t position, const float *logits) {
  struct nll *n = ctx;
  n->nll[position] = gpt2_float_loss(logits, n->vocab_size, n->ids[position + 1]);
  return 0;
}

int gpt2_float_nll(struct gpt2_float *state, const uint32_t *ids, size_t count, double *nll,
                   struct err *err) {
  if (count < 2)
    return err_set(err, "%zu ids, expected at least 2: the first one has no loss", count);
  if (check_range(state, ids, count, 0, err) != 0) return -1;
  struct nll n = {ids, state->weights->config.vocab_size, nll};
  return gpt2_float_sequence(state, ids, count - 1, 0, take_nll, &n, err);
}
