// SPDX-License-Identifier: Apache-2.0
//
// qkv_linear: Q, K and V of head after head, at the pace of 1, 2, 3 and 12 heads, among other jobs'
// rows
#include <string.h>

#include "block.h"
#include "golden.h"

struct in {
  uint32_t tag[PKG_TAG_WORDS], rows[64];
};
struct blk {
  uint32_t rows[64], slot;
};
struct kv {
  uint32_t q[16], scale, is_v, head, layer;
};
static const struct block_field in_fields[] = {
    BLOCK_FIELD(struct in, tag, "rows_tag_i"),
    BLOCK_FIELD(struct in, rows, "rows_i"),
};
static const struct block_field blk_fields[] = {
    BLOCK_FIELD(struct blk, rows, "blk_rows_o"),
    BLOCK_FIELD(struct blk, slot, "blk_slot_o"),
};
static const struct block_field kv_fields[] = {
    BLOCK_FIELD(struct kv, q, "kv_q_o"),         BLOCK_FIELD(struct kv, scale, "kv_scale_o"),
    BLOCK_FIELD(struct kv, is_v, "kv_is_v_o"),   BLOCK_FIELD(struct kv, head, "kv_head_o"),
    BLOCK_FIELD(struct kv, layer, "kv_layer_o"),
};

enum { VECTORS = 120, MAX_IN = 3 * VECTORS * (64 + 8), SLOT_Q = 6 * 25 };

// 64 rows; of all sizes, but of one size within a vector.
static void make_vector(uint64_t *rng, int32_t row[64], unsigned i) {
  unsigned bits = (unsigned)rng_range(rng, 1, 31);
  if (i % 7 == 6) {  // 127 / m is a tie before its rounding
    uint32_t m;
    do m = (uint32_t)rng_range(rng, 1 << 15, (1 << 16) - 1);
    while (reciprocal(m) % 128 != 64);
    for (unsigned d = 0; d < 64; d++) row[d] = (int32_t)rng_range(rng, -(int64_t)m, m);
    row[i % 64] = (int32_t)m;
    return;
  }
  for (unsigned d = 0; d < 64; d++) {
    int64_t x = i % 7 == 3   ? 0
                : i % 7 == 4 ? (rng_chance(rng, 50) ? ROW_MAX : -ROW_MAX)
                : i % 7 == 5 ? (d == i % 64 ? rng_signed(rng, bits) : 0)
                             : rng_signed(rng, bits);
    row[d] = (int32_t)(x > ROW_MAX ? ROW_MAX : x < -ROW_MAX ? -ROW_MAX : x);
  }
}

struct run {
  struct block *b;
  struct block_stream *source;
  unsigned pace, since;  // a group every `pace` cycles at most
};

static void after(void *ctx) {
  struct run *r = ctx;
  r->since = block_get_u64(r->b, "rows_valid_i") ? 1 : r->since + 1;
  r->source->hold = r->since < r->pace;
}

static void check(unsigned segments) {
  static struct in in[MAX_IN];
  static struct blk want[VECTORS], parts[VECTORS * 64], got[VECTORS * 64];
  static struct kv want_kv[2 * VECTORS], got_kv[2 * VECTORS];
  static const unsigned heads[] = {1, 2, 3, 12};
  struct block *b = block_open("qkv_linear", segments);

  for (unsigned shape = 0; shape < 4; shape++) {
    for (enum block_stall stall = BLOCK_PLAIN; stall < BLOCK_STALLS; stall++) {
      uint64_t rng = 100 * segments + 10 * shape + stall + 1;
      size_t n = 0;
      for (unsigned i = 0; i < VECTORS; i++) {
        struct pkg_tag tag = {
            .op = PKG_OP_QKV,
            .layer = i / heads[shape],
            .head = i % heads[shape],
            .position = (uint64_t)rng_range(&rng, 0, 1023),
            .final_layer = rng_chance(&rng, 50),
            .want_head = rng_chance(&rng, 50),
        };
        int32_t row[192];
        for (unsigned part = 0; part < 3; part++) make_vector(&rng, row + 64 * part, 3 * i + part);
        memcpy(want[i].rows, row, 64 * sizeof *row);
        want[i].slot = SLOT_Q + tag.head % 2;
        for (unsigned v = 0; v < 2; v++) {
          uint16_t scale;
          kv_quantize((int8_t *)want_kv[2 * i + v].q, &scale, row + 64 + 64 * v);
          want_kv[2 * i + v].scale = scale;
          want_kv[2 * i + v].is_v = v;
          want_kv[2 * i + v].head = (uint32_t)tag.head;
          want_kv[2 * i + v].layer = (uint32_t)tag.layer;
        }
        for (unsigned g = 0; g < 192 / segments; g++, n++) {
          tag.group = g;
          tag.last = g == 192 / segments - 1;
          pkg_tag_pack(in[n].tag, &tag);
          memcpy(in[n].rows, row + g * segments, segments * sizeof *row);
        }
        for (int64_t other = rng_range(&rng, 0, 8); other > 0; other--, n++) {
          tag = (struct pkg_tag){.op = (uint64_t)rng_range(&rng, PKG_OP_SCORES, PKG_OP_HEAD),
                                 .head = tag.head,
                                 .group = (uint64_t)rng_range(&rng, 0, 200)};
          pkg_tag_pack(in[n].tag, &tag);
          for (unsigned s = 0; s < segments; s++) in[n].rows[s] = (uint32_t)rng_signed(&rng, 31);
        }
      }

      block_reset(b);
      block_stalls(b, stall, rng);
      struct run run = {.b = b, .pace = heads[shape]};
      run.source = block_source(b, "rows_valid_i", NULL, in_fields, 2, in, sizeof *in, n);
      struct block_stream *blk = block_sink(b, "blk_valid_o", NULL, blk_fields, 2, got, sizeof *got,
                                            VECTORS * 64 / segments);
      struct block_stream *kv =
          block_sink(b, "kv_valid_o", NULL, kv_fields, 5, got_kv, sizeof *got_kv, 2 * VECTORS);
      block_hooks(b, NULL, after, &run);
      block_run(b, 1000, 200);
      block_split(parts, want, sizeof *want, VECTORS, segments);
      block_expect(blk, parts, VECTORS * 64 / segments);
      block_expect(kv, want_kv, 2 * VECTORS);
    }
  }

  // K and V at full pace: V's vector comes 64 / segments cycles after K's.
  block_reset(b);
  struct block_stream *source =
      block_source(b, "rows_valid_i", NULL, in_fields, 2, in, sizeof *in, 192 / segments);
  struct block_stream *blk =
      block_sink(b, "blk_valid_o", NULL, blk_fields, 2, got, sizeof *got, 64 / segments);
  struct block_stream *kv =
      block_sink(b, "kv_valid_o", NULL, kv_fields, 5, got_kv, sizeof *got_kv, 2);
  block_run(b, 1000, 200);
  block_expect(blk, parts, 64 / segments);
  unsigned tree = (unsigned)(log2_ceil(segments) + 1) / 2;
  assert_int_equal(kv->last_cycle - source->last_cycle, 12 + tree + 64 / segments);
  assert_int_equal(kv->last_cycle - kv->first_cycle, 64 / segments);
  block_close(b);
}

int main(void) { return block_test_segments(check, 64); }
