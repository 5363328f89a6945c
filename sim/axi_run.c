// SPDX-License-Identifier: Apache-2.0
#include "axi_run.h"

#include <stdlib.h>
#include <string.h>

#include "interrupt.h"

enum { EVENTS = GPT2HW_INT_DONE | GPT2HW_INT_PROMPT | GPT2HW_INT_TOKEN };

// Above 4 GB, so that both halves of an address are tested.
static const uint64_t memory_base = UINT64_C(0x100000000);

struct axi_run {
  const struct image *image;
  struct axi_bus *bus;
  struct gpt2hw dev;
  uint64_t start;
  struct sim_runs runs;  // in progress
  struct controller_sequence *sequences;
  size_t n_over;
  bool cut;            // a callback has ended one
  size_t prompt, fed;  // prompts that were written; ids of the next
};

// -------------------------------------------------------------------------------------------- open

static uint64_t pages(uint64_t bytes) { return (bytes + 4095) & ~UINT64_C(4095); }

static int refused(enum gpt2hw_error error, struct err *err) {
  return error ? err_set(err, "the driver says: %s", gpt2hw_error_text(error)) : 0;
}

static int load(struct axi_run *r, struct err *err) {
  const struct image_header *header = &r->image->header;
  struct gpt2hw_model model;
  if (refused(gpt2hw_parse(&r->dev, header, &model), err)) return -1;
  const uint64_t image_bytes = pages(gpt2hw_image_bytes(&r->dev, &model));
  const uint64_t kv_bytes = pages(gpt2hw_kv_bytes(&r->dev, &model));
  const struct gpt2hw_place place = {.image_base = memory_base,
                                     .kv_base = memory_base + image_bytes,
                                     .stripe_stride = image_bytes + kv_bytes};
  for (uint32_t p = 0; p < r->dev.can.ports; p++)
    if (axi_bus_map(r->bus, memory_base + p * place.stripe_stride, place.stripe_stride, err))
      return -1;
  enum gpt2hw_error error = gpt2hw_load_begin(&r->dev, &place, header);
  if (!error) error = gpt2hw_load_bytes(&r->dev, r->image->beats, header->n_beats * header->lanes);
  if (!error) error = gpt2hw_load_end(&r->dev);
  return refused(error, err);
}

static int open_device(struct axi_run *r, struct err *err) {
  const struct gpt2hw_host host = axi_bus_host(r->bus);
  if (refused(gpt2hw_open(&r->dev, &host), err) || refused(gpt2hw_reset(&r->dev), err) ||
      load(r, err))
    return -1;
  gpt2hw_interrupt_enable(&r->dev, EVENTS);
  return axi_bus_failed(r->bus, err) ? -1 : 0;
}

int axi_run_open(struct axi_run **out, const struct image *image, const struct axi_ports *ports,
                 const struct sim_memory *memory, enum sim_build build, struct err *err) {
  struct axi_run *r = calloc(1, sizeof *r);
  *out = NULL;
  if (!r) return err_memory(err, "the simulator");
  r->image = image;
  if (axi_bus_open(&r->bus, image->header.lanes, *ports, library_parameters, memory, build, err) ||
      open_device(r, err)) {
    axi_run_close(r);
    return -1;
  }
  *out = r;
  return 0;
}

void axi_run_close(struct axi_run *r) {
  if (!r) return;
  axi_bus_close(r->bus);
  free(r);
}

// --------------------------------------------------------------------------------------------- run

static int ended(struct err *err) {
  if (err) err->text[0] = 0;
  return -1;
}

static uint64_t seed_of(const struct controller_run *run) {
  return run->sampling.state ? run->sampling.state : 1;
}

static int hardware_error(enum gpt2hw_error error, struct err *err) {
  return error ? err_set(err, "the hardware ended the run with error %u: %s", (unsigned)error,
                         gpt2hw_error_text(error))
               : err_set(err, "the hardware ended the run too early");
}

// Ends sequence i. -1 with an empty err if all end now.
static int end_sequence(struct axi_run *r, size_t i, int result, struct err *err) {
  r->runs.results[i] = result;
  r->n_over++;
  r->cut |= result != 0;
  const bool all = r->runs.over && r->runs.over(r->runs.ctx, i);
  return all || (r->cut && r->n_over == r->runs.n) ? ended(err) : 0;
}

// Reports sequence i's steps without the head, up to the next with it; with choice, first that one.
static int report(struct axi_run *r, size_t i, const uint32_t *choice, struct err *err) {
  struct controller_sequence *s = &r->sequences[i];
  struct controller_piece piece;
  while (controller_next(s, UINT32_MAX, &piece)) {
    if (piece.head && !choice) return 0;
    if (controller_computed(s, &piece, piece.head ? *choice : 0, err))
      return end_sequence(r, i, -1, err);
    if (piece.head) choice = NULL;
  }
  return end_sequence(r, i, 0, err);
}

static int take(struct axi_run *r, const struct gpt2hw_token *token, struct err *err) {
  const size_t n = r->runs.n, i = token->prompt;
  if (i < n && r->runs.results[i] < 0) return 0;  // a callback has ended it
  if (i >= n || r->runs.results[i] != SIM_UNDER_WAY)
    return err_set(err, "the hardware output an id for prompt %zu of %zu, which %s", i + 1, n,
                   i < n ? "had ended" : "does not exist");
  if (report(r, i, &token->id, err)) return -1;
  const bool over = r->runs.results[i] == 0;
  return n == 1 || r->runs.results[i] < 0 || token->last == over
             ? 0
             : err_set(err, "the hardware ended prompt %zu's text too %s", i + 1,
                       over ? "late" : "early");
}

static void feed(struct axi_run *r) {
  const struct controller_run *run = &r->runs.runs[r->prompt];
  if (r->prompt && !r->fed) gpt2hw_next_seed(&r->dev, seed_of(run));
  r->fed += gpt2hw_feed(&r->dev, run->prompt + r->fed, run->n_prompt - r->fed, true);
  if (r->fed == run->n_prompt) r->prompt++, r->fed = 0;
}

// Serves the hardware until the run is over.
static int serve(struct axi_run *r, struct err *err) {
  for (;;) {
    const struct gpt2hw_state state = gpt2hw_poll(&r->dev);
    struct gpt2hw_token token;
    while (gpt2hw_take_tokens(&r->dev, &token, 1))
      if (take(r, &token, err)) return -1;
    if (axi_bus_failed(r->bus, err)) return -1;
    if (!state.busy)
      return state.error || r->n_over < r->runs.n ? hardware_error(state.error, err) : 0;
    if (interrupt_pending()) return ended(err);
    if (state.prompt_open && r->prompt < r->runs.n) feed(r);
    // Clear after the wait, so that an earlier event ends the wait at once.
    if (r->dev.host.idle(r->dev.host.ctx)) return axi_bus_failed(r->bus, err) ? -1 : ended(err);
    gpt2hw_interrupt_clear(&r->dev, EVENTS);
  }
}

static int begin(struct axi_run *r, const struct sim_runs *runs, struct err *err) {
  const struct image_header *h = &r->image->header;
  const struct controller_run *run = runs->runs;
  const struct gpt2hw_run settings = {.max_new = run->max_new,
                                      .stop_enabled = run->stop_enabled,
                                      .stop_id = run->stop_id,
                                      .top_k = run->sampling.top_k,
                                      .inv_t = run->sampling.inv_t,
                                      .seed = seed_of(run),
                                      .more_prompts = (uint32_t)(runs->n - 1)};
  if (run->all_heads)
    return err_set(err, "in the AXI wrapper, logits leave on a stream of their own");
  for (size_t i = 0; i < runs->n; i++) {
    if (!sim_same_settings(run, &runs->runs[i]))
      return err_set(err, "run %zu has other settings than the first: run it by itself", i + 1);
    if (controller_begin(&r->sequences[i], &runs->runs[i], h->n_ctx, h->vocab_size, err)) return -1;
    runs->results[i] = SIM_UNDER_WAY;
  }
  r->runs = *runs;
  r->n_over = r->prompt = r->fed = 0;
  r->cut = false;
  r->start = axi_bus_cycles(r->bus);
  return refused(gpt2hw_start(&r->dev, &settings), err);
}

int axi_run_many(struct axi_run *r, const struct sim_runs *runs, struct sim_result *result,
                 struct err *err) {
  const struct axi_counts before = axi_bus_count(r->bus);
  memset(result, 0, sizeof *result);
  if (axi_bus_failed(r->bus, err)) return -1;
  if (!runs->n || runs->n > r->dev.can.prompts)
    return err_set(err, "%zu runs, expected 1 to %u", runs->n, r->dev.can.prompts);
  r->sequences = calloc(runs->n, sizeof *r->sequences);
  if (!r->sequences) return err_memory(err, "the runs");
  int status = begin(r, runs, err);
  const bool began = !status;
  for (size_t i = 0; !status && i < runs->n; i++) status = report(r, i, NULL, err);
  if (!status) status = serve(r, err);
  if (began && status) {
    struct err why = *err;
    gpt2hw_abort(&r->dev);
    while (gpt2hw_poll(&r->dev).busy) continue;  // a failed bus is not busy
    *err = why;
  }
  for (size_t i = 0; i < runs->n; i++) controller_end(&r->sequences[i]);
  free(r->sequences);
  if (!began || axi_bus_failed(r->bus, err)) return -1;
  const struct axi_counts after = axi_bus_count(r->bus);
  *result = (struct sim_result){
      .cycles = gpt2hw_cycles(&r->dev),
      .beats_read = (after.bytes_read - before.bytes_read) / r->image->header.lanes,
      .beats_written = gpt2hw_kv_writes(&r->dev),
      .saturations = gpt2hw_saturations(&r->dev),
      .busy = gpt2hw_cycles(&r->dev),
  };
  return status;
}

int axi_run_generate(struct axi_run *r, const struct controller_run *run, struct sim_result *result,
                     struct err *err) {
  int one;
  const struct sim_runs runs = {.runs = run, .n = 1, .results = &one};
  return axi_run_many(r, &runs, result, err);
}

uint32_t axi_run_prompts(const struct axi_run *r) { return r->dev.can.prompts; }
uint32_t axi_run_saturations(struct axi_run *r) { return gpt2hw_saturations(&r->dev); }
uint64_t axi_run_cycles(const struct axi_run *r) { return axi_bus_cycles(r->bus) - r->start; }

int axi_run_counters(struct axi_run *r, struct sim_counters *c, struct err *err) {
  for (unsigned phase = 0; phase < COUNT_PHASES; phase++)
    for (unsigned what = 0; what < COUNT_WHATS; what++)
      c->at[phase][what] = gpt2hw_count(&r->dev, phase, what);
  c->cycles = gpt2hw_cycles(&r->dev);
  c->kv_writes = gpt2hw_kv_writes(&r->dev);
  return axi_bus_failed(r->bus, err) ? -1 : 0;
}
