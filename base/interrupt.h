// SPDX-License-Identifier: Apache-2.0
//
// interrupt - SIGINT, SIGTERM and SIGHUP leave nothing half made
//
// A program's main installs it once. Unfinished files, folders and children are registered while
// they are made. A signal removes all of them, is passed on to registered children, and ends the
// program by the same signal, so that a shell sees 128 + its number. A part of a program that can
// end by itself holds signals while it runs: the first one is then only noted, and a second one
// acts.
//
// A signal that was ignored when the program started (nohup) stays ignored. Without
// interrupt_install nothing here has any effect.
#ifndef GPT2RTL_INTERRUPT_H
#define GPT2RTL_INTERRUPT_H

#include <stdatomic.h>
#include <sys/types.h>

void interrupt_install(void);

// Register a file; a folder that holds nothing but the files `names` (ended by NULL; both live as
// long as the program) and files that are registered themselves; a child's process group. They
// return the slot for interrupt_drop: -1, which it also accepts, if there is no room (32 at a time)
// or the path is longer than 4095 bytes. Register first, then create; rename first, then drop.
int interrupt_add_file(const char *path);
int interrupt_add_folder(const char *path, const char *const *names);
int interrupt_add_child(pid_t group);
void interrupt_drop(int slot);

// Between hold and release the first signal only sets interrupt_pending to its number.
void interrupt_hold(void);
void interrupt_release(void);
extern _Atomic int interrupt_noted;
static inline int interrupt_pending(void) {
  return atomic_load_explicit(&interrupt_noted, memory_order_relaxed);
}

// Removes everything that is registered. Safe in a signal handler.
void interrupt_clean(void);
// Cleans up and ends the program by the pending signal.
_Noreturn void interrupt_end(void);

#endif
