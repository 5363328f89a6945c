// SPDX-License-Identifier: Apache-2.0
#include "uartbone.h"

enum { WRITE = 1, READ = 2, HEAD = 6, MOST = 255 };

// Highest byte first.
static void put(uint8_t bytes[4], uint32_t word) {
  for (int i = 0; i < 4; i++) bytes[i] = (uint8_t)(word >> (24 - 8 * i));
}

static uint32_t get(const uint8_t bytes[4]) {
  uint32_t word = 0;
  for (int i = 0; i < 4; i++) word = word << 8 | bytes[i];
  return word;
}

static void head(uint8_t bytes[HEAD], uint8_t command, size_t n, uint32_t address) {
  bytes[0] = command;
  bytes[1] = (uint8_t)n;
  put(bytes + 2, address / 4);
}

int uartbone_read(struct link *link, uint32_t address, uint32_t *words, size_t n, struct err *err) {
  uint8_t request[HEAD], answer[4 * MOST];
  while (n) {
    const size_t part = n < MOST ? n : MOST;
    head(request, READ, part, address);
    if (link_write(link, request, sizeof request, err) || link_read(link, answer, 4 * part, 2, err))
      return -1;
    for (size_t i = 0; i < part; i++) words[i] = get(answer + 4 * i);
    words += part;
    address += (uint32_t)(4 * part);
    n -= part;
  }
  return 0;
}

int uartbone_write(struct link *link, uint32_t address, const uint32_t *words, size_t n,
                   struct err *err) {
  uint8_t request[HEAD + 4 * MOST];
  while (n) {
    const size_t part = n < MOST ? n : MOST;
    head(request, WRITE, part, address);
    for (size_t i = 0; i < part; i++) put(request + HEAD + 4 * i, words[i]);
    if (link_write(link, request, HEAD + 4 * part, err)) return -1;
    words += part;
    address += (uint32_t)(4 * part);
    n -= part;
  }
  return 0;
}
