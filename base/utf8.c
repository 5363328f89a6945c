// SPDX-License-Identifier: Apache-2.0
#include "utf8.h"

// The range of the second byte excludes overlong forms (E0, F0), surrogates (ED) and code points
// above U+10FFFF (F4). All later bytes are 80..BF.
int utf8_character(const unsigned char *text, size_t length) {
  unsigned char lead = text[0];
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4) return UTF8_INVALID;
  int size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (int i = 1; i < size; i++) {
    if ((size_t)i == length) return UTF8_INCOMPLETE;
    if (text[i] < low || text[i] > high) return UTF8_INVALID;
    low = 0x80;
    high = 0xBF;
  }
  return size;
}

size_t utf8_valid_prefix(const unsigned char *text, size_t length) {
  size_t valid = 0;
  while (valid < length) {
    int size = utf8_character(text + valid, length - valid);
    if (size <= 0) break;
    valid += (size_t)size;
  }
  return valid;
}

size_t utf8_write(unsigned char text[static 3], unsigned code_point) {
  if (code_point < 0x80) {
    text[0] = (unsigned char)code_point;
    return 1;
  }
  if (code_point < 0x800) {
    text[0] = (unsigned char)(0xC0 | code_point >> 6);
    text[1] = (unsigned char)(0x80 | (code_point & 0x3F));
    return 2;
  }
  text[0] = (unsigned char)(0xE0 | code_point >> 12);
  text[1] = (unsigned char)(0x80 | (code_point >> 6 & 0x3F));
  text[2] = (unsigned char)(0x80 | (code_point & 0x3F));
  return 3;
}
