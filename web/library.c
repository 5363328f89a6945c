// SPDX-License-Identifier: Apache-2.0
//
// Gives the one simulator that is linked into this program. It replaces sim/library.c, which needs
// files and a compiler; a page has neither.
#include "library.h"

#include "machine.h"

const uint32_t machine_lanes = MACHINE_LANES;
void (*library_progress)(uint32_t lanes, enum sim_build build, double seconds);
void (*library_note)(const char *sentence);
const char *library_parameters = "";

int library_open(struct library *l, uint32_t lanes, enum sim_build build, struct err *err) {
  (void)build;
  *l = (struct library){.code = &verilated_block};
  return lanes == machine_lanes ? 0
                                : err_set(err, "this machine has %u lanes, not %u",
                                          (unsigned)machine_lanes, (unsigned)lanes);
}

void library_close(struct library *l) { *l = (struct library){0}; }
