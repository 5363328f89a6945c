// SPDX-License-Identifier: Apache-2.0
//
// block_quant: blocks of five makers leave equal to block_quant(), for rows of all sizes, the
// exponent's edges and the carry into 2^15 included; of those that wait the lowest maker's first,
// one block at a time; 3 cycles to the first part
//
// block_quant_narrow is block_quant with Width = 4 (Makefile). Makers are played as block_gather
// is.
#include <string.h>

#include "block.h"
#include "golden.h"

enum { MAKERS = 5, BLOCKS = 6000, LATENCY = 3, QUEUE = 8 };

static const char *const rows_port[MAKERS] = {"o_rows_i", "q_rows_i", "g_rows_i", "x_rows_i",
                                              "p_rows_i"};

struct block_of {
  uint32_t slot, rows[64];
  uint64_t cycle;  // its first part was asked for
};

// Rows of up to `bits` bits; edge: one of them is the greatest or least number of that many bits,
// or differs from it by one.
static void draw(uint64_t *rng, uint32_t rows[64], unsigned bits, bool edge) {
  for (unsigned i = 0; i < 64; i++) rows[i] = (uint32_t)rng_signed(rng, bits);
  if (!edge || bits == 0) return;
  int64_t top = ((int64_t)1 << (bits - 1)) - 1, x = rng_chance(rng, 50) ? top : -top - 1;
  x += rng_range(rng, -1, 1);
  x = x > ROW_MAX ? ROW_MAX : x < -ROW_MAX - 1 ? -ROW_MAX - 1 : x;
  rows[rng_range(rng, 0, 63)] = (uint32_t)x;
}

// Each maker has its next block with its own probability, and holds it until taken.
static void run(struct block *b, unsigned width, const unsigned percent[MAKERS], uint64_t seed,
                bool seen[16]) {
  struct block_of made[MAKERS] = {0}, taken[QUEUE] = {0};
  bool valid[MAKERS] = {false};
  const unsigned parts = 64 / width;
  size_t in = 0, out = 0, count[MAKERS] = {0}, drawn = 0;  // blocks taken, and seen at the output
  unsigned part = 0, out_part = 0;
  int maker = -1, read = -1;  // of the block under way; of the part asked for in the cycle before
  uint32_t read_rows[64] = {0};
  uint64_t rng = seed;
  block_reset(b);
  while (out < BLOCKS) {
    uint32_t slots[2] = {0}, used[5] = {0}, waiting = 0, noise[64];
    for (int p = 0; p < MAKERS; p++) {
      if (!valid[p]) {
        draw(&rng, made[p].rows, (unsigned)(drawn % (ROW_BITS + 1)),
             drawn / (ROW_BITS + 1) % 2 != 0);
        made[p].slot = (uint32_t)rng_range(&rng, 0, 255);
        valid[p] = in < BLOCKS && rng_chance(&rng, percent[p]);
        drawn += valid[p];
      }
      waiting |= (uint32_t)valid[p] << p;
      bits_put(slots, 8 * (unsigned)p, 8, made[p].slot);
      bits_put(used, 30 * (unsigned)p, 30, block_used_bits(made[p].rows));
      for (int i = 0; i < 64; i++) noise[i] = (uint32_t)rng_next(&rng);
      block_set(b, rows_port[p], p == read ? read_rows : noise);
    }
    block_set_u64(b, "blk_valid_i", waiting);
    block_set(b, "blk_slot_i", slots);
    block_set(b, "blk_used_i", used);
    block_eval(b);

    // The current block continues; otherwise the lowest waiting maker is next.
    if (maker < 0 && waiting) maker = __builtin_ctz(waiting);
    assert_int_equal(block_get_u64(b, "rd_en_o"), maker < 0 ? 0 : 1u << maker);
    read = maker;
    if (maker >= 0) {
      assert_int_equal(block_get_u64(b, "rd_part_o"), part);
      if (part == 0) {
        taken[in % QUEUE] = made[maker];
        taken[in++ % QUEUE].cycle = block_cycle(b);
        count[maker]++;
      }
      memcpy(read_rows, made[maker].rows + part * width, width * sizeof *read_rows);
      if (++part == parts) {
        part = 0;
        valid[maker] = false;
        maker = -1;
      }
    }

    if (block_get_u64(b, "out_valid_o")) {
      const struct block_of *want = &taken[out % QUEUE];
      struct operand operand;
      uint32_t m[32];
      assert_in_range(out, 0, in - 1);
      block_quant(&operand, (const int32_t *)want->rows);
      seen[operand.e] = true;
      block_get(b, "out_m_o", m);
      assert_int_equal(block_cycle(b), want->cycle + LATENCY + out_part);
      assert_int_equal(block_get_u64(b, "out_slot_o"), want->slot);
      assert_int_equal(block_get_u64(b, "out_part_o"), out_part);
      assert_int_equal(block_get_u64(b, "out_last_o"), out_part == parts - 1);
      assert_int_equal(block_get_u64(b, "out_e_o"), operand.e);
      assert_memory_equal(m, operand.m + out_part * width, width * sizeof *operand.m);
      out_part = (out_part + 1) % parts;
      out += out_part == 0;
    }
    assert_true(block_get_u64(b, "busy_o") || out == in);
    block_clock(b);
  }
  for (int p = 0; p < MAKERS; p++)
    if (percent[0] == 1 && count[p] == 0) fail_msg("maker %d had no turn", p);
}

static void check(const char *name, unsigned width) {
  static const unsigned percent[][MAKERS] = {
      {1, 1, 1, 1, 1},   {20, 20, 20, 20, 20}, {1, 1, 2, 70, 100},
      {0, 0, 0, 0, 100}, {100, 0, 0, 0, 0},
  };
  bool seen[16] = {false};
  struct block *b = block_open(name, 0);
  for (size_t i = 0; i < sizeof percent / sizeof *percent; i++)
    run(b, width, percent[i], 1 + i, seen);
  for (unsigned e = 0; e < 16; e++) assert_true(seen[e]);
  block_close(b);
}

BLOCK_TEST(test_whole, check("block_quant", 64))
BLOCK_TEST(test_narrow, check("block_quant_narrow", 4))

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_whole), cmocka_unit_test(test_narrow)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
