// SPDX-License-Identifier: Apache-2.0
//
// printable - text from files, file names and command lines, as a terminal may see it
//
// A terminal takes control characters for commands, and characters that set a direction turn what
// follows around: a name could show what it is not. Each byte of such a character, and of what is
// no UTF-8, is written as \xNN.
#ifndef GPT2RTL_PRINTABLE_H
#define GPT2RTL_PRINTABLE_H

#include <stdbool.h>
#include <stddef.h>

// Whether a character of n bytes, as utf8_character finds it, is none of C0 (with line ends), DEL,
// C1, line and paragraph separators, and marks, embeddings, overrides and isolates of direction.
bool printable_character(const unsigned char *text, int n);

// Writes text, with a zero behind it, to room bytes; what does not fit is left out from there on.
// PRINTABLE_ROOM(length) fits always.
#define PRINTABLE_ROOM(length) (4 * (length) + 1)
void printable(char *to, size_t room, const char *text, size_t length);

#endif
