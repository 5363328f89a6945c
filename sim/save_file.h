// SPDX-License-Identifier: Apache-2.0
//
// save_file - GTKWave's save file for a waveform: its signals in groups, numbers as numbers
//
// One group a module; in it one a port of its (the word its signals begin with: rd_req, rd_rsp,
// ...), then one a pipeline stage (the digit that ends the name of a register of it: rows2_q is of
// stage 2), then the rest. Rows, which are Q14.16, are shown as decimals, the residual's as Q14.12.
// Parameters are left out. The time axis has a cycle a nanosecond.
#ifndef GPT2RTL_SAVE_FILE_H
#define GPT2RTL_SAVE_FILE_H

#include "err.h"
#include "waveform.h"

// Writes beside fst, an FST file that holds signals for so many cycles, its save file: run.gtkw
// beside run.fst, otherwise .gtkw behind the name. Only fst's name without folders goes into it,
// so that both can be moved together. Errors: it cannot be written; out of memory.
int save_file_write(const char *fst, const struct waveform_signals *signals, uint64_t cycles,
                    struct err *err);

#endif
