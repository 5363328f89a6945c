// SPDX-License-Identifier: Apache-2.0
//
// gpt2_pkg: the C twins (golden/fixed.h, sim/gpt2_pkg.h) have the package's constants and the
// places of every field
#include <string.h>

#include "block.h"
#include "golden.h"

static struct block *probe;

static void expect(const char *name, const char *output, unsigned bits, unsigned field,
                   const uint32_t *want) {
  uint32_t got[64];
  block_set_u64(probe, "field_i", field);
  block_eval(probe);
  if (block_width(probe, output) != bits)
    fail_msg("%s_t: %u bits in gpt2_pkg.sv, %u in sim/gpt2_pkg.h", name, block_width(probe, output),
             bits);
  block_get(probe, output, got);
  if (memcmp(got, want, 4 * BITS_WORDS(bits)))
    fail_msg("%s_t: field %u stands elsewhere in gpt2_pkg.sv than in sim/gpt2_pkg.h", name, field);
}

// Each field in turn is all ones, as many as it has bits, so that a change of a width shows too.
#define TEST(lower, upper)                 \
  static void test_##lower(void **state) { \
    (void)state;                           \
    struct pkg_##lower x;                  \
    uint32_t words[PKG_##upper##_WORDS];   \
    unsigned n = 0;                        \
    PKG_##upper##_FIELDS(FIELD_##upper)    \
  }
#define FIELD_OF(lower, upper, f, bits)                        \
  memset(&x, 0, sizeof x);                                     \
  x.f = UINT64_MAX >> (64 - bits);                             \
  pkg_##lower##_pack(words, &x);                               \
  expect(#lower, #lower "_o", PKG_##upper##_BITS, n++, words); \
  pkg_##lower##_unpack(&x, words);                             \
  assert_true(x.f == UINT64_MAX >> (64 - bits));
#define FIELD_CONFIG(f, bits) FIELD_OF(config, CONFIG, f, bits)
#define FIELD_SAMPLING(f, bits) FIELD_OF(sampling, SAMPLING, f, bits)
#define FIELD_STEP(f, bits) FIELD_OF(step, STEP, f, bits)
#define FIELD_BATCH(f, bits) FIELD_OF(batch, BATCH, f, bits)
#define FIELD_JOB(f, bits) FIELD_OF(job, JOB, f, bits)
#define FIELD_LABEL(f, bits) FIELD_OF(label, LABEL, f, bits)
#define FIELD_TAG(f, bits) FIELD_OF(tag, TAG, f, bits)
#define FIELD_EVENT(f, bits) FIELD_OF(event, EVENT, f, bits)
#define FIELD_COUNTERS(f, bits) FIELD_OF(counters, COUNTERS, f, bits)
PKG_STRUCTS(TEST)

// The flags that are tested without unpacking, and the tag within an event.
static void test_event_parts(void **state) {
  (void)state;
  const struct pkg_event flags[] = {{.step_start = 1}, {.step_end = 1}, {.residual = 1}};
  const uint32_t bit[] = {PKG_EVENT_STEP_START, PKG_EVENT_STEP_END, PKG_EVENT_RESIDUAL};
  uint32_t words[PKG_EVENT_WORDS], tag_words[PKG_TAG_WORDS];
  for (int i = 0; i < 3; i++) {
    pkg_event_pack(words, &flags[i]);
    assert_int_equal(words[0], bit[i]);
  }
  const struct pkg_tag want =
      {.op = 5, .layer = 201, .head = 33, .position = 777, .member = 9, .group = 99999, .last = 1};
  struct pkg_tag got;
  pkg_tag_pack(tag_words, &want);
  const uint64_t tag = (uint64_t)tag_words[1] << 32 | tag_words[0];
  pkg_event_pack(words, &(struct pkg_event){.residual_tag = tag, .choice = 50000});
  pkg_event_tag(&got, words);
  assert_memory_equal(&got, &want, sizeof got);
}

static void test_operand(void **state) {
  (void)state;
  uint32_t words[PKG_OPERAND_WORDS];
  int16_t m[64];
  unsigned e;
  for (int i = 0; i < 64; i++) m[i] = -1;
  pkg_operand_pack(words, m, 0);
  expect("operand", "operand_o", PKG_OPERAND_BITS, 0, words);
  memset(m, 0, sizeof m);
  pkg_operand_pack(words, m, 15);
  expect("operand", "operand_o", PKG_OPERAND_BITS, 1, words);
  for (int i = 0; i < 64; i++) m[i] = (int16_t)(i * 977);
  pkg_operand_pack(words, m, 9);
  memset(m, 0, sizeof m);
  pkg_operand_unpack(m, &e, words);
  for (int i = 0; i < 64; i++) assert_int_equal(m[i], (int16_t)(i * 977));
  assert_int_equal(e, 9);
}

static void test_constants(void **state) {
  (void)state;
  const struct {
    const char *name;
    unsigned value;
  } want[] = {
      {"HeadDim", HEAD_DIM},
      {"RowFrac", ROW_FRAC},
      {"RowBits", ROW_BITS},
      {"ResFrac", RES_FRAC},
      {"ResBits", RES_BITS},
      {"NormFrac", 18},
      {"NormBits", 25},
      {"ProbFrac", PROB_FRAC},
      {"ExpFrac", EXP_FRAC},
      {"ScaleBias", SCALE_BIAS},
      {"SumBits", 30},
      {"AccBits", 52},
      {"SideGroups", SIDE_GROUPS},
      {"MaxTopK", MAX_TOP_K},
      {"OpPos", PKG_OP_POS},
      {"OpToken", PKG_OP_TOKEN},
      {"OpNorm", PKG_OP_NORM},
      {"OpQkv", PKG_OP_QKV},
      {"OpScores", PKG_OP_SCORES},
      {"OpPv", PKG_OP_PV},
      {"OpProj", PKG_OP_PROJ},
      {"OpMlp1", PKG_OP_MLP1},
      {"OpMlp2", PKG_OP_MLP2},
      {"OpHead", PKG_OP_HEAD},
      {"ErrNone", PKG_ERR_NONE},
      {"ErrAborted", PKG_ERR_ABORTED},
      {"ErrPromptLong", PKG_ERR_PROMPT_LONG},
      {"ErrPromptId", PKG_ERR_PROMPT_ID},
      {"ErrLayers", PKG_ERR_LAYERS},
      {"ErrHeads", PKG_ERR_HEADS},
      {"ErrContext", PKG_ERR_CONTEXT},
      {"ErrVocab", PKG_ERR_VOCAB},
      {"ErrNorm", PKG_ERR_NORM},
      {"ErrTopK", PKG_ERR_TOP_K},
      {"ErrSeed", PKG_ERR_SEED},
      {"ErrRead", PKG_ERR_READ},
      {"ErrWrite", PKG_ERR_WRITE},
      {"ErrTimeout", PKG_ERR_TIMEOUT},
      {"o_slot(25)", PKG_SLOT_O(25)},
      {"g_slot(25)", PKG_SLOT_G(25)},
      {"q_slot(25)", PKG_SLOT_Q(25)},
      {"p_slot(25)", PKG_SLOT_P(25)},
      {"slot_count(25, 1024)", PKG_SLOT_COUNT(25, 1024)},
      {"MaxPositions", PKG_MAX_POSITIONS},
  };
  const unsigned n = sizeof want / sizeof *want;
  for (unsigned i = 0; i < n; i++) {
    block_set_u64(probe, "field_i", i);
    block_eval(probe);
    if (block_get_u64(probe, "constant_o") != want[i].value)
      fail_msg("%s is %u in gpt2_pkg.sv, %u in C", want[i].name,
               (unsigned)block_get_u64(probe, "constant_o"), want[i].value);
  }
  block_set_u64(probe, "field_i", n);
  block_eval(probe);
  assert_int_equal(block_get_u64(probe, "constant_o"),
                   UINT32_MAX);  // the probe's list has the same length
}

static int open_probe(void **state) {
  (void)state;
  probe = block_open("gpt2_pkg_probe", 0);
  return 0;
}
static int close_probe(void **state) {
  (void)state;
  block_close(probe);
  return 0;
}

#define ENTRY(lower, upper) cmocka_unit_test(test_##lower),
int main(void) {
  const struct CMUnitTest tests[] = {
      PKG_STRUCTS(ENTRY) cmocka_unit_test(test_event_parts),
      cmocka_unit_test(test_operand),
      cmocka_unit_test(test_constants),
  };
  return cmocka_run_group_tests_name("gpt2_pkg", tests, open_probe, close_probe);
}
