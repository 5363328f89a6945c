// SPDX-License-Identifier: Apache-2.0
#include "image.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <xxhash.h>

#include "config.h"
#include "file.h"

enum { GROUPS_PER_SIDE_BEAT = 16, MIN_LANES = 64, MAX_LANES = 4096 };

// ----------------------------------------------------------------------------------------- regions

// Sets kind, layer and part of region index: wpe, wte if it is separate, ln_1, the layers, head.
static bool region_identity(struct image_region *r, const struct image_header *h, uint32_t index) {
  const uint32_t in_front = h->tied ? 2 : 3, a_layer = h->n_head + 5;
  *r = (struct image_region){.index = index};
  if (index < in_front) {
    r->kind = index == 0 ? IMAGE_WPE : index == in_front - 1 ? IMAGE_LN_1 : IMAGE_WTE;
    return true;
  }
  const uint32_t layer = (index - in_front) / a_layer, step = (index - in_front) % a_layer;
  if (layer == h->n_layer) {
    r->kind = IMAGE_HEAD;
    return step == 0;
  }
  r->layer = layer;
  if (step < h->n_head) {
    r->kind = IMAGE_QKV;
    r->part = step;
    return true;
  }
  static const enum image_kind rest[] = {IMAGE_LN_2, IMAGE_ATTN_PROJ, IMAGE_FC, IMAGE_LN_1,
                                         IMAGE_MLP_PROJ};
  r->kind = rest[step - h->n_head];
  if (r->kind == IMAGE_LN_1) {  // the next layer's ln_1, which precedes this layer's last matrix
    r->kind = layer + 1 == h->n_layer ? IMAGE_LN_F : IMAGE_LN_1;
    r->layer = layer + 1 == h->n_layer ? 0 : layer + 1;
  }
  return true;
}

bool image_next_region(struct image_region *region, const struct image_header *h) {
  const uint32_t c = h->n_embd;
  const bool first = region->beats == 0;
  struct image_region r;
  if (!region_identity(&r, h, first ? 0 : region->index + 1)) return false;
  const uint32_t rows[] = {
      [IMAGE_WPE] = h->n_ctx, [IMAGE_WTE] = h->vocab_size,
      [IMAGE_LN_1] = 1,       [IMAGE_QKV] = 3 * HEAD_DIM,
      [IMAGE_LN_2] = 1,       [IMAGE_ATTN_PROJ] = c,
      [IMAGE_FC] = 4 * c,     [IMAGE_MLP_PROJ] = c,
      [IMAGE_LN_F] = 1,       [IMAGE_HEAD] = h->vocab_size,
  };
  r.n_rows = rows[r.kind];
  r.n_cols = r.kind == IMAGE_WPE ? 2 * c : r.kind == IMAGE_MLP_PROJ ? 4 * c : c;
  r.by_columns = r.kind == IMAGE_ATTN_PROJ || r.kind == IMAGE_MLP_PROJ;
  r.base = region->base + region->beats;
  r.beats = image_is_norm(r.kind) ? div_up(4 * (uint64_t)c, h->lanes)
                                  : image_matrix_beats(h->lanes, r.n_rows, r.n_cols);
  *region = r;
  return true;
}

struct image_beat image_beat_at(const struct image_region *r, uint32_t lanes, uint64_t i) {
  if (image_is_norm(r->kind))
    return (struct image_beat){.side = true, .group = (uint32_t)i * GROUPS_PER_SIDE_BEAT};
  const uint64_t groups = div_up(r->n_rows, lanes / HEAD_DIM), blocks = r->n_cols / HEAD_DIM;
  // By columns, only the last block has side beats; it is laid out like a matrix by rows.
  const uint64_t plain = r->by_columns ? (blocks - 1) * groups : 0;
  if (i < plain)
    return (struct image_beat){.group = (uint32_t)(i % groups), .block = (uint32_t)(i / groups)};
  const uint64_t width = r->by_columns ? 1 : blocks;
  const uint64_t span = (i - plain) / (GROUPS_PER_SIDE_BEAT * width + 1);
  const uint64_t rest = (i - plain) % (GROUPS_PER_SIDE_BEAT * width + 1);
  const uint64_t group = span * GROUPS_PER_SIDE_BEAT;
  if (rest == 0) return (struct image_beat){.side = true, .group = (uint32_t)group};
  const uint64_t block = (rest - 1) % width + (r->by_columns ? blocks - 1 : 0);
  return (struct image_beat){.group = (uint32_t)(group + (rest - 1) / width),
                             .block = (uint32_t)block};
}

const char *image_kind_name(enum image_kind kind) {
  static const char *const names[] = {
      [IMAGE_WPE] = "wpe",     [IMAGE_WTE] = "wte",
      [IMAGE_LN_1] = "ln_1",   [IMAGE_QKV] = "attn.c_attn",
      [IMAGE_LN_2] = "ln_2",   [IMAGE_ATTN_PROJ] = "attn.c_proj",
      [IMAGE_FC] = "mlp.c_fc", [IMAGE_MLP_PROJ] = "mlp.c_proj",
      [IMAGE_LN_F] = "ln_f",   [IMAGE_HEAD] = "lm_head",
  };
  return names[kind];
}

// ------------------------------------------------------------------------------------------ layout

static int check_range(const char *name, uint64_t value, uint64_t min, uint64_t max,
                       struct err *err) {
  if (value < min || value > max)
    return err_set(err, "%s is %" PRIu64 ", expected %" PRIu64 "..%" PRIu64, name, value, min, max);
  return 0;
}

static int check_shape(const struct image_header *h, struct err *err) {
  if (h->lanes < MIN_LANES || h->lanes > MAX_LANES || (h->lanes & (h->lanes - 1)) != 0) {
    return err_set(err, "lanes is %" PRIu32 ", expected a power of two of %d..%d", h->lanes,
                   MIN_LANES, MAX_LANES);
  }
  if (check_range("n_layer", h->n_layer, 1, CONFIG_MAX_LAYERS, err) != 0 ||
      check_range("n_head", h->n_head, 1, CONFIG_MAX_HEADS, err) != 0 ||
      check_range("n_ctx", h->n_ctx, CONFIG_MIN_CTX, CONFIG_MAX_CTX, err) != 0 ||
      check_range("vocab_size", h->vocab_size, 1, CONFIG_MAX_VOCAB, err) != 0 ||
      check_range("tied", h->tied, 0, 1, err) != 0)
    return -1;
  return 0;
}

int image_layout(struct image_header *h, struct err *err) {
  if (check_shape(h, err) != 0) return -1;
  const uint32_t segments = h->lanes / HEAD_DIM;
  h->magic = IMAGE_MAGIC;
  h->version = IMAGE_VERSION;
  h->n_embd = h->n_head * HEAD_DIM;

  if (config_epsilon_term((double)h->layer_norm_epsilon, h->n_embd, &h->eps_term, err) != 0)
    return -1;
  h->inv_width = (uint32_t)lrint(0x1p30 / h->n_embd);

  for (struct image_region r = {0}; image_next_region(&r, h);) {
    switch (r.kind) {
      case IMAGE_WPE: h->wpe_base = r.base; break;
      case IMAGE_WTE: h->wte_base = r.base; break;
      case IMAGE_LN_1:
        if (r.layer == 0) h->stream_base = r.base;
        break;
      case IMAGE_HEAD:
        h->head_base = r.base;
        h->n_beats = h->kv_base = r.base + r.beats;
        break;
      default: break;
    }
  }
  if (h->tied) h->wte_base = h->head_base;

  h->kv_v_off = (uint32_t)image_matrix_beats(h->lanes, h->n_ctx, HEAD_DIM);
  h->kv_stride = h->kv_v_off + (uint32_t)div_up(h->n_ctx, HEAD_DIM) * (HEAD_DIM / segments);
  return 0;
}

// ----------------------------------------------------------------------------------------- opening

static uint64_t checksum(const struct image_header *header, const uint8_t *beats, size_t bytes) {
  struct image_header h = *header;
  h.checksum = 0;
  XXH64_state_t *state = XXH64_createState();
  XXH64_reset(state, 0);
  XXH64_update(state, &h, sizeof h);
  XXH64_update(state, beats, bytes);
  uint64_t sum = XXH64_digest(state);
  XXH64_freeState(state);
  return sum;
}

#define MAKE_AGAIN "make it again: gpt2rtl compile --model DIR --lanes N --output %s"

// Checks every field that follows from others against its expected value.
static int check_fields(const struct image_header *found, const char *path, struct err *err) {
  struct image_header expected = *found;
  struct err why;
  if (image_layout(&expected, &why) != 0) {
    return err_set(err,
                   "%s: the header does not describe an image that can be run: %s; " MAKE_AGAIN,
                   path, why.text, path);
  }
  memset(expected.zero, 0, sizeof expected.zero);
  expected.stripes = 0;
  const struct {
    const char *name;
    uint64_t found, expected;
  } fields[] = {
#define FIELD(name) {#name, found->name, expected.name}
      FIELD(n_embd),   FIELD(inv_width), FIELD(eps_term),    FIELD(n_beats),
      FIELD(wpe_base), FIELD(wte_base),  FIELD(stream_base), FIELD(head_base),
      FIELD(kv_base),  FIELD(kv_v_off),  FIELD(kv_stride),   FIELD(stripes),
#undef FIELD
  };
  if (found->stripes) {
    return err_set(err,
                   "%s: is in %" PRIu32 " stripes, for hardware with as many memory ports; nothing "
                   "here reads it: compile it without --stripes",
                   path, found->stripes);
  }
  for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
    if (fields[i].found != fields[i].expected) {
      return err_set(err,
                     "%s: the header's %s is %" PRIu64 ", expected %" PRIu64
                     " from its shape: the file was altered; " MAKE_AGAIN,
                     path, fields[i].name, fields[i].found, fields[i].expected, path);
    }
  }
  if (memcmp(found->zero, expected.zero, sizeof found->zero) != 0) {
    return err_set(err, "%s: the header does not end in zeros: the file was altered; " MAKE_AGAIN,
                   path, path);
  }
  if (found->eos_id >= found->vocab_size && found->eos_id != CONFIG_NO_TOKEN) {
    return err_set(err,
                   "%s: the header's eos_id is %" PRIu32 ", expected below %" PRIu32
                   " or none (%" PRIu32 "); " MAKE_AGAIN,
                   path, found->eos_id, found->vocab_size, CONFIG_NO_TOKEN, path);
  }
  return 0;
}

static int check_file(const struct file_map *map, const char *path, enum image_check check,
                      struct err *err) {
  struct image_header h;
  if (map->size < sizeof h) {
    return err_set(err,
                   "%s: %zu bytes, expected at least the %zu of an image's header: not an image, "
                   "or a truncated one; " MAKE_AGAIN,
                   path, map->size, sizeof h, path);
  }
  memcpy(&h, map->data, sizeof h);
  if (h.magic != IMAGE_MAGIC) {
    return err_set(err,
                   "%s: begins with %016" PRIx64 ", expected %016" PRIx64
                   " (\"gpt2rtl1\"): not a memory image; " MAKE_AGAIN,
                   path, h.magic, (uint64_t)IMAGE_MAGIC, path);
  }
  if (h.version != IMAGE_VERSION) {
    return err_set(err, "%s: the header's version is %" PRIu32 ", expected %u; " MAKE_AGAIN, path,
                   h.version, IMAGE_VERSION, path);
  }
  if (check_fields(&h, path, err) != 0) return -1;
  const uint64_t bytes = sizeof h + h.n_beats * h.lanes;
  if (map->size != bytes) {
    return err_set(err,
                   "%s: %zu bytes, expected %" PRIu64
                   " from its header: the file was %s; " MAKE_AGAIN,
                   path, map->size, bytes, map->size < bytes ? "truncated" : "appended to", path);
  }
  if (check == IMAGE_CHECKED) {
    uint64_t sum = checksum(&h, map->data + sizeof h, map->size - sizeof h);
    if (sum != h.checksum) {
      return err_set(err,
                     "%s: the checksum of its content is %016" PRIx64 ", expected %016" PRIx64
                     " from its header: the file was altered; " MAKE_AGAIN,
                     path, sum, h.checksum, path);
    }
  }
  return 0;
}

int image_open(struct image *image, const char *path, enum image_check check, struct err *err) {
  *image = (struct image){0};
  struct file_map map;
  if (file_map_open(&map, path, err) != 0) return -1;
  if (check_file(&map, path, check, err) != 0) {
    file_map_close(&map);
    return -1;
  }
  memcpy(&image->header, map.data, sizeof image->header);
  image->beats = map.data + sizeof image->header;
  image->map = (void *)(uintptr_t)map.data;
  image->map_bytes = map.size;
  return 0;
}

void image_close(struct image *image) {
  struct file_map map = {.data = image->map, .size = image->map_bytes};
  file_map_close(&map);
  *image = (struct image){0};
}

struct gpt2_config image_config(const struct image_header *h) {
  return (struct gpt2_config){
      .n_layer = h->n_layer,
      .n_head = h->n_head,
      .n_embd = h->n_embd,
      .n_inner = 4 * (size_t)h->n_embd,
      .n_ctx = h->n_ctx,
      .vocab_size = h->vocab_size,
      .layer_norm_epsilon = (double)h->layer_norm_epsilon,
      .bos_token_id = CONFIG_NO_TOKEN,
      .eos_token_ids = {h->eos_id},
      .n_eos = h->eos_id != CONFIG_NO_TOKEN,
      .tie_word_embeddings = h->tied != 0,
      .scale_attn_weights = true,
  };
}
