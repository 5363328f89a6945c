// SPDX-License-Identifier: Apache-2.0
#include "compensate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gpt2_float.h"
#include "image_format.h"
#include "quantize.h"

enum { STEPS = 127 };

// ---------------------------------------------------------------------------------- second moments

// The inputs of a layer's four matrices, and the head's.
enum { INPUTS = 4 };

struct moments {
  const struct gpt2_config *config;
  float **h;  // [L * INPUTS + 1]: lower triangle [n][n] of sum x x'; NULL if not wanted
};

static size_t slot_of(const struct moments *m, enum tensor tensor, size_t layer) {
  const size_t first = layer * INPUTS;
  return tensor == TENSOR_LN_1      ? first
         : tensor == TENSOR_CONTEXT ? first + 1
         : tensor == TENSOR_LN_2    ? first + 2
         : tensor == TENSOR_ACT     ? first + 3
                                    : m->config->n_layer * INPUTS;
}

static void observe(void *ctx, const struct tensor_place *place, const float *x, size_t n) {
  const struct moments *m = ctx;
  if (place->tensor != TENSOR_LN_1 && place->tensor != TENSOR_CONTEXT &&
      place->tensor != TENSOR_LN_2 && place->tensor != TENSOR_ACT && place->tensor != TENSOR_LN_F)
    return;
  float *h = m->h[slot_of(m, place->tensor, place->layer)];
  for (size_t i = 0; h && i < n; i++)
    for (size_t j = 0; j <= i; j++) h[i * n + j] += x[i] * x[j];
}

static int ignore(void *ctx, size_t position, const float *logits) {
  (void)ctx, (void)position, (void)logits;
  return 0;
}

// Runs random ids, COMPENSATE_IDS or a few more, through the model, each context as a new sequence.
static int collect(struct moments *m, const struct gpt2_weights *weights, struct err *err) {
  const size_t n_ctx = m->config->n_ctx;
  struct gpt2_float *state;
  uint32_t ids[CONFIG_MAX_CTX];
  uint64_t random = 1;
  int result = gpt2_float_create(&state, weights, err);
  if (result == 0) gpt2_float_observe(state, observe, m);
  for (size_t n = 0; result == 0 && n < COMPENSATE_IDS; n += n_ctx) {
    for (size_t i = 0; i < n_ctx; i++) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      ids[i] = (uint32_t)((random >> 32) % m->config->vocab_size);
    }
    result = gpt2_float_sequence(state, ids, n_ctx, 0, ignore, NULL, err);
  }
  gpt2_float_free(state);
  return result;
}

// ---------------------------------------------------------------------------------------- rounding

// Turns h[n][n] from the lower triangle of H into U' of H = U D U': row k holds U_jk for j < k. A
// hundredth of the mean of the diagonal is added to the diagonal, because the observations may be
// too few.
static void factor(float *h, size_t n) {
  double damping = 1e-12;
  for (size_t i = 0; i < n; i++) damping += 0.01 * (double)h[i * n + i] / (double)n;
  for (size_t i = 0; i < n; i++) h[i * n + i] += (float)damping;
  // Works column by column from the last. What a column explains is subtracted from the columns
  // before it.
  for (size_t k = n; k-- > 0;) {
    float *row = h + k * n;
    const float inverse = (float)(1 / fmax((double)row[k], damping));
    for (size_t i = 0; i < k; i++) {
      const float share = row[i] * inverse;
      for (size_t j = 0; j <= i; j++) h[i * n + j] -= share * row[j];
    }
    for (size_t j = 0; j < k; j++) row[j] *= inverse;
  }
}

// Rounds one row w[n], whose first rounding is q; errors has room for n.
static void round_row(float *w, const float *u, const int32_t *q, float scale, float *errors,
                      size_t n) {
  for (size_t k = 0; k < n; k++) {
    enum { LANES = 16 };
    float lanes[LANES] = {0}, sum = 0;
    size_t j = 0;
    for (; j + LANES <= k; j += LANES)
      for (size_t i = 0; i < LANES; i++) lanes[i] += errors[j + i] * u[k * n + j + i];
    for (; j < k; j++) sum += errors[j] * u[k * n + j];
    for (size_t i = 0; i < LANES; i++) sum += lanes[i];
    float x = rintf((w[k] + sum) / scale);
    x = fminf(fmaxf(x, -STEPS), STEPS);
    if (abs(q[k]) == STEPS) x = (float)q[k];  // the row's scale depends on it
    errors[k] = w[k] - x * scale;
    w[k] = x * scale;
  }
}

static int round_matrix(const float *matrix, size_t rows, size_t n, float *h, const char *name,
                        struct err *err) {
  if (!h) return 0;
  float *w = (float *)(uintptr_t)matrix, *errors = malloc(n * sizeof *errors);
  int32_t *q = malloc(n * sizeof *q);
  int result = 0;
  if (!errors || !q) result = err_memory(err, name);
  else factor(h, n);
  for (size_t row = 0; row < rows && result == 0; row++) {
    uint16_t scale;
    if (quantize_row(q, &scale, w + row * n, n, STEPS) != 0)
      result = err_set(err, "%s: row %zu has a weight that no scale fits", name, row);
    else round_row(w + row * n, h, q, (float)image_scale_value(scale), errors, n);
  }
  free(errors);
  free(q);
  return result;
}

static int allocate(struct moments *m, struct err *err) {
  const size_t C = m->config->n_embd, n_slots = m->config->n_layer * INPUTS + 1;
  m->h = calloc(n_slots, sizeof *m->h);
  for (size_t i = 0; m->h && i < n_slots; i++) {
    const size_t n = i % INPUTS == 3 ? m->config->n_inner : C;
    if (n <= COMPENSATE_COLUMNS && (m->h[i] = calloc(n * n, sizeof(float))) == NULL)
      return err_memory(err, "the second moments of the activations");
  }
  return !m->h ? err_memory(err, "the second moments of the activations") : 0;
}

static int round_all(struct moments *m, struct gpt2_weights *weights, struct err *err) {
  const size_t L = m->config->n_layer, C = m->config->n_embd, I = m->config->n_inner;
  int result = 0;
  for (size_t l = 0; l < L && result == 0; l++) {
    const struct gpt2_layer *layer = &weights->layers[l];
    float **h = m->h + l * INPUTS;
    if (round_matrix(layer->attn_w, 3 * C, C, h[0], "attn.c_attn", err) != 0 ||
        round_matrix(layer->attn_proj_w, C, C, h[1], "attn.c_proj", err) != 0 ||
        round_matrix(layer->fc_w, I, C, h[2], "mlp.c_fc", err) != 0 ||
        round_matrix(layer->mlp_proj_w, C, I, h[3], "mlp.c_proj", err) != 0)
      result = -1;
  }
  return result != 0 ? result
                     : round_matrix(weights->lm_head, m->config->vocab_size, C, m->h[L * INPUTS],
                                    "lm_head", err);
}

int compensate_weights(struct gpt2_weights *weights, struct err *err) {
  struct moments m = {.config = &weights->config};
  int result = allocate(&m, err);
  result = result != 0 ? result : collect(&m, weights, err);
  result = result != 0 ? result : round_all(&m, weights, err);
  for (size_t i = 0; m.h && i <= m.config->n_layer * INPUTS; i++) free(m.h[i]);
  free(m.h);
  return result;
}
