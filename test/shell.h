// SPDX-License-Identifier: Apache-2.0
//
// shell - runs command lines with the program, for tests of what it says and how it ends
//
// Include after model_test.h.
#ifndef GPT2RTL_TEST_SHELL_H
#define GPT2RTL_TEST_SHELL_H

#include <stdbool.h>
#include <stddef.h>

// What the last command wrote, each ended by a zero.
enum { SHELL_OUTPUT = 1 << 18 };
extern char shell_out[SHELL_OUTPUT], shell_err[SHELL_OUTPUT];
extern size_t shell_out_length;

// Runs a command line, formatted as by printf, in the shell. In it "@" (but not "$@") is the
// folder, and "gpt2rtl", as a word with something after it, is build/gpt2rtl, which has `seconds`,
// or 0 for any time. cache: the program's XDG_CACHE_HOME, "@" in it too; NULL is the one that the
// tests share, build/models/cache. Returns the exit status, or -1 after a signal. A line that is
// too long fails the test.
int shell_run(const char *folder, const char *cache, unsigned seconds, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

// The same, and fails the test unless the exit status is this one.
void shell_expect(const char *folder, const char *cache, unsigned seconds, int status,
                  const char *format, ...) __attribute__((format(printf, 5, 6)));

// Reads a file, which must be there, and ends it by a zero. Returns its length.
size_t shell_read(const char *path, char text[static SHELL_OUTPUT]);

// The text holds the fragment, or the test fails.
void shell_expect_text(const char *text, const char *fragment);

#endif
