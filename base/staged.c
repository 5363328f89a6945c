// SPDX-License-Identifier: Apache-2.0
#include "staged.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "interrupt.h"

enum {
  MAX_LINKS = 40,  // Linux's limit
  KEEP = 200,      // bytes of a name that its staging name keeps; a name has at most 255 bytes
  ATTEMPTS = 100,
  PATH_ROOM = 4096,  // PATH_MAX: the size that realpath needs
};

static bool is_dash(const char *name) { return name[0] == '-' && !name[1]; }

static int cannot(const char *name, int error, struct err *err) {
  if (is_dash(name))
    return err_set(err, "'-' is not an output: /dev/stdout is standard output, ./- a file named -");
  return err_set(err, "%s: cannot be written: %s", name,
                 error == EISDIR ? "it is a folder" : strerror(error));
}

// ------------------------------------------------------------------------------------------- names

// Splits path into its folder's real path and its base name. base is empty if path has the form of
// a folder's name.
static int split(char folder[static FILE_PATH_SIZE], char base[static FILE_PATH_SIZE],
                 const char *path) {
  char text[FILE_PATH_SIZE], real[PATH_ROOM];
  const size_t length = strlen(path);
  if (length >= sizeof text) return ENAMETOOLONG;
  memcpy(text, path, length + 1);
  char *slash = strrchr(text, '/');
  const char *last = slash ? slash + 1 : text;
  if (!*last || !strcmp(last, ".") || !strcmp(last, "..")) last = "";
  memmove(base, last, strlen(last) + 1);
  if (slash) slash[slash == text] = 0;
  if (!realpath(slash ? text : ".", real)) return errno;
  memcpy(folder, real, strlen(real) + 1);
  return 0;
}

static int join(char path[static FILE_PATH_SIZE], const char *folder, const char *base) {
  return file_join(path, strcmp(folder, "/") ? folder : "", base, NULL) ? ENAMETOOLONG : 0;
}

// The descriptor of this process to which folder/base refers, or -1.
static int own_descriptor(const char *folder, const char *base) {
  char own[64];
  snprintf(own, sizeof own, "/proc/%ld/fd", (long)getpid());
  if (strcmp(folder, own) || !*base || strspn(base, "0123456789") != strlen(base) ||
      strlen(base) > 7)
    return -1;
  return atoi(base);
}

// Follows path's links to the file that a write through it would change, and gives that file's path
// or, if it is open in this process, *descriptor. *magic is set for a link of /proc that is not a
// name. Returns 0 or an errno.
static int follow(char path[static FILE_PATH_SIZE], const char *given, int *descriptor,
                  bool *magic) {
  char folder[FILE_PATH_SIZE], base[FILE_PATH_SIZE], target[FILE_PATH_SIZE];
  struct statfs fs;
  struct stat st;
  *descriptor = -1;
  *magic = false;
  if (!*given) return ENOENT;
  if (is_dash(given)) return EINVAL;
  if (strlen(given) >= FILE_PATH_SIZE) return ENAMETOOLONG;
  memcpy(path, given, strlen(given) + 1);
  for (int links = 0; links < MAX_LINKS; links++) {
    int error = split(folder, base, path);
    if (!error && !*base) error = !stat(folder, &st) && S_ISDIR(st.st_mode) ? EISDIR : ENOTDIR;
    if (!error) error = join(path, folder, base);
    if (error) return error;
    if ((*descriptor = own_descriptor(folder, base)) >= 0) return 0;
    const ssize_t n = readlink(path, target, sizeof target - 1);
    if (n < 0) return 0;
    target[n] = 0;
    if (!statfs(folder, &fs) && fs.f_type == PROC_SUPER_MAGIC && target[0] != '/')
      return *magic = true, 0;
    if (target[0] == '/') memcpy(path, target, (size_t)n + 1);
    else if ((error = join(path, folder, target))) return error;
  }
  return ELOOP;
}

// Makes a staging name for path, a new one at each call.
static int staging_name(char staging[static FILE_PATH_SIZE], const char *path) {
  static const char digits[] = "abcdefghijklmnopqrstuvwxyz012345";
  unsigned char random[8];
  char suffix[sizeof random + 1] = "";
  if (getrandom(random, sizeof random, 0) != sizeof random) return errno;
  for (size_t i = 0; i < sizeof random; i++) suffix[i] = digits[random[i] % 32];
  const char *base = strrchr(path, '/') + 1;
  if (strlen(base) > NAME_MAX)
    return ENAMETOOLONG;  // the staging name fits, but the rename would fail
  const int length = snprintf(staging, FILE_PATH_SIZE, "%.*s%.*s.tmp-%s", (int)(base - path), path,
                              KEEP, base, suffix);
  return length >= FILE_PATH_SIZE ? ENAMETOOLONG : 0;
}

// ------------------------------------------------------------------------------------------- files

// Gives the new file the owner and mode of the file that it replaces. If the owner cannot be kept,
// the group loses its rights, because it may be a different group.
static void inherit(const char *staging, const struct stat *old) {
  struct stat now;
  mode_t mode = old->st_mode & 07777;
  if (stat(staging, &now)) return;
  const bool same = now.st_uid == old->st_uid && now.st_gid == old->st_gid;
  if (!same && chown(staging, old->st_uid, old->st_gid))
    mode &= (mode_t) ~(S_ISUID | S_ISGID | S_IRWXG);
  chmod(staging, mode);
}

static void sync_folder(const char *path) {
  char folder[FILE_PATH_SIZE];
  const size_t n = (size_t)(strrchr(path, '/') - path);
  memcpy(folder, path, n);
  strcpy(folder + n, n ? "" : "/");
  const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  fsync(fd);  // some file systems cannot sync a folder; the file is complete in any case
  close(fd);
}

static int open_direct(struct staged *s, int fd, struct err *err) {
  s->direct = true;
  s->file = fd < 0 ? NULL : fdopen(fd, "wb");
  if (s->file) return 0;
  const int error = errno;
  if (fd >= 0) close(fd);
  return cannot(s->name, error, err);
}

int staged_open(struct staged *s, const char *path, struct err *err) {
  struct stat old;
  int descriptor;
  bool magic;
  s->file = NULL;
  s->direct = false;
  s->slot = -1;
  int error = follow(s->path, path, &descriptor, &magic);
  if (error) return cannot(path, error, err);
  strcpy(s->name, path);  // follow has checked the length
  if (descriptor >= 0) return open_direct(s, fcntl(descriptor, F_DUPFD_CLOEXEC, 3), err);
  const bool exists = !stat(s->path, &old);
  if (exists && S_ISDIR(old.st_mode)) return cannot(path, EISDIR, err);
  if (exists && (magic || !S_ISREG(old.st_mode)))
    return open_direct(s, open(s->path, O_WRONLY | O_CLOEXEC | O_NOCTTY), err);
  if (exists && faccessat(AT_FDCWD, s->path, W_OK, AT_EACCESS)) return cannot(path, errno, err);
  int fd = -1;
  for (int i = 0; fd < 0 && i < ATTEMPTS; i++) {
    if ((error = staging_name(s->staging, s->path))) break;
    s->slot = interrupt_add_file(s->staging);
    fd = open(s->staging, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, exists ? 0600 : 0666);
    error = errno;
    if (fd < 0) interrupt_drop(s->slot);
    if (fd < 0 && error != EEXIST) break;
  }
  if (fd < 0) return cannot(path, error, err);
  if (exists) inherit(s->staging, &old);
  s->file = fdopen(fd, "wb");
  if (s->file) return 0;
  error = errno;
  close(fd);
  unlink(s->staging);
  interrupt_drop(s->slot);
  return cannot(path, error, err);
}

int staged_commit(struct staged *s, struct err *err) {
  const bool written =
      !ferror(s->file) && !fflush(s->file) && (s->direct || !fsync(fileno(s->file)));
  int error = errno;
  if (fclose(s->file) && written) error = errno;
  else if (written) error = 0;
  else if (!error) error = EIO;
  s->file = NULL;
  if (!s->direct) {
    if (!error && rename(s->staging, s->path)) error = errno;
    if (error) unlink(s->staging);
    interrupt_drop(s->slot);
    if (!error) sync_folder(s->path);
  }
  return error ? cannot(s->name, error, err) : 0;
}

void staged_discard(struct staged *s) {
  if (!s->file) return;
  fclose(s->file);
  s->file = NULL;
  if (s->direct) return;
  unlink(s->staging);
  interrupt_drop(s->slot);
}

int staged_place(const char *from, const char *path, struct err *err) {
  char to[FILE_PATH_SIZE];
  int descriptor;
  bool magic;
  struct stat old;
  int error = follow(to, path, &descriptor, &magic);
  if (!error && (descriptor >= 0 || magic)) error = EINVAL;
  if (!error && !stat(to, &old)) {
    if (!S_ISREG(old.st_mode)) error = S_ISDIR(old.st_mode) ? EISDIR : EEXIST;
    else inherit(from, &old);
  }
  if (!error && rename(from, to)) error = errno;
  if (error) return cannot(path, error, err);
  sync_folder(to);
  return 0;
}

// ----------------------------------------------------------------------------------------- folders

int staged_folder_open(struct staged_folder *f, const char *path, const char *const *names,
                       struct err *err) {
  char given[FILE_PATH_SIZE];
  int descriptor;
  bool magic;
  f->staging[0] = 0;
  f->names = names;
  size_t length = strlen(path);
  if (length >= sizeof given) return cannot(path, ENAMETOOLONG, err);
  memcpy(given, path, length + 1);
  while (length > 1 && given[length - 1] == '/') given[--length] = 0;
  int error = follow(f->path, given, &descriptor, &magic);
  if (!error && (descriptor >= 0 || magic)) error = EINVAL;
  if (error) return cannot(path, error, err);
  memcpy(f->name, path, strlen(path) + 1);
  bool made = false;
  for (int i = 0; !made && i < ATTEMPTS; i++) {
    if ((error = staging_name(f->staging, f->path))) break;
    f->slot = interrupt_add_folder(f->staging, names);
    made = !mkdir(f->staging, 0777);
    error = errno;
    if (!made) interrupt_drop(f->slot);
    if (!made && error != EEXIST) break;
  }
  if (made) return 0;
  f->staging[0] = 0;
  return cannot(path, error, err);
}

int staged_folder_commit(struct staged_folder *f, struct err *err) {
  struct stat old;
  if (!stat(f->path, &old)) inherit(f->staging, &old);
  if (rename(f->staging, f->path)) {
    const int error = errno;
    staged_folder_discard(f);
    return cannot(f->name, error, err);
  }
  interrupt_drop(f->slot);
  f->staging[0] = 0;
  sync_folder(f->path);
  return 0;
}

int staged_folder_commit_file(struct staged_folder *f, const char *file, struct err *err) {
  char from[FILE_PATH_SIZE];
  int result = file_join(from, f->staging, file, err);
  if (!result) {
    const int fd = open(from, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd)) result = cannot(f->name, errno, err);
    if (fd >= 0) close(fd);
  }
  if (!result) result = staged_place(from, f->path, err);
  staged_folder_discard(f);
  return result;
}

void staged_folder_discard(struct staged_folder *f) {
  char path[FILE_PATH_SIZE];
  if (!f->staging[0]) return;
  for (const char *const *name = f->names; *name; name++)
    if (!file_join(path, f->staging, *name, NULL)) unlink(path);
  rmdir(f->staging);
  interrupt_drop(f->slot);
  f->staging[0] = 0;
}
