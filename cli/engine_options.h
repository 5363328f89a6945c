// SPDX-License-Identifier: Apache-2.0
//
// engine_options - the options that choose an engine (engine.h) and set it up
#ifndef GPT2RTL_ENGINE_OPTIONS_H
#define GPT2RTL_ENGINE_OPTIONS_H

#include "cli.h"
#include "engine.h"

#define OPTION_ENGINE_HELP                                                                         \
  "  --engine E          rtl, the default: the simulated hardware; golden: the same integers and " \
  "result in C;\n"                                                                                 \
  "                      golden-readable: the same from the code that the hardware is tested "     \
  "against, slower;\n"                                                                             \
  "                      float: the reference in float32\n"
// Returns 0, or EXIT_USAGE with a message.
int option_engine(const char *command, const char *text, enum engine_kind *kind);

// The options of the simulated hardware as given, or NULL: other engines do not use them. Returns
// 0, or EXIT_USAGE with a message.
int option_rtl(const char *command, enum engine_kind kind, const char *lanes, const char *memory,
               const char *clock);

// --threads and --vector as given, or NULL, for the golden engine. Without --threads: the number of
// processors, at most 8. Returns 0, or EXIT_USAGE with a message, also when one is given for
// another engine.
int option_fast(const char *command, enum engine_kind kind, const char *threads, const char *vector,
                struct fast_options *fast);
#define OPTION_FAST_HELP                                                                          \
  "  --threads N         threads of the golden engine, 1 to 256; default: the number of "         \
  "processors, at most 8. Any\n"                                                                  \
  "                      number gives the same result\n"                                          \
  "  --vector V          vector code of the golden engine: portable, avx2, avx512vnni, neon, or " \
  "auto, the default: the\n"                                                                      \
  "                      fastest that this machine runs. Each gives the same result\n"

// --temperature, --top-k and --seed as given, or NULL.
struct drawing_options {
  double temperature;  // as given; 1 if not, with --top-k, --seed or another option that draws
  uint32_t top_k;      // as given, or 40
  uint64_t seed;       // as given, or from the clock
  bool draws, seed_given;
};
// another: an option is given without which nothing would be drawn. Returns 0, or EXIT_USAGE with a
// message.
int option_drawing(const char *command, const char *temperature, const char *top_k,
                   const char *seed, bool another, struct drawing_options *drawing);

// Reports on standard error what images are made and kept (files.c).
extern const struct model_note cli_note;
// The same for simulators: how long making one takes, and that it is not kept.
void engine_say(void);

#endif
