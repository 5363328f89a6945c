// SPDX-License-Identifier: Apache-2.0
// A memory image: a header and beats; beats that the input lacks are zero.
#include "fuzz.h"

#include <string.h>

#include "image.h"

enum { MOST = 4 << 20 };

// The regions follow each other and, with the beats that they state, fill the image.
static void walk(const struct image_header *h) {
  struct image_region region = {0};
  uint64_t end = 0;
  while (image_next_region(&region, h)) {
    FUZZ_CHECK(region.base == end && region.beats > 0);
    end += region.beats;
    for (uint64_t i = 0; i < region.beats; i += 1 + region.beats / 64)
      image_beat_at(&region, h->lanes, i);
  }
  FUZZ_CHECK(end == h->n_beats);
}

static void open_image(const struct image_header *h, const uint8_t *data, size_t size, int sound) {
  static FILE *nowhere;
  const uint64_t beats = h->lanes != 0 && h->n_beats <= MOST / h->lanes ? h->n_beats * h->lanes : 0;
  const size_t bytes = sizeof *h + (size_t)beats;
  char path[FILE_PATH_SIZE];
  struct image image;
  struct err err = {""};
  if (sound && beats == 0) return;  // too large for this test
  uint8_t *file = calloc(1, bytes);
  FUZZ_CHECK(file);
  memcpy(file, data, size < bytes ? size : bytes);
  memcpy(file, h, sizeof *h);
  fuzz_write(path, "image", file, bytes, bytes);
  free(file);
  const int refused = fuzz_refused(image_open(&image, path, IMAGE_ANY_CHECKSUM, &err), &err);
  if (sound && refused) fprintf(stderr, "%s\n", err.text);
  FUZZ_CHECK(!sound || !refused);
  if (refused) return;
  walk(&image.header);
  if (!nowhere) nowhere = fopen("/dev/null", "w");
  image_describe(nowhere, &image.header);
  image_close(&image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct image_header h = {0};
  struct err err = {""};
  memcpy(&h, data, size < sizeof h ? size : sizeof h);
  open_image(&h, data, size, 0);
  // The same shape, with everything else as it must be.
  memset(h.zero, 0, sizeof h.zero);
  h.stripes = 0;
  if (h.eos_id >= h.vocab_size) h.eos_id = UINT32_MAX;
  if (fuzz_refused(image_layout(&h, &err), &err)) return 0;
  open_image(&h, data, size, 1);
  return 0;
}
