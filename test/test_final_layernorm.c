// SPDX-License-Identifier: Apache-2.0
//
// final_layernorm: what follows each pass of the residual, in steps with and without head as
// golden/gpt2_core.c takes them: a LayerNorm after every pass, but none after the last if no head
// is wanted
#include "block.h"

struct bench {
  struct block *b;
  uint64_t rng;
  unsigned heads, made, skipped;
};

static void cycle(struct bench *t) {
  const struct pkg_tag noise = {.op = rng_next(&t->rng) % 10,
                                .final_layer = rng_next(&t->rng) & 1,
                                .want_head = rng_next(&t->rng) & 1};
  uint32_t words[PKG_TAG_WORDS];
  block_clock(t->b);
  block_set_u64(t->b, "sums_valid_i", 0);
  block_set_u64(t->b, "blk_taken_i", 0);
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

// The sums of one pass, and the blocks of the LayerNorm that has to follow it.
static void pass(struct bench *t, enum pkg_op op, bool final_layer, bool want_head,
                 bool was_ready) {
  const bool ends = op == PKG_OP_MLP2 && final_layer;
  const struct pkg_tag tag = {.op = op, .final_layer = final_layer, .want_head = want_head};
  uint32_t words[PKG_TAG_WORDS];
  idle(t, was_ready);
  pkg_tag_pack(words, &tag);
  block_set(t->b, "sums_tag_i", words);
  block_set_u64(t->b, "sums_valid_i", 1);
  block_eval(t->b);
  assert_int_equal(block_get_u64(t->b, "norm_start_o"), !ends || want_head);
  assert_int_equal(block_get_u64(t->b, "step_done_o"), ends && !want_head);
  cycle(t);
  t->skipped += ends && !want_head;
  if (ends && !want_head) return;
  for (unsigned k = 0; k < t->heads; k++) {
    idle(t, false);
    block_set_u64(t->b, "blk_taken_i", 1);
    block_eval(t->b);
    assert_int_equal(block_get_u64(t->b, "head_ready_o"), 0);
    cycle(t);
  }
  t->made += ends;
  assert_int_equal(block_get_u64(t->b, "head_ready_o"), ends);
}

static void test_steps(void **state) {
  (void)state;
  static const unsigned heads[] = {1, 2, 3, 12, 25}, layers[] = {1, 2, 12};
  struct bench t = {.b = block_open("final_layernorm", 0), .rng = 1};
  for (unsigned i = 0; i < 15; i++) {
    uint32_t words[PKG_CONFIG_WORDS];
    t.heads = heads[i % 5];
    t.made = t.skipped = 0;
    block_reset(t.b);
    pkg_config_pack(words, &(struct pkg_config){.n_head = t.heads});
    block_set(t.b, "cfg_i", words);
    bool ready = false;
    for (unsigned step = 0; step < 20; step++) {
      const bool head = rng_chance(&t.rng, 50);
      const unsigned n_layer = layers[i % 3];
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

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_steps)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
