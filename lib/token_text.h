// SPDX-License-Identifier: Apache-2.0
//
// token_text - turns the tokens of a run into text, up to a token that ends a text or a stop text
#ifndef GPT2RTL_TOKEN_TEXT_H
#define GPT2RTL_TOKEN_TEXT_H

#include "internal.h"
#include "stop_text.h"

// Set the first members, then call token_text_open.
struct token_text {
  const struct gpt2rtl_model *model;
  bool ignore_end;                // tokens that end a text do not end the run
  const char *const *stop_texts;  // NULL, or ended by NULL
  // NULL, or receives the text in whole characters. A non-zero return value ends the run.
  int (*show)(void *ctx, const char *bytes, size_t n);
  void *ctx;
  struct gpt2rtl_result *result;  // receives ending and stop_text

  struct tokenizer_decoder decoder;
  struct stop_text stop;
  char *room;   // for the text of one token; NULL: the run needs no text
  bool silent;  // show has ended the run
};

// Release with token_text_free, also after an error. Errors: out of memory.
int token_text_open(struct token_text *text, struct err *err);

// Takes the next token. Returns 0 to continue the run, 1 to end it, or -1 with err. At the token
// that config_eos gives it returns 0, because the run ends there by itself.
int token_text_push(struct token_text *text, uint32_t id, struct err *err);

// Shows the text that is held back at the end of the run. Returns 0, or -1 with err.
int token_text_finish(struct token_text *text, struct err *err);

// Harmless on a zeroed struct.
void token_text_free(struct token_text *text);

#endif
