// SPDX-License-Identifier: Apache-2.0
#include "evaluate.h"

#include <stdlib.h>
#include <string.h>

int evaluate_windows(struct window **windows, size_t *n_windows, size_t count, size_t context,
                     size_t stride, struct err *err) {
  if (count < 2) {
    return err_set(err, "the text has %zu tokens, expected at least 2: the first has no loss",
                   count);
  }
  *windows = malloc((count / stride + 1) * sizeof **windows);
  if (!*windows) return err_memory(err, "the list of windows");
  size_t n = 0;
  for (size_t begin = 0, scored = 1; scored < count; begin += stride) {
    const size_t end = count - begin < context ? count : begin + context;
    const size_t first = scored > begin ? scored - begin : 1;
    if (begin + first < end) (*windows)[n++] = (struct window){begin, end, first};
    scored = end;
  }
  *n_windows = n;
  return 0;
}

int evaluate_window(struct evaluate_sum *sum, struct scorer *scorer, const uint32_t *ids,
                    const struct window *window, struct token_score *scores, struct err *err) {
  const size_t n = window->end - window->begin;
  if (scorer_run(scorer, ids + window->begin, n, window->first, scores, err) != 0) return -1;
  *sum = (struct evaluate_sum){.tokens = n - window->first};
  for (size_t i = 0; i < sum->tokens; i++) {
    sum->nll += scores[i].nll;
    sum->likely += scores[i].likely;
  }
  return 0;
}

int evaluate_passage(struct passage *passage, const struct tokenizer *tokenizer, const char *text,
                     size_t n_ctx, struct err *err) {
  const char *last = strrchr(text, ' ');
  *passage = (struct passage){0};
  if (!last || last == text) return err_set(err, "'%.40s' has no word before its last", text);
  // Blanks at the end of the context belong to the target.
  size_t length = (size_t)(last - text);
  while (length > 0 && strchr(" \t\r\n\v\f", text[length - 1]) != NULL) length--;
  uint32_t *context;
  size_t n;
  if (tokenizer_encode_part(tokenizer, text, length, &context, &n, err) != 0) return -1;
  free(context);
  if (tokenizer_encode_part(tokenizer, text, strlen(text), &passage->ids, &passage->count, err) !=
      0)
    return -1;
  passage->target = passage->count > n ? passage->count - n : 0;
  if (passage->target == 0 || passage->target > n_ctx) {
    const size_t target = passage->target;
    free(passage->ids);
    *passage = (struct passage){0};
    return err_set(err, "the last word%.40s has %zu tokens, expected 1 to %zu", last, target,
                   n_ctx);
  }
  if (passage->count > n_ctx + 1) {
    const size_t cut = passage->count - (n_ctx + 1);
    passage->count -= cut;
    memmove(passage->ids, passage->ids + cut, passage->count * sizeof *passage->ids);
  }
  return 0;
}
