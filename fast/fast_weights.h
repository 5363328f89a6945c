// SPDX-License-Identifier: Apache-2.0
//
// fast_weights - an image's matrices as tiles (fast_kernels.h)
#ifndef GPT2RTL_FAST_WEIGHTS_H
#define GPT2RTL_FAST_WEIGHTS_H

#include "fast_kernels.h"

// Returns zeroed, page-aligned memory, or NULL if there is none. It is in huge pages if the system
// has them: with pages of 4 KB, streaming the weights would spend its time on the page table.
void *fast_memory_map(size_t bytes);
void fast_memory_unmap(void *memory, size_t bytes);  // takes NULL

// A matrix as n_strips strips of n_blocks tiles. Rows after the matrix's last are zero, and so are
// their side words.
struct fast_matrix {
  int8_t *tiles;
  uint32_t *side;  // [64 n_strips]: bias << 16 | scale
  uint32_t n_rows, n_strips, n_blocks;
};

struct fast_layer {
  struct fast_matrix qkv;  // strips 3 h, 3 h + 1, 3 h + 2: query, key and value of head h
  struct fast_matrix attn_proj, fc, mlp_proj;
};

struct fast_weights {
  struct fast_layer *layers;
  struct fast_matrix head;
  uint32_t *norms;    // [2 L + 1][C] words: ln_1 and ln_2 of each layer, ln_f
  uint32_t together;  // columns of a tile
  void *memory;
  size_t bytes;
};

// Repacks the matrices of image into tiles with `together` adjacent columns. weights must be
// zeroed. Release with fast_weights_free, also after an error. Errors: out of memory.
int fast_weights_load(struct fast_weights *weights, const struct image *image, uint32_t together,
                      struct err *err);
void fast_weights_free(struct fast_weights *weights);

#endif
