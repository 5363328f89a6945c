// SPDX-License-Identifier: Apache-2.0
//
// board_sim - a simulated board whose UART is a TCP socket
//
//   board_sim FOLDER BOARD TCP_PORT [IMAGE]
//
// FOLDER has what boards/soc.py wrote for BOARD, and the Verilated BOARD.so. The program prints
// "tcp:127.0.0.1:N" when it listens there (TCP_PORT 0: at any free port), and then the LEDs when
// they change. It serves one host at a time; without a host, the board's clock stops. IMAGE, a
// memory image, is copied to the beginning of the memory's model, so that it need not go over the
// cable. The program runs until a signal.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "image.h"
#include "model_code.h"
#include "signals.h"

enum { BYTES = 4096, POLL_CYCLES = 200, BANKS = 16 };

struct bytes {
  uint8_t at[BYTES];
  size_t first, n;
};

#define PORTS(S)                               \
  S(uint8_t, clk, "clk")                       \
  S(uint8_t, rst, "rst")                       \
  S(uint8_t, leds, "leds")                     \
  S(uint8_t, in_valid, "serial_sink_valid")    \
  S(uint8_t, in_ready, "serial_sink_ready")    \
  S(uint8_t, in_data, "serial_sink_data")      \
  S(uint8_t, out_valid, "serial_source_valid") \
  S(uint8_t, out_ready, "serial_source_ready") \
  S(uint8_t, out_data, "serial_source_data")

struct sim {
  void *library, *instance;
  const struct verilated_block *code;
  PORTS(SIGNAL_MEMBER)
  uint8_t *banks[BANKS];
  size_t n_banks, bank_bytes;
  uint8_t leds_shown;
  struct bytes in, out;  // from and to the host
};

static _Noreturn void fail(const char *what, const char *why) {
  fprintf(stderr, "board_sim: %s: %s\n", what, why);
  exit(1);
}

// ------------------------------------------------------------------------------------------- model

// The banks' memories, in order: BOARD.mem, BOARD.mem_1, ...
static void find_banks(struct sim *s, const char *board) {
  const struct signals signals = signals_of(s->code, s->instance);
  for (; s->n_banks < BANKS; s->n_banks++) {
    char name[128];
    if (s->n_banks) snprintf(name, sizeof name, "%s.mem_%zu", board, s->n_banks);
    else snprintf(name, sizeof name, "%s.mem", board);
    const struct verilated_port *bank = signals_port(&signals, name);
    if (!bank) break;
    s->banks[s->n_banks] = bank->data;
    s->bank_bytes = bank->bytes;
  }
  if (!s->n_banks) fail(board, "the memory's banks are not found");
}

static void cycle(struct sim *s) {
  *s->in_valid = s->in.n > 0;
  *s->in_data = s->in.n ? s->in.at[s->in.first] : 0;
  *s->out_ready = s->out.n < BYTES;
  *s->clk = 0;
  s->code->eval(s->instance);
  if (*s->in_valid && *s->in_ready) {
    s->in.first = (s->in.first + 1) % BYTES;
    s->in.n--;
  }
  if (*s->out_valid && *s->out_ready) s->out.at[(s->out.first + s->out.n++) % BYTES] = *s->out_data;
  *s->clk = 1;
  s->code->eval(s->instance);
}

static void show_leds(struct sim *s) {
  if (*s->leds == s->leds_shown) return;
  s->leds_shown = *s->leds;
  printf("leds %02x\n", s->leds_shown);
  fflush(stdout);
}

static void open_model(struct sim *s, const char *folder, const char *board) {
  char path[4096], here[4096];
  struct err err;
  snprintf(path, sizeof path, "%s/%s.so", folder, board);
  if (model_code_open(&s->library, &s->code, path, &err)) fail("the board", err.text);
  // The ROM's contents are a file in that folder.
  if (!getcwd(here, sizeof here) || chdir(folder)) fail(folder, strerror(errno));
  s->instance = s->code->create(NULL);
  struct signals signals = signals_of(s->code, s->instance);
  struct sim *const at = s;
  PORTS(SIGNAL_FIND)
  if (signals.missing) fail(signals.missing, "the board has no such port");
  *s->rst = 1;
  for (int i = 0; i < 8; i++) cycle(s);
  *s->rst = 0;
  cycle(s);
  if (chdir(here)) fail(here, strerror(errno));
  find_banks(s, board);
}

// Rows alternate between the banks: row 0 of each bank, then row 1 of each, and so on.
static void load(struct sim *s, const char *folder, const char *board, const char *path) {
  char name[4096];
  struct image image;
  struct err err;
  size_t page = 0, word = 0, step = 0;
  snprintf(name, sizeof name, "%s/%s.page", folder, board);
  FILE *file = fopen(name, "r");
  if (!file || fscanf(file, "%zu %zu %zu", &page, &word, &step) != 3 || !page || !word ||
      page % word)
    fail(name, "no sizes of a row and a word");
  fclose(file);
  if (image_open(&image, path, IMAGE_CHECKED, &err)) fail("the image", err.text);
  const size_t n = image.header.n_beats * image.header.lanes;
  if (n * step > s->n_banks * s->bank_bytes) fail(path, "larger than the board's memory");
  for (size_t at = 0; at < n; at += word) {  // a beat is a multiple of a word
    const size_t row = at / page / s->n_banks, bank = at / page % s->n_banks;
    memcpy(s->banks[bank] + (row * page + at % page) * step, image.beats + at, word);
  }
  image_close(&image);
}

// ------------------------------------------------------------------------------------------ socket

static int listen_at(unsigned number) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)number),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) || listen(fd, 1) ||
      getsockname(fd, (struct sockaddr *)&address, &size))
    fail("the socket", strerror(errno));
  printf("tcp:127.0.0.1:%u\n", (unsigned)ntohs(address.sin_port));
  fflush(stdout);
  return fd;
}

// Moves bytes between the host and the buffers. Returns false if the host has closed the
// connection.
static bool move(struct sim *s, int fd) {
  if (!s->in.n) {
    s->in.first = 0;
    const ssize_t n = recv(fd, s->in.at, BYTES, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return false;
    if (n > 0) s->in.n = (size_t)n;
  }
  while (s->out.n) {
    const size_t run = s->out.first + s->out.n > BYTES ? BYTES - s->out.first : s->out.n;
    const ssize_t n = send(fd, s->out.at + s->out.first, run, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    s->out.first = (s->out.first + (size_t)n) % BYTES;
    s->out.n -= (size_t)n;
  }
  return true;
}

static void serve(struct sim *s, int fd) {
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
  while (move(s, fd))
    for (int i = 0; i < POLL_CYCLES; i++) {
      cycle(s);
      show_leds(s);
    }
  s->in.n = s->out.n = 0;
  close(fd);
}

int main(int argc, char **argv) {
  static struct sim s;
  if (argc < 4 || argc > 5) {
    fprintf(stderr, "usage: board_sim FOLDER BOARD TCP_PORT [IMAGE]\n");
    return 2;
  }
  open_model(&s, argv[1], argv[2]);
  if (argc > 4) load(&s, argv[1], argv[2], argv[4]);
  const int listener = listen_at((unsigned)atoi(argv[3]));
  for (;;) {
    const int fd = accept(listener, NULL, NULL);
    if (fd >= 0) serve(&s, fd);
    else if (errno != EINTR) fail("the socket", strerror(errno));
  }
}
