// SPDX-License-Identifier: Apache-2.0
//
// library - finds or builds the Verilated hardware for a number of lanes
//
// `make` builds build/sim/gpt2_top_<lanes>.so for 64, 256 and 1024 lanes; the other builds have
// _check or _trace after the lanes. Each simulator carries the hash of its sources
// (sim/source_hash.sh) and the instructions for which it was compiled (verilated_cpu.h). It is
// loaded only if the sources have this hash and the processor has all these instructions. Other
// simulators are made on first use, by the same Makefile, and kept in a folder <key> whose name is
// made from the hash and this processor's instructions. The folder is build/sim/<key> in the
// project, or $XDG_CACHE_HOME/gpt2rtl/<key> (~/.cache/gpt2rtl) if the program is installed and its
// sources are in share/gpt2rtl. One process makes a simulator and others wait for it; an incomplete
// file never has the final name. If no folder can be written, the simulator is made in $TMPDIR for
// the run. If it cannot be made, build/sim/any/gpt2_top_<lanes>.so is used, which `make install`
// adds. It runs on any processor of the architecture, and is slower.
//
// GPT2RTL_SIMULATOR in the environment names a simulator to use instead, for hardware with other
// parameters (docs/parameters.md).
#ifndef GPT2RTL_LIBRARY_H
#define GPT2RTL_LIBRARY_H

#include <stdint.h>

#include "err.h"
#include "verilated_block.h"

enum sim_build {
  SIM_FAST,
  SIM_CHECK,  // for tests: the RTL's assertions are on, and registers without reset start at random
  SIM_WAVEFORM,  // shows tensors (tensors.h) and can write waveforms (waveform.h)
};

// Called about five times a second while a simulator is made, with the seconds so far, and with a
// negative number at the end. Initially NULL: no calls.
extern void (*library_progress)(uint32_t lanes, enum sim_build build, double seconds);

// Called with a sentence if the simulator is not the expected one, or is not kept. Initially NULL:
// no calls.
extern void (*library_note)(const char *sentence);

// Parameters of gpt2_top other than its defaults, as the Makefile's targets name them:
// "-NormWidth.16-ExpWidth.1". Initially "".
extern const char *library_parameters;

struct library {
  void *handle;
  const struct verilated_block *code;
};

// Opens the hardware of 64, 128, ... 4096 lanes. Release with library_close, which also accepts a
// zeroed one. Errors: the project's folder is not found; the simulator cannot be made (no
// Verilator, no clang: the error names the log); a signal came (interrupt.h).
int library_open(struct library *library, uint32_t lanes, enum sim_build build, struct err *err);
// The same for gpt2_top or gpt2_axi, with these parameters instead of library_parameters.
int library_open_module(struct library *library, const char *module, uint32_t lanes,
                        const char *parameters, enum sim_build build, struct err *err);
void library_close(struct library *library);

#endif
