// SPDX-License-Identifier: Apache-2.0
#include "run_report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "cli.h"
#include "report_page.h"
#include "tensors.h"

enum { ATTENTION_MOST = 32 << 20 };  // bytes

static size_t triangle(size_t n) { return n * (n + 1) / 2; }

// --------------------------------------------------------------------------------------- observers

// Writes an event as web/machine.c reports it: track, start (two words of 32 bits), cycles, phase |
// layer << 8 | head << 16; what, unit, or a step's position; count, or a step's id; for a job also
// at[].
static int on_event(void *ctx, const struct timeline_event *e) {
  struct run_report *r = ctx;
  const bool step = e->track == TIMELINE_STEP;
  if (e->track == TIMELINE_IDLE && e->end - e->start < 4) return 0;  // jobs include these cycles
  fprintf(r->events, ",\n[%d,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%u,%u,%u", e->track,
          e->start & UINT32_MAX, e->start >> 32, e->end - e->start,
          (unsigned)(e->phase | e->layer << 8 | e->head << 16),
          step                              ? (unsigned)e->position
          : e->track == TIMELINE_UNIT_WORKS ? (unsigned)e->unit
                                            : (unsigned)e->what,
          step ? (unsigned)e->id : (unsigned)e->count);
  for (int what = 0; e->track == TIMELINE_JOB && what < COUNT_WHATS; what++)
    fprintf(r->events, ",%u", (unsigned)e->at[what]);
  fputc(']', r->events);
  return 0;
}

static void on_tensor(void *ctx, const struct tensor_place *place, const float *x, size_t n) {
  struct run_report *r = ctx;
  (void)n;
  if (place->tensor != TENSOR_PROBS || place->position >= r->room) return;
  const size_t heads = r->model->config.n_head, width = place->position + 1;
  for (size_t head = 0; head < heads; head++) {
    uint8_t *to = r->attention + (place->layer * heads + head) * triangle(r->room) +
                  triangle(place->position);
    for (size_t i = 0; i < width; i++) to[i] = (uint8_t)(255 * x[head * width + i] + 0.5F);
  }
  if (width > r->positions) r->positions = width;
}

static int observe_attention(struct run_report *r, size_t positions, struct err *err) {
  const size_t bytes = r->model->config.n_layer * r->model->config.n_head * triangle(positions);
  const bool rtl = r->engine->kind == ENGINE_RTL;
  if (r->engine->kind == ENGINE_FLOAT || bytes > ATTENTION_MOST) return 0;
  r->attention = calloc(bytes, 1);
  if (!r->attention) return err_memory(err, "attention's maps");
  r->room = positions;
  if (!rtl) return tensor_assembly_golden(&r->assembly, &r->engine->core, on_tensor, r, err);
  return tensor_assembly_open(&r->assembly, &r->engine->image.header, &r->observer, on_tensor, r,
                              err) ||
                 sim_observe_tensors(r->engine->sim, &r->observer, err)
             ? -1
             : 0;
}

int run_report_start(struct run_report *r, struct engine *engine, const struct gpt2rtl_model *model,
                     size_t n_prompt, size_t n_new, struct err *err) {
  size_t positions = n_prompt + n_new - (n_new > 0);
  if (!r->path) return 0;
  if (positions > model->config.n_ctx) positions = model->config.n_ctx;
  r->engine = engine;
  r->model = model;
  if (staged_open(&r->file, r->path, err)) return -1;
  r->used = calloc(model->config.vocab_size, sizeof *r->used);
  r->events = open_memstream(&r->event_text, &r->n_events);
  r->steps = open_memstream(&r->step_text, &r->n_steps);
  r->candidates = open_memstream(&r->candidate_text, &r->n_candidates);
  if (!r->used || !r->events || !r->steps || !r->candidates) return err_memory(err, "the report");
  if (engine->kind == ENGINE_RTL &&
      sim_observe_timeline(engine->sim, &r->timeline, on_event, r, err))
    return -1;
  return observe_attention(r, positions, err);
}

void run_report_candidates(struct run_report *r, const struct gpt2rtl_candidate *list, size_t n) {
  if (!r->path) return;
  for (size_t i = 0; i < n; i++) {
    fprintf(r->candidates, "%s{\"id\":%u,\"probability\":%.6g,\"drawn\":%.6g}", i ? "," : "",
            (unsigned)list[i].id, list[i].probability, list[i].drawn);
    r->used[list[i].id] = true;
  }
}

void run_report_position(struct run_report *r, const struct gpt2rtl_position_report *p) {
  if (!r->path) return;
  fflush(r->candidates);
  r->used[p->id] = true;
  if (p->chooses) r->used[p->choice] = true;
  fprintf(r->steps,
          ",\n{\"id\":%u,\"position\":%u,\"head\":%s,\"choice\":%u,\"recomputed\":%s,\"cycles\":"
          "%" PRIu64 ",\"candidates\":[%s]}",
          (unsigned)p->id, (unsigned)p->position, p->chooses ? "true" : "false",
          (unsigned)p->choice, p->recomputed ? "true" : "false", p->cycles,
          r->candidate_text ? r->candidate_text : "");
  fclose(r->candidates);
  free(r->candidate_text);
  r->candidate_text = NULL;
  r->candidates = open_memstream(&r->candidate_text, &r->n_candidates);
}

// ----------------------------------------------------------------------------------------- writing

// Writes a JSON string for a script element, which "</" would end.
static void put_text(FILE *f, const char *text, size_t length) {
  cJSON *json = text_json(text, length);
  char *printed = cJSON_PrintUnformatted(json);
  for (const char *c = printed ? printed : "null"; *c; c++)
    if (*c == '<') fputs("\\u003c", f);
    else fputc(*c, f);
  free(printed);
  cJSON_Delete(json);
}
static void put_string(FILE *f, const char *text) { put_text(f, text, strlen(text)); }

static void put_base64(FILE *f, const uint8_t *bytes, size_t n) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < n; i += 3) {
    const uint32_t three = (uint32_t)bytes[i] << 16 |
                           (i + 1 < n ? (uint32_t)bytes[i + 1] << 8 : 0) |
                           (i + 2 < n ? bytes[i + 2] : 0);
    fputc(digits[three >> 18], f);
    fputc(digits[three >> 12 & 63], f);
    fputc(i + 1 < n ? digits[three >> 6 & 63] : '=', f);
    fputc(i + 2 < n ? digits[three & 63] : '=', f);
  }
}

static void put_texts(struct run_report *r, FILE *f) {
  const char *comma = "";
  fputs(",\n\"texts\":{", f);
  for (uint32_t id = 0; id < r->model->config.vocab_size; id++) {
    size_t length = 0;
    const char *text = r->used[id] && r->model->tokenizer
                           ? tokenizer_token(r->model->tokenizer, id, &length)
                           : NULL;
    if (!text) continue;
    fprintf(f, "%s\"%u\":", comma, (unsigned)id);
    put_text(f, text, length);
    comma = ",";
  }
  fputc('}', f);
}

static void put_data(struct run_report *r, const struct run_report_about *about, FILE *f) {
  const struct gpt2_config *c = &r->model->config;
  const bool rtl = r->engine->kind == ENGINE_RTL;
  fputs("{\"model\":", f);
  put_string(f, about->model);
  fprintf(f, ",\"engine\":\"%s\"", engine_names[r->engine->kind]);
  if (rtl) {
    fprintf(f, ",\"lanes\":%u,\"memory\":", (unsigned)r->engine->image.header.lanes);
    put_string(f, about->memory);
    fprintf(f, ",\"floor\":%.1f", about->floor);
  }
  fprintf(f,
          ",\"seconds\":%.4f,\n\"shape\":{\"n_layer\":%zu,\"n_head\":%zu,\"n_embd\":%zu,\"n_ctx\":"
          "%zu,\"vocab_size\":%zu,\"parameters\":%zu},\n\"prompt\":[",
          about->seconds, c->n_layer, c->n_head, c->n_embd, c->n_ctx, c->vocab_size,
          config_parameters(c));
  for (size_t i = 0; i < about->n_prompt; i++) {
    fprintf(f, "%s%u", i ? "," : "", (unsigned)about->prompt[i]);
    r->used[about->prompt[i]] = true;
  }
  fputc(']', f);
  put_texts(r, f);
  fprintf(f, ",\n\"steps\":[%s]", r->n_steps ? r->step_text + 1 : "");
  fprintf(f, ",\n\"events\":[%s]", r->n_events ? r->event_text + 1 : "");
  if (about->counters) {
    fputs(",\n\"counters\":[", f);
    for (int i = 0; i < COUNT_PHASES * COUNT_WHATS; i++)
      fprintf(f, "%s%" PRIu64, i ? "," : "", about->counters->at[i / COUNT_WHATS][i % COUNT_WHATS]);
    fputc(']', f);
  }
  fprintf(f, ",\n\"positions\":%zu", r->positions);
  if (r->positions) {
    fputs(",\n\"attention\":[", f);
    for (size_t i = 0; i < c->n_layer * c->n_head; i++) {
      fputs(i ? ",\n\"" : "\n\"", f);
      put_base64(f, r->attention + i * triangle(r->room), triangle(r->positions));
      fputc('"', f);
    }
    fputc(']', f);
  }
  fputs("}\n", f);
}

int run_report_finish(struct run_report *r, const struct run_report_about *about, struct err *err) {
  static const char mark[] = "<!-- data -->";
  if (!r->path) return 0;
  if (fflush(r->steps) || fflush(r->events)) return err_memory(err, "the report");
  const char *at = strstr(report_page, mark);
  fwrite(report_page, 1, (size_t)(at - report_page), r->file.file);
  put_data(r, about, r->file.file);
  fputs(at + sizeof mark - 1, r->file.file);
  return staged_commit(&r->file, err);
}

void run_report_close(struct run_report *r) {
  if (r->events) fclose(r->events);
  if (r->steps) fclose(r->steps);
  if (r->candidates) fclose(r->candidates);
  tensor_assembly_close(&r->assembly);
  staged_discard(&r->file);
  free(r->event_text);
  free(r->step_text);
  free(r->candidate_text);
  free(r->attention);
  free(r->used);
  *r = (struct run_report){0};
}
