// SPDX-License-Identifier: Apache-2.0
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interrupt.h"
#include "verilated_block.h"

enum { PATIENCE = 1000000 };  // cycles without any transfer or event

// gpt2_top's ports where C looks at them: bytes for single bits, words otherwise.
// clang-format off
#define BIT_PORTS(P)                                                                              \
  P(clk_i) P(rst_ni) P(mem_rst_ni) P(start_i) P(abort_i) P(stop_en_i) P(all_heads_i)              \
  P(prompt_valid_i) P(prompt_ready_o) P(prompt_last_i) P(tok_valid_o) P(tok_ready_i)              \
  P(lg_valid_o) P(lg_ready_i) P(lg_last_o) P(step_start_o) P(step_head_o) P(step_recomputed_o)    \
  P(step_end_o) P(rd_req_valid_o) P(rd_req_ready_i) P(rd_rsp_valid_i) P(rd_rsp_ready_o)           \
  P(rd_rsp_error_i) P(wr_valid_o) P(wr_ready_i) P(wr_ack_i) P(wr_ack_error_i) P(mon_valid_o)      \
  P(busy_o) P(done_o) P(error_o) P(rd_req_len_o)
#define WORD_PORTS(P)                                                                             \
  P(cfg_i) P(sampling_i) P(max_new_i) P(stop_id_i) P(prompt_id_i) P(tok_id_o) P(lg_base_id_o)     \
  P(lg_rows_o) P(step_id_o) P(step_choice_o) P(rd_req_addr_o) P(rd_rsp_data_i) P(wr_addr_o)       \
  P(wr_data_o) P(mon_tag_o) P(mon_rows_o) P(sat_o)
// clang-format on
#define BIT_MEMBER(name) uint8_t *name;
#define WORD_MEMBER(name) uint32_t *name;
struct ports {
  BIT_PORTS(BIT_MEMBER)
  WORD_PORTS(WORD_MEMBER)
  uint16_t *step_position_o;
  uint8_t *wr_strb_o, *lg_mask_o, *count_sel_i;
  uint64_t *count_o;
};

// Signals of u_counters, which sim/counters.vlt makes public.
struct counts {
  const uint64_t *mem, *writes, *cycles;
  const uint32_t *written;
};

struct sim {
  const struct image *image;
  const struct image_header *header;
  uint32_t lanes, segments;
  struct library library;
  const struct verilated_block *code;
  void *instance;
  struct ports p;
  struct counts counts;
  bool failed;

  struct memory *memory;
  struct sim_memory settings;  // resolved
  struct waveform *waveform;   // or NULL
  struct inspect *inspect;     // or NULL
  uint64_t cycle, start;       // since the beginning; when the run started
  int32_t hidden[MAX_WIDTH];
  int32_t *logits;
  struct running {  // the run, from sim_begin on
    bool under_way;
    struct controller_run run;
    struct controller_step step;
    struct memory_counts before;
    uint64_t progress, end, busy;  // cycles: of the last event, of the last position's end
    size_t fed;                    // ids of the prompt
  } running;
};

// -------------------------------------------------------------------------------------------- open

static int find_ports(struct sim *s, struct err *err) {
  const struct verilated_port *ports;
  const unsigned n = s->code->ports(s->instance, &ports);
  const char *missing = NULL;
  void *found;
// clang-format off
#define FIND(member)                                                                              \
  found = NULL;                                                                                   \
  for (unsigned i = 0; i < n; i++)                                                                \
    if (!strcmp(ports[i].name, #member)) found = ports[i].data;                                   \
  if (!found) missing = #member;                                                                  \
  s->p.member = found;
  BIT_PORTS(FIND) WORD_PORTS(FIND)
  FIND(step_position_o) FIND(wr_strb_o) FIND(lg_mask_o) FIND(count_sel_i) FIND(count_o)
#define FIND_COUNT(field, signal)                                                                 \
  found = NULL;                                                                                   \
  for (unsigned i = 0; i < n; i++)                                                                \
    if (!strcmp(ports[i].name, "gpt2_top.u_core.u_counters." signal)) found = ports[i].data;      \
  if (!found) missing = signal;                                                                   \
  s->counts.field = found;
  FIND_COUNT(mem, "mem") FIND_COUNT(writes, "writes_q") FIND_COUNT(cycles, "cycles_q")
  FIND_COUNT(written, "written_q")
      // clang-format on
      if (!missing) return 0;
  return err_set(err, "the simulator for %u lanes has no port %s: run make", s->lanes, missing);
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
  return find_ports(s, err);
}

int sim_open(struct sim **out, const struct image *image, const struct sim_memory *memory,
             enum sim_build build, struct err *err) {
  const struct image_header *h = &image->header;
  *out = NULL;
  if (h->n_head > MAX_HEADS || h->n_ctx > MAX_CTX)
    return err_set(err,
                   "the model has %u heads and %u positions; the hardware has room for %d and %d",
                   h->n_head, h->n_ctx, MAX_HEADS, MAX_CTX);
  if (h->kv_base + (uint64_t)h->n_layer * h->n_head * h->kv_stride > UINT32_MAX)
    return err_set(
        err, "the image and its KV cache need more than 2^32 beats of %u bytes: use more lanes",
        h->lanes);
  struct sim *s = calloc(1, sizeof *s);
  if (!s) return err_memory(err, "the simulator");
  s->image = image;
  s->header = h;
  s->lanes = h->lanes;
  s->segments = h->lanes / HEAD_DIM;
  s->settings = *memory;
  sim_memory_resolve(&s->settings, s->lanes);
  s->logits = calloc(h->vocab_size + s->segments, sizeof *s->logits);
  if (!s->logits) {
    sim_close(s);
    return err_memory(err, "the logits");
  }
  const uint64_t n_kv = (uint64_t)h->n_layer * h->n_head * h->kv_stride;
  if (memory_create(&s->memory, memory, image->beats, h->n_beats, n_kv, s->lanes, err) ||
      open_library(s, build, err)) {
    sim_close(s);
    return -1;
  }
  if (build == SIM_CHECK)
    memset(memory_kv(s->memory), 0xa5, n_kv * s->lanes);  // what nobody wrote must not matter
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
  waveform_destroy(s->waveform);
  inspect_destroy(s->inspect);
  if (s->instance) s->code->destroy(s->instance);
  library_close(&s->library);
  memory_destroy(s->memory);
  free(s->logits);
  free(s);
}

void sim_set_memory(struct sim *s, const struct sim_memory *memory) {
  memory_set(s->memory, memory);
}

uint64_t sim_cycles(const struct sim *s) { return s->cycle - s->start + 1; }

// --------------------------------------------------------------------------------------------- run

static int ended(struct err *err) {
  if (err) err->text[0] = 0;
  return -1;
}

// Rows of the residual as they are written: complete with the last group behind the embedding and
// behind each layer.
static int take_rows(struct sim *s, const struct controller_run *run, struct err *err) {
  struct pkg_tag tag;
  pkg_tag_unpack(&tag, s->p.mon_tag_o);
  if (tag.op == PKG_OP_POS) return 0;
  const uint32_t from = (uint32_t)tag.group * s->segments;
  if (from + s->segments > s->header->n_embd) {
    const uint32_t width = s->header->n_embd;
    return err_set(err, "cycle %llu: the hardware writes residual rows from %u, the width is %u",
                   (unsigned long long)s->cycle, from, width);
  }
  memcpy(s->hidden + from, s->p.mon_rows_o, 4 * s->segments);
  if (!tag.last || tag.op == PKG_OP_PROJ) return 0;
  const int layer = tag.op == PKG_OP_TOKEN ? -1 : (int)tag.layer;
  return run->hidden(run->ctx, layer, s->hidden) ? ended(err) : 0;
}

static int take_logits(struct sim *s, const struct controller_run *run, struct err *err) {
  const uint32_t base = *s->p.lg_base_id_o;
  uint64_t mask = 0;
  memcpy(&mask, s->p.lg_mask_o, s->segments <= 8 ? 1 : s->segments / 8);
  for (uint32_t i = 0; i < s->segments; i++) {
    if (!(mask >> i & 1)) continue;
    if (base + i >= s->header->vocab_size)
      return err_set(err, "cycle %llu: the hardware gives a logit of id %u, the vocabulary has %u",
                     (unsigned long long)s->cycle, base + i, s->header->vocab_size);
    s->logits[base + i] = (int32_t)s->p.lg_rows_o[i];
  }
  if (!*s->p.lg_last_o) return 0;
  return run->logits && run->logits(run->ctx, s->logits) ? ended(err) : 0;
}

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

// The run's events in this cycle, in the order in which the golden model reports them. 1: something
// happened.
static int take_events(struct sim *s, const struct controller_run *run,
                       struct controller_step *step, uint64_t *end, struct err *err) {
  struct ports *p = &s->p;
  int moved = 0;
  if (*p->mon_valid_o && run->hidden && take_rows(s, run, err)) return -1;
  if (*p->lg_valid_o && *p->lg_ready_i) {
    moved = 1;
    if (take_logits(s, run, err)) return -1;
  }
  if (*p->step_end_o) {
    moved = 1;
    *end = s->cycle + 1;
    step->choice = step->head ? *p->step_choice_o : 0;
    if (run->step && run->step(run->ctx, step)) return ended(err);
  }
  if (*p->tok_valid_o && *p->tok_ready_i) {
    moved = 1;
    if (run->token && run->token(run->ctx, *p->tok_id_o)) return ended(err);
  }
  if (*p->step_start_o) {
    moved = 1;
    *step = (struct controller_step){.id = *p->step_id_o,
                                     .position = *p->step_position_o,
                                     .head = *p->step_head_o,
                                     .recomputed = *p->step_recomputed_o};
  }
  return moved;
}

// A callback has ended the run in the low half of this cycle: the hardware ends it too.
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

// One cycle. RUNNING; OVER: the hardware is done; -1; or ABORTED: a callback has ended the run, and
// the hardware has done so too.
enum { OVER, RUNNING, ABORTED };
static int run_cycle(struct sim *s, struct err *err) {
  struct ports *p = &s->p;
  struct running *r = &s->running;
  const struct controller_run *run = &r->run;

  *p->prompt_valid_i = r->fed < run->n_prompt && *p->busy_o;
  if (*p->prompt_valid_i) {
    *p->prompt_id_i = run->prompt[r->fed];
    *p->prompt_last_i = r->fed == run->n_prompt - 1;
  }
  memory_drive(s->memory);
  *p->tok_ready_i = !memory_stalls(s->memory);
  *p->lg_ready_i = !memory_stalls(s->memory);
  if (settle(s, err)) return -1;
  const int moved = memory_take(s->memory, err);
  if (s->inspect) inspect_cycle(s->inspect);
  if (s->waveform && waveform_cycle(s->waveform, *p->step_start_o, *p->step_end_o, err)) return -1;
  const int events = moved < 0 ? -1 : take_events(s, run, &r->step, &r->end, err);
  if (events < 0 && err && err->text[0]) return -1;
  if (events < 0 || (interrupt_pending() && *p->busy_o)) return abort_run(s, err) ? -1 : ABORTED;
  if (*p->prompt_valid_i && *p->prompt_ready_o) {
    r->fed++;
    r->progress = s->cycle;
  }
  if (moved || events) r->progress = s->cycle;
  else if (s->cycle - r->progress > PATIENCE) return stuck(s, err);
  const bool done = *p->done_o;
  r->busy += *p->busy_o;
  if (edge(s, err)) return -1;
  *p->start_i = 0;
  if (done) return hardware_error(s, err) ? -1 : OVER;
  return RUNNING;
}

// The port gives a count a cycle after it was asked for, and a callback is within a cycle: so the
// memory itself is read.
void sim_read_counters(const struct sim *s, struct sim_counters *c) {
  for (unsigned phase = 0; phase < COUNT_PHASES; phase++) {
    for (unsigned what = 0; what < COUNT_WHATS; what++) {
      const unsigned i = phase << 4 | what;
      c->at[phase][what] = s->counts.written[i / 32] >> i % 32 & 1 ? s->counts.mem[i] : 0;
    }
  }
  c->kv_writes = *s->counts.writes;
  c->cycles = *s->counts.cycles;
}

int sim_read_count_port(struct sim *s, unsigned address, uint64_t *count, struct err *err) {
  *s->p.count_sel_i = (uint8_t)address;
  if (settle(s, err) || edge(s, err)) return -1;
  *count = *s->p.count_o;
  return 0;
}

int sim_begin(struct sim *s, const struct controller_run *run, struct err *err) {
  struct ports *p = &s->p;
  if (s->failed) return err_set(err, "the simulator has failed before");
  if (s->running.under_way) return err_set(err, "the simulator's last run is not over");
  if (controller_check(run, s->header->n_ctx, s->header->vocab_size, err)) return -1;

  const struct pkg_sampling sampling = {.top_k = run->sampling.top_k,
                                        .inv_t = run->sampling.inv_t,
                                        .seed = run->sampling.state ? run->sampling.state : 1};
  pkg_sampling_pack(p->sampling_i, &sampling);
  *p->max_new_i = run->max_new;
  *p->stop_en_i = run->stop_enabled;
  *p->stop_id_i = run->stop_enabled ? run->stop_id : 0;
  *p->all_heads_i = run->all_heads;

  s->start = s->cycle;
  s->running = (struct running){.under_way = true,
                                .run = *run,
                                .before = memory_count(s->memory),
                                .progress = s->cycle,
                                .end = s->cycle};
  *p->start_i = 1;
  return 0;
}

// The run has ended with `status` of run_cycle: OVER, ABORTED or -1.
static int finish(struct sim *s, int status, struct sim_result *result, struct err *err) {
  s->running.under_way = false;
  s->failed = true;
  if (status && s->waveform) waveform_keep(s->waveform);
  if (status < 0 || (!status && s->waveform && waveform_finish(s->waveform, err))) return -1;
  for (int i = 0; i < 3; i++)
    if (settle(s, err) || edge(s, err)) return -1;  // a cycle is counted three cycles later
  s->failed = false;
  const struct memory_counts before = s->running.before, after = memory_count(s->memory);
  *result = (struct sim_result){.cycles = s->running.end - s->start,
                                .beats_read = after.beats_read - before.beats_read,
                                .beats_written = after.beats_written - before.beats_written,
                                .saturations = *s->p.sat_o,
                                .busy = s->running.busy};
  return status == ABORTED ? ended(err) : 0;
}

int sim_advance(struct sim *s, uint64_t cycles, struct sim_result *result, struct err *err) {
  memset(result, 0, sizeof *result);
  if (!s->running.under_way) return err_set(err, "the simulator runs nothing");
  int status = RUNNING;
  while (cycles-- && status == RUNNING) status = run_cycle(s, err);
  return status == RUNNING ? 1 : finish(s, status, result, err);
}

int sim_abort(struct sim *s, struct sim_result *result, struct err *err) {
  memset(result, 0, sizeof *result);
  if (!s->running.under_way) return err_set(err, "the simulator runs nothing");
  int status = ABORTED;
  if (s->cycle == s->start) {
    *s->p.start_i = 0;  // the hardware knows nothing of it
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

int sim_run(struct sim *s, const struct controller_run *run, struct sim_result *result,
            struct err *err) {
  int status;
  memset(result, 0, sizeof *result);
  if (sim_begin(s, run, err)) return -1;
  while ((status = sim_advance(s, UINT64_MAX, result, err)) > 0) continue;
  return status;
}

// ------------------------------------------------------------------------------------------- trace

enum { TRIAL = 20000 };  // cycles with the waveform on

// Cycles of position 0 and bytes a cycle, by a simulator that does nothing else.
static int try_trace(const struct sim *s, const struct sim_trace *trace, double *rate,
                     uint64_t *cycles, struct err *err) {
  static const uint32_t prompt[] = {0};
  const struct controller_run run = {.prompt = prompt,
                                     .n_prompt = 1,
                                     .max_new = 1,
                                     .sampling = {.top_k = 1, .inv_t = 1, .state = 1}};
  struct sim_trace first = *trace;
  struct sim_result result;
  struct sim *trial;
  first.first = first.last = 0;
  if (sim_open(&trial, s->image, &s->settings, SIM_TRACE, err)) return -1;
  int status = waveform_create(&trial->waveform, trial->code, trial->instance, &first, TRIAL, err);
  if (!status) status = sim_run(trial, &run, &result, err);
  if (!status) {
    *rate = waveform_rate(trial->waveform);
    *cycles = result.cycles;
  }
  sim_close(trial);
  return status;
}

int sim_trace(struct sim *s, const struct sim_trace *trace, uint64_t *bytes, struct err *err) {
  const struct image_header *h = s->header;
  double rate = 0, all = 0;
  uint64_t cycles = 0;
  if (try_trace(s, trace, &rate, &cycles, err)) return -1;
  // A later position reads more keys and values, 128 bytes a head and position.
  const double more =
      128.0 * h->n_layer * h->n_head / h->lanes / s->settings.beats / (1 - s->settings.stall);
  for (uint64_t p = trace->first; p <= trace->last; p++)
    all += (double)cycles + more * (double)(p < h->n_ctx ? p : h->n_ctx - 1);
  *bytes = (uint64_t)(rate * all);
  waveform_destroy(s->waveform);
  return waveform_create(&s->waveform, s->code, s->instance, trace, 0, err);
}

bool sim_traced(const struct sim *s) { return s->waveform && waveform_kept(s->waveform); }

int sim_probe(struct sim *s, const struct probe *probe, struct err *err) {
  inspect_destroy(s->inspect);
  return inspect_create(&s->inspect, s->code, s->instance, s->header, probe, err);
}
