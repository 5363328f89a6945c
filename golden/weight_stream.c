// SPDX-License-Identifier: Apache-2.0
//
// weight_stream - addresses of beats (rtl/core/weight_stream.sv and rtl/core/sequencer.sv; the
// layout is model/image/image.h)
#include "golden.h"

static uint32_t segments(const struct image_header *h) { return h->lanes / HEAD_DIM; }

void weight_stream_layer(struct weight_stream *w, const struct image_header *h, uint32_t layer) {
  const uint64_t c = h->n_embd;
  const uint64_t ln = div_up(c, (uint64_t)SIDE_GROUPS * segments(h));
  const uint64_t qkv = h->n_head * image_matrix_beats(h->lanes, 3 * HEAD_DIM, c);
  const uint64_t proj = image_matrix_beats(h->lanes, c, c);
  const uint64_t mlp1 = image_matrix_beats(h->lanes, 4 * c, c);
  const uint64_t mlp2 = image_matrix_beats(h->lanes, c, 4 * c);
  const uint64_t a_layer = qkv + ln + proj + mlp1 + ln + mlp2;
  w->qkv = h->stream_base + ln + layer * a_layer;
  w->ln1 = layer == 0 ? h->stream_base : w->qkv - mlp2 - ln;
  w->ln2 = w->qkv + qkv;
  w->proj = w->ln2 + ln;
  w->mlp1 = w->proj + proj;
  w->ln_next = w->mlp1 + mlp1;
  w->mlp2 = w->ln_next + ln;
}

static const uint8_t *beat(const struct image *image, uint64_t address) {
  return image->beats + address * image->header.lanes;
}

// How many beats of the matrix precede beat (group, block), the group's side beat included.
static uint64_t block_offset(const struct matrix *m, uint32_t group, uint32_t block) {
  if (!m->by_columns) return (uint64_t)group * m->n_blocks + block + group / SIDE_GROUPS + 1;
  uint64_t groups = div_up(m->n_rows, segments(&m->image->header));
  uint64_t sides = block == m->n_blocks - 1 ? group / SIDE_GROUPS + 1 : 0;
  return block * groups + group + sides;
}

const int8_t *matrix_block(const struct matrix *m, uint32_t row, uint32_t block) {
  uint32_t s = segments(&m->image->header);
  const uint8_t *p = beat(m->image, m->base + block_offset(m, row / s, block));
  return (const int8_t *)p + (row % s) * HEAD_DIM;
}

uint32_t side_word(const struct image *image, uint64_t base, uint64_t index) {
  const uint8_t *p = beat(image, base) + 4 * index;
  return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint32_t matrix_side(const struct matrix *m, uint32_t row) {
  uint32_t span = SIDE_GROUPS * segments(&m->image->header);
  uint32_t first_group = row / span * SIDE_GROUPS;
  uint64_t at = m->base + block_offset(m, first_group, m->by_columns ? m->n_blocks - 1 : 0) - 1;
  return side_word(m->image, at, row % span);
}
