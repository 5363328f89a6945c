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
  struct waveform_options options;
  struct sim_observer observer;
  const uint32_t *event;
  struct staged_folder folder;  // Verilator's writer takes a name, and makes another file beside it
  char staging[FILE_PATH_SIZE];
  struct waveform_signals signals;
  char *
      *paths;  // what waveform_open takes: scopes, or signals where some of a scope's are left out
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

// waveform_read's callback.
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
  const int status = w->code->waveform_read(path, add_signal, signals);
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
// from a dot on; "u_" may be omitted; gpt2_core is the instance u_core.
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

// "no module", and the modules that there are: the instances' names, each once; clock gates are
// left out.
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
  return err_set(err, "no module is called '%.*s'; the modules are%s", (int)n, name, known);
}

// Keeps only the `signals` in a requested scope.
static int choose(struct waveform *w, struct waveform_signals *signals, struct err *err) {
  bool *keep = calloc(signals->n, sizeof *keep);
  if (!keep) return err_memory(err, "the names of signals");
  const char *at = w->options.scopes;
  do {
    const size_t n = strcspn(at, ","), name = strcspn(at, ",:");
    char *end = (char *)(uintptr_t)at + n;
    unsigned long levels = 1;
    size_t found = 0;
    if (name < n) levels = strtoul(at + name + 1, &end, 10);
    if (end != at + n || (name < n && (at[name + 1] < '0' || at[name + 1] > '9'))) {
      free(keep);
      return err_set(err, "scope '%.*s': expected a number of levels after the colon, 0 for all",
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

// Takes a scope as a whole if none of its signals is too wide, otherwise signal by signal:
// Verilator compares each signal with each path.
static int collect_paths(struct waveform *w, struct err *err) {
  const struct waveform_signals *s = &w->signals;
  const unsigned widest = w->options.wide ? UINT_MAX : WAVEFORM_WIDE;
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
  if (!stat(w->options.path, &st) && !S_ISREG(st.st_mode))
    return err_set(err, "%s: cannot be written: a waveform needs a regular file", w->options.path);
  if (staged_folder_open(&w->folder, w->options.path, staging_files, err) ||
      file_join(w->staging, w->folder.staging, staging_file, err))
    return -1;
  w->code->waveform_open(w->instance, w->staging, NULL, 0);
  w->code->waveform_close(w->instance);
  const int result = read_signals(w, w->staging, &w->signals, err);
  unlink(w->staging);
  return result || choose(w, &w->signals, err) || collect_paths(w, err) ? -1 : 0;
}

static void waveform_destroy(void *self) {
  struct waveform *w = self;
  if (w->state == ON || w->state == ENDING) w->code->waveform_close(w->instance);
  staged_folder_discard(&w->folder);
  signals_free(&w->signals);
  for (unsigned i = 0; i < w->n_paths; i++) free(w->paths[i]);
  free(w->paths);
  free(w);
}

static int measure(struct waveform *w, struct err *err) {
  struct stat st;
  const bool known = !stat(w->staging, &st);
  staged_folder_discard(&w->folder);
  if (!known || !st.st_size)
    return err_set(err, "%s: the trial for its size cannot be written", w->options.path);
  w->rate = (double)st.st_size / (double)w->cycles;
  return 0;
}

static int close_file(struct waveform *w, struct err *err) {
  struct waveform_signals written = {0};
  w->code->waveform_close(w->instance);
  w->state = DONE;
  if (w->trial) return measure(w, err);
  int result = read_signals(w, w->staging, &written, err);
  if (!result) result = staged_folder_commit_file(&w->folder, staging_file, err);
  w->kept = !result;
  if (!result) result = save_file_write(w->options.path, &written, w->cycles, err);
  signals_free(&written);
  return result;
}

static int waveform_cycle(void *self, uint64_t cycle, struct err *err) {
  struct waveform *w = self;
  (void)cycle;
  if (w->state == DONE) return 0;
  if (w->state == ENDING) return close_file(w, err);
  if (*w->event & PKG_EVENT_STEP_START && w->position++ == w->options.first &&
      w->state == WAITING) {
    w->code->waveform_open(w->instance, w->staging, (const char *const *)w->paths, w->n_paths);
    w->code->waveform_on(w->instance, 1);
    w->state = ON;
  }
  w->cycles += w->state == ON;
  if (w->state == ON &&
      ((*w->event & PKG_EVENT_STEP_END && w->position > w->options.last) || w->cycles == w->trial))
    w->state = ENDING;
  return 0;
}

static int waveform_end(void *self, enum sim_end how, struct err *err) {
  struct waveform *w = self;
  const bool written = w->state == ON || w->state == ENDING;
  if (how == SIM_DONE && w->state == WAITING)
    return err_set(
        err,
        "%s is not written: the run ended after %llu positions, before position %llu, its first",
        w->options.path, (unsigned long long)w->position, (unsigned long long)w->options.first);
  if (written && (how == SIM_DONE || !w->trial)) return close_file(w, err);
  return 0;
}

bool waveform_kept(const struct waveform *w) { return w->kept; }

// trial: 0, or the number of cycles after which the file is measured and removed. Before the run a
// file without values is written for a moment, to learn which signals there are.
static int add(struct waveform **waveform, struct sim *sim, const struct waveform_options *options,
               uint64_t trial, struct err *err) {
  struct signals signals = sim_signals(sim);
  struct waveform *w = *waveform = calloc(1, sizeof *w);
  if (!w) return err_memory(err, "the waveform");
  w->code = sim_code(sim);
  w->instance = sim_instance(sim);
  w->options = *options;
  w->trial = trial;
  w->event = signals_find(&signals, "event_o");
  w->observer = (struct sim_observer){.self = w,
                                      .cycle = waveform_cycle,
                                      .end = waveform_end,
                                      .destroy = waveform_destroy};
  if (prepare(w, err)) {
    waveform_destroy(w);
    *waveform = NULL;
    return -1;
  }
  sim_observe(sim, &w->observer);
  return 0;
}

// -------------------------------------------------------------------------------------------- size

enum { TRIAL = 20000 };  // cycles with the waveform on

// Cycles of position 0 and bytes a cycle, by a simulator that does nothing else.
static int try_one(const struct sim *sim, const struct waveform_options *options, double *rate,
                   uint64_t *cycles, struct err *err) {
  static const uint32_t prompt[] = {0};
  const struct controller_run run = {.prompt = prompt,
                                     .n_prompt = 1,
                                     .max_new = 1,
                                     .sampling = {.top_k = 1, .inv_t = 1, .state = 1}};
  struct waveform_options first = *options;
  struct waveform *waveform;
  struct sim_result result;
  struct sim *trial;
  first.first = first.last = 0;
  if (sim_open(&trial, sim_image(sim), sim_settings(sim), SIM_WAVEFORM, err)) return -1;
  int status = add(&waveform, trial, &first, TRIAL, err);
  if (!status) status = sim_run(trial, &run, &result, err);
  if (!status) {
    *rate = waveform->rate;
    *cycles = result.cycles;
  }
  sim_close(trial);
  return status;
}

int sim_observe_waveform(struct waveform **waveform, struct sim *sim,
                         const struct waveform_options *options, uint64_t *bytes, struct err *err) {
  const struct image_header *h = &sim_image(sim)->header;
  const struct sim_memory *memory = sim_settings(sim);
  double rate = 0, all = 0;
  uint64_t cycles = 0;
  *waveform = NULL;
  if (try_one(sim, options, &rate, &cycles, err)) return -1;
  // A later position reads more keys and values, 128 bytes a head and position.
  const double more =
      128.0 * h->n_layer * h->n_head / h->lanes / memory->beats / (1 - memory->stall);
  for (uint64_t p = options->first; p <= options->last; p++)
    all += (double)cycles + more * (double)(p < h->n_ctx ? p : h->n_ctx - 1);
  *bytes = (uint64_t)(rate * all);
  return add(waveform, sim, options, 0, err);
}
