// SPDX-License-Identifier: Apache-2.0
//
// board: link/ against a board that this test plays, at the end of a socket or of a pseudo terminal
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "board.h"

enum { MEMORY = 0x40000000, MEMORY_WORDS = 1 << 14, ROM_WORDS = 256, LOG = 512 };
enum { GPT2 = 0x1000, MARK = 0x2000, CHECK = 0x3000, LEVEL = 0x4000, DFII = 0x5000 };

// The board. Its reads are right where each byte's delay and slip are.
struct fake {
  int listener, fd;
  pthread_t thread;
  char port[64];
  uint32_t rom[ROM_WORDS], memory[MEMORY_WORDS], mark, check[6], select;
  uint32_t delay[2], slip[2], low[2], high[2], right_slip[2];
  uint32_t log[LOG][2];  // writes to DFII
  size_t n_log;
  bool silent;
  size_t die_after;  // bytes that it takes before it closes the link; 0: it does not
  size_t taken;
};

static struct fake fake;

// ------------------------------------------------------------------------------------------- board

static uint32_t read_word(struct fake *f, uint32_t address) {
  if (address >= 0xf0000000u) return f->rom[(address - 0xf0000000u) / 4 % ROM_WORDS];
  if (address >= MEMORY) {
    uint32_t word = f->memory[(address - MEMORY) / 4 % MEMORY_WORDS];
    for (uint32_t i = 0; i < 2; i++)
      if (f->rom[21] &&
          (f->slip[i] != f->right_slip[i] || f->delay[i] < f->low[i] || f->delay[i] > f->high[i]))
        word ^= 0x00010001u << (8 * i);
    return word;
  }
  if (address == MARK) return f->mark;
  if (address >= CHECK && address < CHECK + 24) return f->check[(address - CHECK) / 4];
  return 0;
}

static void write_check(struct fake *f, uint32_t index, uint32_t value) {
  f->check[index] = value;
  if (index != 2) return;
  f->check[4] = f->check[5] = 0;
  for (uint32_t i = 0; i < f->check[1]; i++) {
    f->check[5] += f->check[4];
    f->check[4] += f->memory[f->check[0] + i];
  }
}

static void write_level(struct fake *f, uint32_t index) {
  for (uint32_t i = 0; i < 2; i++) {
    if (!(f->select >> i & 1)) continue;
    if (index == 1) f->delay[i] = 0;
    if (index == 2) f->delay[i]++;
    if (index == 3) f->slip[i] = 0;
    if (index == 4) f->slip[i]++;
  }
}

static void write_word(struct fake *f, uint32_t address, uint32_t value) {
  if (address >= MEMORY) f->memory[(address - MEMORY) / 4 % MEMORY_WORDS] = value;
  else if (address == MARK) f->mark = value;
  else if (address >= CHECK && address < CHECK + 24) write_check(f, (address - CHECK) / 4, value);
  else if (address == LEVEL) f->select = value;
  else if (address > LEVEL && address < LEVEL + 20) write_level(f, (address - LEVEL) / 4);
  else if (address >= DFII && f->n_log < LOG) {
    f->log[f->n_log][0] = address;
    f->log[f->n_log++][1] = value;
  }
}

// false: the other side has gone.
static bool take(struct fake *f, uint8_t *bytes, size_t n) {
  while (n) {
    const ssize_t came = read(f->fd, bytes, n);
    if (came <= 0) return false;
    f->taken += (size_t)came;
    if (f->die_after && f->taken >= f->die_after) return false;
    bytes += came;
    n -= (size_t)came;
  }
  return true;
}

static uint32_t big(const uint8_t *b) {
  return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static bool serve_one(struct fake *f) {
  uint8_t head[6], word[4];
  if (!take(f, head, 1)) return false;
  if (f->silent) return true;
  if (!take(f, head + 1, 5)) return false;
  uint32_t address = 4 * big(head + 2);
  for (unsigned i = 0; i < head[1]; i++, address += 4) {
    if (head[0] == 1) {
      if (!take(f, word, 4)) return false;
      write_word(f, address, big(word));
    } else {
      const uint32_t value = read_word(f, address);
      for (int k = 0; k < 4; k++) word[k] = (uint8_t)(value >> (24 - 8 * k));
      if (write(f->fd, word, 4) != 4) return false;
    }
  }
  return true;
}

static void *serve(void *ctx) {
  struct fake *f = ctx;
  if (f->listener >= 0) f->fd = accept(f->listener, NULL, NULL);
  while (serve_one(f)) continue;
  close(f->fd);
  return NULL;
}

// ----------------------------------------------------------------------------------------- fixture

static void describe(bool ddr3) {
  const uint32_t words[] = {0x64623267,
                            1,
                            0x656b6166,
                            0,
                            0,
                            0,
                            0,
                            0,
                            0,
                            0,
                            50000000,
                            MEMORY,
                            4 * MEMORY_WORDS,
                            GPT2,
                            MARK,
                            CHECK,
                            CHECK + 4,
                            CHECK + 8,
                            CHECK + 12,
                            CHECK + 16,
                            CHECK + 20,
                            ddr3 ? 2 : 0,
                            8,
                            4,
                            LEVEL,
                            LEVEL + 4,
                            LEVEL + 8,
                            LEVEL + 12,
                            LEVEL + 16,
                            2,
                            DFII,
                            7,
                            300,
                            DFII + 4,
                            9,
                            0};
  memset(&fake, 0, sizeof fake);
  memcpy(fake.rom, words, sizeof words);
  fake.listener = -1;
}

static void start_tcp(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  fake.listener = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(bind(fake.listener, (struct sockaddr *)&address, size), 0);
  assert_int_equal(listen(fake.listener, 1), 0);
  getsockname(fake.listener, (struct sockaddr *)&address, &size);
  snprintf(fake.port, sizeof fake.port, "tcp:127.0.0.1:%u", (unsigned)ntohs(address.sin_port));
  pthread_create(&fake.thread, NULL, serve, &fake);
}

static void stop(struct board *board) {
  board_close(board);
  pthread_join(fake.thread, NULL);
  if (fake.listener >= 0) close(fake.listener);
}

static void expect(const struct err *err, const char *fragment) {
  if (!strstr(err->text, fragment)) fail_msg("\"%s\" lacks \"%s\"", err->text, fragment);
}

// ------------------------------------------------------------------------------------------- tests

static void opens(void **state) {
  struct board board;
  struct err err;
  (void)state;
  describe(false);
  start_tcp();
  assert_int_equal(board_open(&board, fake.port, 0, &err), 0);
  assert_string_equal(board.about.name, "fake");
  assert_int_equal(board.about.clock, 50000000);
  assert_int_equal(board.about.n_operations, 2);
  assert_int_equal(board.about.operations[0].microseconds, 300);
  stop(&board);
}

// A pseudo terminal is a serial port as far as this program sees.
static void serial(void **state) {
  struct board board;
  struct err err;
  (void)state;
  describe(false);
  fake.fd = posix_openpt(O_RDWR | O_NOCTTY);
  assert_true(fake.fd >= 0 && !grantpt(fake.fd) && !unlockpt(fake.fd));
  snprintf(fake.port, sizeof fake.port, "%s", ptsname(fake.fd));
  pthread_create(&fake.thread, NULL, serve, &fake);
  assert_int_equal(board_open(&board, fake.port, 1000000, &err), 0);
  assert_string_equal(board.about.name, "fake");
  stop(&board);
}

static void initialises_once(void **state) {
  struct board board;
  struct err err;
  bool done;
  (void)state;
  describe(false);
  start_tcp();
  assert_int_equal(board_open(&board, fake.port, 0, &err), 0);
  assert_int_equal(board_start_memory(&board, &done, &err), 0);
  assert_true(done);
  assert_int_equal(board_start_memory(&board, &done, &err), 0);
  assert_false(done);
  stop(&board);
  assert_int_equal(fake.n_log, 2);
  assert_int_equal(fake.log[0][0], DFII);
  assert_int_equal(fake.log[0][1], 7);
  assert_int_equal(fake.log[1][0], DFII + 4);
  assert_int_equal(fake.log[1][1], 9);
}

static void levels(void **state) {
  struct board board;
  struct err err;
  bool done;
  (void)state;
  describe(true);
  fake.low[0] = 2, fake.high[0] = 6, fake.right_slip[0] = 1;
  fake.low[1] = 0, fake.high[1] = 0, fake.right_slip[1] = 3;
  start_tcp();
  assert_int_equal(board_open(&board, fake.port, 0, &err), 0);
  assert_int_equal(board_start_memory(&board, &done, &err), 0);
  stop(&board);
  assert_int_equal(fake.delay[0], 4);
  assert_int_equal(fake.slip[0], 1);
  assert_int_equal(fake.delay[1], 0);
  assert_int_equal(fake.slip[1], 3);
  assert_int_equal(fake.memory[0], 0);  // what is there stays
}

static void unreadable(void **state) {
  struct board board;
  struct err err;
  bool done;
  (void)state;
  describe(true);
  fake.low[0] = 0, fake.high[0] = 7;
  fake.low[1] = 1, fake.high[1] = 0;  // never
  start_tcp();
  assert_int_equal(board_open(&board, fake.port, 0, &err), 0);
  assert_int_equal(board_start_memory(&board, &done, &err), -1);
  expect(&err, "byte 1 reads wrongly at each of its 32 settings");
  stop(&board);
  assert_int_equal(fake.mark, 0);
}

static void sums(void **state) {
  enum { N = 1000 };
  uint8_t bytes[4 * N];
  struct board board;
  struct err err;
  struct board_sums want = {0}, found;
  (void)state;
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * i >> 3);
  describe(false);
  start_tcp();
  assert_int_equal(board_open(&board, fake.port, 0, &err), 0);
  const struct gpt2hw_host host = board_host(&board);
  assert_int_equal(host.memory_write(host.ctx, MEMORY + 40, bytes, sizeof bytes), 0);
  board_sums_add(&want, bytes, N);
  assert_int_equal(board_sums_read(&board, 40, N, &found, &err), 0);
  assert_int_equal(found.a, want.a);
  assert_int_equal(found.b, want.b);
  // Two words that change places leave a as it is, and change b.
  fake.memory[12] ^= fake.memory[13], fake.memory[13] ^= fake.memory[12],
      fake.memory[12] ^= fake.memory[13];
  assert_int_equal(board_sums_read(&board, 40, N, &found, &err), 0);
  assert_int_equal(found.a, want.a);
  assert_int_not_equal(found.b, want.b);
  assert_int_not_equal(host.memory_write(host.ctx, MEMORY + 2, bytes, 4), 0);
  stop(&board);
}

static void refused(void **state) {
  static const struct {
    const char *port, *message;
    unsigned baud;
  } cases[] = {{"/nonexistent/tty", "is the board's cable in?", 1000000},
               {"/dev/null", "not a serial port", 1000000},
               {"/dev/null", "does not have this rate", 12345},
               {"tcp:127.0.0.1:1", "start the simulated board first", 0},
               {"tcp:127.0.0.1", "expected tcp:HOST:PORT", 0},
               {"tcp::1", "expected tcp:HOST:PORT", 0},
               {"tcp:127.0.0.1:", "expected tcp:HOST:PORT", 0}};
  struct board board;
  struct err err;
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(board_open(&board, cases[i].port, cases[i].baud, &err), -1);
    expect(&err, cases[i].message);
  }
}

static void others(void **state) {
  struct board board;
  struct err err;
  (void)state;
  describe(false);
  fake.rom[0] = 0x12345678;
  start_tcp();
  assert_int_equal(board_open(&board, fake.port, 0, &err), -1);
  expect(&err, "not from a gpt2rtl board: its first word is 0x12345678, expected 0x64623267");
  stop(&board);
  describe(false);
  fake.rom[1] = 2;
  start_tcp();
  assert_int_equal(board_open(&board, fake.port, 0, &err), -1);
  expect(&err, "version 2, this program reads 1");
  stop(&board);
}

static void silent(void **state) {
  struct board board;
  struct err err;
  (void)state;
  describe(false);
  fake.silent = true;
  start_tcp();
  assert_int_equal(board_open(&board, fake.port, 0, &err), -1);
  expect(&err, "the board does not answer");
  stop(&board);
}

// The cable is pulled out amid the memory's loading; registers then read as 0 and waits end.
static void pulled(void **state) {
  static const uint8_t bytes[8192];
  struct board board;
  struct err err;
  (void)state;
  describe(false);
  fake.die_after = 2000;
  start_tcp();
  assert_int_equal(board_open(&board, fake.port, 0, &err), 0);
  const struct gpt2hw_host host = board_host(&board);
  assert_false(board_failed(&board, &err));
  assert_int_not_equal(host.memory_write(host.ctx, MEMORY, bytes, sizeof bytes), 0);
  assert_true(board_failed(&board, &err));
  expect(&err, "the connection is lost");
  assert_int_equal(host.read(host.ctx, 0), 0);
  assert_int_not_equal(host.idle(host.ctx), 0);
  stop(&board);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(opens),   cmocka_unit_test(serial),     cmocka_unit_test(initialises_once),
      cmocka_unit_test(levels),  cmocka_unit_test(unreadable), cmocka_unit_test(sums),
      cmocka_unit_test(refused), cmocka_unit_test(others),     cmocka_unit_test(silent),
      cmocka_unit_test(pulled),
  };
  signal(SIGPIPE, SIG_IGN);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
