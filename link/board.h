// SPDX-License-Identifier: Apache-2.0
//
// board - a board with gpt2_axi (boards/soc.py) at the other end of a link: its description, its
// memory, and the driver's access to the hardware (driver/gpt2hw.h)
#ifndef GPT2RTL_BOARD_H
#define GPT2RTL_BOARD_H

#include <stdbool.h>
#include <stdint.h>

#include "gpt2hw.h"
#include "uartbone.h"

// The board's description: 32-bit words in this order, from the ROM at 0xf0000000.
struct board_description {
  uint32_t magic, version;
  char name[32];                  // ends with zeros
  uint32_t clock;                 // Hz
  uint32_t memory, memory_bytes;  // address and size, as the bus and gpt2_axi see it
  uint32_t gpt2;                  // address of gpt2_axi's registers
  uint32_t mark;                  // address of a word that is 0 until the memory is initialised
  struct {
    uint32_t first, words, start, busy, a, b;
  } check;  // addresses of the memory check's registers
  struct {
    uint32_t bytes, delays, slips;
    uint32_t select, delay_reset, delay_more, slip_reset, slip_more;
  } levelling;  // of DDR3's reads: the number of each (0 for other memory), and addresses
  uint32_t n_operations;
  struct {
    uint32_t address, value, microseconds;
  } operations[64];  // register writes that initialise the memory, and the time to wait after each
};

struct board {
  struct board_description about;
  struct link *link;
  int check_seconds;  // after which a memory that is not summed counts as broken
  struct err failed;  // the link's first failure, "" if there is none
};

// Opens the link and reads the description. Release with board_close, which also accepts a zeroed
// board. Errors: the link's; no answer; the answer is not a board's, or has another version.
int board_open(struct board *board, const char *port, unsigned baud, struct err *err);
void board_close(struct board *board);

// Initialises the memory, unless that has been done since the board's reset. *done says whether it
// was done now. Errors: the link's; DDR3: no setting reads back what was written.
int board_start_memory(struct board *board, bool *done, struct err *err);

// A checksum that the board computes over its memory and the host over a file. Words are 4 bytes,
// little-endian. For each word, b += a, then a += word. Zero it first.
struct board_sums {
  uint32_t a, b;
};
// Adds n_words words of the host's.
void board_sums_add(struct board_sums *sums, const void *bytes, size_t n_words);
// Has the board sum n_words words from byte `offset` of its memory. Errors: the link's; no answer
// in time.
int board_sums_read(struct board *board, uint32_t offset, uint32_t n_words, struct board_sums *sums,
                    struct err *err);

// The host for the driver. After a failure of the link, registers read as 0. idle sleeps for a
// millisecond; it ends the wait after a failure or a signal (interrupt.h).
struct gpt2hw_host board_host(struct board *board);
// Whether the link has failed; if so, err says how.
bool board_failed(const struct board *board, struct err *err);

#endif
