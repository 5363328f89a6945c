// SPDX-License-Identifier: Apache-2.0
//
// printable - text from files, file names and command lines in a form that is safe on a terminal
//
// A terminal interprets control characters as commands, and direction marks reverse the text after
// them, so a name could look like another. Each byte of such a character, and of text that is not
// UTF-8, is written as \xNN.
#ifndef GPT2RTL_PRINTABLE_H
#define GPT2RTL_PRINTABLE_H

#include <stdbool.h>
#include <stddef.h>

// Whether a character of n bytes, as utf8_character finds it, is safe: not C0 (including line
// ends), DEL, C1, a line or paragraph separator, or a mark, embedding, override or isolate of
// direction.
bool printable_character(const unsigned char *text, int n);

// Writes text and a terminating zero to room bytes, truncated if it does not fit.
// PRINTABLE_ROOM(length) always suffices.
#define PRINTABLE_ROOM(length) (4 * (length) + 1)
void printable(char *to, size_t room, const char *text, size_t length);

#endif
