// SPDX-License-Identifier: Apache-2.0
//
// fifo, both forms: random words in and out against a ring in C; every cycle's ready, valid, count
// and word
#include "block.h"

enum { WIDTH = 72, WORDS = 3, DEPTH = 8, CYCLES = 40000 };  // the Makefile's parameters

static void random_word(uint64_t *rng, uint32_t word[WORDS]) {
  for (int i = 0; i < WORDS; i++) word[i] = (uint32_t)rng_next(rng);
  word[WORDS - 1] &= (1u << (WIDTH - 32 * (WORDS - 1))) - 1;
}

static void expect_word(struct block *b, int cycle, const uint32_t want[WORDS]) {
  uint32_t found[WORDS];
  block_get(b, "rd_data_o", found);
  for (int i = 0; i < WORDS; i++)
    if (found[i] != want[i])
      fail_msg("cycle %d, bits %d..: expected %08x, found %08x", cycle, 32 * i, want[i], found[i]);
}

static void expect(struct block *b, int cycle, const char *port, uint64_t want) {
  const uint64_t found = block_get_u64(b, port);
  if (found != want)
    fail_msg("cycle %d: %s expected %d, found %d", cycle, port, (int)want, (int)found);
}

static void words(const char *module, bool registered) {
  struct block *b = block_open(module, 0);
  uint32_t ring[DEPTH][WORDS], last[WORDS], word[WORDS];
  unsigned in = 0, out = 0, fulls = 0, empties = 0;
  uint64_t rng = 1;
  unsigned wr_percent = 50, rd_percent = 50;
  bool has_last = false;
  block_reset(b);
  for (int i = 0; i < CYCLES; i++) {
    if (i % 100 == 0) {  // phases that fill it, empty it, keep it busy
      wr_percent = (unsigned)rng_range(&rng, 0, 100);
      rd_percent = (unsigned)rng_range(&rng, 0, 100);
    }
    const bool reset = rng_chance(&rng, 1) && rng_chance(&rng, 10);
    const bool wr = rng_chance(&rng, wr_percent), rd = rng_chance(&rng, rd_percent);
    random_word(&rng, word);
    block_set_u64(b, "rst_ni", !reset);
    block_set_u64(b, "wr_valid_i", wr);
    block_set(b, "wr_data_i", word);
    block_set_u64(b, "rd_ready_i", rd);
    block_eval(b);
    expect(b, i, "wr_ready_o", in - out < DEPTH);
    expect(b, i, "rd_valid_o", in != out);
    expect(b, i, "count_o", in - out);
    if (!registered && in != out) expect_word(b, i, ring[out % DEPTH]);
    if (registered && has_last) expect_word(b, i, last);
    fulls += in - out == DEPTH;
    empties += in == out;
    const bool push = wr && in - out < DEPTH, pop = rd && in != out;
    if (pop && !reset) {
      memcpy(last, ring[out % DEPTH], sizeof last);
      has_last = true;
    } else if (pop) {
      has_last = false;  // reset: whether the memory was read is not defined
    }
    if (push) memcpy(ring[in % DEPTH], word, sizeof word);
    in += push;
    out += pop;
    if (reset) in = out = 0;
    block_clock(b);
  }
  print_message("full in %u cycles, empty in %u\n", fulls, empties);
  assert_in_range(fulls, CYCLES / 50, CYCLES);
  assert_in_range(empties, CYCLES / 50, CYCLES);
  block_close(b);
}

static void shown_ahead(void **state) {
  (void)state;
  words("fifo", false);
}

static void registered(void **state) {
  (void)state;
  words("fifo_registered", true);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(shown_ahead), cmocka_unit_test(registered)};
  return cmocka_run_group_tests_name("fifo", tests, NULL, NULL);
}
