// SPDX-License-Identifier: Apache-2.0
#include "report.h"

#include <stdlib.h>
#include <string.h>

#include "gpt2_pkg.h"

// clang-format off
#define PORTS(P)                                                                                  \
  P(const uint32_t, event, "event_o")            P(const uint32_t, rows, "residual_rows_o")       \
  P(const uint8_t, lg_valid, "lg_valid_o")       P(const uint8_t, lg_ready, "lg_ready_i")         \
  P(const uint8_t, lg_last, "lg_last_o")         P(const uint8_t, lg_mask, "lg_mask_o")           \
  P(const uint32_t, lg_base_id, "lg_base_id_o")  P(const uint32_t, lg_rows, "lg_rows_o")          \
  P(const uint8_t, tok_valid, "tok_valid_o")     P(const uint8_t, tok_ready, "tok_ready_i")       \
  P(const uint32_t, tok_id, "tok_id_o")
// clang-format on

struct report {
  PORTS(SIGNAL_MEMBER)
  struct sim_observer observer;
  const struct image_header *header;
  uint32_t segments, positions;
  const struct controller_run *run;
  // The batch under way: consecutive positions, n_steps of `batch` so far.
  struct controller_step steps[PKG_MAX_POSITIONS];
  uint32_t n_steps, batch;
  int32_t hidden[PKG_MAX_POSITIONS][MAX_WIDTH];
  // The residuals of a batch of several, [position][layer + 1][width]: the callbacks get all of one
  // position before the next.
  int32_t *states;
  int32_t *logits;
};

static int32_t *state(struct report *r, uint32_t i, int layer) {
  const struct image_header *h = r->header;
  return r->states + ((size_t)i * (h->n_layer + 1) + (size_t)(layer + 1)) * h->n_embd;
}

// Takes rows of the residual as they are written: of the tag's position and of those that follow it
// in the batch. A residual is complete with the last group after the embedding and after each
// layer.
static int take_rows(struct report *r, uint64_t cycle, struct err *err) {
  struct pkg_tag tag;
  pkg_event_tag(&tag, r->event);
  if (tag.op == PKG_OP_POS) return 0;
  const uint32_t from = (uint32_t)tag.group * r->segments, width = r->header->n_embd;
  if (from + r->segments > width)
    return err_set(err,
                   "cycle %llu: the hardware writes residual rows from %u, but the width is %u",
                   (unsigned long long)cycle, from, width);
  const bool complete = tag.last && tag.op != PKG_OP_PROJ;
  const int layer = tag.op == PKG_OP_TOKEN ? -1 : (int)tag.layer;
  for (uint64_t t = tag.position; t <= tag.position + tag.after; t++) {
    const uint32_t i = (uint32_t)t - r->steps[0].position;
    if (t < r->steps[0].position || i >= r->batch)
      return err_set(err,
                     "cycle %llu: the hardware writes the residual of position %u, but runs %u to "
                     "%u",
                     (unsigned long long)cycle, (uint32_t)t, r->steps[0].position,
                     r->steps[0].position + r->batch - 1);
    memcpy(r->hidden[i] + from, r->rows + t % r->positions * r->segments, 4 * r->segments);
    if (!complete) continue;
    if (r->batch > 1) memcpy(state(r, i, layer), r->hidden[i], 4 * width);
    else if (r->run->hidden(r->run->ctx, layer, r->hidden[i])) return SIM_ABORT;
  }
  return 0;
}

// The batch's positions, in order. The last one's choice is `choice`.
static int report_batch(struct report *r, uint32_t choice) {
  const struct controller_run *run = r->run;
  const int layers = (int)r->header->n_layer;
  for (uint32_t i = 0; i < r->n_steps; i++) {
    struct controller_step *step = &r->steps[i];
    for (int layer = -1; r->batch > 1 && run->hidden && layer < layers; layer++)
      if (run->hidden(run->ctx, layer, state(r, i, layer))) return SIM_ABORT;
    step->choice = step->head ? choice : 0;
    if (run->step && run->step(run->ctx, step)) return SIM_ABORT;
  }
  r->n_steps = 0;
  return 0;
}

static int take_logits(struct report *r, uint64_t cycle, struct err *err) {
  const struct controller_run *run = r->run;
  const uint32_t base = *r->lg_base_id;
  uint64_t mask = 0;
  memcpy(&mask, r->lg_mask, r->segments <= 8 ? 1 : r->segments / 8);
  for (uint32_t i = 0; i < r->segments; i++) {
    if (!(mask >> i & 1)) continue;
    if (base + i >= r->header->vocab_size)
      return err_set(err,
                     "cycle %llu: the hardware gives a logit of id %u, but the vocabulary has %u",
                     (unsigned long long)cycle, base + i, r->header->vocab_size);
    r->logits[base + i] = (int32_t)r->lg_rows[i];
  }
  if (!*r->lg_last) return 0;
  return run->logits && run->logits(run->ctx, r->logits) ? SIM_ABORT : 0;
}

static int report_cycle(void *self, uint64_t cycle, struct err *err) {
  struct report *r = self;
  const struct controller_run *run = r->run;
  int status;
  struct pkg_event event;
  const uint32_t flags = *r->event;
  if (flags & (PKG_EVENT_STEP_START | PKG_EVENT_STEP_END)) pkg_event_unpack(&event, r->event);
  if (flags & PKG_EVENT_RESIDUAL && run->hidden && (status = take_rows(r, cycle, err)))
    return status;
  if (*r->lg_valid && *r->lg_ready && (status = take_logits(r, cycle, err))) return status;
  if (flags & PKG_EVENT_STEP_END && report_batch(r, (uint32_t)event.choice)) return SIM_ABORT;
  if (*r->tok_valid && *r->tok_ready && run->token && run->token(run->ctx, *r->tok_id))
    return SIM_ABORT;
  if (flags & PKG_EVENT_STEP_START) {
    if (!r->n_steps) r->batch = (uint32_t)event.after + 1;
    if (r->n_steps >= r->batch)
      return err_set(err, "cycle %llu: the hardware starts position %u in a batch of %u",
                     (unsigned long long)cycle, (uint32_t)event.position, r->batch);
    r->steps[r->n_steps++] = (struct controller_step){.id = (uint32_t)event.id,
                                                      .position = (uint32_t)event.position,
                                                      .head = event.head,
                                                      .recomputed = event.recomputed};
  }
  return 0;
}

static void report_destroy(void *self) {
  struct report *r = self;
  free(r->states);
  free(r->logits);
  free(r);
}

int report_create(struct report **out, struct signals signals, const struct image_header *header,
                  struct err *err) {
  struct report *at = *out = calloc(1, sizeof *at);
  if (!at) return err_memory(err, "the run's report");
  at->observer =
      (struct sim_observer){.self = at, .cycle = report_cycle, .destroy = report_destroy};
  at->header = header;
  at->segments = header->lanes / HEAD_DIM;
  at->logits = calloc(header->vocab_size + at->segments, sizeof *at->logits);
  PORTS(SIGNAL_FIND)
  at->positions = signals_width(&signals, "residual_rows_o") / (32 * at->segments);
  if (at->positions > 1)
    at->states =
        calloc((size_t)at->positions * (header->n_layer + 1) * header->n_embd, sizeof *at->states);
  const bool room = at->logits && (at->positions <= 1 || at->states);
  if (room && !signals.missing) return 0;
  if (!room) err_memory(err, "logits and hidden states");
  else err_set(err, "the simulator has no port %s: run make", signals.missing);
  report_destroy(at);
  *out = NULL;
  return -1;
}

struct sim_observer *report_observer(struct report *r) {
  return &r->observer;
}

void report_start(struct report *r, const struct controller_run *run) {
  r->run = run;
  r->n_steps = 0;
}
