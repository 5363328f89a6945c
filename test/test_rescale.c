// SPDX-License-Identifier: Apache-2.0
//
// rescale: every row equal to rescale_row(), for sums, scales and biases of all sizes, all jobs,
// and the count of clamps
#include "block.h"
#include "golden.h"

struct in {
  uint32_t tag[PKG_TAG_WORDS], e_max, excess, pv_scale, acc[128], side[64];
};
struct out {
  uint32_t tag[PKG_TAG_WORDS], rows[64], v_scales[32];
};
static const struct block_field in_fields[] = {
    BLOCK_FIELD(struct in, tag, "in_tag_i"),
    BLOCK_FIELD(struct in, e_max, "in_e_max_i"),
    BLOCK_FIELD(struct in, excess, "in_excess_i"),
    BLOCK_FIELD(struct in, pv_scale, "in_pv_scale_i"),
    BLOCK_FIELD(struct in, acc, "in_acc_i"),
    BLOCK_FIELD(struct in, side, "in_side_i"),
};
static const struct block_field out_fields[] = {
    BLOCK_FIELD(struct out, tag, "rows_tag_o"),
    BLOCK_FIELD(struct out, rows, "rows_o"),
    BLOCK_FIELD(struct out, v_scales, "v_scales_o"),
};
enum { N = 3000, LATENCY = 5 };

static struct block *block;
static uint64_t clamped;
static void count_clamped(void *ctx) {
  (void)ctx;
  clamped += block_get_u64(block, "sat_o");
}

// A sum as the engine may give it, occasionally one that no engine gives.
static int64_t draw_acc(uint64_t *rng, unsigned e_max, unsigned n_blocks) {
  if (rng_chance(rng, 2)) return rng_signed(rng, 52);
  int64_t acc = rng_signed(rng, 52), limit = (int64_t)n_blocks << (28 + e_max);
  return acc > limit ? limit : acc < -limit ? -limit : acc;
}

// Next to or at the limits of a clamp.
static int64_t draw_edge(uint64_t *rng, unsigned bits) {
  return rng_range(rng, -1, 1) + (rng_chance(rng, 50) ? (int64_t)1 << bits : -((int64_t)1 << bits));
}

// One group and what becomes of it; returns how many clamps count.
static uint64_t draw(uint64_t *rng, struct in *in, struct out *out, unsigned segments) {
  static const uint8_t blocks[] = {1, 2, 3, 4, 8, 9, 12, 16, 17, 25, 48, 64, 100, 128};
  static const enum pkg_op ops[] = {PKG_OP_QKV,  PKG_OP_SCORES, PKG_OP_PV,  PKG_OP_PROJ,
                                    PKG_OP_MLP1, PKG_OP_MLP2,   PKG_OP_HEAD};
  struct pkg_tag tag = {
      .op = ops[rng_range(rng, 0, 6)],
      .layer = (uint64_t)rng_range(rng, 0, 255),
      .head = (uint64_t)rng_range(rng, 0, 24),
      .final_layer = rng_chance(rng, 50),
      .want_head = rng_chance(rng, 50),
      .position = (uint64_t)rng_range(rng, 0, 1023),
      .last = rng_chance(rng, 50),
  };
  // of scores, often the last group
  uint64_t most = tag.op == PKG_OP_SCORES ? tag.position / segments : (1u << 17) / segments - 1;
  tag.group = rng_chance(rng, 50) ? most : (uint64_t)rng_range(rng, 0, (int64_t)most);
  unsigned n_blocks = blocks[rng_range(rng, 0, 13)], e_max = (unsigned)rng_range(rng, 0, 15);
  int excess = log2_ceil(n_blocks) - 3;
  int extra = tag.op == PKG_OP_SCORES ? RESCALE_SCORES
              : tag.op == PKG_OP_PV   ? RESCALE_PV
                                      : RESCALE_LINEAR;
  memset(in, 0, sizeof *in);
  memset(out, 0, sizeof *out);
  in->e_max = e_max;
  in->excess = excess > 0 ? (uint32_t)excess : 0;
  in->pv_scale = (uint32_t)rng_range(rng, 0, 0xffff);
  pkg_tag_pack(in->tag, &tag);
  memcpy(out->tag, in->tag, sizeof in->tag);

  uint64_t counted = 0;
  for (unsigned s = 0; s < segments; s++) {
    struct saturation sat = {0};
    int64_t acc = draw_acc(rng, e_max, n_blocks);
    // scales of all sizes, but half of them such that the row fits
    uint32_t exponent = (uint32_t)rng_range(rng, 0, rng_chance(rng, 50) ? 31 : 20);
    uint32_t side = (uint32_t)rng_range(rng, 0, 0xffff) << 16 | exponent << 11 |
                    (uint32_t)rng_range(rng, 0, 2047);
    int first = (int)e_max + (int)in->excess,
        unit = 24 + extra - first;  // unit: the exponent of a scale of 2^first
    if (rng_chance(rng, 5)) acc = draw_edge(rng, 31) * ((int64_t)1 << first);
    if (rng_chance(rng, 5) && unit >= 0 && unit < 32) {
      acc = draw_edge(rng, 30) * ((int64_t)1 << first);
      side = (uint32_t)unit << 11;
    }
    bits_put(in->acc, 64 * s, 64, (uint64_t)acc);
    in->side[s] = side;
    uint32_t used = tag.op == PKG_OP_PV       ? in->pv_scale
                    : tag.op == PKG_OP_SCORES ? side & 0xffff
                                              : side;
    out->rows[s] = (uint32_t)rescale_row(acc, (int)e_max, n_blocks, (uint16_t)used,
                                         (uint16_t)(used >> 16), extra, &sat);
    bits_put(out->v_scales, 16 * s, 16, (tag.op == PKG_OP_PV ? 0 : side) >> 16);
    if (tag.op != PKG_OP_SCORES || tag.group * segments + s <= tag.position) counted += sat.row;
  }
  return counted;
}

static void check(unsigned segments) {
  static struct in in[N];
  static struct out want[N], got[N];
  block = block_open("rescale", segments);
  for (enum block_stall stall = BLOCK_PLAIN; stall < BLOCK_STALLS; stall++) {
    uint64_t rng = 1 + segments, counted = 0;
    for (unsigned i = 0; i < N; i++) counted += draw(&rng, &in[i], &want[i], segments);
    assert_true(counted > 0);
    block_reset(block);
    block_stalls(block, stall, 7);
    clamped = 0;
    block_hooks(block, NULL, count_clamped, NULL);
    struct block_stream *source =
        block_source(block, "in_valid_i", NULL, in_fields, 6, in, sizeof *in, N);
    struct block_stream *sink =
        block_sink(block, "rows_valid_o", NULL, out_fields, 3, got, sizeof *got, N);
    block_run(block, 100, 20);
    block_expect(sink, want, N);
    assert_int_equal(clamped, counted);
    assert_int_equal(sink->first_cycle - source->first_cycle, LATENCY);
    assert_int_equal(sink->last_cycle - source->last_cycle, LATENCY);
  }
  block_close(block);
}

int main(void) { return block_test_segments(check, 16); }
