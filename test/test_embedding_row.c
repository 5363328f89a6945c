// SPDX-License-Identifier: Apache-2.0
//
// embedding_row: rows of two tables of random bytes and scales, position and token in turn as in a
// run, any order of them, and the saturations of the largest scales, against
// golden/pos_embedding.c and golden/token_embedding.c
#include <string.h>

#include "block.h"
#include "golden.h"

enum {
  ROWS = 40,  // of each table
  LATENCY = 6,
  MAX_BEATS = ROWS * (3 * MAX_HEADS + 2),
  MAX_GROUPS = 2 * ROWS * MAX_WIDTH
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

struct job {
  enum pkg_op op;
  unsigned row, heads, segments;
  const struct matrix *table;
};

// The beats of a job, and the rows that it gives.
static void add_job(const struct job *job, uint64_t *rng, unsigned *n_in, unsigned *n_out,
                    struct saturation *sat) {
  const unsigned segments = job->segments, n_blocks = job->table->n_blocks;
  const unsigned group = job->row / segments, span = group / 16;
  const size_t beat = 64 * segments;
  struct pkg_label label = {.op = job->op,
                            .position = rng_next(rng) & 1023,
                            .want_head = rng_next(rng) & 1,
                            .row_in_group = job->row % segments,
                            .side_index = job->row % (16 * segments),
                            .side = 1};
  struct pkg_tag tag = {.op = job->op, .position = label.position, .want_head = label.want_head};
  const uint8_t *at = job->table->image->beats + (size_t)span * (16 * n_blocks + 1) * beat;
  memcpy(in[*n_in].data, at, beat);
  pkg_label_pack(in[(*n_in)++].label, &label);
  at += (1 + (group % 16) * n_blocks) * beat;
  for (unsigned k = 0; k < n_blocks; k++) {
    label.side = 0;
    label.block = k;
    label.last_block = k == n_blocks - 1;
    label.last_group = 1;
    memcpy(in[*n_in].data, at + k * beat, beat);
    pkg_label_pack(in[(*n_in)++].label, &label);
  }
  int32_t row[MAX_WIDTH];
  if (job->op == PKG_OP_POS) pos_embedding_rows(row, job->table, job->row, sat);
  else token_embedding(row, job->table, job->row);
  const unsigned groups = job->heads * 64 / segments;
  for (unsigned g = 0; g < groups; g++) {
    tag.group = g;
    tag.last = g == groups - 1;
    memcpy(want[*n_out].rows, row + g * segments, 4 * segments);
    pkg_tag_pack(want[(*n_out)++].tag, &tag);
  }
}

static void check(unsigned segments, unsigned heads) {
  struct block *b = block_open("embedding_row", segments);
  const unsigned n_rows = 37 * segments + 1;  // three side beats' span, the last not full
  for (enum block_stall stall = BLOCK_PLAIN; stall < BLOCK_STALLS; stall++) {
    uint64_t rng = 1 + heads;
    uint8_t *pos_beats = random_table(&rng, segments, n_rows, 2 * heads);
    uint8_t *token_beats = random_table(&rng, segments, n_rows, heads);
    const struct image pos_image = {.header = {.lanes = 64 * segments}, .beats = pos_beats};
    const struct image token_image = {.header = {.lanes = 64 * segments}, .beats = token_beats};
    const struct matrix positions = {&pos_image, 0, n_rows, 2 * heads, false};
    const struct matrix tokens = {&token_image, 0, n_rows, heads, false};
    struct saturation sat = {0};
    unsigned n_in = 0, n_out = 0;
    for (unsigned r = 0; r < 2 * ROWS; r++) {
      const bool token = r % 2;
      const struct job job = {
          .op = token ? PKG_OP_TOKEN : PKG_OP_POS,
          .row = r < 2   ? 0
                 : r < 4 ? n_rows - 1
                         : (unsigned)rng_range(&rng, 0, n_rows - 1),
          .heads = heads,
          .segments = segments,
          .table = token ? &tokens : &positions,
      };
      add_job(&job, &rng, &n_in, &n_out, &sat);
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
      // 64 / S cycles a block and one until the next, one more for its high bytes; a side beat
      // beside the rows of the block before
      const unsigned block = 64 / segments;
      assert_int_equal(sink->last_cycle - sink->first_cycle, ROWS * heads * (2 * block + 3) - 3);
    }
    free(pos_beats);
    free(token_beats);
  }
  block_close(b);
}

static void shapes(unsigned segments) {
  static const unsigned heads[] = {1, 2, 3, 12, 25};
  for (unsigned i = 0; i < sizeof heads / sizeof *heads; i++) check(segments, heads[i]);
}
int main(void) { return block_test_segments(shapes, 64); }
