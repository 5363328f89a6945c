// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>

#include "config.h"
#include "image.h"

static void print_row(FILE *out, const struct image_header *h, const char *name, uint64_t base,
                      uint64_t beats) {
  fprintf(out, "  %-34s %10" PRIu64 " %10" PRIu64 "  0x%09" PRIx64 "\n", name, base, beats,
          base * h->lanes);
}

static void print_regions(FILE *out, const struct image_header *h) {
  uint64_t layer_base = 0;
  char name[64];
  for (struct image_region r = {0}; image_next_region(&r, h);) {
    if (r.kind == IMAGE_QKV && r.part > 0) continue;  // one row for all heads
    if (r.kind == IMAGE_QKV && r.layer == 0) layer_base = r.base;
    if (r.kind == IMAGE_QKV && r.layer == 1) {
      snprintf(name, sizeof name, "each further layer: %" PRIu32 " of", h->n_layer - 1);
      print_row(out, h, name, r.base, r.base - layer_base);
    }
    const bool in_layer =
        r.kind != IMAGE_WPE && r.kind != IMAGE_WTE && r.kind != IMAGE_LN_F && r.kind != IMAGE_HEAD;
    // All layers are laid out alike, except that the last layer's LayerNorm is ln_f.
    const bool repeats = in_layer && r.layer > 0 && !(r.kind == IMAGE_LN_1 && r.layer == 1);
    if (repeats || (r.kind == IMAGE_LN_F && h->n_layer > 1)) continue;
    if (r.kind == IMAGE_QKV)
      snprintf(name, sizeof name, "h.0.attn.c_attn, %" PRIu32 " heads of", h->n_head);
    else if (in_layer)
      snprintf(name, sizeof name, "h.%" PRIu32 ".%s", r.layer, image_kind_name(r.kind));
    else snprintf(name, sizeof name, "%s", image_kind_name(r.kind));
    print_row(out, h, name, r.base, r.beats);
  }
}

void image_describe(FILE *out, const struct image_header *h) {
  const uint64_t kv_heads = (uint64_t)h->n_layer * h->n_head;
  fprintf(out,
          "shape      %" PRIu32 " layers, %" PRIu32 " heads, width %" PRIu32 ", context %" PRIu32
          ", vocabulary %" PRIu32 ", %s head\n",
          h->n_layer, h->n_head, h->n_embd, h->n_ctx, h->vocab_size, h->tied ? "tied" : "own");
  fprintf(out, "lanes      %" PRIu32 ": a beat is %" PRIu32 " bytes, %" PRIu32 " segments of %d\n",
          h->lanes, h->lanes, h->lanes / HEAD_DIM, HEAD_DIM);
  fprintf(out, "file       %" PRIu64 " bytes: a header of %d, %" PRIu64 " beats\n",
          IMAGE_HEADER_BYTES + h->n_beats * h->lanes, IMAGE_HEADER_BYTES, h->n_beats);
  fprintf(out, "memory     %" PRIu64 " bytes with the KV cache\n",
          (h->n_beats + kv_heads * h->kv_stride) * h->lanes);
  fprintf(out, "checksum   %016" PRIx64 "   version %" PRIu32 "\n", h->checksum, h->version);
  fprintf(out, "made from  %016" PRIx64 "   (XXH64 of config.json and model.safetensors)\n",
          h->source);
  fprintf(out, "a token    %" PRIu64 " beats of weights, %" PRIu64 " of them the head's\n",
          h->n_beats - h->stream_base, h->n_beats - h->head_base);
  fprintf(out, "\n  %-34s %10s %10s  %s\n", "region", "beat", "beats", "byte address");
  print_regions(out, h);
  print_row(out, h, "KV cache", h->kv_base, kv_heads * h->kv_stride);
  fprintf(out,
          "\n  KV of layer l, head h: beat %" PRIu64 " + (l x %" PRIu32 " + h) x %" PRIu32
          "; in it keys and scales from 0, values from %" PRIu32 "\n",
          h->kv_base, h->n_head, h->kv_stride, h->kv_v_off);
}
