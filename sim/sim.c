// SPDX-License-Identifier: Apache-2.0
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interrupt.h"
#include "report.h"

enum { PATIENCE = 1000000 };  // cycles without any transfer or event

// The ports of gpt2_top that the loop drives and reads, by the type through which it does so.
// clang-format off
#define PORTS(P)                                                                                  \
  BYTE(P, clk_i)           BYTE(P, rst_ni)          BYTE(P, mem_rst_ni)     BYTE(P, start_i)      \
  BYTE(P, abort_i)         BYTE(P, stop_en_i)       BYTE(P, all_heads_i)    BYTE(P, busy_o)       \
  BYTE(P, done_o)          BYTE(P, error_o)         BYTE(P, prompt_valid_i)                       \
  BYTE(P, prompt_ready_o)  BYTE(P, prompt_last_i)   BYTE(P, tok_valid_o)    BYTE(P, tok_ready_i)  \
  BYTE(P, lg_valid_o)      BYTE(P, lg_ready_i)                                                    \
  BYTE(P, rd_req_valid_o)  BYTE(P, rd_req_ready_i)  BYTE(P, rd_req_len_o)                         \
  BYTE(P, rd_rsp_valid_i)  BYTE(P, rd_rsp_ready_o)  BYTE(P, wr_valid_o)     BYTE(P, wr_ready_i)   \
  BYTE(P, wr_ack_i)        BYTE(P, wr_strb_o)       BYTE(P, count_sel_i)                          \
  WORD(P, cfg_i)           WORD(P, sampling_i)      WORD(P, max_new_i)      WORD(P, stop_id_i)    \
  WORD(P, prompt_id_i)     WORD(P, rd_req_addr_o)   WORD(P, rd_rsp_data_i)  WORD(P, wr_addr_o)    \
  WORD(P, wr_data_o)       WORD(P, event_o)         WORD(P, counters_o)                           \
  HALF(P, more_prompts_i)
// clang-format on
#define HALF(P, name) P(uint16_t, name, #name)
#define BYTE(P, name) P(uint8_t, name, #name)
#define WORD(P, name) P(uint32_t, name, #name)
struct ports {
  PORTS(SIGNAL_MEMBER)
};

struct sim {
  const struct image *image;
  const struct image_header *header;
  uint32_t lanes;
  struct library library;
  const struct verilated_block *code;
  void *instance;
  struct ports p;
  bool failed;

  struct memory *memory;
  struct sim_memory settings;      // resolved
  struct sim_observer *observers;  // the last one registered comes first
  struct report *report;           // the first one registered
  uint64_t cycle, start;           // cycles so far; those before the run
  struct running {                 // the run since sim_begin
    bool under_way;
    struct sim_runs runs;
    struct memory_counts before;
    uint64_t progress, end, busy;  // cycles: of the last event, of the last position's end
    size_t prompt, fed;            // prompts that were taken; ids of the next
  } running;
  struct controller_run one;  // sim_begin's
  int one_result;
};

// -------------------------------------------------------------------------------------------- open

static int find_ports(struct sim *s, struct err *err) {
  struct signals signals = sim_signals(s);
  struct ports *at = &s->p;
  PORTS(SIGNAL_FIND)
  return !signals.missing ? 0
                          : err_set(err, "the simulator for %u lanes has no port %s: run make",
                                    s->lanes, signals.missing);
}

static int eval(struct sim *s, struct err *err) {
  if (s->code->eval(s->instance) == 0) return 0;
  s->failed = true;
  return err_set(
      err, "cycle %llu: an assertion of the hardware failed (its message is on standard output)",
      (unsigned long long)s->cycle);
}

// Low half of a cycle: lets outputs follow inputs. High half: the rising edge.
static inline int settle(struct sim *s, struct err *err) {
  *s->p.clk_i = 0;
  return eval(s, err);
}
static inline int edge(struct sim *s, struct err *err) {
  *s->p.clk_i = 1;
  s->cycle++;
  return eval(s, err);
}

void sim_config(struct pkg_config *config, const struct image_header *h) {
  *config = (struct pkg_config){.n_layer = h->n_layer,
                                .n_head = h->n_head,
                                .n_ctx = h->n_ctx,
                                .n_vocab = h->vocab_size,
                                .inv_width = h->inv_width,
                                .eps_term = h->eps_term,
                                .wpe_base = h->wpe_base,
                                .wte_base = h->wte_base,
                                .stream_base = h->stream_base,
                                .head_base = h->head_base,
                                .kv_base = h->kv_base,
                                .kv_stride = h->kv_stride,
                                .kv_v_off = h->kv_v_off};
}

static void configure(struct sim *s) {
  struct pkg_config config;
  sim_config(&config, s->header);
  pkg_config_pack(s->p.cfg_i, &config);
}

static void connect_memory(struct sim *s) {
  const struct ports *p = &s->p;
  const struct memory_port port = {.rd_req_valid = p->rd_req_valid_o,
                                   .rd_req_ready = p->rd_req_ready_i,
                                   .rd_req_addr = p->rd_req_addr_o,
                                   .rd_req_len = p->rd_req_len_o,
                                   .rd_rsp_valid = p->rd_rsp_valid_i,
                                   .rd_rsp_ready = p->rd_rsp_ready_o,
                                   .rd_rsp_data = p->rd_rsp_data_i,
                                   .wr_valid = p->wr_valid_o,
                                   .wr_ready = p->wr_ready_i,
                                   .wr_addr = p->wr_addr_o,
                                   .wr_data = p->wr_data_o,
                                   .wr_strb = p->wr_strb_o,
                                   .wr_ack = p->wr_ack_i};
  memory_connect(s->memory, &port);
}

static int open_library(struct sim *s, enum sim_build build, struct err *err) {
  if (library_open(&s->library, s->lanes, build, err)) return -1;
  s->code = s->library.code;
  s->instance = s->code->create(NULL);
  if (find_ports(s, err) || report_create(&s->report, sim_signals(s), s->header, err)) return -1;
  sim_observe(s, report_observer(s->report));
  return 0;
}

int sim_open(struct sim **out, const struct image *image, const struct sim_memory *memory,
             enum sim_build build, struct err *err) {
  const struct image_header *h = &image->header;
  *out = NULL;
  if (h->n_head > MAX_HEADS || h->n_ctx > MAX_CTX)
    return err_set(err,
                   "the model has %u heads and %u positions; the hardware has room for %d and %d",
                   h->n_head, h->n_ctx, MAX_HEADS, MAX_CTX);
  struct sim *s = calloc(1, sizeof *s);
  if (!s) return err_memory(err, "the simulator");
  s->image = image;
  s->header = h;
  s->lanes = h->lanes;
  s->settings = *memory;
  sim_memory_resolve(&s->settings, s->lanes);
  if (open_library(s, build, err)) {
    sim_close(s);
    return -1;
  }
  const uint64_t n_kv = (uint64_t)h->n_layer * h->n_head * h->kv_stride * sim_positions(s);
  if (h->kv_base + n_kv > UINT32_MAX
          ? err_set(err,
                    "the image and the KV cache of %u sequences need more than 2^32 beats of %u "
                    "bytes: use more lanes",
                    sim_positions(s), h->lanes)
          : memory_create(&s->memory, memory, image->beats, h->n_beats, n_kv, s->lanes, err)) {
    sim_close(s);
    return -1;
  }
  if (build == SIM_CHECK)
    memset(memory_kv(s->memory), 0xa5, n_kv * s->lanes);  // unwritten bytes must not matter
  connect_memory(s);
  configure(s);
  *s->p.rst_ni = *s->p.mem_rst_ni = 0;
  for (int i = 0; i < 4 || *s->p.busy_o; i++) {
    *s->p.rst_ni = *s->p.mem_rst_ni = i >= 4;
    if (settle(s, err) || edge(s, err)) {
      sim_close(s);
      return -1;
    }
  }
  *out = s;
  return 0;
}

void sim_close(struct sim *s) {
  if (!s) return;
  for (struct sim_observer *o = s->observers, *next; o; o = next) {
    next = o->next;
    o->destroy(o->self);
  }
  if (s->instance) s->code->destroy(s->instance);
  library_close(&s->library);
  memory_destroy(s->memory);
  free(s);
}

void sim_set_memory(struct sim *s, const struct sim_memory *memory) {
  memory_set(s->memory, memory);
}

const struct sim_memory *sim_settings(const struct sim *s) { return &s->settings; }
const struct image *sim_image(const struct sim *s) { return s->image; }
const struct verilated_block *sim_code(const struct sim *s) { return s->code; }
void *sim_instance(const struct sim *s) { return s->instance; }
struct signals sim_signals(const struct sim *s) {
  return signals_of(s->code, s->instance);
}

void sim_observe(struct sim *s, struct sim_observer *observer) {
  observer->next = s->observers;
  s->observers = observer;
}

uint32_t sim_positions(const struct sim *s) { return report_positions(s->report); }

uint64_t sim_cycles(const struct sim *s) { return s->cycle - s->start + 1; }

// --------------------------------------------------------------------------------------------- run

static int stuck(const struct sim *s, struct err *err) {
  const struct ports *p = &s->p;
  const struct memory_counts counts = memory_count(s->memory);
  return err_set(err,
                 "the hardware made no progress for %d cycles (cycle %llu of the run; %u reads and "
                 "%u writes wait; "
                 "read request %d, write %d, token %d, logits %d)",
                 PATIENCE, (unsigned long long)sim_cycles(s), counts.reads_waiting,
                 counts.writes_waiting, *p->rd_req_valid_o, *p->wr_valid_o, *p->tok_valid_o,
                 *p->lg_valid_o);
}

static int hardware_error(const struct sim *s, struct err *err) {
  const unsigned code = *s->p.error_o;
  return code ? err_set(err, "the hardware ended the run with error %u: %s", code,
                        pkg_error_text(code))
              : 0;
}

// Shows this cycle to all observers. 0, SIM_ABORT or -1.
static int observe(const struct sim *s, struct err *err) {
  int status = 0;
  for (const struct sim_observer *o = s->observers; o; o = o->next) {
    const int answer = o->cycle ? o->cycle(o->self, s->cycle, err) : 0;
    if (answer < 0) return -1;
    if (answer) status = SIM_ABORT;
  }
  return status;
}

static int end_observers(const struct sim *s, enum sim_end how, struct err *err) {
  struct err unread;
  int status = 0;
  for (const struct sim_observer *o = s->observers; o; o = o->next)
    if (o->end && o->end(o->self, how, how == SIM_DONE && !status ? err : &unread)) status = -1;
  return how == SIM_DONE ? status : 0;
}

// Whether a step starts or ends, or a logit or token is transferred.
static bool moves(const struct ports *p) {
  return (*p->lg_valid_o && *p->lg_ready_i) || (*p->tok_valid_o && *p->tok_ready_i) ||
         *p->event_o & (PKG_EVENT_STEP_START | PKG_EVENT_STEP_END);
}

// An observer has ended the run in the low half of this cycle: the hardware ends it too.
static int abort_run(struct sim *s, struct err *err) {
  struct ports *p = &s->p;
  *p->abort_i = 1;
  if (settle(s, err) || edge(s, err)) return -1;
  *p->abort_i = *p->start_i = *p->prompt_valid_i = 0;
  *p->tok_ready_i = *p->lg_ready_i = 1;
  for (uint64_t from = s->cycle; s->cycle - from < PATIENCE;) {
    memory_drive(s->memory);
    if (settle(s, err) || memory_take(s->memory, err) < 0) return -1;
    const bool done = *p->done_o;
    if (edge(s, err)) return -1;
    if (done) return 0;
  }
  return stuck(s, err);
}

// The seed is the prompt's.
static void offer_sampling(struct sim *s, const struct controller_run *run) {
  const struct pkg_sampling sampling = {.top_k = run->sampling.top_k,
                                        .inv_t = run->sampling.inv_t,
                                        .seed = run->sampling.state ? run->sampling.state : 1};
  pkg_sampling_pack(s->p.sampling_i, &sampling);
}

// One cycle. RUNNING; OVER: the hardware is done; -1; or ABORTED: an observer or a signal has ended
// the run, and the hardware has ended it too.
enum { OVER, RUNNING, ABORTED };
static int run_cycle(struct sim *s, struct err *err) {
  struct ports *p = &s->p;
  struct running *r = &s->running;
  const struct controller_run *run = &r->runs.runs[r->prompt];

  *p->prompt_valid_i = r->prompt < r->runs.n && *p->busy_o;
  if (*p->prompt_valid_i) {
    offer_sampling(s, run);
    *p->prompt_id_i = run->prompt[r->fed];
    *p->prompt_last_i = r->fed == run->n_prompt - 1;
  }
  memory_drive(s->memory);
  *p->tok_ready_i = !memory_stalls(s->memory);
  *p->lg_ready_i = !memory_stalls(s->memory);
  if (settle(s, err)) return -1;
  const int moved = memory_take(s->memory, err);
  if (moved < 0) return -1;
  const int observed = observe(s, err);
  if (observed < 0) return -1;
  if (*p->event_o & PKG_EVENT_STEP_END) r->end = s->cycle + 1;
  if (observed || (interrupt_pending() && *p->busy_o)) return abort_run(s, err) ? -1 : ABORTED;
  const bool takes = *p->prompt_valid_i && *p->prompt_ready_o;
  r->fed += takes;
  if (takes && *p->prompt_last_i) r->prompt++, r->fed = 0;
  if (moved || takes || moves(p)) r->progress = s->cycle;
  else if (s->cycle - r->progress > PATIENCE) return stuck(s, err);
  const bool done = *p->done_o;
  r->busy += *p->busy_o;
  if (edge(s, err)) return -1;
  *p->start_i = 0;
  if (done) return hardware_error(s, err) ? -1 : OVER;
  return RUNNING;
}

static struct pkg_counters counters(const struct sim *s) {
  struct pkg_counters c;
  pkg_counters_unpack(&c, s->p.counters_o);
  return c;
}

uint32_t sim_saturations(const struct sim *s) { return (uint32_t)counters(s).saturations; }

int sim_read_count_port(struct sim *s, unsigned address, uint64_t *count, struct err *err) {
  *s->p.count_sel_i = (uint8_t)address;
  if (settle(s, err) || edge(s, err)) return -1;
  *count = counters(s).count;
  return 0;
}

bool sim_same_settings(const struct controller_run *a, const struct controller_run *b) {
  return a->max_new == b->max_new && a->stop_enabled == b->stop_enabled &&
         (!a->stop_enabled || a->stop_id == b->stop_id) && a->all_heads == b->all_heads &&
         a->sampling.top_k == b->sampling.top_k && a->sampling.inv_t == b->sampling.inv_t;
}

int sim_begin_many(struct sim *s, const struct sim_runs *runs, struct err *err) {
  struct ports *p = &s->p;
  const struct controller_run *run = runs->runs;
  if (s->failed) return err_set(err, "the simulator has already failed");
  if (s->running.under_way) return err_set(err, "the simulator's last run is not over");
  if (!runs->n || runs->n > SIM_MAX_RUNS)
    return err_set(err, "%zu runs, expected 1 to %d", runs->n, SIM_MAX_RUNS);
  for (size_t i = 0; i < runs->n; i++) {
    if (controller_check(&run[i], s->header->n_ctx, s->header->vocab_size, err)) return -1;
    if (!sim_same_settings(&run[0], &run[i]))
      return err_set(err, "run %zu has other settings than the first: run it by itself", i + 1);
  }

  offer_sampling(s, run);
  *p->max_new_i = run->max_new;
  *p->stop_en_i = run->stop_enabled;
  *p->stop_id_i = run->stop_enabled ? run->stop_id : 0;
  *p->all_heads_i = run->all_heads;
  *p->more_prompts_i = (uint16_t)(runs->n - 1);

  s->start = s->cycle;
  s->running = (struct running){.under_way = true,
                                .runs = *runs,
                                .before = memory_count(s->memory),
                                .progress = s->cycle,
                                .end = s->cycle};
  report_start(s->report, runs);
  *p->start_i = 1;
  return 0;
}

int sim_begin(struct sim *s, const struct controller_run *run, struct err *err) {
  const struct sim_runs runs = {.runs = &s->one, .n = 1, .results = &s->one_result};
  if (!s->running.under_way) s->one = *run;
  return sim_begin_many(s, &runs, err);
}

// The run has ended with `status` of run_cycle: OVER, ABORTED or -1.
static int finish(struct sim *s, int status, struct sim_result *result, struct err *err) {
  s->running.under_way = false;
  s->failed = true;
  const enum sim_end how = status < 0 ? SIM_FAILED : status == ABORTED ? SIM_ABORTED : SIM_DONE;
  if (end_observers(s, how, err) || how == SIM_FAILED) return -1;
  for (int i = 0; i < 3; i++)
    if (settle(s, err) || edge(s, err)) return -1;  // a cycle is counted three cycles later
  s->failed = false;
  const struct memory_counts before = s->running.before, after = memory_count(s->memory);
  *result = (struct sim_result){.cycles = s->running.end - s->start,
                                .beats_read = after.beats_read - before.beats_read,
                                .beats_written = after.beats_written - before.beats_written,
                                .saturations = (uint32_t)counters(s).saturations,
                                .busy = s->running.busy};
  if (how == SIM_DONE) return 0;
  if (err) err->text[0] = 0;
  return -1;
}

int sim_advance(struct sim *s, uint64_t cycles, struct sim_result *result, struct err *err) {
  memset(result, 0, sizeof *result);
  if (!s->running.under_way) return err_set(err, "the simulator has no run in progress");
  int status = RUNNING;
  while (cycles-- && status == RUNNING) status = run_cycle(s, err);
  return status == RUNNING ? 1 : finish(s, status, result, err);
}

int sim_abort(struct sim *s, struct sim_result *result, struct err *err) {
  memset(result, 0, sizeof *result);
  if (!s->running.under_way) return err_set(err, "the simulator has no run in progress");
  int status = ABORTED;
  if (s->cycle == s->start) {
    *s->p.start_i = 0;  // the hardware has not seen it
  } else {
    memory_drive(s->memory);
    if (settle(s, err) || memory_take(s->memory, err) < 0 || abort_run(s, err)) status = -1;
  }
  struct err none = {""};
  if (finish(s, status, result, status < 0 ? err : &none) && (status < 0 || s->failed)) {
    if (status > 0) *err = none;
    return -1;
  }
  return 0;
}

static int run_out(struct sim *s, struct sim_result *result, struct err *err) {
  int status;
  while ((status = sim_advance(s, UINT64_MAX, result, err)) > 0) continue;
  return status;
}

int sim_run(struct sim *s, const struct controller_run *run, struct sim_result *result,
            struct err *err) {
  memset(result, 0, sizeof *result);
  return sim_begin(s, run, err) ? -1 : run_out(s, result, err);
}

int sim_run_many(struct sim *s, const struct sim_runs *runs, struct sim_result *result,
                 struct err *err) {
  memset(result, 0, sizeof *result);
  return sim_begin_many(s, runs, err) ? -1 : run_out(s, result, err);
}
