// SPDX-License-Identifier: Apache-2.0
//
// The simulated memory: presets in cycles, the order and pace of reads, strobed writes and the bus
// that they share
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

enum { LANES = 128, IMAGE = 100, KV = 20 };

// The hardware's side of the port.
static struct {
  uint8_t req_valid, req_len, rsp_ready, wr_valid, strobe[LANES / 8], req_ready, rsp_valid,
      wr_ready, wr_ack;
  uint32_t req_addr, wr_addr, wr_data[LANES / 4], rsp_data[LANES / 4];
} hw;
static const struct memory_port port = {
    .rd_req_valid = &hw.req_valid,
    .rd_req_len = &hw.req_len,
    .rd_rsp_ready = &hw.rsp_ready,
    .wr_valid = &hw.wr_valid,
    .wr_strb = hw.strobe,
    .rd_req_addr = &hw.req_addr,
    .wr_addr = &hw.wr_addr,
    .wr_data = hw.wr_data,
    .rd_req_ready = &hw.req_ready,
    .rd_rsp_valid = &hw.rsp_valid,
    .wr_ready = &hw.wr_ready,
    .wr_ack = &hw.wr_ack,
    .rd_rsp_data = hw.rsp_data,
};

static uint8_t image[IMAGE * LANES];

static struct memory *create(const struct sim_memory *settings) {
  struct memory *m;
  struct err err;
  memset(&hw, 0, sizeof hw);
  hw.rsp_ready = 1;
  for (size_t i = 0; i < sizeof image; i++) image[i] = (uint8_t)(i / LANES * 7 + i % LANES);
  assert_int_equal(memory_create(&m, settings, image, IMAGE, KV, LANES, &err), 0);
  memory_connect(m, &port);
  return m;
}

static void cycle(struct memory *m) {
  struct err err;
  memory_drive(m);
  assert_true(memory_take(m, &err) >= 0);
}

static struct sim_memory parsed(const char *text) {
  struct sim_memory m = SIM_MEMORY_DEFAULT;
  struct err err = {""};
  if (sim_memory_parse(&m, text, &err)) fail_msg("%s", err.text);
  return m;
}

static void presets(void **state) {
  (void)state;
  static const struct {
    const char *name;
    double clock;
    uint32_t lanes;
    unsigned latency;
    double beats;
  } expected[] = {
      {"ideal", 250, 4096, 1, 1},     // even no latency means the next cycle
      {"ddr4-2400", 250, 64, 23, 1},  // 18.0 GB/s are 1.125 beats a cycle
      {"ddr4-2400", 250, 256, 23, 0.28125}, {"ddr4-2400", 500, 256, 45, 0.140625},
      {"4xddr4-2400", 250, 256, 23, 1},     {"4xddr4-2400", 250, 1024, 23, 0.28125},
      {"hbm2-u50", 250, 1024, 31, 1},       {"hbm2-u50", 450, 1024, 55, 0.633},
      {"hbm2-u280", 250, 4096, 31, 0.415},  {"ulx3s", 50, 64, 20, 0.0303},
      {"ecpix5", 75, 64, 30, 0.0988},
  };
  for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
    struct sim_memory m = parsed(expected[i].name);
    m.clock = expected[i].clock;
    sim_memory_resolve(&m, expected[i].lanes);
    assert_int_equal(m.latency, expected[i].latency);
    assert_true(m.beats > expected[i].beats - 1e-3 && m.beats < expected[i].beats + 1e-3);
  }
  assert_true(parsed("ddr4-2400").clock == 250 && parsed("ulx3s").clock == 50);
  char text[128];
  struct sim_memory m = parsed("ddr4-2400,stall=0.25");
  sim_memory_resolve(&m, 256);
  sim_memory_print(text, &m);
  assert_string_equal(text, "ddr4-2400 at 250 MHz: latency=23,beats=0.28125,stall=0.25");
  m = parsed("latency=7,beats=0.5");
  sim_memory_resolve(&m, 256);  // nothing to resolve
  sim_memory_print(text, &m);
  assert_string_equal(text, "latency=7,beats=0.5,stall=0");
}

static void refused(void **state) {
  (void)state;
  static const char *const bad[] = {"latency",
                                    "latency=",
                                    "latency=0",
                                    "latency=1.5",
                                    "beats=2",
                                    "beats=0",
                                    "stall=1",
                                    "speed=3",
                                    "seed=x",
                                    "seed=-1",
                                    "seed=",
                                    "seed=1x",
                                    "seed=18446744073709551616",
                                    "ddr4",
                                    "ddr4-2400=1",
                                    "ddr4-2400,latency=3",
                                    "beats=1,ideal"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct sim_memory m = SIM_MEMORY_DEFAULT;
    const struct sim_memory before = m;
    struct err err = {""};
    assert_int_equal(sim_memory_parse(&m, bad[i], &err), -1);
    assert_non_null(strstr(err.text, "memory setting"));
    assert_memory_equal(&m, &before, sizeof m);  // a refused setting changes nothing
  }
}

// Two bursts come back in order, each beat with its bytes, the first `latency` cycles after its
// request, then `beats` a cycle.
static void reads(void **state) {
  (void)state;
  const struct {
    const char *settings;
    uint64_t last;  // the cycle in which the 40th beat comes
  } cases[] = {{"latency=10", 10 + 39},
               {"latency=10,beats=0.5", 10 + 78},
               {"latency=3,beats=0.25", 3 + 156},
               {"latency=10,beats=0.8", 10 + 49},
               {"latency=10,beats=0.9", 10 + 43}};
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    const struct sim_memory settings = parsed(cases[c].settings);
    struct memory *m = create(&settings);
    unsigned asked = 0, got = 0;
    uint64_t last = 0;
    for (uint64_t t = 0; t < 300; t++) {
      hw.req_valid = asked < 2;
      hw.req_addr = asked ? 50 : 3;
      hw.req_len = asked ? 24 : 16;
      memory_drive(m);
      if (hw.rsp_valid) {
        const unsigned beat = got < 16 ? 3 + got : 50 + got - 16;
        assert_memory_equal(hw.rsp_data, image + beat * LANES, LANES);
        if (got == 0) assert_int_equal(t, settings.latency);
        last = t;
        got++;
      }
      asked += hw.req_valid && hw.req_ready;
      struct err err;
      assert_true(memory_take(m, &err) >= 0);
    }
    assert_int_equal(got, 40);
    assert_in_range(last, cases[c].last - 5, cases[c].last + 1);  // a beat may be saved up
    assert_int_equal(memory_count(m).beats_read, 40);
    memory_destroy(m);
  }
}

// Bytes without a strobe stay; a write is in memory, and acknowledged, after the latency.
static void writes(void **state) {
  (void)state;
  const struct sim_memory settings = parsed("latency=5");
  struct memory *m = create(&settings);
  uint8_t data[LANES];
  for (unsigned i = 0; i < LANES; i++) data[i] = (uint8_t)(i ^ 0x5a);
  memset(memory_kv(m), 0x11, KV * LANES);
  memcpy(hw.wr_data, data, LANES);
  for (unsigned i = 0; i < 8; i++)
    hw.strobe[i] = 0xff;  // one segment whole, of the other bytes 66 and 127
  hw.strobe[8] = 4;
  hw.strobe[15] = 0x80;
  hw.wr_valid = 1;
  hw.wr_addr = IMAGE + 4;
  cycle(m);
  hw.wr_valid = 0;
  for (unsigned t = 1; t < 5; t++) {
    cycle(m);
    assert_int_equal(hw.wr_ack, 0);
    assert_int_equal(memory_kv(m)[4 * LANES], 0x11);
  }
  cycle(m);
  assert_int_equal(hw.wr_ack, 1);
  for (unsigned i = 0; i < LANES; i++)
    assert_int_equal(memory_kv(m)[4 * LANES + i], i < 64 || i == 66 || i == 127 ? data[i] : 0x11);
  cycle(m);
  assert_int_equal(hw.wr_ack, 0);
  assert_int_equal(memory_count(m).beats_written, 1);
  memory_destroy(m);
}

// On a preset's bus that is the bottleneck, a write costs a read; on a memory given in cycles it
// does not.
static void shared_bus(void **state) {
  (void)state;
  struct sim_memory settings[2] = {parsed("latency=1,beats=0.5"), parsed("ddr4-2400")};
  settings[1].clock = 18000.0 / LANES / 0.5;  // MHz at which it brings half a beat a cycle
  uint64_t read[2];
  for (int i = 0; i < 2; i++) {
    struct memory *m = create(&settings[i]);
    hw.req_valid = 1;
    hw.req_len = 32;
    for (unsigned t = 0; t < 4000; t++) {
      hw.wr_valid = t % 4 == 0;
      hw.wr_addr = IMAGE;
      cycle(m);
    }
    read[i] = memory_count(m).beats_read;
    memory_destroy(m);
  }
  assert_in_range(read[0], 1990, 2001);
  assert_in_range(read[1], 900, 1001);
}

static void outside(void **state) {
  (void)state;
  const struct sim_memory settings = SIM_MEMORY_DEFAULT;
  static const struct {
    uint32_t addr, len;
  } bad[] = {{IMAGE - 1, 2}, {IMAGE + KV, 1}, {IMAGE + KV - 1, 2}, {UINT32_MAX, 32}, {0, 0}};
  struct err err;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct memory *m = create(&settings);
    hw.req_valid = 1;
    hw.req_addr = bad[i].addr;
    hw.req_len = (uint8_t)bad[i].len;
    memory_drive(m);
    assert_int_equal(memory_take(m, &err), -1);
    assert_non_null(strstr(err.text, "outside the image"));
    memory_destroy(m);
  }
  struct memory *m = create(&settings);
  hw.wr_valid = 1;
  hw.wr_addr = IMAGE - 1;
  memory_drive(m);
  assert_int_equal(memory_take(m, &err), -1);
  assert_non_null(strstr(err.text, "not in the KV cache"));
  memory_destroy(m);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(presets), cmocka_unit_test(refused),    cmocka_unit_test(reads),
      cmocka_unit_test(writes),  cmocka_unit_test(shared_bus), cmocka_unit_test(outside),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
