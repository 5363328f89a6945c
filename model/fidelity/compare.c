// SPDX-License-Identifier: Apache-2.0
#include "compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// ----------------------------------------------------------------------------------------- results

int compare_result_create(struct compare_result *result, const struct gpt2_config *config,
                          struct err *err) {
  *result = (struct compare_result){.n_layer = config->n_layer};
  result->tensors = calloc(config->n_layer * TENSORS, sizeof *result->tensors);
  return !result->tensors ? err_memory(err, "the result") : 0;
}

void compare_result_free(struct compare_result *result) {
  free(result->tensors);
  *result = (struct compare_result){0};
}

double compare_decibels(const struct compare_tensor *tensor) {
  return tensor->positions == 0 ? COMPARE_EXACT : tensor->decibels / (double)tensor->positions;
}

static void merge_tensor(struct compare_tensor *all, const struct compare_tensor *more) {
  all->decibels += more->decibels;
  all->positions += more->positions;
  all->largest = fmax(all->largest, more->largest);
  if (more->error > all->error) {
    all->error = more->error;
    all->position = more->position;
    all->element = more->element;
    all->expected = more->expected;
    all->found = more->found;
  }
  all->sat.row += more->sat.row;
  all->sat.residual += more->sat.residual;
  all->sat.norm += more->sat.norm;
  all->sat.prob += more->sat.prob;
  if (fabsf(more->sat_value) > fabsf(all->sat_value)) {
    all->sat_value = more->sat_value;
    all->sat_position = more->sat_position;
    all->sat_element = more->sat_element;
  }
}

void compare_result_merge(struct compare_result *all, const struct compare_result *more) {
  for (size_t i = 0; i < all->n_layer * TENSORS; i++)
    merge_tensor(&all->tensors[i], &more->tensors[i]);
  all->tokens += more->tokens;
  all->divergence += more->divergence;
  if (more->largest_divergence > all->largest_divergence) {
    all->largest_divergence = more->largest_divergence;
    all->largest_divergence_position = more->largest_divergence_position;
  }
  all->same += more->same;
  all->nll += more->nll;
  all->nll_other += more->nll_other;
}

// ----------------------------------------------------------------------------------------- tensors

static float *recorded(const struct compare *c, const struct tensor_place *place) {
  return c->record + place->position % GPT2_FLOAT_BATCH * c->record_size +
         c->offset[place->layer * TENSORS + place->tensor];
}

static void observe_reference(void *ctx, const struct tensor_place *place, const float *x,
                              size_t n) {
  memcpy(recorded(ctx, place), x, n * sizeof *x);
}

// Compares x[n] of the reference with y[n] of the other engine.
static void compare_one(struct compare_tensor *t, size_t position, const float *x, const float *y,
                        size_t n) {
  double signal = 0, noise = 0;
  for (size_t i = 0; i < n; i++) {
    const double e = fabs((double)x[i] - (double)y[i]);
    signal += (double)x[i] * (double)x[i];
    noise += e * e;
    t->largest = fmax(t->largest, fabs((double)x[i]));
    if (e > t->error) {
      t->error = e;
      t->position = position;
      t->element = i;
      t->expected = x[i];
      t->found = y[i];
    }
  }
  const double decibels = noise > 0 ? 10 * log10(signal / noise) : COMPARE_EXACT;
  t->decibels += fmin(fmax(decibels, -COMPARE_EXACT), COMPARE_EXACT);
  t->positions++;
}

// Records saturations on the way to a tensor, which is x[n] in the reference. They are attributed
// to the largest element of x.
static void add_saturations(struct compare_tensor *t, const struct saturation *sat, size_t position,
                            const float *x, size_t n) {
  if (saturation_sum(sat) == 0) return;
  t->sat.row += sat->row;
  t->sat.residual += sat->residual;
  t->sat.norm += sat->norm;
  t->sat.prob += sat->prob;
  for (size_t i = 0; i < n; i++) {
    if (fabsf(x[i]) > fabsf(t->sat_value)) {
      t->sat_value = x[i];
      t->sat_position = position;
      t->sat_element = i;
    }
  }
}

static void observe_other(void *ctx, const struct tensor_place *place, const float *y, size_t n) {
  struct compare *c = ctx;
  struct compare_tensor *t = &c->result->tensors[place->layer * TENSORS + place->tensor];
  compare_one(t, place->position, recorded(c, place), y, n);
  if (c->core.image) {
    struct saturation sat = c->assembly.sat[place->tensor];
    if (sat.prob > 0) {  // of probability x V scale: the value was too large
      struct tensor_place value = *place;
      value.tensor = TENSOR_VALUE;
      const struct saturation prob = {.prob = sat.prob};
      add_saturations(t - place->tensor + TENSOR_VALUE, &prob, place->position, recorded(c, &value),
                      c->config.n_embd);
      sat.prob = 0;
    }
    add_saturations(t, &sat, place->position, recorded(c, place), n);
  }
  if (place->tensor == TENSOR_LM_HEAD) memcpy(c->logits, y, n * sizeof *y);
}

// ------------------------------------------------------------------------------------- predictions

// ln sum exp(x), and the index of the largest; of equals the first.
static double log_sum(const float *x, size_t n, size_t *likeliest) {
  *likeliest = 0;
  for (size_t i = 1; i < n; i++) *likeliest = x[i] > x[*likeliest] ? i : *likeliest;
  const double max = (double)x[*likeliest];
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += exp((double)x[i] - max);
  return max + log(sum);
}

static void predictions(struct compare *c, size_t position, const float *x, const float *y) {
  struct compare_result *r = c->result;
  const size_t V = c->config.vocab_size;
  const uint32_t target = c->ids[position + 1];
  size_t likeliest, likeliest_other;
  const double x_sum = log_sum(x, V, &likeliest), y_sum = log_sum(y, V, &likeliest_other);
  double divergence = 0;
  for (size_t v = 0; v < V; v++) {
    const double log_p = (double)x[v] - x_sum, log_q = (double)y[v] - y_sum;
    divergence += exp(log_p) * (log_p - log_q);
  }
  r->divergence += divergence;
  if (divergence > r->largest_divergence) {
    r->largest_divergence = divergence;
    r->largest_divergence_position = position;
  }
  r->same += likeliest == likeliest_other;
  r->nll += x_sum - (double)x[target];
  r->nll_other += y_sum - (double)y[target];
  r->tokens++;
}

// Runs the other engine on a position that the reference has computed and recorded.
static int take(void *ctx, size_t position, const float *logits) {
  struct compare *c = ctx;
  const uint32_t id = c->ids[position];
  if (!c->other) gpt2_core_step(&c->core, id, (uint32_t)position, true);
  else if (gpt2_float_step(c->other, id, position, c->logits, NULL) != 0)
    return -1;  // cannot happen: the reference accepted the same id
  predictions(c, position, logits, c->logits);
  return 0;
}

int compare_run(struct compare *c, const uint32_t *ids, size_t count, struct compare_result *result,
                struct err *err) {
  if (count < 2 || count > c->config.n_ctx + 1)
    return err_set(err, "%zu ids, expected 2 to %zu", count, c->config.n_ctx + 1);
  c->ids = ids;
  c->result = result;
  if (ids[count - 1] >= c->config.vocab_size) {
    return err_set(err, "id %lu at index %zu, expected ids below %zu",
                   (unsigned long)ids[count - 1], count - 1, c->config.vocab_size);
  }
  return gpt2_float_sequence(c->reference, ids, count - 1, 0, take, c, err);
}

// ----------------------------------------------------------------------------------------- opening

int compare_open(struct compare *c, const struct gpt2_weights *reference, const struct image *image,
                 struct gpt2_float *other, struct err *err) {
  *c = (struct compare){.config = reference->config, .other = other};
  const size_t entries = c->config.n_layer * TENSORS;
  c->offset = calloc(entries, sizeof *c->offset);
  if (!c->offset) return err_memory(err, "the record of the reference");
  for (size_t i = 0; i < entries; i++) {
    const enum tensor tensor = (enum tensor)(i % TENSORS);
    c->offset[i] = c->record_size;
    if (i < TENSORS || tensor_in_layer(tensor))
      c->record_size += tensor_elements(&c->config, tensor, c->config.n_ctx - 1);
  }
  c->record = malloc(GPT2_FLOAT_BATCH * c->record_size * sizeof *c->record);
  c->logits = malloc(c->config.vocab_size * sizeof *c->logits);
  if (!c->record || !c->logits) return err_memory(err, "the record of the reference");
  if (gpt2_float_create(&c->reference, reference, err) != 0) return -1;
  gpt2_float_observe(c->reference, observe_reference, c);
  if (other) {
    gpt2_float_observe(other, observe_other, c);
    return 0;
  }
  return gpt2_core_create(&c->core, image, err) != 0 ||
                 tensor_assembly_golden(&c->assembly, &c->core, observe_other, c, err) != 0
             ? -1
             : 0;
}

void compare_close(struct compare *c) {
  tensor_assembly_close(&c->assembly);
  gpt2_core_destroy(&c->core);
  gpt2_float_free(c->other);
  gpt2_float_free(c->reference);
  free(c->record);
  free(c->offset);
  free(c->logits);
  *c = (struct compare){0};
}
