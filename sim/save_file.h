// SPDX-License-Identifier: Apache-2.0
//
// save_file - writes GTKWave's save file for a waveform, which groups signals and shows numbers as
// decimals
//
// There is one group per module. Within it there is a group per port (the word with which its
// signals begin: rd_req, rd_rsp, ...), then one per pipeline stage (the digit at the end of its
// registers' names: rows2_q belongs to stage 2), then the rest. Rows (Q14.16) and residuals
// (Q14.12) are shown as decimals. Parameters are left out. On the time axis a cycle is a
// nanosecond.
#ifndef GPT2RTL_SAVE_FILE_H
#define GPT2RTL_SAVE_FILE_H

#include "err.h"
#include "waveform.h"

// Writes a save file for fst, an FST file that holds these signals for `cycles` cycles. run.fst
// gets run.gtkw; another name gets .gtkw appended. The save file refers to fst by its base name, so
// both can be moved together. Errors: it cannot be written; out of memory.
int save_file_write(const char *fst, const struct waveform_signals *signals, uint64_t cycles,
                    struct err *err);

#endif
