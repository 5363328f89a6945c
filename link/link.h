// SPDX-License-Identifier: Apache-2.0
//
// link - bytes to and from a board: a serial port, or a TCP socket to a simulated board
#ifndef GPT2RTL_LINK_H
#define GPT2RTL_LINK_H

#include <stddef.h>

#include "err.h"

struct link;

// Opens "tcp:HOST:PORT", or a serial port by its path at `baud` bits a second, 8N1, without flow
// control. Bytes that arrived before are dropped. Release with link_close, which also accepts NULL.
// Errors: the port or host does not exist, may not be used, is not a serial port, or does not
// support the rate.
int link_open(struct link **link, const char *port, unsigned baud, struct err *err);
void link_close(struct link *link);

// Sends or receives all n bytes. Errors: the cable was pulled out; the other side closed; no byte
// moved for the given number of seconds, which is 2 for sending.
int link_write(struct link *link, const void *bytes, size_t n, struct err *err);
int link_read(struct link *link, void *bytes, size_t n, double seconds, struct err *err);
// Drops all bytes until the link has been silent for the given number of seconds.
void link_drain(struct link *link, double seconds);

#endif
