// SPDX-License-Identifier: Apache-2.0
//
// attention_core: whole heads, with the engine and rescale played by their golden models
//
// The order of rows is the sequencer's: scores(h), then PV(h - 1). Scores start when scores_free_o
// is high and the previous scores have come; PV rows start when the head's last block of
// probabilities has been taken. Rows of other jobs come in between.
#include <string.h>

#include "block.h"
#include "golden.h"

struct in {
  uint32_t tag[PKG_TAG_WORDS], rows[16], v_scales[8];
};
struct blk {
  uint32_t rows[64], slot;
};
static const struct block_field in_fields[] = {
    BLOCK_FIELD(struct in, tag, "rows_tag_i"),
    BLOCK_FIELD(struct in, rows, "rows_i"),
    BLOCK_FIELD(struct in, v_scales, "v_scales_i"),
};
static const struct block_field p_fields[] = {
    BLOCK_FIELD(struct blk, rows, "p_blk_rows_o"),
    BLOCK_FIELD(struct blk, slot, "p_blk_slot_o"),
};
static const struct block_field o_fields[] = {
    BLOCK_FIELD(struct blk, rows, "o_blk_rows_o"),
    BLOCK_FIELD(struct blk, slot, "o_blk_slot_o"),
};

enum {
  PASSES = 13,
  MAX_H = 12,
  RUNS = PASSES * MAX_H,
  MAX_P = RUNS * 16,
  MAX_IN = 3 * RUNS * MAX_CTX,
  SLOT_O = PKG_SLOT_O(25),
  SLOT_P = PKG_SLOT_P(25),
};

enum start { NONE, SCORES, PV };  // what an input waits for
struct head {
  uint32_t head, n;
  struct operand p[MAX_CTX / HEAD_DIM], o;
  uint16_t inv_z;
  size_t p_end;  // groups of probabilities up to and with this head's
};

struct run {
  struct block *b;
  struct block_stream *source, *p, *o;
  const struct in *in;
  const uint8_t *start;
  const struct head *heads;
  size_t pv;  // heads whose PV has started
  uint64_t saturated;
};

static void after(void *ctx) {
  struct run *r = ctx;
  struct block *b = r->b;
  r->saturated += block_get_u64(b, "sat_o");
  uint64_t pv_scale = block_get_u64(b, "pv_scale_o");
  size_t now = r->source->done;
  if (block_get_u64(b, "rows_valid_i")) {
    // As rescale would, the rows of PV take the scale now; PV is the only reader.
    if (r->start[now] == PV) {
      const struct head *h = &r->heads[r->pv++];
      assert_int_equal(pv_scale >> (16 * (h->head % 2)) & 0xffff, h->inv_z);
    }
    now++;
  }
  r->source->hold =
      now < r->source->n && ((r->start[now] == SCORES && !block_get_u64(b, "scores_free_o")) ||
                             (r->start[now] == PV && r->p->done < r->heads[r->pv].p_end));
  // 1/z is valid when the last rows are offered.
  if (block_get_u64(b, "p_blk_valid_o")) {
    size_t i = 0;
    while (r->heads[i].p_end <= r->p->done) i++;
    if (r->p->done == r->heads[i].p_end - 1)
      assert_int_equal(pv_scale >> (16 * (r->heads[i].head % 2)) & 0xffff, r->heads[i].inv_z);
  }
}

static void make_kv(uint64_t *rng, struct kv_head *kv, uint32_t n, unsigned kind) {
  for (uint32_t t = 0; t < n; t++) {
    for (unsigned d = 0; d < 64; d++) {
      kv->k[t][d] = (int8_t)rng_range(rng, -127, 127);
      kv->v[t][d] = (int8_t)rng_range(rng, -127, 127);
    }
    kv->k_scale[t] =
        (uint16_t)(rng_range(rng, 14, kind == 1 ? 26 : 18) << 11 | rng_range(rng, 0, 2047));
    kv->v_scale[t] =
        (uint16_t)(rng_range(rng, 14, kind == 2 ? 31 : 20) << 11 | rng_range(rng, 0, 2047));
    if (kind == 3) {  // all scores equal
      memcpy(kv->k[t], kv->k[0], 64);
      kv->k_scale[t] = kv->k_scale[0];
    }
  }
}

static size_t other_rows(uint64_t *rng, struct in *in, unsigned segments) {
  static const unsigned ops[] = {PKG_OP_QKV, PKG_OP_PROJ, PKG_OP_MLP1, PKG_OP_MLP2, PKG_OP_HEAD};
  size_t n = (size_t)rng_range(rng, 0, 20);
  for (size_t i = 0; i < n; i++) {
    pkg_tag_pack(in[i].tag, &(struct pkg_tag){.op = ops[rng_next(rng) % 5],
                                              .head = rng_next(rng) % 12,
                                              .group = rng_next(rng) % 12,
                                              .last = rng_chance(rng, 20)});
    for (unsigned s = 0; s < segments; s++) in[i].rows[s] = (uint32_t)rng_signed(rng, 31);
  }
  return n;
}

static void check(unsigned segments, unsigned n_head) {
  static const uint32_t lengths[PASSES] = {1, 2, 15, 16, 17, 63, 64, 65, 129, 200, 511, 1023, 1024};
  static struct in in[MAX_IN];
  static uint8_t start[MAX_IN];
  static struct blk o[RUNS];
  static struct head heads[RUNS];
  static struct kv_head kv;
  struct block *b = block_open("attention_core", segments);

  for (enum block_stall stall = BLOCK_PLAIN; stall < BLOCK_STALLS; stall++) {
    uint64_t rng = 1000 * segments + 10 * n_head + stall + 1;
    struct saturation ignored = {0}, sat = {0};
    struct run run = {.b = b, .in = in, .start = start, .heads = heads};
    size_t n = 0, n_p = 0;
    memset(start, NONE, sizeof start);
    for (unsigned pass = 0; pass < PASSES; pass++) {
      const uint32_t len = lengths[pass];
      const unsigned first = pass * n_head;
      for (unsigned head = 0; head <= n_head; head++) {
        struct pkg_tag tag = {.head = head,
                              .position = len - 1,
                              .layer = pass,
                              .want_head = pass % 2};
        n += other_rows(&rng, &in[n], segments);
        if (head < n_head) {
          struct head *h = &heads[first + head];
          struct operand q;
          int32_t row[64];
          for (unsigned d = 0; d < 64; d++) row[d] = (int32_t)rng_signed(&rng, 19);
          block_quant(&q, row);
          make_kv(&rng, &kv, len, (pass + head) % 4);
          int32_t s[MAX_CTX];
          for (uint32_t t = 0; t < len; t++) {
            const int8_t *k = kv.k[t];
            int e_max;
            int64_t acc = matvec_row(&e_max, &k, &q, 1);
            s[t] = rescale_row(acc, e_max, 1, kv.k_scale[t], 0, RESCALE_SCORES, &ignored);
          }
          h->head = head;
          h->n = len;
          h->inv_z = softmax(h->p, s, kv.v_scale, len, &sat);
          h->p_end = n_p += (len + 63) / 64 * (64 / segments);
          attention_core(&h->o, &q, &kv, head, len, &ignored, NULL);
          // PV's rows, for the inputs below
          for (unsigned d = 0; d < 64; d++) {
            int8_t column[MAX_CTX] = {0};
            const int8_t *w[16];
            for (uint32_t t = 0; t < len; t++) column[t] = kv.v[t][d];
            for (unsigned j = 0; j < 16; j++) w[j] = column + 64 * j;
            const uint32_t tiles = (len + 63) / 64;
            int e_max;
            int64_t acc = matvec_row(&e_max, w, h->p, tiles);
            o[first + head].rows[d] =
                (uint32_t)rescale_row(acc, e_max, tiles, h->inv_z, 0, RESCALE_PV, &ignored);
          }

          start[n] = SCORES;
          tag.op = PKG_OP_SCORES;
          for (uint32_t t = 0; t < len; t += segments, n++) {
            tag.group = t / segments;
            tag.last = t + segments >= len;
            pkg_tag_pack(in[n].tag, &tag);
            for (unsigned i = 0; i < segments; i++) {
              bool there = t + i < len;
              in[n].rows[i] = there ? (uint32_t)s[t + i] : (uint32_t)rng_signed(&rng, 31);
              bits_put(in[n].v_scales, 16 * i, 16, there ? kv.v_scale[t + i] : rng_next(&rng));
            }
          }
        }
        n += other_rows(&rng, &in[n], segments);
        if (head > 0) {
          start[n] = PV;
          tag.op = PKG_OP_PV;
          tag.head = head - 1;
          for (unsigned g = 0; g < 64 / segments; g++, n++) {
            tag.group = g;
            tag.last = g == 64 / segments - 1;
            pkg_tag_pack(in[n].tag, &tag);
            memcpy(in[n].rows, &o[first + head - 1].rows[g * segments], 4 * segments);
          }
        }
      }
    }
    assert_true(n <= MAX_IN);
    const size_t n_runs = PASSES * n_head;

    block_reset(b);
    block_stalls(b, stall, rng);
    static struct blk parts_p[MAX_P * 64], parts_o[RUNS * 64], got_p[MAX_P], got_o[RUNS];
    run.source = block_source(b, "rows_valid_i", NULL, in_fields, 3, in, sizeof *in, n);
    run.p =
        block_sink(b, "p_blk_valid_o", "p_blk_ready_i", p_fields, 2, parts_p, sizeof *got_p, n_p);
    run.o = block_sink(b, "o_blk_valid_o", NULL, o_fields, 2, parts_o, sizeof *got_o,
                       n_runs * 64 / segments);
    block_hooks(b, NULL, after, &run);
    block_run(b, 3000, 100);
    assert_int_equal(run.saturated, sat.prob);
    assert_true(sat.prob > 0);
    assert_int_equal(run.pv, n_runs);
    block_join(got_p, parts_p, sizeof *got_p, n_p * segments / 64, segments);
    block_join(got_o, parts_o, sizeof *got_o, n_runs, segments);

    for (size_t i = 0, at = 0; i < n_runs; i++) {
      const struct head *h = &heads[i];
      struct operand found;
      for (unsigned tile = 0; at * 64 / segments < h->p_end; tile++, at++) {
        block_quant(&found, (const int32_t *)got_p[at].rows);
        assert_memory_equal(found.m, h->p[tile].m, sizeof found.m);
        assert_int_equal(found.e, h->p[tile].e);
        assert_int_equal(got_p[at].slot, SLOT_P + h->head % 2 * 16 + tile);
      }
      block_quant(&found, (const int32_t *)got_o[i].rows);
      assert_memory_equal(found.m, h->o.m, sizeof found.m);
      assert_int_equal(found.e, h->o.e);
      assert_int_equal(got_o[i].slot, SLOT_O + h->head);
    }
  }
  block_close(b);
}

static void check_all(unsigned segments) {
  check(segments, 1);
  check(segments, 2);
  check(segments, 4);
  check(segments, 12);
}

int main(void) { return block_test_segments(check_all, 16); }
