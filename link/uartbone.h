// SPDX-License-Identifier: Apache-2.0
//
// uartbone - words on a board's bus, by LiteX's protocol over a link
//
// A request is a command (1: write, 2: read), a number of words up to 255, the address of the first
// divided by 4 in 4 bytes, and what is written. An answer is the words that were read. Numbers have
// their highest byte first. A write has no answer. The board drops a request that does not end in
// 100 ms.
#ifndef GPT2RTL_UARTBONE_H
#define GPT2RTL_UARTBONE_H

#include <stddef.h>
#include <stdint.h>

#include "link.h"

// n words at ascending addresses from a multiple of 4 on. Errors: the link's.
int uartbone_read(struct link *link, uint32_t address, uint32_t *words, size_t n, struct err *err);
int uartbone_write(struct link *link, uint32_t address, const uint32_t *words, size_t n,
                   struct err *err);

#endif
