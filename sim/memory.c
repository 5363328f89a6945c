// SPDX-License-Identifier: Apache-2.0
#include "memory.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"

enum {
  BURSTS = 256,  // requests that may wait; no more are taken
  WRITES = 64,
  PREFETCH = 6,  // beats between the prefetched one and the one delivered
};

struct burst {
  const uint8_t *next, *end;
  uint64_t ready;  // the first cycle in which it can be answered
};

struct write {
  uint64_t ready;
  uint8_t *to;
  uint64_t *strobe;  // lanes bits, a word a segment
  uint8_t *data;     // lanes bytes
};

struct memory {
  struct memory_port port;
  const uint8_t *image;
  uint8_t *kv;
  uint64_t n_image, n_kv;
  uint32_t lanes;

  uint64_t rng, stall_below;       // a draw below it is a stall
  int64_t credit, credit_a_cycle;  // beats that may move now, in 2^-32
  int64_t write_cost;
  unsigned latency;
  struct burst bursts[BURSTS];
  unsigned burst_first, burst_count;
  struct write writes[WRITES];
  unsigned write_first, write_count;
  uint8_t *write_bytes;
  uint64_t cycle, beats_read, beats_written;
};

// ---------------------------------------------------------------------------------------- settings

// Peaks are data rate x width: 2400 MT/s x 8 bytes; 2 stacks x 1024 bits x 1800 MT/s (U280).
// Latencies, and the share of the peak for in-order reads, are those that Shuhai measured from
// logic in a U280 next to the memory (idle, page closed): 27 cycles of 300 MHz and 18 of 19.2 GB/s
// for a DDR4-2400 channel; 55 cycles of 450 MHz and 425 of 460 GB/s for HBM2. U50: the same two
// stacks, for which the card's data sheet gives 316 GB/s.
#define SHUHAI "Wang, Huang, Zhang, Alonso: Shuhai, FCCM 2020 (arXiv 2005.04324)"
// The boards' bytes per cycle are those that gpt2_axi reads in order from LiteDRAM with its model
// of the memory, refresh included, while it writes nothing. The latency, 20 and 30 cycles, is
// assumed; the engine never waits for it at these bandwidths.
#define LITEDRAM "LiteDRAM 2024.12 simulated: 1.94 and 6.32 bytes per cycle in order"
const struct memory_preset memory_presets[] = {
    {"ideal", 0, INFINITY, 1, "not a real memory: an answer in the next cycle, a beat per cycle",
     0},
    {"ddr4-2400", 89.9, 19.2, 18.0 / 19.2, "JEDEC JESD79-4, 64 bits; " SHUHAI, 0},
    {"4xddr4-2400", 89.9, 76.8, 18.0 / 19.2, "Alveo U200/U250 data sheet DS962, 77 GB/s; " SHUHAI,
     0},
    {"hbm2-u50", 122.2, 316, 425.0 / 460, "Alveo U50 data sheet DS965; " SHUHAI, 0},
    {"hbm2-u280", 122.2, 460, 425.0 / 460, "Alveo U280 data sheet DS963; " SHUHAI, 0},
    {"ulx3s", 400, 0.1, 1.94 / 2, "SDRAM, 16 bits at 50 MHz; " LITEDRAM, 50},
    {"ecpix5", 400, 0.6, 6.32 / 8, "DDR3, 16 bits at 300 MT/s; " LITEDRAM, 75},
    {0},
};

static int unknown(const char *item, struct err *err) {
  char names[128] = "";
  for (const struct memory_preset *p = memory_presets; p->name; p++)
    snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s",
             p == memory_presets ? "" : ", ", p->name);
  return err_set(err,
                 "memory setting '%s': expected latency=, beats=, stall=, seed= or a preset: %s",
                 item, names);
}

// Takes one item: item=value, or a preset's name if value is NULL. *cycles says that latency or
// beats was given.
static int parse_item(struct sim_memory *m, const char *item, const char *value, bool *cycles,
                      struct err *err) {
  char *end;
  if (!value) {
    for (const struct memory_preset *p = memory_presets; p->name; p++) {
      if (strcmp(item, p->name)) continue;
      m->preset = p;
      if (p->clock > 0) m->clock = p->clock;
      return 0;
    }
    return unknown(item, err);
  }
  const double x = strtod(value, &end);
  if (!*value || *end) return err_set(err, "memory setting %s=%s: not a number", item, value);
  if (!strcmp(item, "latency")) {
    if (!(x >= 1 && x <= 100000 && x == (unsigned)x))
      return err_set(err, "memory setting latency=%s: expected 1 to 100000 cycles", value);
    m->latency = (unsigned)x;
    *cycles = true;
  } else if (!strcmp(item, "beats")) {
    if (!(x >= 0.001 && x <= 1))
      return err_set(err, "memory setting beats=%s: expected 0.001 to 1 beats per cycle", value);
    m->beats = x;
    *cycles = true;
  } else if (!strcmp(item, "stall")) {
    if (!(x >= 0 && x <= 0.95))
      return err_set(err, "memory setting stall=%s: expected a probability, 0 to 0.95", value);
    m->stall = x;
  } else if (!strcmp(item, "seed")) {
    errno = 0;
    m->seed = strtoull(value, &end, 10);
    if (*value < '0' || *value > '9' || *end || errno)
      return err_set(err, "memory setting seed=%s: expected 0 to 2^64 - 1", value);
  } else {
    return unknown(item, err);
  }
  return 0;
}

int sim_memory_parse(struct sim_memory *memory, const char *text, struct err *err) {
  struct sim_memory m = *memory;
  bool cycles = false;
  for (const char *at = text; *at;) {
    const size_t n = strcspn(at, ",");
    char item[64];
    if (n >= sizeof item) return err_set(err, "memory setting '%s': too long", text);
    memcpy(item, at, n);
    item[n] = 0;
    char *value = strchr(item, '=');
    if (value) *value++ = 0;
    if (parse_item(&m, item, value, &cycles, err)) return -1;
    at += n;
    if (*at) at++;
  }
  if (m.preset && cycles)
    return err_set(err,
                   "memory setting '%s': the preset %s sets latency and bandwidth; give either the "
                   "preset or the settings",
                   text, m.preset->name);
  *memory = m;
  return 0;
}

void sim_memory_resolve(struct sim_memory *m, uint32_t lanes) {
  if (!m->preset) return;
  const double cycles = ceil(m->preset->latency * m->clock / 1000);
  m->latency = cycles < 1 ? 1 : (unsigned)cycles;
  m->beats = fmin(1, m->preset->peak * m->preset->efficiency * 1000 / (m->clock * lanes));
}

void sim_memory_print(char text[static 128], const struct sim_memory *m) {
  int n = 0;
  if (m->preset) n = snprintf(text, 128, "%s at %g MHz: ", m->preset->name, m->clock);
  snprintf(text + n, 128 - (size_t)n, "latency=%u,beats=%.6g,stall=%.6g", m->latency, m->beats,
           m->stall);
}

// ------------------------------------------------------------------------------------------ memory

void memory_set(struct memory *m, const struct sim_memory *settings) {
  struct sim_memory s = *settings;
  sim_memory_resolve(&s, m->lanes);
  m->latency = s.latency;
  m->stall_below = (uint64_t)(s.stall * 18446744073709549568.0);
  m->credit_a_cycle = llround(s.beats * 4294967296.0);
  m->write_cost = s.preset && s.beats < 1 ? INT64_C(1) << 32 : 0;
}

int memory_create(struct memory **out, const struct sim_memory *settings, const uint8_t *image,
                  uint64_t n_image, uint64_t n_kv, uint32_t lanes, struct err *err) {
  *out = NULL;
  struct memory *m = calloc(1, sizeof *m);
  if (!m) return err_memory(err, "the simulated memory");
  *m = (struct memory){.image = image,
                       .n_image = n_image,
                       .n_kv = n_kv,
                       .lanes = lanes,
                       .rng = sampling_seed(settings->seed)};
  memory_set(m, settings);
  const size_t room = lanes + lanes / 8;  // of a write
  m->kv = calloc(n_kv, lanes);
  m->write_bytes = aligned_alloc(64, WRITES * room);
  if (!m->kv || !m->write_bytes) {
    memory_destroy(m);
    return err_memory(err, "the KV cache");
  }
  for (unsigned i = 0; i < WRITES; i++) {
    m->writes[i].data = m->write_bytes + i * room;
    m->writes[i].strobe = (uint64_t *)(void *)(m->writes[i].data + lanes);
  }
  *out = m;
  return 0;
}

void memory_destroy(struct memory *m) {
  if (!m) return;
  free(m->kv);
  free(m->write_bytes);
  free(m);
}

void memory_connect(struct memory *m, const struct memory_port *port) { m->port = *port; }
uint8_t *memory_kv(struct memory *m) { return m->kv; }

struct memory_counts memory_count(const struct memory *m) {
  return (struct memory_counts){.cycles = m->cycle,
                                .beats_read = m->beats_read,
                                .beats_written = m->beats_written,
                                .reads_waiting = m->burst_count,
                                .writes_waiting = m->write_count};
}

static uint64_t next_random(struct memory *m) {
  m->rng ^= m->rng << 13;
  m->rng ^= m->rng >> 7;
  m->rng ^= m->rng << 17;
  return m->rng;
}

bool memory_stalls(struct memory *m) { return m->stall_below && next_random(m) < m->stall_below; }

// The bytes of n beats from addr, or NULL if they are not all in the image or all in the KV cache.
static const uint8_t *beats_at(const struct memory *m, uint32_t addr, uint32_t n) {
  if ((uint64_t)addr + n <= m->n_image) return m->image + (size_t)addr * m->lanes;
  if (addr >= m->n_image && addr + (uint64_t)n <= m->n_image + m->n_kv)
    return m->kv + (size_t)(addr - m->n_image) * m->lanes;
  return NULL;
}

// Tests 64 strobes of a segment at a time, because most are all clear or all set.
static void write_bytes(const struct memory *m, const struct write *w) {
  for (uint32_t s = 0; s < m->lanes / 64; s++) {
    uint64_t strobe = w->strobe[s];
    if (strobe == UINT64_MAX) memcpy(w->to + 64 * s, w->data + 64 * s, 64);
    else
      for (; strobe; strobe &= strobe - 1) {
        const uint32_t i = 64 * s + (uint32_t)__builtin_ctzll(strobe);
        w->to[i] = w->data[i];
      }
  }
}

void memory_drive(struct memory *m) {
  const struct memory_port *p = &m->port;
  const int64_t most =
      INT64_C(2) << 32;  // with less, the remainder after a beat in the next cycle would be lost
  m->credit += m->credit_a_cycle;
  if (m->credit > most) m->credit = most;
  const bool stall = memory_stalls(m);
  *p->rd_req_ready = m->burst_count < BURSTS && !stall;
  *p->wr_ready = m->write_count < WRITES && !stall;
  *p->wr_ack = 0;
  if (m->write_count && m->writes[m->write_first].ready <= m->cycle && !stall) {
    write_bytes(m, &m->writes[m->write_first]);
    m->write_first = (m->write_first + 1) % WRITES;
    m->write_count--;
    *p->wr_ack = 1;
  }
  *p->rd_rsp_valid = 0;
  if (m->burst_count == 0 || m->credit < INT64_C(1) << 32) return;
  const struct burst *b = &m->bursts[m->burst_first];
  if (b->ready > m->cycle || memory_stalls(m)) return;
  // The computer's memory is slow too, so the next beats are prefetched into its cache.
  memcpy(p->rd_rsp_data, b->next, m->lanes);
  for (uint32_t i = 0; i < m->lanes; i += 64) __builtin_prefetch(b->next + PREFETCH * m->lanes + i);
  *p->rd_rsp_valid = 1;
}

static int take_read(struct memory *m, struct err *err) {
  const uint32_t addr = *m->port.rd_req_addr, n = *m->port.rd_req_len;
  const uint8_t *from = beats_at(m, addr, n);
  if (!from || n == 0)
    return err_set(err,
                   "cycle %llu: the hardware reads %u beats from beat %u, outside the image (%llu "
                   "beats) and the KV cache (%llu after it)",
                   (unsigned long long)m->cycle, n, addr, (unsigned long long)m->n_image,
                   (unsigned long long)m->n_kv);
  m->bursts[(m->burst_first + m->burst_count++) % BURSTS] =
      (struct burst){.next = from,
                     .end = from + (size_t)n * m->lanes,
                     .ready = m->cycle + m->latency};
  return 0;
}

static int take_write(struct memory *m, struct err *err) {
  const uint32_t addr = *m->port.wr_addr;
  if (addr < m->n_image || !beats_at(m, addr, 1))
    return err_set(err,
                   "cycle %llu: the hardware writes to beat %u, which is not in the KV cache (%llu "
                   "beats from %llu)",
                   (unsigned long long)m->cycle, addr, (unsigned long long)m->n_kv,
                   (unsigned long long)m->n_image);
  struct write *w = &m->writes[(m->write_first + m->write_count++) % WRITES];
  w->to = m->kv + (size_t)(addr - m->n_image) * m->lanes;
  w->ready = m->cycle + m->latency;
  if (m->stall_below) w->ready += next_random(m) % (3 * m->latency + 1);
  memcpy(w->data, m->port.wr_data, m->lanes);
  memcpy(w->strobe, m->port.wr_strb, m->lanes / 8);
  m->credit -= m->write_cost;
  m->beats_written++;
  return 0;
}

int memory_take(struct memory *m, struct err *err) {
  const struct memory_port *p = &m->port;
  int moved = 0;
  if (*p->rd_rsp_valid && *p->rd_rsp_ready) {
    struct burst *b = &m->bursts[m->burst_first];
    m->credit -= INT64_C(1) << 32;
    m->beats_read++;
    moved = 1;
    if ((b->next += m->lanes) == b->end) {
      m->burst_first = (m->burst_first + 1) % BURSTS;
      m->burst_count--;
    }
  }
  if (*p->rd_req_valid && *p->rd_req_ready) {
    if (take_read(m, err)) return -1;
    moved = 1;
  }
  if (*p->wr_valid && *p->wr_ready) {
    if (take_write(m, err)) return -1;
    moved = 1;
  }
  m->cycle++;
  return moved;
}
