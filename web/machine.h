// SPDX-License-Identifier: Apache-2.0
//
// machine - what differs between linked machines
#ifndef GPT2RTL_MACHINE_H
#define GPT2RTL_MACHINE_H

#include <stdint.h>

extern const uint32_t machine_lanes;  // of the Verilated hardware in it (library.c)

#endif
