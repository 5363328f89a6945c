// SPDX-License-Identifier: Apache-2.0
//
// gpt2hw_image - reads an image's header, computes its checksum, and writes it to memory
// (docs/memory_image.md)
#include <string.h>

#include "gpt2hw.h"
#include "gpt2hw_internal.h"

// Offsets of fields in the header.
enum {
  AT_MAGIC = 0,
  AT_VERSION = 8,
  AT_LANES = 12,
  AT_CHECKSUM = 16,
  AT_N_BEATS = 24,
  AT_N_LAYER = 40,
  AT_N_HEAD = 44,
  AT_N_EMBD = 48,
  AT_N_CTX = 52,
  AT_VOCAB_SIZE = 56,
  AT_EOS_ID = 60,
  AT_TIED = 64,
  AT_INV_WIDTH = 72,
  AT_STRIPES = 76,
  AT_EPS_TERM = 80,
  AT_WPE_BASE = 88,
  AT_WTE_BASE = 96,
  AT_STREAM_BASE = 104,
  AT_HEAD_BASE = 112,
  AT_KV_BASE = 120,
  AT_KV_V_OFF = 128,
  AT_KV_STRIDE = 132,
};

// Reads a little-endian number on any host.
static uint32_t get_32(const uint8_t *p) {
  return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static uint64_t get_64(const uint8_t *p) { return get_32(p) | (uint64_t)get_32(p + 4) << 32; }

// ---- XXH64, seed 0 --------------------------------------------------------------------------

#define P1 UINT64_C(0x9e3779b185ebca87)
#define P2 UINT64_C(0xc2b2ae3d27d4eb4f)
#define P3 UINT64_C(0x165667b19e3779f9)
#define P4 UINT64_C(0x85ebca77c2b2ae63)
#define P5 UINT64_C(0x27d4eb2f165667c5)

static uint64_t rotate(uint64_t x, unsigned n) { return x << n | x >> (64 - n); }
static uint64_t xxh_round(uint64_t lane, uint64_t input) {
  return rotate(lane + input * P2, 31) * P1;
}

static void xxh_start(struct gpt2hw_xxh64 *x) {
  *x = (struct gpt2hw_xxh64){.lane = {P1 + P2, P2, 0, 0 - P1}};
}

static void xxh_stripe(struct gpt2hw_xxh64 *x, const uint8_t *p) {
  for (unsigned i = 0; i < 4; i++) x->lane[i] = xxh_round(x->lane[i], get_64(p + 8 * i));
}

static void xxh_add(struct gpt2hw_xxh64 *x, const uint8_t *p, size_t n) {
  const size_t held = x->n % sizeof x->rest;
  x->n += n;
  if (held) {
    const size_t more = sizeof x->rest - held < n ? sizeof x->rest - held : n;
    memcpy(x->rest + held, p, more);
    if (held + more < sizeof x->rest) return;
    xxh_stripe(x, x->rest);
    p += more;
    n -= more;
  }
  for (; n >= sizeof x->rest; n -= sizeof x->rest, p += sizeof x->rest) xxh_stripe(x, p);
  memcpy(x->rest, p, n);
}

static uint64_t xxh_end(const struct gpt2hw_xxh64 *x) {
  const uint8_t *p = x->rest, *const end = x->rest + x->n % sizeof x->rest;
  uint64_t h = P5;
  if (x->n >= sizeof x->rest) {
    h = rotate(x->lane[0], 1) + rotate(x->lane[1], 7) + rotate(x->lane[2], 12) +
        rotate(x->lane[3], 18);
    for (unsigned i = 0; i < 4; i++) h = (h ^ xxh_round(0, x->lane[i])) * P1 + P4;
  }
  h += x->n;
  for (; end - p >= 8; p += 8) h = rotate(h ^ xxh_round(0, get_64(p)), 27) * P1 + P4;
  if (end - p >= 4) {
    h = rotate(h ^ get_32(p) * P1, 23) * P2 + P3;
    p += 4;
  }
  for (; p < end; p++) h = rotate(h ^ *p * P5, 11) * P1;
  h = (h ^ h >> 33) * P2;
  h = (h ^ h >> 29) * P3;
  return h ^ h >> 32;
}

// ---- the header -----------------------------------------------------------------------------

static uint64_t div_up(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

// The beats of a matrix of rows x columns, with its side beats.
static uint64_t matrix(uint64_t segments, uint64_t rows, uint64_t columns) {
  const uint64_t groups = div_up(rows, segments);
  return groups * (columns / 64) + div_up(groups, 16);
}

// Whether the addresses are those that the shape gives. Each region begins where the previous one
// ends.
static bool layout_is_right(const uint8_t *h, const struct gpt2hw_model *m) {
  const uint64_t s = m->lanes / 64, c = m->n_embd, tied = get_32(h + AT_TIED);
  const uint64_t norm = div_up(4 * c, m->lanes);
  const uint64_t wte = matrix(s, m->n_ctx, 2 * c);  // after wpe
  const uint64_t vocabulary = matrix(s, m->n_vocab, c);
  const uint64_t stream = tied ? wte : wte + vocabulary;
  const uint64_t layer = m->n_head * matrix(s, 192, c) + 2 * norm + matrix(s, c, c) +
                         matrix(s, 4 * c, c) + matrix(s, c, 4 * c);
  const uint64_t head = stream + norm + m->n_layer * layer;
  const uint64_t v_off = div_up(m->n_ctx, s) + div_up(m->n_ctx, 16 * s);
  // A tile of 64 positions is 64 / s beats, or one if a beat is more than a tile.
  const uint64_t stride = v_off + div_up(m->n_ctx, 64) * div_up(64, s);
  return tied <= 1 && get_64(h + AT_WPE_BASE) == 0 &&
         get_64(h + AT_WTE_BASE) == (tied ? head : wte) && get_64(h + AT_STREAM_BASE) == stream &&
         get_64(h + AT_HEAD_BASE) == head && get_64(h + AT_N_BEATS) == head + vocabulary &&
         get_64(h + AT_KV_BASE) == head + vocabulary && m->kv_v_off == v_off &&
         m->kv_stride == stride && head + vocabulary < UINT64_C(1) << 31 &&
         // The caches of 16 sequences are below 2^31.
         (uint64_t)m->n_layer * m->n_head * stride < UINT64_C(1) << 27;
}

enum gpt2hw_error gpt2hw_parse(const struct gpt2hw *dev, const void *header,
                               struct gpt2hw_model *model) {
  const uint8_t *h = header;
  const struct gpt2hw_capabilities *can = &dev->can;
  if (memcmp(h + AT_MAGIC, "gpt2rtl1", 8) != 0) return GPT2HW_NO_IMAGE;
  const struct gpt2hw_model m = {
      .lanes = get_32(h + AT_LANES),
      .version = get_32(h + AT_VERSION),
      .n_layer = get_32(h + AT_N_LAYER),
      .n_head = get_32(h + AT_N_HEAD),
      .n_embd = get_32(h + AT_N_EMBD),
      .n_ctx = get_32(h + AT_N_CTX),
      .n_vocab = get_32(h + AT_VOCAB_SIZE),
      .eos_id = get_32(h + AT_EOS_ID),
      .checksum = get_64(h + AT_CHECKSUM),
      .n_beats = get_64(h + AT_N_BEATS),
      .inv_width = get_32(h + AT_INV_WIDTH),
      .stripes = get_32(h + AT_STRIPES),
      .eps_term = get_64(h + AT_EPS_TERM),
      .wpe_beat = (uint32_t)get_64(h + AT_WPE_BASE),
      .wte_beat = (uint32_t)get_64(h + AT_WTE_BASE),
      .stream_beat = (uint32_t)get_64(h + AT_STREAM_BASE),
      .head_beat = (uint32_t)get_64(h + AT_HEAD_BASE),
      .kv_stride = get_32(h + AT_KV_STRIDE),
      .kv_v_off = get_32(h + AT_KV_V_OFF),
  };
  if (m.version != can->image_version) return GPT2HW_IMAGE_VERSION;
  if (m.lanes != can->lanes) return GPT2HW_IMAGE_LANES;
  if (m.stripes && m.stripes != can->ports) return GPT2HW_IMAGE_STRIPES;
  if (m.n_head > can->max_heads) return GPT2HW_IMAGE_HEADS;
  if (m.n_ctx > can->max_context) return GPT2HW_IMAGE_CONTEXT;
  if (m.n_layer < 1 || m.n_layer > 255 || m.n_head < 1 || m.n_embd != 64 * m.n_head ||
      m.n_ctx < 2 || m.n_vocab < 1 || m.n_vocab >> 17 || m.eps_term >> 16 == 0 ||
      m.eps_term >> 48 || m.inv_width != ((UINT32_C(1) << 30) + m.n_embd / 2) / m.n_embd ||
      !layout_is_right(h, &m))
    return GPT2HW_IMAGE_FIELD;
  *model = m;
  return GPT2HW_OK;
}

// ---- where it lies --------------------------------------------------------------------------

uint64_t gpt2hw_image_bytes(const struct gpt2hw *dev, const struct gpt2hw_model *model) {
  return model->n_beats * (dev->can.lanes / dev->can.ports);
}
uint64_t gpt2hw_kv_bytes(const struct gpt2hw *dev, const struct gpt2hw_model *model) {
  const uint32_t parts = dev->can.prompts > 1 ? dev->can.positions : 1;
  return (uint64_t)model->n_layer * model->n_head * model->kv_stride * parts *
         (dev->can.lanes / dev->can.ports);
}

// Stripe i of image and cache; the image's stripes come first.
static uint64_t stripe_base(const struct gpt2hw_place *place, uint32_t ports, uint32_t i) {
  return i < ports ? place->image_base + i * place->stripe_stride
                   : place->kv_base + (i - ports) * place->stripe_stride;
}

static enum gpt2hw_error check_place(const struct gpt2hw *dev, const struct gpt2hw_model *model,
                                     const struct gpt2hw_place *place) {
  const uint32_t ports = dev->can.ports;
  const uint64_t bytes[] = {gpt2hw_image_bytes(dev, model), gpt2hw_kv_bytes(dev, model)};
  if ((place->image_base | place->kv_base | (ports > 1 ? place->stripe_stride : 0)) & 4095)
    return GPT2HW_ALIGNMENT;
  if (ports > 1 && place->stripe_stride > UINT64_MAX / ports) return GPT2HW_OVERLAP;
  for (uint32_t i = 0; i < 2 * ports; i++) {
    const uint64_t from = stripe_base(place, ports, i), n = bytes[i >= ports];
    const uint64_t first = i < ports ? place->image_base : place->kv_base;
    if (from < first || from + (n - 1) < from) return GPT2HW_OVERLAP;  // beyond the last address
    for (uint32_t j = 0; j < i; j++) {
      const uint64_t other = stripe_base(place, ports, j), m = bytes[j >= ports];
      if (from < other ? other - from < n : from - other < m) return GPT2HW_OVERLAP;
    }
  }
  return GPT2HW_OK;
}

// Checks everything up to the beats.
static enum gpt2hw_error take_header(struct gpt2hw *dev, const struct gpt2hw_place *place,
                                     const void *header) {
  struct gpt2hw_model model;
  if (gpt2hw_poll(dev).busy) return GPT2HW_BUSY;
  dev->loaded = dev->loading = false;
  enum gpt2hw_error error = gpt2hw_parse(dev, header, &model);
  if (!error) error = check_place(dev, &model, place);
  if (error) return error;
  dev->model = model;
  dev->place = *place;
  return GPT2HW_OK;
}

enum gpt2hw_error gpt2hw_attach(struct gpt2hw *dev, const struct gpt2hw_place *place,
                                const void *header) {
  const enum gpt2hw_error error = take_header(dev, place, header);
  if (error) return error;
  gpt2hw_configure(dev);
  dev->loaded = true;
  return GPT2HW_OK;
}

// ---- the transfer ---------------------------------------------------------------------------

enum gpt2hw_error gpt2hw_load_begin(struct gpt2hw *dev, const struct gpt2hw_place *place,
                                    const void *header) {
  static const uint8_t no_checksum[8];
  const uint8_t *h = header;
  const enum gpt2hw_error error = take_header(dev, place, header);
  if (error) return error;
  if (dev->model.stripes) return GPT2HW_IMAGE_STRIPES;
  if (!dev->host.memory_write) return GPT2HW_MEMORY;
  dev->loading = true;
  dev->came = 0;
  xxh_start(&dev->sum);
  xxh_add(&dev->sum, h, AT_CHECKSUM);
  xxh_add(&dev->sum, no_checksum, sizeof no_checksum);
  xxh_add(&dev->sum, h + AT_CHECKSUM + 8, GPT2HW_HEADER_BYTES - AT_CHECKSUM - 8);
  return GPT2HW_OK;
}

enum gpt2hw_error gpt2hw_load_bytes(struct gpt2hw *dev, const void *bytes, size_t n) {
  const uint32_t lanes = dev->can.lanes, width = lanes / dev->can.ports;
  const uint8_t *p = bytes;
  if (!dev->loading) return GPT2HW_NOT_BEGUN;
  if (n > dev->model.n_beats * lanes - dev->came) return GPT2HW_IMAGE_SIZE;
  xxh_add(&dev->sum, p, n);
  while (n > 0) {
    const uint64_t beat = dev->came / lanes;
    const uint32_t in_beat = (uint32_t)(dev->came % lanes), in_stripe = in_beat % width;
    const uint64_t address = dev->place.image_base + in_beat / width * dev->place.stripe_stride +
                             beat * width + in_stripe;
    // With one port the stripe is the whole image, and one write copies all of it.
    const size_t piece = dev->can.ports > 1 && width - in_stripe < n ? width - in_stripe : n;
    if (dev->host.memory_write(dev->host.ctx, address, p, piece)) {
      dev->loading = false;
      return GPT2HW_MEMORY;
    }
    dev->came += piece;
    p += piece;
    n -= piece;
  }
  return GPT2HW_OK;
}

enum gpt2hw_error gpt2hw_load_end(struct gpt2hw *dev) {
  if (!dev->loading) return GPT2HW_NOT_BEGUN;
  if (dev->came != dev->model.n_beats * dev->can.lanes) return GPT2HW_IMAGE_SIZE;
  dev->loading = false;
  if (xxh_end(&dev->sum) != dev->model.checksum) return GPT2HW_CHECKSUM;
  gpt2hw_configure(dev);
  dev->loaded = true;
  return GPT2HW_OK;
}

enum gpt2hw_error gpt2hw_load(struct gpt2hw *dev, const struct gpt2hw_place *place,
                              const void *image, size_t n) {
  if (n < GPT2HW_HEADER_BYTES) {
    dev->loaded = dev->loading = false;
    return GPT2HW_NO_IMAGE;
  }
  enum gpt2hw_error error = gpt2hw_load_begin(dev, place, image);
  if (!error)
    error = gpt2hw_load_bytes(dev, (const uint8_t *)image + GPT2HW_HEADER_BYTES,
                              n - GPT2HW_HEADER_BYTES);
  return error ? error : gpt2hw_load_end(dev);
}
