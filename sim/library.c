// SPDX-License-Identifier: Apache-2.0
#include "library.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cache.h"

enum { HASH_SIZE = 17 };

void (*library_progress)(uint32_t lanes, enum sim_build build, double seconds);

const char *library_parameters = "";

static const char *const suffix[] = {"", "_check", "_trace"};

// ------------------------------------------------------------------------------------------------------------ folders

struct place {
  char root[FILE_PATH_SIZE];     // where rtl/ and the Makefile are
  char built[FILE_PATH_SIZE];    // what make has left
  char kept[FILE_PATH_SIZE];     // what is made here
  char hash[HASH_SIZE];          // of the sources in root
};

static bool holds_sources(const char *folder) {
  char name[FILE_PATH_SIZE];
  return !file_join(name, folder, "rtl/gpt2_top.sv", NULL) && file_exists(name);
}

// The folders above the running program: one of them is the project, or has it in share/gpt2rtl.
static int find_root(struct place *p, bool *installed, struct err *err) {
  char above[FILE_PATH_SIZE];
  const ssize_t n = readlink("/proc/self/exe", above, sizeof above - 1);
  if (n < 0) return err_set(err, "/proc/self/exe cannot be read: where the simulator stands is unknown");
  above[n] = 0;
  for (char *slash; (slash = strrchr(above, '/'));) {
    *slash = 0;
    *installed = false;
    memcpy(p->root, above, sizeof above);
    if (holds_sources(p->root)) return 0;
    *installed = true;
    if (!file_join(p->root, above, "share/gpt2rtl", err) && holds_sources(p->root)) return 0;
  }
  return err_set(err, "the project's sources are not above the running program, nor in share/gpt2rtl beside it: run "
                      "build/gpt2rtl where make put it, or make install");
}

static int source_hash(char hash[static HASH_SIZE], const char *root, struct err *err) {
  char command[FILE_PATH_SIZE + 64];
  snprintf(command, sizeof command, "'%s/sim/source_hash.sh'", root);
  FILE *f = popen(command, "r");
  const bool read = f && fread(hash, 1, HASH_SIZE - 1, f) == HASH_SIZE - 1;
  hash[HASH_SIZE - 1] = 0;
  if (f && pclose(f) == 0 && read && strspn(hash, "0123456789abcdef") == HASH_SIZE - 1) return 0;
  return err_set(err, "%s: the sources of the simulator cannot be read (%s failed)", root, command);
}

static int find_place(struct place *p, struct err *err) {
  char base[FILE_PATH_SIZE];
  bool installed;
  if (find_root(p, &installed, err) || source_hash(p->hash, p->root, err) || file_join(p->built, p->root, "build/sim", err)) return -1;
  if (!installed) return file_join(p->kept, p->built, p->hash, err);
  return cache_folder(base, err) || file_join(p->kept, base, p->hash, err) ? -1 : 0;
}

// --------------------------------------------------------------------------------------------------------------- make

static double seconds_since(const struct timespec *start) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)(now.tv_sec - start->tv_sec) + 1e-9 * (double)(now.tv_nsec - start->tv_nsec);
}

// In the child: what make says goes to the log.
static void run_make(const struct place *p, const char *target, const char *log) {
  char build[FILE_PATH_SIZE + 4];
  const int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0) _exit(127);
  unsetenv("MAKEFLAGS");                   // of a make that runs this program
  unsetenv("MAKELEVEL");
  snprintf(build, sizeof build, "B=%s", p->kept);
  execlp("make", "make", "-C", p->root, build, target, (char *)NULL);
  _exit(127);
}

static int make(const struct place *p, const char *target, uint32_t lanes, enum sim_build build, struct err *err) {
  char log[FILE_PATH_SIZE];
  struct timespec start;
  int status;
  clock_gettime(CLOCK_MONOTONIC, &start);
  if (file_join(log, p->kept, "make.log", err)) return -1;
  const pid_t child = fork();
  if (child < 0) return err_set(err, "make cannot be run: %s", strerror(errno));
  if (child == 0) run_make(p, target, log);
  for (pid_t done = 0; done != child;) {
    if (library_progress) library_progress(lanes, build, seconds_since(&start));
    done = waitpid(child, &status, WNOHANG);
    if (done < 0 && errno != EINTR) return err_set(err, "make was lost: %s", strerror(errno));
    if (done == 0) nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
  }
  if (library_progress) library_progress(lanes, build, -1);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
  return err_set(err, "the simulator for %u lanes could not be made; it takes make, verilator and clang. See %s", lanes, log);
}

// Only one process makes; what others have made meanwhile is found when the lock is free.
static int make_locked(const struct place *p, const char *target, uint32_t lanes, enum sim_build build, struct err *err) {
  char lock[FILE_PATH_SIZE];
  if (folder_make(p->kept, err) || file_join(lock, p->kept, "lock", err)) return -1;
  const int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0 || flock(fd, LOCK_EX)) {
    const int error = errno;
    if (fd >= 0) close(fd);
    return err_set(err, "%s: cannot be locked: %s", lock, strerror(error));
  }
  const int result = file_exists(target) ? 0 : make(p, target, lanes, build, err);
  close(fd);
  return result;
}

// --------------------------------------------------------------------------------------------------------------- open

// 0: opened; 1: it is not there, or made from other sources. Otherwise -1.
static int open_made(struct library *l, const char *path, const char *hash, struct err *err) {
  if (!file_exists(path)) return 1;
  l->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!l->handle) return err_set(err, "%s; remove it, and it will be made again", dlerror());
  const char *made_from = dlsym(l->handle, "verilated_source");
  l->code = dlsym(l->handle, "verilated_block");
  if (made_from && l->code && !strcmp(made_from, hash)) return 0;
  library_close(l);
  return 1;
}

int library_open(struct library *l, uint32_t lanes, enum sim_build build, struct err *err) {
  struct place place;
  char name[128], path[FILE_PATH_SIZE], folder[FILE_PATH_SIZE];
  memset(l, 0, sizeof *l);
  snprintf(name, sizeof name, "gpt2_top_%u%s%s.so", lanes, library_parameters, suffix[build]);
  const char *own = getenv("GPT2RTL_SIMULATOR");
  if (own) {
    if (find_place(&place, err)) return -1;
    const int found = open_made(l, own, place.hash, err);
    return found <= 0 ? found : err_set(err, "%s: GPT2RTL_SIMULATOR names no simulator made from the sources in %s", own, place.root);
  }
  if (find_place(&place, err) || file_join(path, place.built, name, err)) return -1;
  int result = open_made(l, path, place.hash, err);
  if (result <= 0) return result;
  if (file_join(folder, place.kept, "sim", err) || file_join(path, folder, name, err)) return -1;
  if (!file_exists(path) && make_locked(&place, path, lanes, build, err)) return -1;
  result = open_made(l, path, place.hash, err);
  return result <= 0 ? result : err_set(err, "%s: is not made from the sources in %s: they were changed meanwhile; try again", path, place.root);
}

void library_close(struct library *l) {
  if (l->handle) dlclose(l->handle);
  *l = (struct library){0};
}
