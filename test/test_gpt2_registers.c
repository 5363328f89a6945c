// SPDX-License-Identifier: Apache-2.0
//
// gpt2_registers: what a host sees through AXI4-Lite, with gpt2_top's side of it played here
#include <stdio.h>
#include <string.h>

#include "block.h"
#include "image.h"

#include "../driver/gpt2_csr.h"

#define REG(name) ((uint32_t)offsetof(gpt2_csr_t, name))
enum { OKAY = 0, SLVERR = 2, DEPTH = 64, PATIENCE = 100 };

// Pulses are seen for one cycle: each cycle is counted here.
struct bench {
  struct block *b;
  uint64_t rng;
  bool stalls;  // channels come in any order, with pauses
  unsigned starts, aborts, resets, pops;
  uint32_t popped[2 * DEPTH];  // from the prompt FIFO: id, last in bit 31
  int end_in;                  // cycles to the run's end; 0: none is planned
  unsigned end_error;
};

static void step(struct bench *t) {
  struct block *b = t->b;
  const bool end = t->end_in && --t->end_in == 0;
  if (end) {
    block_set_u64(b, "busy_i", 0);
    block_set_u64(b, "error_i", t->end_error);
  }
  block_set_u64(b, "done_i", end);
  block_eval(b);
  t->starts += (unsigned)block_get_u64(b, "start_o");
  t->aborts += (unsigned)block_get_u64(b, "abort_o");
  t->resets += !block_get_u64(b, "core_rst_no");
  if (block_get_u64(b, "prompt_valid_o") && block_get_u64(b, "prompt_ready_i")) {
    assert_true(t->pops < 2 * DEPTH);
    t->popped[t->pops++] =
        (uint32_t)(block_get_u64(b, "prompt_id_o") | block_get_u64(b, "prompt_last_o") << 31);
  }
  block_clock(b);
}

static bool pause_now(struct bench *t) { return t->stalls && rng_chance(&t->rng, 60); }

static unsigned write_reg(struct bench *t, uint32_t offset, uint32_t value) {
  struct block *b = t->b;
  bool aw = false, w = false;
  block_set_u64(b, "s_axil_awaddr_i", offset);
  block_set_u64(b, "s_axil_wdata_i", value);
  block_set_u64(b, "s_axil_wstrb_i", 15);
  for (int i = 0; i < PATIENCE; i++) {
    const bool offer_aw = !aw && (block_get_u64(b, "s_axil_awvalid_i") || !pause_now(t));
    const bool offer_w = !w && (block_get_u64(b, "s_axil_wvalid_i") || !pause_now(t));
    block_set_u64(b, "s_axil_awvalid_i", offer_aw);
    block_set_u64(b, "s_axil_wvalid_i", offer_w);
    block_set_u64(b, "s_axil_bready_i", !pause_now(t));
    block_eval(b);
    const bool took_aw = offer_aw && block_get_u64(b, "s_axil_awready_o");
    const bool took_w = offer_w && block_get_u64(b, "s_axil_wready_o");
    const bool answered =
        block_get_u64(b, "s_axil_bvalid_o") && block_get_u64(b, "s_axil_bready_i");
    const unsigned answer = (unsigned)block_get_u64(b, "s_axil_bresp_o");
    step(t);
    aw = aw || took_aw;
    w = w || took_w;
    block_set_u64(b, "s_axil_awvalid_i", offer_aw && !took_aw);
    block_set_u64(b, "s_axil_wvalid_i", offer_w && !took_w);
    if (answered) {
      assert_true(aw && w);
      block_set_u64(b, "s_axil_bready_i", 0);
      return answer;
    }
  }
  fail_msg("a write to 0x%03x is not answered", offset);
  return SLVERR;
}

static unsigned try_read(struct bench *t, uint32_t offset, uint32_t *value) {
  struct block *b = t->b;
  bool asked = false;
  block_set_u64(b, "s_axil_araddr_i", offset);
  for (int i = 0; i < PATIENCE; i++) {
    const bool offer = !asked && (block_get_u64(b, "s_axil_arvalid_i") || !pause_now(t));
    block_set_u64(b, "s_axil_arvalid_i", offer);
    block_set_u64(b, "s_axil_rready_i", !pause_now(t));
    block_eval(b);
    const bool took = offer && block_get_u64(b, "s_axil_arready_o");
    const bool came = block_get_u64(b, "s_axil_rvalid_o") && block_get_u64(b, "s_axil_rready_i");
    const unsigned answer = (unsigned)block_get_u64(b, "s_axil_rresp_o");
    *value = (uint32_t)block_get_u64(b, "s_axil_rdata_o");
    step(t);
    asked = asked || took;
    block_set_u64(b, "s_axil_arvalid_i", offer && !took);
    if (came) {
      block_set_u64(b, "s_axil_rready_i", 0);
      return answer;
    }
  }
  fail_msg("a read of 0x%03x is not answered", offset);
  return SLVERR;
}

static uint32_t read_reg(struct bench *t, uint32_t offset) {
  uint32_t value;
  assert_int_equal(try_read(t, offset, &value), OKAY);
  return value;
}
static void set_reg(struct bench *t, uint32_t offset, uint32_t value) {
  assert_int_equal(write_reg(t, offset, value), OKAY);
}

static struct bench open_bench(bool stalls) {
  struct bench t = {.b = block_open("gpt2_registers", 0), .rng = 7, .stalls = stalls};
  block_reset(t.b);
  return t;
}

static void start(struct bench *t) {
  const unsigned before = t->starts;
  set_reg(t, REG(CONTROL), GPT2_CSR__CONTROL__START_bm);
  step(t);
  assert_int_equal(t->starts, before + 1);
  block_set_u64(t->b, "busy_i", 1);
}

// gpt2_top's end of a run: done for a cycle, error from there on.
static void end(struct bench *t, unsigned error) {
  t->end_in = 1;
  t->end_error = error;
  step(t);
}

static void identifies(void **state) {
  struct bench t = open_bench(*(bool *)*state);
  assert_memory_equal(&(uint32_t){read_reg(&t, REG(ID))}, "gpt2", 4);
  assert_int_equal(read_reg(&t, REG(VERSION)) >> GPT2_CSR__VERSION__MAJOR_bp, 0);
  assert_int_equal(read_reg(&t, REG(ENGINE)), 256 | 64 << 16 | 4 << 24);
  assert_int_equal(read_reg(&t, REG(LIMITS)), 25 | 1024 << 8 | 64 << 24);
  assert_int_equal(read_reg(&t, REG(MEMORY)), 1 | 512 << 8 | IMAGE_VERSION << 24);
  assert_int_equal(read_reg(&t, REG(HOST)), DEPTH);
  assert_int_equal(read_reg(&t, REG(WATCHDOG)), 0);
  assert_int_equal(read_reg(&t, REG(BATCH)), 8 | 2 << 8);  // the Makefile's parameters
  assert_int_equal(read_reg(&t, REG(STATUS)), 0);
  assert_int_equal(read_reg(&t, REG(LEVELS)), DEPTH);
  assert_int_equal(read_reg(&t, REG(TOP_K)), 1);
  block_close(t.b);
}

static void refuses_wrong_addresses(void **state) {
  struct bench t = open_bench(*(bool *)*state);
  uint32_t value;
  static const uint32_t none[] = {0x038, 0x03c, 0x068, 0x0d4, 0x118, 0x200, 0xffc};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
    assert_int_equal(try_read(&t, none[i], &value), SLVERR);
    assert_int_equal(write_reg(&t, none[i], 1), SLVERR);
  }
  assert_int_equal(write_reg(&t, REG(ID), 1), SLVERR);
  assert_int_equal(write_reg(&t, REG(STATUS), 1), SLVERR);
  assert_int_equal(try_read(&t, REG(CONTROL), &value), SLVERR);
  assert_int_equal(try_read(&t, REG(PROMPT), &value), SLVERR);
  assert_memory_equal(&(uint32_t){read_reg(&t, REG(ID))}, "gpt2", 4);  // still works
  block_close(t.b);
}

static void settings_reach_the_machine(void **state) {
  struct bench t = open_bench(*(bool *)*state);
  const struct pkg_config config = {
      .n_layer = 200,
      .n_head = 25,
      .n_ctx = 1024,
      .n_vocab = 0x1abcd,
      .inv_width = 0x1234567,
      .eps_term = 0xfedcba987654,
      .wpe_base = 0x12345678,
      .wte_base = 0x23456789,
      .stream_base = 0x3456789a,
      .head_base = 0x456789ab,
      .kv_base = 0x80000000,
      .kv_stride = 0x56789abc,
      .kv_v_off = 0x6789abcd,
  };
  const struct pkg_sampling sampling = {.top_k = 64, .inv_t = 0xabcdef, .seed = 0xfedcba9876543210};
  const uint32_t values[][2] = {
      {REG(N_LAYER), 200},          {REG(N_HEAD), 25},
      {REG(N_CTX), 1024},           {REG(N_VOCAB), 0x1abcd},
      {REG(INV_WIDTH), 0x1234567},  {REG(EPS_TERM_LOW), 0xba987654},
      {REG(EPS_TERM_HIGH), 0xfedc}, {REG(WPE_BEAT), 0x12345678},
      {REG(WTE_BEAT), 0x23456789},  {REG(STREAM_BEAT), 0x3456789a},
      {REG(HEAD_BEAT), 0x456789ab}, {REG(KV_STRIDE), 0x56789abc},
      {REG(KV_V_OFF), 0x6789abcd},  {REG(TOP_K), 64},
      {REG(INV_T), 0xabcdef},       {REG(SEED_LOW), 0x76543210},
      {REG(SEED_HIGH), 0xfedcba98}, {REG(MAX_NEW), 0x89abcdef},
      {REG(STOP_ID), 0x1c4a8},      {REG(RUN), 3},
  };
  for (size_t i = 0; i < sizeof values / sizeof *values; i++)
    set_reg(&t, values[i][0], values[i][1]);
  for (size_t i = 0; i < sizeof values / sizeof *values; i++)
    assert_int_equal(read_reg(&t, values[i][0]), values[i][1]);
  uint32_t want[PKG_CONFIG_WORDS], found[PKG_CONFIG_WORDS];
  pkg_config_pack(want, &config);
  block_get(t.b, "cfg_o", found);
  assert_memory_equal(found, want, sizeof want);
  uint32_t want_s[PKG_SAMPLING_WORDS], found_s[PKG_SAMPLING_WORDS];
  pkg_sampling_pack(want_s, &sampling);
  block_get(t.b, "sampling_o", found_s);
  assert_memory_equal(found_s, want_s, sizeof want_s);
  assert_int_equal(block_get_u64(t.b, "max_new_o"), 0x89abcdef);
  assert_int_equal(block_get_u64(t.b, "stop_id_o"), 0x1c4a8);
  assert_int_equal(block_get_u64(t.b, "stop_en_o"), 1);
  assert_int_equal(block_get_u64(t.b, "all_heads_o"), 1);
  block_close(t.b);
}

// The memory side sees addresses of the start that was taken, not of later writes.
static void a_start_keeps_the_addresses(void **state) {
  struct bench t = open_bench(*(bool *)*state);
  set_reg(&t, REG(IMAGE_BASE_LOW), 0x12345fff);
  set_reg(&t, REG(IMAGE_BASE_HIGH), 0x9);
  set_reg(&t, REG(KV_BASE_LOW), 0x80000000);
  set_reg(&t, REG(KV_BASE_HIGH), 0xa);
  set_reg(&t, REG(STRIPE_STRIDE_LOW), 0x10000000);
  set_reg(&t, REG(STRIPE_STRIDE_HIGH), 0xb);
  set_reg(&t, REG(RUN), GPT2_CSR__RUN__TOKEN_STREAM_bm);
  start(&t);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(block_get_u64(t.b, "image_base_o"), 0x912345000);
    assert_int_equal(block_get_u64(t.b, "kv_base_o"), 0xa80000000);
    assert_int_equal(block_get_u64(t.b, "stripe_stride_o"), 0xb10000000);
    assert_int_equal(block_get_u64(t.b, "prompt_stream_o"), 0);
    assert_int_equal(block_get_u64(t.b, "tok_stream_o"), 1);
    set_reg(&t, REG(IMAGE_BASE_LOW), 0x5000);
    set_reg(&t, REG(KV_BASE_HIGH), 1);
    set_reg(&t, REG(STRIPE_STRIDE_HIGH), 1);
    set_reg(&t, REG(RUN), GPT2_CSR__RUN__PROMPT_STREAM_bm);
    set_reg(&t, REG(CONTROL), GPT2_CSR__CONTROL__START_bm);  // ignored: a run is in progress
    step(&t);
  }
  end(&t, 0);
  start(&t);
  assert_int_equal(block_get_u64(t.b, "image_base_o"), 0x900005000);
  assert_int_equal(block_get_u64(t.b, "prompt_stream_o"), 1);
  assert_int_equal(block_get_u64(t.b, "tok_stream_o"), 0);
  assert_int_equal(read_reg(&t, REG(STATUS)) & GPT2_CSR__STATUS__PROMPT_OPEN_bm, 0);
  block_close(t.b);
}

static void prompt_fifo(void **state) {
  struct bench t = open_bench(*(bool *)*state);
  set_reg(&t, REG(PROMPT), 9);  // of no run: the start drops it
  start(&t);
  assert_int_equal(read_reg(&t, REG(LEVELS)), DEPTH);
  assert_int_equal(read_reg(&t, REG(STATUS)),
                   GPT2_CSR__STATUS__BUSY_bm | GPT2_CSR__STATUS__PROMPT_OPEN_bm);
  for (uint32_t i = 0; i < DEPTH; i++) {
    assert_int_equal(read_reg(&t, REG(LEVELS)), DEPTH - i);
    set_reg(&t, REG(PROMPT), (i * 0x1357) & 0x1ffff);
  }
  assert_int_equal(read_reg(&t, REG(STATUS)) & GPT2_CSR__STATUS__OVERFLOW_bm, 0);
  set_reg(&t, REG(PROMPT), 5);  // lost
  assert_int_equal(read_reg(&t, REG(STATUS)) & GPT2_CSR__STATUS__OVERFLOW_bm,
                   GPT2_CSR__STATUS__OVERFLOW_bm);
  block_set_u64(t.b, "prompt_ready_i", 1);
  step(&t);
  set_reg(&t, REG(PROMPT), 0x1ffff | 1u << 31);
  for (int i = 0; i < 2 * DEPTH; i++) step(&t);
  assert_int_equal(t.pops, DEPTH + 1);
  for (uint32_t i = 0; i < DEPTH; i++) assert_int_equal(t.popped[i], (i * 0x1357) & 0x1ffff);
  assert_int_equal(t.popped[DEPTH], 0x1ffff | 1u << 31);
  assert_int_equal(read_reg(&t, REG(STATUS)) & GPT2_CSR__STATUS__PROMPT_OPEN_bm, 0);
  end(&t, 0);
  start(&t);
  assert_int_equal(read_reg(&t, REG(STATUS)) & GPT2_CSR__STATUS__OVERFLOW_bm, 0);
  block_close(t.b);
}

static void token_fifo(void **state) {
  struct bench t = open_bench(*(bool *)*state);
  start(&t);
  assert_int_equal(read_reg(&t, REG(TOKEN)) & GPT2_CSR__TOKEN__VALID_bm, 0);
  block_set_u64(t.b, "tok_valid_i", 1);
  uint32_t given = 0;
  for (; given < 2 * DEPTH; given++) {
    block_set_u64(t.b, "tok_id_i", 0x10000 + given);
    block_eval(t.b);
    if (!block_get_u64(t.b, "tok_ready_o")) break;
    step(&t);
  }
  assert_int_equal(given, DEPTH);  // and the machine waits
  assert_int_equal(read_reg(&t, REG(LEVELS)) >> 16, DEPTH);
  block_set_u64(t.b, "tok_valid_i", 0);
  end(&t, 0);
  for (uint32_t i = 0; i < DEPTH; i++) {
    assert_int_equal(read_reg(&t, REG(TOKEN)), GPT2_CSR__TOKEN__VALID_bm | (0x10000 + i));
    assert_int_equal(read_reg(&t, REG(LEVELS)) >> 16, DEPTH - 1 - i);
  }
  assert_int_equal(read_reg(&t, REG(TOKEN)) & GPT2_CSR__TOKEN__VALID_bm, 0);
  block_set_u64(t.b, "tok_valid_i", 1);
  step(&t);
  block_set_u64(t.b, "tok_valid_i", 0);
  start(&t);  // drops unread ids
  assert_int_equal(read_reg(&t, REG(LEVELS)) >> 16, 0);
  block_close(t.b);
}

// prompt_open rises when a prompt has been taken and another is to come; a token's word says whose
// it is, and whether it is its text's last; in a run of one prompt it is the id alone.
static void several_prompts(void **state) {
  struct bench t = open_bench(*(bool *)*state);
  enum { OPEN = GPT2_CSR__STATUS__PROMPT_OPEN_bm, LAST = GPT2_CSR__TOKEN__LAST_bm };
  for (uint32_t more = 3; more < 4; more--) {
    set_reg(&t, REG(MORE_PROMPTS), more);
    start(&t);
    assert_int_equal(block_get_u64(t.b, "more_prompts_o"), more);
    set_reg(&t, REG(MORE_PROMPTS), 9);  // for the next run
    for (uint32_t prompt = 0; prompt <= more; prompt++) {
      assert_int_equal(read_reg(&t, REG(STATUS)) & OPEN, OPEN);
      set_reg(&t, REG(PROMPT), 5);
      assert_int_equal(read_reg(&t, REG(STATUS)) & OPEN, OPEN);
      set_reg(&t, REG(PROMPT), 6 | 1u << 31);
      assert_int_equal(read_reg(&t, REG(STATUS)) & OPEN, 0);
      block_set_u64(t.b, "prompt_ready_i", 1);
      step(&t);
      block_set_u64(t.b, "prompt_ready_i", 0);
      assert_int_equal(read_reg(&t, REG(STATUS)) & OPEN, 0);
      block_set_u64(t.b, "prompt_ready_i", 1);
      step(&t);
      block_set_u64(t.b, "prompt_ready_i", 0);
    }
    assert_int_equal(read_reg(&t, REG(STATUS)) & OPEN, 0);
    for (uint32_t i = 0; i < 2 * (more + 1); i++) {
      const uint32_t prompt = more - i / 2, last = i % 2;
      block_set_u64(t.b, "tok_id_i", 0x1fff0 + i);
      block_set_u64(t.b, "tok_prompt_i", prompt);
      block_set_u64(t.b, "tok_last_i", last);
      block_set_u64(t.b, "tok_valid_i", 1);
      block_set_u64(t.b, "tok_next_i", 1);
      block_eval(t.b);
      assert_int_equal(block_get_u64(t.b, "tok_run_last_o"), i == 2 * more + 1);
      step(&t);
      block_set_u64(t.b, "tok_valid_i", 0);
      block_set_u64(t.b, "tok_next_i", 0);
      assert_int_equal(read_reg(&t, REG(TOKEN)),
                       GPT2_CSR__TOKEN__VALID_bm | (more && last ? LAST : 0) |
                           prompt << GPT2_CSR__TOKEN__PROMPT_bp | (0x1fff0 + i));
    }
    end(&t, 0);
    t.pops = 0;
  }
  block_close(t.b);
}

static void interrupts(void **state) {
  struct bench t = open_bench(*(bool *)*state);
  enum { DONE = 1, ERROR = 2, PROMPT = 4, TOKEN = 8 };
  start(&t);
  assert_int_equal(read_reg(&t, REG(INT_STATUS)), PROMPT);
  assert_int_equal(block_get_u64(t.b, "irq_o"), 0);
  set_reg(&t, REG(INT_ENABLE), PROMPT);
  step(&t), step(&t);
  assert_int_equal(block_get_u64(t.b, "irq_o"), 1);
  set_reg(&t, REG(INT_STATUS), PROMPT);  // comes back while its condition holds
  assert_int_equal(read_reg(&t, REG(INT_STATUS)), PROMPT);
  for (int i = 0; i < DEPTH / 2; i++) set_reg(&t, REG(PROMPT), 1);
  set_reg(&t, REG(INT_STATUS), PROMPT);
  assert_int_equal(read_reg(&t, REG(INT_STATUS)), PROMPT);
  set_reg(&t, REG(PROMPT), 1);  // less than half is free
  set_reg(&t, REG(INT_STATUS), PROMPT);
  assert_int_equal(read_reg(&t, REG(INT_STATUS)), 0);
  step(&t), step(&t);
  assert_int_equal(block_get_u64(t.b, "irq_o"), 0);

  block_set_u64(t.b, "tok_valid_i", 1);
  step(&t);
  block_set_u64(t.b, "tok_valid_i", 0);
  assert_int_equal(read_reg(&t, REG(INT_STATUS)), TOKEN);
  read_reg(&t, REG(TOKEN));
  assert_int_equal(read_reg(&t, REG(INT_STATUS)), TOKEN);  // until it is cleared
  set_reg(&t, REG(INT_STATUS), TOKEN);
  assert_int_equal(read_reg(&t, REG(INT_STATUS)), 0);

  end(&t, PKG_ERR_NONE);
  assert_int_equal(read_reg(&t, REG(INT_STATUS)), DONE);
  set_reg(&t, REG(INT_STATUS), ERROR);  // clears nothing
  assert_int_equal(read_reg(&t, REG(INT_STATUS)), DONE);
  set_reg(&t, REG(INT_STATUS), DONE);
  assert_int_equal(read_reg(&t, REG(STATUS)), GPT2_CSR__STATUS__DONE_bm);

  start(&t);
  assert_int_equal(read_reg(&t, REG(STATUS)) & GPT2_CSR__STATUS__DONE_bm, 0);
  set_reg(&t, REG(INT_ENABLE), ERROR);
  end(&t, PKG_ERR_READ);
  assert_int_equal(read_reg(&t, REG(INT_STATUS)), DONE | ERROR | PROMPT);
  step(&t);
  assert_int_equal(block_get_u64(t.b, "irq_o"), 1);
  assert_int_equal(read_reg(&t, REG(STATUS)),
                   GPT2_CSR__STATUS__DONE_bm | PKG_ERR_READ << GPT2_CSR__STATUS__ERROR_bp);
  block_close(t.b);
}

// A write to INT_STATUS that clears another bit may be in the cycle of a run's end.
static void no_event_is_lost(void **state) {
  struct bench t = open_bench(*(bool *)*state);
  enum { DONE = 1, ERROR = 2, TOKEN = 8, CYCLES = 12 };
  for (int when = 1; when <= CYCLES; when++) {
    start(&t);
    set_reg(&t, REG(INT_STATUS), DONE | ERROR);
    t.end_in = when;
    t.end_error = PKG_ERR_READ;
    set_reg(&t, REG(INT_STATUS), TOKEN);
    while (t.end_in) step(&t);
    step(&t);
    assert_int_equal(read_reg(&t, REG(INT_STATUS)) & (DONE | ERROR), DONE | ERROR);
  }
  block_close(t.b);
}

static void abort_and_reset(void **state) {
  struct bench t = open_bench(*(bool *)*state);
  start(&t);
  set_reg(&t, REG(CONTROL), GPT2_CSR__CONTROL__ABORT_RUN_bm);
  step(&t);
  assert_int_equal(t.aborts, 1);
  assert_int_equal(t.starts, 1);
  end(&t, PKG_ERR_ABORTED);
  start(&t);
  set_reg(&t, REG(MAX_NEW), 77);
  set_reg(&t, REG(PROMPT), 3);
  block_set_u64(t.b, "tok_valid_i", 1);
  step(&t);
  block_set_u64(t.b, "tok_valid_i", 0);
  const unsigned before = t.resets;
  set_reg(&t, REG(CONTROL), GPT2_CSR__CONTROL__SOFT_RESET_bm);
  step(&t);
  assert_int_equal(t.resets, before + 1);
  assert_int_equal(read_reg(&t, REG(LEVELS)), DEPTH);
  assert_int_equal(read_reg(&t, REG(STATUS)), GPT2_CSR__STATUS__BUSY_bm);  // drains
  block_set_u64(t.b, "busy_i", 0);
  assert_int_equal(read_reg(&t, REG(STATUS)), 0);
  assert_int_equal(read_reg(&t, REG(MAX_NEW)), 77);
  block_close(t.b);
}

// The first fault of a run stays; the next start forgets it.
static void faults(void **state) {
  struct bench t = open_bench(*(bool *)*state);
  start(&t);
  assert_int_equal(read_reg(&t, REG(FAULT)), 0);
  for (unsigned port = 17; port < 19; port++) {
    block_set_u64(t.b, "fault_valid_i", 1);
    block_set_u64(t.b, "fault_write_i", port == 17);
    block_set_u64(t.b, "fault_decerr_i", port == 17);
    block_set_u64(t.b, "fault_port_i", port);
    step(&t);
    block_set_u64(t.b, "fault_valid_i", 0);
  }
  assert_int_equal(read_reg(&t, REG(FAULT)), 7 | 17 << 8);
  end(&t, PKG_ERR_WRITE);
  assert_int_equal(read_reg(&t, REG(FAULT)), 7 | 17 << 8);
  start(&t);
  assert_int_equal(read_reg(&t, REG(FAULT)), 0);
  block_close(t.b);
}

static void set_counters(struct bench *t, const struct pkg_counters *c) {
  uint32_t words[PKG_COUNTERS_WORDS];
  pkg_counters_pack(words, c);
  block_set(t->b, "counters_i", words);
}

// The two halves of a count are of one moment.
static void counters(void **state) {
  struct bench t = open_bench(*(bool *)*state);
  set_reg(&t, REG(COUNT_SELECT), 0xa7);
  assert_int_equal(block_get_u64(t.b, "count_sel_o"), 0xa7);
  set_counters(&t, &(struct pkg_counters){.count = 0xabffffffff});
  assert_int_equal(read_reg(&t, REG(COUNT_LOW)), 0xffffffff);
  set_counters(&t, &(struct pkg_counters){.count = 0xac00000000,
                                          .heads = 0x11111111,
                                          .heads_skipped = 0x22222222,
                                          .saturations = 0x33333333});
  assert_int_equal(read_reg(&t, REG(COUNT_HIGH)), 0xab);
  assert_int_equal(read_reg(&t, REG(HEADS)), 0x11111111);
  assert_int_equal(read_reg(&t, REG(HEADS_SKIPPED)), 0x22222222);
  assert_int_equal(read_reg(&t, REG(SATURATIONS)), 0x33333333);
  block_close(t.b);
}

int main(void) {
  static bool plain = false, stalled = true;
#define BOTH(name) \
  {#name, name, NULL, NULL, &plain}, { #name "_stalled", name, NULL, NULL, &stalled }
  const struct CMUnitTest tests[] = {
      BOTH(identifies),
      BOTH(refuses_wrong_addresses),
      BOTH(settings_reach_the_machine),
      BOTH(a_start_keeps_the_addresses),
      BOTH(prompt_fifo),
      BOTH(token_fifo),
      BOTH(several_prompts),
      BOTH(interrupts),
      BOTH(no_event_is_lost),
      BOTH(abort_and_reset),
      BOTH(faults),
      BOTH(counters),
  };
  return cmocka_run_group_tests_name("gpt2_registers", tests, NULL, NULL);
}
