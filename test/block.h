// SPDX-License-Identifier: Apache-2.0
//
// block - driving one Verilated module from a cmocka test: ports by name, clock, streams under
// random stalls
//
// block_open("softmax", 4) loads build/block/softmax_s4.so: the module with Segments = 4. A module
// without that parameter is opened with 0: build/block/rsqrt_s0.so. `make build/test/test_softmax`
// builds the .so files too (Makefile, "Block tests"). A wide port is an array of 32-bit words,
// least significant first; packed structs: sim/gpt2_pkg.h. Every error (no such port, a failed
// assertion of the RTL, a run that does not end) fails the test with a message. The working
// directory is the project's root.
#ifndef GPT2RTL_BLOCK_H
#define GPT2RTL_BLOCK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gpt2_pkg.h"

// ---------------------------------------------------------------------------------- random numbers

// xorshift64*; *state must not be 0. The same numbers on every machine.
uint64_t rng_next(uint64_t *state);
int64_t rng_range(uint64_t *state, int64_t low, int64_t high);  // low <= result <= high
bool rng_chance(uint64_t *state, unsigned percent);
// A signed number of random length, 0 to `bits` bits: small and large ones are equally likely, and
// so are the two extremes.
int64_t rng_signed(uint64_t *state, unsigned bits);

// ------------------------------------------------------------------------------------------ module

struct block;

// The module at rest, clk_i low and all inputs 0. Release with block_close.
// With BLOCK_TRACE=file.fst in the environment the waveform is written (make TRACE=1 builds for
// it).
struct block *block_open(const char *module, unsigned segments);
void block_close(struct block *b);

// All inputs 0, no streams, rst_ni (and mem_rst_ni) low for three cycles, then high.
void block_reset(struct block *b);

unsigned block_width(struct block *b, const char *port);                   // bits
void block_set(struct block *b, const char *port, const uint32_t *words);  // all its words
void block_get(struct block *b, const char *port, uint32_t *words);
void block_set_u64(struct block *b, const char *port, uint64_t value);  // ports of up to 64 bits
uint64_t block_get_u64(struct block *b, const char *port);
int64_t block_get_s64(struct block *b, const char *port);  // two's complement

// Lets combinational outputs follow the inputs; then one rising edge of clk_i. Inputs change
// between edges.
void block_eval(struct block *b);
void block_clock(struct block *b);
uint64_t block_cycle(const struct block *b);  // rising edges since block_open

// ----------------------------------------------------------------------------------------- streams

// What the random stalls affect: nothing; the sources, which pause; the sinks, which are not ready;
// both.
enum block_stall { BLOCK_PLAIN, BLOCK_IDLE, BLOCK_BACK_PRESSURE, BLOCK_BOTH, BLOCK_STALLS };
extern const char *const block_stall_names[BLOCK_STALLS];
// For the streams from now on, until block_reset (which leaves BLOCK_PLAIN).
void block_stalls(struct block *b, enum block_stall stall, uint64_t seed);

// One port of a stream's payload and where its words are in an item, a C struct: BLOCK_FIELD(struct
// item, rows, "in_rows_i"). The member is uint32_t or an array of them, as many words as the port
// has (a shorter member is refused).
struct block_field {
  const char *port;
  size_t offset, bytes;
};
#define BLOCK_FIELD(type, member, name) \
  { (name), offsetof(type, member), sizeof(((type *)0)->member) }

struct block_stream {
  size_t done;  // items passed so far
  bool hold;    // set by the test to stop the stream from the next cycle on
  unsigned
      idle_percent;    // how often it pauses (source) or is not ready (sink); set by block_stalls
  unsigned max_pause;  // the most cycles it pauses in a row; 0 (as at first): no limit
  uint64_t first_cycle, last_cycle;  // of the transfers so far
  // The rest belongs to block.c.
  struct block *block;
  const char *valid, *ready;
  const struct block_field *fields;
  size_t n_fields, item_bytes, n;
  unsigned char *items;
  bool source, offered, moved;
  unsigned paused;
};

// Feeds items[0 .. n-1]; ready is NULL if the port has none ("rigid"). While valid is low the
// payload is noise. items and fields belong to the caller and must live as long as the stream; the
// stream lives until block_reset.
struct block_stream *block_source(struct block *b, const char *valid, const char *ready,
                                  const struct block_field *fields, size_t n_fields,
                                  const void *items, size_t item_bytes, size_t n);
// Collects n items into items; one more than n fails. ready NULL: rigid. While valid is high and
// ready low the payload must not change.
struct block_stream *block_sink(struct block *b, const char *valid, const char *ready,
                                const struct block_field *fields, size_t n_fields, void *items,
                                size_t item_bytes, size_t n);

// Blocks of 64 rows as a unit of `width` rows a cycle gives them: n items become n * 64 / width,
// and back. Their first member is uint32_t rows[64]; a part has its rows in front, and all other
// members of its block.
void block_split(void *parts, const void *items, size_t item_bytes, size_t n, unsigned width);
void block_join(void *items, const void *parts, size_t item_bytes, size_t n, unsigned width);

// The bits that the largest of 64 rows needs: the OR of row ^ sign(row), as block_gather keeps it.
uint32_t block_used_bits(const uint32_t rows[64]);

// The label of a job's beat, as weight_stream makes it.
struct pkg_label block_label(const struct pkg_job *j, bool side, uint32_t group, uint32_t block);

// Called in each cycle of block_run: before, when the streams have set their ports and the inputs
// may still be set; after, when outputs have followed and before the clock edge. NULL for none.
// Both stay until block_reset.
void block_hooks(struct block *b, void (*before)(void *ctx), void (*after)(void *ctx), void *ctx);

// One cycle of everything: streams, hooks, clock edge.
void block_step(struct block *b);
// Steps until all streams have moved all their items, then `extra` cycles more, in which no item
// may come. Fails after `limit` cycles in which no item moved, and reports how far each stream is.
void block_run(struct block *b, unsigned limit, unsigned extra);

// Fails unless the n items equal want's in every field; reports item, field, word, expected and
// found.
void block_expect(const struct block_stream *sink, const void *want, size_t n);

// ------------------------------------------------------------------------------------------- tests

// Items of a stream: the ports of an item, and an array of n items.
struct block_items {
  const struct block_field *fields;
  size_t n_fields, item_bytes;
  const void *items;
};
#define BLOCK_ITEMS(fields, items) \
  ((struct block_items){(fields), sizeof(fields) / sizeof *(fields), sizeof *(items), (items)})

// Feeds n items through a module that gives one item for each, `latency` cycles later, by the rigid
// streams in_valid_i and out_valid_o; fails unless all of that is so and the items are want's.
void block_pipeline(struct block *b, enum block_stall stall, struct block_items in,
                    struct block_items want, size_t n, unsigned latency);

// Defines test NAME, which makes one call: BLOCK_TEST(test_4, check("softmax", 4))
#define BLOCK_TEST(name, call)     \
  static void name(void **state) { \
    (void)state;                   \
    call;                          \
  }

// A main for tests test_1, test_4, test_16 and test_64, up to test_most: check with that many
// segments. Returns its exit status.
int block_test_segments(void (*check)(unsigned segments), unsigned most);

#endif
