// SPDX-License-Identifier: Apache-2.0
#include "image_build.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "file.h"

enum {
  SEGMENT = CONFIG_HEAD_SIZE,
  GROUPS_PER_SIDE_BEAT = 16,
  STEPS = 127,                 // an int8 weight is -127..127
  POSITION_STEPS = 127 * 257,  // 256 high + low, each -127..127 at the end of the range
};

// ---- formats ------------------------------------------------------------------------------------

int image_scale(uint16_t *scale, double x) {
  *scale = 0;
  if (isnan(x) || x > image_scale_value(UINT16_MAX)) {
    return -1;
  }
  if (x <= image_scale_value(0)) {
    return 0;
  }
  // x = f * 2^e with f in [2048, 4096); a carry into 4096 is the next exponent's 2048
  const int e = ilogb(x) - 11;
  const long f = (long)ceil(ldexp(x, -e));
  *scale = (uint16_t)(((e + 35) << 11) + f - 2048);
  return 0;
}

double image_scale_value(uint16_t scale) {
  return ldexp(2048 + (scale & 2047), (scale >> 11) - 35);
}

int image_half(uint16_t *half, double x) {
  *half = 0;
  if (isnan(x) || fabs(x) > 0x1p18) {
    return -1;
  }
  if (x == 0) {
    return 0;
  }
  // |x| = f * 2^e with f in [1024, 2048), or below where e is at its least; carries as above
  const int e = ilogb(x) - 10 < -24 ? -24 : ilogb(x) - 10;
  const long f = lrint(ldexp(fabs(x), -e));
  const long bits = ((long)(e + 24) << 10) + f;
  if (bits > INT16_MAX) {
    return -1;
  }
  *half = (uint16_t)(bits | (x < 0 ? 0x8000 : 0));
  return 0;
}

double image_half_value(uint16_t half) {
  const int e = (half >> 10) & 31;
  const double x = ldexp((half & 1023) + (e > 0 ? 1024 : 0), (e > 0 ? e : 1) - 25);
  return half & 0x8000 ? -x : x;
}

// ---- what a region is made from -----------------------------------------------------------------

// A matrix's rows of n_cols weights and their biases, or a LayerNorm's gains (w) and biases.
struct source {
  char name[40];  // of the tensors, without .weight and .bias
  const float *w;
  const float *bias;     // may be NULL
  size_t n_cols;         // of the tensor
  size_t first, stride;  // row r of the region: row first + r / 64 * stride + r % 64 of the tensor
};

static size_t source_row(const struct source *s, size_t r) {
  return s->first + r / SEGMENT * s->stride + r % SEGMENT;
}

static bool is_norm(enum image_kind kind) {
  return kind == IMAGE_LN_1 || kind == IMAGE_LN_2 || kind == IMAGE_LN_F;
}

static struct source source_of(const struct gpt2_weights *weights, const struct image_region *r) {
  const struct gpt2_layer *l = &weights->layers[r->layer];
  const size_t c = weights->config.n_embd;
  struct source s = {.n_cols = c, .stride = SEGMENT};
  bool in_layer = true;
  switch (r->kind) {
    case IMAGE_LN_1:
      s.w = l->ln_1_g, s.bias = l->ln_1_b;
      break;
    case IMAGE_QKV:  // a head's 64 rows each of query, key and value
      s.w = l->attn_w, s.bias = l->attn_b;
      s.first = r->part * SEGMENT;
      s.stride = c;
      break;
    case IMAGE_LN_2:
      s.w = l->ln_2_g, s.bias = l->ln_2_b;
      break;
    case IMAGE_ATTN_PROJ:
      s.w = l->attn_proj_w, s.bias = l->attn_proj_b;
      break;
    case IMAGE_FC:
      s.w = l->fc_w, s.bias = l->fc_b;
      break;
    case IMAGE_MLP_PROJ:
      s.w = l->mlp_proj_w, s.bias = l->mlp_proj_b;
      s.n_cols = 4 * c;
      break;
    default:
      in_layer = false;
      s.w = r->kind == IMAGE_WPE    ? weights->wpe
            : r->kind == IMAGE_WTE  ? weights->wte
            : r->kind == IMAGE_LN_F ? weights->ln_f_g
                                    : weights->lm_head;
      s.bias = r->kind == IMAGE_LN_F ? weights->ln_f_b : NULL;
  }
  if (in_layer) {
    snprintf(s.name, sizeof s.name, "h.%u.%s", (unsigned)r->layer, image_kind_name(r->kind));
  } else {
    snprintf(s.name, sizeof s.name, "%s", image_kind_name(r->kind));
  }
  return s;
}

// ---- side words ---------------------------------------------------------------------------------

static int put_half(uint16_t *half, const struct source *s, const char *suffix, const float *x,
                    size_t i, struct err *err) {
  if (image_half(half, (double)x[i]) != 0) {
    return err_set(err,
                   "%s.%s[%zu] is %g, expected within %g, the largest number of the 16-bit format",
                   s->name, suffix, i, (double)x[i], image_half_value(INT16_MAX));
  }
  return 0;
}

static int norm_word(uint32_t *word, const struct source *s, size_t i, struct err *err) {
  uint16_t gain, bias;
  if (put_half(&gain, s, "weight", s->w, i, err) != 0 ||
      put_half(&bias, s, "bias", s->bias, i, err) != 0) {
    return -1;
  }
  *word = (uint32_t)bias << 16 | gain;
  return 0;
}

// The scale with which the row's largest weight is at most `steps` steps, and the bias.
static int row_word(uint32_t *word, const struct source *s, size_t row, int steps,
                    struct err *err) {
  const float *w = s->w + row * s->n_cols;
  float max = 0;
  for (size_t i = 0; i < s->n_cols; i++) {
    max = fabsf(w[i]) > max ? fabsf(w[i]) : max;
  }
  uint16_t scale, bias = 0;
  if (image_scale(&scale, (double)max / steps) != 0) {
    size_t i = 0;
    while (fabsf(w[i]) < max) {
      i++;
    }
    return err_set(err,
                   "%s.weight: row %zu has %g in column %zu, expected within %g, %d steps of the "
                   "largest scale",
                   s->name, row, (double)w[i], i, steps * image_scale_value(UINT16_MAX), steps);
  }
  if (s->bias != NULL && put_half(&bias, s, "bias", s->bias, row, err) != 0) {
    return -1;
  }
  *word = (uint32_t)bias << 16 | scale;
  return 0;
}

// ---- writing ------------------------------------------------------------------------------------

struct writer {
  FILE *file;
  XXH64_state_t *sum;
  uint32_t lanes;
  uint8_t *beat;  // [lanes]
};

// Errors of the stream are asked for once, at the end.
static void put_beat(const struct writer *o) {
  XXH64_update(o->sum, o->beat, o->lanes);
  fwrite(o->beat, o->lanes, 1, o->file);
}

static void put_side_beat(const struct writer *o, const uint32_t *words, size_t count) {
  memset(o->beat, 0, o->lanes);
  for (size_t i = 0; i < count && i < o->lanes / 4; i++) {
    for (size_t byte = 0; byte < 4; byte++) {
      o->beat[4 * i + byte] = (uint8_t)(words[i] >> 8 * byte);
    }
  }
  put_beat(o);
}

// 64 weights in steps of their row's scale. Of a position row, block 2k holds the high bytes of the
// elements 64k .. and block 2k + 1 the low ones, signed both.
static void quantise(uint8_t *q, const float *w, float steps_per_unit) {
  for (size_t i = 0; i < SEGMENT; i++) {
    q[i] = (uint8_t)(int8_t)rintf(w[i] * steps_per_unit);
  }
}

static void quantise_position(uint8_t *q, const float *w, float steps_per_unit, bool low) {
  for (size_t i = 0; i < SEGMENT; i++) {
    const int x = (int)rintf(w[i] * steps_per_unit);
    const int x_low = (int8_t)(uint8_t)x;
    q[i] = (uint8_t)(low ? x_low : (x - x_low) / 256);
  }
}

static void put_weight_beat(const struct writer *o, const struct image_region *r,
                            const struct source *s, const uint32_t *words, struct image_beat at) {
  memset(o->beat, 0, o->lanes);
  for (uint32_t segment = 0; segment < o->lanes / SEGMENT; segment++) {
    const uint32_t row = at.group * (o->lanes / SEGMENT) + segment;
    if (row >= r->n_rows) {
      break;  // padding
    }
    const float *w = s->w + source_row(s, row) * s->n_cols;
    const float steps_per_unit = (float)(1 / image_scale_value((uint16_t)words[row]));
    uint8_t *q = o->beat + segment * SEGMENT;
    if (r->kind == IMAGE_WPE) {
      quantise_position(q, w + at.block / 2 * SEGMENT, steps_per_unit, at.block % 2 != 0);
    } else {
      quantise(q, w + at.block * SEGMENT, steps_per_unit);
    }
  }
  put_beat(o);
}

static int put_region(const struct writer *o, const struct image_region *r,
                      const struct gpt2_weights *weights, struct err *err) {
  const struct source s = source_of(weights, r);
  const size_t n_words = is_norm(r->kind) ? s.n_cols : r->n_rows;
  uint32_t *words = malloc(n_words * sizeof *words);
  if (words == NULL) {
    return err_memory(err, s.name);
  }
  const int steps = r->kind == IMAGE_WPE ? POSITION_STEPS : STEPS;
  int result = 0;
  for (size_t i = 0; i < n_words && result == 0; i++) {
    result = is_norm(r->kind) ? norm_word(&words[i], &s, i, err)
                              : row_word(&words[i], &s, source_row(&s, i), steps, err);
  }
  for (uint64_t i = 0; i < r->beats && result == 0; i++) {
    const struct image_beat at = image_beat_at(r, o->lanes, i);
    if (at.side) {
      const size_t first = (size_t)at.group * (o->lanes / SEGMENT);
      put_side_beat(o, words + first, n_words - first);
    } else {
      put_weight_beat(o, r, &s, words, at);
    }
  }
  free(words);
  return result;
}

static int put_image(const struct writer *o, struct image_header *h,
                     const struct gpt2_weights *weights, const char *path, struct err *err) {
  fwrite(h, sizeof *h, 1, o->file);
  XXH64_update(o->sum, h, sizeof *h);
  for (struct image_region r = {0}; image_next_region(&r, h);) {
    if (put_region(o, &r, weights, err) != 0) {
      return -1;
    }
  }
  h->checksum = XXH64_digest(o->sum);
  if (fseek(o->file, 0, SEEK_SET) != 0 || fwrite(h, sizeof *h, 1, o->file) != 1 ||
      fflush(o->file) != 0 || ferror(o->file)) {
    return err_set(err, "%s: cannot write its %llu bytes: %s", path,
                   (unsigned long long)(sizeof *h + h->n_beats * h->lanes), strerror(errno));
  }
  return 0;
}

static int header_of(struct image_header *h, const struct gpt2_weights *weights, uint32_t lanes,
                     uint64_t source, struct err *err) {
  const struct gpt2_config *config = &weights->config;
  *h = (struct image_header){
      .lanes = lanes,
      .source = source,
      .n_layer = (uint32_t)config->n_layer,
      .n_head = (uint32_t)config->n_head,
      .n_ctx = (uint32_t)config->n_ctx,
      .vocab_size = (uint32_t)config->vocab_size,
      .eos_id = config->eos_token_id,
      .tied = weights->lm_head == weights->wte,
      .layer_norm_epsilon = (float)config->layer_norm_epsilon,
  };
  return image_layout(h, err);
}

int image_build(const char *path, const struct gpt2_weights *weights, uint32_t lanes,
                uint64_t source, struct err *err) {
  struct image_header header;
  char staging[FILE_PATH_SIZE];
  if (header_of(&header, weights, lanes, source, err) != 0 ||
      file_staging_name(staging, path, err) != 0) {
    return -1;
  }
  struct writer o = {.lanes = lanes, .sum = XXH64_createState(), .beat = malloc(lanes)};
  int result = 0;
  if (o.sum == NULL || o.beat == NULL) {
    result = err_memory(err, "a beat");
  } else if ((o.file = fopen(staging, "wb")) == NULL) {
    result = err_set(err, "%s: cannot create: %s", staging, strerror(errno));
  } else {
    XXH64_reset(o.sum, 0);
    result = put_image(&o, &header, weights, staging, err);
    if (fclose(o.file) != 0 && result == 0) {
      result = err_set(err, "%s: cannot write: %s", staging, strerror(errno));
    }
    if (result == 0 && rename(staging, path) != 0) {
      result = err_set(err, "%s: cannot rename to %s: %s", staging, path, strerror(errno));
    }
    if (result != 0) {
      unlink(staging);
    }
  }
  free(o.beat);
  XXH64_freeState(o.sum);
  return result;
}

int image_source(uint64_t *source, const char *dir, struct err *err) {
  static const char *const names[] = {"config.json", "model.safetensors"};
  XXH64_state_t *sum = XXH64_createState();
  if (sum == NULL) {
    return err_memory(err, "a checksum");
  }
  XXH64_reset(sum, 0);
  int result = 0;
  for (size_t i = 0; i < sizeof names / sizeof names[0] && result == 0; i++) {
    char path[FILE_PATH_SIZE];
    struct file_map map;
    result = file_join(path, dir, names[i], err);
    if (result == 0) {
      result = file_map_open(&map, path, err);
    }
    if (result == 0) {
      XXH64_update(sum, map.data, map.size);
      file_map_close(&map);
    }
  }
  *source = XXH64_digest(sum);
  XXH64_freeState(sum);
  return result;
}

// ---- reading back -------------------------------------------------------------------------------

// Gives each tensor of weights its part of storage.
static int allocate(struct gpt2_weights *weights, const struct image_header *h, struct err *err) {
  const size_t c = h->n_embd;
  weights->config = (struct gpt2_config){
      .n_layer = h->n_layer,
      .n_head = h->n_head,
      .n_embd = c,
      .n_inner = 4 * c,
      .n_ctx = h->n_ctx,
      .vocab_size = h->vocab_size,
      .layer_norm_epsilon = (double)h->layer_norm_epsilon,
      .bos_token_id = h->eos_id,
      .eos_token_id = h->eos_id,
      .tie_word_embeddings = h->tied,
  };
  float *next = calloc(config_parameters(&weights->config), sizeof *next);
  weights->storage = next;
  weights->layers = calloc(h->n_layer, sizeof *weights->layers);
  if (weights->storage == NULL || weights->layers == NULL) {
    return err_memory(err, "the weights");
  }
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
  if (!h->tied) {
    TAKE(weights->lm_head, h->vocab_size * c);
  }
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
  for (size_t i = 0; i < SEGMENT; i++) {
    w[i] = (float)((int8_t)q[i] * scale);
  }
}

// Block 2k, the high bytes, comes before block 2k + 1.
static void get_position(float *w, const uint8_t *q, double scale, bool low) {
  for (size_t i = 0; i < SEGMENT; i++) {
    w[i] = (float)(low ? (double)w[i] + (int8_t)q[i] * scale : 256 * (int8_t)q[i] * scale);
  }
}

static int get_region(struct gpt2_weights *weights, const struct image *image,
                      const struct image_region *r, struct err *err) {
  const struct source s = source_of(weights, r);
  const uint32_t lanes = image->header.lanes, segments = lanes / SEGMENT;
  const size_t n_words = is_norm(r->kind) ? s.n_cols : r->n_rows;
  float *w = weights->storage + (s.w - weights->storage);
  float *bias = s.bias == NULL ? NULL : weights->storage + (s.bias - weights->storage);
  uint32_t *words = malloc(n_words * sizeof *words);
  if (words == NULL) {
    return err_memory(err, s.name);
  }
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
    if (is_norm(r->kind)) {
      w[i] = (float)image_half_value((uint16_t)words[i]);
    }
    if (bias != NULL) {
      bias[source_row(&s, i)] = (float)image_half_value((uint16_t)(words[i] >> 16));
    }
  }
  for (uint64_t i = 0; i < r->beats; i++) {
    const struct image_beat at = image_beat_at(r, lanes, i);
    for (size_t segment = 0; segment < segments && !at.side; segment++) {
      const size_t row = (size_t)at.group * segments + segment;
      if (row >= r->n_rows) {
        break;
      }
      const uint8_t *q = beats + i * lanes + segment * SEGMENT;
      const double scale = image_scale_value((uint16_t)words[row]);
      float *to = w + source_row(&s, row) * s.n_cols;
      if (r->kind == IMAGE_WPE) {
        get_position(to + at.block / 2 * SEGMENT, q, scale, at.block % 2 != 0);
      } else {
        get_weights(to + at.block * SEGMENT, q, scale);
      }
    }
  }
  free(words);
  return 0;
}

int image_weights(struct gpt2_weights *weights, const struct image *image, struct err *err) {
  *weights = (struct gpt2_weights){0};
  int result = allocate(weights, &image->header, err);
  for (struct image_region r = {0}; result == 0 && image_next_region(&r, &image->header);) {
    result = get_region(weights, image, &r, err);
  }
  if (result != 0) {
    weights_free(weights);
  }
  return result;
}
