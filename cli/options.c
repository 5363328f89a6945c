// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "interrupt.h"
#include "printable.h"

const char *cli_name(char to[CLI_NAME_SIZE], const char *name) {
  printable(to, CLI_NAME_SIZE, name, strlen(name));
  return to;
}

// Prints a line on standard error.
static void say(const char *begin, const char *format, va_list args) {
  char *text = NULL;
  const int length = vasprintf(&text, format, args);
  char *shown = length < 0 ? NULL : malloc(PRINTABLE_ROOM((size_t)length));
  if (shown) printable(shown, PRINTABLE_ROOM((size_t)length), text, (size_t)length);
  fprintf(stderr, "%s: %s\n", begin, shown ? shown : "out of memory for a message");
  free(shown);
  if (length >= 0) free(text);
}

void cli_say(const char *format, ...) {
  va_list args;
  va_start(args, format);
  say("gpt2rtl", format, args);
  va_end(args);
}

int cli_fail(const struct err *err) {
  fflush(stdout);
  if (interrupt_pending()) interrupt_end();
  fprintf(stderr, "gpt2rtl: %s\n", err->text);
  return EXIT_FAILED;
}

int cli_usage(const char *command, const char *format, ...) {
  char begin[64];
  va_list args;
  snprintf(begin, sizeof begin, "gpt2rtl %s", command);
  va_start(args, format);
  say(begin, format, args);
  va_end(args);
  fprintf(stderr, "gpt2rtl %s --help lists the options\n", command);
  return EXIT_USAGE;
}

static const struct option_spec *find(const struct option_spec *specs, size_t n_specs,
                                      const char *text, size_t length) {
  for (size_t i = 0; i < n_specs; i++)
    if (strlen(specs[i].name) == length && !memcmp(specs[i].name, text, length)) return &specs[i];
  return NULL;
}

int options_parse(const char *command, const char *help, const struct option_spec *specs,
                  size_t n_specs, int argc, char **argv, const char **positional) {
  struct err err;
  for (int i = 0; i < argc; i++)
    if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
      return stdout_write(help, strlen(help), &err) ? cli_fail(&err) : EXIT_DONE;
  for (int i = 0; i < argc; i++) {
    if (argv[i][0] != '-' || !argv[i][1]) {
      if (!positional || *positional)
        return cli_usage(command, "unexpected argument '%s'", argv[i]);
      *positional = argv[i];
      continue;
    }
    const size_t length = strcspn(argv[i], "=");
    const struct option_spec *spec = find(specs, n_specs, argv[i], length);
    if (!spec) return cli_usage(command, "unknown option '%.*s'", (int)length, argv[i]);
    if (!spec->value) {
      if (argv[i][length]) return cli_usage(command, "%s takes no value", spec->name);
      *spec->flag = true;
      continue;
    }
    const char **value = spec->value;
    if (spec->flag) {
      while (*value) value++;
      if (value == spec->value + OPTION_MANY)
        return cli_usage(command, "%s is given more than %d times", spec->name, OPTION_MANY);
      *spec->flag = true;
    }
    if (*value) return cli_usage(command, "%s is given twice", spec->name);
    if (argv[i][length]) *value = argv[i] + length + 1;
    else if (i + 1 < argc) *value = argv[++i];
    else return cli_usage(command, "%s needs a value", spec->name);
  }
  return -1;
}

const char *parse_u64(const char *text, uint64_t *value) {
  if (*text < '0' || *text > '9') return NULL;
  char *end;
  errno = 0;
  *value = strtoull(text, &end, 10);
  return errno ? NULL : end;
}

int option_u64(const char *command, const char *name, const char *text, uint64_t low, uint64_t high,
               uint64_t *value) {
  const char *end = parse_u64(text, value);
  if (end && !*end && *value >= low && *value <= high) return 0;
  return cli_usage(command, "%s '%s': expected a whole number from %llu to %llu", name, text,
                   (unsigned long long)low, (unsigned long long)high);
}

int option_double(const char *command, const char *name, const char *text, double low, double high,
                  double *value) {
  char *end;
  *value = strtod(text, &end);
  if (*text && !*end && *value >= low && *value <= high) return 0;
  return cli_usage(command, "%s '%s': expected a number from %g to %g", name, text, low, high);
}

int option_ids(const char *command, const char *name, const char *text, uint32_t **ids,
               size_t *count) {
  size_t n = 1;
  for (const char *c = text; *c; c++) n += *c == ',';
  *ids = calloc(n, sizeof **ids);
  *count = 0;
  for (const char *at = text; *ids && *at;) {
    uint64_t value;
    const char *end = parse_u64(at, &value);
    if (!end || value > UINT32_MAX || (*end && *end != ',') || (*end == ',' && !end[1])) {
      free(*ids);
      *ids = NULL;
      return cli_usage(command,
                       "%s '%s': ids are decimal numbers separated by commas, as in 464,2068,7586",
                       name, text);
    }
    (*ids)[(*count)++] = (uint32_t)value;
    at = *end ? end + 1 : end;
  }
  return 0;
}

int option_lanes(const char *command, const char *text, uint32_t *lanes) {
  uint64_t value = 0;
  const char *end = parse_u64(text, &value);
  if (!end || *end || value < 64 || value > 4096 || (value & (value - 1)))
    return cli_usage(command, "--lanes '%s': expected 64, 128, 256, 512, 1024, 2048 or 4096", text);
  *lanes = (uint32_t)value;
  return 0;
}

// Whether text is a power of two, up to `most`.
static bool is_power(const char *text, uint64_t most, uint64_t *value) {
  const char *end = parse_u64(text, value);
  return end && !*end && *value && *value <= most && !(*value & (*value - 1));
}

int option_batch(const char *command, const struct batch_text *text, struct estimate_batch *batch) {
  uint64_t p = 1, e, f = 1;
  if (text->positions && !is_power(text->positions, 16, &p))
    return cli_usage(command, "--positions '%s': expected 1, 2, 4, 8 or 16", text->positions);
  e = p;
  if (text->engines && !is_power(text->engines, p, &e))
    return cli_usage(command, "--engines '%s': expected 1, 2, 4, ... --positions, which is %u",
                     text->engines, (unsigned)p);
  if (text->folding && !is_power(text->folding, 16, &f))
    return cli_usage(command, "--folding '%s': expected 1, 2, 4, 8 or 16", text->folding);
  *batch = (struct estimate_batch){(uint32_t)p, (uint32_t)e, (uint32_t)f};
  return 0;
}

int option_positions(const char *command, const char *option, const char *text, uint64_t *first,
                     uint64_t *last) {
  char *end;
  const char *colon = strchr(text, ':'), *second = colon ? colon + 1 : text;
  *first = strtoull(text, &end, 10);
  const bool good = *text >= '0' && *text <= '9' && end == (colon ? colon : text + strlen(text));
  *last = strtoull(second, &end, 10);
  if (good && *second >= '0' && *second <= '9' && !*end && *first <= *last && *last < UINT32_MAX)
    return 0;
  return cli_usage(command, "%s '%s': expected A:B, two positions, or one position", option, text);
}
