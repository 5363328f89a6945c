// SPDX-License-Identifier: Apache-2.0
//
// ram_1r1w: random writes by parts and reads; a word that is read while it is written is garbage
#include "block.h"

enum { WIDTH = 40, DEPTH = 24, PARTS = 5, CYCLES = 20000 };  // the Makefile's parameters

static void words(void **state) {
  (void)state;
  struct block *b = block_open("ram_1r1w", 0);
  uint64_t mem[DEPTH], want = 0, rng = 1;
  bool known = false;
  unsigned collisions = 0;
  for (unsigned i = 0; i < DEPTH; i++) {  // nothing is known of it before
    mem[i] = rng_next(&rng) >> (64 - WIDTH);
    block_set_u64(b, "wr_en_i", 1);
    block_set_u64(b, "wr_addr_i", i);
    block_set_u64(b, "wr_strb_i", (1u << PARTS) - 1);
    block_set_u64(b, "wr_data_i", mem[i]);
    block_clock(b);
  }
  for (int i = 0; i < CYCLES; i++) {
    const bool wr = rng_chance(&rng, 50), rd = rng_chance(&rng, 50);
    const unsigned wr_addr = (unsigned)rng_range(&rng, 0, DEPTH - 1);
    const unsigned rd_addr = (unsigned)rng_range(&rng, 0, DEPTH - 1);
    const unsigned strobes = (unsigned)rng_range(&rng, 0, (1 << PARTS) - 1);
    const uint64_t data = rng_next(&rng) >> (64 - WIDTH);
    block_set_u64(b, "wr_en_i", wr);
    block_set_u64(b, "wr_addr_i", wr_addr);
    block_set_u64(b, "wr_strb_i", strobes);
    block_set_u64(b, "wr_data_i", data);
    block_set_u64(b, "rd_en_i", rd);
    block_set_u64(b, "rd_addr_i", rd_addr);
    const bool collides = wr && rd && strobes && wr_addr == rd_addr;
    if (rd) want = mem[rd_addr];
    if (rd) known = !collides;
    for (unsigned p = 0; wr && p < PARTS; p++)
      if (strobes >> p & 1)
        mem[wr_addr] = (mem[wr_addr] & ~(0xffull << 8 * p)) | (data & 0xffull << 8 * p);
    block_clock(b);
    const uint64_t found = block_get_u64(b, "rd_data_o");
    if (collides) {  // neither the old word nor the new one
      collisions++;
      if (found == want || found == mem[wr_addr]) fail_msg("cycle %d: no garbage", i);
    }
    if (known && found != want)
      fail_msg("cycle %d, word %u: expected %010llx, found %010llx", i, rd_addr,
               (unsigned long long)want, (unsigned long long)found);
  }
  print_message("%u words were read while they were written\n", collisions);
  assert_in_range(collisions, 50, CYCLES);
  block_close(b);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(words)};
  return cmocka_run_group_tests_name("ram_1r1w", tests, NULL, NULL);
}
