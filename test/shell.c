// SPDX-License-Identifier: Apache-2.0
#include "model_test.h"

#include <ctype.h>
#include <sys/wait.h>

#include "shell.h"

enum { LINE = 1 << 15 };
char shell_out[SHELL_OUTPUT], shell_err[SHELL_OUTPUT];
size_t shell_out_length;

static void append(char line[static LINE], const char *text, size_t n) {
  const size_t length = strlen(line);
  if (length + n >= LINE) fail_msg("the command line is too long: %.100s", line);
  memcpy(line + length, text, n);
  line[length + n] = 0;
}

static void append_expanded(char line[static LINE], const char *folder, const char *program,
                            const char *text) {
  for (const char *c = text; *c; c++) {
    const bool word = c == text || (!isalnum((unsigned char)c[-1]) && !strchr("/_-.@'\"=", c[-1]));
    if (*c == '@' && (c == text || c[-1] != '$')) {
      append(line, folder, strlen(folder));
    } else if (word && !strncmp(c, "gpt2rtl ", 8)) {
      append(line, program, strlen(program));
      c += 6;
    } else {
      append(line, c, 1);
    }
  }
}

static size_t slurp(FILE *file, char text[static SHELL_OUTPUT]) {
  assert_non_null(file);
  rewind(file);
  const size_t n = fread(text, 1, SHELL_OUTPUT - 1, file);
  text[n] = 0;
  fclose(file);
  return n;
}

size_t shell_read(const char *path, char text[static SHELL_OUTPUT]) {
  return slurp(fopen(path, "rb"), text);
}

// What the command writes goes to files without a name, so that no test comes across them.
static int run(const char *folder, const char *cache, unsigned seconds, const char *text) {
  char line[LINE] = "export XDG_CACHE_HOME='", here[2048], program[sizeof here + 64], ends[128];
  FILE *out = tmpfile(), *err = tmpfile();
  assert_true(out && err && getcwd(here, sizeof here));
  if (seconds) snprintf(program, sizeof program, "timeout %u '%s/build/gpt2rtl'", seconds, here);
  else snprintf(program, sizeof program, "'%s/build/gpt2rtl'", here);
  if (!cache) append(line, here, strlen(here));
  append_expanded(line, folder, "", cache ? cache : "/build/models/cache");
  append(line, "'; { ", 5);
  append_expanded(line, folder, program, text);
  snprintf(ends, sizeof ends, "\n} > /dev/fd/%d 2> /dev/fd/%d", fileno(out), fileno(err));
  append(line, ends, strlen(ends));
  const int status = system(line);
  shell_out_length = slurp(out, shell_out);
  slurp(err, shell_err);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void format_line(char text[static LINE], const char *format, va_list args) {
  if (vsnprintf(text, LINE, format, args) >= LINE)
    fail_msg("the command line is too long: %.100s", text);
}

int shell_run(const char *folder, const char *cache, unsigned seconds, const char *format, ...) {
  char text[LINE];
  va_list args;
  va_start(args, format);
  format_line(text, format, args);
  va_end(args);
  return run(folder, cache, seconds, text);
}

void shell_expect(const char *folder, const char *cache, unsigned seconds, int status,
                  const char *format, ...) {
  char text[LINE];
  va_list args;
  va_start(args, format);
  format_line(text, format, args);
  va_end(args);
  const int found = run(folder, cache, seconds, text);
  if (found != status)
    fail_msg("%s: exit status %d, expected %d; %s", text, found, status, shell_err);
}

void shell_expect_text(const char *text, const char *fragment) {
  if (!strstr(text, fragment)) fail_msg("expected \"%s\" in: %s", fragment, text);
}
