// SPDX-License-Identifier: Apache-2.0
//
// internal - the contents of gpt2rtl.h's opaque types, for gpt2rtl itself, which uses more of an
// engine: waveforms, counters, AXI
#ifndef GPT2RTL_INTERNAL_H
#define GPT2RTL_INTERNAL_H

#include <stdatomic.h>

#include "config.h"
#include "engine.h"
#include "gpt2rtl.h"
#include "tokenizer.h"

struct gpt2rtl_model {
  char *folder, *image;  // either may be NULL
  uint32_t lanes;        // the image's; 0 without an image
  struct gpt2_config config;
  struct tokenizer *tokenizer;  // NULL: no_tokenizer says why
  struct err no_tokenizer;
};

struct gpt2rtl_engine {
  const struct gpt2rtl_model *model;
  struct engine engine;
  struct fast_options fast;
  uint32_t position;   // of the sequence that gpt2rtl_step computes
  atomic_bool in_use;  // in a call
};

// gpt2rtl_engine_open with all options of engine_open. The image in options must be the model's.
int internal_engine_open(struct gpt2rtl_engine **engine, const struct gpt2rtl_model *model,
                         enum engine_kind kind, const struct engine_options *options,
                         struct err *err);

// Copies err to error, or formats an error. Returns -1.
int internal_fail(struct gpt2rtl_error *error, const struct err *err);
int internal_fail_text(struct gpt2rtl_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Copies a struct that begins with its size, from a caller built for this version or an older one,
// to `to`, which has `size` bytes; members that the caller lacks become zero. Errors: `from` is
// NULL; its size is that of no version (the text has the expected one).
int internal_take(void *to, const void *from, size_t size, const char *what,
                  struct gpt2rtl_error *error);

// Marks the engine as in use until internal_end. Errors: it is already in use.
int internal_begin(struct gpt2rtl_engine *engine, struct gpt2rtl_error *error);
void internal_end(struct gpt2rtl_engine *engine);

#endif
