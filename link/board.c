// SPDX-License-Identifier: Apache-2.0
#include "board.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "interrupt.h"

enum { MAGIC = 0x64623267, VERSION = 1 };
// Within which the memory must be summed. A simulated board sums 124M's in a minute, or in several
// on a busy machine.
enum { BOARD_SECONDS = 60, SIMULATED_SECONDS = 900 };
static const uint32_t description_at = 0xf0000000u;

static void sleep_for(uint32_t microseconds) {
  const struct timespec t = {.tv_sec = microseconds / 1000000u,
                             .tv_nsec = (long)(microseconds % 1000000u) * 1000};
  nanosleep(&t, NULL);
}

// -------------------------------------------------------------------------------------------- open

static void words_to_name(char name[static 32]) {
  uint8_t bytes[32];
  uint32_t word;
  for (size_t i = 0; i < 8; i++) {
    memcpy(&word, name + 4 * i, 4);
    for (size_t k = 0; k < 4; k++) bytes[4 * i + k] = (uint8_t)(word >> (8 * k));
  }
  memcpy(name, bytes, 32);
  name[31] = 0;
}

static int describe(struct board *b, const char *port, struct err *err) {
  static_assert(sizeof b->about == (30 + 3 * 64) * 4, "the description is words without holes");
  uint32_t words[sizeof b->about / 4];
  if (uartbone_read(b->link, description_at, words, 2, err)) {
    // The board may have an incomplete request, which it drops after a while.
    link_drain(b->link, 0.2);
    if (uartbone_read(b->link, description_at, words, 2, err)) return -1;
  }
  if (words[0] != MAGIC)
    return err_set(err,
                   "%s: the answer is not from a gpt2rtl board: its first word is 0x%08x, expected "
                   "0x%08x; load the bitstream of make board",
                   port, (unsigned)words[0], MAGIC);
  if (words[1] != VERSION)
    return err_set(err,
                   "%s: the board's description has version %u, this program reads %d: load a "
                   "bitstream of the same sources",
                   port, (unsigned)words[1], VERSION);
  if (uartbone_read(b->link, description_at, words, sizeof words / 4, err)) return -1;
  memcpy(&b->about, words, sizeof words);
  words_to_name(b->about.name);
  if (b->about.n_operations > 64)
    return err_set(err, "%s: the board's description has %u operations, expected at most 64", port,
                   (unsigned)b->about.n_operations);
  return 0;
}

int board_open(struct board *b, const char *port, unsigned baud, struct err *err) {
  *b = (struct board){0};
  b->check_seconds = strncmp(port, "tcp:", 4) ? BOARD_SECONDS : SIMULATED_SECONDS;
  if (link_open(&b->link, port, baud, err)) return -1;
  if (!describe(b, port, err)) return 0;
  board_close(b);
  return -1;
}

void board_close(struct board *b) {
  link_close(b->link);
  b->link = NULL;
}

bool board_failed(const struct board *b, struct err *err) {
  if (b->failed.text[0]) *err = b->failed;
  return b->failed.text[0] != 0;
}

// ------------------------------------------------------------------------------------------ memory

static int write_word(struct board *b, uint32_t address, uint32_t value, struct err *err) {
  return uartbone_write(b->link, address, &value, 1, err);
}

enum { PATTERN = 64 };  // words, at the memory's end
static uint32_t pattern_at(const struct board *b) {
  return b->about.memory + b->about.memory_bytes - 4 * PATTERN;
}

// The number of the pattern's words that read correctly in the bytes of one group.
static int matches(struct board *b, const uint32_t *pattern, uint32_t group, unsigned *n,
                   struct err *err) {
  uint32_t words[PATTERN], mask = 0;
  for (uint32_t i = group; i < 4; i += b->about.levelling.bytes) mask |= 0xffu << (8 * i);
  *n = 0;
  if (uartbone_read(b->link, pattern_at(b), words, PATTERN, err)) return -1;
  for (size_t i = 0; i < PATTERN; i++) *n += !((words[i] ^ pattern[i]) & mask);
  return 0;
}

// Sets one byte group's delay and bit slip.
static int set_levels(struct board *b, uint32_t group, uint32_t slip, uint32_t delay,
                      struct err *err) {
  const uint32_t select = b->about.levelling.select;
  if (write_word(b, select, 1u << group, err) ||
      write_word(b, b->about.levelling.delay_reset, 1, err) ||
      write_word(b, b->about.levelling.slip_reset, 1, err))
    return -1;
  for (uint32_t i = 0; i < delay; i++)
    if (write_word(b, b->about.levelling.delay_more, 1, err)) return -1;
  for (uint32_t i = 0; i < slip; i++)
    if (write_word(b, b->about.levelling.slip_more, 1, err)) return -1;
  return write_word(b, select, 0, err);
}

// Reads a pattern with each delay and bit slip, and chooses the middle of the longest run of delays
// that read it correctly.
static int level(struct board *b, struct err *err) {
  uint32_t pattern[PATTERN], x = 42;
  for (size_t i = 0; i < PATTERN; i++) pattern[i] = x = 1664525u * x + 1013904223u;
  if (b->about.levelling.bytes && uartbone_write(b->link, pattern_at(b), pattern, PATTERN, err))
    return -1;
  for (uint32_t group = 0; group < b->about.levelling.bytes; group++) {
    uint32_t best = 0, best_slip = 0, best_delay = 0;
    for (uint32_t slip = 0; slip < b->about.levelling.slips; slip++) {
      uint32_t row = 0;
      for (uint32_t delay = 0; delay < b->about.levelling.delays; delay++) {
        unsigned n;
        if (set_levels(b, group, slip, delay, err) || matches(b, pattern, group, &n, err))
          return -1;
        row = n == PATTERN ? row + 1 : 0;
        if (row <= best) continue;
        best = row;
        best_slip = slip;
        best_delay = delay - row / 2;
      }
    }
    if (!best)
      return err_set(
          err,
          "the memory's byte %u reads wrongly at each of its %u settings: report it with "
          "the board's revision (docs/board.md)",
          (unsigned)group, (unsigned)(b->about.levelling.delays * b->about.levelling.slips));
    if (set_levels(b, group, best_slip, best_delay, err)) return -1;
  }
  return 0;
}

int board_start_memory(struct board *b, bool *done, struct err *err) {
  uint32_t mark;
  *done = false;
  if (uartbone_read(b->link, b->about.mark, &mark, 1, err)) return -1;
  if (mark == MAGIC) return 0;
  for (uint32_t i = 0; i < b->about.n_operations; i++) {
    if (write_word(b, b->about.operations[i].address, b->about.operations[i].value, err)) return -1;
    if (b->about.operations[i].microseconds) {
      // A write has no answer, but the answer to a later read shows that the write is complete.
      if (uartbone_read(b->link, b->about.mark, &mark, 1, err)) return -1;
      sleep_for(b->about.operations[i].microseconds);
    }
  }
  if (level(b, err)) return -1;
  *done = true;
  return write_word(b, b->about.mark, MAGIC, err);
}

void board_sums_add(struct board_sums *sums, const void *bytes, size_t n_words) {
  const uint8_t *at = bytes;
  for (size_t i = 0; i < n_words; i++, at += 4) {
    sums->b += sums->a;
    sums->a += at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
  }
}

static int check_ends(struct board *b, struct err *err) {
  const double begin = clock_now();
  uint32_t busy = 1;
  while (busy) {
    if (uartbone_read(b->link, b->about.check.busy, &busy, 1, err)) return -1;
    if (busy && clock_now() - begin > b->check_seconds)
      return err_set(err, "the board's memory does not answer: it takes longer than %d s to read",
                     b->check_seconds);
    if (busy) sleep_for(10000);
  }
  return 0;
}

int board_sums_read(struct board *b, uint32_t offset, uint32_t n_words, struct board_sums *sums,
                    struct err *err) {
  // An interrupted program may have left a check in progress.
  if (check_ends(b, err) || write_word(b, b->about.check.first, offset / 4, err) ||
      write_word(b, b->about.check.words, n_words, err) ||
      write_word(b, b->about.check.start, 1, err) || check_ends(b, err))
    return -1;
  return uartbone_read(b->link, b->about.check.a, &sums->a, 1, err) ||
                 uartbone_read(b->link, b->about.check.b, &sums->b, 1, err)
             ? -1
             : 0;
}

// ------------------------------------------------------------------------------------------ driver

static uint32_t host_read(void *ctx, uint32_t offset) {
  struct board *b = ctx;
  uint32_t value = 0;
  if (b->failed.text[0] || uartbone_read(b->link, b->about.gpt2 + offset, &value, 1, &b->failed))
    return 0;
  return value;
}

static void host_write(void *ctx, uint32_t offset, uint32_t value) {
  struct board *b = ctx;
  if (!b->failed.text[0]) write_word(b, b->about.gpt2 + offset, value, &b->failed);
}

static int host_memory_write(void *ctx, uint64_t address, const void *bytes, size_t n) {
  struct board *b = ctx;
  const uint8_t *at = bytes;
  uint32_t words[255];
  if (b->failed.text[0] || address % 4 || n % 4) return -1;
  while (n) {
    const size_t part = n < sizeof words ? n : sizeof words;
    for (size_t i = 0; i < part / 4; i++, at += 4)
      words[i] = at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
    if (uartbone_write(b->link, (uint32_t)address, words, part / 4, &b->failed)) return -1;
    address += part;
    n -= part;
  }
  // Writes have no answer, but the answer to a later read shows that all of them are complete.
  return uartbone_read(b->link, b->about.mark, words, 1, &b->failed);
}

static int host_idle(void *ctx) {
  const struct board *b = ctx;
  if (b->failed.text[0] || interrupt_pending()) return 1;
  sleep_for(1000);
  return 0;
}

struct gpt2hw_host board_host(struct board *board) {
  return (struct gpt2hw_host){.ctx = board,
                              .read = host_read,
                              .write = host_write,
                              .memory_write = host_memory_write,
                              .idle = host_idle};
}
