// SPDX-License-Identifier: Apache-2.0
//
// row - one line of the hardware's benchmark: a token of the 124M shape at a context, on a memory
#ifndef GPT2RTL_ROW_H
#define GPT2RTL_ROW_H

#include <stddef.h>
#include <stdint.h>

#include "counters.h"
#include "err.h"

enum { CAUSES = COUNT_WHATS - COUNT_MEMORY };

struct row {
  uint32_t lanes, context;
  const char *parameters;  // of gpt2_top, "": its defaults
  const char *memory;      // a preset; NULL: the default, 150 cycles and a beat a cycle
  uint64_t cycles;
  double floor;           // cycles
  uint64_t idle[CAUSES];  // cycles, from COUNT_MEMORY on
  double estimate;        // cycles, as gpt2rtl estimate gives them
  double rate;            // simulated cycles per second of one core, or 0
};

// Writes an SVG of bars: the share of their DRAM's peak bandwidth that published designs reach,
// measured on boards; the share of the peak that these rows reach with the presets that bound them;
// and, for rows without a preset, the share of the memory floor. Each bar is for 512 positions or
// more, or for the longest context there is. Errors: the file cannot be written.
int plot_write(const char *path, const struct row *rows, size_t n, struct err *err);

#endif
