// SPDX-License-Identifier: Apache-2.0
//
// memory - the memory at gpt2_top's port: the image and the KV cache, with a latency, a bandwidth
// and stalls
//
//   reads   bursts are answered in order. A beat comes at least `latency` cycles after its
//           request; at most `beats` beats per cycle come on average; in each cycle, with
//           probability `stall`, none comes
//   writes  one per cycle, with the same stalls; written and acknowledged after `latency` cycles,
//           or after up to four times as many with stalls, so a read that comes too early gets
//           old bytes. With a preset that delivers less than a beat per cycle, a write takes the
//           place of a read beat, because they share the bus
//
// A preset is a real memory, in nanoseconds and bytes per second. The cycles and beats depend on
// the clock and on the bytes in a beat; sim_memory_resolve computes them.
#ifndef GPT2RTL_MEMORY_H
#define GPT2RTL_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct memory_preset {
  const char *name;
  double latency;     // ns from request to first beat
  double peak;        // GB/s (10^9 bytes)
  double efficiency;  // the share of the peak that refresh, opening pages and bus turnarounds leave
  const char *source;
  double clock;  // MHz, of a board whose memory and hardware share a clock; 0: any
};
// All presets; those of boards come last. The list ends with one without a name.
extern const struct memory_preset memory_presets[];

struct sim_memory {
  unsigned latency;                    // cycles, 1 .. 100000
  double beats;                        // 0.001 .. 1 a cycle
  double stall;                        // probability, 0 .. 0.95
  uint64_t seed;                       // of the stalls
  double clock;                        // MHz: for presets
  const struct memory_preset *preset;  // NULL: none; otherwise latency and beats follow from it
};
#define SIM_MEMORY_CLOCK 250.0
#define SIM_MEMORY_DEFAULT \
  ((struct sim_memory){.latency = 150, .beats = 1.0, .seed = 1, .clock = SIM_MEMORY_CLOCK})

// Parses "latency=150,beats=1.0,stall=0.0", also "seed=1". Settings that are not named keep their
// values. A preset's name, as in "ddr4-2400,stall=0.1", gives latency and beats, which then cannot
// be named; a board's preset also sets the clock. Errors: an unknown name; a value outside its
// range.
int sim_memory_parse(struct sim_memory *memory, const char *text, struct err *err);
// Computes a preset's latency and beats at memory->clock and `lanes` bytes per beat, at most 1 beat
// per cycle. Leaves other memories unchanged.
void sim_memory_resolve(struct sim_memory *memory, uint32_t lanes);
// The inverse of parse, as --stats shows it, after a preset's name and clock: "ddr4-2400 at 250
// MHz: latency=25,...".
void sim_memory_print(char text[static 128], const struct sim_memory *memory);

// gpt2_top's memory port, as the Verilated model holds it: bytes for single bits, words otherwise.
struct memory_port {
  const uint8_t *rd_req_valid, *rd_req_len, *rd_rsp_ready, *wr_valid, *wr_strb;
  const uint32_t *rd_req_addr, *wr_addr, *wr_data;
  uint8_t *rd_req_ready, *rd_rsp_valid, *wr_ready, *wr_ack;
  uint32_t *rd_rsp_data;
};

struct memory;

// Makes a memory of n_image read-only beats of `lanes` bytes, followed by n_kv beats of zeros. It
// resolves settings. image must outlive it. Release with memory_destroy, which also accepts NULL.
// Errors: out of memory.
int memory_create(struct memory **memory, const struct sim_memory *settings, const uint8_t *image,
                  uint64_t n_image, uint64_t n_kv, uint32_t lanes, struct err *err);
void memory_destroy(struct memory *memory);
// Changes all settings but the seed from the next cycle on. Outstanding requests are answered as
// before.
void memory_set(struct memory *memory, const struct sim_memory *settings);
void memory_connect(struct memory *memory, const struct memory_port *port);
// The KV cache, n_kv beats.
uint8_t *memory_kv(struct memory *memory);

// Each is called once per cycle, with clk_i low. memory_drive sets the port's inputs before the
// outputs settle. memory_take takes the hardware's transfers after they have settled. It returns
// whether anything moved, or -1 after a read or write outside the image and the KV cache.
void memory_drive(struct memory *memory);
int memory_take(struct memory *memory, struct err *err);
// Draws a stall for ports other than the memory's.
bool memory_stalls(struct memory *memory);

struct memory_counts {
  uint64_t cycles;  // calls of memory_take
  uint64_t beats_read, beats_written;
  unsigned reads_waiting, writes_waiting;
};
struct memory_counts memory_count(const struct memory *memory);

#endif
