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
  P(const uint32_t, tok_id, "tok_id_o")          P(const uint8_t, tok_last, "tok_last_o")         \
  P(const uint16_t, tok_prompt, "tok_prompt_o")
// clang-format on

// A step of the batch under way, and the run that it is of.
struct batch_step {
  struct controller_step step;
  uint32_t seq, run;
};

struct report {
  PORTS(SIGNAL_MEMBER)
  struct sim_observer observer;
  const struct image_header *header;
  uint32_t segments, positions;
  struct sim_runs runs;
  size_t n_over;
  bool cut;  // a callback ended a run
  struct batch_step steps[PKG_MAX_POSITIONS];
  uint32_t n_steps;
  bool several, complete;                 // of several sequences; all steps have come
  uint32_t of_member[PKG_MAX_POSITIONS];  // which step a member computes
  int32_t hidden[PKG_MAX_POSITIONS][MAX_WIDTH];
  // [step][layer + 1][width]: those of several steps go out one step after the other.
  int32_t *states;
  int32_t *logits;
};

static int32_t *state(struct report *r, uint32_t i, int layer) {
  const struct image_header *h = r->header;
  return r->states + ((size_t)i * (h->n_layer + 1) + (size_t)(layer + 1)) * h->n_embd;
}

// ---------------------------------------------------------------------------------- runs,
// callbacks

static bool runs(const struct report *r, uint32_t i) { return r->runs.results[i] == SIM_UNDER_WAY; }

static int end_run(struct report *r, uint32_t i, int result) {
  r->runs.results[i] = result;
  r->n_over++;
  r->cut |= result != 0;
  if (r->runs.over && r->runs.over(r->runs.ctx, i)) return SIM_ABORT;
  return r->cut && r->n_over == r->runs.n ? SIM_ABORT : 0;
}

// After a callback of run i, which has ended the run if its answer is not 0.
static int answered(struct report *r, uint32_t i, int answer) {
  return answer ? end_run(r, i, -1) : 0;
}

static int report_hidden(struct report *r, uint32_t i, int layer, const int32_t *x) {
  const struct controller_run *run = &r->runs.runs[i];
  return runs(r, i) && run->hidden ? answered(r, i, run->hidden(run->ctx, layer, x)) : 0;
}

static int report_step(struct report *r, struct batch_step *s, uint32_t choice) {
  const struct controller_run *run = &r->runs.runs[s->run];
  s->step.choice = s->step.head ? choice : 0;
  if (runs(r, s->run) && run->step && answered(r, s->run, run->step(run->ctx, &s->step)))
    return SIM_ABORT;
  // Without tokens to come, a run is over with its prompt.
  const bool last = !run->max_new && s->step.position + 1 == run->n_prompt;
  return last && runs(r, s->run) ? end_run(r, s->run, 0) : 0;
}

static int report_token(struct report *r, uint32_t i, uint32_t id, bool last) {
  const struct controller_run *run = &r->runs.runs[i];
  if (runs(r, i) && run->token && answered(r, i, run->token(run->ctx, id))) return SIM_ABORT;
  return last && runs(r, i) ? end_run(r, i, 0) : 0;
}

// -------------------------------------------------------------------------------- the ports, a
// cycle

static bool one_step(const struct report *r) { return r->complete && r->n_steps == 1; }

// Takes rows of the residual as they are written. A residual is complete with the last group after
// the embedding and after each layer.
static int take_rows(struct report *r, const struct pkg_event *event, uint64_t cycle,
                     struct err *err) {
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
  for (uint32_t member = 0; member < r->positions; member++) {
    if (!(event->residual_members >> member & 1)) continue;
    const uint32_t i = r->of_member[member];
    if (i >= r->n_steps)
      return err_set(err,
                     "cycle %llu: the hardware writes a residual for member %u, which has no step",
                     (unsigned long long)cycle, member);
    memcpy(r->hidden[i] + from, r->rows + member * r->segments, 4 * r->segments);
    if (!complete) continue;
    if (!one_step(r)) memcpy(state(r, i, layer), r->hidden[i], 4 * width);
    else if (report_hidden(r, r->steps[i].run, layer, r->hidden[i])) return SIM_ABORT;
  }
  return 0;
}

static int end_step(struct report *r, uint32_t i, uint32_t choice) {
  const int layers = (int)r->header->n_layer;
  for (int layer = -1; !one_step(r) && layer < layers; layer++)
    if (report_hidden(r, r->steps[i].run, layer, state(r, i, layer))) return SIM_ABORT;
  return report_step(r, &r->steps[i], choice);
}

// Of one sequence, all steps end together; of several, each with its choice.
static int end_steps(struct report *r, const struct pkg_event *event) {
  for (uint32_t i = 0; i < r->n_steps; i++)
    if ((!r->several || r->steps[i].seq == event->choice_seq) &&
        end_step(r, i, (uint32_t)event->choice))
      return SIM_ABORT;
  return 0;
}

static int take_step(struct report *r, const struct pkg_event *event, uint64_t cycle,
                     struct err *err) {
  if (r->complete) r->n_steps = 0;
  if (event->prompt >= r->runs.n || r->n_steps >= r->positions)
    return err_set(err, "cycle %llu: the hardware starts step %u of a batch, of prompt %u of %zu",
                   (unsigned long long)cycle, r->n_steps, (uint32_t)event->prompt, r->runs.n);
  const uint32_t member = (uint32_t)(event->several ? event->seq : event->position % r->positions);
  r->several = event->several;
  r->complete = !event->more;
  r->of_member[member] = r->n_steps;
  r->steps[r->n_steps++] = (struct batch_step){.step = {.id = (uint32_t)event->id,
                                                        .position = (uint32_t)event->position,
                                                        .head = event->head,
                                                        .recomputed = event->recomputed},
                                               .seq = (uint32_t)event->seq,
                                               .run = (uint32_t)event->prompt};
  return 0;
}

static int take_logits(struct report *r, uint64_t cycle, struct err *err) {
  const struct batch_step *s = &r->steps[0];
  const struct controller_run *run = &r->runs.runs[s->run];
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
  if (!*r->lg_last || !run->logits || !runs(r, s->run)) return 0;
  return answered(r, s->run, run->logits(run->ctx, r->logits));
}

static int report_cycle(void *self, uint64_t cycle, struct err *err) {
  struct report *r = self;
  int status;
  struct pkg_event event;
  const uint32_t flags = *r->event;
  const bool rows = flags & PKG_EVENT_RESIDUAL && r->runs.runs[0].hidden;
  if (rows || flags & (PKG_EVENT_STEP_START | PKG_EVENT_STEP_END))
    pkg_event_unpack(&event, r->event);
  if (rows && (status = take_rows(r, &event, cycle, err))) return status;
  if (*r->lg_valid && *r->lg_ready && (status = take_logits(r, cycle, err))) return status;
  if (flags & PKG_EVENT_STEP_END && end_steps(r, &event)) return SIM_ABORT;
  if (*r->tok_valid && *r->tok_ready) {
    if (*r->tok_prompt >= r->runs.n)
      return err_set(err, "cycle %llu: the hardware outputs a token of prompt %u of %zu",
                     (unsigned long long)cycle, *r->tok_prompt, r->runs.n);
    if (report_token(r, *r->tok_prompt, *r->tok_id, *r->tok_last)) return SIM_ABORT;
  }
  return flags & PKG_EVENT_STEP_START ? take_step(r, &event, cycle, err) : 0;
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

uint32_t report_positions(const struct report *r) { return r->positions; }

void report_start(struct report *r, const struct sim_runs *runs) {
  r->runs = *runs;
  r->n_over = 0;
  r->cut = false;
  r->n_steps = 0;
  r->complete = true;
  for (size_t i = 0; i < runs->n; i++) runs->results[i] = SIM_UNDER_WAY;
}
