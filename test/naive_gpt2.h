// SPDX-License-Identifier: Apache-2.0
// naive_gpt2 - GPT-2 in double precision, straight from the equations, without cache, lanes or
// batches
//
// It checks gpt2_float, and shares only the weights with it.

#ifndef GPT2RTL_NAIVE_GPT2_H
#define GPT2RTL_NAIVE_GPT2_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "weights.h"

// Statistics over all layers, heads and positions.
struct naive_statistics {
  double entropy;        // sum of the attention entropies, in nats
  double flat;           // sum of ln(positions), the entropies of flat attention
  double largest;        // largest |x| of the residual
  double score_squares;  // sum of squared deviations of scores from their mean
  double scores;         // number of scores
};

static inline void naive_linear(double *y, const double *x, const float *w, const float *b,
                                size_t n, size_t m) {
  for (size_t o = 0; o < m; o++) {
    y[o] = !b ? 0 : b[o];
    for (size_t i = 0; i < n; i++) y[o] += (double)w[o * n + i] * x[i];
  }
}

static inline void naive_norm(double *y, const double *x, const float *g, const float *b, size_t n,
                              double epsilon) {
  double mean = 0;
  double variance = 0;
  for (size_t i = 0; i < n; i++) mean += x[i] / (double)n;
  for (size_t i = 0; i < n; i++) variance += (x[i] - mean) * (x[i] - mean) / (double)n;
  for (size_t i = 0; i < n; i++) y[i] = (x[i] - mean) / sqrt(variance + epsilon) * g[i] + b[i];
}

// One head of position t: out[64] from the rows qkv[0..t][3C].
static inline void naive_head(double *out, const double *qkv, size_t t, size_t head, size_t width,
                              struct naive_statistics *stats) {
  double p[CONFIG_MAX_CTX];
  double total = 0;
  double mean = 0;
  double entropy = 0;
  const double *q = qkv + t * 3 * width + head * 64;
  for (size_t i = 0; i <= t; i++) {
    const double *k = qkv + i * 3 * width + width + head * 64;
    p[i] = 0;
    for (size_t d = 0; d < 64; d++) p[i] += q[d] * k[d] / 8;
    mean += p[i] / (double)(t + 1);
  }
  for (size_t i = 0; i <= t; i++) {
    stats->score_squares += (p[i] - mean) * (p[i] - mean);
    stats->scores++;
    p[i] = exp(p[i]);
    total += p[i];
  }
  memset(out, 0, 64 * sizeof *out);
  for (size_t i = 0; i <= t; i++) {
    const double *v = qkv + i * 3 * width + 2 * width + head * 64;
    p[i] /= total;
    entropy -= p[i] > 0 ? p[i] * log(p[i]) : 0;
    for (size_t d = 0; d < 64; d++) out[d] += p[i] * v[d];
  }
  stats->entropy += entropy;
  stats->flat += log((double)(t + 1));
}

static inline void naive_add(double *x, const double *y, size_t n, struct naive_statistics *stats) {
  for (size_t i = 0; i < n; i++) {
    x[i] += y[i];
    stats->largest = fmax(stats->largest, fabs(x[i]));
  }
}

// logits[n][V] of the sequence ids[n].
static inline void naive_gpt2(double *logits, const struct gpt2_weights *w, const uint32_t *ids,
                              size_t n, struct naive_statistics *stats) {
  const struct gpt2_config *config = &w->config;
  size_t C = config->n_embd;
  double *x = calloc(n * C, sizeof *x);
  double *qkv = calloc(n * 3 * C, sizeof *qkv);
  double *a = calloc(4 * C, sizeof *a);
  double *b = calloc(4 * C, sizeof *b);
  *stats = (struct naive_statistics){0};
  for (size_t t = 0; t < n; t++)
    for (size_t i = 0; i < C; i++)
      x[t * C + i] = (double)w->wte[ids[t] * C + i] + (double)w->wpe[t * C + i];
  for (size_t l = 0; l < config->n_layer; l++) {
    const struct gpt2_layer *layer = &w->layers[l];
    for (size_t t = 0; t < n; t++) {
      naive_norm(a, x + t * C, layer->ln_1_g, layer->ln_1_b, C, config->layer_norm_epsilon);
      naive_linear(qkv + t * 3 * C, a, layer->attn_w, layer->attn_b, C, 3 * C);
    }
    for (size_t t = 0; t < n; t++) {
      for (size_t h = 0; h < config->n_head; h++) naive_head(a + h * 64, qkv, t, h, C, stats);
      naive_linear(b, a, layer->attn_proj_w, layer->attn_proj_b, C, C);
      naive_add(x + t * C, b, C, stats);

      naive_norm(a, x + t * C, layer->ln_2_g, layer->ln_2_b, C, config->layer_norm_epsilon);
      naive_linear(b, a, layer->fc_w, layer->fc_b, C, 4 * C);
      for (size_t i = 0; i < 4 * C; i++) {
        double u = b[i];
        b[i] = 0.5 * u * (1 + tanh(sqrt(2 / 3.14159265358979323846) * (u + 0.044715 * u * u * u)));
      }
      naive_linear(a, b, layer->mlp_proj_w, layer->mlp_proj_b, 4 * C, C);
      naive_add(x + t * C, a, C, stats);
    }
  }
  for (size_t t = 0; t < n; t++) {
    naive_norm(a, x + t * C, w->ln_f_g, w->ln_f_b, C, config->layer_norm_epsilon);
    naive_linear(logits + t * config->vocab_size, a, w->lm_head, NULL, C, config->vocab_size);
  }
  free(x);
  free(qkv);
  free(a);
  free(b);
}

#endif
