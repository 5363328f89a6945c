// SPDX-License-Identifier: Apache-2.0
//
// multiplier, every form: random numbers and the extremes of both signs against C's multiplication
#include "block.h"

enum { A_BITS = 18, B_BITS = 14, CUT_BITS = 20, FORMS = 8, CYCLES = 20000 };  // multiplier_forms.sv

// The lower bits of x as an unsigned or signed number.
static int64_t number(uint64_t x, unsigned bits, bool is_signed) {
  x &= (1u << bits) - 1;
  return is_signed && x >> (bits - 1) ? (int64_t)x - (1 << bits) : (int64_t)x;
}

static void products(void **state) {
  (void)state;
  struct block *b = block_open("multiplier_forms", 0);
  uint64_t rng = 1;
  uint32_t want[FORMS] = {0}, next[FORMS] = {0}, found[FORMS], want_cut = 0;
  bool known = false, follows = false,
       next_known = false;  // of `next`: what the input registers hold
  for (int i = 0; i < CYCLES; i++) {
    const uint64_t a_bits = (uint64_t)rng_signed(&rng, A_BITS),
                   b_bits = (uint64_t)rng_signed(&rng, B_BITS);
    const bool en = rng_chance(&rng, 70);
    block_set_u64(b, "en_i", en);
    block_set_u64(b, "a_i", a_bits & ((1u << A_BITS) - 1));
    block_set_u64(b, "b_i", b_bits & ((1u << B_BITS) - 1));
    block_clock(b);
    if (follows)
      for (int f = FORMS / 2; f < FORMS; f++) want[f] = next[f];
    known = known || follows;
    follows = en;
    for (int f = 0; en && f < FORMS; f++) {
      const uint32_t product =
          (uint32_t)(number(a_bits, A_BITS, f & 1) * number(b_bits, B_BITS, f & 2));
      if (f < FORMS / 2) want[f] = product;
      else next[f] = product;
      if (f == 0) want_cut = product & ((1u << CUT_BITS) - 1);
    }
    next_known = next_known || en;
    block_get(b, "p_o", found);
    for (int f = 0; f < FORMS; f++)
      if ((f < FORMS / 2 ? next_known : known) && found[f] != want[f])
        fail_msg("cycle %d, form %d: expected %08x, found %08x", i, f, want[f], found[f]);
    if (next_known) assert_int_equal(block_get_u64(b, "cut_o"), want_cut);
  }
  block_close(b);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(products)};
  return cmocka_run_group_tests_name("multiplier", tests, NULL, NULL);
}
