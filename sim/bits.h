// SPDX-License-Identifier: Apache-2.0
//
// bits - fields of wide values kept as 32-bit words, least significant word first (Verilator's
// layout)
#ifndef GPT2RTL_BITS_H
#define GPT2RTL_BITS_H

#include <stdint.h>

#define BITS_WORDS(width) (((width) + 31) / 32)

// Puts the low `width` bits of value (1..64) at bit lsb of words.
static inline void bits_put(uint32_t *words, unsigned lsb, unsigned width, uint64_t value) {
  for (unsigned done = 0; done < width;) {
    unsigned at = (lsb + done) % 32, n = 32 - at < width - done ? 32 - at : width - done;
    uint32_t mask = (n == 32 ? UINT32_MAX : (1u << n) - 1) << at;
    uint32_t *w = &words[(lsb + done) / 32];
    *w = (*w & ~mask) | ((uint32_t)(value >> done) << at & mask);
    done += n;
  }
}

// The `width` bits (1..64) at bit lsb of words, unsigned.
static inline uint64_t bits_get(const uint32_t *words, unsigned lsb, unsigned width) {
  uint64_t value = 0;
  for (unsigned done = 0; done < width;) {
    unsigned at = (lsb + done) % 32, n = 32 - at < width - done ? 32 - at : width - done;
    uint64_t mask = n == 32 ? UINT32_MAX : (1u << n) - 1;
    value |= ((words[(lsb + done) / 32] >> at) & mask) << done;
    done += n;
  }
  return value;
}

// value's low `width` bits (1..64) as a two's complement number.
static inline int64_t bits_sign(uint64_t value, unsigned width) {
  return (int64_t)(value << (64 - width)) >> (64 - width);
}

#endif
