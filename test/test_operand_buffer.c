// SPDX-License-Identifier: Apache-2.0
//
// operand_buffer: the slot asked about is full from the cycle after its block's last part came
// until it is read for the last time; what is read is what was written; a write, a read and a
// question every cycle
//
// operand_buffer_narrow is operand_buffer with Width = 4, operand_buffer_folded with Width = 4 and
// Folding = 4, operand_buffer_steps with Width = 64 and Folding = 4 (Makefile).
#include <string.h>

#include "block.h"
#include "golden.h"

enum { SLOTS = PKG_SLOT_COUNT(MAX_HEADS, MAX_CTX), CYCLES = 30000 };

struct slot {
  bool full;
  uint32_t words[PKG_OPERAND_WORDS];
};
struct bench {
  struct block *block;
  struct slot slots[SLOTS];
  uint32_t write_percent, read_percent, free_percent;
  uint64_t rng, reads;
  unsigned width, part;  // numbers a write; the next part of the current block
  unsigned folding;      // steps in which a block is read
  unsigned to, from;     // that block's slot; the slot asked about
  uint32_t words[PKG_OPERAND_WORDS];
};

static unsigned any(struct bench *t) { return (unsigned)rng_range(&t->rng, 0, SLOTS - 1); }

static void noise(struct bench *t, uint32_t *words) {
  for (int i = 0; i < PKG_OPERAND_WORDS; i++) words[i] = (uint32_t)rng_next(&t->rng);
  words[PKG_OPERAND_WORDS - 1] &= 15;
}

// Whether the slot asked about is full.
static bool full(struct bench *t) {
  block_eval(t->block);
  return block_get_u64(t->block, "full_o");
}

static void ask(struct bench *t, bool next, unsigned slot) {
  block_set_u64(t->block, "next_en_i", next);
  block_set_u64(t->block, "next_slot_i", slot);
  if (next) t->from = slot;
}

// Asks about a slot in a cycle without anything else.
static bool full_slot(struct bench *t, unsigned slot) {
  block_set_u64(t->block, "wr_valid_i", 0);
  block_set_u64(t->block, "rd_en_i", 0);
  ask(t, true, slot);
  block_clock(t->block);
  ask(t, false, 0);
  return full(t);
}

// Sets the ports for a part of an operand.
static void put(struct bench *t, bool write, unsigned slot, const uint32_t *words, unsigned part) {
  struct block *b = t->block;
  block_set_u64(b, "wr_valid_i", write);
  block_set_u64(b, "wr_slot_i", slot);
  block_set_u64(b, "wr_part_i", part);
  block_set_u64(b, "wr_last_i", part == 64 / t->width - 1);
  block_set_u64(b, "wr_e_i", words[PKG_OPERAND_WORDS - 1] & 15);
  block_set(b, "wr_m_i", words + part * t->width / 2);
}

// Compares what is read with that step of a block.
static void expect_operand(struct bench *t, unsigned step, const uint32_t *words) {
  const unsigned n = 32 / t->folding;  // words of two numbers
  uint32_t found[PKG_OPERAND_WORDS];
  block_get(t->block, "operand_o", found);
  assert_memory_equal(found, words + step * n, n * sizeof *found);
  assert_int_equal(found[PKG_OPERAND_WORDS - 1] & 15, words[PKG_OPERAND_WORDS - 1]);
}

// One cycle: perhaps a part for an empty slot, perhaps a read of a full one.
static void cycle(struct bench *t) {
  struct block *b = t->block;
  const unsigned step = (unsigned)rng_range(&t->rng, 0, t->folding - 1);
  if (t->part == 0) t->to = any(t);
  const unsigned from = t->from, part = t->part;
  const bool write = !t->slots[t->to].full && rng_chance(&t->rng, t->write_percent);
  const bool read = t->slots[from].full && rng_chance(&t->rng, t->read_percent),
             free = rng_chance(&t->rng, t->free_percent);
  if (part == 0) noise(t, t->words);
  put(t, write, t->to, t->words, part);
  block_set_u64(b, "rd_en_i", read);
  block_set_u64(b, "free_i", free);
  block_set_u64(b, "step_i", step);
  assert_int_equal(full(t), t->slots[from].full);
  // Often the same slot again, or the one that is being filled.
  ask(t, rng_chance(&t->rng, 80),
      rng_chance(&t->rng, 20)   ? from
      : rng_chance(&t->rng, 20) ? t->to
                                : any(t));
  block_clock(b);
  if (read) {
    t->reads++;
    expect_operand(t, step, t->slots[from].words);
    t->slots[from].full = !free;
  }
  if (write) t->part = (part + 1) % (64 / t->width);
  if (write && t->part == 0) {
    t->slots[t->to].full = true;
    memcpy(t->slots[t->to].words, t->words, sizeof t->words);
  }
}

static void slots(const char *name, unsigned width, unsigned folding) {
  static struct bench t;
  struct block *b = block_open(name, 0);
  // Mostly empty, half full, mostly full.
  static const uint32_t percent[][3] = {{30, 100, 90}, {100, 100, 50}, {100, 60, 10}};
  for (int i = 0; i < 3; i++) {
    t = (struct bench){.block = b,
                       .width = width,
                       .folding = folding,
                       .rng = 1 + (uint64_t)i,
                       .write_percent = percent[i][0],
                       .read_percent = percent[i][1],
                       .free_percent = percent[i][2]};
    block_reset(b);
    for (unsigned slot = 0; slot < SLOTS; slot++) assert_false(full_slot(&t, slot));
    for (int c = 0; c < CYCLES; c++) {
      cycle(&t);
      if (c % 1000 == 0)
        for (unsigned slot = 0; slot < SLOTS; slot++)
          assert_int_equal(full_slot(&t, slot), t.slots[slot].full);
    }
    assert_true(t.reads > CYCLES / (width == 64 ? 20 : 200));
  }
  block_close(b);
}

static void test_slots(void **state) {
  (void)state;
  slots("operand_buffer", 64, 1);
  slots("operand_buffer_narrow", 4, 1);
  slots("operand_buffer_folded", 4, 4);
  slots("operand_buffer_steps", 64, 4);
}

// One slot, filled and read for the last time again and again: full the cycle after the last part,
// empty the cycle after the read.
static void turns(const char *name, unsigned width, unsigned folding) {
  struct block *b = block_open(name, 0);
  block_reset(b);
  static struct bench t;
  t = (struct bench){.block = b, .rng = 5, .width = width, .folding = folding};
  for (unsigned slot = 0; slot < SLOTS; slot++) {
    uint32_t words[2][PKG_OPERAND_WORDS];
    for (int turn = 0; turn < 2; turn++) {
      noise(&t, words[turn]);
      assert_false(full_slot(&t, slot));
      for (unsigned part = 0; part < 64 / width; part++) {
        put(&t, true, slot, words[turn], part);
        assert_false(full(&t));
        block_clock(b);
      }
      block_set_u64(b, "wr_valid_i", 0);
      for (unsigned reads = 0; reads < 4; reads++) {
        assert_true(full(&t));
        block_set_u64(b, "rd_en_i", 1);
        block_set_u64(b, "free_i", reads == 3);
        block_set_u64(b, "step_i", reads % folding);
        block_clock(b);
        expect_operand(&t, reads % folding, words[turn]);
      }
    }
  }
  block_close(b);
}

static void test_turns(void **state) {
  (void)state;
  turns("operand_buffer", 64, 1);
  turns("operand_buffer_narrow", 4, 1);
  turns("operand_buffer_folded", 4, 4);
  turns("operand_buffer_steps", 64, 4);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_slots), cmocka_unit_test(test_turns)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
