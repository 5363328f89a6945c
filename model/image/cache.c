// SPDX-License-Identifier: Apache-2.0
#include "cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int folder_make(const char *path, struct err *err) {
  char part[FILE_PATH_SIZE];
  if (strlen(path) >= sizeof part) return err_set(err, "%s: path too long", path);
  for (size_t i = 1;; i++) {
    if (path[i] != '/' && path[i]) continue;
    memcpy(part, path, i);
    part[i] = 0;
    if (mkdir(part, 0777) && errno != EEXIST)
      return err_set(err, "%s: the folder cannot be made: %s", part, strerror(errno));
    if (!path[i]) return 0;
  }
}

int cache_path(char path[static FILE_PATH_SIZE], struct err *err) {
  const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  char cache[FILE_PATH_SIZE];
  if (!base || base[0] != '/') {  // the specification says to ignore a relative path
    if (!home || home[0] != '/')
      return err_set(err,
                     "neither XDG_CACHE_HOME nor HOME is set: there is no folder for the cache");
    if (file_join(cache, home, ".cache", err)) return -1;
    base = cache;
  }
  return file_join(path, base, "gpt2rtl", err);
}

int cache_folder(char path[static FILE_PATH_SIZE], struct err *err) {
  struct err why;
  if (cache_path(path, err)) return -1;
  if (!folder_make(path, &why)) return 0;
  return err_set(err, "%s; set XDG_CACHE_HOME to a folder that can be written", why.text);
}
