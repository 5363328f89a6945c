// SPDX-License-Identifier: Apache-2.0
//
// printable - makes text from files, file names and command lines safe to print on a terminal
//
// A terminal takes control characters as commands, and a direction mark reverses the text after it,
// so one name could look like another. Each byte of such a character, and each byte that is not
// UTF-8, is written as \xNN.
#ifndef GPT2RTL_PRINTABLE_H
#define GPT2RTL_PRINTABLE_H

#include <stdbool.h>
#include <stddef.h>

// Whether a character of n bytes, as found by utf8_character, is safe: it is not C0 (line ends
// included), DEL, C1, a line or paragraph separator, or a direction mark, embedding, override or
// isolate.
bool printable_character(const unsigned char *text, int n);

// Writes length bytes of text in safe form, and a terminating zero, to `to`. It is truncated to
// room bytes; PRINTABLE_ROOM(length) always suffices.
#define PRINTABLE_ROOM(length) (4 * (length) + 1)
void printable(char *to, size_t room, const char *text, size_t length);

#endif
