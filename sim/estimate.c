// SPDX-License-Identifier: Apache-2.0
#include "estimate.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

// Cycles from the end of a job (after its last beat) until the first beat of a job that uses its
// results may enter. R = 64 / Segments is the number of cycles that 64 rows take. Measured in
// simulation, with gpt2_top's default unit widths.
enum {
  QUEUE = 256,         // weight_stream: Depth,
  BURST = 32,          //   MaxBurst
  NORM = 48,           // residual's last rows -> LayerNorm's first block
  EMBEDDED = 37,       // the token's last beat -> the same, + R
  KV_QUANTISED = 28,   // QKV -> its head's scores, + R
  PROBABILITIES = 41,  // scores -> PV's first tile, + R; each further tile R later
  SOFTMAX_FREE = 23,   // scores -> the next head's scores, + R for each 64 positions
  ATTENDED = 22,       // PV -> projection
  CHOSEN = 32,         // the head's last beat -> the next token's first request, by argmax
  DRAWN = 64,          // additional cycles if the id is drawn, on average
};

const char *const estimate_cause_names[ESTIMATE_CAUSES] = {"bandwidth", "start",    "layernorm",
                                                           "softmax",   "handover", "sampling"};

struct walk {
  struct estimate *e;
  double now;                // the engine has taken all beats so far
  double rate, level, room;  // beats per cycle into the queue; beats in it; its maximum
  double segments, r;
};

static double ceil_div(double a, double b) { return ceil(a / b); }

static void wait_until(struct walk *w, double until, enum estimate_cause cause) {
  const double idle = until - w->now;
  if (idle <= 0) return;
  w->e->idle[cause] += idle;
  w->level = fmin(w->room, w->level + w->rate * idle);
  w->now = until;
}

static void take(struct walk *w, double beats) {
  const double cycles = fmax(beats, (beats - w->level) / w->rate);
  w->e->beats += (uint64_t)beats;
  w->e->idle[ESTIMATE_BANDWIDTH] += cycles - beats;
  w->level = fmin(w->room, fmax(0, w->level + w->rate * cycles - beats));
  w->now += cycles;
}

// A job of groups x blocks beats with a side beat before each 16 groups. The first side beat needs
// no operand: it enters before `ready`.
static void job(struct walk *w, double groups, double blocks, bool sides, double ready,
                enum estimate_cause cause) {
  if (sides) take(w, 1);
  wait_until(w, ready, cause);
  take(w, groups * blocks + (sides ? ceil_div(groups, 16) - 1 : 0));
}

// Position and token rows: a block of 64 elements passes to the residual in R + 1 cycles, of
// position rows two beats in R + 2.
static void embedding(struct walk *w, double heads) {
  double free = 0;
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
  wait_until(w, w->now + EMBEDDED + w->r, ESTIMATE_START);
}

struct heads {
  double scored, attended[CONFIG_MAX_HEADS], projected;
  double n, width_groups;
};

static void qkv(struct walk *w, double heads, double ready) {
  job(w, 3 * w->r, heads, true, ready, ESTIMATE_LAYERNORM);
}

static void scores(struct walk *w, struct heads *a, double quantised) {
  wait_until(w, quantised, ESTIMATE_HANDOVER);
  wait_until(w, a->scored + SOFTMAX_FREE + w->r * ceil_div(a->n, 64), ESTIMATE_SOFTMAX);
  job(w, ceil_div(a->n, w->segments), 1, true, 0, ESTIMATE_SOFTMAX);
  a->scored = w->now;
}

static void pv(struct walk *w, struct heads *a, unsigned h, double scored) {
  wait_until(w, scored + PROBABILITIES + w->r, ESTIMATE_SOFTMAX);
  job(w, w->r, ceil_div(a->n, 64), false, 0, ESTIMATE_SOFTMAX);
  wait_until(w, scored + PROBABILITIES + w->r * ceil_div(a->n, 64), ESTIMATE_SOFTMAX);
  a->attended[h] = w->now;
}

static void project(struct walk *w, struct heads *a, unsigned h, unsigned heads) {
  job(w, a->width_groups, 1, h == heads - 1, a->attended[h] + ATTENDED, ESTIMATE_HANDOVER);
}

// QKV(0)  QKV(1) S(0)  QKV(2) S(1) PV(0) ... ln_2  P(0)  S(H-1)  P(1..3)  PV(H-2)  P(4..H-3)
// PV(H-1)  P(H-2)  P(H-1)
static void attention(struct walk *w, unsigned heads, double n, double ready, double norm_beats) {
  struct heads a = {.scored = -1e9, .n = n, .width_groups = heads * w->r};
  double quantised[CONFIG_MAX_HEADS], scored[CONFIG_MAX_HEADS];
  unsigned p = 0;
  for (unsigned h = 0; h < heads; h++) {
    qkv(w, heads, h ? 0 : ready);
    quantised[h] = w->now + KV_QUANTISED + w->r;
    if (h >= 1) {
      scores(w, &a, quantised[h - 1]);
      scored[h - 1] = a.scored;
    }
    if (h >= 2) pv(w, &a, h - 2, scored[h - 2]);
  }
  take(w, norm_beats);
  if (heads >= 3) project(w, &a, p++, heads);
  scores(w, &a, quantised[heads - 1]);
  scored[heads - 1] = a.scored;
  while (p < 4 && p + 2 < heads) project(w, &a, p++, heads);
  if (heads >= 2) pv(w, &a, heads - 2, scored[heads - 2]);
  while (p + 2 < heads) project(w, &a, p++, heads);
  pv(w, &a, heads - 1, scored[heads - 1]);
  while (p < heads) project(w, &a, p++, heads);
}

void estimate_token(struct estimate *e, const struct gpt2_config *c, uint32_t lanes,
                    uint32_t context, const struct sim_memory *memory, uint32_t top_k) {
  struct sim_memory m = *memory;
  sim_memory_resolve(&m, lanes);
  const unsigned heads = (unsigned)c->n_head;
  const double width = (double)c->n_embd, layers = (double)c->n_layer,
               vocabulary = (double)c->vocab_size, segments = lanes / 64.0;
  const double norm_beats = ceil_div(4.0 * heads, segments);
  memset(e, 0, sizeof *e);
  e->floor =
      (12 * width * width * layers + vocabulary * width + 2 * width * layers * context) / lanes;
  e->writes = (uint64_t)(layers * heads * (2 + 64 / segments));

  struct walk w = {.e = e, .segments = segments, .r = 64 / segments};
  // Bursts are requested as the queue empties: beats under way are part of it.
  w.rate = fmin(m.beats, (QUEUE - BURST) / (double)m.latency);
  w.room = fmax(0, QUEUE - BURST - w.rate * m.latency);
  wait_until(&w, m.latency, ESTIMATE_START);
  w.level = 0;
  take(&w, norm_beats);
  embedding(&w, heads);
  double ready = w.now;
  for (size_t l = 0; l < c->n_layer; l++) {
    attention(&w, heads, context + 1, ready, norm_beats);
    job(&w, 4 * heads * w.r, heads, true, w.now + NORM, ESTIMATE_LAYERNORM);
    take(&w, norm_beats);
    job(&w, heads * w.r, 4.0 * heads, true, 0, ESTIMATE_LAYERNORM);
    ready = w.now + NORM;
  }
  const double head = w.now;
  job(&w, ceil_div(vocabulary, segments), heads, true, ready, ESTIMATE_LAYERNORM);
  // Sampling keeps pace except for the logits that enter its list, k (1 + ln(V / k)) of V in random
  // order.
  if (top_k > 1) wait_until(&w, head + top_k * (1 + log(vocabulary / top_k)), ESTIMATE_SAMPLING);
  wait_until(&w, w.now + CHOSEN + (top_k > 1 ? DRAWN : 0), ESTIMATE_SAMPLING);
  // Writes to the cache share the bus of a memory that is slower than the engine.
  if (m.preset && m.beats < 1) {
    const double more = fmin((double)e->writes / m.beats, fmax(0, e->idle[ESTIMATE_BANDWIDTH]));
    e->idle[ESTIMATE_BANDWIDTH] += more;
    w.now += more;
  }
  e->cycles = w.now;
}
