// SPDX-License-Identifier: Apache-2.0
//
// waveform - some positions of a run, some modules of the hardware, as a waveform that can be
// opened
//
// A file holds the signals of the scopes asked for from the cycle in which the first position
// starts to the one in which the last ends, and nothing else: a token of 124M at gpt2_top's ports
// is megabytes, all signals of all tokens are terabytes. A save file for GTKWave (save_file.h) is
// written beside it.
#ifndef GPT2RTL_WAVEFORM_H
#define GPT2RTL_WAVEFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "verilated_block.h"

struct sim_trace {
  const char *path;  // of the FST file; the save file has .gtkw in place of .fst
  // Modules, commas between: the last part of an instance's path with or without "u_" (softmax), or
  // more of it (u_attention_core.u_row_collect); all instances that fit. Behind a colon how many
  // levels of the hierarchy: 1, the default, is the module's own ports and signals; 0 everything in
  // it.
  const char *scopes;
  bool wide;             // with signals wider than WAVEFORM_WIDE
  uint64_t first, last;  // positions, counted from 0 in the order in which the run computes them
};
// A beat has 512 bits and more: of all that happens at gpt2_top's ports, the weights coming in are
// 98 % of the file.
enum { WAVEFORM_WIDE = 256 };

// A signal of the file as GTKWave knows it.
struct waveform_signal {
  char *scope;  // "gpt2_top.u_core"; behind a packed struct's name is a colon
  char *name;   // "rows[0] [31:0]"
  unsigned width;
};
struct waveform_signals {
  struct waveform_signal *list;
  size_t n, room;
  bool failed;  // out of memory on the way
};

struct waveform;

// For instance, a build with waveforms in reset. Writes a file without values for a moment, to
// learn which signals there are. trial: 0, or after so many cycles the file is measured and
// removed. Errors: a module that is not there, with those that are; a path that cannot be written;
// out of memory.
int waveform_create(struct waveform **waveform, const struct verilated_block *code, void *instance,
                    const struct sim_trace *trace, uint64_t trial, struct err *err);
// Drops what is half written. Takes NULL.
void waveform_destroy(struct waveform *waveform);

// Bytes a cycle of a trial that is over.
double waveform_rate(const struct waveform *waveform);

// In each cycle with settled outputs: whether a position starts or ends in it. Errors: the file
// cannot be written.
int waveform_cycle(struct waveform *waveform, bool start, bool end, struct err *err);
// Behind a run that failed or was interrupted: closes what there is until then, under its name, if
// its first position was reached.
void waveform_keep(struct waveform *waveform);
bool waveform_kept(const struct waveform *waveform);  // the file has its name
// Behind a run. Errors: the run was over before the first position; the save file cannot be
// written.
int waveform_finish(struct waveform *waveform, struct err *err);

#endif
