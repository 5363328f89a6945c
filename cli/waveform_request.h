// SPDX-License-Identifier: Apache-2.0
//
// waveform_request - options of generate that write a waveform
#ifndef GPT2RTL_WAVEFORM_REQUEST_H
#define GPT2RTL_WAVEFORM_REQUEST_H

#include "engine.h"

struct waveform_request {
  const char *path, *tokens, *scopes, *limit_text;  // as given, or NULL
  bool wide;
  // derived
  uint64_t first, last, limit;  // positions; bytes
  bool positions_given;
};

#define WAVEFORM_SPECS(o)                                                               \
  {"--trace", &(o).path, NULL}, {"--trace-tokens", &(o).tokens, NULL},                  \
      {"--trace-scope", &(o).scopes, NULL}, {"--trace-limit", &(o).limit_text, NULL}, { \
    "--trace-wide", NULL, &(o).wide                                                     \
  }
// Their part of the help.
#define WAVEFORM_HELP                                                                             \
  "  --trace FILE.fst    write a waveform (rtl only) and FILE.gtkw, which groups its signals: "   \
  "gtkwave FILE.gtkw. Its\n"                                                                      \
  "                      size is estimated by a trial first, and printed\n"                       \
  "  --trace-tokens A:B  positions A to B (or one, A) of the waveform, counted from 0 in the "    \
  "order of the run; default: the\n"                                                              \
  "                      last of the prompt, after which the first token is chosen\n"             \
  "  --trace-scope LIST  modules of the waveform, separated by commas: an instance's name, "      \
  "softmax or\n"                                                                                  \
  "                      u_attention_core.u_softmax; after a colon the number of levels: 1, the " \
  "default, is its own ports\n"                                                                   \
  "                      and signals; 0 is all. Default gpt2_top; gpt2_top:0 is everything\n"     \
  "  --trace-wide        include signals wider than 256 bits: beats of weights\n"                 \
  "  --trace-limit MB    refuse a larger waveform, 1 to 1000000; default 1000\n"

// Returns 0, or EXIT_USAGE with a message.
int waveform_parse(const char *command, struct waveform_request *options);

// Makes engine's next run, of n_prompt prompt ids and n_new generated ones, write the waveform.
// Prints an estimate of its size on standard error. Errors: it would be larger than the limit; the
// run does not reach the positions; sim_observe_waveform's.
int waveform_start(struct engine *engine, const struct waveform_request *options, size_t n_prompt,
                   uint64_t n_new, struct err *err);

#endif
