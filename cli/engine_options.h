// SPDX-License-Identifier: Apache-2.0
//
// engine_options - options that choose an engine (engine.h) and set it up
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

// Refuses the simulated hardware's options, each as given or NULL, for other engines. Returns 0, or
// EXIT_USAGE with a message.
int option_rtl(const char *command, enum engine_kind kind, const char *lanes, const char *memory,
               const char *clock);

// Reads the options of option_batch, and makes them parameters of the hardware that is simulated
// (library_parameters). Returns 0, or EXIT_USAGE with a message. It is an error to give any of them
// for another engine.
int option_machine(const char *command, enum engine_kind kind, const struct batch_text *text,
                   struct estimate_batch *batch);

// Reads --threads and --vector, each as given or NULL, for the golden engine. The default of
// --threads is the number of processors, at most 8. Returns 0, or EXIT_USAGE with a message. It is
// an error to give either of them for another engine.
int option_fast(const char *command, enum engine_kind kind, const char *threads, const char *vector,
                struct fast_options *fast);
#define OPTION_FAST_HELP                                                                          \
  "  --threads N         threads of the golden engine, 1 to 256; default: the number of "         \
  "processors, at most 8. Any\n"                                                                  \
  "                      number gives the same result\n"                                          \
  "  --vector V          vector code of the golden engine: portable, avx2, avx512vnni, neon, or " \
  "auto, the default: the\n"                                                                      \
  "                      fastest that this machine runs. Each gives the same result\n"

// The values of --temperature, --top-k and --seed.
struct drawing_options {
  double temperature;  // as given; by default 1 with --top-k, --seed or another option that draws,
                       // else 0
  uint32_t top_k;      // as given, or 40
  uint64_t seed;       // as given, or from the clock
  bool draws, seed_given;
};
// Reads the three options, each as given or NULL. `another` means that another option that draws is
// given. Returns 0, or EXIT_USAGE with a message.
int option_drawing(const char *command, const char *temperature, const char *top_k,
                   const char *seed, bool another, struct drawing_options *drawing);

// Reports on standard error which images are made and kept (files.c).
extern const struct model_note cli_note;
// Does the same for simulators: reports how long making one takes, and if it cannot be kept.
void engine_say(void);

#endif
