// SPDX-License-Identifier: Apache-2.0
//
// axi_memory: tests bursts and writes of gpt2_top's memory port on AXI4 ports, with a model of the
// memories
//
// Each port has its own memory, with the image's stripes and the cache's, at bases and with a
// stride that use all 64 bits. The channels stall at random and independently; answers come after
// random times and may carry errors. The RTL's assertions (axi_rules.sv), which are in the build,
// check the protocol. This test checks the data, the order, the addresses, the errors, the pace,
// late answers and resets.
#include <stdio.h>
#include <string.h>

#include "block.h"

enum {
  MAX_PORTS = 4,
  MAX_BEAT = 256,  // bytes
  IMAGE = 1500,    // beats
  CACHE = 200,
  CREDIT = 256,      // beats that gpt2_top asks for ahead
  MAX_WRITES = 255,  // without acknowledgement
  QUEUE = 1 << 15,
};
static const uint32_t CACHE_BEAT = 1u << 31;  // the first beat address of the cache

struct shape {
  const char *block;
  unsigned lanes, ports, port_bits;
};
static const struct shape shapes[] = {
    {"axi_memory_direct", 64, 1, 512},  // a transfer a beat
    {"axi_memory_gather", 64, 1, 32},   // 16 transfers a beat
    {"axi_memory", 256, 2, 1024},       // two ports, each half a beat
    {"axi_memory_both", 128, 4, 64},    // four ports, four transfers each
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

// How the model behaves.
struct manners {
  unsigned stall;      // percent of the cycles in which a channel rests, each for itself
  unsigned latency;    // cycles from a request to its first answer, at least
  unsigned wander;     // and up to so many more
  unsigned per_mille;  // of the transfers and writes are answered with an error
  bool mute;           // nothing is answered
};

// Requests of a port that have no answer yet.
struct answer {
  uint64_t due;   // cycle
  uint64_t addr;  // of the transfer
  size_t beat;    // read: which of the run's beats; write: which of the cache's
  unsigned run;   // to which run the answer is
  uint8_t resp;
};
struct fifo {
  struct answer at[QUEUE];
  size_t in, out;
};
static size_t held(const struct fifo *f) { return f->in - f->out; }
static struct answer *first(struct fifo *f) { return &f->at[f->out % QUEUE]; }
static void put(struct fifo *f, struct answer a) {
  if (held(f) == QUEUE) fail_msg("more is outstanding than the model has room for");
  f->at[f->in++ % QUEUE] = a;
}

enum { MAX_BURSTS = 400, MAX_BEATS = MAX_BURSTS * 32, WRITES = 600 };

struct write_data {
  uint8_t data[128];
  uint64_t strb[2];
};

struct port_model {
  uint8_t image[IMAGE * MAX_BEAT], cache[CACHE * MAX_BEAT];  // its stripes
  struct fifo reads;                                         // transfers
  struct fifo aw, b;        // addresses that wait for their data; responses to come
  struct write_data w[64];  // data that waits for its address
  size_t w_in, w_out;
  bool r_offered, b_offered;
  size_t asked;  // transfers, in this run
};

struct bench {
  struct block *block;
  const struct shape *shape;
  struct manners manners;
  uint64_t rng, cycle;
  uint64_t image_base, cache_base, stride;
  struct port_model port[MAX_PORTS];
  unsigned run;
  bool read_error[MAX_BEATS];          // a transfer of this beat of the run came with an error
  unsigned unanswered[CACHE];          // transfers of writes to this beat
  uint64_t answered_in[CACHE];         // the cycle of the last answer to one
  bool write_error, write_error_next;  // the next acknowledgement must say so
  bool fault_next;
  size_t axi_writes, faults;
};
static struct bench bench;

static unsigned stripe_bytes(const struct bench *t) { return t->shape->lanes / t->shape->ports; }
static unsigned port_bytes(const struct bench *t) { return t->shape->port_bits / 8; }
static unsigned gather(const struct bench *t) { return stripe_bytes(t) / port_bytes(t); }

// The byte of port p's memory at an address; it must be in the image or the cache.
static uint8_t *byte_at(struct bench *t, unsigned p, uint64_t addr) {
  const uint64_t base = p * t->stride, w = stripe_bytes(t);
  const uint64_t in_image = addr - (t->image_base + base), in_cache = addr - (t->cache_base + base);
  if (in_image < IMAGE * w) return &t->port[p].image[in_image];
  if (in_cache < CACHE * w) return &t->port[p].cache[in_cache];
  fail_msg("port %u: address 0x%016llx is neither in the image nor in the cache", p,
           (unsigned long long)addr);
  return NULL;
}

// Beat a as the machine sees it: the stripes of all ports.
static void beat_of(const struct bench *t, uint32_t a, uint8_t *beat) {
  const unsigned w = stripe_bytes(t);
  for (unsigned p = 0; p < t->shape->ports; p++)
    memcpy(beat + p * w,
           a >= CACHE_BEAT ? &t->port[p].cache[(a - CACHE_BEAT) * w] : &t->port[p].image[a * w], w);
}

static uint64_t when(struct bench *t) {
  return t->cycle + t->manners.latency +
         (t->manners.wander ? (uint64_t)rng_range(&t->rng, 0, t->manners.wander) : 0);
}
static uint8_t response(struct bench *t) {
  if ((unsigned)rng_range(&t->rng, 0, 999) >= t->manners.per_mille) return 0;
  return rng_chance(&t->rng, 50) ? 2 : 3;  // SLVERR, DECERR
}
static bool rests(struct bench *t) { return rng_chance(&t->rng, t->manners.stall); }

// The bits of port p in a packed port of `width` bits each.
static uint64_t packed(struct bench *t, const char *name, unsigned p, unsigned width) {
  uint32_t words[MAX_PORTS * 2];
  block_get(t->block, name, words);
  return bits_get(words, p * width, width);
}

// Before the edge: what the model offers and takes in this cycle.
static void model_drive(struct bench *t) {
  static uint32_t rdata[MAX_PORTS * 32];
  const unsigned ports = t->shape->ports, bytes = port_bytes(t);
  uint32_t arready = 0, awready = 0, wready = 0, rvalid = 0, bvalid = 0, rresp = 0, bresp = 0;
  for (unsigned i = 0; i < ports * bytes / 4; i++) rdata[i] = (uint32_t)rng_next(&t->rng);
  for (unsigned p = 0; p < ports; p++) {
    struct port_model *m = &t->port[p];
    arready |= (uint32_t)!rests(t) << p;
    awready |= (uint32_t)!rests(t) << p;
    wready |= (uint32_t)(!rests(t) && m->w_in - m->w_out < 64) << p;
    const bool r_ready = held(&m->reads) && first(&m->reads)->due <= t->cycle && !t->manners.mute;
    m->r_offered = m->r_offered || (r_ready && !rests(t));
    if (m->r_offered) {
      const struct answer *a = first(&m->reads);
      rvalid |= 1u << p;
      rresp |= (uint32_t)a->resp << 2 * p;
      for (unsigned i = 0; i < bytes; i++)
        ((uint8_t *)rdata)[p * bytes + i] = *byte_at(t, p, a->addr + i);
    }
    const bool b_ready = held(&m->b) && first(&m->b)->due <= t->cycle && !t->manners.mute;
    m->b_offered = m->b_offered || (b_ready && !rests(t));
    if (m->b_offered) {
      bvalid |= 1u << p;
      bresp |= (uint32_t)first(&m->b)->resp << 2 * p;
    }
  }
  block_set_u64(t->block, "m_axi_arready_i", arready);
  block_set_u64(t->block, "m_axi_awready_i", awready);
  block_set_u64(t->block, "m_axi_wready_i", wready);
  block_set_u64(t->block, "m_axi_rvalid_i", rvalid);
  block_set_u64(t->block, "m_axi_rresp_i", rresp);
  block_set(t->block, "m_axi_rdata_i", rdata);
  block_set_u64(t->block, "m_axi_bvalid_i", bvalid);
  block_set_u64(t->block, "m_axi_bresp_i", bresp);
}

static void write_bytes(struct bench *t, unsigned p, const struct answer *a,
                        const struct write_data *w) {
  for (unsigned i = 0; i < port_bytes(t); i++)
    if (w->strb[i / 64] >> i % 64 & 1) *byte_at(t, p, a->addr + i) = w->data[i];
}

// Just before the edge, when all is settled: what moves.
static void model_move(struct bench *t) {
  struct block *b = t->block;
  const unsigned bytes = port_bytes(t);
  uint32_t data[MAX_PORTS * 32], strb[MAX_PORTS * 4];
  // A fault is told one cycle after it came, several of one cycle at once.
  const bool fault = block_get_u64(b, "fault_valid_o");
  assert_int_equal(fault, t->fault_next);
  t->faults += fault;
  t->fault_next = false;
  t->write_error |= t->write_error_next;
  t->write_error_next = false;
  block_get(b, "m_axi_wdata_o", data);
  block_get(b, "m_axi_wstrb_o", strb);
  for (unsigned p = 0; p < t->shape->ports; p++) {
    struct port_model *m = &t->port[p];
    const uint64_t bit = 1ull << p;
#define MOVES(channel, valid, ready) \
  (block_get_u64(b, "m_axi_" channel valid) & block_get_u64(b, "m_axi_" channel ready) & bit)
    if (MOVES("r", "valid_i", "ready_o")) {
      const struct answer *a = first(&m->reads);
      t->fault_next |= a->resp != 0;
      if (a->run == t->run) t->read_error[a->beat] |= a->resp != 0;
      m->reads.out++;
      m->r_offered = false;
    }
    if (MOVES("b", "valid_i", "ready_o")) {
      const struct answer *a = first(&m->b);
      t->fault_next |= a->resp != 0;
      t->write_error_next |= a->resp != 0 && a->run == t->run;
      t->unanswered[a->beat]--;
      t->answered_in[a->beat] = t->cycle;
      m->b.out++;
      m->b_offered = false;
    }
    if (MOVES("ar", "valid_o", "ready_i")) {
      const uint64_t addr = packed(t, "m_axi_araddr_o", p, 64);
      const unsigned n = (unsigned)packed(t, "m_axi_arlen_o", p, 8) + 1;
      assert_int_equal(1u << packed(t, "m_axi_arsize_o", p, 3), bytes);
      assert_int_equal(packed(t, "m_axi_arburst_o", p, 2), 1);
      assert_true(addr / 4096 == (addr + n * bytes - 1) / 4096);
      const uint64_t due = when(t);
      for (unsigned i = 0; i < n; i++)
        put(&m->reads,
            (struct answer){due, addr + i * bytes, m->asked++ / gather(t), t->run, response(t)});
    }
    if (MOVES("aw", "valid_o", "ready_i")) {
      assert_int_equal(1u << packed(t, "m_axi_awsize_o", p, 3), bytes);
      assert_int_equal(packed(t, "m_axi_awlen_o", p, 8), 0);
      const uint64_t addr = packed(t, "m_axi_awaddr_o", p, 64);
      const size_t beat = (size_t)((addr - t->cache_base - p * t->stride) / stripe_bytes(t));
      put(&m->aw, (struct answer){0, addr, beat, t->run, 0});
      assert_true(beat < CACHE);
      t->unanswered[beat]++;
    }
    if (MOVES("w", "valid_o", "ready_i")) {
      struct write_data *w = &m->w[m->w_in++ % 64];
      assert_true(block_get_u64(b, "m_axi_wlast_o") & bit);
      memcpy(w->data, (uint8_t *)data + p * bytes, bytes);
      memset(w->strb, 0, sizeof w->strb);
      for (unsigned i = 0; i < bytes; i++)
        w->strb[i / 64] |= bits_get(strb, p * bytes + i, 1) << i % 64;
      assert_true(w->strb[0] | w->strb[1]);
    }
    while (held(&m->aw) && m->w_in != m->w_out) {
      struct answer a = *first(&m->aw);
      write_bytes(t, p, &a, &m->w[m->w_out++ % 64]);
      a.due = when(t);
      a.resp = response(t);
      m->aw.out++;
      put(&m->b, a);
      t->axi_writes++;
    }
  }
}

// ------------------------------------------------------------------------------- the machine's
// side

struct burst {
  uint32_t addr, len;
};
struct write {
  uint32_t addr;
  uint8_t data[MAX_BEAT];
  uint64_t strb[MAX_BEAT / 64];
};
struct run {
  const struct burst *bursts;
  size_t n_bursts;
  const struct write *writes;
  size_t n_writes;
  unsigned idle;  // percent of the cycles in which the machine asks nothing new
  size_t asked, beats, came, taken, acked;  // bursts, their beats, beats, writes
  uint64_t first_beat, last_beat;
  size_t read_errors, write_errors;
  bool offer_read, offer_write;
};
static struct run run;
static uint32_t asked_addr[MAX_BEATS];

static void machine_drive(struct bench *t) {
  struct block *b = t->block;
  const struct burst *r = &run.bursts[run.asked];
  run.offer_read =
      run.offer_read || (run.asked < run.n_bursts && run.beats - run.came + r->len <= CREDIT &&
                         !rng_chance(&t->rng, run.idle));
  run.offer_write = run.offer_write || (run.taken < run.n_writes && run.taken - run.acked < 254 &&
                                        !rng_chance(&t->rng, run.idle));
  block_set_u64(b, "rd_req_valid_i", run.offer_read);
  block_set_u64(b, "rd_req_addr_i", run.offer_read ? r->addr : (uint32_t)rng_next(&t->rng));
  block_set_u64(b, "rd_req_len_i", run.offer_read ? r->len : 77);
  block_set_u64(b, "wr_valid_i", run.offer_write);
  if (run.offer_write) {
    const struct write *w = &run.writes[run.taken];
    uint32_t words[MAX_BEAT / 4];
    block_set_u64(b, "wr_addr_i", w->addr);
    memcpy(words, w->data, t->shape->lanes);
    block_set(b, "wr_data_i", words);
    memcpy(words, w->strb, t->shape->lanes / 8);
    block_set(b, "wr_strb_i", words);
  }
}

// All of a write's transfers are answered, and its bytes are in memory. No other write to its beat
// is under way.
static void expect_written(struct bench *t, const struct write *w) {
  uint8_t beat[MAX_BEAT];
  assert_int_equal(t->unanswered[w->addr - CACHE_BEAT], 0);
  beat_of(t, w->addr, beat);
  for (unsigned i = 0; i < t->shape->lanes; i++)
    if ((w->strb[i / 64] >> i % 64 & 1) && beat[i] != w->data[i])
      fail_msg("write %zu is acknowledged, byte %u of beat 0x%x is not in memory", run.acked, i,
               w->addr);
}

static void machine_move(struct bench *t) {
  struct block *b = t->block;
  if (block_get_u64(b, "rd_rsp_valid_o")) {
    uint8_t want[MAX_BEAT];
    uint32_t got[MAX_BEAT / 4];
    assert_true(run.came < run.beats);
    block_get(b, "rd_rsp_data_o", got);
    beat_of(t, asked_addr[run.came], want);
    const bool error = block_get_u64(b, "rd_rsp_error_o");
    assert_int_equal(error, t->read_error[run.came]);
    run.read_errors += error;
    if (memcmp(got, want, t->shape->lanes))
      fail_msg("beat %zu, address 0x%x: not what memory holds", run.came, asked_addr[run.came]);
    if (!run.came) run.first_beat = t->cycle;
    run.last_beat = t->cycle;
    run.came++;
  }
  if (block_get_u64(b, "wr_ack_o")) {
    assert_true(run.acked < run.taken);
    expect_written(t, &run.writes[run.acked]);
    const bool error = block_get_u64(b, "wr_ack_error_o");
    assert_int_equal(error, t->write_error);
    assert_true(t->answered_in[run.writes[run.acked].addr - CACHE_BEAT] < t->cycle);
    run.write_errors += error;
    t->write_error = false;
    run.acked++;
  }
  if (run.offer_read && block_get_u64(b, "rd_req_ready_o")) {
    const struct burst *r = &run.bursts[run.asked++];
    for (uint32_t i = 0; i < r->len; i++) asked_addr[run.beats++] = r->addr + i;
    run.offer_read = false;
  }
  if (run.offer_write && block_get_u64(b, "wr_ready_o")) {
    run.taken++;
    run.offer_write = false;
  }
}

static void cycle(struct bench *t) {
  model_drive(t);
  machine_drive(t);
  block_eval(t->block);
  model_move(t);
  machine_move(t);
  block_clock(t->block);
  t->cycle++;
}

static void finish(struct bench *t) {
  for (uint64_t last = t->cycle, moved = 0;
       run.came < run.beats || run.asked < run.n_bursts || run.acked < run.n_writes; cycle(t)) {
    const uint64_t now = run.came + run.acked + run.asked;
    if (now != moved) moved = now, last = t->cycle;
    if (t->cycle - last > 5000)
      fail_msg("nothing moves: %zu of %zu bursts asked, %zu of %zu beats came, %zu of %zu writes "
               "taken, %zu acknowledged",
               run.asked, run.n_bursts, run.came, run.beats, run.taken, run.n_writes, run.acked);
  }
}

// Another run: what is answered from now on to the last one is not to be seen.
static void next_run(struct bench *t) {
  memset(&run, 0, sizeof run);
  memset(t->read_error, 0, sizeof t->read_error);
  t->write_error = t->write_error_next = false;
  for (unsigned p = 0; p < MAX_PORTS; p++) t->port[p].asked = 0;
  t->run++;
}

static void set_page(struct bench *t, const char *name, uint64_t addr) {
  block_set_u64(t->block, name, addr >> 12);
}

static void begin(struct bench *t, const struct shape *shape, struct manners manners,
                  uint64_t seed) {
  memset(t, 0, sizeof *t);
  t->shape = shape;
  t->manners = manners;
  t->rng = seed;
  t->block = block_open(shape->block, 0);
  assert_int_equal(block_width(t->block, "wr_strb_i"), shape->lanes);
  assert_int_equal(block_width(t->block, "m_axi_arvalid_o"), shape->ports);
  assert_int_equal(block_width(t->block, "m_axi_rdata_i"), shape->ports * shape->port_bits);
  // Stripes far apart, the last of them across 2^32 and the cache across 2^63.
  t->stride = 0x100007000;
  t->image_base = 0xfffff000 - IMAGE * MAX_BEAT / 2 / 4096 * 4096;
  t->cache_base = 0x7fffffffffff9000;
  for (unsigned p = 0; p < shape->ports; p++) {
    for (size_t i = 0; i < IMAGE * MAX_BEAT; i++) t->port[p].image[i] = (uint8_t)rng_next(&t->rng);
    for (size_t i = 0; i < CACHE * MAX_BEAT; i++) t->port[p].cache[i] = (uint8_t)rng_next(&t->rng);
  }
  block_reset(t->block);
  set_page(t, "image_base_i", t->image_base);
  set_page(t, "kv_base_i", t->cache_base);
  set_page(t, "stripe_stride_i", t->stride);
  block_set_u64(t->block, "busy_i", 1);
  for (int i = 0; i < 3; i++) block_clock(t->block);
  t->cycle = 1;
  next_run(t);
}

// ---------------------------------------------------------------------------------------- the
// tests

static struct burst bursts[MAX_BURSTS];
static struct write writes[WRITES];

// Bursts of 1 to 32 beats, most in the image, some in the part of the cache that is not written.
static void make_bursts(uint64_t *rng, size_t n, uint32_t cache_from) {
  for (size_t i = 0; i < n; i++) {
    const bool cache = rng_chance(rng, 30);
    const uint32_t from = cache ? cache_from : 0, to = cache ? CACHE : IMAGE;
    const uint32_t at = (uint32_t)rng_range(rng, from, to - 1);
    const uint32_t most = to - at < 32 ? to - at : 32;
    const uint32_t len = rng_chance(rng, 30) ? 1 : (uint32_t)rng_range(rng, 1, most);
    bursts[i] = (struct burst){cache ? CACHE_BEAT + at : at, len};
  }
}

// Writes to the first beats of the cache in turn, so that none meets another: one byte of each
// segment as V's, 64 bytes as a key, 4 as the scales, or any.
static void make_writes(uint64_t *rng, unsigned lanes, size_t n, uint32_t beats) {
  for (size_t i = 0; i < n; i++) {
    struct write *w = &writes[i];
    *w = (struct write){.addr = CACHE_BEAT + (uint32_t)(i % beats)};
    for (unsigned k = 0; k < lanes; k++) w->data[k] = (uint8_t)rng_next(rng);
    const unsigned kind = (unsigned)rng_range(rng, 0, 3), segments = lanes / 64;
    const unsigned segment = (unsigned)rng_range(rng, 0, segments - 1);
    const uint64_t byte = 1ull << rng_range(rng, 0, 63);
    for (unsigned s = 0; s < segments; s++)
      w->strb[s] = kind == 0   ? byte
                   : kind == 1 ? (s == segment ? UINT64_MAX : 0)
                   : kind == 2 ? (s == segment ? 15ull << rng_range(rng, 0, 15) * 4 : 0)
                               : rng_next(rng) & rng_next(rng);
    if (kind == 3) w->strb[segment] |= byte;
  }
}

// Reads and writes at once, with stalls on no channel, a few, many.
static void test_reads_and_writes(void **state) {
  (void)state;
  static const struct manners all[] = {{0, 3, 0, 0, false},
                                       {20, 10, 30, 0, false},
                                       {70, 1, 0, 0, false},
                                       {30, 150, 100, 0, false}};
  struct bench *t = &bench;
  for (size_t s = 0; s < SHAPES; s++) {
    for (size_t m = 0; m < sizeof all / sizeof *all; m++) {
      begin(t, &shapes[s], all[m], 1 + 10 * s + m);
      make_bursts(&t->rng, 150, 100);
      make_writes(&t->rng, shapes[s].lanes, WRITES, 100);
      // Beats are used again only when their writes are acknowledged: 100 at a time.
      run.bursts = bursts, run.n_bursts = 150, run.idle = all[m].stall / 2;
      for (size_t done = 0; done < WRITES; done += 100) {
        run.writes = writes, run.n_writes = done + 100;
        finish(t);
      }
      assert_int_equal(run.came, run.beats);
      assert_int_equal(run.write_errors + run.read_errors, 0);
      for (int i = 0; i < 50; i++) cycle(t);  // nothing may come that was not requested
      // What a port does not have to write it is not sent: a write of one byte is one transfer.
      size_t due = 0;
      for (size_t i = 0; i < WRITES; i++)
        for (unsigned at = 0; at < shapes[s].lanes; at += port_bytes(t)) {
          bool any = false;
          for (unsigned k = at; k < at + port_bytes(t); k++)
            any |= writes[i].strb[k / 64] >> k % 64 & 1;
          due += any;
        }
      assert_int_equal(t->axi_writes, due);
      block_close(t->block);
    }
  }
}

// A transfer a cycle of each port at any latency below the beats requested ahead: 150 cycles and a
// port as wide as the beat cost nothing but the first beat's time.
static void test_pace(void **state) {
  (void)state;
  struct bench *t = &bench;
  for (size_t s = 0; s < SHAPES; s++) {
    begin(t, &shapes[s], (struct manners){0, 150, 0, 0, false}, 7);
    const unsigned n = gather(t);
    for (uint32_t i = 0; i < 40; i++) bursts[i] = (struct burst){3 + 32 * i, 32};
    run.bursts = bursts, run.n_bursts = 40;
    finish(t);
    const uint64_t cycles = run.last_beat - run.first_beat;
    assert_int_equal(cycles, (40 * 32 - 1) * n);
    // 2 cycles from the request to the bus, and one more where the beat is put together.
    assert_int_equal(run.first_beat - 1, 150 + 2 + (n > 1 ? n : t->shape->ports > 1));
    block_close(t->block);
  }
}

// Each beat's error bit is that of its transfers; a write's error comes with its acknowledgement or
// with one before it. Everything is still answered.
static void test_errors(void **state) {
  (void)state;
  struct bench *t = &bench;
  for (size_t s = 0; s < SHAPES; s++) {
    begin(t, &shapes[s], (struct manners){20, 5, 20, 10, false}, 20 + s);
    make_bursts(&t->rng, 100, 100);
    make_writes(&t->rng, shapes[s].lanes, 100, 100);
    run.bursts = bursts, run.n_bursts = 100, run.writes = writes, run.n_writes = 100;
    finish(t);
    if (run.read_errors == 0 || t->faults == 0) fail_msg("no error came");
    block_close(t->block);

    // All transfers with an error: all beats have it, and every acknowledgement.
    begin(t, &shapes[s], (struct manners){0, 5, 0, 1000, false}, 30 + s);
    make_bursts(&t->rng, 20, 100);
    run.bursts = bursts, run.n_bursts = 20;
    finish(t);
    assert_int_equal(run.read_errors, run.came);
    make_writes(&t->rng, shapes[s].lanes, 1, 100);
    for (int i = 0; i < 20; i++) {
      run.writes = writes, run.n_writes = 1, run.taken = run.acked = run.write_errors = 0;
      finish(t);
      assert_int_equal(run.write_errors, 1);
    }
    // And after it none.
    t->manners.per_mille = 0;
    run.taken = run.acked = run.write_errors = 0;
    finish(t);
    assert_int_equal(run.write_errors, 0);
    block_close(t->block);
  }
}

// A run that gave up, and ended with answers outstanding: they do not reach the next run, which is
// served when the last of them has come.
static void test_late_answers(void **state) {
  (void)state;
  struct bench *t = &bench;
  for (size_t s = 0; s < SHAPES; s++) {
    begin(t, &shapes[s], (struct manners){10, 5, 5, 500, true}, 40 + s);
    make_bursts(&t->rng, 8, 100);
    make_writes(&t->rng, shapes[s].lanes, 20, 100);
    run.bursts = bursts, run.n_bursts = 8, run.writes = writes, run.n_writes = 20;
    for (int i = 0; i < 3000; i++) cycle(t);
    assert_int_equal(run.came + run.acked, 0);
    assert_true(run.beats > 0 && run.taken > 0);

    block_set_u64(t->block, "busy_i", 0);  // for the one cycle between two runs
    block_set_u64(t->block, "rd_req_valid_i", 0);
    block_set_u64(t->block, "wr_valid_i", 0);
    next_run(t);
    t->manners.per_mille = 0;
    cycle(t);
    block_set_u64(t->block, "busy_i", 1);
    make_bursts(&t->rng, 40, 100);
    make_writes(&t->rng, shapes[s].lanes, 50, 100);
    run.bursts = bursts, run.n_bursts = 40, run.writes = writes, run.n_writes = 50;
    for (int i = 0; i < 300; i++) cycle(t);
    assert_int_equal(run.asked + run.taken, 0);  // as long as one is owed
    t->manners.mute = false;
    finish(t);
    assert_int_equal(run.read_errors + run.write_errors, 0);  // those were of the old run
    block_close(t->block);
  }
}

// ARESETn in the middle of traffic, for the memory too: all valids fall, and what comes after it is
// as after the first.
static void test_reset(void **state) {
  (void)state;
  struct bench *t = &bench;
  for (size_t s = 0; s < SHAPES; s++) {
    begin(t, &shapes[s], (struct manners){30, 20, 20, 100, false}, 50 + s);
    for (int times = 0; times < 20; times++) {
      make_bursts(&t->rng, 60, 100);
      make_writes(&t->rng, shapes[s].lanes, 100, 100);
      next_run(t);
      run.bursts = bursts, run.n_bursts = 60, run.writes = writes, run.n_writes = 100;
      for (int64_t i = rng_range(&t->rng, 1, 400); i > 0; i--) cycle(t);
      block_set_u64(t->block, "rst_ni", 0);
      block_set_u64(t->block, "rd_req_valid_i", 0);
      block_set_u64(t->block, "wr_valid_i", 0);
      block_set_u64(t->block, "m_axi_rvalid_i", 0);
      block_set_u64(t->block, "m_axi_bvalid_i", 0);
      for (unsigned p = 0; p < t->shape->ports; p++) {
        struct port_model *m = &t->port[p];
        m->reads.out = m->reads.in, m->aw.out = m->aw.in, m->b.out = m->b.in, m->w_out = m->w_in;
        m->r_offered = m->b_offered = false;
      }
      memset(t->unanswered, 0, sizeof t->unanswered);
      t->fault_next = false;
      block_clock(t->block);
      block_eval(t->block);
      assert_int_equal(block_get_u64(t->block, "m_axi_arvalid_o"), 0);
      assert_int_equal(block_get_u64(t->block, "m_axi_awvalid_o"), 0);
      assert_int_equal(block_get_u64(t->block, "m_axi_wvalid_o"), 0);
      block_set_u64(t->block, "rst_ni", 1);
    }
    next_run(t);
    t->manners.per_mille = 0;
    run.bursts = bursts, run.n_bursts = 60, run.writes = writes, run.n_writes = 100;
    finish(t);
    assert_int_equal(run.read_errors + run.write_errors, 0);
    block_close(t->block);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_reads_and_writes),
                                     cmocka_unit_test(test_pace), cmocka_unit_test(test_errors),
                                     cmocka_unit_test(test_late_answers),
                                     cmocka_unit_test(test_reset)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
