// SPDX-License-Identifier: Apache-2.0
//
// clock_gate: a pulse of clk_o in each cycle with wake or hold and in the Linger cycles after it,
// and none in others
#include <stdio.h>

#include "block.h"

enum { LINGER = 5, CYCLES = 20000 };  // LINGER: the Makefile's parameters

static void pulses(void **state) {
  (void)state;
  struct block *b = block_open("clock_gate", 0);
  uint64_t rng = 1;
  unsigned left = 0, ran = 0, percent = 50;
  block_reset(b);
  for (int i = 0; i < CYCLES; i++) {
    if (i % 200 == 0) percent = (unsigned)rng_range(&rng, 0, 30);
    const bool wake = rng_chance(&rng, percent / 2), hold = rng_chance(&rng, percent / 2);
    const bool runs = wake || hold || left != 0;
    block_set_u64(b, "wake_i", wake);
    block_set_u64(b, "hold_i", hold);
    block_eval(b);
    assert_int_equal(block_get_u64(b, "clk_o"), 0);  // low with clk_i
    block_clock(b);
    if (block_get_u64(b, "clk_o") != runs)
      fail_msg("cycle %d: wake %d, hold %d, %u cycles left: expected %s", i, wake, hold, left,
               runs ? "a pulse" : "no pulse");
    left = wake || hold ? LINGER : left ? left - 1 : 0;
    ran += runs;
  }
  print_message("%u of %d cycles ran\n", ran, CYCLES);
  assert_in_range(ran, CYCLES / 4, CYCLES - CYCLES / 8);
  block_close(b);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(pulses)};
  return cmocka_run_group_tests_name("clock_gate", tests, NULL, NULL);
}
