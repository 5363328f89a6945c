// SPDX-License-Identifier: Apache-2.0
//
// kv_cache: its writes make the memory of model/image/image.h, 6; it holds what came, until both
// readers are done with it
//
// The test plays the neighbours: qkv_linear's vectors come when the entry is not busy, a position's
// first when all writes of the one before are acknowledged; PV releases entries in order, and the
// memory acknowledges writes in order after a while.
#include <string.h>

#include "block.h"
#include "golden.h"

struct in {
  uint32_t q[16], scale, is_v, head, layer, position;
};
struct beat {
  uint32_t addr, data[16 * 16], strb[2 * 16];
};
static const struct block_field in_fields[] = {
    BLOCK_FIELD(struct in, q, "kv_q_i"),         BLOCK_FIELD(struct in, scale, "kv_scale_i"),
    BLOCK_FIELD(struct in, is_v, "kv_is_v_i"),   BLOCK_FIELD(struct in, head, "kv_head_i"),
    BLOCK_FIELD(struct in, layer, "kv_layer_i"),
};
static const struct block_field beat_fields[] = {
    BLOCK_FIELD(struct beat, addr, "wr_addr_o"),
    BLOCK_FIELD(struct beat, data, "wr_data_o"),
    BLOCK_FIELD(struct beat, strb, "wr_strb_o"),
};

static const uint32_t positions[] = {0, 1, 15, 16, 17, 63, 64, 65, 255, 256, 700, 1023};
enum {
  LAYERS = 2,
  MAX_H = 12,
  N_CTX = 1024,
  TOKENS = sizeof positions / sizeof *positions,
  MAX_VECTORS = TOKENS * LAYERS * MAX_H,
  MAX_BEATS = MAX_VECTORS * 66,
  KV_BASE = 777,
};

struct run {
  struct block *b;
  struct block_stream *source, *writes;
  const struct in *in;
  uint64_t rng;
  unsigned release_percent, ack_percent;
  // The engine looks at a vector: its entry, K or V, a group of V.
  struct look {
    bool merges;
    unsigned entry, is_v, group;
  } next, look;  // it comes in the cycle after
  unsigned segments;
  size_t came, released, acked;  // vectors; heads; writes
  size_t beats_a_head;
  bool idle_seen;
  uint32_t position;  // of the batch under way
  unsigned settled;   // cycles since it came
};

static void before(void *ctx) {
  struct run *r = ctx;
  r->look = r->next;
  r->next = (struct look){.merges = rng_chance(&r->rng, 30),
                          .entry = (unsigned)rng_next(&r->rng) % 4,
                          .is_v = (unsigned)rng_next(&r->rng) % 2,
                          .group = (unsigned)rng_next(&r->rng) % (64 / r->segments)};
  block_set_u64(r->b, "position_i", r->position);
  block_set_u64(r->b, "merge_valid_i", r->next.merges);
  block_set_u64(r->b, "merge_entry_i", r->next.entry);
  block_set_u64(r->b, "merge_is_v_i", r->next.is_v);
  block_set_u64(r->b, "merge_group_i", r->next.group);
  // PV in order: for a head whose vectors have both been there for a cycle
  uint64_t release = 0;
  if (2 * r->released + 1 < r->came && rng_chance(&r->rng, r->release_percent)) {
    unsigned entry = r->in[2 * r->released].head % 4;
    if (block_get_u64(r->b, "entry_ready_o") >> entry & 1) {
      release = 1u << entry;
      r->released++;
    }
  }
  block_set_u64(r->b, "release_i", release);
  bool ack = r->acked < r->writes->done && rng_chance(&r->rng, r->ack_percent);
  block_set_u64(r->b, "wr_ack_i", ack);
  r->acked += ack;
}

static void after(void *ctx) {
  struct run *r = ctx;
  struct block *b = r->b;
  uint64_t busy = block_get_u64(b, "entry_busy_o"), ready = block_get_u64(b, "entry_ready_o");
  assert_int_equal(ready & ~busy, 0);

  // The engine sees the newest head in an entry.
  const struct look *l = &r->look;
  if (l->merges && ready >> l->entry & 1) {
    size_t head = (r->came - 1) / 2;
    if (r->came % 2 == 1 && r->in[r->came - 1].head % 4 != l->entry) head--;
    while (r->in[2 * head].head % 4 != l->entry) head--;
    uint32_t found[16];
    const struct in *k = &r->in[2 * head], *v = k + 1;
    block_get(b, "k_o", found);
    assert_memory_equal(found, l->is_v ? v->q : k->q, sizeof found);
    if (l->is_v) {
      block_get(b, "v_o", found);
      assert_memory_equal(found, (const uint8_t *)v->q + l->group * r->segments, r->segments);
    }
    assert_int_equal(block_get_u64(b, "k_scale_o"), k->scale);
    assert_int_equal(block_get_u64(b, "v_scale_o"), v->scale);
  }

  // Idle: everything that came before this cycle is in memory. The output says so one register
  // later.
  bool all = r->came % 2 == 0 && r->acked == r->came / 2 * r->beats_a_head;
  if (block_get_u64(b, "idle_o")) {
    assert_true(all);
    r->idle_seen = true;
  }

  r->came = r->source->done + block_get_u64(b, "kv_valid_i");
  // K waits for its entry; a vector may come in the same cycle as the release that frees another
  // entry.
  size_t next = r->came;
  r->source->hold =
      next < r->source->n && !r->in[next].is_v && (busy >> (r->in[next].head % 4) & 1);
  r->settled++;
  if (next < r->source->n && r->in[next].position != r->position) {
    r->source->hold = true;
    if (all && block_get_u64(b, "idle_o")) {
      r->position = r->in[next].position;
      r->settled = 0;
    }
  }
  if (r->settled < 2) r->source->hold = true;
}

static void put(uint8_t *memory, unsigned segments, uint64_t beat, unsigned byte, const void *data,
                size_t n) {
  memcpy(memory + beat * 64 * segments + byte, data, n);
}

static void check(unsigned segments, unsigned n_head) {
  static struct in in[2 * MAX_VECTORS];
  static struct beat got[MAX_BEATS];
  const uint32_t groups = N_CTX / segments, v_off = groups + (groups + 15) / 16,
                 lanes = 64 * segments;
  const uint32_t stride = v_off + N_CTX / 64 * (64 / segments) + 5;
  const size_t memory_bytes = (size_t)LAYERS * n_head * stride * lanes;
  uint8_t *want = malloc(memory_bytes), *memory = malloc(memory_bytes);
  struct block *b = block_open("kv_cache", segments);

  for (enum block_stall stall = BLOCK_PLAIN; stall < BLOCK_STALLS; stall++) {
    uint64_t rng = 1000 * segments + 10 * n_head + stall + 1;
    size_t n = 0;
    memset(want, 0xa5, memory_bytes);
    memset(memory, 0xa5, memory_bytes);
    for (unsigned token = 0; token < TOKENS; token++) {
      for (unsigned head = 0; head < LAYERS * n_head; head++, n += 2) {
        const uint32_t t = positions[token], g = t / segments;
        for (unsigned v = 0; v < 2; v++) {
          for (unsigned i = 0; i < 16; i++) in[n + v].q[i] = (uint32_t)rng_next(&rng);
          in[n + v].scale = rng_next(&rng) & 0xffff;
          in[n + v].is_v = v;
          in[n + v].head = head % n_head;
          in[n + v].layer = head / n_head;
          in[n + v].position = t;
        }
        const uint64_t at = (uint64_t)head * stride;
        const uint32_t scales = in[n + 1].scale << 16 | in[n].scale;
        const uint8_t *v = (const uint8_t *)in[n + 1].q;
        put(want, segments, at + g / 16 * 17, 4 * (t % (16 * segments)), &scales, 4);
        put(want, segments, at + g + g / 16 + 1, 64 * (t % segments), in[n].q, 64);
        for (unsigned d = 0; d < 64; d++) {
          put(want, segments, at + v_off + t / 64 * (64 / segments) + d / segments,
              64 * (d % segments) + t % 64, &v[d], 1);
        }
      }
    }

    block_reset(b);
    block_stalls(b, stall, rng);
    uint32_t cfg[PKG_CONFIG_WORDS];
    pkg_config_pack(cfg, &(struct pkg_config){.n_head = n_head,
                                              .n_layer = LAYERS,
                                              .kv_base = KV_BASE,
                                              .kv_stride = stride,
                                              .kv_v_off = v_off});
    block_set(b, "cfg_i", cfg);
    uint32_t batch[PKG_BATCH_WORDS];
    pkg_batch_pack(batch, &(struct pkg_batch){.members = 1});
    block_set(b, "batch_i", batch);
    struct run run = {.b = b,
                      .in = in,
                      .segments = segments,
                      .rng = rng,
                      .beats_a_head = 2 + 64 / segments,
                      .release_percent = stall == BLOCK_PLAIN ? 100 : 5,
                      .ack_percent = stall == BLOCK_IDLE ? 20 : 90};
    const size_t n_beats = n / 2 * run.beats_a_head;
    run.source = block_source(b, "kv_valid_i", NULL, in_fields, 5, in, sizeof *in, n);
    run.writes =
        block_sink(b, "wr_valid_o", "wr_ready_i", beat_fields, 3, got, sizeof *got, n_beats);
    block_hooks(b, before, after, &run);
    block_run(b, 5000, 3000);
    assert_int_equal(run.released, n / 2);
    assert_int_equal(run.acked, n_beats);
    assert_true(run.idle_seen);
    assert_int_equal(block_get_u64(b, "idle_o"), 1);
    assert_int_equal(block_get_u64(b, "entry_busy_o"), 0);

    for (size_t i = 0; i < n_beats; i++) {
      assert_in_range(got[i].addr, KV_BASE, KV_BASE + LAYERS * n_head * stride - 1);
      uint8_t *beat = memory + (size_t)(got[i].addr - KV_BASE) * lanes;
      for (unsigned byte = 0; byte < lanes; byte++)
        if (bits_get(got[i].strb, byte, 1)) beat[byte] = ((const uint8_t *)got[i].data)[byte];
    }
    assert_memory_equal(memory, want, memory_bytes);
  }
  block_close(b);
  free(want);
  free(memory);
}

static void check_all(unsigned segments) {
  static const unsigned heads[] = {1, 2, 3, 4, 5, 12};
  for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) check(segments, heads[i]);
}

int main(void) { return block_test_segments(check_all, 16); }
