// SPDX-License-Identifier: Apache-2.0
//
// cli - functions that the subcommands of gpt2rtl share: options, messages, files, models
#ifndef GPT2RTL_CLI_H
#define GPT2RTL_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "config.h"
#include "err.h"
#include "estimate.h"
#include "gpt2rtl.h"
#include "image.h"
#include "staged.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

// struct gpt2rtl_error and struct err have the same layout.
static inline struct gpt2rtl_error *public_error(struct err *err) {
  return (struct gpt2rtl_error *)(void *)err;
}

// Each command takes the arguments after its name, and returns an exit status.
int generate_main(int argc, char **argv);
int report_main(int argc, char **argv);
int logits_main(int argc, char **argv);
int dump_main(int argc, char **argv);
int tokenize_main(int argc, char **argv);
int detokenize_main(int argc, char **argv);
int compile_main(int argc, char **argv);
int info_main(int argc, char **argv);
int random_model_main(int argc, char **argv);
int fetch_main(int argc, char **argv);
int estimate_main(int argc, char **argv);
int perplexity_main(int argc, char **argv);
int lambada_main(int argc, char **argv);
int compare_main(int argc, char **argv);
int bench_main(int argc, char **argv);
int cache_main(int argc, char **argv);
int board_main(int argc, char **argv);

// Prints "gpt2rtl: text" on standard error, in a form that is safe on a terminal.
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
// Prints err in the same way. Returns EXIT_FAILED. If a signal was the reason, the program ends by
// that signal, without a message.
int cli_fail(const struct err *err);
// Prints "gpt2rtl COMMAND: text", and how to get help. Returns EXIT_USAGE.
int cli_usage(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

// ----------------------------------------------------------------------------------------- options

struct option_spec {
  const char *name;    // with its dashes
  const char **value;  // receives the value, which is the next argument or the text after "="; NULL
                       // for a flag
  bool *flag;  // set for a flag. With value too: the option may be repeated, and value has room for
               // OPTION_MANY and a final NULL
};
enum { OPTION_MANY = 16 };

// Parses argv. Options may come in any order; "--help" prints help on standard output; an argument
// that is not an option goes to *positional if that is not NULL, at most one. Returns -1 to
// continue, or the exit status.
int options_parse(const char *command, const char *help, const struct option_spec *specs,
                  size_t n_specs, int argc, char **argv, const char **positional);

// Reads decimal digits, without sign or blanks. Returns the character after them, or NULL if there
// are none or too many.
const char *parse_u64(const char *text, uint64_t *value);
// Read an option's value. The whole text must be a number within the range. Return 0, or EXIT_USAGE
// with a message.
int option_u64(const char *command, const char *name, const char *text, uint64_t low, uint64_t high,
               uint64_t *value);
int option_double(const char *command, const char *name, const char *text, double low, double high,
                  double *value);
// "1,2,3": the caller frees *ids.
int option_ids(const char *command, const char *name, const char *text, uint32_t **ids,
               size_t *count);
// 64 times a power of two, to 4096.
int option_lanes(const char *command, const char *text, uint32_t *lanes);
// --positions, --engines and --folding, each as given or NULL: gpt2_top's parameters.
struct batch_text {
  const char *positions, *engines, *folding;
};
// Reads them. Defaults: 1; as many as positions; 1.
int option_batch(const char *command, const struct batch_text *text, struct estimate_batch *batch);
// "A:B" or "A": positions. Returns 0, or EXIT_USAGE with a message that names the option.
int option_positions(const char *command, const char *option, const char *text, uint64_t *first,
                     uint64_t *last);

// ------------------------------------------------------------------------------------------- files

// Reads all of a file, or of standard input if path is "-". The caller frees *text, which ends with
// a zero after its length bytes. Errors: it cannot be read; out of memory.
int input_read(const char *path, char **text, size_t *length, struct err *err);
// Writes to standard output without buffering. Errors: it is closed or full.
int stdout_write(const void *data, size_t length, struct err *err);

struct cJSON;
// Makes a JSON string of text: bytes that are not UTF-8, and zeros, become U+FFFD. json_add_name
// adds such a string to an object.
struct cJSON *text_json(const char *text, size_t length);
void json_add_name(struct cJSON *object, const char *key, const char *text);
// Writes JSON text, and escapes what is unsafe on a terminal (printable.h) as \uNNNN.
void json_print(FILE *file, const char *text);
// Prints json in this way on standard output, and deletes it. Errors: stdout_write's; out of
// memory.
int stdout_json(struct cJSON *json, struct err *err);

// Makes a name safe on a terminal (printable.h), truncated to the room. Returns `to`.
enum { CLI_NAME_SIZE = 8192 };
const char *cli_name(char to[CLI_NAME_SIZE], const char *name);

// ------------------------------------------------------------------------------------------ models

// model_image_open with messages on standard error about what it makes and keeps.
int model_image(struct image *image, const char *dir, uint32_t lanes, struct err *err);

// Writes image as text. The beats go to path for $readmemh, one per line. Sizes and configuration
// go, as Verilog parameters, to path with .vh in place of .hex (or appended to another name).
// Errors: one of the files cannot be written.
int compile_hex(const char *path, const struct image *image, struct err *err);
// Writes an image for several memory ports: the header, which has their number, then one stripe
// after another, each padded with zeros to a multiple of 4096 bytes. stripes is 2, 4, ... 32.
// Errors: path cannot be written.
int compile_stripes(const char *path, const struct image *image, uint32_t stripes, struct err *err);

#endif
