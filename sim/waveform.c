// SPDX-License-Identifier: Apache-2.0
#include "waveform.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "save_file.h"
#include "staged.h"

struct waveform {
  const struct verilated_block *code;
  void *instance;
  struct sim_trace trace;
  struct staged_folder folder;  // Verilator's writer takes a name, and makes another file beside it
  char staging[FILE_PATH_SIZE];
  struct waveform_signals signals;
  char **paths;  // what trace_open takes: scopes, or signals where some of a scope's are left out
  unsigned n_paths;
  uint64_t position;       // of the run: how many have started
  uint64_t trial, cycles;  // cycles on file
  double rate;
  bool kept;
  enum { WAITING, ON, ENDING, DONE } state;
};

// ----------------------------------------------------------------------------------------- signals

static void signals_free(struct waveform_signals *s) {
  for (size_t i = 0; i < s->n; i++) {
    free(s->list[i].scope);
    free(s->list[i].name);
  }
  free(s->list);
  *s = (struct waveform_signals){0};
}

// trace_read's callback.
static void add_signal(void *ctx, const char *scope, const char *name, unsigned width) {
  struct waveform_signals *s = ctx;
  if (s->n == s->room) {
    const size_t room = s->room ? 2 * s->room : 4096;
    struct waveform_signal *more = s->failed ? NULL : realloc(s->list, room * sizeof *more);
    if (!more) {
      s->failed = true;
      return;
    }
    s->list = more;
    s->room = room;
  }
  struct waveform_signal *signal = &s->list[s->n++];
  *signal = (struct waveform_signal){.scope = strdup(scope), .name = strdup(name), .width = width};
  if (!signal->scope || !signal->name) s->failed = true;
}

static int read_signals(const struct waveform *w, const char *path,
                        struct waveform_signals *signals, struct err *err) {
  const int status = w->code->trace_read(path, add_signal, signals);
  if (status) return err_set(err, "%s: the waveform cannot be read again: is the disk full?", path);
  return !signals->failed ? 0 : err_memory(err, "the names of signals");
}

// ------------------------------------------------------------------------------------------ scopes

// Whether a part of a path is a module's: not a packed struct, a generate block or a loop's
// variables.
static bool is_module(const char *part, size_t n) {
  return n && part[n - 1] != ':' && (n < 4 || memcmp(part, "gen_", 4)) &&
         (n < 10 || memcmp(part, "unnamedblk", 10));
}

// Whether `path`, of n characters, is the module that the user calls `name`: the end of the path,
// at a dot, "u_" may be missing; gpt2_core is the instance u_core.
static bool is_called(const char *path, size_t n, const char *name, size_t m) {
  for (size_t i = 0; i < n; i++) {
    if (i && path[i - 1] != '.') continue;
    const char *at = path + i;
    const size_t rest = n - i;
    if (rest == m && !memcmp(at, name, m)) return true;
    if (rest <= 2 || memcmp(at, "u_", 2)) continue;
    if (rest - 2 == m && !memcmp(at + 2, name, m)) return true;
    if (m == rest + 3 && !memcmp(name, "gpt2_", 5) && !memcmp(name + 5, at + 2, rest - 2))
      return true;
  }
  return false;
}

// Whether scope lies at most levels deep in a module called name; levels 0: at any depth.
static bool is_inside(const char *scope, const char *name, size_t m, unsigned long levels) {
  if (!*scope || strstr(scope, "unnamedblk"))
    return false;  // without a scope: the copies of gpt2_top's ports
  for (const char *end = scope + strcspn(scope, ".");; end += 1 + strcspn(end + 1, ".")) {
    if (end[-1] != ':' && is_called(scope, (size_t)(end - scope), name, m)) {
      unsigned long depth = 1;
      for (const char *at = end; *at;) {
        const size_t n = strcspn(at + 1, ".");
        depth += is_module(at + 1, n);
        at += 1 + n;
      }
      if (!levels || depth <= levels) return true;
    }
    if (!*end) return false;
  }
}

// "no module", and which there are: the instances' names, each once; clock gates are not worth it.
static int unknown_module(const struct waveform_signals *all, const char *name, size_t n,
                          struct err *err) {
  char known[440] = " gpt2_top,", item[64];
  for (size_t i = 1; i < all->n; i++) {
    const char *last = strrchr(all->list[i].scope, '.');
    if (!last || strncmp(last, ".u_", 3) || !strncmp(last, ".u_gate", 7) ||
        !is_module(last + 1, strlen(last + 1)))
      continue;
    snprintf(item, sizeof item, " %s,", last + 3);
    if (!strstr(known, item) && strlen(known) + strlen(item) < sizeof known) strcat(known, item);
  }
  known[strlen(known) - 1] = 0;
  return err_set(err, "no module is called '%.*s'; there are%s", (int)n, name, known);
}

// Keeps of `signals` those in a scope asked for.
static int choose(struct waveform *w, struct waveform_signals *signals, struct err *err) {
  bool *keep = calloc(signals->n, sizeof *keep);
  if (!keep) return err_memory(err, "the names of signals");
  const char *at = w->trace.scopes;
  do {
    const size_t n = strcspn(at, ","), name = strcspn(at, ",:");
    char *end = (char *)(uintptr_t)at + n;
    unsigned long levels = 1;
    size_t found = 0;
    if (name < n) levels = strtoul(at + name + 1, &end, 10);
    if (end != at + n || (name < n && (at[name + 1] < '0' || at[name + 1] > '9'))) {
      free(keep);
      return err_set(err, "scope '%.*s': behind the colon goes a number of levels, 0 for all",
                     (int)n, at);
    }
    for (size_t i = 0; i < signals->n; i++) {
      if (!is_inside(signals->list[i].scope, at, name, levels)) continue;
      keep[i] = true;
      found++;
    }
    if (!found) {
      free(keep);
      return unknown_module(signals, at, name, err);
    }
    at += n;
  } while (*at++);
  size_t n = 0;
  for (size_t i = 0; i < signals->n; i++) {
    struct waveform_signal *signal = &signals->list[i];
    if (keep[i]) {
      const struct waveform_signal kept = *signal;
      *signal = signals->list[n];
      signals->list[n++] = kept;
    }
  }
  free(keep);
  for (size_t i = n; i < signals->n; i++) {
    free(signals->list[i].scope);
    free(signals->list[i].name);
  }
  signals->n = n;
  return 0;
}

// Whether one of the first `end` signals is of this scope and wider than that.
static bool scope_has(const struct waveform_signals *s, const char *scope, size_t end,
                      unsigned wider) {
  for (size_t i = 0; i < end; i++)
    if (s->list[i].width > wider && !strcmp(s->list[i].scope, scope)) return true;
  return false;
}

// A scope as a whole if none of its signals is too wide, otherwise signal by signal: Verilator
// compares each signal with each path.
static int collect_paths(struct waveform *w, struct err *err) {
  const struct waveform_signals *s = &w->signals;
  const unsigned widest = w->trace.wide ? UINT_MAX : WAVEFORM_WIDE;
  bool whole = false;
  w->paths = calloc(s->n, sizeof *w->paths);
  if (!w->paths) return err_memory(err, "the names of signals");
  for (size_t i = 0; i < s->n; i++) {
    const struct waveform_signal *signal = &s->list[i];
    const bool other = !i || strcmp(signal->scope, s->list[i - 1].scope);
    if (other) whole = !scope_has(s, signal->scope, s->n, widest);
    if (whole ? !other || scope_has(s, signal->scope, i, 0) : signal->width > widest) continue;
    const int name = (int)strcspn(signal->name, " ");
    char *path = whole ? strdup(signal->scope) : NULL;
    if (!whole && asprintf(&path, "%s.%.*s", signal->scope, name, signal->name) < 0) path = NULL;
    if (!path) return err_memory(err, "the names of signals");
    w->paths[w->n_paths++] = path;
  }
  return 0;
}

// ------------------------------------------------------------------------------------------- files

static const char staging_file[] = "waveform.fst";
static const char *const staging_files[] = {staging_file, "waveform.fst.hier", NULL};

static int prepare(struct waveform *w, struct err *err) {
  struct stat st;
  if (!stat(w->trace.path, &st) && !S_ISREG(st.st_mode))
    return err_set(err, "%s: cannot be written: a waveform needs a regular file", w->trace.path);
  if (staged_folder_open(&w->folder, w->trace.path, staging_files, err) ||
      file_join(w->staging, w->folder.staging, staging_file, err))
    return -1;
  w->code->trace_open(w->instance, w->staging, NULL, 0);
  w->code->trace_close(w->instance);
  const int result = read_signals(w, w->staging, &w->signals, err);
  unlink(w->staging);
  return result || choose(w, &w->signals, err) || collect_paths(w, err) ? -1 : 0;
}

int waveform_create(struct waveform **waveform, const struct verilated_block *code, void *instance,
                    const struct sim_trace *trace, uint64_t trial, struct err *err) {
  struct waveform *w = calloc(1, sizeof *w);
  *waveform = NULL;
  if (!w) return err_memory(err, "the waveform");
  w->code = code;
  w->instance = instance;
  w->trace = *trace;
  w->trial = trial;
  if (prepare(w, err)) {
    waveform_destroy(w);
    return -1;
  }
  *waveform = w;
  return 0;
}

void waveform_destroy(struct waveform *w) {
  if (!w) return;
  if (w->state == ON || w->state == ENDING) w->code->trace_close(w->instance);
  staged_folder_discard(&w->folder);
  signals_free(&w->signals);
  for (unsigned i = 0; i < w->n_paths; i++) free(w->paths[i]);
  free(w->paths);
  free(w);
}

double waveform_rate(const struct waveform *w) { return w->rate; }

static int measure(struct waveform *w, struct err *err) {
  struct stat st;
  const bool known = !stat(w->staging, &st);
  staged_folder_discard(&w->folder);
  if (!known || !st.st_size)
    return err_set(err, "%s: a trial for its size cannot be written", w->trace.path);
  w->rate = (double)st.st_size / (double)w->cycles;
  return 0;
}

static int close_file(struct waveform *w, struct err *err) {
  struct waveform_signals written = {0};
  w->code->trace_close(w->instance);
  w->state = DONE;
  if (w->trial) return measure(w, err);
  int result = read_signals(w, w->staging, &written, err);
  if (!result) result = staged_folder_commit_file(&w->folder, staging_file, err);
  w->kept = !result;
  if (!result) result = save_file_write(w->trace.path, &written, w->cycles, err);
  signals_free(&written);
  return result;
}

int waveform_cycle(struct waveform *w, bool start, bool end, struct err *err) {
  if (w->state == DONE) return 0;
  if (w->state == ENDING) return close_file(w, err);
  if (start && w->position++ == w->trace.first && w->state == WAITING) {
    w->code->trace_open(w->instance, w->staging, (const char *const *)w->paths, w->n_paths);
    w->code->trace_on(w->instance, 1);
    w->state = ON;
  }
  w->cycles += w->state == ON;
  if (w->state == ON && ((end && w->position == w->trace.last + 1) || w->cycles == w->trial))
    w->state = ENDING;
  return 0;
}

void waveform_keep(struct waveform *w) {
  struct err err;
  if ((w->state == ON || w->state == ENDING) && !w->trial) close_file(w, &err);
}

bool waveform_kept(const struct waveform *w) { return w->kept; }

int waveform_finish(struct waveform *w, struct err *err) {
  if (w->state == DONE) return 0;
  if (w->state != WAITING) return close_file(w, err);
  return err_set(
      err,
      "%s is not written: the run was over after %llu positions, number %llu was to be its first",
      w->trace.path, (unsigned long long)w->position, (unsigned long long)w->trace.first);
}
