// SPDX-License-Identifier: Apache-2.0
//
// bare - the bare matrix engine (bare_engine.sv) simulated on a stream of weights from memory: the
// speed that nothing around it can reach
#ifndef GPT2RTL_BARE_H
#define GPT2RTL_BARE_H

#include "err.h"

struct bare;

// Opens the Verilated engine at path, of 1024 lanes, and makes 128 MiB of weights. Release with
// bare_close, which takes NULL.
int bare_open(struct bare **bare, const char *path, struct err *err);
void bare_close(struct bare *bare);

// Simulates for about `seconds` of this thread's time. Returns cycles a second of it. Errors: -1,
// where the engine's sums are wrong.
double bare_run(struct bare *bare, double seconds, struct err *err);

// Seconds of this thread's time.
double thread_seconds(void);

#endif
