// SPDX-License-Identifier: Apache-2.0
#include "library.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "cache.h"
#include "clock.h"
#include "interrupt.h"
#include "model_code.h"
#include "verilated_cpu.h"

extern char **environ;

enum { HASH_SIZE = 17, KEY_SIZE = HASH_SIZE + 9 };

void (*library_progress)(uint32_t lanes, enum sim_build build, double seconds);
void (*library_note)(const char *sentence);

const char *library_parameters = "";

static const char *const suffix[] = {"", "_check", "_trace"};

// --------------------------------------------------------------------------------------- processor

struct words {
  char text[4096];  // " word word ": each word between spaces
};

// The instructions of this processor, by the kernel's names.
static void read_words(struct words *words) {
  char line[sizeof words->text];
  FILE *f = fopen("/proc/cpuinfo", "r");
  strcpy(words->text, " ");
  while (f && fgets(line, sizeof line, f)) {
    const char *colon = strchr(line, ':');
    if (!colon || (strncmp(line, "flags\t", 6) && strncmp(line, "Features\t", 9))) continue;
    snprintf(words->text, sizeof words->text, "%.*s ", (int)strcspn(colon + 1, "\n"), colon + 1);
    break;
  }
  if (f) fclose(f);
}

static bool has_word(const struct words *words, const char *word, size_t n) {
  char spaced[64];
  return snprintf(spaced, sizeof spaced, " %.*s ", (int)n, word) < (int)sizeof spaced &&
         strstr(words->text, spaced);
}

// 8 hex digits: a hash of the instructions that compilers may use.
static void cpu_key(char key[static 9]) {
  struct words words;
  char known[1024] = "";
  read_words(&words);
#define ADD(word, macro) \
  if (has_word(&words, #word, sizeof #word - 1)) strcat(known, #word " ");
  CPU_WORDS(ADD)
#undef ADD
  snprintf(key, 9, "%08x", (unsigned)XXH32(known, strlen(known), 0));
}

// Whether this processor has all instructions for which the simulator at path was compiled. A file
// without a mark is not one of ours.
static bool runs_here(const char *path) {
  struct file_map map;
  struct words words;
  if (file_map_open(&map, path, NULL)) return false;
  const char *at = memmem(map.data, map.size, CPU_MARK, strlen(CPU_MARK));
  const char *end = at ? memchr(at, 0, map.size - (size_t)(at - (const char *)map.data)) : NULL;
  bool runs = end != NULL;
  read_words(&words);
  for (at = end ? at + strlen(CPU_MARK) : NULL; runs && at < end;) {
    at += *at == ' ';
    const size_t n = strcspn(at, " ");
    if (n && !has_word(&words, at, n)) runs = false;
    at += n;
  }
  file_map_close(&map);
  return runs;
}

// ----------------------------------------------------------------------------------------- folders

struct place {
  char root[FILE_PATH_SIZE];   // where rtl/ and the Makefile are
  char built[FILE_PATH_SIZE];  // what make builds
  char kept[FILE_PATH_SIZE];   // what is made on first use; "" if there is no folder for it
  struct err why;              // why there is none
  char hash[HASH_SIZE];        // of the sources in root
};

static bool holds_sources(const char *folder) {
  char name[FILE_PATH_SIZE];
  return !file_join(name, folder, "rtl/top/gpt2_top.sv", NULL) && file_exists(name);
}

// Finds the project among the folders above a file: one of them, or its share/gpt2rtl.
static bool find_above(struct place *p, const char *file, bool *installed) {
  char above[FILE_PATH_SIZE];
  if (snprintf(above, sizeof above, "%s", file) >= (int)sizeof above) return false;
  for (char *slash; (slash = strrchr(above, '/'));) {
    *slash = 0;
    *installed = false;
    memcpy(p->root, above, sizeof above);
    if (holds_sources(p->root)) return true;
    *installed = true;
    if (!file_join(p->root, above, "share/gpt2rtl", NULL) && holds_sources(p->root)) return true;
  }
  return false;
}

// Looks above the running program or, if this code is in a shared library, above that.
static int find_root(struct place *p, bool *installed, struct err *err) {
  static const char here;
  char file[PATH_MAX];
  Dl_info library;
  const char *named = getenv("GPT2RTL_ROOT");
  const ssize_t n = readlink("/proc/self/exe", file, sizeof file - 1);
  if (named) {
    *installed = true;
    if (snprintf(p->root, sizeof p->root, "%s", named) < (int)sizeof p->root &&
        holds_sources(p->root))
      return 0;
    return err_set(err, "%s: GPT2RTL_ROOT does not name the folder that has rtl/ and the Makefile",
                   named);
  }
  file[n < 0 ? 0 : n] = 0;
  if (find_above(p, file, installed)) return 0;
  if (dladdr(&here, &library) && library.dli_fname && realpath(library.dli_fname, file) &&
      find_above(p, file, installed))
    return 0;
  return err_set(err, "the project's sources are not above the running program or the library, nor "
                      "in share/gpt2rtl beside them: run build/gpt2rtl where make put it, or make "
                      "install, or set GPT2RTL_ROOT");
}

// No shell is used, because a path may contain any character.
static int source_hash(char hash[static HASH_SIZE], const char *root, struct err *err) {
  char script[FILE_PATH_SIZE];
  posix_spawn_file_actions_t actions;
  int fds[2], status = 0;
  size_t n = 0;
  pid_t child;
  if (file_join(script, root, "sim/source_hash.sh", err)) return -1;
  if (pipe2(fds, O_CLOEXEC)) return err_set(err, "a pipe cannot be made: %s", strerror(errno));
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
  char bash[] = "bash";
  char *const argv[] = {bash, script, NULL};
  const int error = posix_spawnp(&child, "bash", &actions, NULL, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(fds[1]);
  while (!error && n < HASH_SIZE - 1) {
    const ssize_t got = read(fds[0], hash + n, HASH_SIZE - 1 - n);
    if (got > 0) n += (size_t)got;
    else if (got == 0 || errno != EINTR) break;
  }
  close(fds[0]);
  hash[n] = 0;
  while (!error && waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (!error && status == 0 && n == HASH_SIZE - 1 && strspn(hash, "0123456789abcdef") == n)
    return 0;
  return err_set(err, "%s: the sources of the simulator cannot be read (bash %s failed)", root,
                 script);
}

static int find_place(struct place *p, struct err *err) {
  char base[FILE_PATH_SIZE], cpu[9], key[KEY_SIZE];
  bool installed;
  if (find_root(p, &installed, err) || source_hash(p->hash, p->root, err) ||
      file_join(p->built, p->root, "build/sim", err))
    return -1;
  cpu_key(cpu);
  snprintf(key, sizeof key, "%s-%s", p->hash, cpu);
  if (!installed) return file_join(p->kept, p->built, key, err);
  if (cache_folder(base, &p->why) || file_join(p->kept, base, key, &p->why)) p->kept[0] = 0;
  return 0;
}

// -------------------------------------------------------------------------------------------- make

// The environment without the variables that a make passes to the makes that it runs. NULL: out of
// memory.
static char **make_environment(void) {
  size_t n = 0, kept = 0;
  while (environ[n]) n++;
  char **env = calloc(n + 1, sizeof *env);
  for (size_t i = 0; env && i < n; i++)
    if (strncmp(environ[i], "MAKEFLAGS=", 10) && strncmp(environ[i], "MAKELEVEL=", 10))
      env[kept++] = environ[i];
  return env;
}

// make's paths cannot contain spaces. So it runs in its own folder in p->kept, with links to the
// sources, and all names are relative to that folder.
static int link_sources(const struct place *p, char tree[static FILE_PATH_SIZE], struct err *err) {
  static const char *const parts[] = {"Makefile", "rtl", "sim", "tools"};
  char to[FILE_PATH_SIZE], link[FILE_PATH_SIZE];
  if (file_join(tree, p->kept, "tree", err) || folder_make(tree, err)) return -1;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    if (file_join(to, p->root, parts[i], err) || file_join(link, tree, parts[i], err)) return -1;
    unlink(link);
    if (symlink(to, link)) return err_set(err, "%s: cannot be made: %s", link, strerror(errno));
  }
  return 0;
}

// Runs make in its own process group; its output goes to the log. Returns 0 or an errno.
static int spawn_make(pid_t *child, const char *tree, const char *target, const char *log) {
  char make[] = "make", build[] = "B=..", goal[FILE_PATH_SIZE];
  char *const argv[] = {make, build, goal, NULL};
  char **env = make_environment();
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  if (!env) return ENOMEM;
  snprintf(goal, sizeof goal, "../sim/%s", target);
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log,
                                   O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0666);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  posix_spawn_file_actions_addchdir_np(&actions, tree);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  const int error = posix_spawnp(child, "make", &actions, &attributes, argv, env);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  free(env);
  return error;
}

static int make(const struct place *p, const char *target, uint32_t lanes, enum sim_build build,
                struct err *err) {
  char log[FILE_PATH_SIZE], tree[FILE_PATH_SIZE];
  int status = 0;
  pid_t child;
  const double start = clock_now();
  if (file_join(log, p->kept, "make.log", err) || link_sources(p, tree, err)) return -1;
  interrupt_hold();
  const int error = spawn_make(&child, tree, target, log);
  const int slot = error ? -1 : interrupt_add_child(child);
  for (pid_t done = 0; !error && done != child;) {
    if (interrupt_pending()) kill(-child, SIGTERM);
    if (library_progress) library_progress(lanes, build, clock_now() - start);
    done = waitpid(child, &status, WNOHANG);
    if (done < 0 && errno != EINTR) status = -1, done = child;
    if (done == 0) nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
  }
  interrupt_drop(slot);
  if (!interrupt_pending()) interrupt_release();
  if (library_progress) library_progress(lanes, build, -1);
  if (error) return err_set(err, "make cannot be run: %s", strerror(error));
  if (interrupt_pending()) return err_set(err, "interrupted");
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
  return err_set(
      err,
      "the simulator for %u lanes could not be made; this needs make, verilator and clang. See %s",
      lanes, log);
}

// Only one process makes a simulator. A process that waited for the lock may find that another one
// has made it. Returns 1 if p->kept cannot be written.
static int make_locked(const struct place *p, const char *path, const char *name, uint32_t lanes,
                       enum sim_build build, struct err *err) {
  char lock[FILE_PATH_SIZE];
  if (folder_make(p->kept, err)) return 1;
  if (file_join(lock, p->kept, "lock", err)) return -1;
  const int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (fd < 0 || flock(fd, LOCK_EX)) {
    const int error = errno;
    if (fd >= 0) close(fd);
    err_set(err, "%s: cannot be locked: %s", lock, strerror(error));
    return 1;
  }
  const int result = file_exists(path) ? 0 : make(p, name, lanes, build, err);
  close(fd);
  return result;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
  (void)st, (void)type, (void)ftw;
  return remove(path), 0;
}

// -------------------------------------------------------------------------------------------- open

// Returns 0; 1 if the file does not exist, or was made from other sources or for another processor;
// or -1.
static int open_made(struct library *l, const char *path, const char *hash, struct err *err) {
  struct err why;
  if (!file_exists(path) || !runs_here(path)) return 1;
  if (model_code_open(&l->handle, &l->code, path, &why))
    return err_set(err, "%s; remove it, and it will be made again", why.text);
  const char *made_from = dlsym(l->handle, "verilated_source");
  if (made_from && !strcmp(made_from, hash)) return 0;
  library_close(l);
  return 1;
}

// Opens the kept simulator, and makes it if there is none. Returns 1 if it cannot be kept there.
static int open_kept(struct library *l, const struct place *p, const char *name, uint32_t lanes,
                     enum sim_build build, struct err *err) {
  char path[FILE_PATH_SIZE], folder[FILE_PATH_SIZE];
  if (file_join(folder, p->kept, "sim", err) || file_join(path, folder, name, err)) return -1;
  int result = file_exists(path) ? 0 : make_locked(p, path, name, lanes, build, err);
  if (result) return result;
  result = open_made(l, path, p->hash, err);
  return result <= 0 ? result
                     : err_set(err,
                               "%s: was not made from the sources in %s, which have changed "
                               "since; try again",
                               path, p->root);
}

// Makes a simulator for this run only, if there is no folder to keep it in.
static int open_unkept(struct library *l, struct place *p, const char *name, uint32_t lanes,
                       enum sim_build build, struct err *err) {
  const char *temporary = getenv("TMPDIR");
  if (!temporary || temporary[0] != '/') temporary = "/tmp";
  if (file_join(p->kept, temporary, "gpt2rtl-XXXXXX", err)) return -1;
  if (!mkdtemp(p->kept))
    return err_set(err, "%s; nor can %s be written: %s", p->why.text, temporary, strerror(errno));
  if (library_note) {
    char text[sizeof p->why.text + 64];
    snprintf(text, sizeof text, "%s: the simulator is made for this run only", p->why.text);
    library_note(text);
  }
  const int result = open_kept(l, p, name, lanes, build, err) ? -1 : 0;
  nftw(p->kept, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
  return result;
}

// Opens the simulator that was installed for any processor, after the one for this processor could
// not be made.
static int open_any(struct library *l, const struct place *p, const char *name, struct err *err) {
  char folder[FILE_PATH_SIZE], path[FILE_PATH_SIZE];
  struct err why;
  if (file_join(folder, p->built, "any", &why) || file_join(path, folder, name, &why) ||
      open_made(l, path, p->hash, &why))
    return -1;
  if (library_note) {
    char text[sizeof err->text + 64];
    snprintf(text, sizeof text, "%s: using the simulator for any processor, which is slower",
             err->text);
    library_note(text);
  }
  return 0;
}

int library_open(struct library *l, uint32_t lanes, enum sim_build build, struct err *err) {
  return library_open_module(l, "gpt2_top", lanes, library_parameters, build, err);
}

int library_open_module(struct library *l, const char *module, uint32_t lanes,
                        const char *parameters, enum sim_build build, struct err *err) {
  struct place place;
  char name[128], path[FILE_PATH_SIZE];
  memset(l, 0, sizeof *l);
  snprintf(name, sizeof name, "%s_%u%s%s.so", module, lanes, parameters, suffix[build]);
  const char *own = getenv("GPT2RTL_SIMULATOR");
  if (find_place(&place, err)) return -1;
  if (own) {
    const int found = open_made(l, own, place.hash, err);
    return found <= 0 ? found
                      : err_set(err,
                                "%s: GPT2RTL_SIMULATOR names no simulator made from the sources in "
                                "%s for this processor",
                                own, place.root);
  }
  if (file_join(path, place.built, name, err)) return -1;
  int result = open_made(l, path, place.hash, err);
  if (result <= 0) return result;
  result = place.kept[0] ? open_kept(l, &place, name, lanes, build, &place.why) : 1;
  if (result < 0) *err = place.why;
  if (result > 0) result = open_unkept(l, &place, name, lanes, build, err);
  return result && !interrupt_pending() ? open_any(l, &place, name, err) : result;
}

void library_close(struct library *l) {
  if (l->handle) dlclose(l->handle);
  *l = (struct library){0};
}
