// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "file.h"
#include "image_build.h"
#include "weights.h"

// Makes a folder and those above it.
static int make_folder(const char *path, struct err *err) {
  char part[FILE_PATH_SIZE];
  for (size_t i = 1;; i++) {
    if (path[i] != '/' && path[i]) continue;
    memcpy(part, path, i);
    part[i] = 0;
    if (mkdir(part, 0777) && errno != EEXIST)
      return err_set(err, "%s: cannot be made to keep images in: %s; set XDG_CACHE_HOME to a folder that can be written",
                     part, strerror(errno));
    if (!path[i]) return 0;
  }
}

static int cache_folder(char path[static FILE_PATH_SIZE], struct err *err) {
  const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  char cache[FILE_PATH_SIZE];
  if (!base || base[0] != '/') {                 // the specification says: a relative one is to be ignored
    if (!home || home[0] != '/')
      return err_set(err, "neither XDG_CACHE_HOME nor HOME is set: there is no place to keep images");
    if (file_join(cache, home, ".cache", err)) return -1;
    base = cache;
  }
  return file_join(path, base, "gpt2rtl", err) || make_folder(path, err) ? -1 : 0;
}

static int build(const char *path, const char *dir, uint32_t lanes, uint64_t source, struct err *err) {
  struct gpt2_weights weights;
  fprintf(stderr, "gpt2rtl: making the memory image of %s for %u lanes: %s\n", dir, lanes, path);
  if (weights_load(&weights, dir, err)) return -1;
  const int result = image_build(path, &weights, lanes, source, err);
  weights_free(&weights);
  return result;
}

int model_image(struct image *image, const char *dir, uint32_t lanes, struct err *err) {
  char folder[FILE_PATH_SIZE], name[64], path[FILE_PATH_SIZE];
  uint64_t source;
  memset(image, 0, sizeof *image);
  if (image_source(&source, dir, err) || cache_folder(folder, err)) return -1;
  snprintf(name, sizeof name, "%016llx-%u.v%u.image", (unsigned long long)source, lanes, IMAGE_VERSION);
  if (file_join(path, folder, name, err)) return -1;
  if (file_exists(path)) {
    if (!image_open(image, path, IMAGE_CHECKED, err)) {
      if (image->header.source == source && image->header.lanes == lanes) return 0;
      image_close(image);
      err_set(err, "%s: made from other weights", path);
    }
    fprintf(stderr, "gpt2rtl: %s\n", err->text);
  }
  return build(path, dir, lanes, source, err) ? -1 : image_open(image, path, IMAGE_CHECKED, err);
}
