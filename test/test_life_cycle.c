// SPDX-License-Identifier: Apache-2.0
//
// The life of runs on one gpt2_top (docs/life_cycle.md): random sequences of starts, ends, aborts,
// resets, errors, refusals and losses, of runs of one or several prompts, on slow ports and several
// models, against a model of the rules
//
//   - a start is taken in a cycle in which busy is low, and in no other; each run taken ends with
//     one done, unless a reset ends it
//   - a run that nothing disturbs reports golden's steps, tokens and logits, leaves golden's keys
//     and values in memory, and has no error
//   - one that is disturbed reports a prefix of these, and the error of what disturbed it; the
//     next run is undisturbed
//   - a host may stop within any prompt, and go on later or abort
//   - while busy is low nothing is offered, requested or unacknowledged
//   - writes go to the run's own KV cache, no two to one beat at a time; bytes that are being
//     written may read as anything
//
// GPT2RTL_SEQUENCES=N runs N sequences of each build instead of those of `make test`;
// GPT2RTL_SEED=N begins with another seed.
#include "block.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "controller.h"
#include "image_build.h"
#include "model_code.h"
#include "model_test.h"
#include "random_model.h"
#include "sim.h"

enum {
  LANES = 64,
  LEN = LANES / 64,
  MODELS = 3,
  WATCHDOG = 8192,
  BURSTS = 16,
  WRITES = 256,
  MAX_IDS = 80,
  RUNS = 3,
  MAX_PROMPTS = 7,
  PLACES = 4,       // of sequences, at most
  LIMIT = 2000000,  // cycles that no run takes
};

// ------------------------------------------------------------------------------------------ models

struct model {
  struct image image;
  struct pkg_config config;  // where it lies in the shared memory
};

static struct model models[MODELS];
static uint8_t *memory_bytes;
static uint64_t memory_beats;

// Of one sequence's keys and values.
static uint64_t cache_beats(const struct image_header *h) {
  return (uint64_t)h->n_layer * h->n_head * h->kv_stride;
}

static int open_models(void **state) {
  static const char *const shapes[MODELS] = {
      "{\"n_layer\":1,\"n_head\":1,\"n_embd\":64,\"n_positions\":6,\"vocab_size\":257,\"model_"
      "type\":\"gpt2\"}",
      "{\"n_layer\":1,\"n_head\":2,\"n_embd\":128,\"n_positions\":64,\"vocab_size\":300,\"model_"
      "type\":\"gpt2\"}",
      "{\"n_layer\":2,\"n_head\":1,\"n_embd\":64,\"n_positions\":2,\"vocab_size\":261,\"model_"
      "type\":\"gpt2\"}",
  };
  struct err err;
  if (make_folder(state)) return -1;
  for (int i = 0; i < MODELS; i++) {
    char name[32], config[FILE_PATH_SIZE], dir[FILE_PATH_SIZE], path[FILE_PATH_SIZE];
    struct gpt2_weights weights;
    struct image *image = &models[i].image;
    snprintf(name, sizeof name, "%d.json", i);
    write_string(config, *state, name, shapes[i]);
    snprintf(dir, sizeof dir, "%s/%d", (char *)*state, i);
    snprintf(path, sizeof path, "%s/%d.image", (char *)*state, i);
    if (random_model_write(config, (uint64_t)i + 1, dir, &err) ||
        weights_load(&weights, dir, &err) || image_build(path, &weights, LANES, 1, &err) ||
        image_open(image, path, IMAGE_CHECKED, &err))
      fail_msg("%s", err.text);
    weights_free(&weights);
    sim_config(&models[i].config, &image->header);
    struct pkg_config *c = &models[i].config;
    c->wpe_base += memory_beats;
    c->wte_base += memory_beats;
    c->stream_base += memory_beats;
    c->head_base += memory_beats;
    c->kv_base += memory_beats;
    const uint64_t from = memory_beats, kv = PLACES * cache_beats(&image->header);
    memory_beats += image->header.n_beats + kv;
    memory_bytes = realloc(memory_bytes, memory_beats * LANES);
    assert_non_null(memory_bytes);
    memcpy(memory_bytes + from * LANES, image->beats, image->header.n_beats * LANES);
    memset(memory_bytes + c->kv_base * LANES, 0xa5, kv * LANES);
  }
  return 0;
}

static int close_models(void **state) {
  for (int i = 0; i < MODELS; i++) image_close(&models[i].image);
  free(memory_bytes);
  return remove_folder(state);
}

// -------------------------------------------------------------------------------------------- runs

// What disturbs a run.
enum trouble {
  NOTHING,
  ABORT,
  RESET,
  POWER_UP,
  READ_ERROR,
  WRITE_ERROR,
  READ_LOST,
  ACK_LOST,
  NO_LAST,
  BAD_SETTINGS,
  BAD_PROMPT,
  TROUBLES
};
static const char *const trouble_names[TROUBLES] = {
    "nothing",
    "abort",
    "reset",
    "reset of the memory too",
    "read error",
    "write error",
    "lost read",
    "lost acknowledgement",
    "prompt without last",
    "bad settings",
    "bad prompt",
};

// A prompt, and golden's report of its sequence.
struct sequence {
  const struct model *model;
  uint32_t ids[MAX_IDS];
  uint64_t seed;
  struct controller_run run;
  struct controller_step *steps;
  uint32_t *tokens;
  int32_t *logits;
  struct gpt2_core core;
  size_t n_steps, n_tokens, n_logits;  // that golden has; positions of logits
  size_t begun, ended, chosen, shown;  // that the hardware has
  uint32_t next_id;                    // of the logits that come
  unsigned place;                      // where it runs, if it has begun
};

struct run {
  const struct model *model;
  struct sequence sequences[MAX_PROMPTS];
  size_t n;
  struct pkg_config config;
  struct pkg_sampling sampling;
  enum trouble trouble;
  size_t which;          // prompt: the bad one, or the one without last
  uint64_t when;         // cycles after the start, or beats, or acknowledgements
  enum pkg_error error;  // if the trouble comes
  bool came;

  // Where the host stops, for how long, and whether it aborts then.
  size_t stop_prompt, stop_id;
  uint64_t stop_cycles;
  bool stop_abort;

  size_t prompt, fed;                         // prompts that were taken; ids of the next
  struct sequence *batch[PKG_MAX_POSITIONS];  // those that have not ended, of the batch under way
  size_t n_batch;
  bool several, more;  // of several sequences; steps are to come
};

static int on_step(void *ctx, const struct controller_step *step) {
  struct sequence *r = ctx;
  r->steps = realloc(r->steps, (r->n_steps + 1) * sizeof *r->steps);
  assert_non_null(r->steps);
  r->steps[r->n_steps++] = *step;
  return 0;
}
static int on_token(void *ctx, uint32_t id) {
  struct sequence *r = ctx;
  r->tokens = realloc(r->tokens, (r->n_tokens + 1) * sizeof *r->tokens);
  assert_non_null(r->tokens);
  r->tokens[r->n_tokens++] = id;
  return 0;
}
static int on_logits(void *ctx, const int32_t *logits) {
  struct sequence *r = ctx;
  const size_t n = r->model->image.header.vocab_size;
  r->logits = realloc(r->logits, (r->n_logits + 1) * n * sizeof *r->logits);
  assert_non_null(r->logits);
  memcpy(r->logits + n * r->n_logits++, logits, n * sizeof *logits);
  return 0;
}

static struct run *free_run(struct run *r) {
  if (!r) return NULL;
  for (struct sequence *s = r->sequences; s < r->sequences + r->n; s++) {
    free(s->steps);
    free(s->tokens);
    free(s->logits);
    gpt2_core_destroy(&s->core);
  }
  free(r);
  return NULL;
}

// One field that run_control refuses, and its error.
static void spoil(struct run *r, uint64_t *rng) {
  struct pkg_config *c = &r->config;
  switch (rng_range(rng, 0, 10)) {
    case 0:
      c->n_layer = 0;
      r->error = PKG_ERR_LAYERS;
      break;
    case 1:
      c->n_head = 0;
      r->error = PKG_ERR_HEADS;
      break;
    case 2:
      c->n_head = (uint64_t)rng_range(rng, 3, 63);
      r->error = PKG_ERR_HEADS;
      break;
    case 3:
      c->n_ctx = (uint64_t)rng_range(rng, 0, 1);
      r->error = PKG_ERR_CONTEXT;
      break;
    case 4:
      c->n_ctx = (uint64_t)rng_range(rng, 65, 2047);
      r->error = PKG_ERR_CONTEXT;
      break;
    case 5:
      c->n_vocab = 0;
      r->error = PKG_ERR_VOCAB;
      break;
    case 6:
      c->eps_term = (uint64_t)rng_range(rng, 0, 65535);
      r->error = PKG_ERR_NORM;
      break;
    case 7:
      r->sampling.top_k = 0;
      r->error = PKG_ERR_TOP_K;
      break;
    case 8:
      r->sampling.top_k = (uint64_t)rng_range(rng, 65, 127);
      r->error = PKG_ERR_TOP_K;
      break;
    case 9:
      r->sampling.seed = 0;
      r->error = PKG_ERR_SEED;
      break;
    default:
      c->n_layer = 0;
      c->n_ctx = 0;
      r->error = PKG_ERR_LAYERS;
      break;
  }
}

static void run_golden(struct sequence *s) {
  struct err err;
  s->n_steps = s->n_tokens = s->n_logits = 0;
  if (gpt2_core_create(&s->core, &s->model->image, &err) ||
      controller_run_golden(&s->run, &s->core, &err))
    fail_msg("%s", err.text);
}

static void expect_nothing(struct sequence *s) { s->n_steps = s->n_tokens = s->n_logits = 0; }

// The host stops before some id of some prompt, for less time than the watchdog's.
static void stop(struct run *r, uint64_t *rng) {
  r->stop_prompt = (size_t)rng_range(rng, 0, (int64_t)r->n - 1);
  r->stop_id = (size_t)rng_range(rng, 0, (int64_t)r->sequences[r->stop_prompt].run.n_prompt - 1);
  r->stop_cycles = (uint64_t)rng_range(rng, 1, WATCHDOG - 1000);
}

static struct run *make_run(uint64_t *rng) {
  static const enum pkg_error errors[TROUBLES] = {
      [ABORT] = PKG_ERR_ABORTED,     [READ_ERROR] = PKG_ERR_READ,  [WRITE_ERROR] = PKG_ERR_WRITE,
      [READ_LOST] = PKG_ERR_TIMEOUT, [ACK_LOST] = PKG_ERR_TIMEOUT, [NO_LAST] = PKG_ERR_TIMEOUT,
  };
  struct run *r = calloc(1, sizeof *r);
  assert_non_null(r);
  r->model = &models[rng_range(rng, 0, MODELS - 1)];
  r->n = rng_chance(rng, 50) ? 1 : (size_t)rng_range(rng, 2, MAX_PROMPTS);
  const struct image_header *h = &r->model->image.header;
  const bool full = rng_chance(rng, 20) && h->n_ctx < 10;
  const struct controller_run settings = {
      .max_new = (uint32_t)rng_range(rng, 0, full ? 8 : 3),
      .all_heads = rng_chance(rng, r->n > 1 ? 10 : 30),
      .token = on_token,
      .step = on_step,
      .logits = on_logits,
      .stop_enabled = rng_chance(rng, 20),
      .stop_id = (uint32_t)rng_range(rng, 0, h->vocab_size - 1),
      .sampling = {.top_k = rng_chance(rng, 50) ? 1 : (uint32_t)rng_range(rng, 1, 64),
                   .inv_t = (uint32_t)rng_range(rng, 1000, 200000)},
  };
  for (struct sequence *s = r->sequences; s < r->sequences + r->n; s++) {
    s->model = r->model;
    s->run = settings;
    s->run.sampling.state = rng_next(rng) | 1;
    s->run.ctx = s;
    s->run.prompt = s->ids;
    const int64_t most = h->n_ctx < 3 ? h->n_ctx : h->n_ctx > 10 && rng_chance(rng, 10) ? 10 : 3;
    s->run.n_prompt = full ? h->n_ctx : (size_t)rng_range(rng, 1, most);
    for (size_t i = 0; i < s->run.n_prompt; i++)
      s->ids[i] = (uint32_t)rng_range(rng, 0, h->vocab_size - 1);
    s->seed = s->run.sampling.state;
    run_golden(s);
  }
  const struct sequence *first = &r->sequences[0];
  if (first->n_tokens > 1 && !settings.stop_enabled &&
      rng_chance(rng, 20)) {  // a stop id that comes
    const uint32_t stop_id = first->tokens[rng_range(rng, 0, (int64_t)first->n_tokens - 1)];
    for (struct sequence *s = r->sequences; s < r->sequences + r->n; s++) {
      s->run.stop_enabled = true;
      s->run.stop_id = stop_id;
      gpt2_core_destroy(&s->core);
      run_golden(s);
    }
  }
  r->config = r->model->config;
  r->sampling = (struct pkg_sampling){.top_k = settings.sampling.top_k,
                                      .inv_t = settings.sampling.inv_t,
                                      // of several, each prompt brings its own
                                      .seed = r->n > 1 ? rng_next(rng) | 1 : first->seed};
  int64_t work = 0;  // heads of all layers and steps
  for (size_t i = 0; i < r->n; i++)
    work += (int64_t)r->sequences[i].n_steps * h->n_head * h->n_layer;

  if (rng_chance(rng, 55)) {
    if (rng_chance(rng, 30)) stop(r, rng);
    return r;
  }
  r->trouble = (enum trouble)rng_range(rng, 1, TROUBLES - 1);
  if ((r->trouble == READ_LOST || r->trouble == ACK_LOST || r->trouble == NO_LAST) &&
      rng_chance(rng, 70))
    r->trouble = ABORT;  // these take long
  r->error = errors[r->trouble];
  r->which = (size_t)rng_range(rng, 0, (int64_t)r->n - 1);
  r->when = (uint64_t)(r->trouble == WRITE_ERROR || r->trouble == ACK_LOST
                           ? rng_range(rng, 1, 66 * work)
                           : rng_range(rng, 0, rng_chance(rng, 20) ? 20 : 1500 * work));
  if (r->trouble == ABORT && rng_chance(rng, 40)) {
    stop(r, rng);
    r->stop_abort = true;
    r->when = UINT64_MAX;
  }
  if (r->trouble == BAD_SETTINGS) {
    spoil(r, rng);
    r->came = true;
    for (size_t i = 0; i < r->n; i++) expect_nothing(&r->sequences[i]);
  }
  struct sequence *bad = &r->sequences[r->which];
  if (r->trouble == BAD_PROMPT) expect_nothing(bad);
  if (r->trouble == BAD_PROMPT && r->n > 1 && rng_chance(rng, 30)) {
    r->error = PKG_ERR_SEED;
    bad->seed = 0;
  } else if (r->trouble == BAD_PROMPT && rng_chance(rng, 50)) {
    r->error = PKG_ERR_PROMPT_LONG;
    bad->run.n_prompt = h->n_ctx + (size_t)rng_range(rng, 1, 10);
    for (size_t i = 0; i < bad->run.n_prompt; i++)
      bad->ids[i] = (uint32_t)rng_range(rng, 0, h->vocab_size - 1);
  } else if (r->trouble == BAD_PROMPT) {
    r->error = PKG_ERR_PROMPT_ID;
    bad->ids[rng_range(rng, 0, (int64_t)bad->run.n_prompt - 1)] =
        (uint32_t)rng_range(rng, h->vocab_size, 0x1ffff);
  }
  return r;
}

// ---------------------------------------------------------------------------------------- hardware

// clang-format off
#define PORTS(P)                                                                                  \
  P(uint8_t, clk_i) P(uint8_t, rst_ni) P(uint8_t, mem_rst_ni) P(uint32_t, cfg_i)                  \
  P(uint32_t, sampling_i) P(uint8_t, start_i) P(uint8_t, abort_i) P(uint32_t, max_new_i)          \
  P(uint8_t, stop_en_i) P(uint32_t, stop_id_i) P(uint8_t, all_heads_i)                            \
  P(uint16_t, more_prompts_i) P(uint8_t, busy_o) P(uint8_t, tok_last_o) P(uint16_t, tok_prompt_o) \
  P(uint8_t, done_o) P(uint8_t, error_o) P(uint8_t, prompt_valid_i) P(uint8_t, prompt_ready_o)    \
  P(uint32_t, prompt_id_i) P(uint8_t, prompt_last_i) P(uint8_t, tok_valid_o)                      \
  P(uint8_t, tok_ready_i) P(uint32_t, tok_id_o) P(uint8_t, lg_valid_o) P(uint8_t, lg_ready_i)     \
  P(uint32_t, lg_base_id_o) P(uint8_t, lg_mask_o) P(uint32_t, lg_rows_o) P(uint8_t, lg_last_o)    \
  P(uint32_t, event_o) P(uint8_t, rd_req_valid_o) P(uint8_t, rd_req_ready_i)                      \
  P(uint32_t, rd_req_addr_o) P(uint8_t, rd_req_len_o) P(uint8_t, rd_rsp_valid_i)                  \
  P(uint8_t, rd_rsp_ready_o) P(uint32_t, rd_rsp_data_i) P(uint8_t, rd_rsp_error_i)                \
  P(uint8_t, wr_valid_o) P(uint8_t, wr_ready_i) P(uint32_t, wr_addr_o) P(uint32_t, wr_data_o)     \
  P(uint64_t, wr_strb_o) P(uint8_t, wr_ack_i) P(uint8_t, wr_ack_error_i)
// clang-format on

struct burst {
  uint64_t due;
  uint32_t addr, left;
};
struct write {
  uint64_t due, strobe;
  uint32_t addr;
  uint8_t data[LANES];
};

struct bench {
  void *library, *instance;
  const struct verilated_block *code;
#define MEMBER(type, name) type *name;
  PORTS(MEMBER)
#undef MEMBER
  uint64_t cycle, rng;
  size_t sequence;

  // the memory
  unsigned latency, stall;  // cycles; per cent
  struct burst bursts[BURSTS];
  struct write writes[WRITES];
  unsigned burst_first, n_bursts, write_first, n_writes;
  uint64_t beats, acks;              // of this run
  bool dead;                         // answers nothing more
  const struct model *owner;         // whose KV cache may be written
  bool read_offered, write_offered;  // and not taken
  uint32_t read_offered_addr, write_offered_addr;

  // the rules
  struct run *current, *pending;  // in progress; with its settings at the ports and start_i high
  bool was_busy, started, after_reset;  // of the cycle before
  bool offered;                         // an id of the prompt, and it was not taken
  unsigned resets;                      // cycles of reset that are left
  uint64_t since;                       // start of the current run
  unsigned tok_slow, lg_slow;           // per cent of cycles in which the host is not ready
  size_t runs[TROUBLES];                // that their trouble met
  uint64_t stops;                       // cycles in which the host had stopped
};

static void open_bench(struct bench *b, const char *path, uint64_t seed) {
  const struct verilated_port *ports;
  memset(b, 0, sizeof *b);
  b->rng = seed;
  struct err err;
  expect_success(model_code_open(&b->library, &b->code, path, &err), &err);
  b->instance = b->code->create(NULL);
  const unsigned n = b->code->ports(b->instance, &ports);
#define FIND(type, port)                                        \
  for (unsigned i = 0; i < n; i++)                              \
    if (!strcmp(ports[i].name, #port)) b->port = ports[i].data; \
  if (!b->port) fail_msg("%s has no port %s", path, #port);
  PORTS(FIND)
#undef FIND
}

static void close_bench(struct bench *b) {
  free_run(b->current);
  free_run(b->pending);
  b->code->destroy(b->instance);
  dlclose(b->library);
}

static void eval(struct bench *b, uint8_t clk) {
  *b->clk_i = clk;
  if (b->code->eval(b->instance))
    fail_msg("sequence %zu, cycle %llu: an assertion of the hardware failed", b->sequence,
             (unsigned long long)b->cycle);
}

#define EXPECT(condition, ...)                                                                 \
  do {                                                                                         \
    if (!(condition)) {                                                                        \
      print_message("sequence %zu, cycle %llu, %llu after the start, trouble: %s at %llu%s: ", \
                    b->sequence, (unsigned long long)b->cycle,                                 \
                    (unsigned long long)(b->cycle - b->since),                                 \
                    b->current ? trouble_names[b->current->trouble] : "no run",                \
                    (unsigned long long)(b->current ? b->current->when : 0),                   \
                    b->current && b->current->came ? ", came" : "");                           \
      fail_msg(__VA_ARGS__);                                                                   \
    }                                                                                          \
  } while (0)

static void forget_memory(struct bench *b) {
  b->n_bursts = b->n_writes = 0;
  b->read_offered = b->write_offered = false;
}

static void apply(const struct write *w) {
  for (unsigned i = 0; i < LANES; i++)
    if (w->strobe >> i & 1) memory_bytes[(size_t)w->addr * LANES + i] = w->data[i];
}

static bool trouble_now(struct bench *b, enum trouble trouble, uint64_t count) {
  struct run *r = b->current;
  return r && r->trouble == trouble && !r->came && count >= r->when && (r->came = true);
}

static void drive_memory(struct bench *b) {
  *b->rd_req_ready_i = b->n_bursts < BURSTS && !rng_chance(&b->rng, b->stall);
  *b->wr_ready_i = b->n_writes < WRITES && !rng_chance(&b->rng, b->stall);
  *b->rd_rsp_valid_i = *b->wr_ack_i = 0;
  *b->rd_rsp_error_i = *b->wr_ack_error_i = rng_chance(&b->rng, 50);  // means nothing without valid
  if (trouble_now(b, READ_LOST, b->beats)) b->dead = true;
  if (b->dead) return;
  if (b->n_writes && b->writes[b->write_first].due <= b->cycle && !rng_chance(&b->rng, b->stall)) {
    apply(&b->writes[b->write_first]);
    b->write_first = (b->write_first + 1) % WRITES;
    b->n_writes--;
    b->acks++;
    *b->wr_ack_i = !trouble_now(b, ACK_LOST, b->acks);
    *b->wr_ack_error_i = *b->wr_ack_i && trouble_now(b, WRITE_ERROR, b->acks);
  }
  if (b->n_bursts && b->bursts[b->burst_first].due <= b->cycle && !rng_chance(&b->rng, b->stall)) {
    struct burst *burst = &b->bursts[b->burst_first];
    uint8_t *data = (uint8_t *)b->rd_rsp_data_i;
    memcpy(data, memory_bytes + (size_t)burst->addr * LANES, LANES);
    for (unsigned i = 0; i < b->n_writes; i++) {  // may be anything while it is written
      const struct write *w = &b->writes[(b->write_first + i) % WRITES];
      if (w->addr == burst->addr)
        for (unsigned k = 0; k < LANES; k++)
          if (w->strobe >> k & 1) data[k] = (uint8_t)rng_next(&b->rng);
    }
    burst->addr++;
    if (--burst->left == 0) {
      b->burst_first = (b->burst_first + 1) % BURSTS;
      b->n_bursts--;
    }
    b->beats++;
    *b->rd_rsp_valid_i = 1;
    *b->rd_rsp_error_i = trouble_now(b, READ_ERROR, b->beats);
  }
}

// What is offered to the memory stays until it is taken, through a reset of the machine too.
static void expect_offers(struct bench *b) {
  EXPECT(!b->read_offered || (*b->rd_req_valid_o && *b->rd_req_addr_o == b->read_offered_addr),
         "a read was offered and taken back");
  EXPECT(!b->write_offered || (*b->wr_valid_o && *b->wr_addr_o == b->write_offered_addr),
         "a write was offered and taken back");
  b->read_offered = *b->rd_req_valid_o && !*b->rd_req_ready_i &&
                    !b->dead;  // to a dead memory it is withdrawn at the end
  b->write_offered = *b->wr_valid_o && !*b->wr_ready_i && !b->dead;
  b->read_offered_addr = *b->rd_req_addr_o;
  b->write_offered_addr = *b->wr_addr_o;
}

static void take_memory(struct bench *b) {
  expect_offers(b);
  if (*b->rd_req_valid_o && *b->rd_req_ready_i) {
    const uint32_t addr = *b->rd_req_addr_o, n = *b->rd_req_len_o;
    EXPECT(n >= 1 && n <= 32 && (uint64_t)addr + n <= memory_beats, "a read of %u beats from %u", n,
           addr);
    b->bursts[(b->burst_first + b->n_bursts++) % BURSTS] =
        (struct burst){.due = b->cycle + (uint64_t)rng_range(&b->rng, 1, 2 * b->latency),
                       .addr = addr,
                       .left = n};
  }
  if (*b->wr_valid_o && *b->wr_ready_i) {
    const uint32_t addr = *b->wr_addr_o;
    const struct image_header *h = b->owner ? &b->owner->image.header : NULL;
    EXPECT(h && addr >= b->owner->config.kv_base &&
               addr < b->owner->config.kv_base + PLACES * cache_beats(h),
           "a write to beat %u, outside the run's KV cache", addr);
    for (unsigned i = 0; i < b->n_writes; i++)
      EXPECT(b->writes[(b->write_first + i) % WRITES].addr != addr,
             "two writes to beat %u at a time", addr);
    struct write *w = &b->writes[(b->write_first + b->n_writes++) % WRITES];
    *w = (struct write){.due = b->cycle + (uint64_t)rng_range(&b->rng, 1, 6 * b->latency),
                        .strobe = *b->wr_strb_o,
                        .addr = addr};
    memcpy(w->data, b->wr_data_o, LANES);
  }
}

// Golden's keys and values, of all positions in the history.
static void expect_cache(struct bench *b, const struct sequence *s) {
  const struct image_header *h = &s->model->image.header;
  const uint64_t base = s->model->config.kv_base + s->place * cache_beats(h);
  const uint32_t n = s->n_steps ? s->steps[s->n_steps - 1].position + 1 : 0;
  for (uint32_t head = 0; head < h->n_layer * h->n_head; head++) {
    const struct kv_head *kv = &s->core.kv[head];
    const uint8_t *from = memory_bytes + (base + (uint64_t)head * h->kv_stride) * LANES;
    for (uint32_t t = 0; t < n; t++) {
      uint8_t scales[4];
      memcpy(scales, &kv->k_scale[t], 2);
      memcpy(scales + 2, &kv->v_scale[t], 2);
      EXPECT(!memcmp(from + (size_t)(t / 16 * 17) * LANES + 4 * (t % 16), scales, 4),
             "scales of head %u, position %u", head, t);
      EXPECT(!memcmp(from + (size_t)(t + t / 16 + 1) * LANES, kv->k[t], 64),
             "key of head %u, position %u", head, t);
      for (uint32_t d = 0; d < 64; d++)
        EXPECT(from[(h->kv_v_off + t / 64 * 64 + d) * LANES + t % 64] == (uint8_t)kv->v[t][d],
               "value of head %u, position %u, dimension %u", head, t, d);
    }
  }
}

static void run_is_over(struct bench *b) {
  struct run *r = b->current;
  EXPECT(r, "done without a run");
  const enum pkg_error error = r->came ? r->error : PKG_ERR_NONE;
  EXPECT(*b->error_o == error, "error %u (%s), expected %u (%s)", *b->error_o,
         pkg_error_text(*b->error_o), error, pkg_error_text(error));
  b->runs[r->came ? r->trouble : NOTHING]++;
  const struct sequence *in_place[PLACES] = {NULL};  // the last
  for (size_t i = 0; error == PKG_ERR_NONE && i < r->n; i++) {
    const struct sequence *s = &r->sequences[i];
    EXPECT(s->ended == s->n_steps && s->begun == s->n_steps, "prompt %zu: %zu steps, expected %zu",
           i, s->ended, s->n_steps);
    EXPECT(s->chosen == s->n_tokens, "prompt %zu: %zu tokens, expected %zu", i, s->chosen,
           s->n_tokens);
    EXPECT(s->shown == s->n_logits, "prompt %zu: logits of %zu positions, expected %zu", i,
           s->shown, s->n_logits);
    in_place[s->place] = s;
  }
  for (unsigned place = 0; place < PLACES; place++)
    if (in_place[place]) expect_cache(b, in_place[place]);
  if (r->came && error == PKG_ERR_TIMEOUT) forget_memory(b);  // what it has not answered is lost
  b->dead = false;
  b->current = free_run(r);
}

static struct sequence *sequence_of(struct bench *b, uint64_t prompt) {
  struct run *r = b->current;
  EXPECT(prompt < r->prompt, "a report of prompt %u, when %zu were taken", (unsigned)prompt,
         r->prompt);
  return &r->sequences[prompt];
}

// A batch of one sequence ends at once; of several, each with its choice.
static void step_ends(struct bench *b, const struct pkg_event *e) {
  struct run *r = b->current;
  EXPECT(r->n_batch && !r->more, "a batch ends before its last step");
  size_t rest = 0;
  for (size_t i = 0; i < r->n_batch; i++) {
    struct sequence *s = r->batch[i];
    if (r->several && s->place != e->choice_seq) {
      r->batch[rest++] = s;
      continue;
    }
    const struct controller_step *step = &s->steps[s->ended++];
    EXPECT(!step->head || step->choice == e->choice, "step %zu of prompt %zu chose %u, expected %u",
           s->ended - 1, (size_t)(s - r->sequences), (unsigned)e->choice, step->choice);
  }
  EXPECT(rest < r->n_batch, "a choice for place %u, which has no step", (unsigned)e->choice_seq);
  r->n_batch = rest;
}

static void step_begins(struct bench *b, const struct pkg_event *e) {
  struct run *r = b->current;
  struct sequence *s = sequence_of(b, e->prompt);
  EXPECT(r->more || !r->n_batch, "a batch begins before the last one has ended");
  EXPECT(s->begun < s->n_steps, "prompt %u: a step more than golden's %zu", (unsigned)e->prompt,
         s->n_steps);
  EXPECT(!r->more || r->several == e->several, "a batch of both kinds");
  EXPECT(e->seq < PLACES && (s->begun == 0 || s->place == e->seq), "prompt %u goes to place %u",
         (unsigned)e->prompt, (unsigned)e->seq);
  s->place = (unsigned)e->seq;
  r->several = e->several;
  r->more = e->more;
  r->batch[r->n_batch++] = s;
  const struct controller_step *step = &s->steps[s->begun++];
  EXPECT(step->id == e->id && step->position == e->position && step->head == e->head &&
             step->recomputed == e->recomputed,
         "step %zu of prompt %u reads id %u at %u, expected %u at %u", s->begun - 1,
         (unsigned)e->prompt, (unsigned)e->id, (unsigned)e->position, step->id, step->position);
}

static void take_token(struct bench *b) {
  struct sequence *s = sequence_of(b, *b->tok_prompt_o);
  EXPECT(s->chosen < s->n_tokens && s->tokens[s->chosen] == *b->tok_id_o,
         "token %zu of %zu of prompt %u is %u", s->chosen, s->n_tokens, *b->tok_prompt_o,
         *b->tok_id_o);
  s->chosen++;
  EXPECT(*b->tok_last_o == (s->chosen == s->n_tokens), "prompt %u: last is %u at token %zu of %zu",
         *b->tok_prompt_o, *b->tok_last_o, s->chosen, s->n_tokens);
}

// With logits of all positions one sequence is under way at a time. They may come after their step.
static void take_logits(struct bench *b) {
  struct run *r = b->current;
  struct sequence *s = r->sequences;
  while (s->shown == s->n_logits && s + 1 < r->sequences + r->prompt) s++;
  const uint32_t n = s->model->image.header.vocab_size;
  EXPECT(s->shown < s->n_logits, "logits of one position more than golden's %zu", s->n_logits);
  EXPECT(*b->lg_base_id_o == s->next_id && *b->lg_mask_o == 1, "logit of id %u, expected %u",
         *b->lg_base_id_o, s->next_id);
  EXPECT((int32_t)*b->lg_rows_o == s->logits[n * s->shown + s->next_id], "logit of id %u is %d",
         s->next_id, (int32_t)*b->lg_rows_o);
  s->next_id += LEN;
  EXPECT(*b->lg_last_o == (s->next_id == n), "last logit at id %u", s->next_id - 1);
  if (*b->lg_last_o) {
    s->next_id = 0;
    s->shown++;
  }
}

static void take_reports(struct bench *b) {
  struct run *r = b->current;
  struct pkg_event e;
  pkg_event_unpack(&e, b->event_o);
  const bool fed = *b->prompt_valid_i && *b->prompt_ready_o,
             token = *b->tok_valid_o && *b->tok_ready_i, logits = *b->lg_valid_o && *b->lg_ready_i;
  if (!e.step_start && !e.step_end && !token && !logits && !fed) return;
  EXPECT(r, "a report without a run");
  EXPECT(!r->came || r->trouble != BAD_PROMPT || (!e.step_start && !e.step_end && !token),
         "a step or token after the bad prompt");
  if (logits) take_logits(b);
  if (e.step_end) step_ends(b, &e);
  if (e.step_start) step_begins(b, &e);
  if (token) take_token(b);
  if (!fed) return;
  r->fed++;
  if (!*b->prompt_last_i) return;
  if (r->trouble == BAD_PROMPT && r->prompt == r->which) r->came = true;
  r->prompt++;
  r->fed = 0;
}

static void offer(struct bench *b, const struct run *r) {
  pkg_config_pack(b->cfg_i, &r->config);
  pkg_sampling_pack(b->sampling_i, &r->sampling);
  const struct controller_run *run = &r->sequences[0].run;
  *b->max_new_i = run->max_new;
  *b->stop_en_i = run->stop_enabled;
  *b->stop_id_i = run->stop_id;
  *b->all_heads_i = run->all_heads;
  *b->more_prompts_i = (uint16_t)(r->n - 1);
}

// While no start is offered, the settings are noise.
static void noise(struct bench *b) {
  for (unsigned i = 0; i < PKG_CONFIG_WORDS; i++) b->cfg_i[i] = (uint32_t)rng_next(&b->rng);
  b->cfg_i[PKG_CONFIG_WORDS - 1] &= UINT32_MAX >> (32 * PKG_CONFIG_WORDS - PKG_CONFIG_BITS);
  for (unsigned i = 0; i < PKG_SAMPLING_WORDS; i++) b->sampling_i[i] = (uint32_t)rng_next(&b->rng);
  b->sampling_i[PKG_SAMPLING_WORDS - 1] &=
      UINT32_MAX >> (32 * PKG_SAMPLING_WORDS - PKG_SAMPLING_BITS);
  *b->max_new_i = (uint32_t)rng_next(&b->rng);
  *b->stop_en_i = rng_chance(&b->rng, 50);
  *b->stop_id_i = (uint32_t)rng_next(&b->rng) & 0x1ffff;
  *b->all_heads_i = rng_chance(&b->rng, 50);
  *b->more_prompts_i = (uint16_t)rng_next(&b->rng);
}

// In a run of several prompts, each prompt's last id comes with its seed.
static void offer_seed(struct bench *b, uint64_t seed) {
  struct pkg_sampling sampling;
  pkg_sampling_unpack(&sampling, b->sampling_i);
  sampling.seed = seed;
  pkg_sampling_pack(b->sampling_i, &sampling);
}

// Offers the next id of the prompts, unless the host has stopped.
static void feed(struct bench *b) {
  struct run *r = b->current;
  *b->prompt_valid_i = 0;
  if (!r || !*b->busy_o || r->prompt == r->n) return;
  const struct sequence *s = &r->sequences[r->prompt];
  const bool last = r->fed == s->run.n_prompt - 1,
             open = r->trouble == NO_LAST && r->which == r->prompt;
  if (r->fed == s->run.n_prompt) return;  // without last
  if (r->stop_cycles && r->stop_prompt == r->prompt && r->stop_id == r->fed) {
    r->stop_cycles--;
    b->stops++;
    if (!r->stop_abort) return;
    r->stop_abort = false;
    r->when = b->cycle - b->since + (uint64_t)rng_range(&b->rng, 0, (int64_t)r->stop_cycles);
    return;
  }
  *b->prompt_valid_i = b->offered || !rng_chance(&b->rng, b->stall);
  *b->prompt_id_i = s->ids[r->fed];
  *b->prompt_last_i = last && !open;
  if (r->n > 1) offer_seed(b, last ? s->seed : rng_next(&b->rng));
  if (*b->prompt_valid_i && last && open) r->came = true;
}

static void cycle(struct bench *b) {
  struct run *r = b->current;
  const bool busy = *b->busy_o;  // a register: known from the edge on
  *b->abort_i = busy ? trouble_now(b, ABORT, b->cycle - b->since) : rng_chance(&b->rng, 30);
  if (trouble_now(b, RESET, b->cycle - b->since) || trouble_now(b, POWER_UP, b->cycle - b->since)) {
    b->resets = (unsigned)rng_range(&b->rng, 1, 5);
    *b->mem_rst_ni = r->trouble == RESET;
    *b->rst_ni = 0;
    b->after_reset = true;
    b->runs[r->trouble]++;
    r = b->current = free_run(r);
    b->dead = false;
  }
  if (b->pending) offer(b, b->pending);
  else if (rng_chance(&b->rng, 10)) noise(b);
  *b->start_i = b->pending || (busy && rng_chance(&b->rng, 30));  // ignored while busy
  feed(b);
  *b->tok_ready_i = !rng_chance(&b->rng, b->tok_slow);
  *b->lg_ready_i = !rng_chance(&b->rng, b->lg_slow);
  drive_memory(b);
  eval(b, 0);

  EXPECT(*b->busy_o == busy, "busy depends on an input");
  if (*b->rst_ni) {
    EXPECT(b->after_reset || busy == b->was_busy || (busy ? b->started : *b->done_o),
           "busy goes %s without %s", busy ? "high" : "low", busy ? "start" : "done");
    EXPECT(busy || !b->started, "a start was not taken");
    EXPECT(!*b->done_o || (!busy && b->was_busy && !b->after_reset), "done without a run's end");
    if (*b->done_o) run_is_over(b);
    if (!busy) {
      EXPECT(!*b->tok_valid_o && !*b->lg_valid_o && !*b->rd_req_valid_o && !*b->wr_valid_o &&
                 !*b->prompt_ready_o,
             "an offer between two runs");
      EXPECT(!b->n_bursts && !b->n_writes, "%u bursts and %u writes outstanding between two runs",
             b->n_bursts, b->n_writes);
    }
    take_reports(b);
  }
  if (!*b->mem_rst_ni) forget_memory(b);
  else take_memory(b);
  b->started = *b->rst_ni && !busy && *b->start_i;
  if (b->started) {
    EXPECT(!b->current && b->pending, "a start that was not meant");
    b->current = b->pending;
    b->pending = NULL;
    b->owner = b->current->model;
    b->since = b->cycle;
    b->beats = b->acks = 0;
  }
  b->was_busy = busy;
  b->offered = *b->prompt_valid_i && !*b->prompt_ready_o && b->current == r;
  if (*b->rst_ni && !busy) b->after_reset = false;
  eval(b, 1);
  b->cycle++;
  if (b->resets && --b->resets == 0) *b->rst_ni = *b->mem_rst_ni = 1;
}

static void sequence(struct bench *b) {
  b->latency = rng_chance(&b->rng, 50) ? 2 : (unsigned)rng_range(&b->rng, 1, 60);
  b->stall = rng_chance(&b->rng, 50) ? 0 : (unsigned)rng_range(&b->rng, 0, 70);
  for (int i = 0; i < RUNS; i++) {
    b->tok_slow = rng_chance(&b->rng, 50) ? 0 : (unsigned)rng_range(&b->rng, 0, 98);
    b->lg_slow = rng_chance(&b->rng, 50) ? 0 : (unsigned)rng_range(&b->rng, 0, 90);
    struct run *next = make_run(&b->rng);
    // Early: the start is held from some moment of the previous run on, and taken in the cycle of
    // its done.
    const uint64_t early =
                       rng_chance(&b->rng, 40) ? (uint64_t)rng_range(&b->rng, 0, 3000) : UINT64_MAX,
                   from = b->cycle;
    while (b->current || b->after_reset) {
      if (next && b->cycle - from >= early) {
        b->pending = next;
        next = NULL;
      }
      cycle(b);
      EXPECT(b->cycle - from < LIMIT, "no end after %d cycles", LIMIT);
      if (!next && !b->pending) break;  // it was taken
    }
    if (next) {
      for (int64_t pause = rng_range(&b->rng, 0, 4); pause > 0; pause--) cycle(b);
      b->pending = next;
    }
    while (b->pending) cycle(b);
  }
  const uint64_t from = b->cycle;
  while (b->current || b->after_reset) {
    cycle(b);
    EXPECT(b->cycle - from < LIMIT, "no end after %d cycles", LIMIT);
  }
}

static void sequences(const char *path, size_t n) {
  const char *many = getenv("GPT2RTL_SEQUENCES"), *seed = getenv("GPT2RTL_SEED");
  static struct bench bench;
  struct bench *b = &bench;
  open_bench(b, path, seed ? strtoull(seed, NULL, 10) | 1 : 20240229);
  *b->rst_ni = *b->mem_rst_ni = 0;
  eval(b, 0);
  eval(b, 1);
  b->resets = 4;
  b->after_reset = b->was_busy = true;
  b->latency = 1;
  for (b->sequence = 0; b->sequence < (many ? strtoull(many, NULL, 10) : n); b->sequence++)
    sequence(b);
  print_message("%zu sequences of %d runs, %.1f million cycles, in %.2f the host had stopped:",
                b->sequence, RUNS, (double)b->cycle / 1e6, (double)b->stops / 1e6);
  for (int i = 0; i < TROUBLES; i++) {
    print_message(" %s %zu%s", trouble_names[i], b->runs[i], i + 1 < TROUBLES ? "," : "\n");
    assert_true(many || b->runs[i] > 0);
  }
  close_bench(b);
}

#define SIMULATOR "build/sim/gpt2_top_64-MaxHeads.2-MaxCtx.64-NormWidth.4-Watchdog.8192"
#define BATCHES "-Positions.4-Engines.2"

// With the RTL's own assertions; and without, with gated clocks, as in silicon. Then the same on a
// machine whose steps come in batches.
static void checked(void **state) {
  (void)state;
  sequences(SIMULATOR "_check.so", 250);
}
static void fast(void **state) {
  (void)state;
  sequences(SIMULATOR ".so", 850);
}
static void batches_checked(void **state) {
  (void)state;
  sequences(SIMULATOR BATCHES "_check.so", 250);
}
static void batches_fast(void **state) {
  (void)state;
  sequences(SIMULATOR BATCHES ".so", 750);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(checked), cmocka_unit_test(fast),
                                     cmocka_unit_test(batches_checked),
                                     cmocka_unit_test(batches_fast)};
  return cmocka_run_group_tests_name("life_cycle", tests, open_models, close_models);
}
