// SPDX-License-Identifier: Apache-2.0
//
// machine - the functions that the page's worker calls: one model on the simulated hardware,
// checked by the golden engine
//
// Emscripten compiles it together with one Verilated gpt2_top (web/library.c). It reads from
// Emscripten's file system /image, a memory image for any number of lanes, and from /model
// config.json and the tokenizer's files. Calls return 0 or -1 unless stated otherwise; after -1,
// machine_error gives the sentence. The events of a run are reported as words (enum report_kind),
// which the worker takes after each machine_advance.
#include <emscripten.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint.h"
#include "config.h"
#include "fast.h"
#include "image_build.h"
#include "machine.h"
#include "relayout.h"
#include "sim.h"
#include "tensor_assembly.h"
#include "tensors.h"
#include "timeline.h"
#include "tokenizer.h"
#include "top.h"
#include "weights.h"

#define EXPORT EMSCRIPTEN_KEEPALIVE

// A report is a sequence of items. An item is a word of this enum, the number of words that follow,
// and these words.
enum report_kind {
  REPORT_TOKEN = 1,  // id; bytes of text; the text that can be shown so far, padded to words
  REPORT_STEP,   // id, position, head, choice, recomputed, cycles of the run so far (two words);
                 // with head: for each candidate id, and as floats probability, drawn
  REPORT_EVENT,  // of the timeline: track, start (two words), cycles, phase | layer << 8 |
                 // head << 16; what, unit, or a step's position; count, or a step's id; for
                 // a job also at[]
  REPORT_UNDER_WAY,  // the same for an event that has not ended
};
enum { CANDIDATES = 10 };

static struct {
  struct image given, image;  // as given, and laid out for this machine's lanes
  bool other_lanes;
  struct gpt2_config config;
  struct tokenizer *tokenizer;
  struct tokenizer_decoder decoder;
  char *text;
  struct sim *sim;
  struct fast_engine *golden;
  double golden_seconds;
  size_t golden_positions;

  struct controller_run run;
  struct sampling shadow;  // the golden engine's copy of run.sampling
  struct sampling_settings {
    double temperature;
    uint32_t top_k;
  } sampling;
  uint32_t *ids;
  size_t n_ids;
  float *logits;
  struct timeline *timeline;
  struct tensor_observer observer;
  struct tensor_assembly assembly;
  float **tensors;  // [tensor][layer]: the newest value of each, or NULL
  size_t *n_tensors, n_asked;
  uint8_t *attention;  // [layer][head][position][0 .. position], 255 means 1; NULL if too large
  size_t positions;    // rows in attention
  bool ended;          // an id that ends the text was chosen

  uint32_t *report;
  size_t n_report, report_room;
  struct sim_counters counters;
  struct err err;
} m;

EXPORT const char *machine_error(void) { return m.err.text; }

// ------------------------------------------------------------------------------------------ report

static uint32_t *report(enum report_kind what, size_t n) {
  if (m.n_report + n + 2 > m.report_room) {
    const size_t room = 2 * (m.n_report + n) + 4096;
    uint32_t *more = realloc(m.report, room * sizeof *more);
    if (!more) {
      err_memory(&m.err, "the report");
      return NULL;
    }
    m.report = more;
    m.report_room = room;
  }
  uint32_t *to = m.report + m.n_report;
  m.n_report += n + 2;
  *to++ = what;
  *to++ = (uint32_t)n;
  return to;
}

// The words and their number. machine_report_taken empties the report.
EXPORT const uint32_t *machine_report(void) { return m.report; }
EXPORT size_t machine_report_size(void) { return m.n_report; }
EXPORT void machine_report_taken(void) { m.n_report = 0; }

static uint32_t float_word(double x) {
  const float f = (float)x;
  uint32_t word;
  memcpy(&word, &f, sizeof word);
  return word;
}

static int report_text(uint32_t id, const char *text, size_t n) {
  uint32_t *to = report(REPORT_TOKEN, 2 + (n + 3) / 4);
  if (!to) return -1;
  *to++ = id;
  *to++ = (uint32_t)n;
  memset(to, 0, (n + 3) / 4 * 4);
  memcpy(to, text, n);
  return 0;
}

static int report_event(enum report_kind what, const struct timeline_event *e) {
  const bool job = e->track == TIMELINE_JOB, step = e->track == TIMELINE_STEP;
  uint32_t *to = report(what, job ? 7 + COUNT_WHATS : 7);
  if (!to) return 1;
  *to++ = e->track;
  *to++ = (uint32_t)e->start;
  *to++ = (uint32_t)(e->start >> 32);
  *to++ = (uint32_t)(e->end - e->start);
  *to++ = e->phase | e->layer << 8 | e->head << 16;
  *to++ = step ? e->position : e->track == TIMELINE_UNIT_WORKS ? e->unit : (uint32_t)e->what;
  *to++ = step ? e->id : e->count;
  if (job) memcpy(to, e->at, sizeof e->at);
  return 0;
}

static int on_event(void *ctx, const struct timeline_event *e) {
  (void)ctx;
  // With stalls the engine is idle often and briefly. The jobs include these cycles.
  if (e->track == TIMELINE_IDLE && e->end - e->start < 4) return 0;
  return report_event(REPORT_EVENT, e);
}

// Adds the events in progress on the timeline to the report.
static void on_under_way(void *ctx, const struct timeline_event *e) {
  (void)ctx;
  report_event(REPORT_UNDER_WAY, e);
}
EXPORT void machine_report_under_way(void) { timeline_under_way(m.timeline, on_under_way, NULL); }

// ----------------------------------------------------------------------------------------- tensors

static size_t slot(enum tensor tensor, size_t layer) {
  return (size_t)tensor * m.config.n_layer + (tensor_in_layer(tensor) ? layer : 0);
}

enum { ATTENTION_MOST = 128 << 20 };  // bytes
static size_t triangle(size_t n) { return n * (n + 1) / 2; }

static void keep_attention(const struct tensor_place *place, const float *x) {
  const size_t n = place->position + 1;
  if (!m.attention) return;
  for (size_t head = 0; head < m.config.n_head; head++) {
    uint8_t *to = m.attention + (place->layer * m.config.n_head + head) * triangle(m.config.n_ctx) +
                  triangle(place->position);
    for (size_t i = 0; i < n; i++) to[i] = (uint8_t)(255 * x[head * n + i] + 0.5F);
  }
  m.positions = n;
}

static void on_tensor(void *ctx, const struct tensor_place *place, const float *x, size_t n) {
  const size_t i = slot(place->tensor, place->layer);
  (void)ctx;
  if (!m.tensors[i])
    m.tensors[i] =
        malloc(tensor_elements(&m.config, place->tensor, m.config.n_ctx - 1) * sizeof *x);
  if (!m.tensors[i]) return;
  memcpy(m.tensors[i], x, n * sizeof *x);
  m.n_tensors[i] = n;
  if (place->tensor == TENSOR_PROBS) keep_attention(place, x);
}

static void forget_tensors(void) {
  for (size_t i = 0; m.n_tensors && i < TENSORS * m.config.n_layer; i++) m.n_tensors[i] = 0;
  m.positions = 0;
  tensor_assembly_restart(&m.assembly);
}

static void free_tensors(void) {
  for (size_t i = 0; m.tensors && i < TENSORS * m.config.n_layer; i++) free(m.tensors[i]);
  tensor_assembly_close(&m.assembly);
  free(m.tensors);
  free(m.n_tensors);
  free(m.attention);
  m.tensors = NULL;
  m.n_tensors = NULL;
  m.attention = NULL;
}

static int observe_tensors(void) {
  const size_t n = TENSORS * m.config.n_layer,
               heads = m.config.n_layer * m.config.n_head * triangle(m.config.n_ctx);
  m.tensors = calloc(n, sizeof *m.tensors);
  m.n_tensors = calloc(n, sizeof *m.n_tensors);
  if (!m.tensors || !m.n_tensors) return err_memory(&m.err, "the tensors");
  if (heads <= ATTENTION_MOST) m.attention = malloc(heads);
  return tensor_assembly_open(&m.assembly, &m.image.header, &m.observer, on_tensor, NULL, &m.err) ||
                 sim_observe_tensors(m.sim, &m.observer, &m.err)
             ? -1
             : 0;
}

// A tensor of the newest position that has it, by name (base/tensor.h), and its size. NULL if there
// is no such tensor, or none yet.
EXPORT const float *machine_tensor(const char *name) {
  enum tensor tensor;
  size_t layer;
  m.n_asked = 0;
  if (tensor_find(&tensor, &layer, name, &m.config, &m.err)) return NULL;
  m.n_asked = m.n_tensors[slot(tensor, layer)];
  return m.n_asked ? m.tensors[slot(tensor, layer)] : NULL;
}
EXPORT size_t machine_tensor_size(void) { return m.n_asked; }

// A head's attention at all positions so far: 1 + 2 + 3 + ... bytes, 255 means 1. NULL if it is not
// kept.
EXPORT const uint8_t *machine_attention(uint32_t layer, uint32_t head) {
  return m.attention ? m.attention + (layer * m.config.n_head + head) * triangle(m.config.n_ctx)
                     : NULL;
}
EXPORT size_t machine_attention_positions(void) { return m.positions; }
EXPORT bool machine_attention_kept(void) { return m.attention != NULL; }

// ------------------------------------------------------------------------------------------- model

static void close_model(void) {
  sim_close(m.sim);
  free_tensors();
  fast_engine_destroy(m.golden);
  if (m.other_lanes) relayout_free(&m.image);
  image_close(&m.given);
  tokenizer_free(m.tokenizer);
  free(m.text);
  free(m.logits);
  m.sim = NULL;
  m.golden = NULL;
  m.tokenizer = NULL;
  m.text = NULL;
  m.logits = NULL;
  m.image = m.given = (struct image){0};
  m.other_lanes = false;
}

// Compiles the model in /model to /image.
EXPORT int machine_compile(void) {
  struct gpt2_weights weights;
  uint64_t source;
  if (config_no_adapter("/model", &m.err) || image_source(&source, "/model", &m.err) ||
      weights_load(&weights, "/model", &m.err))
    return -1;
  const int result = image_build("/image", &weights, machine_lanes, source, &m.err);
  weights_free(&weights);
  return result;
}

// Opens /image and the tokenizer in /model. The memory is SIM_MEMORY_DEFAULT.
EXPORT int machine_open(void) {
  const struct sim_memory memory = SIM_MEMORY_DEFAULT;
  const struct fast_options options = {.threads = 1};
  close_model();
  if (image_open(&m.given, "/image", IMAGE_CHECKED, &m.err)) return -1;
  m.image = m.given;
  if (m.given.header.lanes != machine_lanes) {
    if (relayout(&m.image, &m.given, machine_lanes, &m.err)) return -1;
    m.other_lanes = true;
  }
  if (config_read_folder(&m.config, "/model", &m.err) ||
      tokenizer_load(&m.tokenizer, "/model", m.config.vocab_size, &m.err))
    return -1;
  m.text = malloc(tokenizer_push_room(m.tokenizer));
  m.logits = malloc(m.config.vocab_size * sizeof *m.logits);
  if (!m.text || !m.logits) return err_memory(&m.err, "the model");
  if (fast_engine_create(&m.golden, &m.image, &options, &m.err)) return -1;
  if (sim_open(&m.sim, &m.image, &memory, SIM_WAVEFORM, &m.err) || observe_tensors()) return -1;
  return sim_observe_timeline(m.sim, &m.timeline, on_event, NULL, &m.err);
}

// Sets the memory from a text as `--memory` takes it ("latency=150,beats=1,stall=0"), from the next
// cycle on.
EXPORT int machine_memory(const char *settings) {
  struct sim_memory memory = SIM_MEMORY_DEFAULT;
  if (sim_memory_parse(&memory, settings, &m.err)) return -1;
  sim_set_memory(m.sim, &memory);
  return 0;
}

// A number of the image's header by name, or -1.
EXPORT double machine_shape(const char *name) {
  const struct image_header *h = &m.image.header;
  const struct {
    const char *name;
    double value;
  } all[] = {
      {"n_layer", h->n_layer},       {"n_head", h->n_head},
      {"n_embd", h->n_embd},         {"n_ctx", h->n_ctx},
      {"vocab_size", h->vocab_size}, {"lanes", h->lanes},
      {"beats", (double)h->n_beats}, {"parameters", (double)config_parameters(&m.config)},
  };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (!strcmp(all[i].name, name)) return all[i].value;
  return -1;
}

// The bytes of a token and their number.
EXPORT const char *machine_token(uint32_t id) {
  size_t length;
  return tokenizer_token(m.tokenizer, id, &length);
}
EXPORT size_t machine_token_size(uint32_t id) {
  size_t length;
  tokenizer_token(m.tokenizer, id, &length);
  return length;
}

// --------------------------------------------------------------------------------------------- run

static bool stops(uint32_t id) {
  for (size_t i = 0; i < m.config.n_eos; i++)
    if (id == m.config.eos_token_ids[i]) return true;
  return false;
}

static int on_token(void *ctx, uint32_t id) {
  (void)ctx;
  if (stops(id)) {  // the id that ends the text is not part of it
    m.ended = true;
    return id != config_eos(&m.config);  // the hardware stops at the first of them itself
  }
  return report_text(id, m.text, tokenizer_push(m.tokenizer, &m.decoder, id, m.text));
}

// The golden engine computes the same step, since the hardware does not output its logits. A step
// in which the two choose differently ends the run.
static int shadow(const struct controller_step *step) {
  const double from = emscripten_get_now();
  fast_engine_run(m.golden, &step->id, 1, step->position,
                  step->head ? FAST_LAST_HEAD : FAST_NO_HEAD, NULL);
  const uint32_t choice = step->head ? fast_engine_choose(m.golden, &m.shadow) : 0;
  m.golden_seconds += (emscripten_get_now() - from) / 1000;
  m.golden_positions++;
  if (choice != step->choice)
    return err_set(
        &m.err, "position %u: the hardware chose id %u, the golden engine %u: please report this",
        (unsigned)step->position, (unsigned)step->choice, (unsigned)choice);
  return 0;
}

static int on_step(void *ctx, const struct controller_step *step) {
  struct gpt2rtl_candidate list[CANDIDATES + 1];
  size_t n = 0;
  (void)ctx;
  if (shadow(step)) return -1;
  if (step->head) {
    const int32_t *rows = fast_engine_logits(m.golden);
    for (uint32_t i = 0; i < m.config.vocab_size; i++) m.logits[i] = (float)rows[i] / 65536.0f;
    n = top_find(list, CANDIDATES, m.logits, (uint32_t)m.config.vocab_size, m.sampling.temperature,
                 m.sampling.top_k, NULL, step->choice);
  }
  uint32_t *to = report(REPORT_STEP, 7 + 3 * n);
  if (!to) return -1;
  const uint64_t cycles = sim_cycles(m.sim);
  *to++ = step->id;
  *to++ = step->position;
  *to++ = step->head;
  *to++ = step->choice;
  *to++ = step->recomputed;
  *to++ = (uint32_t)cycles;
  *to++ = (uint32_t)(cycles >> 32);
  for (size_t i = 0; i < n; i++) {
    *to++ = list[i].id;
    *to++ = float_word(list[i].probability);
    *to++ = float_word(list[i].drawn);
  }
  return 0;
}

// Encodes a prompt. An empty prompt becomes the id that begins a text, as in `gpt2rtl generate`.
static int encode(const char *prompt, size_t length) {
  free(m.ids);
  m.ids = NULL;
  if (tokenizer_encode(m.tokenizer, prompt, length, &m.ids, &m.n_ids, &m.err)) return -1;
  if (m.n_ids) return 0;
  uint32_t first = m.config.bos_token_id;
  if (first == CONFIG_NO_TOKEN) first = config_eos(&m.config);
  if (first == CONFIG_NO_TOKEN) first = tokenizer_end_of_text(m.tokenizer);
  if (first >= m.config.vocab_size)
    return err_set(
        &m.err,
        "the prompt is empty, and the model has no token to start from: its bos_token_id and "
        "eos_token_id are not among its ids, and neither is <|endoftext|>; give a prompt");
  free(m.ids);
  m.ids = malloc(sizeof *m.ids);
  if (!m.ids) return err_memory(&m.err, "the prompt");
  m.ids[0] = first;
  m.n_ids = 1;
  return 0;
}

// Starts a run; the previous run must be over. seed is a decimal number of 64 bits. As in `gpt2rtl
// generate`, temperature 0 and top_k 1 draw nothing.
EXPORT int machine_begin(const char *prompt, size_t length, uint32_t tokens, double temperature,
                         uint32_t top_k, const char *seed) {
  const bool draws = temperature > 0 && top_k > 1;
  if (encode(prompt, length)) return -1;
  m.sampling = (struct sampling_settings){.temperature = draws ? temperature : 1,
                                          .top_k = draws ? top_k : 1};
  m.run = (struct controller_run){
      .prompt = m.ids,
      .n_prompt = m.n_ids,
      .max_new = tokens,
      .stop_enabled = m.config.n_eos > 0,
      .stop_id = config_eos(&m.config),
      .sampling = {.top_k = m.sampling.top_k,
                   .inv_t = sampling_inv_t(m.sampling.temperature),
                   .state = sampling_seed(strtoull(seed, NULL, 10))},
      .token = on_token,
      .step = on_step,
  };
  m.shadow = m.run.sampling;
  m.decoder = (struct tokenizer_decoder){0};
  m.ended = false;
  m.n_report = 0;
  forget_tensors();
  m.golden_seconds = 0;
  m.golden_positions = 0;
  m.err.text[0] = 0;
  return sim_begin(m.sim, &m.run, &m.err);
}

EXPORT size_t machine_prompt_size(void) { return m.n_ids; }
EXPORT const uint32_t *machine_prompt(void) { return m.ids; }

// The run's status after sim_advance.
static int after(int status) {
  if (status == 1) return 1;
  char rest[TOKENIZER_HELD];
  const size_t n = tokenizer_flush(&m.decoder, rest);
  if (n) report_text(TOKENIZER_NO_TOKEN, rest, n);
  return status && !(m.ended && !m.err.text[0]) ? -1 : 0;
}

// Advances by at most this many cycles. Returns 1 if the run continues, 0 if it is over, or -1.
EXPORT int machine_advance(uint32_t cycles) {
  struct sim_result result;
  return after(sim_advance(m.sim, cycles, &result, &m.err));
}

// The same, until the next cycle (what = 0), job (1), layer (2) or position (3) has begun; then
// returns 2.
EXPORT int machine_step(int what, uint32_t cycles) {
  const struct timeline_now *now = timeline_now(m.timeline);
  struct timeline_now before = *now;
  while (cycles--) {
    struct sim_result result;
    const bool first = sim_cycles(m.sim) == 1;  // *now still describes the previous run
    const int status = sim_advance(m.sim, 1, &result, &m.err);
    if (status != 1) return after(status);
    if (first) before = *now;
    if (what == 0 || (what == 1 && now->jobs != before.jobs) ||
        (what == 2 && now->layers != before.layers) || (what == 3 && now->steps != before.steps))
      return 2;
  }
  return 1;
}

// The moment (struct timeline_now): the cycle in two words, units, phase, layer, head, position,
// what, beats in the queue.
EXPORT const uint32_t *machine_now(void) {
  static uint32_t words[12];
  const struct timeline_now *now = timeline_now(m.timeline);
  const uint32_t all[12] = {(uint32_t)now->cycle,
                            (uint32_t)(now->cycle >> 32),
                            now->units,
                            now->phase,
                            now->layer,
                            now->head,
                            now->position,
                            (uint32_t)now->what,
                            now->queue};
  memcpy(words, all, sizeof words);
  return words;
}

// Ends the current run. The next run behaves like any other.
EXPORT int machine_abort(void) {
  struct sim_result result;
  return sim_abort(m.sim, &result, &m.err);
}

// Cycles since the run's start.
EXPORT double machine_cycles(void) { return (double)sim_cycles(m.sim); }

// The hardware's counters: 10 numbers (enum count_what) for each of 11 phases (enum pkg_op, then
// the start of a step).
EXPORT const uint64_t *machine_counters(void) {
  sim_read_counters(m.sim, &m.counters, &m.err);
  return &m.counters.at[0][0];
}

// Positions per second of the golden engine in this run; 0 before its first position.
EXPORT double machine_golden_rate(void) {
  return m.golden_seconds > 0 ? (double)m.golden_positions / m.golden_seconds : 0;
}
