// SPDX-License-Identifier: Apache-2.0
//
// image - the memory image: everything that the hardware reads, in the order in which it reads it
//
// The image is a sequence of beats of `lanes` bytes (lanes = 64 * segments). All addresses are beat
// addresses, counted from the first beat after the header: the hardware never sees the header.
// Little-endian throughout.
//
//   1. File: struct image_header (4096 bytes), then n_beats beats. The KV cache follows in memory
//      (kv_base ..) but is not in the file.
//   2. A matrix of N rows x K columns (int8, one scale per row) is divided into groups of
//      `segments` rows and blocks of 64 columns. Segment s (bytes 64 s .. 64 s + 63) of the beat of
//      group g, block k holds row g * segments + s, columns 64 k .. 64 k + 63. N is padded with
//      zero rows to whole groups.
//        by rows:     for g: for k: beat(g, k)
//        by columns:  for k: for g: beat(g, k)
//   3. A side beat holds 16 * segments words of 32 bits. Word i is the scale (bits 15..0) and the
//      bias (bits 31..16) of row i of the next 16 groups. By rows, a side beat precedes the first
//      beat of groups 0, 16, 32, ...; by columns the same, but only within the last block of
//      columns.
//   4. LayerNorm parameters travel in the same words: element i has gain (bits 15..0) and bias
//      (bits 31..16), both halfs; ceil(C / (16 * segments)) beats.
//   5. The regions, in this order without gaps:
//        wpe       pos_embedding: n_ctx rows x 2C by rows, 16 bits per element: block 2k holds the
//                  high bytes of elements 64k .. 64k+63, block 2k+1 the low bytes, both signed: x =
//                  (256 high + low) * scale
//        wte       only if the head is not tied: V rows x C by rows
//        stream    ln_1(0), then for each layer l:
//                    qkv(h) for h = 0..H-1: 192 rows x C by rows: 64 of Q, 64 of K, 64 of V of
//                    head h
//                    ln_2(l)
//                    attention projection: C rows x C by columns (block k = head k)
//                    mlp first layer: 4C rows x C by rows
//                    ln_1(l+1), or ln_f after the last layer
//                    mlp second layer: C rows x 4C by columns
//                  head: V rows x C by rows (tied: this is token_embedding's table too)
//   6. KV cache, after the image: for each layer and head a region of kv_stride beats:
//        keys    from 0: n_ctx rows x 64 by rows, as in 2 and 3. Position t is row t, in
//                segment t % segments of beat g + g / 16 + 1, g = t / segments. Its side word, in
//                beat g / 16 * 17, holds the K scale (bits 15..0) and the V scale (bits 31..16)
//        values  from kv_v_off: tile t / 64 is 64 / segments beats. Segment s of its beat j holds
//                dimension j * segments + s; byte t % 64 of it is position t
//
// Number formats (scale, half): golden/fixed.h. Weight w of row r is int8 * scale(r).
#ifndef GPT2RTL_IMAGE_H
#define GPT2RTL_IMAGE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "config.h"
#include "err.h"

#define IMAGE_MAGIC 0x316c747232747067ull  // "gpt2rtl1"
#define IMAGE_VERSION 1u
#define IMAGE_HEADER_BYTES 4096

struct image_header {
  uint64_t magic;
  uint32_t version;
  uint32_t lanes;     // bytes in a beat: 64, 128, ... 4096
  uint64_t checksum;  // XXH64, seed 0, of the header with this field zero, followed by all beats
  uint64_t n_beats;   // beats in the file
  uint64_t source;    // image_source of the weights: tells a current image from a stale one

  uint32_t n_layer, n_head, n_embd, n_ctx, vocab_size, eos_id;
  uint32_t tied;  // 1: token_embedding reads the head's table
  float layer_norm_epsilon;

  uint32_t inv_width;  // round(2^30 / C)
  uint32_t stripes;    // 0, or the number of AXI ports in a file of gpt2rtl compile --stripes
  uint64_t eps_term;   // round(epsilon * C^2 * 2^24): added to C * sum(x^2) - sum(x)^2, x in Q14.12

  uint64_t wpe_base, wte_base, stream_base, head_base;  // wte_base = head_base if tied
  uint64_t kv_base;                                     // = n_beats
  uint32_t kv_v_off, kv_stride;
  uint8_t zero[IMAGE_HEADER_BYTES - 136];
};
static_assert(sizeof(struct image_header) == IMAGE_HEADER_BYTES, "the header is one page");

struct image {
  struct image_header header;
  const uint8_t *beats;  // header.n_beats * header.lanes bytes
  void *map;             // the mapping that owns it, or NULL
  size_t map_bytes;
};

// ----------------------------------------------------------------------------------------- reading

enum image_check {
  IMAGE_CHECKED,       // for every user of an image
  IMAGE_ANY_CHECKSUM,  // accepts altered beats, for tests that alter them; the header is still
                       // checked
};

// Maps the image at path and checks all of it: size, magic, version, checksum, and every field of
// the header against the layout that its shape gives. This takes 20 ms for 124M if the file is in
// memory. Release with image_close. Errors: the image is unreadable, truncated, altered, or of
// another version; the text has the field, what was expected, what was found, and what to do.
int image_open(struct image *image, const char *path, enum image_check check, struct err *err);
void image_close(struct image *image);  // harmless on a zeroed or closed struct

// The configuration of an image's model. It equals the folder's, with three differences: an image
// has at most one eos token, it has no bos token, and config.json's attention scales are part of
// the query's weights.
struct gpt2_config image_config(const struct image_header *header);

// ------------------------------------------------------------------------------------------ layout

// Derives all fields that follow from lanes, shape (n_layer .. vocab_size), tied and
// layer_norm_epsilon: magic, version, n_embd, inv_width, eps_term and all beat addresses. Leaves
// eos_id, source and checksum unchanged. Errors: a field outside its range; an epsilon that is too
// small for the hardware (eps_term below 2^16).
int image_layout(struct image_header *header, struct err *err);

// a / b, rounded up.
static inline uint64_t div_up(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

// The beats of an N x K matrix, with one side beat for each 16 groups of rows.
static inline uint64_t image_matrix_beats(uint32_t lanes, uint64_t n_rows, uint64_t n_cols) {
  const uint64_t groups = div_up(n_rows, lanes / 64);
  return groups * (n_cols / 64) + div_up(groups, 16);
}

enum image_kind {
  IMAGE_WPE,
  IMAGE_WTE,
  IMAGE_LN_1,
  IMAGE_QKV,
  IMAGE_LN_2,
  IMAGE_ATTN_PROJ,
  IMAGE_FC,
  IMAGE_MLP_PROJ,
  IMAGE_LN_F,
  IMAGE_HEAD,
};

static inline bool image_is_norm(enum image_kind kind) {
  return kind == IMAGE_LN_1 || kind == IMAGE_LN_2 || kind == IMAGE_LN_F;
}

// One region: a matrix, or the words of a LayerNorm.
struct image_region {
  uint32_t index;  // in memory order
  enum image_kind kind;
  uint32_t layer, part;  // the layer; for IMAGE_QKV, the head
  uint64_t base, beats;
  uint32_t n_rows, n_cols;  // in the image: IMAGE_WPE has 2C columns; a LayerNorm is 1 x C words
  bool by_columns;
};

// Advances region to the next one in memory order. Start with a zeroed region. Returns false, and
// leaves region unchanged, after the last.
bool image_next_region(struct image_region *region, const struct image_header *header);
const char *image_kind_name(enum image_kind kind);

// What beat i of a region holds, 0 <= i < region->beats. A beat of weights holds `segments` rows
// from group * segments on, and 64 columns from 64 * block on. A side beat holds the words of 16 *
// segments rows from group * segments on; for a LayerNorm, of as many elements.
struct image_beat {
  bool side;
  uint32_t group, block;
};
struct image_beat image_beat_at(const struct image_region *region, uint32_t lanes, uint64_t i);

// Prints sizes, layout and checksum in readable form: the output of `gpt2rtl info`.
void image_describe(FILE *out, const struct image_header *header);

#endif
