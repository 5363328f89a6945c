// SPDX-License-Identifier: Apache-2.0
//
// session - opens and steps an engine of gpt2rtl.h, and gets its logits
#include <stdlib.h>
#include <string.h>

#include "internal.h"

int internal_engine_open(struct gpt2rtl_engine **out, const struct gpt2rtl_model *model,
                         enum engine_kind kind, const struct engine_options *options,
                         struct err *err) {
  struct engine_options all = *options;
  struct gpt2rtl_engine *e = calloc(1, sizeof *e);
  *out = NULL;
  if (!e) return err_memory(err, "the engine");
  e->model = model;
  e->fast = options->fast;
  all.image = model->image;
  if (engine_open(&e->engine, kind, model->folder, &all, err)) {
    gpt2rtl_engine_close(e);
    return -1;
  }
  *out = e;
  return 0;
}

int internal_begin(struct gpt2rtl_engine *e, struct gpt2rtl_error *error) {
  if (!e) return internal_fail_text(error, "the engine is NULL");
  return !atomic_exchange(&e->in_use, true)
             ? 0
             : internal_fail_text(error, "the engine is in use: by another thread, or by the call "
                                         "whose callback this is");
}

void internal_end(struct gpt2rtl_engine *e) { atomic_store(&e->in_use, false); }

// -------------------------------------------------------------------------------------------- open

static int check_options(const struct gpt2rtl_model *model, const struct gpt2rtl_options *o,
                         struct err *err) {
  const uint32_t lanes = o->lanes;
  if ((unsigned)o->kind > GPT2RTL_RTL)
    return err_set(err, "there is no engine of kind %d", (int)o->kind);
  if (o->kind == GPT2RTL_FLOAT && model->image)
    return err_set(err, "%s: the float engine needs a model's folder: an image holds integers",
                   model->image);
  if (o->threads > FAST_MAX_THREADS)
    return err_set(err, "threads is %u, expected 1 to %d", o->threads, FAST_MAX_THREADS);
  if (o->sequences > FAST_SEQUENCES)
    return err_set(err, "sequences is %u, expected 1 to %d", o->sequences, FAST_SEQUENCES);
  if (lanes && (lanes < 64 || lanes > 4096 || (lanes & (lanes - 1))))
    return err_set(err, "lanes is %u, expected 64, 128, 256, ... 4096", lanes);
  if (lanes && model->lanes && lanes != model->lanes)
    return err_set(err, "%s: the image is for %u lanes, not %u", model->image, model->lanes, lanes);
  if (o->clock != 0 && !(o->clock >= 1 && o->clock <= 2000))
    return err_set(err, "the clock is %g MHz, expected 1 to 2000", o->clock);
  return 0;
}

static int open_engine(struct gpt2rtl_engine **engine, const struct gpt2rtl_model *model,
                       const struct gpt2rtl_options *o, struct err *err) {
  static const enum engine_kind kinds[] = {[GPT2RTL_GOLDEN] = ENGINE_GOLDEN,
                                           [GPT2RTL_GOLDEN_READABLE] = ENGINE_READABLE,
                                           [GPT2RTL_FLOAT] = ENGINE_FLOAT,
                                           [GPT2RTL_RTL] = ENGINE_RTL};
  struct sim_memory memory = SIM_MEMORY_DEFAULT;
  if (check_options(model, o, err)) return -1;
  if (o->memory && sim_memory_parse(&memory, o->memory, err)) return -1;
  if (o->clock != 0) memory.clock = o->clock;
  const struct engine_options options =
      {.lanes = model->lanes ? model->lanes
                : o->lanes   ? o->lanes
                             : 256,
       .memory = &memory,
       .build = SIM_FAST,
       .fast = {.threads = o->threads,
                .sequences = o->sequences,
                .kernels = fast_kernels_named(o->vector ? o->vector : "auto", err)},
       .note = {.say = o->note, .ctx = o->note_ctx}};
  if (!options.fast.kernels) return -1;
  sim_memory_resolve(&memory, options.lanes);
  return internal_engine_open(engine, model, kinds[o->kind], &options, err);
}

int gpt2rtl_engine_open(struct gpt2rtl_engine **engine, const struct gpt2rtl_model *model,
                        const struct gpt2rtl_options *options, struct gpt2rtl_error *error) {
  struct gpt2rtl_options o;
  struct err err = {""};
  if (!engine) return internal_fail_text(error, "the pointer for the engine is NULL");
  *engine = NULL;
  if (!model) return internal_fail_text(error, "the model is NULL");
  if (internal_take(&o, options, sizeof o, "engine's options", error)) return -1;
  return open_engine(engine, model, &o, &err) ? internal_fail(error, &err) : 0;
}

void gpt2rtl_engine_close(struct gpt2rtl_engine *e) {
  if (!e) return;
  engine_close(&e->engine);
  free(e);
}

// -------------------------------------------------------------------------------------------- step

static int step(struct gpt2rtl_engine *e, uint32_t id, float *logits, struct err *err) {
  struct engine *inside = &e->engine;
  const int32_t *rows = NULL;
  if (inside->kind == ENGINE_RTL)
    return err_set(err, "the hardware chooses its tokens itself: it generates text and computes "
                        "the logits of a text, but takes no single step");
  if (id >= inside->n_vocab)
    return err_set(err, "id %u is not in the vocabulary: ids are 0 to %u", id, inside->n_vocab - 1);
  if (e->position >= inside->n_ctx)
    return err_set(err, "the context of %u positions is full: reset the engine", inside->n_ctx);
  if (inside->fast) {
    fast_engine_run(inside->fast, &id, 1, e->position, logits ? FAST_LAST_HEAD : FAST_NO_HEAD,
                    NULL);
    rows = logits ? fast_engine_logits(inside->fast) : NULL;
  } else if (inside->core.image) {
    gpt2_core_step(&inside->core, id, e->position, logits != NULL);
    rows = logits ? inside->core.logits : NULL;
  } else if (gpt2_float_step(inside->state, id, e->position, logits, err)) {
    return -1;
  }
  for (uint32_t i = 0; rows && i < inside->n_vocab; i++) logits[i] = (float)rows[i] / 65536.0f;
  e->position++;
  return 0;
}

int gpt2rtl_step(struct gpt2rtl_engine *e, uint32_t id, float *logits,
                 struct gpt2rtl_error *error) {
  struct err err;
  if (internal_begin(e, error)) return -1;
  const int result = step(e, id, logits, &err) ? internal_fail(error, &err) : 0;
  internal_end(e);
  return result;
}

void gpt2rtl_reset(struct gpt2rtl_engine *e) {
  if (e) e->position = 0;
}

uint32_t gpt2rtl_position(const struct gpt2rtl_engine *e) { return e ? e->position : 0; }

// ------------------------------------------------------------------------------------------ logits

struct taking {
  int (*take)(void *ctx, size_t position, const float *logits);
  void *ctx;
  size_t position;
};

static int take_logits(void *ctx, const float *logits) {
  struct taking *t = ctx;
  return t->take(t->ctx, t->position++, logits);
}

int gpt2rtl_logits(struct gpt2rtl_engine *e, const uint32_t *ids, size_t count,
                   int (*take)(void *ctx, size_t position, const float *logits), void *ctx,
                   struct gpt2rtl_error *error) {
  struct err err = {""};
  struct taking taking = {.take = take, .ctx = ctx};
  const struct controller_run run = {.prompt = ids,
                                     .n_prompt = count,
                                     .all_heads = true,
                                     .ctx = &taking,
                                     .sampling = {.top_k = 1, .inv_t = 1, .state = 1}};
  uint64_t saturations;
  if (!take || (!ids && count)) return internal_fail_text(error, "gpt2rtl_logits takes no NULL");
  if (internal_begin(e, error)) return -1;
  e->position = 0;
  const int failed = engine_run(&e->engine, &run, take_logits, &saturations, &err);
  internal_end(e);
  return failed && err.text[0] ? internal_fail(error, &err) : 0;
}
