// SPDX-License-Identifier: Apache-2.0
#include "image_weights.h"

#include <stdlib.h>

#include "image_format.h"
#include "image_tensor.h"

// Gives each tensor of weights its part of the storage.
static int allocate(struct gpt2_weights *weights, const struct image_header *h, struct err *err) {
  const size_t c = h->n_embd;
  weights->config = image_config(h);
  float *next = calloc(config_parameters(&weights->config), sizeof *next);
  weights->storage = next;
  weights->layers = calloc(h->n_layer, sizeof *weights->layers);
  if (!weights->storage || !weights->layers) return err_memory(err, "the weights");
#define TAKE(tensor, elements) ((tensor) = next, next += (elements))
  TAKE(weights->wte, h->vocab_size * c);
  TAKE(weights->wpe, h->n_ctx * c);
  for (struct gpt2_layer *l = weights->layers; l < weights->layers + h->n_layer; l++) {
    TAKE(l->ln_1_g, c), TAKE(l->ln_1_b, c);
    TAKE(l->attn_w, 3 * c * c), TAKE(l->attn_b, 3 * c);
    TAKE(l->attn_proj_w, c * c), TAKE(l->attn_proj_b, c);
    TAKE(l->ln_2_g, c), TAKE(l->ln_2_b, c);
    TAKE(l->fc_w, 4 * c * c), TAKE(l->fc_b, 4 * c);
    TAKE(l->mlp_proj_w, 4 * c * c), TAKE(l->mlp_proj_b, c);
  }
  TAKE(weights->ln_f_g, c), TAKE(weights->ln_f_b, c);
  weights->lm_head = weights->wte;
  if (!h->tied) TAKE(weights->lm_head, h->vocab_size * c);
#undef TAKE
  return 0;
}

static void get_side_beat(uint32_t *words, const uint8_t *beat, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const uint8_t *p = beat + 4 * i;
    words[i] = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
  }
}

static void get_weights(float *w, const uint8_t *q, double scale) {
  for (size_t i = 0; i < HEAD_DIM; i++) w[i] = (float)((int8_t)q[i] * scale);
}

// Block 2k, the high bytes, comes before block 2k + 1.
static void get_position(float *w, const uint8_t *q, double scale, bool low) {
  for (size_t i = 0; i < HEAD_DIM; i++)
    w[i] = (float)(low ? (double)w[i] + (int8_t)q[i] * scale : 256 * (int8_t)q[i] * scale);
}

static int get_region(struct gpt2_weights *weights, const struct image *image,
                      const struct image_region *r, struct err *err) {
  const struct image_tensor s = image_tensor_of(weights, r);
  const uint32_t lanes = image->header.lanes, segments = lanes / HEAD_DIM;
  const size_t n_words = image_is_norm(r->kind) ? s.n_cols : r->n_rows;
  float *w = weights->storage + (s.w - weights->storage);
  float *bias = !s.bias ? NULL : weights->storage + (s.bias - weights->storage);
  uint32_t *words = malloc(n_words * sizeof *words);
  if (!words) return err_memory(err, s.name);
  const uint8_t *const beats = image->beats + r->base * lanes;
  for (uint64_t i = 0; i < r->beats; i++) {
    const struct image_beat at = image_beat_at(r, lanes, i);
    const size_t first = (size_t)at.group * segments;
    if (at.side) {
      const size_t rest = n_words - first;
      get_side_beat(words + first, beats + i * lanes, rest < lanes / 4 ? rest : lanes / 4);
    }
  }
  for (size_t i = 0; i < n_words; i++) {
    if (image_is_norm(r->kind)) w[i] = (float)image_half_value((uint16_t)words[i]);
    if (bias) bias[image_tensor_row(&s, i)] = (float)image_half_value((uint16_t)(words[i] >> 16));
  }
  for (uint64_t i = 0; i < r->beats; i++) {
    const struct image_beat at = image_beat_at(r, lanes, i);
    for (size_t segment = 0; segment < segments && !at.side; segment++) {
      const size_t row = (size_t)at.group * segments + segment;
      if (row >= r->n_rows) break;
      const uint8_t *q = beats + i * lanes + segment * HEAD_DIM;
      const double scale = image_scale_value((uint16_t)words[row]);
      float *to = w + image_tensor_row(&s, row) * s.n_cols;
      if (r->kind == IMAGE_WPE)
        get_position(to + at.block / 2 * HEAD_DIM, q, scale, at.block % 2 != 0);
      else get_weights(to + at.block * HEAD_DIM, q, scale);
    }
  }
  free(words);
  return 0;
}

int image_weights(struct gpt2_weights *weights, const struct image *image, struct err *err) {
  *weights = (struct gpt2_weights){0};
  int result = allocate(weights, &image->header, err);
  for (struct image_region r = {0}; result == 0 && image_next_region(&r, &image->header);)
    result = get_region(weights, image, &r, err);
  if (result != 0) weights_free(weights);
  return result;
}
