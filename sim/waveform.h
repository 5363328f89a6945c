// SPDX-License-Identifier: Apache-2.0
//
// waveform - some positions of a run, some modules of the hardware, as a waveform that can be
// opened
//
// A file holds the signals of the requested scopes from the cycle in which the first position
// starts to the one in which the last ends, and nothing else: a token of 124M at gpt2_top's ports
// is megabytes, all signals of all tokens are terabytes. A save file for GTKWave (save_file.h) is
// written beside it.
#ifndef GPT2RTL_WAVEFORM_H
#define GPT2RTL_WAVEFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim.h"

struct waveform_options {
  const char *path;  // of the FST file; the save file has .gtkw in place of .fst
  // Modules, separated by commas: the last part of an instance's path, with or without "u_"
  // (softmax), or more of it (u_attention_core.u_softmax); all instances that match. After a
  // colon, the number of levels of the hierarchy: 1, the default, is the module's own ports and
  // signals; 0 is everything in it.
  const char *scopes;
  bool wide;             // with signals wider than WAVEFORM_WIDE
  uint64_t first, last;  // positions, counted from 0 in the order in which the run computes them
};
// A beat has 512 bits or more. Of everything at gpt2_top's ports, incoming weights would be 98 % of
// the file.
enum { WAVEFORM_WIDE = 256 };

// A signal of the file, as GTKWave names it.
struct waveform_signal {
  char *scope;  // "gpt2_top.u_core"; a colon follows a packed struct's name
  char *name;   // "rows[0] [31:0]"
  unsigned width;
};
struct waveform_signals {
  struct waveform_signal *list;
  size_t n, room;
  bool failed;  // out of memory on the way
};

struct waveform;

// The next run of sim (SIM_WAVEFORM) writes the waveform that options describe; its strings must
// outlive the run. *bytes is about how large the file will be: a simulator of its own computes one
// position, with the waveform on for its first cycles; cycles and bytes of later positions follow
// from it. *waveform lives as long as sim. A simulator writes one waveform. Errors: a module that
// does not exist, with those that do; a path that cannot be written; sim_open's; out of memory. The
// run's: the file cannot be written; the run was over before the first position.
int sim_observe_waveform(struct waveform **waveform, struct sim *sim,
                         const struct waveform_options *options, uint64_t *bytes, struct err *err);

// Whether the file has its name. A run that fails or is aborted leaves one that ends there, if its
// first position was reached.
bool waveform_kept(const struct waveform *waveform);

#endif
