// SPDX-License-Identifier: Apache-2.0
//
// link - bytes to and from a board: a serial port, or a TCP socket where a simulated one listens
#ifndef GPT2RTL_LINK_H
#define GPT2RTL_LINK_H

#include <stddef.h>

#include "err.h"

struct link;

// Opens "tcp:HOST:PORT", or a serial port by its path at `baud` bits a second, 8N1, without flow
// control. Bytes that came before are dropped. Release with link_close, which takes NULL. Errors:
// the port or host is not there, may not be used, is no serial port, does not have the rate.
int link_open(struct link **link, const char *port, unsigned baud, struct err *err);
void link_close(struct link *link);

// Sends or receives all n bytes. Errors: the cable was pulled out; the other side closed; nothing
// moved for so many seconds, which is 2 for sending.
int link_write(struct link *link, const void *bytes, size_t n, struct err *err);
int link_read(struct link *link, void *bytes, size_t n, double seconds, struct err *err);
// Drops what comes until the link has been silent for so many seconds.
void link_drain(struct link *link, double seconds);

#endif
