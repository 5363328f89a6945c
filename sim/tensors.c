// SPDX-License-Identifier: Apache-2.0
#include "tensors.h"

#include <stdlib.h>
#include <string.h>

#include "gpt2_pkg.h"
#include "tensor_observer.h"

// The signals, by what they carry, with the hardware's names.
#define CORE "gpt2_top.u_core."
// clang-format off
#define SIGNALS(S)                                                                                \
  S(const uint32_t, event, "event_o")        S(const uint32_t, residual_rows, "residual_rows_o")  \
  S(const uint8_t, rows, CORE "rows_valid")  S(const uint32_t, rows_tag, CORE "rows_tag")         \
  S(const uint32_t, rows_data, CORE "rows")  S(const uint16_t, v_scales, CORE "v_scales")         \
  S(const uint16_t, pv_scale, CORE "pv_scale")                                                    \
  S(const uint8_t, emb, CORE "emb_valid")          S(const uint32_t, emb_tag, CORE "emb_tag")     \
  S(const uint32_t, emb_rows, CORE "emb_rows")     S(const uint8_t, emb_ready, CORE "emb_ready")  \
  S(const uint8_t, op, CORE "op_valid")      S(const uint8_t, op_slot, CORE "op_slot")            \
  S(const uint8_t, op_part, CORE "op_part")  S(const uint8_t, op_last, CORE "op_last")            \
  S(const uint8_t, op_exp, CORE "op_exp")    S(const uint16_t, op_m, CORE "op_m")                 \
  S(const uint8_t, kv, CORE "kv_valid")     S(const uint8_t, kv_is_v, CORE "kv_is_v")           \
  S(const uint8_t, kv_head, CORE "kv_head") S(const uint8_t, kv_layer, CORE "kv_layer")         \
  S(const uint32_t, kv_q, CORE "kv_q")      S(const uint16_t, kv_scale, CORE "kv_scale")
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

struct tensors {
  SIGNALS(SIGNAL_MEMBER)
  struct sim_observer observer;
  uint32_t segments, width, n_layer, n_head, n_vocab;
  struct tensor_observer shown;
  uint32_t norm_blocks;  // LayerNorm's, of this position
  struct operand block;  // the parts of an operand that have come
  uint32_t part;         // numbers in a part
  struct head heads[2];  // even and odd heads alternate
};

static void show_rows(struct tensors *s, enum tensor tensor, uint32_t layer, uint32_t first,
                      const uint32_t *rows, uint32_t n, int frac) {
  s->shown.place.layer = layer;
  observe_rows(&s->shown, tensor, first, (const int32_t *)rows, n, frac);
}

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

// After rescale. PV's rows are ignored: the tensor is the block that the projection takes.
static void show_engine(struct tensors *s) {
  struct pkg_tag tag;
  pkg_tag_unpack(&tag, s->rows_tag);
  const uint32_t row = (uint32_t)tag.group * s->segments, layer = (uint32_t)tag.layer,
                 head = (uint32_t)tag.head, S = s->segments;
  const uint32_t cached = (uint32_t)s->shown.place.position + 1;
  switch ((enum pkg_op)tag.op) {
    case PKG_OP_QKV:
      show_rows(s, TENSOR_C_ATTN, layer,
                row / HEAD_DIM * s->width + head * HEAD_DIM + row % HEAD_DIM, s->rows_data, S,
                ROW_FRAC);
      break;
    case PKG_OP_SCORES:
      if (row >= cached) break;
      show_rows(s, TENSOR_SCORES, layer, head * cached + row, s->rows_data, least(S, cached - row),
                ROW_FRAC);
      s->heads[head % 2].head = head;
      s->heads[head % 2].layer = layer;
      memcpy(s->heads[head % 2].v_scale + row, s->v_scales, S * sizeof *s->v_scales);
      break;
    case PKG_OP_PROJ: show_rows(s, TENSOR_ATTN_PROJ, layer, row, s->rows_data, S, ROW_FRAC); break;
    case PKG_OP_MLP1: show_rows(s, TENSOR_C_FC, layer, row, s->rows_data, S, ROW_FRAC); break;
    case PKG_OP_MLP2: show_rows(s, TENSOR_MLP_PROJ, layer, row, s->rows_data, S, ROW_FRAC); break;
    case PKG_OP_HEAD:
      show_rows(s, TENSOR_LM_HEAD, 0, row, s->rows_data, least(S, s->n_vocab - row), ROW_FRAC);
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
  if (tag.op != PKG_OP_TOKEN) return;
  show_rows(s, TENSOR_WTE, 0, (uint32_t)tag.group * s->segments, s->emb_rows, s->segments,
            ROW_FRAC);
}

static void show_residual(struct tensors *s) {
  struct pkg_tag tag;
  pkg_event_tag(&tag, s->event);
  const enum pkg_op op = (enum pkg_op)tag.op;
  const enum tensor tensor = op == PKG_OP_POS     ? TENSOR_WPE
                             : op == PKG_OP_TOKEN ? TENSOR_DROP
                             : op == PKG_OP_PROJ  ? TENSOR_RESID_MID
                                                  : TENSOR_LAYER;
  show_rows(s, tensor, tensor_in_layer(tensor) ? (uint32_t)tag.layer : 0,
            (uint32_t)tag.group * s->segments, s->residual_rows, s->segments, RES_FRAC);
}

// After the last tile of a head everything has arrived.
static void show_probabilities(struct tensors *s, uint32_t bank, uint32_t tile,
                               const struct operand *block) {
  const uint32_t cached = (uint32_t)s->shown.place.position + 1;
  struct head *h = &s->heads[bank];
  h->p[tile] = *block;
  if (tile != (cached - 1) / HEAD_DIM) return;
  s->shown.place.layer = h->layer;
  observe_probs(&s->shown, h->head, h->p, h->v_scale, s->pv_scale[bank], cached);
}

// A block's slot tells what it is (rtl/block/operand_buffer.sv); LayerNorm's are those of ln_1 and
// ln_2 of each layer, then of ln_f.
static void show_operand(struct tensors *s) {
  const uint32_t slot = *s->op_slot, group = slot / MAX_HEADS;
  const struct operand *block = &s->block;
  memcpy(s->block.m + *s->op_part * s->part, s->op_m, s->part * sizeof *s->block.m);
  s->block.e = *s->op_exp;
  if (!*s->op_last) return;
  if (group == 0) {
    const uint32_t norm = s->norm_blocks++ / s->n_head, layer = norm / 2;
    s->shown.place.layer = layer < s->n_layer ? layer : 0;
    observe_operands(&s->shown,
                     layer == s->n_layer ? TENSOR_LN_F
                     : norm % 2          ? TENSOR_LN_2
                                         : TENSOR_LN_1,
                     slot, block, 1);
  } else if (group < 6) {  // attention's output, GELU's; the layer is that of the last LayerNorm
    s->shown.place.layer = (s->norm_blocks - 1) / s->n_head / 2;
    if (group == 1) observe_operands(&s->shown, TENSOR_CONTEXT, slot - MAX_HEADS, block, 1);
    else observe_operands(&s->shown, TENSOR_ACT, slot - PKG_SLOT_G(MAX_HEADS), block, 1);
  } else if (slot >= SLOT_P) {
    show_probabilities(s, (slot - SLOT_P) / TILES, (slot - SLOT_P) % TILES, block);
  }
}

static int tensors_cycle(void *self, uint64_t cycle, struct err *err) {
  struct tensors *s = self;
  (void)cycle;
  (void)err;
  if (*s->event & PKG_EVENT_STEP_START) {
    struct pkg_event event;
    pkg_event_unpack(&event, s->event);
    s->shown.place.position = (uint32_t)event.position;
    s->norm_blocks = 0;
  }
  if (*s->emb && *s->emb_ready) show_embedding(s);
  if (*s->rows) show_engine(s);
  if (*s->kv) {
    s->shown.place.layer = *s->kv_layer;
    observe_cached(&s->shown, *s->kv_is_v ? TENSOR_VALUE : TENSOR_KEY, *s->kv_head,
                   (const int8_t *)s->kv_q, *s->kv_scale);
  }
  if (*s->op) show_operand(s);
  if (*s->event & PKG_EVENT_RESIDUAL) show_residual(s);
  return 0;
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
  if (signals_width(&signals, CORE "rows_valid") > 1) {
    free(at);
    return err_set(err, "tensors can be shown only of hardware that runs one position at a time: "
                        "use --positions 1");
  }
  at->segments = h->lanes / HEAD_DIM;
  at->part = signals_width(&signals, CORE "op_m") / 16;
  at->width = h->n_embd;
  at->n_layer = h->n_layer;
  at->n_head = h->n_head;
  at->n_vocab = h->vocab_size;
  at->shown = (struct tensor_observer){.part = observer->part, .ctx = observer->ctx};
  at->observer = (struct sim_observer){.self = at, .cycle = tensors_cycle, .destroy = free};
  sim_observe(sim, &at->observer);
  return 0;
}
