// SPDX-License-Identifier: Apache-2.0
//
// elementary - exp and tanh of floats, with the same bits on every machine
//
// The last bit of a library's exp depends on its version and on the processor. These functions use
// only +, -, * and / in double (compiled with -ffp-contract=off) and round once to float. The
// result is the nearest float, except for one argument in a hundred million.
#ifndef GPT2RTL_ELEMENTARY_H
#define GPT2RTL_ELEMENTARY_H

// e^x; 0 below -104, infinite above 89.
float elementary_exp(float x);
float elementary_tanh(float x);

#endif
