// SPDX-License-Identifier: Apache-2.0
#include "estimate.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "gpt2_pkg.h"

// Cycles from the end of a job (after its last beat) until the first beat of a job that uses its
// results may enter. R = 64 / Segments is the number of cycles that 64 rows take. Measured in
// simulation, with gpt2_top's default unit widths.
enum {
  QUEUE = 256,         // weight_stream: Depth,
  BURST = 32,          //   MaxBurst
  NORM = 48,           // residual's last rows -> LayerNorm's first block; of each other member a
                       //   cycle later, then the next block of each
  EMBEDDED = 37,       // the token's last beat -> the same, + R
  KV_QUANTISED = 28,   // QKV -> its head's scores, + R
  PROBABILITIES = 41,  // scores -> PV's first tile, + R; each further tile R later
  SOFTMAX_FREE = 23,   // scores -> the next head's scores, + R for each 64 positions
  ATTENDED = 22,       // PV -> projection
  CHOSEN = 32,         // the head's last beat -> the next token's first request, by argmax
  DRAWN = 64,          // additional cycles if the id is drawn, on average
  NEXT_CHOICE = 2,     // from one sequence's choice to the next's
  SKIPPED = 32,        // the last layer's last beat -> the next step's first request, without head
};

const char *const estimate_cause_names[ESTIMATE_CAUSES] = {"bandwidth", "start",    "layernorm",
                                                           "softmax",   "handover", "sampling"};

struct walk {
  struct estimate *e;
  double now;                // the engine has taken all beats so far
  double rate, level, room;  // beats per cycle into the queue; beats in it; its maximum
  double segments, r;
  double held;        // cycles for which a beat of weights, keys or values is used
  double held_alone;  // a beat for one of several sequences
  double members;     // positions for which LayerNorm makes each block
};

static double ceil_div(double a, double b) { return ceil(a / b); }

static void wait_until(struct walk *w, double until, enum estimate_cause cause) {
  const double idle = until - w->now;
  if (idle <= 0) return;
  w->e->idle[cause] += idle;
  w->level = fmin(w->room, w->level + w->rate * idle);
  w->now = until;
}

static void take_held(struct walk *w, double beats, double held) {
  const double used = beats * held, cycles = fmax(used, (beats - w->level) / w->rate);
  w->e->beats += (uint64_t)beats;
  w->e->idle[ESTIMATE_BANDWIDTH] += cycles - used;
  w->level = fmin(w->room, fmax(0, w->level + w->rate * cycles - beats));
  w->now += cycles;
}

static void take(struct walk *w, double beats) { take_held(w, beats, 1); }

// A job of groups x blocks beats with a side beat before each 16 groups. The first side beat needs
// no operand: it enters before `ready`.
static void job(struct walk *w, double groups, double blocks, bool sides, double ready,
                enum estimate_cause cause) {
  if (sides) take(w, 1);
  wait_until(w, ready, cause);
  take_held(w, groups * blocks, w->held);
  if (sides) take(w, ceil_div(groups, 16) - 1);
}

// A job of LayerNorm's blocks: the first group takes them as they come.
static void norm_job(struct walk *w, double groups, double blocks, double ready) {
  take(w, 1);
  for (double k = 1; k <= blocks; k++) {
    wait_until(w, ready + k * w->members - 1, ESTIMATE_LAYERNORM);
    take_held(w, 1, w->held);
  }
  take_held(w, (groups - 1) * blocks, w->held);
  take(w, ceil_div(groups, 16) - 1);
}

// Position and token rows: a block of 64 elements passes to the residual in R + 1 cycles, of
// position rows two beats in R + 2.
static void embedding(struct walk *w, double heads, bool last) {
  double free = w->now;
  for (double h = 0; h < heads; h++) {
    if (h == 0) take(w, 1);
    wait_until(w, free, ESTIMATE_START);
    take(w, 2);
    free = w->now + w->r;
  }
  take(w, 1);
  for (double h = 0; h < heads; h++) {
    take(w, 1);
    if (h + 1 == heads) break;
    wait_until(w, free, ESTIMATE_START);
    free = w->now + w->r + 1;
  }
  if (last) wait_until(w, w->now + EMBEDDED + w->r, ESTIMATE_START);
}

// The heads of a layer. Each of several sequences has its own keys, values and softmax.
struct heads {
  double scored[CONFIG_MAX_HEADS][PKG_MAX_POSITIONS], free[PKG_MAX_POSITIONS];
  double attended[CONFIG_MAX_HEADS];
  double n, width_groups;
  uint32_t sequences;
};

// A job with beats of one sequence's cache, which several sequences do not share.
static void kv_job(struct walk *w, const struct heads *a, double groups, double blocks,
                   bool sides) {
  const double held = w->held;
  if (a->sequences > 1) w->held = w->held_alone;
  job(w, groups, blocks, sides, 0, ESTIMATE_SOFTMAX);
  w->held = held;
}

static void scores(struct walk *w, struct heads *a, unsigned h, double quantised) {
  wait_until(w, quantised, ESTIMATE_HANDOVER);
  for (uint32_t s = 0; s < a->sequences; s++) {
    wait_until(w, a->free[s], ESTIMATE_SOFTMAX);
    kv_job(w, a, ceil_div(a->n, w->segments), 1, true);
    a->scored[h][s] = w->now;
    a->free[s] = w->now + SOFTMAX_FREE + w->r * ceil_div(a->n, 64);
  }
}

static void pv(struct walk *w, struct heads *a, unsigned h) {
  for (uint32_t s = 0; s < a->sequences; s++) {
    const double scored = a->scored[h][s];
    wait_until(w, scored + PROBABILITIES + w->r, ESTIMATE_SOFTMAX);
    kv_job(w, a, w->r, ceil_div(a->n, 64), false);
    wait_until(w, scored + PROBABILITIES + w->r * ceil_div(a->n, 64), ESTIMATE_SOFTMAX);
  }
  a->attended[h] = w->now;
}

static void project(struct walk *w, struct heads *a, unsigned h, unsigned heads) {
  job(w, a->width_groups, 1, h == heads - 1, a->attended[h] + ATTENDED, ESTIMATE_HANDOVER);
}

// QKV(0)  QKV(1) S(0)  QKV(2) S(1) PV(0) ... ln_2  P(0)  S(H-1)  P(1..3)  PV(H-2)  P(4..H-3)
// PV(H-1)  P(H-2)  P(H-1)
static void attention(struct walk *w, unsigned heads, double n, uint32_t sequences, double ready,
                      double norm_beats) {
  struct heads a = {.n = n, .width_groups = heads * w->r, .sequences = sequences};
  double quantised[CONFIG_MAX_HEADS];
  unsigned p = 0;
  for (unsigned h = 0; h < heads; h++) {
    if (h) job(w, 3 * w->r, heads, true, 0, ESTIMATE_LAYERNORM);
    else norm_job(w, 3 * w->r, heads, ready);
    quantised[h] = w->now + KV_QUANTISED + w->r;
    if (h >= 1) scores(w, &a, h - 1, quantised[h - 1]);
    if (h >= 2) pv(w, &a, h - 2);
  }
  take(w, norm_beats);
  if (heads >= 3) project(w, &a, p++, heads);
  scores(w, &a, heads - 1, quantised[heads - 1]);
  while (p < 4 && p + 2 < heads) project(w, &a, p++, heads);
  if (heads >= 2) pv(w, &a, heads - 2);
  while (p + 2 < heads) project(w, &a, p++, heads);
  pv(w, &a, heads - 1);
  while (p < heads) project(w, &a, p++, heads);
}

// The memory's side of a walk; the first requests are on their way.
static struct walk begin(struct estimate *e, const struct sim_memory *m, uint32_t lanes,
                         const struct estimate_batch *batch) {
  struct walk w = {.e = e,
                   .segments = lanes / 64.0,
                   .r = 64 / (lanes / 64.0),
                   .held = batch->folding * (double)batch->positions / batch->engines,
                   .held_alone = batch->folding,
                   .members = batch->positions};
  // Bursts are requested as the queue empties: beats under way are part of it.
  w.rate = fmin(m->beats, (QUEUE - BURST) / (double)m->latency);
  w.room = fmax(0, QUEUE - BURST - w.rate * m->latency);
  wait_until(&w, m->latency, ESTIMATE_START);
  w.level = 0;
  return w;
}

// All layers, for `positions` that end with `last`, or each of as many sequences at `last`. Returns
// when the last residual is complete.
static double run_layers(struct walk *w, const struct gpt2_config *c, uint32_t last,
                         uint32_t positions, uint32_t sequences) {
  const unsigned heads = (unsigned)c->n_head;
  const double norm_beats = ceil_div(4.0 * heads, w->segments);
  take(w, norm_beats);
  for (uint32_t i = 0; i < positions; i++) embedding(w, heads, i + 1 == positions);
  double ready = w->now;
  for (size_t l = 0; l < c->n_layer; l++) {
    attention(w, heads, last + 1, sequences, ready, norm_beats);
    norm_job(w, 4 * heads * w->r, heads, w->now + NORM);
    take(w, norm_beats);
    job(w, heads * w->r, 4.0 * heads, true, 0, ESTIMATE_LAYERNORM);
    ready = w->now + NORM;
  }
  return ready;
}

// Writes to the cache share the bus of a memory that is slower than the engine.
static void end(struct walk *w, const struct sim_memory *m) {
  struct estimate *e = w->e;
  if (m->preset && m->beats < 1) {
    const double more = fmin((double)e->writes / m->beats, fmax(0, e->idle[ESTIMATE_BANDWIDTH]));
    e->idle[ESTIMATE_BANDWIDTH] += more;
    w->now += more;
  }
  e->cycles = w->now;
}

// Weights of all layers, and a cached position's keys and values, in bytes.
static double layer_bytes(const struct gpt2_config *c) {
  return 12 * (double)c->n_embd * (double)c->n_embd * (double)c->n_layer;
}
static double kv_bytes(const struct gpt2_config *c) {
  return 2 * (double)c->n_embd * (double)c->n_layer;
}

void estimate_tokens(struct estimate *e, const struct gpt2_config *c, uint32_t lanes,
                     uint32_t context, const struct estimate_batch *batch,
                     const struct sim_memory *memory, uint32_t top_k) {
  struct sim_memory m = *memory;
  sim_memory_resolve(&m, lanes);
  const double vocabulary = (double)c->vocab_size, segments = lanes / 64.0;
  memset(e, 0, sizeof *e);
  const uint32_t n = batch->positions;
  e->floor = (layer_bytes(c) + vocabulary * (double)c->n_embd + n * kv_bytes(c) * context) / lanes;
  e->writes = (uint64_t)(n * (double)(c->n_layer * c->n_head) * (2 + 64 / segments));
  struct walk w = begin(e, &m, lanes, batch);
  const double ready = run_layers(&w, c, context, n, n), head = w.now;
  norm_job(&w, ceil_div(vocabulary, segments), (double)c->n_head, ready);
  // Sampling keeps pace except for the logits that enter its list, k (1 + ln(V / k)) of V in random
  // order.
  if (top_k > 1) wait_until(&w, head + top_k * (1 + log(vocabulary / top_k)), ESTIMATE_SAMPLING);
  wait_until(&w, w.now + CHOSEN + (top_k > 1 ? DRAWN : 0) + (n - 1) * NEXT_CHOICE,
             ESTIMATE_SAMPLING);
  end(&w, &m);
}

void estimate_token(struct estimate *e, const struct gpt2_config *c, uint32_t lanes,
                    uint32_t context, const struct sim_memory *memory, uint32_t top_k) {
  estimate_tokens(e, c, lanes, context, &(struct estimate_batch){1, 1, 1}, memory, top_k);
}

void estimate_prompt(struct estimate *e, const struct gpt2_config *c, uint32_t lanes,
                     uint32_t context, const struct estimate_batch *batch,
                     const struct sim_memory *memory) {
  struct sim_memory m = *memory;
  sim_memory_resolve(&m, lanes);
  const double segments = lanes / 64.0;
  const uint32_t positions = batch->positions, last = context | (positions - 1);
  memset(e, 0, sizeof *e);
  e->floor = (layer_bytes(c) + kv_bytes(c) * last) / lanes;
  const double keys = fmax(1, positions / segments);  // beats that hold the batch's keys
  e->writes = (uint64_t)((double)(c->n_layer * c->n_head) * (1 + keys + 64 / segments));
  struct walk w = begin(e, &m, lanes, batch);
  run_layers(&w, c, last, positions, 1);
  wait_until(&w, w.now + SKIPPED, ESTIMATE_START);
  end(&w, &m);
}
