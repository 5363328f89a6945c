// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "cache.h"
#include "cli.h"
#include "file.h"
#include "image_build.h"
#include "weights.h"

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
  if (config_no_adapter(dir, err) || image_source(&source, dir, err) || cache_folder(folder, err)) return -1;
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
