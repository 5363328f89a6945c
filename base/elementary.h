// SPDX-License-Identifier: Apache-2.0
//
// elementary - exp and tanh of floats, the same bits on every machine
//
// Libraries differ in the last bit of theirs, by version and by processor. These are double
// arithmetic of +, -, *, / alone (compiled with -ffp-contract=off), rounded once to float: the
// nearest float but for one value in a hundred million.
#ifndef GPT2RTL_ELEMENTARY_H
#define GPT2RTL_ELEMENTARY_H

// e^x; 0 below -104, infinite above 89.
float elementary_exp(float x);
float elementary_tanh(float x);

#endif
