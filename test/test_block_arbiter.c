// SPDX-License-Identifier: Apache-2.0
//
// block_arbiter: every block comes out once with its slot, one a cycle, a cycle after it was taken;
// of those that wait the lowest maker's first
#include <string.h>

#include "block.h"

enum { MAKERS = 5, BLOCKS = 4000 };

struct offer {
  bool valid;
  uint32_t slot, rows[64];
};
static const char *const rows_port[MAKERS] = {"o_rows_i", "q_rows_i", "g_rows_i", "x_rows_i",
                                              "p_rows_i"};

static void fill(struct offer *o, uint64_t *rng) {
  o->slot = (uint32_t)rng_range(rng, 0, 255);
  for (int i = 0; i < 64; i++) o->rows[i] = (uint32_t)rng_next(rng);
}

// Each maker offers with its own probability; what it offers it holds until taken.
static void run(struct block *b, const unsigned percent[MAKERS], uint64_t seed) {
  struct offer offer[MAKERS] = {0}, taken = {0};
  size_t count[MAKERS] = {0}, cycles = 0, busy = 0;
  uint64_t rng = seed;
  block_reset(b);
  assert_false(block_get_u64(b, "out_valid_o"));
  for (size_t n = 0; n < BLOCKS; cycles++) {
    uint32_t slots[2] = {0, 0}, valid = 0, expect_ready = 0;
    int first = MAKERS;
    for (int p = 0; p < MAKERS; p++) {
      if (!offer[p].valid) {
        fill(&offer[p], &rng);  // noise while it is not valid
        offer[p].valid = rng_chance(&rng, percent[p]);
      }
      valid |= (uint32_t)offer[p].valid << p;
      bits_put(slots, 8 * (unsigned)p, 8, offer[p].slot);
      block_set(b, rows_port[p], offer[p].rows);
      if (p <= first) expect_ready |= 1u << p;
      if (offer[p].valid && first == MAKERS) first = p;
    }
    block_set_u64(b, "in_valid_i", valid);
    block_set(b, "in_slot_i", slots);
    block_eval(b);
    assert_int_equal(block_get_u64(b, "in_ready_o"), expect_ready);
    taken.valid = first < MAKERS;
    if (taken.valid) {
      taken = offer[first];
      offer[first].valid = false;
      count[first]++;
      n++;
      busy++;
    }
    block_clock(b);
    block_set_u64(b, "in_valid_i", 0);
    block_eval(b);
    assert_int_equal(block_get_u64(b, "out_valid_o"), taken.valid);
    if (taken.valid) {
      uint32_t rows[64];
      block_get(b, "out_rows_o", rows);
      assert_int_equal(block_get_u64(b, "out_slot_o"), taken.slot);
      assert_memory_equal(rows, taken.rows, sizeof rows);
    }
  }
  for (int p = 0; p < MAKERS; p++)
    if (percent[p] && count[p] == 0) fail_msg("maker %d had no turn", p);
  if (percent[4] == 100) assert_int_equal(busy, cycles);  // a block every cycle while any waits
}

static void test_makers(void **state) {
  (void)state;
  static const unsigned percent[][MAKERS] = {
      {10, 10, 10, 10, 10}, {20, 20, 20, 20, 20}, {2, 2, 20, 70, 100},
      {0, 0, 0, 0, 100},    {100, 0, 0, 0, 0},    {10, 20, 30, 5, 100},
  };
  struct block *b = block_open("block_arbiter", 0);
  for (size_t i = 0; i < sizeof percent / sizeof *percent; i++) run(b, percent[i], 1 + i);
  block_close(b);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_makers)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
