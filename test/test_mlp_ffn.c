// SPDX-License-Identifier: Apache-2.0
//
// mlp_ffn: OpMlp1's rows leave as rows of their gelu(), in blocks with slots 2 MaxHeads + k, for 1,
// 4 and 12 heads, layer after layer; rows of other jobs are ignored
#include "block.h"
#include "golden.h"

struct in {
  uint32_t tag[PKG_TAG_WORDS], rows[64];
};
struct out {
  uint32_t rows[64], slot;
};
static const struct block_field in_fields[] = {
    BLOCK_FIELD(struct in, tag, "rows_tag_i"),
    BLOCK_FIELD(struct in, rows, "rows_i"),
};
static const struct block_field out_fields[] = {
    BLOCK_FIELD(struct out, slot, "blk_slot_o"),
    BLOCK_FIELD(struct out, rows, "blk_rows_o"),
};
enum { LAYERS = 8, N = LAYERS * 4 * 12, SLOTS = PKG_SLOT_G(MAX_HEADS), LATENCY = 4 };

// The rows of one layer's OpMlp1, others between them; returns how many groups that are.
static size_t draw(uint64_t *rng, struct in *in, struct out *want, unsigned segments,
                   unsigned n_head) {
  static const enum pkg_op others[] = {PKG_OP_QKV,  PKG_OP_SCORES, PKG_OP_PV,
                                       PKG_OP_PROJ, PKG_OP_MLP2,   PKG_OP_HEAD};
  size_t n = 0;
  unsigned groups = 4 * n_head * 64 / segments;
  for (unsigned group = 0; group < groups; n++) {
    struct pkg_tag tag = {.op = PKG_OP_MLP1, .group = group, .last = group == groups - 1};
    bool other = rng_chance(rng, 10);
    if (other)
      tag = (struct pkg_tag){.op = others[rng_range(rng, 0, 5)],
                             .group = (uint64_t)rng_range(rng, 0, 4000)};
    pkg_tag_pack(in[n].tag, &tag);
    for (unsigned s = 0; s < segments; s++) {
      int32_t x = (int32_t)rng_signed(rng, rng_chance(rng, 50) ? 20 : ROW_BITS);
      if (x < -ROW_MAX) x = -ROW_MAX;
      in[n].rows[s] = (uint32_t)x;
      if (!other)
        want[(group * segments + s) / 64].rows[(group * segments + s) % 64] = (uint32_t)gelu(x);
    }
    if (other) continue;
    want[group * segments / 64].slot = SLOTS + group * segments / 64;
    group++;
  }
  return n;
}

static void check(unsigned segments) {
  static struct in in[N * 64 * 2];
  static struct out want[N], parts[N * 64], got[N * 64];
  static const unsigned heads[] = {1, 4, 12};
  struct block *b = block_open("mlp_ffn", segments);
  for (unsigned h = 0; h < 3; h++) {
    for (enum block_stall stall = BLOCK_PLAIN; stall < BLOCK_STALLS; stall++) {
      uint64_t rng = 1 + segments + stall;
      size_t n_in = 0, n_out = LAYERS * 4 * heads[h], n_parts = n_out * 64 / segments;
      for (unsigned l = 0; l < LAYERS; l++)
        n_in += draw(&rng, in + n_in, want + l * 4 * heads[h], segments, heads[h]);
      block_reset(b);
      block_stalls(b, stall, 7);
      struct block_stream *source =
          block_source(b, "rows_valid_i", NULL, in_fields, 2, in, sizeof *in, n_in);
      struct block_stream *sink =
          block_sink(b, "blk_valid_o", NULL, out_fields, 2, got, sizeof *got, n_parts);
      block_run(b, 1000, 100);
      block_split(parts, want, sizeof *want, n_out, segments);
      block_expect(sink, parts, n_parts);
      if (stall == BLOCK_PLAIN) assert_int_equal(sink->last_cycle - source->last_cycle, LATENCY);
    }
  }
  block_close(b);
}

int main(void) { return block_test_segments(check, 16); }
