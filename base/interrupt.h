// SPDX-License-Identifier: Apache-2.0
//
// interrupt - SIGINT, SIGTERM and SIGHUP leave nothing half made
//
// A program's main installs it once. What is being made is registered while it is made; a signal
// removes all of that, passes the signal on to registered children, and ends the program by the
// same signal, so that a shell sees 128 + its number. A part of a program that ends by itself holds
// signals meanwhile: then the first one is only noted, and a second one acts.
//
// A signal that was ignored when the program started (nohup) stays ignored. Without
// interrupt_install nothing here does anything.
#ifndef GPT2RTL_INTERRUPT_H
#define GPT2RTL_INTERRUPT_H

#include <stdatomic.h>
#include <sys/types.h>

void interrupt_install(void);

// Registers a file; a folder that holds nothing but the files `names` (ends with NULL, as do their
// lifetimes with the program's), and files registered themselves; a child's process group. Returns
// what interrupt_drop takes: -1, which it takes too, if there is no room (32 at a time) or the path
// is longer than 4095 bytes. Register first, then create; rename first, then drop.
int interrupt_add_file(const char *path);
int interrupt_add_folder(const char *path, const char *const *names);
int interrupt_add_child(pid_t group);
void interrupt_drop(int slot);

// From hold to release the first signal makes interrupt_pending its number, and nothing else.
void interrupt_hold(void);
void interrupt_release(void);
extern _Atomic int interrupt_noted;
static inline int interrupt_pending(void) {
  return atomic_load_explicit(&interrupt_noted, memory_order_relaxed);
}

// Removes what is registered. Safe in a signal's handler.
void interrupt_clean(void);
// Cleans and ends the program by the signal that is pending.
_Noreturn void interrupt_end(void);

#endif
