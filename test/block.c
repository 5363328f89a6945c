// SPDX-License-Identifier: Apache-2.0
#include "block.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "verilated_block.h"

enum { MAX_STREAMS = 16 };

struct block {
  char name[128];
  void *library;
  const struct verilated_block *code;
  void *instance;
  const struct verilated_port *ports;
  unsigned n_ports;
  const struct verilated_port *clk, *rst_n;
  uint64_t cycle, rng;
  int stops;
  enum block_stall stall;
  struct block_stream streams[MAX_STREAMS];
  size_t n_streams;
  void (*before)(void *), (*after)(void *);
  void *ctx;
};

const char *const block_stall_names[BLOCK_STALLS] = {"plain", "idle", "back-pressure", "both"};

// ---------------------------------------------------------------------------------- random numbers

uint64_t rng_next(uint64_t *state) {
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return *state * 0x2545f4914f6cdd1dull;
}

int64_t rng_range(uint64_t *state, int64_t low, int64_t high) {
  const uint64_t span = (uint64_t)high - (uint64_t)low + 1;
  const uint64_t r = rng_next(state);
  return (int64_t)((uint64_t)low + (span == 0 ? r : r % span));
}

bool rng_chance(uint64_t *state, unsigned percent) { return rng_next(state) % 100 < percent; }

int64_t rng_signed(uint64_t *state, unsigned bits) {
  if (bits == 0) return 0;
  const int64_t max = (int64_t)(UINT64_MAX >> (65 - bits));
  if (rng_chance(state, 2)) return rng_chance(state, 50) ? max : -max - 1;
  const unsigned n = (unsigned)rng_range(state, 0, bits);
  return n == 0 ? 0 : bits_sign(rng_next(state), n);
}

// ------------------------------------------------------------------------------------------ module

static const struct verilated_port *find(struct block *b, const char *name) {
  for (unsigned i = 0; i < b->n_ports; i++)
    if (!strcmp(b->ports[i].name, name)) return &b->ports[i];
  return NULL;
}

static const struct verilated_port *port(struct block *b, const char *name) {
  const struct verilated_port *p = find(b, name);
  if (!p) fail_msg("%s has no port %s", b->name, name);
  return p;
}

static void port_set(const struct verilated_port *p, const uint32_t *words) {
  const uint32_t mask = p->width % 32 ? (1u << p->width % 32) - 1 : UINT32_MAX;
  if (p->bytes < 4) {
    const uint32_t v = words[0] & mask;
    memcpy(p->data, &v, p->bytes);  // little-endian
    return;
  }
  const size_t n = BITS_WORDS(p->width);
  memcpy(p->data, words, 4 * n);
  ((uint32_t *)p->data)[n - 1] &= mask;
}

static void port_get(const struct verilated_port *p, uint32_t *words) {
  words[0] = 0;
  memcpy(words, p->data, p->bytes < 4 ? p->bytes : 4 * BITS_WORDS(p->width));
}

struct block *block_open(const char *module, unsigned segments) {
  struct block *b = calloc(1, sizeof *b);
  assert_non_null(b);
  snprintf(b->name, sizeof b->name, "%s_s%u", module, segments);
  const char *waveform = getenv("BLOCK_TRACE");
  char path[256];
  snprintf(path, sizeof path, "build/block/%s%s.so", b->name, waveform ? "_trace" : "");
  b->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!b->library) fail_msg("%s (make %s)", dlerror(), path);
  b->code = dlsym(b->library, "verilated_block");
  if (!b->code) fail_msg("%s: no verilated_block inside", path);
  b->instance = b->code->create(waveform);
  b->n_ports = b->code->ports(b->instance, &b->ports);
  b->clk = find(b, "clk_i");
  b->rst_n = find(b, "rst_ni");
  b->rng = 1;
  return b;
}

void block_close(struct block *b) {
  if (!b) return;
  b->code->destroy(b->instance);
  dlclose(b->library);
  free(b);
}

unsigned block_width(struct block *b, const char *name) { return port(b, name)->width; }

static const struct verilated_port *input(struct block *b, const char *name) {
  const struct verilated_port *p = port(b, name);
  if (!p->input) fail_msg("%s: port %s is an output", b->name, name);
  return p;
}

void block_set(struct block *b, const char *name, const uint32_t *words) {
  port_set(input(b, name), words);
}
void block_get(struct block *b, const char *name, uint32_t *words) {
  port_get(port(b, name), words);
}

void block_set_u64(struct block *b, const char *name, uint64_t value) {
  const struct verilated_port *p = input(b, name);
  const uint32_t words[2] = {(uint32_t)value, (uint32_t)(value >> 32)};
  if (p->width > 64) fail_msg("%s: port %s is wider than 64 bits", b->name, name);
  if (p->width < 64 && value >> p->width && bits_sign(value, p->width) != (int64_t)value)
    fail_msg("%s: 0x%llx does not fit port %s", b->name, (unsigned long long)value, name);
  port_set(p, words);
}

uint64_t block_get_u64(struct block *b, const char *name) {
  const struct verilated_port *p = port(b, name);
  if (p->width > 64) fail_msg("%s: port %s is wider than 64 bits", b->name, name);
  uint32_t words[2] = {0, 0};
  port_get(p, words);
  return words[0] | (uint64_t)words[1] << 32;
}

int64_t block_get_s64(struct block *b, const char *name) {
  return bits_sign(block_get_u64(b, name), port(b, name)->width);
}

static void eval(struct block *b) {
  const int stops = b->code->eval(b->instance);
  if (stops != b->stops) {
    b->stops = stops;
    fail_msg("%s: an assertion of the RTL failed in cycle %llu (its message is above)", b->name,
             (unsigned long long)b->cycle);
  }
}

void block_eval(struct block *b) { eval(b); }

void block_clock(struct block *b) {
  const uint32_t high = 1, low = 0;
  eval(b);
  if (!b->clk) fail_msg("%s has no clk_i", b->name);
  port_set(b->clk, &high);
  eval(b);
  port_set(b->clk, &low);
  b->cycle++;
}

uint64_t block_cycle(const struct block *b) { return b->cycle; }

void block_reset(struct block *b) {
  b->n_streams = 0;
  b->before = b->after = NULL;
  b->stall = BLOCK_PLAIN;
  for (unsigned i = 0; i < b->n_ports; i++)
    if (b->ports[i].input) memset(b->ports[i].data, 0, b->ports[i].bytes);
  if (!b->clk) return;
  for (int i = 0; i < 3; i++) block_clock(b);
  if (b->rst_n) block_set_u64(b, "rst_ni", 1);
  if (find(b, "mem_rst_ni")) block_set_u64(b, "mem_rst_ni", 1);
  block_eval(b);
}

// ----------------------------------------------------------------------------------------- streams

void block_stalls(struct block *b, enum block_stall stall, uint64_t seed) {
  b->stall = stall;
  b->rng = seed * 0x9e3779b97f4a7c15ull | 1;
  for (size_t i = 0; i < b->n_streams; i++) {
    const bool hit = b->streams[i].source ? stall & BLOCK_IDLE : stall & BLOCK_BACK_PRESSURE;
    b->streams[i].idle_percent = hit ? 40 : 0;
  }
}

static struct block_stream *stream(struct block *b, bool source, const char *valid,
                                   const char *ready, const struct block_field *fields,
                                   size_t n_fields, const void *items, size_t item_bytes,
                                   size_t n) {
  if (b->n_streams == MAX_STREAMS) fail_msg("%s: more than %d streams", b->name, MAX_STREAMS);
  struct block_stream *s = &b->streams[b->n_streams++];
  *s = (struct block_stream){.block = b,
                             .valid = valid,
                             .ready = ready,
                             .fields = fields,
                             .n_fields = n_fields,
                             .item_bytes = item_bytes,
                             .n = n,
                             .items = (unsigned char *)(uintptr_t)items,
                             .source = source};
  if (port(b, valid)->input != source) fail_msg("%s: %s has the wrong direction", b->name, valid);
  if (ready && port(b, ready)->input == source)
    fail_msg("%s: %s has the wrong direction", b->name, ready);
  for (size_t i = 0; i < n_fields; i++) {
    const struct verilated_port *p = port(b, fields[i].port);
    if (fields[i].bytes < 4 * BITS_WORDS(p->width))
      fail_msg("%s: port %s has %u bits, its member only %zu bytes", b->name, p->name, p->width,
               fields[i].bytes);
  }
  const bool hit = source ? b->stall & BLOCK_IDLE : b->stall & BLOCK_BACK_PRESSURE;
  s->idle_percent = hit ? 40 : 0;
  return s;
}

struct block_stream *block_source(struct block *b, const char *valid, const char *ready,
                                  const struct block_field *fields, size_t n_fields,
                                  const void *items, size_t item_bytes, size_t n) {
  return stream(b, true, valid, ready, fields, n_fields, items, item_bytes, n);
}

struct block_stream *block_sink(struct block *b, const char *valid, const char *ready,
                                const struct block_field *fields, size_t n_fields, void *items,
                                size_t item_bytes, size_t n) {
  return stream(b, false, valid, ready, fields, n_fields, items, item_bytes, n);
}

void block_split(void *parts, const void *items, size_t item_bytes, size_t n, unsigned width) {
  const size_t bytes = width * sizeof(uint32_t);
  for (size_t i = 0; i < n * HEAD_DIM / width; i++) {
    unsigned char *part = (unsigned char *)parts + i * item_bytes;
    const unsigned char *item = (const unsigned char *)items + i * width / HEAD_DIM * item_bytes;
    memcpy(part, item, item_bytes);
    memcpy(part, item + i * width % HEAD_DIM / width * bytes, bytes);
  }
}

void block_join(void *items, const void *parts, size_t item_bytes, size_t n, unsigned width) {
  const size_t bytes = width * sizeof(uint32_t);
  for (size_t i = 0; i < n * HEAD_DIM / width; i++) {
    const unsigned char *part = (const unsigned char *)parts + i * item_bytes;
    unsigned char *item = (unsigned char *)items + i * width / HEAD_DIM * item_bytes;
    if (i * width % HEAD_DIM == 0) memcpy(item, part, item_bytes);
    memcpy(item + i * width % HEAD_DIM / width * bytes, part, bytes);
  }
}

uint32_t block_used_bits(const uint32_t rows[64]) {
  uint32_t used = 0;
  for (int i = 0; i < HEAD_DIM; i++) used |= rows[i] ^ ((int32_t)rows[i] < 0 ? ~0u : 0);
  return used;
}

void block_hooks(struct block *b, void (*before)(void *ctx), void (*after)(void *ctx), void *ctx) {
  b->before = before;
  b->after = after;
  b->ctx = ctx;
}

static uint32_t *member(const struct block_stream *s, size_t item, const struct block_field *f) {
  return (uint32_t *)(void *)(s->items + item * s->item_bytes + f->offset);
}

// Stalls come in episodes: often for some 64 cycles, then hardly ever, so that queues fill and
// empty.
static bool pauses(struct block *b, struct block_stream *s) {
  if (s->hold) return true;
  const bool often = (b->cycle / 64 * 0x9e3779b97f4a7c15ull >> 60) & 1;
  const bool pause = s->idle_percent != 0 && (s->max_pause == 0 || s->paused < s->max_pause) &&
                     rng_chance(&b->rng, often ? s->idle_percent * 2 : s->idle_percent / 4);
  s->paused = pause ? s->paused + 1 : 0;
  return pause;
}

static void source_drive(struct block *b, struct block_stream *s) {
  if (!s->offered) s->offered = s->done < s->n && !pauses(b, s);
  block_set_u64(b, s->valid, s->offered);
  for (size_t i = 0; i < s->n_fields; i++) {
    const struct verilated_port *p = port(b, s->fields[i].port);
    if (s->offered) {
      port_set(p, member(s, s->done, &s->fields[i]));
    } else {
      uint32_t noise[BITS_WORDS(p->width)];
      for (unsigned w = 0; w < BITS_WORDS(p->width); w++) noise[w] = (uint32_t)rng_next(&b->rng);
      port_set(p, noise);
    }
  }
}

static void moved(struct block *b, struct block_stream *s) {
  if (s->done == 0) s->first_cycle = b->cycle;
  s->last_cycle = b->cycle;
  s->moved = true;
}

static void source_sample(struct block *b, struct block_stream *s) {
  if (!s->offered || (s->ready && !block_get_u64(b, s->ready))) return;
  moved(b, s);
  s->offered = false;
  s->done++;
}

static void sink_sample(struct block *b, struct block_stream *s, bool ready) {
  const bool valid = block_get_u64(b, s->valid);
  if (!valid) {
    if (s->offered)
      fail_msg("%s: %s fell before %s rose (item %zu, cycle %llu)", b->name, s->valid, s->ready,
               s->done, (unsigned long long)b->cycle);
    return;
  }
  if (s->done >= s->n) {
    if (ready)
      fail_msg("%s: %s: more than the %zu items expected (cycle %llu)", b->name, s->valid, s->n,
               (unsigned long long)b->cycle);
    return;
  }
  for (size_t i = 0; i < s->n_fields; i++) {
    const struct verilated_port *p = port(b, s->fields[i].port);
    uint32_t words[BITS_WORDS(p->width)], *to = member(s, s->done, &s->fields[i]);
    port_get(p, words);
    if (s->offered && memcmp(to, words, sizeof words))
      fail_msg("%s: %s changed while %s waited for %s (item %zu, cycle %llu)", b->name, p->name,
               s->valid, s->ready, s->done, (unsigned long long)b->cycle);
    memset(to, 0, s->fields[i].bytes);
    memcpy(to, words, sizeof words);
  }
  s->offered = !ready;
  if (ready) {
    moved(b, s);
    s->done++;
  }
}

void block_step(struct block *b) {
  bool ready[MAX_STREAMS];
  for (size_t i = 0; i < b->n_streams; i++) {
    struct block_stream *s = &b->streams[i];
    s->moved = false;
    ready[i] = true;
    if (s->source) {
      source_drive(b, s);
    } else if (s->ready) {
      ready[i] = !pauses(b, s);
      block_set_u64(b, s->ready, ready[i]);
    }
  }
  if (b->before) b->before(b->ctx);
  eval(b);
  if (b->after) b->after(b->ctx);
  for (size_t i = 0; i < b->n_streams; i++) {
    struct block_stream *s = &b->streams[i];
    if (s->source) source_sample(b, s);
    else sink_sample(b, s, ready[i]);
  }
  block_clock(b);
}

static void stuck(struct block *b, unsigned limit) {
  char text[1024] = "";
  for (size_t i = 0; i < b->n_streams; i++) {
    const struct block_stream *s = &b->streams[i];
    const size_t at = strlen(text);
    snprintf(text + at, sizeof text - at, "%s %s %zu of %zu", i ? "," : "", s->valid, s->done,
             s->n);
  }
  fail_msg("%s: nothing moved for %u cycles (cycle %llu):%s", b->name, limit,
           (unsigned long long)b->cycle, text);
}

void block_run(struct block *b, unsigned limit, unsigned extra) {
  for (unsigned idle = 0;; idle++) {
    bool all = true;
    for (size_t i = 0; i < b->n_streams; i++) {
      all = all && b->streams[i].done >= b->streams[i].n;
      if (b->streams[i].moved) idle = 0;
    }
    if (all) break;
    if (idle >= limit) stuck(b, limit);
    block_step(b);
  }
  for (unsigned i = 0; i < extra; i++) block_step(b);
}

void block_expect(const struct block_stream *s, const void *want, size_t n) {
  if (s->done != n)
    fail_msg("%s: %s: %zu items, expected %zu", s->block->name, s->valid, s->done, n);
  for (size_t item = 0; item < n; item++) {
    for (size_t i = 0; i < s->n_fields; i++) {
      const struct block_field *f = &s->fields[i];
      const unsigned width = port(s->block, f->port)->width;
      const unsigned char *base = (const unsigned char *)want + item * s->item_bytes + f->offset;
      for (unsigned w = 0; w < BITS_WORDS(width); w++) {
        uint32_t expected;
        memcpy(&expected, base + 4 * w, 4);
        if (width - 32 * w < 32) expected &= (1u << (width - 32 * w)) - 1;
        const uint32_t found = member(s, item, f)[w];
        if (found != expected)
          fail_msg("%s: item %zu of %zu, %s word %u: expected %d (0x%x), found %d (0x%x)",
                   s->block->name, item, n, f->port, w, (int32_t)expected, expected, (int32_t)found,
                   found);
      }
    }
  }
}

struct pkg_label block_label(const struct pkg_job *j, bool side, uint32_t group, uint32_t block) {
  struct pkg_label label;
#define COPY(name, bits) label.name = j->name;
  PKG_WORK_FIELDS(COPY)
  PKG_ISSUE_FIELDS(COPY)
  label.side = side;
  label.group = group;
  label.block = block;
  label.last_group = group == j->groups - 1;
  label.last_block = block == j->blocks - 1;
  label.start = group == 0 && block == 0;
#undef COPY
  return label;
}

// ------------------------------------------------------------------------------------------- tests

void block_pipeline(struct block *b, enum block_stall stall, struct block_items in,
                    struct block_items want, size_t n, unsigned latency) {
  void *got = calloc(n, want.item_bytes);
  assert_non_null(got);
  block_reset(b);
  block_stalls(b, stall, 7);
  const struct block_stream *source =
      block_source(b, "in_valid_i", NULL, in.fields, in.n_fields, in.items, in.item_bytes, n);
  const struct block_stream *sink =
      block_sink(b, "out_valid_o", NULL, want.fields, want.n_fields, got, want.item_bytes, n);
  block_run(b, 1000, 20);
  block_expect(sink, want.items, n);
  assert_int_equal(sink->first_cycle - source->first_cycle, latency);
  assert_int_equal(sink->last_cycle - source->last_cycle, latency);
  block_reset(b);  // the sink's items are freed
  free(got);
}

static void (*check_segments)(unsigned segments);
static void test_segments(void **state) { check_segments(*(const unsigned *)*state); }

int block_test_segments(void (*check)(unsigned segments), unsigned most) {
  static unsigned segments[] = {1, 4, 16, 64};
  const struct CMUnitTest tests[] = {
      {"test_1", test_segments, NULL, NULL, &segments[0]},
      {"test_4", test_segments, NULL, NULL, &segments[1]},
      {"test_16", test_segments, NULL, NULL, &segments[2]},
      {"test_64", test_segments, NULL, NULL, &segments[3]},
  };
  size_t n = 0;
  check_segments = check;
  while (n < sizeof segments / sizeof *segments && segments[n] <= most) n++;
  return _cmocka_run_group_tests("tests", tests, n, NULL, NULL);
}
