// SPDX-License-Identifier: Apache-2.0
// byte_alphabet - the 256 characters with which GPT-2's vocabulary files write bytes
//
// vocab.json and merges.txt are text, but tokens are bytes. Each byte is written as one character.
// The 188 printable characters of Latin-1 (21..7E, A1..AC, AE..FF) stand for themselves; the other
// 68 bytes, in ascending order, are U+0100, U+0101, ... So a space is U+0120 and a newline U+010A.
// Source: bytes_to_unicode() in https://github.com/openai/gpt-2, src/encoder.py.

#ifndef GPT2RTL_BYTE_ALPHABET_H
#define GPT2RTL_BYTE_ALPHABET_H

#include <stddef.h>

// The code point that stands for byte, U+0021..U+0143.
unsigned byte_alphabet_encode(unsigned char byte);

// Translates characters of the alphabet (UTF-8) to the bytes that they stand for. bytes has room
// for length and may be text itself. Returns the number of bytes, or -1 if a character is not in
// the alphabet.
long byte_alphabet_decode(unsigned char *bytes, const unsigned char *text, size_t length);

// Writes bytes as characters of the alphabet (UTF-8), at most 2 * length bytes. Returns the number
// of bytes written.
size_t byte_alphabet_write(unsigned char *text, const unsigned char *bytes, size_t length);

// The byte with rank 0..255 in GPT-2's order of ids, printable characters first.
unsigned char byte_alphabet_order(unsigned rank);

#endif
