// SPDX-License-Identifier: Apache-2.0
// http_server - a small HTTP/1.1 server on loopback for tests, which answers as a test tells it to
#ifndef GPT2RTL_HTTP_SERVER_H
#define GPT2RTL_HTTP_SERVER_H

#include <stddef.h>
#include <stdint.h>

// A request: GET path, with Range: bytes=begin- or begin 0 and ranged 0.
struct http_request {
  char path[1024];
  uint64_t begin;
  int ranged;
};

// Answers on the connection fd, which is then closed. Called in a thread of its own for each
// connection.
typedef void (*http_handler)(int fd, const struct http_request *request);

// Starts a server for the rest of the process. Returns its port.
int http_server_start(http_handler handler);

// Writes all of it; what a closed connection does not accept is lost.
void http_send(int fd, const void *bytes, size_t length);
void http_print(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
