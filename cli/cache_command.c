// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "cache.h"
#include "cli.h"
#include "file.h"

static const char command[] = "cache";
static const char help[] = "gpt2rtl cache - lists or clears the memory images and simulators that "
                           "the program makes once and keeps\n\n"
                           "usage: gpt2rtl cache [--clear] [--json]\n\n"
                           "  --clear             remove everything except what another run is "
                           "making; it is made again when needed\n"
                           "  --json              the list as JSON: folder, bytes, and entries "
                           "with name, kind, bytes and details\n\n"
                           "The folder is $XDG_CACHE_HOME/gpt2rtl, or ~/.cache/gpt2rtl. Other "
                           "files in it are not touched.\n\n"
                           "example: gpt2rtl cache --clear\n";

enum kind { IMAGE, SIMULATORS, CHECKSUM, LEFT, KINDS };
static const char *const kind_names[KINDS] = {"image", "simulators", "checksum", "left over"};

struct entry {
  enum kind kind;
  char *name;
  uint64_t bytes;
  unsigned lanes;  // IMAGE
  char *model;     // IMAGE, CHECKSUM: the folder, or NULL
};

struct list {
  char folder[FILE_PATH_SIZE];
  struct entry *entries;
  size_t n;
};

// ----------------------------------------------------------------------------------------- entries

static size_t hex_digits(const char *text) { return strspn(text, "0123456789abcdef"); }

// The kind of the entry with this name, or KINDS if it is no name that this program makes.
static enum kind kind_of(const char *name, unsigned *lanes) {
  unsigned version;
  int end = 0;
  if (strstr(name, ".tmp-")) return LEFT;
  if (hex_digits(name) != 16) return KINDS;
  const char *rest = name + 16;
  if (!strcmp(rest, ".source")) return CHECKSUM;
  if (sscanf(rest, "-%u.v%u.image%n", lanes, &version, &end) == 2 && end && !rest[end])
    return IMAGE;
  if (!*rest || (*rest == '-' && hex_digits(rest + 1) == 8 && !rest[9])) return SIMULATORS;
  return KINDS;
}

static uint64_t counted;
static int count_bytes(const char *path, const struct stat *st, int type, struct FTW *ftw) {
  (void)path, (void)ftw;
  if (type == FTW_F) counted += (uint64_t)st->st_size;
  return 0;
}

// Reads the second line of a .source file.
static char *read_model(const char *path) {
  char line[FILE_PATH_SIZE] = "";
  FILE *f = fopen(path, "r");
  const bool read = f && fgets(line, sizeof line, f) && fgets(line, sizeof line, f);
  if (f) fclose(f);
  line[strcspn(line, "\n")] = 0;
  return read && *line ? strdup(line) : NULL;
}

static bool read_checksum(char text[static 17], const char *path) {
  FILE *f = fopen(path, "r");
  const bool read = f && fread(text, 1, 16, f) == 16;
  if (f) fclose(f);
  text[16] = 0;
  return read;
}

static int by_kind(const void *a, const void *b) {
  const struct entry *x = a, *y = b;
  return x->kind != y->kind ? (x->kind < y->kind ? -1 : 1) : strcmp(x->name, y->name);
}

static int read_list(struct list *l, struct err *err) {
  struct dirent **names;
  if (cache_path(l->folder, err)) return -1;
  const int n = scandir(l->folder, &names, NULL, NULL);
  if (n < 0)
    return errno == ENOENT ? 0 : err_set(err, "%s: cannot be read: %s", l->folder, strerror(errno));
  l->entries = calloc((size_t)n + 1, sizeof *l->entries);
  for (int i = 0; i < n; i++) {
    char path[FILE_PATH_SIZE];
    struct entry e = {.kind = kind_of(names[i]->d_name, &e.lanes)};
    if (l->entries && e.kind != KINDS && !file_join(path, l->folder, names[i]->d_name, NULL)) {
      counted = 0;
      nftw(path, count_bytes, 16, FTW_PHYS);
      e.bytes = counted;
      e.name = strdup(names[i]->d_name);
      if (e.kind == CHECKSUM) e.model = read_model(path);
      if (e.name) l->entries[l->n++] = e;
    }
    free(names[i]);
  }
  free(names);
  if (!l->entries) return err_memory(err, "the list");
  qsort(l->entries, l->n, sizeof *l->entries, by_kind);
  // Images are named by their weights' checksum; the .source files tell which model that is.
  for (size_t i = 0; i < l->n; i++) {
    char path[FILE_PATH_SIZE], checksum[17];
    const struct entry *c = &l->entries[i];
    if (c->kind != CHECKSUM || !c->model || file_join(path, l->folder, c->name, NULL) ||
        !read_checksum(checksum, path))
      continue;
    for (size_t k = 0; k < l->n; k++) {
      struct entry *image = &l->entries[k];
      if (image->kind == IMAGE && !image->model && !strncmp(image->name, checksum, 16))
        image->model = strdup(c->model);
    }
  }
  return 0;
}

// -------------------------------------------------------------------------------------------- show

static uint64_t total(const struct list *l) {
  uint64_t sum = 0;
  for (size_t i = 0; i < l->n; i++) sum += l->entries[i].bytes;
  return sum;
}

static int print_text(const struct list *l, struct err *err) {
  char name[CLI_NAME_SIZE];
  for (size_t i = 0; i < l->n; i++) {
    const struct entry *e = &l->entries[i];
    if (e->kind == CHECKSUM) continue;  // a file of two lines, too small to list
    printf("%9.1f MB  %-10s  ", (double)e->bytes / 1e6, kind_names[e->kind]);
    if (e->kind == IMAGE)
      printf("%u lanes, %s\n", e->lanes,
             e->model ? cli_name(name, e->model) : "a model that no longer exists");
    else printf("%s\n", cli_name(name, e->name));
  }
  printf("%9.1f MB  in %s\n", (double)total(l) / 1e6, cli_name(name, l->folder));
  return stdout_write("", 0, err);
}

static int print_json(const struct list *l, struct err *err) {
  cJSON *json = cJSON_CreateObject();
  json_add_name(json, "folder", l->folder);
  cJSON_AddNumberToObject(json, "bytes", (double)total(l));
  cJSON *list = cJSON_AddArrayToObject(json, "entries");
  for (size_t i = 0; i < l->n; i++) {
    const struct entry *e = &l->entries[i];
    cJSON *entry = cJSON_CreateObject();
    json_add_name(entry, "name", e->name);
    cJSON_AddStringToObject(entry, "kind", kind_names[e->kind]);
    cJSON_AddNumberToObject(entry, "bytes", (double)e->bytes);
    if (e->kind == IMAGE) cJSON_AddNumberToObject(entry, "lanes", e->lanes);
    if (e->model) json_add_name(entry, "model", e->model);
    cJSON_AddItemToArray(list, entry);
  }
  return stdout_json(json, err);
}

// ------------------------------------------------------------------------------------------- clear

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
  (void)st, (void)type, (void)ftw;
  return remove(path) ? errno : 0;
}

// Whether a process holds the folder's lock, to make a simulator in it.
static bool is_busy(const char *folder) {
  char lock[FILE_PATH_SIZE];
  const int fd = file_join(lock, folder, "lock", NULL) ? -1 : open(lock, O_RDWR | O_CLOEXEC);
  const bool busy = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK;
  if (fd >= 0) close(fd);
  return busy;
}

static int clear(struct list *l, struct err *err) {
  size_t kept = 0;
  for (size_t i = 0; i < l->n; i++) {
    char path[FILE_PATH_SIZE];
    struct entry *e = &l->entries[i];
    if (file_join(path, l->folder, e->name, err)) return -1;
    if (e->kind == SIMULATORS && is_busy(path)) {
      cli_say("%s: a simulator is being made there: not removed", path);
      l->entries[kept++] = *e;
      continue;
    }
    const int error = nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    if (error && error != ENOENT)
      return err_set(err, "%s: cannot be removed: %s", path, strerror(error > 0 ? error : errno));
    free(e->name);
    free(e->model);
  }
  l->n = kept;
  return 0;
}

int cache_main(int argc, char **argv) {
  bool clears = false, json = false;
  const struct option_spec specs[] = {{"--clear", NULL, &clears}, {"--json", NULL, &json}};
  struct list l = {0};
  struct err err;
  int status = options_parse(command, help, specs, sizeof specs / sizeof *specs, argc, argv, NULL);
  if (status >= 0) return status;
  int result = read_list(&l, &err);
  if (!result && clears) result = clear(&l, &err);
  if (!result) result = json ? print_json(&l, &err) : print_text(&l, &err);
  for (size_t i = 0; i < l.n; i++) {
    free(l.entries[i].name);
    free(l.entries[i].model);
  }
  free(l.entries);
  return result ? cli_fail(&err) : EXIT_DONE;
}
