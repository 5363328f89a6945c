// SPDX-License-Identifier: Apache-2.0
#include "image_build.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "checkpoint.h"
#include "file.h"
#include "image_format.h"
#include "image_tensor.h"
#include "staged.h"

enum {
  STEPS = 127,                 // an int8 weight is within -127..127
  POSITION_STEPS = 127 * 257,  // 256 high + low, each -127..127 at the end of the range
};

// -------------------------------------------------------------------------------------- side words

static int put_half(uint16_t *half, const struct image_tensor *s, const char *suffix,
                    const float *x, size_t i, struct err *err) {
  if (image_half(half, (double)x[i]) != 0) {
    return err_set(err,
                   "%s.%s[%zu] is %g, expected within %g, the largest number of the 16-bit format",
                   s->name, suffix, i, (double)x[i], image_half_value(INT16_MAX));
  }
  return 0;
}

static int norm_word(uint32_t *word, const struct image_tensor *s, size_t i, struct err *err) {
  uint16_t gain, bias;
  if (put_half(&gain, s, "weight", s->w, i, err) != 0 ||
      put_half(&bias, s, "bias", s->bias, i, err) != 0)
    return -1;
  *word = (uint32_t)bias << 16 | gain;
  return 0;
}

// The smallest scale with which the row's largest weight is at most `steps` steps, and the bias.
static int row_word(uint32_t *word, const struct image_tensor *s, size_t row, int steps,
                    struct err *err) {
  const float *w = s->w + row * s->n_cols;
  float max = 0;
  for (size_t i = 0; i < s->n_cols; i++) max = fabsf(w[i]) > max ? fabsf(w[i]) : max;
  uint16_t scale, bias = 0;
  if (image_scale(&scale, (double)max / steps) != 0) {
    size_t i = 0;
    while (fabsf(w[i]) < max) i++;
    return err_set(err,
                   "%s.weight: row %zu has %g in column %zu, expected within %g, %d steps of the "
                   "largest scale",
                   s->name, row, (double)w[i], i, steps * image_scale_value(UINT16_MAX), steps);
  }
  if (s->bias && put_half(&bias, s, "bias", s->bias, row, err) != 0) return -1;
  *word = (uint32_t)bias << 16 | scale;
  return 0;
}

// ----------------------------------------------------------------------------------------- writing

struct writer {
  FILE *file;  // NULL: compute only the checksum
  XXH64_state_t *sum;
  uint32_t lanes;
  uint8_t *beat;  // [lanes]
};

// Stream errors are checked once, at the end.
static void put_beat(const struct writer *o) {
  XXH64_update(o->sum, o->beat, o->lanes);
  if (o->file) fwrite(o->beat, o->lanes, 1, o->file);
}

static void put_side_beat(const struct writer *o, const uint32_t *words, size_t count) {
  memset(o->beat, 0, o->lanes);
  for (size_t i = 0; i < count && i < o->lanes / 4; i++)
    for (size_t byte = 0; byte < 4; byte++) o->beat[4 * i + byte] = (uint8_t)(words[i] >> 8 * byte);
  put_beat(o);
}

// Quantises 64 weights to steps of their row's scale. In a position row, block 2k holds the high
// bytes of elements 64k .. and block 2k + 1 the low bytes, both signed.
static void quantise(uint8_t *q, const float *w, float steps_per_unit) {
  for (size_t i = 0; i < HEAD_DIM; i++) q[i] = (uint8_t)(int8_t)rintf(w[i] * steps_per_unit);
}

static void quantise_position(uint8_t *q, const float *w, float steps_per_unit, bool low) {
  for (size_t i = 0; i < HEAD_DIM; i++) {
    const int x = (int)rintf(w[i] * steps_per_unit);
    const int x_low = (int8_t)(uint8_t)x;
    q[i] = (uint8_t)(low ? x_low : (x - x_low) / 256);
  }
}

static void put_weight_beat(const struct writer *o, const struct image_region *r,
                            const struct image_tensor *s, const uint32_t *words,
                            struct image_beat at) {
  memset(o->beat, 0, o->lanes);
  for (uint32_t segment = 0; segment < o->lanes / HEAD_DIM; segment++) {
    const uint32_t row = at.group * (o->lanes / HEAD_DIM) + segment;
    if (row >= r->n_rows) break;  // padding
    const float *w = s->w + image_tensor_row(s, row) * s->n_cols;
    const float steps_per_unit = (float)(1 / image_scale_value((uint16_t)words[row]));
    uint8_t *q = o->beat + segment * HEAD_DIM;
    if (r->kind == IMAGE_WPE)
      quantise_position(q, w + at.block / 2 * HEAD_DIM, steps_per_unit, at.block % 2 != 0);
    else quantise(q, w + at.block * HEAD_DIM, steps_per_unit);
  }
  put_beat(o);
}

static int put_region(const struct writer *o, const struct image_region *r,
                      const struct gpt2_weights *weights, struct err *err) {
  const struct image_tensor s = image_tensor_of(weights, r);
  const size_t n_words = image_is_norm(r->kind) ? s.n_cols : r->n_rows;
  uint32_t *words = malloc(n_words * sizeof *words);
  if (!words) return err_memory(err, s.name);
  const int steps = r->kind == IMAGE_WPE ? POSITION_STEPS : STEPS;
  int result = 0;
  for (size_t i = 0; i < n_words && result == 0; i++) {
    result = image_is_norm(r->kind) ? norm_word(&words[i], &s, i, err)
                                    : row_word(&words[i], &s, image_tensor_row(&s, i), steps, err);
  }
  for (uint64_t i = 0; i < r->beats && result == 0; i++) {
    const struct image_beat at = image_beat_at(r, o->lanes, i);
    if (at.side) {
      const size_t first = (size_t)at.group * (o->lanes / HEAD_DIM);
      put_side_beat(o, words + first, n_words - first);
    } else {
      put_weight_beat(o, r, &s, words, at);
    }
  }
  free(words);
  return result;
}

// Writes the header and all beats. The header's checksum is known only after all of it has been
// summed.
static int put_image(const struct writer *o, const struct image_header *h,
                     const struct gpt2_weights *weights, struct err *err) {
  struct image_header unsummed = *h;
  unsummed.checksum = 0;
  XXH64_reset(o->sum, 0);
  XXH64_update(o->sum, &unsummed, sizeof unsummed);
  if (o->file) fwrite(h, sizeof *h, 1, o->file);
  for (struct image_region r = {0}; image_next_region(&r, h);)
    if (put_region(o, &r, weights, err) != 0) return -1;
  return 0;
}

// A file gets its checksum at the end. A pipe cannot seek back, so there the checksum is computed
// first.
static int put_all(struct writer *o, struct image_header *h, const struct gpt2_weights *weights,
                   struct staged *out, struct err *err) {
  o->file = out->direct ? NULL : out->file;
  if (put_image(o, h, weights, err) != 0) return -1;
  h->checksum = XXH64_digest(o->sum);
  if (out->direct) {
    o->file = out->file;
    return put_image(o, h, weights, err);
  }
  if (fseek(out->file, 0, SEEK_SET) != 0 || fwrite(h, sizeof *h, 1, out->file) != 1) {
    return err_set(err, "%s: cannot write its %llu bytes: %s", out->name,
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
      .eos_id = config_eos(config),
      .tied = weights->lm_head == weights->wte,
      .layer_norm_epsilon = (float)config->layer_norm_epsilon,
  };
  return image_layout(h, err);
}

int image_build(const char *path, const struct gpt2_weights *weights, uint32_t lanes,
                uint64_t source, struct err *err) {
  struct image_header header;
  struct staged out;
  if (header_of(&header, weights, lanes, source, err) != 0 || staged_open(&out, path, err) != 0)
    return -1;
  struct writer o = {.lanes = lanes, .sum = XXH64_createState(), .beat = malloc(lanes)};
  int result =
      !o.sum || !o.beat ? err_memory(err, "a beat") : put_all(&o, &header, weights, &out, err);
  if (result == 0) result = staged_commit(&out, err);
  staged_discard(&out);
  free(o.beat);
  XXH64_freeState(o.sum);
  return result;
}

int image_source(uint64_t *source, const char *dir, struct err *err) {
  char path[FILE_PATH_SIZE];
  struct file_map map;
  struct checkpoint from;
  if (file_join(path, dir, "config.json", err) != 0 || file_map_open(&map, path, err) != 0)
    return -1;
  XXH64_state_t *sum = XXH64_createState();
  int result = !sum ? err_memory(err, "a checksum") : checkpoint_open(&from, dir, err);
  if (result == 0) {
    struct file_map generation;  // determines the header's eos_id
    XXH64_reset(sum, 0);
    XXH64_update(sum, map.data, map.size);
    if (file_join(path, dir, "generation_config.json", NULL) == 0 &&
        file_map_open(&generation, path, NULL) == 0) {
      XXH64_update(sum, generation.data, generation.size);
      file_map_close(&generation);
    }
    for (size_t i = 0; i < from.count; i++) {
      const struct file_map *file = safetensors_bytes(from.files[i]);
      XXH64_update(sum, file->data, file->size);
    }
    *source = XXH64_digest(sum);
    checkpoint_close(&from);
  }
  XXH64_freeState(sum);
  file_map_close(&map);
  return result;
}
