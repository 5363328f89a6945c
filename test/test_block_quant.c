// SPDX-License-Identifier: Apache-2.0
//
// block_quant: blocks equal to block_quant() for rows of all sizes, the exponent's edges and the
// carry into 2^15 included
#include "block.h"
#include "golden.h"

struct in {
  uint32_t slot, rows[64];
};
struct out {
  uint32_t slot, operand[PKG_OPERAND_WORDS];
};
static const struct block_field in_fields[] = {
    BLOCK_FIELD(struct in, slot, "in_slot_i"),
    BLOCK_FIELD(struct in, rows, "in_rows_i"),
};
static const struct block_field out_fields[] = {
    BLOCK_FIELD(struct out, slot, "out_slot_o"),
    BLOCK_FIELD(struct out, operand, "out_operand_o"),
};
enum { N = 5000, LATENCY = 3 };

// Rows of up to `bits` bits; edge: one of them is the greatest or least number of that many bits,
// or differs from it by one.
static void draw(uint64_t *rng, int32_t row[64], unsigned bits, bool edge) {
  for (unsigned i = 0; i < 64; i++) row[i] = (int32_t)rng_signed(rng, bits);
  if (!edge || bits == 0) return;
  int64_t top = ((int64_t)1 << (bits - 1)) - 1, x = rng_chance(rng, 50) ? top : -top - 1;
  x += rng_range(rng, -1, 1);
  row[rng_range(rng, 0, 63)] = (int32_t)(x > ROW_MAX        ? ROW_MAX
                                         : x < -ROW_MAX - 1 ? -ROW_MAX - 1
                                                            : x);
}

static void test_blocks(void **state) {
  (void)state;
  static struct in in[N];
  static struct out want[N], got[N];
  bool seen[16] = {false};
  struct block *b = block_open("block_quant", 0);
  for (enum block_stall stall = BLOCK_PLAIN; stall < BLOCK_STALLS; stall++) {
    uint64_t rng = 1 + stall;
    for (unsigned i = 0; i < N; i++) {
      int32_t row[64];
      struct operand operand;
      draw(&rng, row, i % (ROW_BITS + 1), i / (ROW_BITS + 1) % 2);
      block_quant(&operand, row);
      seen[operand.e] = true;
      memset(&want[i], 0, sizeof want[i]);
      memcpy(in[i].rows, row, sizeof row);
      in[i].slot = want[i].slot = (uint32_t)rng_range(&rng, 0, 255);
      pkg_operand_pack(want[i].operand, operand.m, operand.e);
    }
    block_reset(b);
    block_stalls(b, stall, 7);
    struct block_stream *source =
        block_source(b, "in_valid_i", NULL, in_fields, 2, in, sizeof *in, N);
    struct block_stream *sink =
        block_sink(b, "out_valid_o", NULL, out_fields, 2, got, sizeof *got, N);
    block_run(b, 100, 20);
    block_expect(sink, want, N);
    assert_int_equal(sink->first_cycle - source->first_cycle, LATENCY);
    assert_int_equal(sink->last_cycle - source->last_cycle, LATENCY);
  }
  for (unsigned e = 0; e < 16; e++) assert_true(seen[e]);
  block_close(b);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_blocks)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
