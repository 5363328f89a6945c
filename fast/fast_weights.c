// SPDX-License-Identifier: Apache-2.0
#include "fast_weights.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// ------------------------------------------------------------------------------------------ memory

enum { HUGE_PAGE = 1 << 21 };

static size_t mapped_bytes(size_t bytes) { return (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE; }

void *fast_memory_map(size_t bytes) {
  // A huge page begins at a multiple of its size. So one page more is mapped, and the excess before
  // and after is unmapped.
  const size_t size = mapped_bytes(bytes);
  uint8_t *p =
      mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return NULL;
  const size_t front = HUGE_PAGE - (uintptr_t)p % HUGE_PAGE;
  munmap(p, front);
  if (front < HUGE_PAGE) munmap(p + front + size, HUGE_PAGE - front);
  madvise(p + front, size, MADV_HUGEPAGE);
  return p + front;
}

void fast_memory_unmap(void *memory, size_t bytes) {
  if (memory) munmap(memory, mapped_bytes(bytes));
}

// ----------------------------------------------------------------------------------------- packing

static struct fast_matrix shape(uint32_t n_rows, uint32_t n_blocks) {
  return (struct fast_matrix){.n_rows = n_rows,
                              .n_strips = (n_rows + HEAD_DIM - 1) / HEAD_DIM,
                              .n_blocks = n_blocks};
}

static size_t tile_bytes(const struct fast_matrix *m) {
  return (size_t)m->n_strips * m->n_blocks * TILE_BYTES;
}
static size_t side_bytes(const struct fast_matrix *m) {
  return (size_t)m->n_strips * HEAD_DIM * sizeof *m->side;
}

// Places the matrix's tiles at *tiles and its side words at *sides, and advances both.
static void place(struct fast_matrix *m, uint8_t **tiles, uint8_t **sides) {
  m->tiles = (int8_t *)*tiles;
  m->side = (uint32_t *)(void *)*sides;
  *tiles += tile_bytes(m);
  *sides += side_bytes(m);
}

static inline void pack_row(int8_t *tile, uint32_t together, uint32_t row, const int8_t *w) {
  for (uint32_t c = 0; c < HEAD_DIM; c += together)
    memcpy(tile + tile_offset(together, row, c), w + c, together);
}

// Copies a matrix of the image to m's strips from first_strip on.
static void pack(const struct fast_matrix *m, uint32_t together, uint32_t first_strip,
                 const struct matrix *from) {
  for (uint32_t row = 0; row < from->n_rows; row++) {
    const uint32_t strip = first_strip + row / HEAD_DIM, r = row % HEAD_DIM;
    int8_t *tile = m->tiles + (size_t)strip * m->n_blocks * TILE_BYTES;
    m->side[strip * HEAD_DIM + r] = matrix_side(from, row);
    for (uint32_t k = 0; k < m->n_blocks; k++, tile += TILE_BYTES) {
      const int8_t *w = matrix_block(from, row, k);
      if (together == 2) pack_row(tile, 2, r, w);  // a constant makes the copy one instruction
      else pack_row(tile, 4, r, w);
    }
  }
}

static void pack_layer(struct fast_layer *l, uint32_t together, const struct image *image,
                       uint32_t layer) {
  const uint32_t heads = image->header.n_head, width = image->header.n_embd;
  const uint64_t a_head = image_matrix_beats(image->header.lanes, 3 * HEAD_DIM, width);
  struct weight_stream at;
  weight_stream_layer(&at, &image->header, layer);
  for (uint32_t h = 0; h < heads; h++)
    pack(&l->qkv, together, 3 * h,
         &(struct matrix){image, at.qkv + h * a_head, 3 * HEAD_DIM, heads, false});
  pack(&l->attn_proj, together, 0, &(struct matrix){image, at.proj, width, heads, true});
  pack(&l->fc, together, 0, &(struct matrix){image, at.mlp1, 4 * width, heads, false});
  pack(&l->mlp_proj, together, 0, &(struct matrix){image, at.mlp2, width, 4 * heads, true});
}

static void copy_norm(uint32_t *words, const struct image *image, uint64_t base) {
  for (uint32_t c = 0; c < image->header.n_embd; c++) words[c] = side_word(image, base, c);
}

int fast_weights_load(struct fast_weights *w, const struct image *image, uint32_t together,
                      struct err *err) {
  const struct image_header *h = &image->header;
  const uint32_t heads = h->n_head, width = h->n_embd, layers = h->n_layer;
  const struct fast_layer a_layer = {shape(3 * width, heads), shape(width, heads),
                                     shape(4 * width, heads), shape(width, 4 * heads)};
  const struct fast_matrix *const in_layer[] = {&a_layer.qkv, &a_layer.attn_proj, &a_layer.fc,
                                                &a_layer.mlp_proj};
  w->together = together;
  w->head = shape(h->vocab_size, heads);
  size_t tiles = tile_bytes(&w->head), sides = side_bytes(&w->head);
  for (size_t i = 0; i < 4; i++) {
    tiles += layers * tile_bytes(in_layer[i]);
    sides += layers * side_bytes(in_layer[i]);
  }
  const size_t norms = (2 * (size_t)layers + 1) * width * sizeof *w->norms;
  w->bytes = tiles + sides + norms;
  w->memory = fast_memory_map(w->bytes);
  w->layers = calloc(layers, sizeof *w->layers);
  if (!w->memory || !w->layers)
    return err_set(err, "no memory for the weights: %zu MB are needed besides the image",
                   w->bytes >> 20);

  uint8_t *tile = w->memory, *side = tile + tiles;
  w->norms = (uint32_t *)(void *)(side + sides);
  struct weight_stream at;
  for (uint32_t i = 0; i < layers; i++) {
    struct fast_layer *l = &w->layers[i];
    *l = a_layer;
    place(&l->qkv, &tile, &side);
    place(&l->attn_proj, &tile, &side);
    place(&l->fc, &tile, &side);
    place(&l->mlp_proj, &tile, &side);
    pack_layer(l, together, image, i);
    weight_stream_layer(&at, h, i);
    copy_norm(w->norms + 2 * (size_t)i * width, image, at.ln1);
    copy_norm(w->norms + (2 * (size_t)i + 1) * width, image, at.ln2);
  }
  copy_norm(w->norms + 2 * (size_t)layers * width, image, at.ln_next);
  place(&w->head, &tile, &side);
  pack(&w->head, together, 0, &(struct matrix){image, h->head_base, h->vocab_size, heads, false});
  return 0;
}

void fast_weights_free(struct fast_weights *w) {
  fast_memory_unmap(w->memory, w->bytes);
  free(w->layers);
  memset(w, 0, sizeof *w);
}
