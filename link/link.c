// SPDX-License-Identifier: Apache-2.0
#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/serial.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

struct link {
  int fd;
  char name[256];
};

static const struct {
  unsigned baud;
  speed_t speed;
} speeds[] = {{115200, B115200},   {230400, B230400},   {460800, B460800},   {500000, B500000},
              {921600, B921600},   {1000000, B1000000}, {1500000, B1500000}, {2000000, B2000000},
              {3000000, B3000000}, {4000000, B4000000}};

// -------------------------------------------------------------------------------------------- open

static int open_tcp(struct link *l, const char *address, struct err *err) {
  char host[200];
  const char *colon = strrchr(address, ':');
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
  if (!colon || colon == address || !colon[1] || (size_t)(colon - address) >= sizeof host)
    return err_set(err, "port '%s': expected tcp:HOST:PORT", l->name);
  memcpy(host, address, (size_t)(colon - address));
  host[colon - address] = 0;
  const int found = getaddrinfo(host, colon + 1, &hints, &list);
  if (found) return err_set(err, "%s: %s", l->name, gai_strerror(found));
  errno = 0;
  for (const struct addrinfo *a = list; a && l->fd < 0; a = a->ai_next) {
    l->fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
    if (l->fd >= 0 && connect(l->fd, a->ai_addr, a->ai_addrlen)) {
      const int why = errno;
      close(l->fd);
      errno = why;
      l->fd = -1;
    }
  }
  freeaddrinfo(list);
  if (l->fd < 0)
    return err_set(err, "%s: %s: start the simulated board first (make board-sim)", l->name,
                   strerror(errno));
  setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
  return 0;
}

static int open_serial(struct link *l, const char *path, unsigned baud, struct err *err) {
  struct termios raw;
  struct serial_struct serial;
  speed_t speed = B0;
  for (size_t i = 0; i < sizeof speeds / sizeof *speeds; i++)
    if (speeds[i].baud == baud) speed = speeds[i].speed;
  if (speed == B0) return err_set(err, "%u baud: a serial port does not have this rate", baud);
  l->fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (l->fd < 0)
    return err_set(err, "%s: %s%s", path, strerror(errno),
                   errno == ENOENT   ? ": is the board's cable in? ls /dev/ttyUSB* lists the ports"
                   : errno == EACCES ? ": your user may not use it; on Debian the group dialout may"
                                     : "");
  if (tcgetattr(l->fd, &raw)) return err_set(err, "%s: not a serial port", path);
  cfmakeraw(&raw);
  raw.c_cflag = (raw.c_cflag & (tcflag_t) ~(CSTOPB | CRTSCTS)) | CLOCAL | CREAD;
  if (cfsetspeed(&raw, speed) || tcsetattr(l->fd, TCSANOW, &raw))
    return err_set(err, "%s: %u baud: %s", path, baud, strerror(errno));
  // Without this, USB converters hold a short answer for 16 ms. Not all drivers support it.
  if (!ioctl(l->fd, TIOCGSERIAL, &serial)) {
    serial.flags |= ASYNC_LOW_LATENCY;
    ioctl(l->fd, TIOCSSERIAL, &serial);
  }
  tcflush(l->fd, TCIOFLUSH);
  return 0;
}

int link_open(struct link **link, const char *port, unsigned baud, struct err *err) {
  struct link *l = calloc(1, sizeof *l);
  *link = NULL;
  if (!l) return err_memory(err, "the link");
  l->fd = -1;
  snprintf(l->name, sizeof l->name, "%s", port);
  if (!strncmp(port, "tcp:", 4) ? open_tcp(l, port + 4, err) : open_serial(l, port, baud, err)) {
    link_close(l);
    return -1;
  }
  fcntl(l->fd, F_SETFL, fcntl(l->fd, F_GETFL) | O_NONBLOCK);
  *link = l;
  return 0;
}

void link_close(struct link *l) {
  if (!l) return;
  if (l->fd >= 0) close(l->fd);
  free(l);
}

// -------------------------------------------------------------------------------------------- move

// Waits until the link can be read or written. Returns 1, or 0 if it cannot in time.
static int wait_for(const struct link *l, short events, double seconds) {
  struct pollfd p = {.fd = l->fd, .events = events};
  const int ready = poll(&p, 1, (int)(seconds * 1000));
  return ready > 0 || (ready < 0 && errno == EINTR);
}

static int gone(const struct link *l, const char *why, struct err *err) {
  return err_set(err, "%s: the connection is lost (%s): is the cable still in, and the board on?",
                 l->name, why);
}

int link_write(struct link *l, const void *bytes, size_t n, struct err *err) {
  const char *at = bytes;
  while (n) {
    const ssize_t sent = write(l->fd, at, n);
    if (sent > 0) {
      at += sent;
      n -= (size_t)sent;
    } else if (sent < 0 && errno != EAGAIN && errno != EINTR) {
      return gone(l, strerror(errno), err);
    } else if (!wait_for(l, POLLOUT, 2)) {
      return err_set(err, "%s: the board accepts no more bytes", l->name);
    }
  }
  return 0;
}

int link_read(struct link *l, void *bytes, size_t n, double seconds, struct err *err) {
  char *at = bytes;
  while (n) {
    const ssize_t came = read(l->fd, at, n);
    if (came > 0) {
      at += came;
      n -= (size_t)came;
    } else if (came == 0) {
      return gone(l, "closed", err);
    } else if (errno != EAGAIN && errno != EINTR) {
      return gone(l, strerror(errno), err);
    } else if (!wait_for(l, POLLIN, seconds)) {
      return err_set(err,
                     "%s: the board does not answer: is it this port and this rate, and is the "
                     "bitstream loaded?",
                     l->name);
    }
  }
  return 0;
}

void link_drain(struct link *l, double seconds) {
  char dropped[256];
  while (wait_for(l, POLLIN, seconds) && read(l->fd, dropped, sizeof dropped) > 0) continue;
}
