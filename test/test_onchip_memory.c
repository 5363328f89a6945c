// SPDX-License-Identifier: Apache-2.0
//
// onchip_memory: the beats of the bursts come in order from ROM and RAM, whatever is written
// meanwhile
//
// A beat read must be the beat as it was after some number of writes: at least those that were
// acknowledged when it was requested, at most those that were taken when it came. The module is
// built with the parameters below (Makefile).
#include <stdio.h>
#include <string.h>

#include "block.h"

enum {
  LANES = 256,
  WORDS = LANES / 4,
  ROM_BEATS = 77,
  RAM_BEATS = 100,
  BEATS = ROM_BEATS + RAM_BEATS
};
#define ROM_FILE "build/test/onchip_memory.hex"
enum { BURSTS = 600, WRITES = 5000, MAX_READS = BURSTS * 32 };

struct burst {
  uint32_t addr, len;
};
struct write {
  uint32_t addr, data[WORDS], strb[LANES / 32];
};
struct beat {
  uint32_t data[WORDS];
};
static const struct block_field burst_fields[] = {
    BLOCK_FIELD(struct burst, addr, "rd_req_addr_i"),
    BLOCK_FIELD(struct burst, len, "rd_req_len_i"),
};
static const struct block_field write_fields[] = {
    BLOCK_FIELD(struct write, addr, "wr_addr_i"),
    BLOCK_FIELD(struct write, data, "wr_data_i"),
    BLOCK_FIELD(struct write, strb, "wr_strb_i"),
};
static const struct block_field beat_fields[] = {BLOCK_FIELD(struct beat, data, "rd_rsp_data_o")};

static struct beat rom[ROM_BEATS];
static struct burst burst[BURSTS];
static struct write write_[RAM_BEATS + WRITES];

struct asked {
  uint32_t addr;
  size_t acknowledged;
  struct beat then;
};  // then: with the writes acknowledged so far
static struct asked asked[MAX_READS];

struct bench {
  struct block *block;
  struct beat memory[BEATS];  // with the writes acknowledged
  size_t n_asked, n_came, taken, acknowledged;
  size_t n_changed;  // beats that were written between request and answer
  bool ack_due;      // a write was taken in the cycle before, as number taken - 1
  bool waited;       // a beat was offered and not taken in the cycle before
  const struct write *writes;
};

static void apply(struct beat *to, const struct write *w) {
  for (int i = 0; i < LANES; i++)
    if (w->strb[i / 32] >> i % 32 & 1) ((uint8_t *)to->data)[i] = ((const uint8_t *)w->data)[i];
}

static void check_read(struct bench *t, const struct beat *found) {
  const struct asked *a = &asked[t->n_came++];
  struct beat memory = a->then;
  for (size_t i = a->acknowledged;; i++) {
    if (!memcmp(&memory, found, sizeof memory)) break;
    if (i == t->taken)
      fail_msg("read %zu, beat %u: not what memory holds (writes %zu to %zu)", t->n_came - 1,
               a->addr, a->acknowledged, t->taken);
    if (t->writes[i].addr == a->addr) apply(&memory, &t->writes[i]);
  }
  t->n_changed += memcmp(&a->then, found, sizeof memory) != 0;
}

// Just before the clock edge: what moves at it.
static void watch(void *ctx) {
  struct bench *t = ctx;
  struct block *b = t->block;
  const bool ack = block_get_u64(b, "wr_ack_o");
  assert_int_equal(ack, t->ack_due);
  if (ack) {
    const struct write *w = &t->writes[t->acknowledged++];
    apply(&t->memory[w->addr], w);
  }
  const bool valid = block_get_u64(b, "rd_rsp_valid_o"), ready = block_get_u64(b, "rd_rsp_ready_i");
  if (valid && !t->waited) {  // so it was read in the cycle before, when it was not written
    assert_true(t->n_came < t->n_asked);
    if (t->ack_due) assert_int_not_equal(t->writes[t->taken - 1].addr, asked[t->n_came].addr);
  }
  t->waited = valid && !ready;
  if (valid && ready) {
    struct beat found;
    block_get(b, "rd_rsp_data_o", found.data);
    check_read(t, &found);
  }
  t->ack_due = block_get_u64(b, "wr_valid_i") && block_get_u64(b, "wr_ready_o");
  if (t->ack_due) t->taken++;
  if (block_get_u64(b, "rd_req_valid_i") && block_get_u64(b, "rd_req_ready_o")) {
    const uint32_t addr = (uint32_t)block_get_u64(b, "rd_req_addr_i"),
                   len = (uint32_t)block_get_u64(b, "rd_req_len_i");
    for (uint32_t i = 0; i < len; i++)
      asked[t->n_asked++] = (struct asked){addr + i, t->acknowledged, t->memory[addr + i]};
  }
}

static void rom_file(uint64_t *rng) {
  FILE *f = fopen(ROM_FILE, "w");
  assert_non_null(f);
  for (int i = 0; i < ROM_BEATS; i++) {
    for (int w = 0; w < WORDS; w++) rom[i].data[w] = (uint32_t)rng_next(rng);
    for (int w = WORDS - 1; w >= 0; w--) fprintf(f, "%08x", rom[i].data[w]);
    fputc('\n', f);
  }
  assert_int_equal(fclose(f), 0);
}

// Bursts from everywhere, some across the end of the ROM, many short, many from the RAM's first
// beats. Returns the beats.
static size_t make_bursts(uint64_t *rng) {
  size_t total = 0;
  for (int i = 0; i < BURSTS; i++) {
    const uint32_t at = i / 50 % 2 ? ROM_BEATS : (uint32_t)rng_range(rng, 0, BEATS - 1);
    const uint32_t most = BEATS - at < 32 ? BEATS - at : 32;
    burst[i] = (struct burst){at, (uint32_t)(rng_chance(rng, 30) ? 1 : rng_range(rng, 1, most))};
    total += burst[i].len;
  }
  return total;
}

static struct write random_write(uint64_t *rng, uint32_t addr, bool whole) {
  struct write w = {.addr = addr};
  for (int i = 0; i < WORDS; i++) w.data[i] = (uint32_t)rng_next(rng);
  const int kind = (int)rng_range(rng, 0, 2);  // a few bytes, one word (a side word), random
  for (int i = 0; i < LANES / 32; i++)
    w.strb[i] = whole ? UINT32_MAX
                : kind == 0
                    ? (uint32_t)rng_next(rng) & (uint32_t)rng_next(rng) & (uint32_t)rng_next(rng)
                : kind == 1 ? 0
                            : (uint32_t)rng_next(rng);
  if (!whole && kind == 1) bits_put(w.strb, 4 * (unsigned)rng_range(rng, 0, WORDS - 1), 4, 15);
  return w;
}

static void test_reads_and_writes(void **state) {
  (void)state;
  static struct beat got[MAX_READS];
  static struct bench t;
  uint64_t rng = 1;
  rom_file(&rng);
  struct block *b = block_open("onchip_memory", 0);
  for (enum block_stall stall = BLOCK_PLAIN; stall < BLOCK_STALLS; stall++) {
    t = (struct bench){.block = b, .writes = write_};
    memcpy(t.memory, rom, sizeof rom);
    block_reset(b);
    block_stalls(b, stall, 3);
    // First all of the RAM; then reads and writes at once, at times to few beats, so that they
    // meet.
    for (uint32_t i = 0; i < RAM_BEATS; i++) write_[i] = random_write(&rng, ROM_BEATS + i, true);
    block_hooks(b, NULL, watch, &t);
    block_source(b, "wr_valid_i", "wr_ready_o", write_fields, 3, write_, sizeof *write_, RAM_BEATS);
    block_run(b, 100, 5);
    assert_int_equal(t.acknowledged, RAM_BEATS);

    block_reset(b);
    block_stalls(b, stall, 4);
    for (uint32_t i = RAM_BEATS; i < RAM_BEATS + WRITES; i++) {
      const uint32_t few = i / 256 % 2 ? 4 : RAM_BEATS;
      write_[i] = random_write(&rng, ROM_BEATS + (uint32_t)rng_range(&rng, 0, few - 1),
                               rng_chance(&rng, 10));
    }
    const size_t n = make_bursts(&rng);
    block_hooks(b, NULL, watch, &t);
    block_source(b, "rd_req_valid_i", "rd_req_ready_o", burst_fields, 2, burst, sizeof *burst,
                 BURSTS);
    block_source(b, "wr_valid_i", "wr_ready_o", write_fields, 3, write_ + RAM_BEATS, sizeof *write_,
                 WRITES);
    struct block_stream *rsp =
        block_sink(b, "rd_rsp_valid_o", "rd_rsp_ready_i", beat_fields, 1, got, sizeof *got, n);
    block_run(b, 100, 5);
    assert_int_equal(t.n_came, n);
    assert_int_equal(t.acknowledged, RAM_BEATS + WRITES);
    if (t.n_changed < 20)
      fail_msg("only %zu reads met a write (%s)", t.n_changed, block_stall_names[stall]);
    if (stall == BLOCK_PLAIN)
      assert_int_equal(rsp->last_cycle - rsp->first_cycle, n - 1);  // a beat a cycle
  }
  block_close(b);
}

// All beats in one burst; 2 cycles from the request to its first beat.
static void test_latency(void **state) {
  (void)state;
  static struct beat got[RAM_BEATS + ROM_BEATS];
  static struct bench t;
  uint64_t rng = 2;
  rom_file(&rng);
  struct block *b = block_open("onchip_memory", 0);
  t = (struct bench){.block = b, .writes = write_};
  memcpy(t.memory, rom, sizeof rom);
  block_reset(b);
  for (uint32_t i = 0; i < RAM_BEATS; i++) write_[i] = random_write(&rng, BEATS - 1 - i, true);
  block_hooks(b, NULL, watch, &t);
  block_source(b, "wr_valid_i", "wr_ready_o", write_fields, 3, write_, sizeof *write_, RAM_BEATS);
  block_run(b, 100, 5);
  block_reset(b);
  block_hooks(b, NULL, watch, &t);
  burst[0] = (struct burst){0, BEATS};
  struct block_stream *req =
      block_source(b, "rd_req_valid_i", "rd_req_ready_o", burst_fields, 2, burst, sizeof *burst, 1);
  struct block_stream *rsp =
      block_sink(b, "rd_rsp_valid_o", "rd_rsp_ready_i", beat_fields, 1, got, sizeof *got, BEATS);
  block_run(b, 100, 5);
  assert_int_equal(rsp->first_cycle - req->first_cycle, 2);
  assert_int_equal(rsp->last_cycle - rsp->first_cycle, BEATS - 1);
  assert_memory_equal(got, t.memory, sizeof got);
  block_close(b);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_reads_and_writes),
                                     cmocka_unit_test(test_latency)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
