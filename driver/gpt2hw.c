// SPDX-License-Identifier: Apache-2.0
#include "gpt2hw.h"

#include "gpt2_csr.h"
#include "gpt2hw_internal.h"

#define REG(name) ((uint32_t)offsetof(gpt2_csr_t, name))
// Takes a field out of a register's value, or puts a value in its field's place.
#define GET(value, name) (((value)&GPT2_CSR__##name##_bm) >> GPT2_CSR__##name##_bp)
#define PUT(value, name) (((uint32_t)(value) << GPT2_CSR__##name##_bp) & GPT2_CSR__##name##_bm)

enum { COUNT_KV_WRITES = 0xf0, COUNT_CYCLES = 0xf1, MAX_PROMPTS = 8192 };

static uint32_t reg_read(struct gpt2hw *dev, uint32_t offset) {
  return dev->host.read(dev->host.ctx, offset);
}
static void reg_write(struct gpt2hw *dev, uint32_t offset, uint32_t value) {
  dev->host.write(dev->host.ctx, offset, value);
}
static void reg_write_64(struct gpt2hw *dev, uint32_t low, uint64_t value) {
  reg_write(dev, low, (uint32_t)value);
  reg_write(dev, low + 4, (uint32_t)(value >> 32));
}

const char *gpt2hw_error_text(enum gpt2hw_error error) {
  switch (error) {
    case GPT2HW_OK: return "no error";
    case GPT2HW_ABORTED: return "the run was aborted";
    case GPT2HW_PROMPT_LONG: return "the prompt is longer than the model's context: shorten it";
    case GPT2HW_PROMPT_ID: return "an id of the prompt is not in the model's vocabulary";
    case GPT2HW_LAYERS: return "the number of layers is 0: load an image first";
    case GPT2HW_HEADS: return "the number of heads is 0 or above the hardware's maximum";
    case GPT2HW_CONTEXT: return "the context is below 2 or above the hardware's maximum";
    case GPT2HW_VOCAB: return "the vocabulary is empty: load an image first";
    case GPT2HW_NORM: return "LayerNorm's epsilon is too small for the hardware";
    case GPT2HW_TOP_K: return "top_k is 0 or above the hardware's maximum";
    case GPT2HW_SEED: return "the seed is 0: make one with gpt2hw_seed";
    case GPT2HW_READ: return "the memory refused a read: gpt2hw_fault says which port's";
    case GPT2HW_WRITE: return "the memory refused a write: gpt2hw_fault says which port's";
    case GPT2HW_TIMEOUT: return "no port made a transfer for the watchdog's time";
    case GPT2HW_NOT_FOUND: return "no gpt2_axi answers at these registers: check the address";
    case GPT2HW_OTHER_VERSION:
      return "the hardware's registers are of another major version: take "
             "the driver that came with it";
    case GPT2HW_BUSY: return "a run is in progress: wait for its end, or abort it";
    case GPT2HW_NOT_LOADED: return "no image is loaded";
    case GPT2HW_NO_IMAGE: return "these bytes are not a memory image: gpt2rtl compile writes one";
    case GPT2HW_IMAGE_VERSION:
      return "the hardware reads another version of the image: compile it "
             "with the gpt2rtl that the hardware came with";
    case GPT2HW_IMAGE_LANES:
      return "the image is for another number of lanes: compile it with "
             "gpt2rtl compile --lanes";
    case GPT2HW_IMAGE_STRIPES:
      return "the image is in stripes: attach it, on hardware with as many ports; the driver loads "
             "one that gpt2rtl compile wrote without --stripes";
    case GPT2HW_IMAGE_HEADS: return "the model has more heads than the hardware has room for";
    case GPT2HW_IMAGE_CONTEXT:
      return "the model's context is longer than the hardware has room for";
    case GPT2HW_IMAGE_FIELD: return "the image's header contradicts itself: it is damaged";
    case GPT2HW_IMAGE_SIZE: return "the image has fewer or more bytes than its header says";
    case GPT2HW_CHECKSUM: return "the image's checksum is wrong: it is damaged";
    case GPT2HW_ALIGNMENT: return "a base or the stride is not a multiple of 4096";
    case GPT2HW_OVERLAP:
      return "the image, the cache or their stripes would share bytes, or end "
             "after the last address";
    case GPT2HW_MEMORY: return "the host could not write to the memory, or has no memory_write";
    case GPT2HW_ARGUMENT: return "an argument is outside its range";
    case GPT2HW_OVERFLOW: return "ids were written to a full FIFO: other software writes them too";
    case GPT2HW_IDLE: return "the host ended the wait";
    case GPT2HW_NOT_BEGUN:
      return "no load is in progress: call gpt2hw_load_begin first, and check its result";
  }
  return "unknown error";
}

// ---- the device -----------------------------------------------------------------------------

enum gpt2hw_error gpt2hw_open(struct gpt2hw *dev, const struct gpt2hw_host *host) {
  *dev = (struct gpt2hw){.host = *host};
  if (reg_read(dev, REG(ID)) != GPT2_CSR__ID__MAGIC_reset) return GPT2HW_NOT_FOUND;
  const uint32_t version = reg_read(dev, REG(VERSION)), engine = reg_read(dev, REG(ENGINE)),
                 limits = reg_read(dev, REG(LIMITS)), memory = reg_read(dev, REG(MEMORY)),
                 side = reg_read(dev, REG(HOST));
  // Registers before version 0.2 have no BATCH, and those before 0.3 no MORE_PROMPTS.
  const uint32_t minor = GET(version, VERSION__MAJOR) ? UINT32_MAX : GET(version, VERSION__MINOR);
  const bool old = minor < 2;
  const uint32_t batch = old ? 0 : reg_read(dev, REG(BATCH));
  dev->can = (struct gpt2hw_capabilities){
      .major = GET(version, VERSION__MAJOR),
      .minor = GET(version, VERSION__MINOR),
      .patch = GET(version, VERSION__PATCH),
      .lanes = GET(engine, ENGINE__LANES),
      .norm_width = GET(engine, ENGINE__NORM_WIDTH),
      .exp_width = GET(engine, ENGINE__EXP_WIDTH),
      .positions = old ? 1 : GET(batch, BATCH__POSITIONS),
      .engines = old ? 1 : GET(batch, BATCH__ENGINES),
      .prompts = minor >= 3 && GET(batch, BATCH__POSITIONS) > 1 ? MAX_PROMPTS : 1,
      .max_heads = GET(limits, LIMITS__MAX_HEADS),
      .max_context = GET(limits, LIMITS__MAX_CTX),
      .max_top_k = GET(limits, LIMITS__MAX_TOP_K),
      .ports = GET(memory, MEMORY__PORTS),
      .port_bits = GET(memory, MEMORY__PORT_BITS),
      .image_version = GET(memory, MEMORY__IMAGE_VERSION),
      .fifo_depth = GET(side, HOST__FIFO_DEPTH),
      .logits_stream = GET(side, HOST__LOGITS_STREAM) != 0,
      .watchdog = reg_read(dev, REG(WATCHDOG)),
  };
  return dev->can.major == GPT2_CSR__VERSION__MAJOR_reset ? GPT2HW_OK : GPT2HW_OTHER_VERSION;
}

static bool idle(struct gpt2hw *dev) {
  return dev->host.idle && dev->host.idle(dev->host.ctx) != 0;
}

enum gpt2hw_error gpt2hw_reset(struct gpt2hw *dev) {
  reg_write(dev, REG(CONTROL), GPT2_CSR__CONTROL__SOFT_RESET_bm);
  while (gpt2hw_poll(dev).busy)
    if (idle(dev)) return GPT2HW_IDLE;
  return GPT2HW_OK;
}

// gpt2hw_image.c has checked the model and its place.
void gpt2hw_configure(struct gpt2hw *dev) {
  const struct gpt2hw_model *m = &dev->model;
  reg_write_64(dev, REG(IMAGE_BASE_LOW), dev->place.image_base);
  reg_write_64(dev, REG(KV_BASE_LOW), dev->place.kv_base);
  reg_write_64(dev, REG(STRIPE_STRIDE_LOW), dev->place.stripe_stride);
  reg_write(dev, REG(N_LAYER), m->n_layer);
  reg_write(dev, REG(N_HEAD), m->n_head);
  reg_write(dev, REG(N_CTX), m->n_ctx);
  reg_write(dev, REG(N_VOCAB), m->n_vocab);
  reg_write(dev, REG(INV_WIDTH), m->inv_width);
  reg_write_64(dev, REG(EPS_TERM_LOW), m->eps_term);
  reg_write(dev, REG(WPE_BEAT), m->wpe_beat);
  reg_write(dev, REG(WTE_BEAT), m->wte_beat);
  reg_write(dev, REG(STREAM_BEAT), m->stream_beat);
  reg_write(dev, REG(HEAD_BEAT), m->head_beat);
  reg_write(dev, REG(KV_STRIDE), m->kv_stride);
  reg_write(dev, REG(KV_V_OFF), m->kv_v_off);
}

// ---- a run ----------------------------------------------------------------------------------

uint64_t gpt2hw_seed(uint64_t seed) {
  uint64_t x = seed + UINT64_C(0x9e3779b97f4a7c15);
  x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
  x ^= x >> 31;
  return x ? x : 1;
}

uint32_t gpt2hw_inv_t(uint32_t thousandths) {
  // 1000 x 2^16 log2(e) with 20 fraction bits
  const uint64_t one = UINT64_C(99141248299512);
  if (thousandths < 10 || thousandths > 100000) return 0;
  return (uint32_t)((one + ((uint64_t)thousandths << 19)) / ((uint64_t)thousandths << 20));
}

enum gpt2hw_error gpt2hw_start(struct gpt2hw *dev, const struct gpt2hw_run *run) {
  if (!dev->loaded) return GPT2HW_NOT_LOADED;
  if (gpt2hw_poll(dev).busy) return GPT2HW_BUSY;
  if (run->top_k < 1 || run->top_k > dev->can.max_top_k || run->inv_t >> 24 ||
      (run->stop_enabled && run->stop_id >> 17) || (run->all_heads && !dev->can.logits_stream) ||
      run->more_prompts >= dev->can.prompts)
    return GPT2HW_ARGUMENT;
  reg_write(dev, REG(RUN),
            PUT(run->all_heads, RUN__ALL_HEADS) | PUT(run->stop_enabled, RUN__STOP_ENABLE) |
                PUT(run->prompt_stream, RUN__PROMPT_STREAM) |
                PUT(run->token_stream, RUN__TOKEN_STREAM));
  reg_write(dev, REG(MAX_NEW), run->max_new);
  reg_write(dev, REG(STOP_ID), run->stop_enabled ? run->stop_id : 0);
  reg_write(dev, REG(TOP_K), run->top_k);
  reg_write(dev, REG(INV_T), run->inv_t);
  gpt2hw_next_seed(dev, run->seed);
  if (dev->can.prompts > 1) reg_write(dev, REG(MORE_PROMPTS), run->more_prompts);
  reg_write(dev, REG(CONTROL), GPT2_CSR__CONTROL__START_bm);
  return GPT2HW_OK;
}

void gpt2hw_next_seed(struct gpt2hw *dev, uint64_t seed) { reg_write_64(dev, REG(SEED_LOW), seed); }

size_t gpt2hw_feed(struct gpt2hw *dev, const uint32_t *ids, size_t n, bool last) {
  const uint32_t room = n ? GET(reg_read(dev, REG(LEVELS)), LEVELS__PROMPT_ROOM) : 0;
  size_t fed = 0;
  for (; fed < n && fed < room; fed++) {
    // An id that does not fit its field is in no vocabulary, and the hardware reports it.
    const uint32_t id = ids[fed] >> GPT2_CSR__PROMPT__ID_bw ? GPT2_CSR__PROMPT__ID_bm : ids[fed];
    reg_write(dev, REG(PROMPT), id | PUT(last && fed == n - 1, PROMPT__LAST));
  }
  return fed;
}

size_t gpt2hw_take_tokens(struct gpt2hw *dev, struct gpt2hw_token *tokens, size_t n) {
  size_t taken = 0;
  while (taken < n) {
    const uint32_t token = reg_read(dev, REG(TOKEN));
    if (!GET(token, TOKEN__VALID)) break;
    tokens[taken++] = (struct gpt2hw_token){.id = GET(token, TOKEN__ID),
                                            .prompt = GET(token, TOKEN__PROMPT),
                                            .last = GET(token, TOKEN__LAST) != 0};
  }
  return taken;
}

size_t gpt2hw_take(struct gpt2hw *dev, uint32_t *ids, size_t n) {
  struct gpt2hw_token token;
  size_t taken = 0;
  while (taken < n && gpt2hw_take_tokens(dev, &token, 1)) ids[taken++] = token.id;
  return taken;
}

struct gpt2hw_state gpt2hw_poll(struct gpt2hw *dev) {
  // Read the status first. Then the levels include all ids that exist at the end of a run.
  const uint32_t status = reg_read(dev, REG(STATUS)), levels = reg_read(dev, REG(LEVELS));
  enum gpt2hw_error error = (enum gpt2hw_error)GET(status, STATUS__ERROR);
  if (error == GPT2HW_OK && GET(status, STATUS__OVERFLOW)) error = GPT2HW_OVERFLOW;
  return (struct gpt2hw_state){
      .busy = GET(status, STATUS__BUSY) != 0,
      .done = GET(status, STATUS__DONE) != 0,
      .prompt_open = GET(status, STATUS__PROMPT_OPEN) != 0,
      .prompt_room = GET(levels, LEVELS__PROMPT_ROOM),
      .tokens = GET(levels, LEVELS__TOKENS),
      .error = error,
  };
}

void gpt2hw_abort(struct gpt2hw *dev) {
  reg_write(dev, REG(CONTROL), GPT2_CSR__CONTROL__ABORT_RUN_bm);
}

// Aborts the run, which then ends when the memory has answered.
static enum gpt2hw_error abandon(struct gpt2hw *dev) {
  gpt2hw_abort(dev);
  while (gpt2hw_poll(dev).busy)
    if (idle(dev)) return GPT2HW_IDLE;
  return GPT2HW_ABORTED;
}

enum gpt2hw_error gpt2hw_generate_many(struct gpt2hw *dev, const struct gpt2hw_run *run,
                                       const struct gpt2hw_prompt *prompts, size_t n,
                                       int (*on_token)(void *ctx, const struct gpt2hw_token *token),
                                       void *ctx) {
  struct gpt2hw_run all = *run;
  if (!n || n > dev->can.prompts || run->prompt_stream || run->token_stream) return GPT2HW_ARGUMENT;
  for (size_t i = 0; i < n; i++)
    if (!prompts[i].n) return GPT2HW_ARGUMENT;
  all.more_prompts = (uint32_t)(n - 1);
  all.seed = prompts[0].seed;
  const enum gpt2hw_error error = gpt2hw_start(dev, &all);
  if (error) return error;
  for (size_t i = 0, fed = 0;;) {
    const struct gpt2hw_state state = gpt2hw_poll(dev);
    bool moved = false;
    if (state.busy && state.prompt_open && i < n && state.prompt_room) {
      if (i && !fed) gpt2hw_next_seed(dev, prompts[i].seed);
      fed += gpt2hw_feed(dev, prompts[i].ids + fed, prompts[i].n - fed, true);
      if (fed == prompts[i].n) i++, fed = 0;
      moved = true;
    }
    struct gpt2hw_token token;
    for (uint32_t k = 0; k < state.tokens && gpt2hw_take_tokens(dev, &token, 1); k++) {
      moved = true;
      if (on_token && on_token(ctx, &token)) return abandon(dev);
    }
    // If done is not set, other software has reset the hardware.
    if (!state.busy) return state.done ? state.error : GPT2HW_ABORTED;
    if (!moved && idle(dev)) {
      gpt2hw_abort(dev);
      return GPT2HW_IDLE;
    }
  }
}

struct one {
  int (*on_token)(void *ctx, uint32_t id);
  void *ctx;
};
static int on_token_of_one(void *ctx, const struct gpt2hw_token *token) {
  const struct one *one = ctx;
  return one->on_token ? one->on_token(one->ctx, token->id) : 0;
}

enum gpt2hw_error gpt2hw_generate(struct gpt2hw *dev, const struct gpt2hw_run *run,
                                  const uint32_t *prompt, size_t n_prompt,
                                  int (*on_token)(void *ctx, uint32_t id), void *ctx) {
  const struct gpt2hw_prompt prompts = {.ids = prompt, .n = n_prompt, .seed = run->seed};
  struct one one = {on_token, ctx};
  return gpt2hw_generate_many(dev, run, &prompts, 1, on_token_of_one, &one);
}

// ---- interrupts -----------------------------------------------------------------------------

void gpt2hw_interrupt_enable(struct gpt2hw *dev, uint32_t bits) {
  reg_write(dev, REG(INT_ENABLE), bits);
}
uint32_t gpt2hw_interrupts(struct gpt2hw *dev) { return reg_read(dev, REG(INT_STATUS)); }
void gpt2hw_interrupt_clear(struct gpt2hw *dev, uint32_t bits) {
  reg_write(dev, REG(INT_STATUS), bits);
}

// ---- looking at it --------------------------------------------------------------------------

static uint64_t count(struct gpt2hw *dev, uint32_t select) {
  reg_write(dev, REG(COUNT_SELECT), select);
  const uint32_t low = reg_read(dev, REG(COUNT_LOW));
  return (uint64_t)reg_read(dev, REG(COUNT_HIGH)) << 32 | low;
}
uint64_t gpt2hw_cycles(struct gpt2hw *dev) { return count(dev, COUNT_CYCLES); }
uint64_t gpt2hw_kv_writes(struct gpt2hw *dev) { return count(dev, COUNT_KV_WRITES); }
uint64_t gpt2hw_count(struct gpt2hw *dev, uint32_t phase, uint32_t what) {
  return phase < 11 && what < 10 ? count(dev, phase << 4 | what) : 0;
}
uint32_t gpt2hw_saturations(struct gpt2hw *dev) { return reg_read(dev, REG(SATURATIONS)); }

struct gpt2hw_fault gpt2hw_fault(struct gpt2hw *dev) {
  const uint32_t fault = reg_read(dev, REG(FAULT));
  return (struct gpt2hw_fault){
      .valid = GET(fault, FAULT__VALID) != 0,
      .write = GET(fault, FAULT__WRITE) != 0,
      .decerr = GET(fault, FAULT__DECERR) != 0,
      .port = GET(fault, FAULT__PORT),
  };
}
