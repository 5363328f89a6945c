// SPDX-License-Identifier: Apache-2.0
//
// sampling: the ids of sampling_choose() and its generator, choice after choice, for vocabularies
// of 301, 4096 and 50257 and smaller than top_k, for random, equal, rising, falling and extreme
// logits; and the cycles that its header states. sampling_serial is sampling with SystolicList = 0
// (Makefile)
#include "block.h"
#include "golden.h"

struct in {
  uint32_t base_id, mask[2], last, rows[64];
};
struct out {
  uint32_t id;
};
static const struct block_field in_fields[] = {
    BLOCK_FIELD(struct in, base_id, "lg_base_id_i"),
    BLOCK_FIELD(struct in, mask, "lg_mask_i"),
    BLOCK_FIELD(struct in, last, "lg_last_i"),
    BLOCK_FIELD(struct in, rows, "lg_rows_i"),
};
static const struct block_field out_fields[] = {BLOCK_FIELD(struct out, id, "choice_id_o")};
enum { MAX_VOCAB = 50257, MAX_GROUPS = 60000, MAX_POSITIONS = 64 };

enum logits { NORMAL, EQUAL, FEW, RISING, FALLING, EXTREME, LOGITS };

static int32_t draw(uint64_t *rng, enum logits kind, uint32_t id) {
  int64_t x = 0;
  switch (kind) {
    case NORMAL:
      for (int i = 0; i < 4; i++) x += rng_range(rng, -200000, 200000);
      return (int32_t)x;
    case EQUAL: return -12345;
    case FEW: return (int32_t)rng_range(rng, 0, 5) << 12;
    case RISING: return (int32_t)(id * 1000) - 20000000;
    case FALLING: return 20000000 - (int32_t)(id * 1000);
    default: break;
  }
  x = rng_chance(rng, 5) ? ROW_MAX : rng_chance(rng, 50) ? -ROW_MAX : rng_signed(rng, ROW_BITS);
  return (int32_t)(x < -ROW_MAX ? -ROW_MAX : x);
}

// Appends one position's logits to the stream, padding beyond the vocabulary being the greatest;
// returns its groups.
static size_t append(struct in *in, const int32_t *logits, uint32_t n_vocab, unsigned segments) {
  size_t n = (n_vocab + segments - 1) / segments;
  for (uint32_t g = 0; g < n; g++) {
    in[g] = (struct in){.base_id = g * segments, .last = g == n - 1};
    for (unsigned s = 0; s < segments; s++) {
      bool real = g * segments + s < n_vocab;
      in[g].rows[s] = (uint32_t)(real ? logits[g * segments + s] : ROW_MAX);
      bits_put(in[g].mask, s, 1, real);
    }
  }
  return n;
}

static void begin(struct block *b, const struct sampling *s) {
  uint32_t words[PKG_SAMPLING_WORDS];
  pkg_sampling_pack(words,
                    &(struct pkg_sampling){.top_k = s->top_k, .inv_t = s->inv_t, .seed = s->state});
  block_set(b, "sampling_i", words);
  block_set_u64(b, "start_i", 1);
  block_clock(b);
  block_set_u64(b, "start_i", 0);
}

static struct in in[MAX_GROUPS];
static struct out want[MAX_POSITIONS], got[MAX_POSITIONS];
static int32_t logits[MAX_VOCAB];

static void run(struct block *b, unsigned segments, uint32_t n_vocab, unsigned positions,
                struct sampling s, enum block_stall stall) {
  uint64_t rng = 1 + segments + n_vocab + s.top_k + stall;
  size_t n = 0;
  block_reset(b);
  block_stalls(b, stall, 7);
  begin(b, &(struct sampling){.top_k = s.top_k,
                              .inv_t = s.inv_t,
                              .state = ~s.state});  // another run before it
  begin(b, &s);
  for (unsigned p = 0; p < positions; p++) {
    for (uint32_t v = 0; v < n_vocab; v++) logits[v] = draw(&rng, p % LOGITS, v);
    want[p].id = sampling_choose(&s, logits, n_vocab);
    n += append(in + n, logits, n_vocab, segments);
    assert_true(n <= MAX_GROUPS);
  }
  block_source(b, "lg_valid_i", "lg_ready_o", in_fields, 4, in, sizeof *in, n);
  struct block_stream *sink =
      block_sink(b, "choice_valid_o", "choice_ready_i", out_fields, 1, got, sizeof *got, positions);
  block_run(b, 2000, 20);
  block_expect(sink, want, positions);
}

static void check(const char *name, unsigned segments) {
  static const uint32_t ks[] = {1, 2, 5, 40, 63, 64};
  static const double temperatures[] = {0.1, 0.8, 1.0, 3.0};
  struct block *b = block_open(name, segments);
  for (enum block_stall stall = BLOCK_PLAIN; stall < BLOCK_STALLS; stall++) {
    for (unsigned k = 0; k < 6; k++) {
      struct sampling s = {.top_k = ks[k],
                           .inv_t = sampling_inv_t(temperatures[(k + stall) % 4]),
                           .state = sampling_seed(k)};
      run(b, segments, 301, 60, s, stall);
      run(b, segments, 4096, 6, s, stall);
      run(b, segments, 3, 12, s, stall);  // fewer than top_k
      run(b, segments, 1, 2, s, stall);
      s.inv_t = k % 2 ? (1u << 24) - 1 : 1;  // the coldest and the hottest
      run(b, segments, 301, 60, s, stall);
    }
  }
  run(b, segments, MAX_VOCAB, 1, (struct sampling){.top_k = 1, .state = 1}, BLOCK_PLAIN);
  run(b, segments, MAX_VOCAB, 1,
      (struct sampling){.top_k = 40, .inv_t = sampling_inv_t(1), .state = 99}, BLOCK_BOTH);
  block_close(b);
}

static void test_1(void **state) {
  (void)state;
  check("sampling", 1);
  check("sampling_serial", 1);
}
static void test_4(void **state) {
  (void)state;
  check("sampling", 4);
  check("sampling_serial", 4);
}
static void test_16(void **state) {
  (void)state;
  check("sampling", 16);
  check("sampling_serial", 16);
}

// The state whose next one is x.
static uint64_t state_before(uint64_t x) {
  x ^= x << 17 ^ x << 34 ^ x << 51;
  x ^= x >> 7, x ^= x >> 14, x ^= x >> 28, x ^= x >> 56;
  x ^= x << 13, x ^= x << 26, x ^= x << 52;
  return x;
}

// Of two equal logits the random numbers below 2^31 choose the first, the others the second.
static void boundary(const char *name) {
  static const uint32_t random[] = {0, 0x7fffffff, 0x80000000, 0xffffffff};
  struct block *b = block_open(name, 4);
  logits[0] = logits[1] = 12345;
  for (unsigned i = 0; i < 4; i++) {
    struct sampling s = {.top_k = 2,
                         .inv_t = sampling_inv_t(1),
                         .state = state_before((uint64_t)random[i] << 32 | 77)};
    block_reset(b);
    begin(b, &s);
    want->id = sampling_choose(&s, logits, 2);
    assert_int_equal(s.state >> 32, random[i]);
    assert_int_equal(want->id, i / 2);
    size_t n = append(in, logits, 2, 4);
    block_source(b, "lg_valid_i", "lg_ready_o", in_fields, 4, in, sizeof *in, n);
    struct block_stream *sink =
        block_sink(b, "choice_valid_o", "choice_ready_i", out_fields, 1, got, sizeof *got, 1);
    block_run(b, 500, 10);
    block_expect(sink, want, 1);
  }
  block_close(b);
}

static void test_boundary(void **state) {
  (void)state;
  boundary("sampling");
  boundary("sampling_serial");
}

// Cycles from the last group to the choice, of falling logits: nothing of the last group goes into
// the list.
static void test_latency(void **state) {
  (void)state;
  struct block *b = block_open("sampling", 16);
  for (uint32_t k = 1; k <= 64; k++) {
    struct sampling s = {.top_k = k, .inv_t = sampling_inv_t(100), .state = sampling_seed(k)};
    block_reset(b);
    begin(b, &s);
    for (uint32_t v = 0; v < 4096; v++) logits[v] = -(int32_t)v;
    want->id = sampling_choose(&s, logits, 4096);
    size_t n = append(in, logits, 4096, 16);
    struct block_stream *source =
        block_source(b, "lg_valid_i", "lg_ready_o", in_fields, 4, in, sizeof *in, n);
    struct block_stream *sink =
        block_sink(b, "choice_valid_o", "choice_ready_i", out_fields, 1, got, sizeof *got, 1);
    block_run(b, 500, 10);
    block_expect(sink, want, 1);
    assert_int_equal(sink->first_cycle - source->last_cycle,
                     k == 1 ? 4 : k + want->id + 17);  // id = its place
  }
  block_close(b);
}

// The logits of GPT-2 in random order: cycles that the list holds up a stream of a group every
// `period` cycles, which is how fast the engine makes them.
static uint64_t held_up(const char *name, unsigned segments, uint32_t k) {
  struct block *b = block_open(name, segments);
  uint64_t rng = 5;
  struct sampling s = {.top_k = k, .inv_t = sampling_inv_t(1), .state = 1};
  block_reset(b);
  begin(b, &s);
  for (uint32_t v = 0; v < MAX_VOCAB; v++) logits[v] = draw(&rng, NORMAL, v);
  const size_t n = append(in, logits, MAX_VOCAB, segments);
  struct block_stream *source =
      block_source(b, "lg_valid_i", "lg_ready_o", in_fields, 4, in, sizeof *in, n);
  block_sink(b, "choice_valid_o", "choice_ready_i", out_fields, 1, got, sizeof *got, 1);
  block_run(b, 500, 10);
  const uint64_t held = source->last_cycle - source->first_cycle + 1 - n;
  block_close(b);
  return held;
}

// A group a cycle: in the machine one comes every n_embd / 64 cycles, so the serial list's cycles
// are those of a dozen groups for each that it holds up.
static void test_pace(void **state) {
  (void)state;
  assert_in_range(held_up("sampling", 16, 1), 0, 20);
  assert_in_range(held_up("sampling", 16, 64), 0, 400);
  const uint64_t one = held_up("sampling_serial", 1, 1), all = held_up("sampling_serial", 1, 64);
  print_message("serial list: %llu cycles with top_k = 1, %llu with 64\n", (unsigned long long)one,
                (unsigned long long)all);
  assert_in_range(one, 0, 100);
  assert_in_range(all, 0, 20000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_1),        cmocka_unit_test(test_4),       cmocka_unit_test(test_16),
      cmocka_unit_test(test_boundary), cmocka_unit_test(test_latency), cmocka_unit_test(test_pace),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
