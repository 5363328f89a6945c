// SPDX-License-Identifier: Apache-2.0
#include "save_file.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "fixed.h"
#include "staged.h"

// GTKWave's trace flags (analyzer.h of its source): how a value is shown, and what kind of line
// this is.
enum {
  SHOW_HEX = 0x22,
  SHOW_DECIMAL = 0x24,
  SHOW_BIT = 0x28,
  SHOW_SIGNED = 0x420,
  SHOW_FIXED = 0x40000420,
  GROUP_BEGIN = 0x800200,
  GROUP_END = 0x1000200,
  GROUP_CLOSED = 0x400000,
  COLLAPSED = 0x1000,
};

#define CORE "gpt2_top.u_core"
#define CONFIGURATION "configuration"  // constant during a run: shown closed

// What the ports of gpt2_top and gpt2_core carry, by the beginnings of their names, in the order in
// which a position passes them. The first ANYWHERE are the same in every module.
enum { ANYWHERE = 3 };
static const struct {
  const char *word, *title;
} ports[] = {
    {"clk", "clock and reset"},
    {"rst", "clock and reset"},
    {"cfg", CONFIGURATION},
    {"step", "step: one position"},
    {"prompt", "prompt ids in"},
    {"rd", "memory reads"},
    {"wr", "memory writes"},
    {"event", "events, residual writes"},
    {"residual", "events, residual writes"},
    {"lg", "logits out"},
    {"tok", "chosen ids out"},
    {"start", "run"},
    {"busy", "run"},
    {"done", "run"},
    {"error", "run"},
    {"max", "run"},
    {"stop", "run"},
    {"all", "run"},
    {"count", "counters"},
    {"counters", "counters"},
    {"sampling", CONFIGURATION},
};

enum { STAGE = 100, REST = 200 };  // ranks of groups after those of ports
enum { FRAMES = 5 };  // of 200 pixels, GTKWave's unit of zoom: all of the time, in ps, is in view

struct entry {
  const struct waveform_signal *signal;
  size_t index;          // in the file
  size_t module;         // index of the module's first signal
  size_t module_length;  // of its path, in the signal's scope
  unsigned order;        // of the group in the module
  char title[32];
};

// The length of the module's path in a scope: the part before the packed structs, up to its last
// instance; generate blocks after that belong to the module.
static size_t module_length(const char *scope) {
  size_t keep = 0;
  for (size_t i = 0; scope[i];) {
    const size_t n = strcspn(scope + i, ".");
    if (scope[i + n - 1] == ':') break;
    if (strncmp(scope + i, "gen_", 4)) keep = i + n;
    i += n + (scope[i + n] == '.');
  }
  return keep;
}

// A name after the module's path: those of structs, generate blocks and the signal itself.
static void local_name(char name[static 256], const struct entry *e) {
  const char *inside = e->signal->scope + e->module_length;
  snprintf(name, 256, "%s%s%s", inside + (*inside == '.'), *inside ? "." : "", e->signal->name);
}

// The digit or digits before "_q" or the end of the name, or -1.
static int stage_of(const char *name) {
  size_t n = strcspn(name, " [:.");
  if (n > 2 && name[n - 2] == '_') n -= 2;
  size_t digits = 0;
  while (digits < n && isdigit((unsigned char)name[n - 1 - digits])) digits++;
  return digits && digits < n ? atoi(name + n - digits) : -1;
}

static bool is_port(const char *name) {
  const size_t n = strcspn(name, " [:.");
  return n > 2 && name[n - 2] == '_' && (name[n - 1] == 'i' || name[n - 1] == 'o');
}

static void classify(struct entry *e) {
  char name[256];
  local_name(name, e);
  const char *own = strncmp(name, "gen_", 4) ? name : e->signal->name;
  const int stage = stage_of(own);
  if (is_port(own)) {
    const size_t n = strcspn(own, "_");
    snprintf(e->title, sizeof e->title, "%.*s", (int)n, own);
    const unsigned known = sizeof ports / sizeof *ports,
                   top = !memchr(e->signal->scope, '.', e->module_length) ||
                         (e->module_length == strlen(CORE) &&
                          !memcmp(e->signal->scope, CORE, e->module_length));
    e->order = known;
    for (unsigned i = 0; i < (top ? known : ANYWHERE); i++) {
      if (strlen(ports[i].word) != n || memcmp(ports[i].word, own, n)) continue;
      snprintf(e->title, sizeof e->title, "%s", ports[i].title);
      e->order = i;
      for (unsigned k = i; k > 0; k--)
        if (!strcmp(ports[k - 1].title, ports[i].title)) e->order = k - 1;
    }
  } else if (stage >= 0) {
    snprintf(e->title, sizeof e->title, "stage %d", stage);
    e->order = STAGE + (unsigned)stage;
  } else {
    snprintf(e->title, sizeof e->title, "inside");
    e->order = REST;
  }
}

// By module as in the file, by group, as in the file. Groups of ports without a known word stay
// together by title.
static int compare(const void *a, const void *b) {
  const struct entry *x = a, *y = b;
  if (x->module != y->module) return x->module < y->module ? -1 : 1;
  if (x->order != y->order) return x->order < y->order ? -1 : 1;
  const int titles = strcmp(x->title, y->title);
  return titles ? titles : x->index < y->index ? -1 : 1;
}

static void write_signal(FILE *f, const struct entry *e) {
  char path[512];
  const unsigned width = e->signal->width;
  const char *own = e->signal->name;
  const bool rows = width == 32 && strstr(own, "rows"), residual = rows && strstr(own, "residual");
  if (rows) fprintf(f, "[fpshift_count] %d\n", residual ? RES_FRAC : ROW_FRAC);
  const bool bits = width > 32 || strstr(own, "addr") || strstr(own, "base") ||
                    strstr(own, "off") || strstr(own, "data") || strstr(own, "strb") ||
                    strstr(own, "mask") || strstr(own, "scale");
  fprintf(f, "@%x\n", rows ? SHOW_FIXED : width == 1 ? SHOW_BIT : bits ? SHOW_HEX : SHOW_DECIMAL);
  snprintf(path, sizeof path, "block.%s.%s", e->signal->scope, own);
  for (const char *c = path; *c; c++)
    if (*c != ':' || isdigit((unsigned char)c[1])) {
      if (*c != ' ') putc(*c, f);
    }
  putc('\n', f);
}

static void write_group_end(FILE *f, const char *title, size_t length, unsigned closed) {
  fprintf(f, "@%x\n-%.*s\n", GROUP_END | (closed ? closed | COLLAPSED : 0), (int)length, title);
}

// The first module is shown open, others can be opened.
static void write_groups(FILE *f, const struct entry *entries, size_t n) {
  unsigned module_closed = 0, closed = 0;
  for (size_t i = 0; i <= n; i++) {
    const struct entry *e = i < n ? &entries[i] : NULL, *before = i ? &entries[i - 1] : NULL;
    const bool new_module = !e || !before || e->module != before->module;
    const bool new_group = new_module || strcmp(e->title, before->title);
    if (before && new_group) write_group_end(f, before->title, strlen(before->title), closed);
    if (before && new_module) {
      write_group_end(f, before->signal->scope, before->module_length, module_closed);
      module_closed = GROUP_CLOSED;
    }
    if (!e) return;
    if (new_module)
      fprintf(f, "@%x\n-%.*s\n", GROUP_BEGIN | module_closed, (int)e->module_length,
              e->signal->scope);
    if (new_group) {
      closed = strcmp(e->title, CONFIGURATION) ? module_closed : GROUP_CLOSED;
      fprintf(f, "@%x\n-%s\n", GROUP_BEGIN | closed, e->title);
    }
    write_signal(f, e);
  }
}

static int write_file(const char *path, const char *fst, const struct entry *entries, size_t n,
                      uint64_t cycles, struct err *err) {
  struct staged out;
  if (staged_open(&out, path, err)) return -1;
  FILE *f = out.file;
  const char *slash = strrchr(fst, '/');
  fprintf(f,
          "[*] gpt2rtl: open with gtkwave %s\n[dumpfile] \"%s\"\n[size] 1600 900\n[pos] -1 "
          "-1\n[signals_width] 320\n"
          "[sst_expanded] 0\n*%.2f\n",
          slash ? slash + 1 : fst, slash ? slash + 1 : fst,
          -log2(1000.0 * (double)(cycles + 1) / FRAMES));
  write_groups(f, entries, n);
  return staged_commit(&out, err);
}

int save_file_write(const char *fst, const struct waveform_signals *signals, uint64_t cycles,
                    struct err *err) {
  char path[FILE_PATH_SIZE];
  const size_t length = strlen(fst),
               stem = length > 4 && !strcmp(fst + length - 4, ".fst") ? length - 4 : length;
  if (snprintf(path, sizeof path, "%.*s.gtkw", (int)stem, fst) >= FILE_PATH_SIZE)
    return err_set(err, "%s: path too long", fst);
  struct entry *entries = calloc(signals->n + 1, sizeof *entries);
  if (!entries) return err_memory(err, "the save file");
  size_t n = 0;
  for (size_t i = 0; i < signals->n; i++) {
    const struct waveform_signal *signal = &signals->list[i];
    if (isupper((unsigned char)signal->name[0])) continue;
    struct entry *e = &entries[n++];
    *e =
        (struct entry){.signal = signal, .index = i, .module_length = module_length(signal->scope)};
    const struct entry *before = n > 1 ? e - 1 : NULL;
    e->module = before && before->module_length == e->module_length &&
                        !memcmp(before->signal->scope, signal->scope, e->module_length)
                    ? before->module
                    : i;
    // A module's signals may be on both sides of those of its submodules.
    for (const struct entry *other = entries; e->module == i && other < e; other++)
      if (other->module_length == e->module_length &&
          !memcmp(other->signal->scope, signal->scope, e->module_length))
        e->module = other->module;
    classify(e);
  }
  qsort(entries, n, sizeof *entries, compare);
  const int result = write_file(path, fst, entries, n, cycles, err);
  free(entries);
  return result;
}
