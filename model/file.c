// SPDX-License-Identifier: Apache-2.0
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int file_join(char path[static FILE_PATH_SIZE], const char *dir, const char *name,
              struct err *err) {
  int length = snprintf(path, FILE_PATH_SIZE, "%s/%s", dir, name);
  if (length < 0 || length >= FILE_PATH_SIZE) {
    return err_set(err, "%.100s...: the path is longer than %d bytes", dir, FILE_PATH_SIZE - 1);
  }
  return 0;
}

bool file_exists(const char *path) {
  return access(path, F_OK) == 0;
}

int file_map_open(struct file_map *map, const char *path, struct err *err) {
  static const unsigned char empty[1];
  *map = (struct file_map){.data = empty, .size = 0};

  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe is refused below, not waited for
  if (fd < 0) {
    return err_set(err, "%s: cannot open: %s", path, strerror(errno));
  }
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
    }
  }
  close(fd);
  return result;
}

void file_map_close(struct file_map *map) {
  if (map->size > 0) {
    munmap((void *)(uintptr_t)map->data, map->size);
  }
  *map = (struct file_map){0};
}
