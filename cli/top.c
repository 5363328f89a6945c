// SPDX-License-Identifier: Apache-2.0
#include "top.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "golden.h"
#include "printable.h"
#include "utf8.h"

// Whether candidate a comes before b.
static bool before(const float *logits, uint32_t a, uint32_t b) {
  return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
}

size_t top_find(struct top_candidate *list, size_t n, const float *logits, uint32_t n_vocab,
                double temperature, uint32_t top_k, const struct host_sampling *host,
                uint32_t choice) {
  uint32_t ids[(int)TOP_MAX > (int)MAX_TOP_K ? (int)TOP_MAX : (int)MAX_TOP_K] = {0};
  const size_t wanted = n > top_k ? n : top_k;
  size_t found = 0;
  for (uint32_t i = 0; i < n_vocab; i++) {
    if (found == wanted && !before(logits, i, ids[found - 1])) continue;
    size_t at = found < wanted ? found++ : found - 1;
    for (; at > 0 && before(logits, i, ids[at - 1]); at--) ids[at] = ids[at - 1];
    ids[at] = i;
  }
  const double max = (double)logits[ids[0]];
  double all = 0, drawn = 0;
  for (uint32_t i = 0; i < n_vocab; i++) all += exp(((double)logits[i] - max) / temperature);
  for (size_t i = 0; i < found && i < top_k; i++)
    drawn += exp(((double)logits[ids[i]] - max) / temperature);
  if (n > found) n = found;
  for (size_t i = 0; i < n; i++) {
    const double e = exp(((double)logits[ids[i]] - max) / temperature);
    list[i] = (struct top_candidate){.id = ids[i],
                                     .probability = e / all,
                                     .drawn = host        ? host_sampling_share(host, ids[i])
                                              : i < top_k ? e / drawn
                                                          : 0};
    if (ids[i] == choice) choice = UINT32_MAX;
  }
  if (choice == UINT32_MAX) return n;
  const double e = exp(((double)logits[choice] - max) / temperature);
  bool can_be_drawn = false;
  for (size_t i = n; i < found && i < top_k; i++) can_be_drawn |= ids[i] == choice;
  list[n] = (struct top_candidate){.id = choice,
                                   .probability = e / all,
                                   .drawn = host           ? host_sampling_share(host, choice)
                                            : can_be_drawn ? e / drawn
                                                           : 0};
  return n + 1;
}

// A token in quotation marks: unprintable characters as \n, \", \\ or \xNN.
static void print_quoted(const char *text, size_t length) {
  putchar('"');
  for (size_t i = 0; i < length;) {
    const int n = utf8_character((const unsigned char *)text + i, length - i);
    const unsigned char c = (unsigned char)text[i];
    const size_t bytes = n > 0 ? (size_t)n : 1;
    if (c == '\n') fputs("\\n", stdout);
    else if (c == '"' || c == '\\') printf("\\%c", c);
    else if (n > 0 && printable_character((const unsigned char *)text + i, n))
      fwrite(text + i, 1, bytes, stdout);
    else
      for (size_t k = 0; k < bytes; k++) printf("\\x%02x", (unsigned char)text[i + k]);
    i += bytes;
  }
  putchar('"');
}

int top_print(const struct top_candidate *list, size_t n, uint32_t choice,
              const struct tokenizer *tokenizer, struct err *err) {
  for (size_t i = 0; i < n; i++) {
    size_t length = 0;
    const char *text = tokenizer ? tokenizer_token(tokenizer, list[i].id, &length) : NULL;
    printf("  %c %.4f  %.4f  %5u%s", list[i].id == choice ? '*' : ' ', list[i].probability,
           list[i].drawn, (unsigned)list[i].id, text ? "  " : "");
    if (text) print_quoted(text, length);
    putchar('\n');
  }
  return stdout_write("", 0, err);
}

cJSON *top_json(const struct top_candidate *list, size_t n, const struct tokenizer *tokenizer) {
  cJSON *json = cJSON_CreateArray();
  for (size_t i = 0; i < n; i++) {
    size_t length = 0;
    const char *text = tokenizer ? tokenizer_token(tokenizer, list[i].id, &length) : NULL;
    cJSON *candidate = cJSON_CreateObject();
    cJSON_AddNumberToObject(candidate, "id", list[i].id);
    if (text) cJSON_AddItemToObject(candidate, "text", text_json(text, length));
    cJSON_AddNumberToObject(candidate, "probability", list[i].probability);
    cJSON_AddNumberToObject(candidate, "drawn", list[i].drawn);
    cJSON_AddItemToArray(json, candidate);
  }
  return json;
}
