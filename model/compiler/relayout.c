// SPDX-License-Identifier: Apache-2.0
#include "relayout.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "golden.h"

static void put_word(uint8_t *to, uint32_t word) {
  for (int byte = 0; byte < 4; byte++) to[byte] = (uint8_t)(word >> 8 * byte);
}

// Makes beat i of region r, which begins at `from` in the other image.
static void put_beat(uint8_t *beat, const struct image_region *r, uint32_t lanes, uint64_t i,
                     const struct matrix *from) {
  const struct image_beat at = image_beat_at(r, lanes, i);
  const uint32_t segments = lanes / HEAD_DIM, first = at.group * segments;
  const bool norm = image_is_norm(r->kind);
  const uint32_t words = norm ? r->n_cols : r->n_rows;
  memset(beat, 0, lanes);
  if (at.side)
    for (uint32_t k = 0; k < lanes / 4 && first + k < words; k++)
      put_word(beat + 4 * k,
               norm ? side_word(from->image, from->base, first + k) : matrix_side(from, first + k));
  else
    for (uint32_t s = 0; s < segments && first + s < r->n_rows; s++)
      memcpy(beat + HEAD_DIM * s, matrix_block(from, first + s, at.block), HEAD_DIM);
}

int relayout(struct image *to, const struct image *from, uint32_t lanes, struct err *err) {
  struct image_region r = {0}, old = {0};
  *to = (struct image){.header = from->header};
  to->header.lanes = lanes;
  if (image_layout(&to->header, err)) return -1;
  uint8_t *beats = malloc((size_t)to->header.n_beats * lanes);
  if (!beats) return err_memory(err, "the memory image");
  to->beats = beats;
  while (image_next_region(&r, &to->header) && image_next_region(&old, &from->header)) {
    const struct matrix matrix = {.image = from,
                                  .base = old.base,
                                  .n_rows = old.n_rows,
                                  .n_blocks = old.n_cols / HEAD_DIM,
                                  .by_columns = old.by_columns};
    for (uint64_t i = 0; i < r.beats; i++)
      put_beat(beats + (size_t)((r.base + i) * lanes), &r, lanes, i, &matrix);
  }
  XXH64_state_t *sum = XXH64_createState();
  if (!sum) {
    relayout_free(to);
    return err_memory(err, "the image's checksum");
  }
  to->header.checksum = 0;
  XXH64_reset(sum, 0);
  XXH64_update(sum, &to->header, sizeof to->header);
  XXH64_update(sum, beats, (size_t)to->header.n_beats * lanes);
  to->header.checksum = XXH64_digest(sum);
  XXH64_freeState(sum);
  return 0;
}

void relayout_free(struct image *image) {
  free((void *)(uintptr_t)image->beats);
  *image = (struct image){0};
}
