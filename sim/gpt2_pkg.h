// SPDX-License-Identifier: Apache-2.0
//
// gpt2_pkg - the packed structs of rtl/base/gpt2_pkg.sv in C: fields in the same order (most
// significant first), pack and unpack
//
// For each struct x_t of the package there is: struct pkg_x with a uint64_t of every field's name;
// PKG_X_BITS and PKG_X_WORDS, its size; pkg_x_pack(words, &x), which writes all words;
// pkg_x_unpack(&x, words). test/test_gpt2_pkg.c compares every field's place with the Verilated
// package.
#ifndef GPT2RTL_GPT2_PKG_H
#define GPT2RTL_GPT2_PKG_H

#include <stdint.h>
#include <string.h>

#include "bits.h"

enum pkg_op {
  PKG_OP_POS,
  PKG_OP_TOKEN,
  PKG_OP_NORM,
  PKG_OP_QKV,
  PKG_OP_SCORES,
  PKG_OP_PV,
  PKG_OP_PROJ,
  PKG_OP_MLP1,
  PKG_OP_MLP2,
  PKG_OP_HEAD,
};

// error_e: why a run ended, with a sentence for each.
#define PKG_ERRORS(E)                                          \
  E(NONE, "no error")                                          \
  E(ABORTED, "the run was aborted")                            \
  E(PROMPT_LONG, "the prompt is longer than the context")      \
  E(PROMPT_ID, "an id of the prompt is not in the vocabulary") \
  E(LAYERS, "n_layer must not be 0")                           \
  E(HEADS, "n_head must be 1 to MaxHeads")                     \
  E(CONTEXT, "n_ctx must be 2 to MaxCtx")                      \
  E(VOCAB, "n_vocab must not be 0")                            \
  E(NORM, "eps_term must be 2^16 or more")                     \
  E(TOP_K, "top_k must be 1 to 64")                            \
  E(SEED, "the seed must not be 0")                            \
  E(READ, "the memory answered a read with an error")          \
  E(WRITE, "the memory acknowledged a write with an error")    \
  E(TIMEOUT, "no transfer at any port for the watchdog's time")
#define PKG_ERROR_NAME(name, text) PKG_ERR_##name,
enum pkg_error { PKG_ERRORS(PKG_ERROR_NAME) PKG_ERR_COUNT };
// The sentence of error_o's code.
static inline const char *pkg_error_text(unsigned code) {
#define PKG_ERROR_TEXT(name, text) text,
  static const char *const texts[] = {PKG_ERRORS(PKG_ERROR_TEXT)};
  return code < PKG_ERR_COUNT ? texts[code] : "unknown error";
}

// Operand slots of a machine with room for max_heads heads: o_slot() .. p_slot() of the package; X
// begins at 0.
#define PKG_SLOT_O(max_heads) (max_heads)
#define PKG_SLOT_G(max_heads) (PKG_SLOT_O(max_heads) + (max_heads))
#define PKG_SLOT_Q(max_heads) (PKG_SLOT_G(max_heads) + 4 * (max_heads))
#define PKG_SLOT_P(max_heads) (PKG_SLOT_Q(max_heads) + 2)
#define PKG_SLOT_COUNT(max_heads, max_ctx) (PKG_SLOT_P(max_heads) + 2 * ((max_ctx) / 64))

// MaxPositions: positions that go through the engine together, at most.
enum { PKG_MAX_POSITIONS = 16 };

// F(name, bits), most significant first, as in the package.
// clang-format off
#define PKG_CONFIG_FIELDS(F)                                                                      \
  F(n_layer, 8) F(n_head, 6) F(n_ctx, 11) F(n_vocab, 17) F(inv_width, 25) F(eps_term, 48)         \
  F(wpe_base, 32) F(wte_base, 32) F(stream_base, 32) F(head_base, 32) F(kv_base, 32)              \
  F(kv_stride, 32) F(kv_v_off, 32)
#define PKG_SAMPLING_FIELDS(F) F(top_k, 7) F(inv_t, 24) F(seed, 64)
#define PKG_STEP_FIELDS(F)                                                                         \
  F(id, 17) F(position, 10) F(seq, 4) F(prompt, 16) F(several, 1) F(more, 1) F(head, 1)            \
  F(recomputed, 1)
#define PKG_BATCH_FIELDS(F) F(several, 1) F(seq, 4) F(last, 4) F(more, 1) F(members, 16)
#define PKG_WORK_FIELDS(F)                                                                        \
  F(op, 4) F(layer, 8) F(head, 6) F(final_layer, 1) F(want_head, 1) F(position, 10) F(alone, 1)    \
  F(member, 4)
// issue_t and row_place_t, which a job hands to the labels of its beats unchanged.
#define PKG_ISSUE_FIELDS(F)                                                                       \
  F(by_columns, 1) F(first, 1) F(last, 1) F(slot, 8) F(free, 1) F(excess, 3) F(row_in_group, 6)   \
  F(side_index, 10)
#define PKG_JOB_FIELDS(F)                                                                         \
  PKG_WORK_FIELDS(F) F(groups, 17) F(blocks, 8) F(sides, 1) PKG_ISSUE_FIELDS(F)
// tag.last is last_group here.
#define PKG_LABEL_FIELDS(F)                                                                       \
  PKG_WORK_FIELDS(F) F(group, 17) F(last_group, 1) PKG_ISSUE_FIELDS(F) F(side, 1) F(block, 8)     \
  F(last_block, 1) F(start, 1)
#define PKG_TAG_FIELDS(F) PKG_WORK_FIELDS(F) F(group, 17) F(last, 1)
// residual_tag is a whole tag_t: pkg_event_tag.
#define PKG_EVENT_FIELDS(F)                                                                       \
  F(residual_tag, 53) F(residual_members, 16) F(choice, 17) F(choice_seq, 4) PKG_STEP_FIELDS(F)    \
  F(saturations, 14) F(residual, 1) F(step_end, 1) F(step_start, 1)
#define PKG_COUNTERS_FIELDS(F)                                                                    \
  F(count, 40) F(heads, 32) F(heads_skipped, 32) F(saturations, 32)
// clang-format on

#define PKG_STRUCTS(S)  \
  S(config, CONFIG)     \
  S(sampling, SAMPLING) \
  S(step, STEP)         \
  S(batch, BATCH) S(job, JOB) S(label, LABEL) S(tag, TAG) S(event, EVENT) S(counters, COUNTERS)

#define PKG_MEMBER(name, bits) uint64_t name;
#define PKG_SIZE(name, bits) +bits
#define PKG_PACK(name, bits) \
  at -= bits;                \
  bits_put(words, at, bits, x->name);
#define PKG_UNPACK(name, bits) \
  at -= bits;                  \
  x->name = bits_get(words, at, bits);
#define PKG_DEFINE(lower, upper)                                                       \
  struct pkg_##lower {                                                                 \
    PKG_##upper##_FIELDS(PKG_MEMBER)                                                   \
  };                                                                                   \
  enum {                                                                               \
    PKG_##upper##_BITS = 0 PKG_##upper##_FIELDS(PKG_SIZE),                             \
    PKG_##upper##_WORDS = BITS_WORDS(PKG_##upper##_BITS)                               \
  };                                                                                   \
  static inline void pkg_##lower##_pack(uint32_t words[PKG_##upper##_WORDS],           \
                                        const struct pkg_##lower *x) {                 \
    unsigned at = PKG_##upper##_BITS;                                                  \
    memset(words, 0, PKG_##upper##_WORDS * sizeof *words);                             \
    PKG_##upper##_FIELDS(PKG_PACK)                                                     \
  }                                                                                    \
  static inline void pkg_##lower##_unpack(struct pkg_##lower *x,                       \
                                          const uint32_t words[PKG_##upper##_WORDS]) { \
    unsigned at = PKG_##upper##_BITS;                                                  \
    PKG_##upper##_FIELDS(PKG_UNPACK)                                                   \
  }
PKG_STRUCTS(PKG_DEFINE)

// Of the first word of an event_t: its flags, to be tested each cycle without unpacking it.
enum { PKG_EVENT_STEP_START = 1, PKG_EVENT_STEP_END = 2, PKG_EVENT_RESIDUAL = 4 };
static inline void pkg_event_tag(struct pkg_tag *tag, const uint32_t words[PKG_EVENT_WORDS]) {
  const uint64_t bits = bits_get(words, PKG_EVENT_BITS - PKG_TAG_BITS, PKG_TAG_BITS);
  pkg_tag_unpack(tag, (const uint32_t[]){(uint32_t)bits, (uint32_t)(bits >> 32)});
}

// operand_t: the exponent above 64 x int16. e 0..15.
enum { PKG_OPERAND_BITS = 4 + 64 * 16, PKG_OPERAND_WORDS = BITS_WORDS(PKG_OPERAND_BITS) };
static inline void pkg_operand_pack(uint32_t words[PKG_OPERAND_WORDS], const int16_t m[64],
                                    unsigned e) {
  for (unsigned i = 0; i < 64; i++) bits_put(words, 16 * i, 16, (uint16_t)m[i]);
  words[PKG_OPERAND_WORDS - 1] = e;
}
static inline void pkg_operand_unpack(int16_t m[64], unsigned *e,
                                      const uint32_t words[PKG_OPERAND_WORDS]) {
  for (unsigned i = 0; i < 64; i++) m[i] = (int16_t)bits_get(words, 16 * i, 16);
  *e = words[PKG_OPERAND_WORDS - 1];
}

#endif
