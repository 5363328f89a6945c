// SPDX-License-Identifier: Apache-2.0
//
// interrupt - removes unfinished files when SIGINT, SIGTERM or SIGHUP ends the program
//
// A program's main installs the handler once. Files and folders are registered while they are
// unfinished, and children while they run. The handler removes the files and folders, sends the
// signal to the children, and ends the program by the same signal, so that a shell sees 128 + its
// number. A part of a program that can end by itself holds signals while it runs. The first signal
// is then only noted; a second one acts.
//
// A signal that was ignored when the program started (nohup) stays ignored. Without
// interrupt_install nothing here has any effect.
#ifndef GPT2RTL_INTERRUPT_H
#define GPT2RTL_INTERRUPT_H

#include <stdatomic.h>
#include <sys/types.h>

// Installs the handlers.
void interrupt_install(void);

// Each registers one thing: a file; a folder; a child's process group. A folder may hold only the
// files `names` and files that are registered themselves. `names` ends with NULL and, like its
// strings, lives as long as the program. Each returns the slot for interrupt_drop, or -1, which
// interrupt_drop also accepts, if 32 things are registered or the path is longer than 4095 bytes.
// Register first, then create; rename first, then drop.
int interrupt_add_file(const char *path);
int interrupt_add_folder(const char *path, const char *const *names);
int interrupt_add_child(pid_t group);
void interrupt_drop(int slot);

// Between hold and release the first signal only sets interrupt_pending() to its number.
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
