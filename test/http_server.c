// SPDX-License-Identifier: Apache-2.0
#include "http_server.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

static http_handler handler;
static int listener;

void http_send(int fd, const void *bytes, size_t length) {
  for (const char *at = bytes; length > 0;) {
    const ssize_t n = send(fd, at, length, MSG_NOSIGNAL);
    if (n <= 0) return;
    at += n;
    length -= (size_t)n;
  }
}

void http_print(int fd, const char *format, ...) {
  char text[2048];
  va_list args;
  va_start(args, format);
  const int length = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  http_send(fd, text, (size_t)length);
}

static void *serve(void *arg) {
  const int fd = (int)(intptr_t)arg;
  char text[8192];
  size_t length = 0;
  struct http_request request = {0};
  while (length + 1 < sizeof text) {
    const ssize_t n = recv(fd, text + length, sizeof text - 1 - length, 0);
    if (n <= 0) break;
    length += (size_t)n;
    text[length] = 0;
    if (strstr(text, "\r\n\r\n")) break;
  }
  if (length > 0 && sscanf(text, "GET %1023s", request.path) == 1) {
    const char *range = strcasestr(text, "\r\nRange: bytes=");
    if (range) {
      request.ranged = 1;
      request.begin = strtoull(range + 15, NULL, 10);
    }
    handler(fd, &request);
  }
  shutdown(fd, SHUT_WR);
  while (recv(fd, text, sizeof text, 0) >
         0) {  // if it were closed with bytes unread, the answer would be lost
  }
  close(fd);
  return NULL;
}

static void *accept_all(void *unused) {
  (void)unused;
  for (;;) {
    pthread_t thread;
    const int fd = accept(listener, NULL, NULL);
    if (fd < 0) continue;
    if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) == 0) pthread_detach(thread);
    else close(fd);
  }
  return NULL;
}

int http_server_start(http_handler answer) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof address;
  pthread_t thread;
  handler = answer;
  listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) || listen(listener, 16) ||
      getsockname(listener, (struct sockaddr *)&address, &size) ||
      pthread_create(&thread, NULL, accept_all, NULL)) {
    perror("http_server");
    exit(1);
  }
  pthread_detach(thread);
  return ntohs(address.sin_port);
}
