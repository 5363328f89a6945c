// SPDX-License-Identifier: Apache-2.0
//
// uartbone - reads and writes words on a board's bus, by LiteX's protocol over a link
//
// A request is a command (1: write, 2: read), a number of words up to 255, the first word's address
// divided by 4, in 4 bytes, and the words to write. The answer to a read is the words; a write has
// no answer. Numbers have their highest byte first. The board drops a request that does not end
// within 100 ms.
#ifndef GPT2RTL_UARTBONE_H
#define GPT2RTL_UARTBONE_H

#include <stddef.h>
#include <stdint.h>

#include "link.h"

// Read or write n words at ascending addresses. `address` is a multiple of 4. Errors: the link's.
int uartbone_read(struct link *link, uint32_t address, uint32_t *words, size_t n, struct err *err);
int uartbone_write(struct link *link, uint32_t address, const uint32_t *words, size_t n,
                   struct err *err);

#endif
