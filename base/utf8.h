// SPDX-License-Identifier: Apache-2.0
// utf8 - finds characters in bytes that may not be UTF-8

#ifndef GPT2RTL_UTF8_H
#define GPT2RTL_UTF8_H

#include <stddef.h>

enum {
  UTF8_INVALID = 0,      // the first byte begins no character
  UTF8_INCOMPLETE = -1,  // a character begins, but the bytes end before it does
};

// The length 1..4 of the character at text[0], or one of the values above. text has length >= 1
// bytes. It is as strict as RFC 3629, section 4: no overlong forms, no surrogates, nothing above
// U+10FFFF.
int utf8_character(const unsigned char *text, size_t length);

// The number of bytes from text[0] on that are complete, valid characters.
size_t utf8_valid_prefix(const unsigned char *text, size_t length);

// Writes code_point (up to U+FFFF, no surrogate) to text and returns its length, 1..3.
size_t utf8_write(unsigned char text[static 3], unsigned code_point);

#endif
