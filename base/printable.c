// SPDX-License-Identifier: Apache-2.0
#include "printable.h"

#include <stdio.h>
#include <string.h>

#include "utf8.h"

bool printable_character(const unsigned char *text, int n) {
  if (n == 1) return text[0] >= 0x20 && text[0] != 0x7f;
  if (n == 2) {
    const unsigned c = (text[0] & 0x1fu) << 6 | (text[1] & 0x3fu);
    return c >= 0xa0 && c != 0x61c;
  }
  if (n == 3) {
    const unsigned c = (text[0] & 0xfu) << 12 | (text[1] & 0x3fu) << 6 | (text[2] & 0x3fu);
    return !(c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
             (c >= 0x2066 && c <= 0x2069));
  }
  return true;
}

void printable(char *to, size_t room, const char *text, size_t length) {
  size_t at = 0;
  for (size_t i = 0; i < length;) {
    const unsigned char *c = (const unsigned char *)text + i;
    const int n = utf8_character(c, length - i);
    const bool plain = n > 0 && printable_character(c, n);
    const size_t bytes = n > 0 ? (size_t)n : 1, wanted = plain ? bytes : 4 * bytes;
    if (at + wanted + 1 > room) break;
    if (plain) memcpy(to + at, c, bytes);
    for (size_t k = 0; !plain && k < bytes; k++) snprintf(to + at + 4 * k, 5, "\\x%02x", c[k]);
    at += wanted;
    i += bytes;
  }
  to[at] = 0;
}
