// SPDX-License-Identifier: Apache-2.0
#include "interrupt.h"

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

enum { SLOTS = 32, PATH_ROOM = 4096 };

// The handler may run between any two instructions. So a slot is read only if its state says what
// it holds.
enum state { FREE, CLAIMED, IS_FILE, IS_FOLDER, IS_CHILD };
static struct slot {
  _Atomic int state;
  char path[PATH_ROOM];
  const char *const *names;
  pid_t group;
} slots[SLOTS];

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
enum { SIGNALS = sizeof signals / sizeof *signals };

static _Atomic int held;
_Atomic int interrupt_noted;

// ------------------------------------------------------------------------------------------- slots

static int claim(void) {
  for (int i = 0; i < SLOTS; i++) {
    int expected = FREE;
    if (atomic_compare_exchange_strong(&slots[i].state, &expected, CLAIMED)) return i;
  }
  return -1;
}

static int add(enum state state, const char *path, const char *const *names, pid_t group) {
  const size_t length = strlen(path);
  const int i = length < PATH_ROOM ? claim() : -1;
  if (i < 0) return -1;
  memcpy(slots[i].path, path, length + 1);
  slots[i].names = names;
  slots[i].group = group;
  atomic_store(&slots[i].state, state);
  return i;
}

int interrupt_add_file(const char *path) { return add(IS_FILE, path, NULL, 0); }
int interrupt_add_folder(const char *path, const char *const *names) {
  return add(IS_FOLDER, path, names, 0);
}
int interrupt_add_child(pid_t group) { return add(IS_CHILD, "", NULL, group); }

void interrupt_drop(int slot) {
  if (slot >= 0) atomic_store(&slots[slot].state, FREE);
}

// ----------------------------------------------------------------------------------------- signals

static void end_children(int signal) {
  for (int i = 0; i < SLOTS; i++)
    if (atomic_load(&slots[i].state) == IS_CHILD) kill(-slots[i].group, signal);
}

// Removes files before the folders that contain them.
void interrupt_clean(void) {
  for (int i = 0; i < SLOTS; i++)
    if (atomic_load(&slots[i].state) == IS_FILE) unlink(slots[i].path);
  for (int i = 0; i < SLOTS; i++) {
    if (atomic_load(&slots[i].state) != IS_FOLDER) continue;
    const int folder = open(slots[i].path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) continue;
    for (const char *const *name = slots[i].names; *name; name++) unlinkat(folder, *name, 0);
    close(folder);
    rmdir(slots[i].path);
  }
}

static _Noreturn void end_by(int signal) {
  struct sigaction action = {.sa_handler = SIG_DFL};
  sigset_t set;
  end_children(signal);
  interrupt_clean();
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, NULL);
  sigemptyset(&set);
  sigaddset(&set, signal);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
  raise(signal);
  _exit(128 + signal);
}

static void on_signal(int signal) {
  if (!atomic_exchange(&held, 0)) end_by(signal);
  atomic_store(&interrupt_noted, signal);
}

void interrupt_install(void) {
  struct sigaction action = {.sa_handler = on_signal}, old;
  sigemptyset(&action.sa_mask);
  for (int i = 0; i < SIGNALS; i++) sigaddset(&action.sa_mask, signals[i]);
  for (int i = 0; i < SIGNALS; i++)
    if (!sigaction(signals[i], NULL, &old) && old.sa_handler != SIG_IGN)
      sigaction(signals[i], &action, NULL);
}

void interrupt_hold(void) { atomic_store(&held, 1); }
void interrupt_release(void) { atomic_store(&held, 0); }

void interrupt_end(void) { end_by(interrupt_pending()); }
