// SPDX-License-Identifier: Apache-2.0
//
// signals - finds the values of a Verilated model by the names that the hardware gives them
//
// A port of the top module has its own name, "mem_rd_valid_o". An internal signal has its path,
// "gpt2_top.u_core.rows", and exists only in a build whose .vlt file makes it public.
#ifndef GPT2RTL_SIGNALS_H
#define GPT2RTL_SIGNALS_H

#include "verilated_block.h"

struct signals {
  const struct verilated_port *list;
  unsigned n;
  const char *missing;  // a name that was looked up and does not exist, or NULL
};

// The signals of an instance of a model.
struct signals signals_of(const struct verilated_block *code, void *instance);

// The signal with this name, or NULL.
const struct verilated_port *signals_port(const struct signals *signals, const char *name);

// The value of a signal, in the memory of the instance for which signals_of was called. NULL if
// there is no such signal; its name is then in missing.
void *signals_find(struct signals *signals, const char *name);

// The width of a signal in bits; 0 if there is no such signal.
unsigned signals_width(const struct signals *signals, const char *name);

// A list of signals is a macro, LIST(S) = S(type, member, name) S(..) ...: LIST(SIGNAL_MEMBER)
// declares the members of a struct. With `signals` and a pointer `at` to that struct in scope,
// LIST(SIGNAL_FIND) finds them.
#define SIGNAL_MEMBER(type, member, name) type *member;
#define SIGNAL_FIND(type, member, name) at->member = signals_find(&signals, name);

#endif
