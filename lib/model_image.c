// SPDX-License-Identifier: Apache-2.0
#include "model_image.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cache.h"
#include "file.h"
#include "image_build.h"
#include "model_source.h"

static void say(const struct model_note *note, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say(const struct model_note *note, const char *format, ...) {
  char text[sizeof(struct err) + FILE_PATH_SIZE];
  va_list list;
  if (!note->say) return;
  va_start(list, format);
  vsnprintf(text, sizeof text, format, list);
  va_end(list);
  note->say(note->ctx, text);
}

// Makes the image in memory that ends with the program.
static int build_unkept(struct image *image, const struct gpt2_weights *weights, uint32_t lanes,
                        uint64_t source, struct err *err) {
  char path[64];
  const int fd = memfd_create("gpt2rtl-image", MFD_CLOEXEC);
  if (fd < 0) return err_set(err, "no memory for the image: %s", strerror(errno));
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  const int result =
      image_build(path, weights, lanes, source, err) || image_open(image, path, IMAGE_CHECKED, err)
          ? -1
          : 0;
  close(fd);
  return result;
}

// Makes the image at path or, if path cannot be written, in memory. An empty path means that there
// is no cache; `why` then says why.
static int build(struct image *image, const char *path, const struct gpt2_weights *weights,
                 const char *dir, uint32_t lanes, uint64_t source, const struct model_note *note,
                 struct err *why, struct err *err) {
  if (path[0]) say(note, "making the memory image of %s for %u lanes: %s", dir, lanes, path);
  if (path[0] && !image_build(path, weights, lanes, source, why))
    return image_open(image, path, IMAGE_CHECKED, err);
  if (build_unkept(image, weights, lanes, source, err)) return -1;
  say(note, "%s: the memory image of %s for %u lanes is made for this run only", why->text, dir,
      lanes);
  return 0;
}

int model_image_open(struct image *image, const char *dir, uint32_t lanes,
                     const struct model_note *note, struct err *err) {
  char folder[FILE_PATH_SIZE], name[64], path[FILE_PATH_SIZE] = "";
  struct model_identity identity;
  struct gpt2_weights weights;
  struct err why = {""};
  uint64_t source;
  memset(image, 0, sizeof *image);
  if (config_no_adapter(dir, err) || model_identity(&identity, dir, err)) return -1;
  const bool keeps = !cache_folder(folder, &why);
  const bool known = keeps && !model_source_find(&source, folder, &identity);
  if (!known && image_source(&source, dir, err)) return -1;
  snprintf(name, sizeof name, "%016llx-%u.v%u.image", (unsigned long long)source, lanes,
           IMAGE_VERSION);
  if (keeps && file_join(path, folder, name, err)) return -1;
  if (keeps && file_exists(path)) {
    if (!image_open(image, path, IMAGE_CHECKED, err)) {
      if (image->header.source == source && image->header.lanes == lanes) {
        if (!known) model_source_keep(source, folder, &identity, dir);
        return 0;
      }
      image_close(image);
      err_set(err, "%s: made from other weights", path);
    }
    say(note, "%s", err->text);
  }
  if (model_source_load(&weights, &source, true, &identity, dir, err)) return -1;
  const int result = build(image, path, &weights, dir, lanes, source, note, &why, err);
  weights_free(&weights);
  if (!result && keeps && !known) model_source_keep(source, folder, &identity, dir);
  return result;
}
