// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "cli.h"
#include "interrupt.h"

static const char zeros[IMAGE_HEADER_BYTES];

int compile_stripes(const char *path, const struct image *image, uint32_t stripes,
                    struct err *err) {
  struct staged out = {0};
  struct image_header header = image->header;
  const uint32_t lanes = header.lanes, width = lanes / stripes;
  const size_t rest = (size_t)(header.n_beats * width % IMAGE_HEADER_BYTES);
  header.stripes = stripes;
  if (staged_open(&out, path, err)) return -1;
  fwrite(&header, 1, sizeof header, out.file);
  for (uint32_t s = 0; s < stripes && !interrupt_pending(); s++) {
    for (uint64_t beat = 0; beat < header.n_beats; beat++)
      fwrite(image->beats + beat * lanes + s * width, 1, width, out.file);
    if (rest) fwrite(zeros, 1, sizeof zeros - rest, out.file);
  }
  return staged_commit(&out, err);
}
