// SPDX-License-Identifier: Apache-2.0
//
// final_layernorm: what follows each pass of the residual, in batches with and without head as
// golden/gpt2_core.c takes their steps: a LayerNorm after every pass, but none after the last if no
// head is wanted. Of one position, or of up to four, whose sums come together or one after the
// other
#include "block.h"

struct bench {
  struct block *b;
  uint64_t rng;
  unsigned positions, made, skipped;
  struct pkg_batch batch;
};

static void cycle(struct bench *t) {
  const struct pkg_tag noise = {.op = rng_next(&t->rng) % 10,
                                .final_layer = rng_next(&t->rng) & 1,
                                .want_head = rng_next(&t->rng) & 1};
  uint32_t words[PKG_TAG_WORDS];
  block_clock(t->b);
  block_set_u64(t->b, "sums_valid_i", 0);
  block_set_u64(t->b, "norm_done_i", 0);
  pkg_tag_pack(words, &noise);
  block_set(t->b, "sums_tag_i", words);
  block_eval(t->b);
}

static void idle(struct bench *t, bool ready) {
  for (int64_t n = rng_range(&t->rng, 0, 5); n > 0; n--) {
    assert_int_equal(block_get_u64(t->b, "norm_start_o"), 0);
    assert_int_equal(block_get_u64(t->b, "step_done_o"), 0);
    assert_int_equal(block_get_u64(t->b, "head_ready_o"), ready);
    cycle(t);
  }
}

static void set_batch(struct bench *t) {
  uint32_t words[PKG_BATCH_WORDS];
  pkg_batch_pack(words, &t->batch);
  block_set(t->b, "batch_i", words);
}

// The sums of one pass, and the LayerNorm that has to follow them. In a batch's first pass the
// members may join one by one.
static void pass(struct bench *t, enum pkg_op op, bool final_layer, bool want_head,
                 bool was_ready) {
  const bool ends = op == PKG_OP_MLP2 && final_layer;
  const struct pkg_tag tag = {.op = op, .final_layer = final_layer, .want_head = want_head};
  const struct pkg_batch batch = t->batch;
  const uint32_t members = (uint32_t)batch.members;
  const uint32_t with_head = batch.several ? members : 1u << batch.last;
  uint32_t words[PKG_TAG_WORDS], left = members;
  do {
    // All that are left, or the first of them.
    const uint32_t now = rng_chance(&t->rng, 30) ? left : left & -left;
    left &= ~now;
    if (op == PKG_OP_TOKEN) {
      t->batch.members = members & ~left;
      t->batch.more = left != 0;
      set_batch(t);
    }
    idle(t, was_ready);
    pkg_tag_pack(words, &tag);
    block_set(t->b, "sums_tag_i", words);
    block_set_u64(t->b, "sums_valid_i", now);
    block_eval(t->b);
    assert_int_equal(block_get_u64(t->b, "norm_start_o"), !left && (!ends || want_head));
    assert_int_equal(block_get_u64(t->b, "step_done_o"), !left && ends && !want_head);
    if (!left && (!ends || want_head))
      assert_int_equal(block_get_u64(t->b, "norm_members_o"), ends ? with_head : members);
    cycle(t);
  } while (left);
  const unsigned heads = ends && want_head ? (unsigned)__builtin_popcount(with_head) : 0;
  t->made += heads;
  t->skipped += ends ? (unsigned)__builtin_popcount(members) - heads : 0;
  if (ends && !want_head) return;
  idle(t, false);
  block_set_u64(t->b, "norm_done_i", 1);
  block_eval(t->b);
  assert_int_equal(block_get_u64(t->b, "head_ready_o"), 0);
  cycle(t);
  assert_int_equal(block_get_u64(t->b, "head_ready_o"), ends);
}

static void check(const char *module, unsigned positions) {
  static const unsigned layers[] = {1, 2, 12};
  struct bench t = {.b = block_open(module, 0), .rng = 1, .positions = positions};
  for (unsigned i = 0; i < 15; i++) {
    t.made = t.skipped = 0;
    block_reset(t.b);
    bool ready = false;
    for (unsigned step = 0; step < 20; step++) {
      const bool head = rng_chance(&t.rng, 50);
      const unsigned n_layer = layers[i % 3];
      t.batch = (struct pkg_batch){.several = positions > 1 && rng_chance(&t.rng, 50),
                                   .members = (uint32_t)rng_range(&t.rng, 1, (1 << positions) - 1)};
      t.batch.last = 31 - (uint32_t)__builtin_clz((uint32_t)t.batch.members);
      pass(&t, PKG_OP_TOKEN, n_layer == 1, head, ready);
      for (unsigned layer = 0; layer < n_layer; layer++) {
        pass(&t, PKG_OP_PROJ, layer == n_layer - 1, head, false);
        pass(&t, PKG_OP_MLP2, layer == n_layer - 1, head, false);
      }
      ready = head;
    }
    idle(&t, ready);
    assert_int_equal(block_get_u64(t.b, "heads_o"), t.made);
    assert_int_equal(block_get_u64(t.b, "heads_skipped_o"), t.skipped);
  }
  block_close(t.b);
}

static void test_one(void **state) {
  (void)state;
  check("final_layernorm", 1);
}
static void test_members(void **state) {
  (void)state;
  check("final_layernorm_members", 4);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_one), cmocka_unit_test(test_members)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
