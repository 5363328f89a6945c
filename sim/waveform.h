// SPDX-License-Identifier: Apache-2.0
//
// waveform - writes a waveform of some positions of a run and some modules of the hardware
//
// A file holds only the signals of the requested scopes, from the cycle in which the first position
// starts to the one in which the last position ends. A token of 124M at gpt2_top's ports takes
// megabytes; all signals of all tokens would take terabytes. A save file for GTKWave (save_file.h)
// is written too.
#ifndef GPT2RTL_WAVEFORM_H
#define GPT2RTL_WAVEFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim.h"

struct waveform_options {
  const char *path;  // of the FST file; the save file has .gtkw in place of .fst
  // Modules, separated by commas. A module is the last part of an instance's path, with or without
  // "u_" (softmax), or more of the path (u_attention_core.u_softmax), and stands for all instances
  // that match. A colon and a number of levels may follow: 1, the default, is the module's own
  // ports and signals; 0 is everything in it.
  const char *scopes;
  bool wide;  // include signals wider than WAVEFORM_WIDE
  // Positions, counted from 0 in the order in which the run computes them. Those that run together
  // with `last` are in the file too.
  uint64_t first, last;
};
// A beat has 512 bits or more. With weights, 98 % of a file of gpt2_top's ports would be weights.
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
  bool failed;  // there was no memory for all of them
};

struct waveform;

// Makes the next run of sim (SIM_WAVEFORM) write the waveform that options describe. Its strings
// must outlive the run. *bytes receives an estimate of the file's size: a second simulator computes
// one position, with the waveform on for its first cycles, from which the later positions are
// extrapolated. *waveform lives as long as sim. A simulator writes one waveform.
// Errors: a module does not exist (the text lists those that do); the path cannot be written;
// sim_open's; out of memory. Errors of the run: the file cannot be written; the run ended before
// the first position.
int sim_observe_waveform(struct waveform **waveform, struct sim *sim,
                         const struct waveform_options *options, uint64_t *bytes, struct err *err);

// Whether the file was completed. A run that fails or is aborted after its first requested position
// leaves a file that ends there.
bool waveform_kept(const struct waveform *waveform);

#endif
