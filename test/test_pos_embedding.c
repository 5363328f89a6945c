// SPDX-License-Identifier: Apache-2.0
//
// pos_embedding: rows of a table of random bytes and scales, any order of positions, and the
// saturations of the largest scales, against golden/pos_embedding.c
#include <string.h>

#include "block.h"
#include "golden.h"

enum {
  ROWS = 40,
  LATENCY = 5,
  MAX_BEATS = ROWS * (2 * MAX_HEADS + 1),
  MAX_GROUPS = ROWS * MAX_WIDTH
};

struct beat {
  uint32_t data[64 * 16], label[PKG_LABEL_WORDS];
};
struct group {
  uint32_t rows[64], tag[PKG_TAG_WORDS];
};
static const struct block_field in_fields[] = {
    BLOCK_FIELD(struct beat, data, "in_data_i"),
    BLOCK_FIELD(struct beat, label, "in_label_i"),
};
static const struct block_field out_fields[] = {
    BLOCK_FIELD(struct group, rows, "out_rows_o"),
    BLOCK_FIELD(struct group, tag, "out_tag_o"),
};
static struct beat in[MAX_BEATS];
static struct group want[MAX_GROUPS], got[MAX_GROUPS];

struct bench {
  struct block *b;
  uint64_t saturated;
};

static void after(void *ctx) {
  struct bench *t = ctx;
  t->saturated += block_get_u64(t->b, "sat_o");
}

// A matrix of random bytes; every byte and every scale is allowed. Some scales are the largest
// there is.
static uint8_t *random_table(uint64_t *rng, unsigned segments, unsigned n_rows, unsigned n_blocks) {
  const unsigned groups = (n_rows + segments - 1) / segments, sides = (groups + 15) / 16;
  const size_t beats = groups * n_blocks + sides, bytes = beats * segments * 64;
  uint8_t *table = malloc(bytes);
  for (size_t i = 0; i < bytes; i++) table[i] = (uint8_t)rng_next(rng);
  for (size_t s = 0; s < sides; s++) {
    uint8_t *word = table + s * (16 * n_blocks + 1) * segments * 64;
    for (unsigned i = 0; i < 16 * segments; i += 3) memset(word + 4 * i, 0xff, 2);
  }
  return table;
}

static void check(unsigned segments, unsigned heads) {
  struct block *b = block_open("pos_embedding", segments);
  const unsigned n_rows = 37 * segments + 1;  // three side beats' span, the last not full
  for (enum block_stall stall = BLOCK_PLAIN; stall < BLOCK_STALLS; stall++) {
    uint64_t rng = 1 + heads;
    uint8_t *beats = random_table(&rng, segments, n_rows, 2 * heads);
    const struct image image = {.header = {.lanes = 64 * segments}, .beats = beats};
    const struct matrix table = {&image, 0, n_rows, 2 * heads, false};
    struct saturation sat = {0};
    unsigned n_in = 0, n_out = 0;
    for (unsigned r = 0; r < ROWS; r++) {
      const unsigned position = r == 0   ? 0
                                : r == 1 ? n_rows - 1
                                         : (unsigned)rng_range(&rng, 0, n_rows - 1);
      const unsigned group = position / segments, span = group / 16;
      struct pkg_label label = {.op = PKG_OP_POS,
                                .position = rng_next(&rng) & 1023,
                                .want_head = rng_next(&rng) & 1,
                                .row_in_group = position % segments,
                                .side_index = position % (16 * segments),
                                .side = 1};
      struct pkg_tag tag = {.op = PKG_OP_POS,
                            .position = label.position,
                            .want_head = label.want_head};
      const uint8_t *at = beats + (size_t)span * (32 * heads + 1) * segments * 64;
      memcpy(in[n_in].data, at, 64 * segments);
      pkg_label_pack(in[n_in++].label, &label);
      at += (1 + (group % 16) * 2 * heads) * segments * 64;
      for (unsigned k = 0; k < 2 * heads; k++) {
        label.side = 0;
        label.block = k;
        label.last_block = k == 2 * heads - 1;
        label.last_group = 1;
        memcpy(in[n_in].data, at + k * segments * 64, 64 * segments);
        pkg_label_pack(in[n_in++].label, &label);
      }
      int32_t row[MAX_WIDTH];
      pos_embedding_rows(row, &table, position, &sat);
      for (unsigned g = 0; g < heads * 64 / segments; g++) {
        tag.group = g;
        tag.last = g == heads * 64 / segments - 1;
        memcpy(want[n_out].rows, row + g * segments, 4 * segments);
        pkg_tag_pack(want[n_out++].tag, &tag);
      }
    }
    struct bench t = {b, 0};
    block_reset(b);
    block_stalls(b, stall, 5);
    block_hooks(b, NULL, after, &t);
    struct block_stream *source =
        block_source(b, "in_valid_i", "in_ready_o", in_fields, 2, in, sizeof *in, n_in);
    struct block_stream *sink =
        block_sink(b, "out_valid_o", "out_ready_i", out_fields, 2, got, sizeof *got, n_out);
    block_run(b, 1000, 100);
    block_expect(sink, want, n_out);
    assert_int_equal(t.saturated, sat.row);
    assert_int_not_equal(sat.row, 0);
    if (stall == BLOCK_PLAIN) {
      assert_int_equal(sink->first_cycle - source->first_cycle, 2 + LATENCY);
      // 64 / S + 1 cycles a block, one for the side beat
      assert_int_equal(sink->last_cycle - sink->first_cycle,
                       ROWS * (heads * (64 / segments + 1) + 1) - 3);
    }
    free(beats);
  }
  block_close(b);
}

static void shapes(unsigned segments) {
  static const unsigned heads[] = {1, 2, 3, 12, 25};
  for (unsigned i = 0; i < sizeof heads / sizeof *heads; i++) check(segments, heads[i]);
}

int main(void) { return block_test_segments(shapes, 64); }
