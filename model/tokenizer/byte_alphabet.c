// SPDX-License-Identifier: Apache-2.0
#include "byte_alphabet.h"

#include "utf8.h"

enum { N_RANGES = 3, N_PRINTABLE = 188, FIRST_STAND_IN = 0x100 };

struct range {
  unsigned first, last;
};

static const struct range printable[N_RANGES] = {{0x21, 0x7E}, {0xA1, 0xAC}, {0xAE, 0xFF}};
static const struct range others[N_RANGES] = {{0x00, 0x20}, {0x7F, 0xA0}, {0xAD, 0xAD}};

// The rank of `byte` among the bytes of the ranges, in ascending order; -1 if it is in none.
static int rank_in(const struct range *ranges, unsigned byte) {
  unsigned before = 0;
  for (int i = 0; i < N_RANGES; i++) {
    if (byte >= ranges[i].first && byte <= ranges[i].last)
      return (int)(before + byte - ranges[i].first);
    before += ranges[i].last - ranges[i].first + 1;
  }
  return -1;
}

// The byte of that rank; -1 if there are fewer.
static int byte_at(const struct range *ranges, unsigned rank) {
  for (int i = 0; i < N_RANGES; i++) {
    unsigned size = ranges[i].last - ranges[i].first + 1;
    if (rank < size) return (int)(ranges[i].first + rank);
    rank -= size;
  }
  return -1;
}

unsigned byte_alphabet_encode(unsigned char byte) {
  int rank = rank_in(others, byte);
  return rank < 0 ? byte : FIRST_STAND_IN + (unsigned)rank;
}

unsigned char byte_alphabet_order(unsigned rank) {
  return (unsigned char)(rank < N_PRINTABLE ? byte_at(printable, rank)
                                            : byte_at(others, rank - N_PRINTABLE));
}

long byte_alphabet_decode(unsigned char *bytes, const unsigned char *text, size_t length) {
  long count = 0;
  for (size_t i = 0; i < length; i++) {
    unsigned character = text[i];
    if (character >= 0xC2 && character <= 0xC5 && i + 1 < length && text[i + 1] >> 6 == 2)
      character = (character & 0x1F) << 6 | (text[++i] & 0x3F);
    else if (character >= 0x80) return -1;
    int byte = -1;
    if (character >= FIRST_STAND_IN) byte = byte_at(others, character - FIRST_STAND_IN);
    else if (rank_in(printable, character) >= 0) byte = (int)character;
    if (byte < 0) return -1;
    bytes[count++] = (unsigned char)byte;
  }
  return count;
}

size_t byte_alphabet_write(unsigned char *text, const unsigned char *bytes, size_t length) {
  size_t size = 0;
  for (size_t i = 0; i < length; i++) {
    unsigned char character[3];
    size_t count = utf8_write(character, byte_alphabet_encode(bytes[i]));
    for (size_t k = 0; k < count; k++) text[size++] = character[k];
  }
  return size;
}
