// SPDX-License-Identifier: Apache-2.0
#include "token_text.h"

#include <stdlib.h>

int token_text_open(struct token_text *t, struct err *err) {
  const bool stops = t->stop_texts && t->stop_texts[0];
  t->stop.texts = t->stop_texts;
  if (!t->model->tokenizer || !(t->show || stops)) return 0;
  t->room = malloc(tokenizer_push_room(t->model->tokenizer));
  return t->room ? 0 : err_memory(err, "a token's text");
}

static int show(struct token_text *t, const char *bytes, size_t n) {
  if (!n || !t->show || !t->show(t->ctx, bytes, n)) return 0;
  t->result->ending = GPT2RTL_END_CALLER;
  t->silent = true;
  return 1;
}

// Shows bytes up to a stop text. Returns 1 if the stop text came or show ended the run.
static int show_until_stop(struct token_text *t, const char *bytes, size_t n, struct err *err) {
  size_t ready;
  if (!t->stop.texts || !t->stop.texts[0]) return show(t, bytes, n);
  if (stop_text_push(&t->stop, bytes, n, &ready, err)) return -1;
  if (show(t, t->stop.held, ready)) return 1;
  stop_text_drop(&t->stop, ready);
  if (!t->stop.found) return 0;
  t->result->ending = GPT2RTL_END_STOP;
  while (t->stop.texts[t->result->stop_text] != t->stop.found) t->result->stop_text++;
  return 1;
}

int token_text_push(struct token_text *t, uint32_t id, struct err *err) {
  if (!t->ignore_end && gpt2rtl_is_end(t->model, id)) {  // which is not part of the text
    t->result->ending = GPT2RTL_END_TOKEN;
    return id != config_eos(&t->model->config);
  }
  if (!t->room) return 0;
  const size_t n = tokenizer_push(t->model->tokenizer, &t->decoder, id, t->room);
  return show_until_stop(t, t->room, n, err);
}

int token_text_finish(struct token_text *t, struct err *err) {
  char rest[TOKENIZER_HELD];
  const size_t n = tokenizer_flush(&t->decoder, rest);
  if (t->silent || t->result->ending == GPT2RTL_END_STOP) return 0;
  const int ended = show_until_stop(t, rest, n, err);
  if (!ended) show(t, t->stop.held, t->stop.n_held);
  return ended < 0 ? -1 : 0;
}

void token_text_free(struct token_text *t) {
  stop_text_free(&t->stop);
  free(t->room);
  t->room = NULL;
}
