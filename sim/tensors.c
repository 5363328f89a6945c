// SPDX-License-Identifier: Apache-2.0
#include "tensors.h"

#include <stdlib.h>
#include <string.h>

#include "gpt2_pkg.h"
#include "tensor_observer.h"

// The signals, by what they carry, with the hardware's names. Those of a member's own rows,
// operands and vectors have an element for each member, packed.
#define CORE "gpt2_top.u_core."
// clang-format off
#define SIGNALS(S)                                                                                \
  S(const uint32_t, event, "event_o")        S(const uint32_t, residual_rows, "residual_rows_o")  \
  S(const void, rows, CORE "rows_valid")     S(const void, rows_tag, CORE "rows_tag")             \
  S(const uint32_t, rows_data, CORE "rows")  S(const uint16_t, v_scales, CORE "v_scales")         \
  S(const uint16_t, pv_scale, CORE "pv_scale")                                                    \
  S(const uint8_t, emb, CORE "emb_valid")          S(const uint32_t, emb_tag, CORE "emb_tag")     \
  S(const uint32_t, emb_rows, CORE "emb_rows")     S(const void, emb_ready, CORE "emb_ready")     \
  S(const void, op, CORE "op_valid")         S(const uint8_t, op_slot, CORE "op_slot")            \
  S(const void, op_part, CORE "op_part")     S(const void, op_last, CORE "op_last")               \
  S(const void, op_exp, CORE "op_exp")       S(const uint16_t, op_m, CORE "op_m")                 \
  S(const void, kv, CORE "kv_valid")         S(const void, kv_is_v, CORE "kv_is_v")               \
  S(const void, kv_head, CORE "kv_head")     S(const uint8_t, kv_layer, CORE "kv_layer")          \
  S(const int8_t, kv_q, CORE "kv_q")         S(const uint16_t, kv_scale, CORE "kv_scale")
// clang-format on

// Probabilities are assembled from what passes at three times: a head's V scales, with its scores;
// its exponentials, as operand blocks; and the reciprocal of their sum, before the last of these
// blocks.
enum { TILES = MAX_CTX / HEAD_DIM, SLOT_P = PKG_SLOT_P(MAX_HEADS) };
struct head {
  uint32_t head, layer;
  uint16_t v_scale[MAX_CTX + HEAD_DIM];
  struct operand p[TILES];
};

// A part that is kept: n numbers, from `at` on in the member's numbers.
struct kept {
  struct tensor_place place;
  uint32_t first, n;
  int frac;
  size_t at;
};

// One position of a batch.
struct member {
  struct tensor_observer shown;
  uint32_t norm_blocks;  // LayerNorm's, of this position
  struct operand block;  // the parts of an operand that have come
  struct head heads[2];  // even and odd heads alternate
  // In a machine of several members: the parts of this position.
  struct kept *kept;
  int32_t *numbers;
  size_t n_kept, n_numbers, kept_room, numbers_room;
  bool failed;  // out of memory
};

struct tensors {
  SIGNALS(SIGNAL_MEMBER)
  struct sim_observer observer;
  struct tensor_observer to;
  uint32_t segments, width, n_layer, n_head, n_vocab;
  uint32_t part;              // numbers in a part of an operand
  uint32_t part_bits;         // of its number
  uint32_t batch, n_members;  // members of the batch, in the order of its positions
  uint32_t n_engines;         // member m's is m % n_engines
  uint32_t order[PKG_MAX_POSITIONS];
  struct member members[PKG_MAX_POSITIONS];
};

// Element i of a signal of elements of `bits` bits. Verilator keeps a signal's bits in the order of
// memory, least significant byte first.
static uint64_t element(const void *signal, uint32_t i, uint32_t bits) {
  const uint32_t at = i * bits;
  uint64_t value = 0;
  memcpy(&value, (const uint8_t *)signal + at / 8, (at % 8 + bits + 7) / 8);
  return value >> at % 8 & ((UINT64_C(1) << bits) - 1);
}

static void tag_element(struct pkg_tag *tag, const void *signal, uint32_t i) {
  const uint64_t bits = element(signal, i, PKG_TAG_BITS);
  pkg_tag_unpack(tag, (const uint32_t[]){(uint32_t)bits, (uint32_t)(bits >> 32)});
}

static void show_rows(struct member *m, enum tensor tensor, uint32_t layer, uint32_t first,
                      const uint32_t *rows, uint32_t n, int frac) {
  m->shown.place.layer = layer;
  observe_rows(&m->shown, tensor, first, (const int32_t *)rows, n, frac);
}

// --------------------------------------------------------------------------- a batch, in its order
//
// The positions of a batch are computed together, but shown one after the other, at its end.

// Makes room for n elements of `size` bytes beside the first `used`.
static void *grown(void *list, size_t *room, size_t used, size_t n, size_t size) {
  if (used + n <= *room) return list;
  const size_t more = 2 * (used + n);
  void *larger = realloc(list, more * size);
  if (larger) *room = more;
  return larger;
}

static void keep(void *ctx, const struct tensor_place *place, uint32_t first, const int32_t *x,
                 uint32_t n, int frac) {
  struct member *m = ctx;
  struct kept *kept = grown(m->kept, &m->kept_room, m->n_kept, 1, sizeof *kept);
  if (kept) m->kept = kept;
  int32_t *numbers = grown(m->numbers, &m->numbers_room, m->n_numbers, n, sizeof *numbers);
  if (numbers) m->numbers = numbers;
  if (!kept || !numbers) {
    m->failed = true;
    return;
  }
  m->kept[m->n_kept++] = (struct kept){*place, first, n, frac, m->n_numbers};
  memcpy(m->numbers + m->n_numbers, x, n * sizeof *x);
  m->n_numbers += n;
}

static int show_kept(struct tensors *s, struct err *err) {
  for (uint32_t i = 0; i < s->batch; i++) {
    const struct member *m = &s->members[s->order[i]];
    if (m->failed) return err_memory(err, "the tensors of a batch");
    for (size_t k = 0; k < m->n_kept && s->to.part; k++) {
      const struct kept *part = &m->kept[k];
      s->to.part(s->to.ctx, &part->place, part->first, m->numbers + part->at, part->n, part->frac);
    }
  }
  s->batch = 0;
  return 0;
}

static void begin(struct tensors *s) {
  struct pkg_event event;
  pkg_event_unpack(&event, s->event);
  const uint32_t p = (uint32_t)(event.several ? event.seq : event.position % s->n_members);
  struct member *m = &s->members[p];
  m->shown.place.position = (uint32_t)event.position;
  m->norm_blocks = 0;
  m->n_kept = m->n_numbers = 0;
  m->failed = false;
  s->order[s->batch++ % PKG_MAX_POSITIONS] = p;
}

// --------------------------------------------------------------------------------------- the wires

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

// After rescale. PV's rows are ignored: the tensor is the block that the projection takes.
static void show_engine(const struct tensors *s, uint32_t p, struct member *m) {
  struct pkg_tag tag;
  tag_element(&tag, s->rows_tag, p);
  const uint32_t *rows = s->rows_data + p * s->segments;
  const uint16_t *v_scales = s->v_scales + p * s->segments;
  const uint32_t row = (uint32_t)tag.group * s->segments, layer = (uint32_t)tag.layer,
                 head = (uint32_t)tag.head, S = s->segments;
  const uint32_t cached = (uint32_t)m->shown.place.position + 1;
  switch ((enum pkg_op)tag.op) {
    case PKG_OP_QKV:
      show_rows(m, TENSOR_C_ATTN, layer,
                row / HEAD_DIM * s->width + head * HEAD_DIM + row % HEAD_DIM, rows, S, ROW_FRAC);
      break;
    case PKG_OP_SCORES:
      if (row >= cached) break;
      show_rows(m, TENSOR_SCORES, layer, head * cached + row, rows, least(S, cached - row),
                ROW_FRAC);
      m->heads[head % 2].head = head;
      m->heads[head % 2].layer = layer;
      memcpy(m->heads[head % 2].v_scale + row, v_scales, S * sizeof *v_scales);
      break;
    case PKG_OP_PROJ: show_rows(m, TENSOR_ATTN_PROJ, layer, row, rows, S, ROW_FRAC); break;
    case PKG_OP_MLP1: show_rows(m, TENSOR_C_FC, layer, row, rows, S, ROW_FRAC); break;
    case PKG_OP_MLP2: show_rows(m, TENSOR_MLP_PROJ, layer, row, rows, S, ROW_FRAC); break;
    case PKG_OP_HEAD:
      show_rows(m, TENSOR_LM_HEAD, 0, row, rows, least(S, s->n_vocab - row), ROW_FRAC);
      break;
    case PKG_OP_POS:
    case PKG_OP_TOKEN:
    case PKG_OP_NORM:
    case PKG_OP_PV: break;
  }
}

// A position's row of wpe starts the residual: show_residual shows it.
static void show_embedding(struct tensors *s) {
  struct pkg_tag tag;
  pkg_tag_unpack(&tag, s->emb_tag);
  const uint32_t p = (uint32_t)tag.member;
  if (!element(s->emb_ready, p % s->n_engines, 1) || tag.op != PKG_OP_TOKEN) return;
  show_rows(&s->members[p], TENSOR_WTE, 0, (uint32_t)tag.group * s->segments, s->emb_rows,
            s->segments, ROW_FRAC);
}

static void show_residual(struct tensors *s) {
  struct pkg_tag tag;
  struct pkg_event event;
  pkg_event_tag(&tag, s->event);
  pkg_event_unpack(&event, s->event);
  const enum pkg_op op = (enum pkg_op)tag.op;
  const enum tensor tensor = op == PKG_OP_POS     ? TENSOR_WPE
                             : op == PKG_OP_TOKEN ? TENSOR_DROP
                             : op == PKG_OP_PROJ  ? TENSOR_RESID_MID
                                                  : TENSOR_LAYER;
  for (uint32_t p = 0; p < s->n_members; p++) {
    if (!(event.residual_members >> p & 1)) continue;
    show_rows(&s->members[p], tensor, tensor_in_layer(tensor) ? (uint32_t)tag.layer : 0,
              (uint32_t)tag.group * s->segments, s->residual_rows + p * s->segments, s->segments,
              RES_FRAC);
  }
}

// After the last tile of a head everything has arrived.
static void show_probabilities(struct member *m, uint32_t bank, uint32_t tile, uint16_t pv_scale) {
  const uint32_t cached = (uint32_t)m->shown.place.position + 1;
  struct head *h = &m->heads[bank];
  h->p[tile] = m->block;
  if (tile != (cached - 1) / HEAD_DIM) return;
  m->shown.place.layer = h->layer;
  observe_probs(&m->shown, h->head, h->p, h->v_scale, pv_scale, cached);
}

// A block's slot tells what it is (rtl/block/operand_buffer.sv); LayerNorm's are those of ln_1 and
// ln_2 of each layer, then of ln_f.
static void show_operand(const struct tensors *s, uint32_t p, struct member *m) {
  const uint32_t slot = s->op_slot[p], group = slot / MAX_HEADS;
  const struct operand *block = &m->block;
  memcpy(m->block.m + element(s->op_part, p, s->part_bits) * s->part, s->op_m + p * s->part,
         s->part * sizeof *s->op_m);
  m->block.e = (uint8_t)element(s->op_exp, p, 4);
  if (!element(s->op_last, p, 1)) return;
  if (group == 0) {
    const uint32_t norm = m->norm_blocks++ / s->n_head, layer = norm / 2;
    m->shown.place.layer = layer < s->n_layer ? layer : 0;
    observe_operands(&m->shown,
                     layer == s->n_layer ? TENSOR_LN_F
                     : norm % 2          ? TENSOR_LN_2
                                         : TENSOR_LN_1,
                     slot, block, 1);
  } else if (group < 6) {  // attention's output, GELU's; the layer is that of the last LayerNorm
    m->shown.place.layer = (m->norm_blocks - 1) / s->n_head / 2;
    if (group == 1) observe_operands(&m->shown, TENSOR_CONTEXT, slot - MAX_HEADS, block, 1);
    else observe_operands(&m->shown, TENSOR_ACT, slot - PKG_SLOT_G(MAX_HEADS), block, 1);
  } else if (slot >= SLOT_P) {
    const uint32_t bank = (slot - SLOT_P) / TILES;
    show_probabilities(m, bank, (slot - SLOT_P) % TILES, s->pv_scale[2 * p + bank]);
  }
}

static void show_member(const struct tensors *s, uint32_t p, struct member *m) {
  if (element(s->rows, p, 1)) show_engine(s, p, m);
  if (element(s->kv, p, 1)) {
    m->shown.place.layer = s->kv_layer[p];
    observe_cached(&m->shown, element(s->kv_is_v, p, 1) ? TENSOR_VALUE : TENSOR_KEY,
                   (uint32_t)element(s->kv_head, p, 6), s->kv_q + p * HEAD_DIM, s->kv_scale[p]);
  }
  if (element(s->op, p, 1)) show_operand(s, p, m);
}

static int tensors_cycle(void *self, uint64_t cycle, struct err *err) {
  struct tensors *s = self;
  (void)cycle;
  if (*s->emb) show_embedding(s);
  for (uint32_t p = 0; p < s->n_members; p++) show_member(s, p, &s->members[p]);
  if (*s->event & PKG_EVENT_RESIDUAL) show_residual(s);
  if (*s->event & PKG_EVENT_STEP_END && show_kept(s, err)) return -1;
  if (*s->event & PKG_EVENT_STEP_START) begin(s);
  return 0;
}

static int tensors_end(void *self, enum sim_end how, struct err *err) {
  struct tensors *s = self;
  (void)how, (void)err;
  s->batch = 0;
  return 0;
}

static void tensors_destroy(void *self) {
  struct tensors *s = self;
  for (uint32_t p = 0; p < s->n_members; p++) {
    free(s->members[p].kept);
    free(s->members[p].numbers);
  }
  free(s);
}

int sim_observe_tensors(struct sim *sim, const struct tensor_observer *observer, struct err *err) {
  const struct image_header *h = &sim_image(sim)->header;
  struct signals signals = sim_signals(sim);
  struct tensors *at = calloc(1, sizeof *at);
  if (!at) return err_memory(err, "the tensors' signals");
  SIGNALS(SIGNAL_FIND)
  if (signals.missing) {
    free(at);
    return err_set(err,
                   "the simulator has no readable signal %s (sim/tensors.vlt): it was not built to "
                   "show tensors",
                   signals.missing);
  }
  at->segments = h->lanes / HEAD_DIM;
  at->n_members = signals_width(&signals, CORE "rows_valid");
  at->n_engines = signals_width(&signals, CORE "emb_ready");
  at->part = signals_width(&signals, CORE "op_m") / 16 / at->n_members;
  at->part_bits = signals_width(&signals, CORE "op_part") / at->n_members;
  at->width = h->n_embd;
  at->n_layer = h->n_layer;
  at->n_head = h->n_head;
  at->n_vocab = h->vocab_size;
  at->to = *observer;
  for (uint32_t p = 0; p < at->n_members; p++)
    at->members[p].shown =
        at->n_members == 1 ? (struct tensor_observer){.part = observer->part, .ctx = observer->ctx}
                           : (struct tensor_observer){.part = keep, .ctx = &at->members[p]};
  at->observer = (struct sim_observer){.self = at,
                                       .cycle = tensors_cycle,
                                       .end = tensors_end,
                                       .destroy = tensors_destroy};
  sim_observe(sim, &at->observer);
  return 0;
}
