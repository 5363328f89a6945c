// SPDX-License-Identifier: Apache-2.0
//
// final_linear: OpHead's rows reach sampling, and the second reader if wanted, once each and in
// order, with ids and a mask that ends at the vocabulary (301, 4096 and 50257 ids); room_o keeps 18
// groups in flight from overflowing it
#include "block.h"
#include "golden.h"

struct in {
  uint32_t tag[PKG_TAG_WORDS], rows[64];
};
struct out {
  uint32_t base_id, mask[2], last, rows[64];
};
static const struct block_field out_fields[] = {
    BLOCK_FIELD(struct out, base_id, "lg_base_id_o"),
    BLOCK_FIELD(struct out, mask, "lg_mask_o"),
    BLOCK_FIELD(struct out, last, "lg_last_o"),
    BLOCK_FIELD(struct out, rows, "lg_rows_o"),
};
enum { IN_FLIGHT = 18, LATENCY = 2, MAX_OUT = 60000 };

// matvec's part: a group is issued while room_o is high and comes as rows `delay` cycles later.
struct issuer {
  struct block *b;
  const struct in *in;
  size_t n, issued;
  unsigned delay, every;  // cycles from issue to rows; at best one group every `every` cycles
  uint64_t rng;
  bool idle;
  uint32_t pipe;  // bit i: a group arrives in i cycles
  size_t sent;
};

static void issuer_before(void *ctx) {
  struct issuer *m = ctx;
  block_set_u64(m->b, "rows_valid_i", m->pipe & 1);
  if (!(m->pipe & 1)) return;
  block_set(m->b, "rows_tag_i", m->in[m->sent].tag);
  block_set(m->b, "rows_i", m->in[m->sent].rows);
  m->sent++;
}

static void issuer_after(void *ctx) {
  struct issuer *m = ctx;
  m->pipe >>= 1;
  bool room = block_get_u64(m->b, "room_o") && block_cycle(m->b) % m->every == 0;
  if (m->idle && rng_chance(&m->rng, 30)) room = false;
  if (room && m->issued < m->n) {
    m->pipe |= 1u << (m->delay - 1);
    m->issued++;
  }
}

static void run(struct block *b, unsigned segments, uint32_t n_vocab, unsigned positions,
                enum block_stall stall, bool stream) {
  static struct in in[MAX_OUT];
  static struct out want[MAX_OUT], sampled[MAX_OUT], streamed[MAX_OUT];
  uint64_t rng = 1 + segments + n_vocab + stall;
  uint32_t config[PKG_CONFIG_WORDS], groups = (n_vocab + segments - 1) / segments,
                                     n = positions * groups;
  assert_true(n <= MAX_OUT);
  for (uint32_t i = 0; i < n; i++) {
    struct pkg_tag tag = {.op = PKG_OP_HEAD, .group = i % groups, .last = i % groups == groups - 1};
    pkg_tag_pack(in[i].tag, &tag);
    want[i] = (struct out){.base_id = (uint32_t)tag.group * segments, .last = (uint32_t)tag.last};
    for (unsigned s = 0; s < segments; s++) {
      in[i].rows[s] = want[i].rows[s] = (uint32_t)rng_signed(&rng, ROW_BITS);
      bits_put(want[i].mask, s, 1, want[i].base_id + s < n_vocab);
    }
  }
  block_reset(b);
  block_stalls(b, stall, 7);
  pkg_config_pack(config, &(struct pkg_config){.n_vocab = n_vocab});
  block_set(b, "cfg_i", config);
  block_set_u64(b, "stream_logits_i", stream);
  // At full pace and with IN_FLIGHT groups in flight, or as a model of 12 heads
  struct issuer m = {.b = b,
                     .in = in,
                     .n = n,
                     .every = stall == BLOCK_BOTH ? 12 : 1,
                     .rng = 3,
                     .idle = stall == BLOCK_IDLE};
  m.delay = stall == BLOCK_PLAIN ? 1 : IN_FLIGHT - 1;  // the one issued is the 18th
  block_hooks(b, issuer_before, issuer_after, &m);
  struct block_stream *sampling =
      block_sink(b, "lg_valid_o", "lg_ready_i", out_fields, 4, sampled, sizeof *sampled, n);
  struct block_stream *reader = NULL;
  if (stream)
    reader =
        block_sink(b, "out_valid_o", "out_ready_i", out_fields, 4, streamed, sizeof *streamed, n);
  block_run(b, 1000, 40);
  block_expect(sampling, want, n);
  if (stream) block_expect(reader, want, n);
}

static void check(unsigned segments) {
  struct block *b = block_open("final_linear", segments);
  for (enum block_stall stall = BLOCK_PLAIN; stall < BLOCK_STALLS; stall++) {
    for (int stream = 0; stream < 2; stream++) {
      run(b, segments, 301, 6, stall, stream);
      run(b, segments, 4096, 2, stall, stream);
    }
  }
  run(b, segments, 50257, 1, BLOCK_BACK_PRESSURE, true);
  block_close(b);
}

// A group goes through an empty queue in LATENCY cycles; rows of other jobs do not go through.
static void test_latency(void **state) {
  (void)state;
  struct block *b = block_open("final_linear", 4);
  uint32_t words[PKG_CONFIG_WORDS], rows[4] = {1, 2, 3, 4};
  block_reset(b);
  pkg_config_pack(words, &(struct pkg_config){.n_vocab = 4096});
  block_set(b, "cfg_i", words);
  block_set(b, "rows_i", rows);
  for (unsigned op = PKG_OP_POS; op <= PKG_OP_HEAD; op++) {
    pkg_tag_pack(words, &(struct pkg_tag){.op = op, .group = 5});
    block_set(b, "rows_tag_i", words);
    block_set_u64(b, "rows_valid_i", 1);
    for (unsigned i = 0; i < LATENCY; i++) {
      assert_int_equal(block_get_u64(b, "lg_valid_o"), 0);
      block_clock(b);
      block_set_u64(b, "rows_valid_i", 0);
    }
    assert_int_equal(block_get_u64(b, "lg_valid_o"), op == PKG_OP_HEAD);
  }
  assert_int_equal(block_get_u64(b, "lg_base_id_o"), 20);
  block_close(b);
}

BLOCK_TEST(test_1, check(1))
BLOCK_TEST(test_4, check(4))
BLOCK_TEST(test_16, check(16))

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_1),
      cmocka_unit_test(test_4),
      cmocka_unit_test(test_16),
      cmocka_unit_test(test_latency),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
