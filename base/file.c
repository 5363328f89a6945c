// SPDX-License-Identifier: Apache-2.0
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "interrupt.h"
#include "printable.h"

int file_join(char path[static FILE_PATH_SIZE], const char *dir, const char *name,
              struct err *err) {
  int length = snprintf(path, FILE_PATH_SIZE, "%s/%s", dir, name);
  if (length < 0 || length >= FILE_PATH_SIZE)
    return err_set(err, "%.100s...: the path is longer than %d bytes", dir, FILE_PATH_SIZE - 1);
  return 0;
}

bool file_exists(const char *path) { return access(path, F_OK) == 0; }

// -------------------------------------------------------------------------------- maps that shrink

// The current maps, for the handler: an entry is read only while its size is not 0.
enum { GUARDED = 512, NAME_ROOM = 512 };
static struct guarded {
  _Atomic(uintptr_t) claimed, data;
  _Atomic(size_t) size;
  char name[NAME_ROOM];  // in printable form
} guarded[GUARDED];

static void guard(const void *data, size_t size, const char *path) {
  for (size_t i = 0; i < GUARDED; i++) {
    uintptr_t expected = 0;
    if (atomic_compare_exchange_strong(&guarded[i].claimed, &expected, (uintptr_t)data)) {
      printable(guarded[i].name, NAME_ROOM, path, strlen(path));
      atomic_store(&guarded[i].data, (uintptr_t)data);
      atomic_store(&guarded[i].size, size);
      return;
    }
  }
}

static void unguard(const void *data) {
  for (size_t i = 0; i < GUARDED; i++) {
    if (atomic_load(&guarded[i].claimed) == (uintptr_t)data) {
      atomic_store(&guarded[i].size, 0);
      atomic_store(&guarded[i].claimed, 0);
      return;
    }
  }
}

static void write_text(const char *text) {
  if (write(STDERR_FILENO, text, strlen(text)) < 0) return;
}

static void on_bus_error(int signal_number, siginfo_t *info, void *context) {
  (void)context;
  const uintptr_t at = (uintptr_t)info->si_addr;
  for (size_t i = 0; i < GUARDED; i++) {
    const size_t size = atomic_load(&guarded[i].size);
    const uintptr_t data = atomic_load(&guarded[i].data);
    if (size != 0 && at >= data && at - data < size) {
      write_text("gpt2rtl: ");
      write_text(guarded[i].name);
      write_text(": was truncated during the read, or its disk failed\n");
      interrupt_clean();
      _exit(1);
    }
  }
  // The map is not one of ours. The waveform writer maps the file that it writes, and its disk is
  // full.
  (void)signal_number;
  write_text("gpt2rtl: a file that is mapped into memory cannot be written: its disk is full, or "
             "failed\n");
  interrupt_clean();
  _exit(1);
}

void file_guard_install(void) {
  struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, NULL);
}

int file_map_open(struct file_map *map, const char *path, struct err *err) {
  static const unsigned char empty[1];
  *map = (struct file_map){.data = empty, .size = 0};

  // O_NONBLOCK: a pipe is refused below, so opening it must not wait.
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return err_set(err, "%s: cannot open: %s", path, strerror(errno));
  struct stat info;
  int result = 0;
  if (fstat(fd, &info) != 0) {
    result = err_set(err, "%s: cannot read its size: %s", path, strerror(errno));
  } else if (!S_ISREG(info.st_mode)) {
    result = err_set(err, "%s: not a regular file", path);
  } else if (info.st_size > 0) {
    void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) {
      result = err_set(err, "%s: cannot map %jd bytes: %s", path, (intmax_t)info.st_size,
                       strerror(errno));
    } else {
      *map = (struct file_map){.data = data, .size = (size_t)info.st_size};
      guard(data, map->size, path);
    }
  }
  close(fd);
  return result;
}

void file_map_close(struct file_map *map) {
  if (map->size > 0) {
    unguard(map->data);
    munmap((void *)(uintptr_t)map->data, map->size);
  }
  *map = (struct file_map){0};
}
