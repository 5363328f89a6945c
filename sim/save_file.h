// SPDX-License-Identifier: Apache-2.0
//
// save_file - GTKWave's save file for a waveform: its signals in groups, numbers as numbers
//
// There is one group per module. In it there is one group per port (the word with which its signals
// begin: rd_req, rd_rsp, ...), then one per pipeline stage (the digit that ends the name of its
// registers: rows2_q is of stage 2), then the rest. Rows, which are Q14.16, are shown as decimals,
// the residual's as Q14.12. Parameters are left out. On the time axis a cycle is a nanosecond.
#ifndef GPT2RTL_SAVE_FILE_H
#define GPT2RTL_SAVE_FILE_H

#include "err.h"
#include "waveform.h"

// Writes a save file for fst, an FST file that holds signals for so many cycles: run.gtkw beside
// run.fst, otherwise .gtkw after the name. It contains only fst's name without folders, so that
// both can be moved together. Errors: it cannot be written; out of memory.
int save_file_write(const char *fst, const struct waveform_signals *signals, uint64_t cycles,
                    struct err *err);

#endif
