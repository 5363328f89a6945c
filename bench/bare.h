// SPDX-License-Identifier: Apache-2.0
//
// bare - simulates the bare matrix engine (bare_engine.sv) on a stream of weights from memory, an
// upper bound for the simulation speed of any machine with that engine
#ifndef GPT2RTL_BARE_H
#define GPT2RTL_BARE_H

#include "err.h"

struct bare;

// Opens the Verilated engine at path, which has 1024 lanes, and makes 128 MiB of weights. Release
// with bare_close, which also accepts NULL. Errors: out of memory; path is not that engine.
int bare_open(struct bare **bare, const char *path, struct err *err);
void bare_close(struct bare *bare);

// Simulates for about `seconds` of this thread's processor time. Returns cycles per second of it,
// or -1 with err if the engine's sums are wrong.
double bare_run(struct bare *bare, double seconds, struct err *err);

#endif
