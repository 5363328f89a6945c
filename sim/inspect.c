// SPDX-License-Identifier: Apache-2.0
#include "inspect.h"

#include <stdlib.h>
#include <string.h>

#include "gpt2_pkg.h"
#include "probe.h"

// Signals, by what they carry and what the hardware calls them.
#define CORE "gpt2_top.u_core."
#define BLOCK CORE "u_transformer_block."
// clang-format off
#define BYTES(S)                                                                                  \
  S(step, "step_start_o") S(mon, "mon_valid_o") S(rows, CORE "rows_valid")                        \
  S(token, CORE "token_valid") S(emb_ready, CORE "emb_ready") S(pos, CORE "pos_valid")            \
  S(op, CORE "op_valid") S(op_slot, CORE "op_slot") S(kv, BLOCK "kv_valid")                       \
  S(kv_is_v, BLOCK "kv_is_v") S(kv_head, BLOCK "kv_head") S(kv_layer, BLOCK "kv_layer")
#define WORDS(S)                                                                                  \
  S(mon_tag, "mon_tag_o") S(mon_rows, "mon_rows_o") S(rows_tag, CORE "rows_tag")                  \
  S(rows_data, CORE "rows") S(token_tag, CORE "token_tag") S(token_rows, CORE "token_rows")       \
  S(op_operand, CORE "op_operand") S(kv_q, BLOCK "kv_q")
#define HALVES(S)                                                                                 \
  S(step_position, "step_position_o") S(kv_scale, BLOCK "kv_scale") S(aux, CORE "aux")            \
  S(pv_scale, CORE "pv_scale")
// clang-format on
#define BYTE_MEMBER(member, name) const uint8_t *member;
#define WORD_MEMBER(member, name) const uint32_t *member;
#define HALF_MEMBER(member, name) const uint16_t *member;

// Probabilities are made of three things that pass at different times: a head's V scales with its
// scores, its exponentials as operand blocks, and before the last of these the reciprocal of their
// sum.
enum { TILES = MAX_CTX / HEAD_DIM, SLOT_P = PKG_SLOT_P(MAX_HEADS) };
struct head {
  uint32_t head, layer;
  uint16_t v_scale[MAX_CTX + HEAD_DIM];
  struct operand p[TILES];
};

struct inspect {
  BYTES(BYTE_MEMBER)
  WORDS(WORD_MEMBER)
  HALVES(HALF_MEMBER)
  uint32_t segments, width, n_layer, n_head, n_vocab;
  struct probe probe;
  uint32_t norm_blocks;  // LayerNorm's, of this position
  struct head heads[2];  // even and odd ones take turns
};

int inspect_create(struct inspect **out, const struct verilated_block *code, void *instance,
                   const struct image_header *h, const struct probe *probe, struct err *err) {
  const struct verilated_port *ports;
  const unsigned n = code->ports(instance, &ports);
  const char *missing = NULL;
  struct inspect *s = *out = calloc(1, sizeof *s);
  if (!s) return err_memory(err, "the tensors' signals");
#define FIND(member, wanted)                                       \
  for (unsigned i = 0; i < n; i++)                                 \
    if (!strcmp(ports[i].name, wanted)) s->member = ports[i].data; \
  if (!s->member) missing = wanted;
  BYTES(FIND) WORDS(FIND) HALVES(FIND) s->segments = h->lanes / HEAD_DIM;
  s->width = h->n_embd;
  s->n_layer = h->n_layer;
  s->n_head = h->n_head;
  s->n_vocab = h->vocab_size;
  s->probe = (struct probe){.see = probe->see, .ctx = probe->ctx};
  if (!missing) return 0;
  free(s);
  *out = NULL;
  return err_set(err,
                 "the simulator shows no signal %s (sim/inspect.vlt): its build is not the one for "
                 "looking inside",
                 missing);
}

void inspect_destroy(struct inspect *s) { free(s); }

static void see_rows(struct inspect *s, enum tap_tensor tensor, uint32_t layer, uint32_t first,
                     const uint32_t *rows, uint32_t n, int frac) {
  s->probe.place.layer = layer;
  probe_rows(&s->probe, tensor, first, (const int32_t *)rows, n, frac);
}

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

// Behind rescale. PV's rows are not looked at: what becomes of them is the block that the
// projection takes.
static void see_engine(struct inspect *s) {
  struct pkg_tag tag;
  pkg_tag_unpack(&tag, s->rows_tag);
  const uint32_t row = (uint32_t)tag.group * s->segments, layer = (uint32_t)tag.layer,
                 head = (uint32_t)tag.head, S = s->segments;
  const uint32_t cached = (uint32_t)s->probe.place.position + 1;
  switch ((enum pkg_op)tag.op) {
    case PKG_OP_QKV:
      see_rows(s, TAP_C_ATTN, layer, row / HEAD_DIM * s->width + head * HEAD_DIM + row % HEAD_DIM,
               s->rows_data, S, ROW_FRAC);
      break;
    case PKG_OP_SCORES:
      if (row >= cached) break;
      see_rows(s, TAP_SCORES, layer, head * cached + row, s->rows_data, least(S, cached - row),
               ROW_FRAC);
      s->heads[head % 2].head = head;
      s->heads[head % 2].layer = layer;
      memcpy(s->heads[head % 2].v_scale + row, s->aux, S * sizeof *s->aux);
      break;
    case PKG_OP_PROJ: see_rows(s, TAP_ATTN_PROJ, layer, row, s->rows_data, S, ROW_FRAC); break;
    case PKG_OP_MLP1: see_rows(s, TAP_C_FC, layer, row, s->rows_data, S, ROW_FRAC); break;
    case PKG_OP_MLP2: see_rows(s, TAP_MLP_PROJ, layer, row, s->rows_data, S, ROW_FRAC); break;
    case PKG_OP_HEAD:
      see_rows(s, TAP_LM_HEAD, 0, row, s->rows_data, least(S, s->n_vocab - row), ROW_FRAC);
      break;
    case PKG_OP_POS:
    case PKG_OP_TOKEN:
    case PKG_OP_NORM:
    case PKG_OP_PV: break;
  }
}

static void see_residual(struct inspect *s) {
  struct pkg_tag tag;
  pkg_tag_unpack(&tag, s->mon_tag);
  const enum pkg_op op = (enum pkg_op)tag.op;
  const enum tap_tensor tensor = op == PKG_OP_POS     ? TAP_WPE
                                 : op == PKG_OP_TOKEN ? TAP_DROP
                                 : op == PKG_OP_PROJ  ? TAP_RESID_MID
                                                      : TAP_LAYER;
  see_rows(s, tensor, tap_in_layer(tensor) ? (uint32_t)tag.layer : 0,
           (uint32_t)tag.group * s->segments, s->mon_rows, s->segments, RES_FRAC);
}

// Behind the last tile of a head all of it is there.
static void see_probabilities(struct inspect *s, uint32_t bank, uint32_t tile,
                              const struct operand *block) {
  const uint32_t cached = (uint32_t)s->probe.place.position + 1;
  struct head *h = &s->heads[bank];
  h->p[tile] = *block;
  if (tile != (cached - 1) / HEAD_DIM) return;
  s->probe.place.layer = h->layer;
  probe_probs(&s->probe, h->head, h->p, h->v_scale, s->pv_scale[bank], cached);
}

// A block's slot says what it is (rtl/block/operand_buffer.sv); LayerNorm's are those of ln_1 and
// ln_2 of each layer, then of ln_f.
static void see_operand(struct inspect *s) {
  const uint32_t slot = *s->op_slot, group = slot / MAX_HEADS;
  struct operand block;
  unsigned e;
  pkg_operand_unpack(block.m, &e, s->op_operand);
  block.e = (uint8_t)e;
  if (group == 0) {
    const uint32_t norm = s->norm_blocks++ / s->n_head, layer = norm / 2;
    s->probe.place.layer = layer < s->n_layer ? layer : 0;
    probe_operands(&s->probe,
                   layer == s->n_layer ? TAP_LN_F
                   : norm % 2          ? TAP_LN_2
                                       : TAP_LN_1,
                   slot, &block, 1);
  } else if (group <
             6) {  // attention's output, GELU's: those of the layer whose LayerNorm was the last
    s->probe.place.layer = (s->norm_blocks - 1) / s->n_head / 2;
    if (group == 1) probe_operands(&s->probe, TAP_CONTEXT, slot - MAX_HEADS, &block, 1);
    else probe_operands(&s->probe, TAP_ACT, slot - PKG_SLOT_G(MAX_HEADS), &block, 1);
  } else if (slot >= SLOT_P) {
    see_probabilities(s, (slot - SLOT_P) / TILES, (slot - SLOT_P) % TILES, &block);
  }
}

void inspect_cycle(struct inspect *s) {
  if (*s->step) {
    s->probe.place.position = *s->step_position;
    s->norm_blocks = 0;
  }
  if (*s->token && *s->emb_ready && !*s->pos) {
    struct pkg_tag tag;
    pkg_tag_unpack(&tag, s->token_tag);
    see_rows(s, TAP_WTE, 0, (uint32_t)tag.group * s->segments, s->token_rows, s->segments,
             ROW_FRAC);
  }
  if (*s->rows) see_engine(s);
  if (*s->kv) {
    s->probe.place.layer = *s->kv_layer;
    probe_cached(&s->probe, *s->kv_is_v ? TAP_VALUE : TAP_KEY, *s->kv_head, (const int8_t *)s->kv_q,
                 *s->kv_scale);
  }
  if (*s->op) see_operand(s);
  if (*s->mon) see_residual(s);
}
