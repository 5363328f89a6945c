// SPDX-License-Identifier: Apache-2.0
//
// link - moves bytes to and from a board, by a serial port, or by TCP to a simulated board
#ifndef GPT2RTL_LINK_H
#define GPT2RTL_LINK_H

#include <stddef.h>

#include "err.h"

struct link;

// Opens "tcp:HOST:PORT", or the serial port at a path with `baud` bits per second, 8N1, without
// flow control. Bytes that arrived earlier are dropped. Release with link_close, which also accepts
// NULL. Errors: the port or host does not exist; it may not be used; it is not a serial port; it
// does not support the rate.
int link_open(struct link **link, const char *port, unsigned baud, struct err *err);
void link_close(struct link *link);

// Send or receive all n bytes. Errors: the cable was pulled out; the other side closed; no byte
// moved for `seconds` (2 for sending).
int link_write(struct link *link, const void *bytes, size_t n, struct err *err);
int link_read(struct link *link, void *bytes, size_t n, double seconds, struct err *err);
// Drops received bytes until the link has been silent for `seconds`.
void link_drain(struct link *link, double seconds);

#endif
