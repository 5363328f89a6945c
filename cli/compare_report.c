// SPDX-License-Identifier: Apache-2.0
#include "compare_report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "cli.h"

static const struct compare_tensor *tensor_of(const struct compare_result *r, size_t layer,
                                              int tensor) {
  return &r->tensors[layer * TENSORS + (size_t)tensor];
}

// ------------------------------------------------------------------------------------- saturations

// The counted saturations, with the ranges of docs/numerics.md.
static const struct {
  const char *name, *range;
} formats[4] = {
    {"row", "Q14.16: within 16384"},
    {"residual", "Q14.12: within 16384"},
    {"norm", "Q6.18: within 64"},
    {"prob", "V scale x probability below 4: values within 508"},
};

static uint64_t count_of(const struct saturation *s, int format) {
  return format == 0 ? s->row : format == 1 ? s->residual : format == 2 ? s->norm : s->prob;
}

static uint64_t total(const struct compare_result *r, int format) {
  uint64_t sum = 0;
  for (size_t i = 0; i < r->n_layer * TENSORS; i++) sum += count_of(&r->tensors[i].sat, format);
  return sum;
}

static void print_saturations(const struct compare_result *r) {
  if (!(total(r, 0) + total(r, 1) + total(r, 2) + total(r, 3))) {
    printf("saturations         none\n");
    return;
  }
  printf("saturations         row %" PRIu64 ", residual %" PRIu64 ", norm %" PRIu64
         ", prob %" PRIu64 ": numbers too large for their format were clipped\n",
         total(r, 0), total(r, 1), total(r, 2), total(r, 3));
  for (size_t layer = 0; layer < r->n_layer; layer++) {
    for (int i = 0; i < TENSORS; i++) {
      const struct compare_tensor *t = tensor_of(r, layer, i);
      for (int format = 0; format < 4; format++) {
        char name[TENSOR_NAME_SIZE];
        if (!count_of(&t->sat, format)) continue;
        tensor_name(name, (enum tensor)i, layer);
        printf("  %-18s%" PRIu64 " beyond %s, %s; float has %g at position %zu, element %zu\n",
               name, count_of(&t->sat, format), formats[format].name, formats[format].range,
               (double)t->sat_value, t->sat_position, t->sat_element);
      }
    }
  }
}

// ------------------------------------------------------------------------------------------ people

static const char *const columns[] = {"ln_1",  "c_attn",  "key",    "value",     "scores",
                                      "probs", "context", "c_proj", "resid_mid", "ln_2",
                                      "c_fc",  "act",     "c_proj", "layer"};

static void print_decibels(const struct compare_tensor *t, int width) {
  if (compare_decibels(t) >= COMPARE_EXACT) printf("%*s", width, "exact");
  else printf("%*.1f", width, compare_decibels(t));
}

static void print_ratios(const struct compare_result *r) {
  printf("\nsignal to noise, dB\n");
  for (int i = 0; i < TENSORS; i++) {
    char name[TENSOR_NAME_SIZE];
    if (tensor_in_layer((enum tensor)i)) continue;
    tensor_name(name, (enum tensor)i, 0);
    printf("  %s", name);
    print_decibels(tensor_of(r, 0, i), 6);
  }
  printf("\n  layer");
  for (size_t c = 0; c < sizeof columns / sizeof *columns; c++) printf("%10s", columns[c]);
  for (size_t layer = 0; layer < r->n_layer; layer++) {
    printf("\n  %5zu", layer);
    for (int i = TENSOR_LN_1; i <= TENSOR_LAYER; i++) print_decibels(tensor_of(r, layer, i), 10);
  }
  putchar('\n');
}

// Prints, for each kind of tensor, the layer with the largest error.
static void print_errors(const struct compare_result *r, const char *other) {
  printf("\nlargest errors        error       float  %10s  position  element\n", other);
  for (int i = 0; i < TENSORS; i++) {
    size_t worst = 0;
    char name[TENSOR_NAME_SIZE];
    for (size_t layer = 1; layer < r->n_layer; layer++)
      if (tensor_of(r, layer, i)->error > tensor_of(r, worst, i)->error) worst = layer;
    const struct compare_tensor *t = tensor_of(r, worst, i);
    tensor_name(name, (enum tensor)i, worst);
    printf("  %-18s%9.3g%12.6g%12.6g%10zu%9zu\n", name, t->error, (double)t->expected,
           (double)t->found, t->position, t->element);
  }
}

static void print_width(const char *name, int width) {
  if (width) printf(", %s %d", name, width);
  else printf(", %s float", name);
}

static void print_emulation(const struct emulation *e) {
  printf("emulation, not the hardware's arithmetic: bits of");
  printf(" weights ");
  if (e->weight_bits) printf("%d", e->weight_bits);
  else printf("float");
  if (e->weight_tensor) printf(" a scale a tensor");
  else if (e->weight_group) printf(" a scale each %d", e->weight_group);
  if (e->weight_least) printf(" of least error");
  if (e->weight_compensated) printf(" compensated");
  print_width("activations", e->activation_bits);
  if (e->activation_block) printf(" an exponent each %d", e->activation_block);
  print_width("keys and values", e->kv_bits);
  print_width("residual's fraction", e->residual_bits);
  print_width("segments of exp", e->exp_segments);
  print_width("of gelu", e->gelu_segments);
  putchar('\n');
}

int compare_print(const struct compare_result *r, const struct compare_about *about,
                  struct err *err) {
  const double n = (double)r->tokens, loss = r->nll / n, other = r->nll_other / n;
  const char *name = about->emulation ? "emulation" : "integers";
  if (about->emulation) print_emulation(about->emulation);
  printf("perplexity          float %.4f, %s %.4f: %+.3f %%\n"
         "most likely token   the same for %.2f %%\n"
         "divergence          mean %.3g nats, largest %.3g at position %zu\n"
         "tokens              %zu in %zu windows of %" PRIu64 "\n",
         exp(loss), name, exp(other), 100 * expm1(other - loss), 100 * (double)r->same / n,
         r->divergence / n, r->largest_divergence, r->largest_divergence_position, r->tokens,
         about->windows, about->context);
  if (!about->emulation) print_saturations(r);
  print_ratios(r);
  print_errors(r, name);
  return stdout_write("", 0, err);
}

// -------------------------------------------------------------------------------------------- JSON

static void add_emulation(cJSON *json, const struct emulation *e) {
  const struct {
    const char *name;
    int value;
  } fields[] = {
      {"weight_bits", e->weight_bits},
      {"weight_group", e->weight_group},
      {"activation_bits", e->activation_bits},
      {"activation_block", e->activation_block ? e->activation_block : 64},
      {"kv_bits", e->kv_bits},
      {"residual_bits", e->residual_bits},
      {"exp_segments", e->exp_segments},
      {"gelu_segments", e->gelu_segments},
  };
  cJSON *object = cJSON_AddObjectToObject(json, "emulation");
  cJSON_AddStringToObject(
      object, "note",
      "not the hardware's arithmetic; 0 bits or segments: float; weight_group 0: a row");
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
    cJSON_AddNumberToObject(object, fields[i].name, fields[i].value);
  cJSON_AddBoolToObject(object, "weight_tensor", e->weight_tensor);
  cJSON_AddStringToObject(object, "weight_scale",
                          e->weight_least         ? "least"
                          : e->weight_compensated ? "compensated"
                                                  : "max");
}

static void add_tensor(cJSON *array, const struct compare_tensor *t, enum tensor tensor,
                       size_t layer) {
  char name[TENSOR_NAME_SIZE];
  cJSON *object = cJSON_CreateObject();
  tensor_name(name, tensor, layer);
  cJSON_AddStringToObject(object, "name", name);
  cJSON_AddNumberToObject(object, "signal_to_noise_db", compare_decibels(t));
  cJSON_AddNumberToObject(object, "largest", t->largest);
  cJSON_AddNumberToObject(object, "largest_error", t->error);
  cJSON_AddNumberToObject(object, "float", (double)t->expected);
  cJSON_AddNumberToObject(object, "found", (double)t->found);
  cJSON_AddNumberToObject(object, "position", (double)t->position);
  cJSON_AddNumberToObject(object, "element", (double)t->element);
  for (int format = 0; format < 4; format++) {
    if (!count_of(&t->sat, format)) continue;
    cJSON *s = cJSON_AddObjectToObject(object, "saturation");
    cJSON_AddStringToObject(s, "format", formats[format].name);
    cJSON_AddStringToObject(s, "range", formats[format].range);
    cJSON_AddNumberToObject(s, "count", (double)count_of(&t->sat, format));
    cJSON_AddNumberToObject(s, "float", (double)t->sat_value);
    cJSON_AddNumberToObject(s, "position", (double)t->sat_position);
    cJSON_AddNumberToObject(s, "element", (double)t->sat_element);
  }
  cJSON_AddItemToArray(array, object);
}

cJSON *compare_json(const struct compare_result *r, const struct compare_about *about) {
  const double n = (double)r->tokens;
  cJSON *json = cJSON_CreateObject();
  json_add_name(json, "model", about->model);
  json_add_name(json, "text", about->text);
  cJSON_AddStringToObject(json, "engine", about->emulation ? "emulation" : "golden");
  if (about->emulation) add_emulation(json, about->emulation);
  cJSON_AddNumberToObject(json, "context", (double)about->context);
  cJSON_AddNumberToObject(json, "tokens", n);
  cJSON_AddNumberToObject(json, "perplexity_float", exp(r->nll / n));
  cJSON_AddNumberToObject(json, "perplexity", exp(r->nll_other / n));
  cJSON_AddNumberToObject(json, "likeliest_same", (double)r->same / n);
  cJSON_AddNumberToObject(json, "divergence", r->divergence / n);
  cJSON_AddNumberToObject(json, "largest_divergence", r->largest_divergence);
  cJSON *saturations = cJSON_AddObjectToObject(json, "saturations");
  for (int format = 0; format < 4; format++)
    cJSON_AddNumberToObject(saturations, formats[format].name, (double)total(r, format));
  cJSON *tensors = cJSON_AddArrayToObject(json, "tensors");
  for (size_t layer = 0; layer < r->n_layer; layer++)
    for (int i = 0; i < TENSORS; i++)
      if (layer == 0 || tensor_in_layer((enum tensor)i))
        add_tensor(tensors, tensor_of(r, layer, i), (enum tensor)i, layer);
  return json;
}
