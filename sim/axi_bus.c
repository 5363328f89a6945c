// SPDX-License-Identifier: Apache-2.0
#include "axi_bus.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"

enum {
  QUEUE = 64,          // bursts and writes that a port may have outstanding; no more are taken
  REGIONS = 72,        // image and cache in 32 stripes each, and a few more
  PATIENCE = 1000000,  // cycles without a transfer while waiting for the hardware
  ANSWER = 1000,       // cycles in which a register access must be answered
  IDLE = 256,
  BOUNDARY = 4096,  // no burst crosses a multiple of it
  OKAY = 0,
  SLVERR = 2,
  DECERR = 3,
};

// Ports of gpt2_axi. On the register side each is a bit or a word; on the memory side the bits of
// all ports are packed side by side.
#define REGISTER_PORTS(P) \
  P(clk_i)                \
  P(rst_ni)               \
  P(irq_o)                \
  P(s_axil_awvalid_i)     \
  P(s_axil_awready_o)     \
  P(s_axil_awaddr_i)      \
  P(s_axil_wvalid_i)      \
  P(s_axil_wready_o)      \
  P(s_axil_wdata_i)       \
  P(s_axil_wstrb_i)       \
  P(s_axil_bvalid_o)      \
  P(s_axil_bready_i)      \
  P(s_axil_bresp_o)       \
  P(s_axil_arvalid_i)     \
  P(s_axil_arready_o)     \
  P(s_axil_araddr_i)      \
  P(s_axil_rvalid_o)      \
  P(s_axil_rready_i)      \
  P(s_axil_rdata_o)       \
  P(s_axil_rresp_o)
#define MEMORY_PORTS(P) \
  P(m_axi_arvalid_o)    \
  P(m_axi_arready_i)    \
  P(m_axi_araddr_o)     \
  P(m_axi_arlen_o)      \
  P(m_axi_arsize_o)     \
  P(m_axi_arburst_o)    \
  P(m_axi_rvalid_i)     \
  P(m_axi_rready_o)     \
  P(m_axi_rdata_i)      \
  P(m_axi_rresp_i)      \
  P(m_axi_rlast_i)      \
  P(m_axi_awvalid_o)    \
  P(m_axi_awready_i)    \
  P(m_axi_awaddr_o)     \
  P(m_axi_awlen_o)      \
  P(m_axi_wvalid_o)     \
  P(m_axi_wready_i)     \
  P(m_axi_wdata_o)      \
  P(m_axi_wstrb_o)      \
  P(m_axi_wlast_o)      \
  P(m_axi_bvalid_i)     \
  P(m_axi_bready_o)     \
  P(m_axi_bresp_i)
#define MEMBER(name) uint8_t *name;
struct axi_signals {
  REGISTER_PORTS(MEMBER)
  MEMORY_PORTS(MEMBER)
};

struct region {
  uint64_t base, bytes;
  uint8_t *data;
};

struct read_burst {
  uint64_t address, ready;
  unsigned left;
  bool counted;  // its first transfer has come, so the rest has no latency
};
struct write_data {
  uint8_t data[128], strobe[16];
};
struct write_transfer {
  uint64_t address, ready;
  struct write_data beat;
};

struct port {
  struct read_burst reads[QUEUE];
  uint64_t addresses[QUEUE];       // of writes, AW without W
  struct write_data words[QUEUE];  // W without AW
  struct write_transfer writes[QUEUE];
  unsigned read_first, read_count, address_first, address_count, word_first, word_count;
  unsigned write_first, write_count;
  int64_t credit;
  bool offers_read, offers_answer;  // rvalid and bvalid are held until taken
};

struct axi_bus {
  struct library library;
  const struct verilated_block *code;
  void *instance;
  struct axi_signals s;
  struct axi_ports shape;
  uint32_t port_bytes;
  bool failed;
  struct err error;

  struct region regions[REGIONS];
  unsigned n_regions;
  struct port *port;
  uint64_t rng, stall_below;
  int64_t credit_a_cycle, write_cost;
  unsigned latency;
  bool held;
  uint64_t refuse[2];  // transfers until the refused one, reads and writes
  unsigned response[2];
  uint64_t cycle, moved;  // the current one; that of the last transfer
  struct axi_counts counts;
};

// ---- ports ----------------------------------------------------------------------------------

struct axi_ports axi_ports_default(uint32_t lanes) {
  return lanes <= 128 ? (struct axi_ports){1, 8 * lanes} : (struct axi_ports){lanes / 128, 1024};
}

int axi_ports_parse(struct axi_ports *ports, const char *text, uint32_t lanes, struct err *err) {
  unsigned n, bits;
  char end;
  if (sscanf(text, "%2ux%4u%c", &n, &bits, &end) != 2)
    return err_set(err, "memory ports '%s': expected their number and width, as in 8x1024", text);
  if (n < 1 || n > 32 || n & (n - 1) || bits < 32 || bits > 1024 || bits & (bits - 1) ||
      n * bits > 8 * lanes)
    return err_set(err,
                   "memory ports '%s': 1, 2, 4, ... 32 of 32, 64, ... 1024 bits are possible, "
                   "together at most %" PRIu32 " bits, a beat of %" PRIu32 " lanes",
                   text, 8 * lanes, lanes);
  *ports = (struct axi_ports){n, bits};
  return 0;
}

static bool bit(const uint8_t *bits, unsigned i) { return bits[i / 8] >> i % 8 & 1; }
static void put(uint8_t *bits, unsigned i, bool value) {
  bits[i / 8] = (uint8_t)((bits[i / 8] & ~(1u << i % 8)) | (unsigned)value << i % 8);
}
static void put_response(uint8_t *bits, unsigned port, unsigned response) {
  put(bits, 2 * port, response & 1);
  put(bits, 2 * port + 1, response >> 1);
}
static uint64_t address_at(const uint8_t *bits, unsigned port) {
  uint64_t address;
  memcpy(&address, bits + 8 * port, sizeof address);
  return address;
}

static void fail(struct axi_bus *bus, const char *what, unsigned port, uint64_t address) {
  if (bus->failed) return;
  bus->failed = true;
  err_set(&bus->error, "cycle %" PRIu64 ", port %u, address 0x%" PRIx64 ": %s", bus->cycle, port,
          address, what);
}

// ---- memory ---------------------------------------------------------------------------------

static uint8_t *bytes_at(struct axi_bus *bus, uint64_t address, uint64_t n) {
  for (unsigned i = 0; i < bus->n_regions; i++) {
    const struct region *r = &bus->regions[i];
    if (address >= r->base && address - r->base < r->bytes)
      return r->bytes - (address - r->base) >= n ? r->data + (address - r->base) : NULL;
  }
  return NULL;
}

uint8_t *axi_bus_at(struct axi_bus *bus, uint64_t address) { return bytes_at(bus, address, 1); }

int axi_bus_map(struct axi_bus *bus, uint64_t base, uint64_t bytes, struct err *err) {
  for (unsigned i = 0; i < bus->n_regions; i++) {
    const struct region *r = &bus->regions[i];
    if (base < r->base ? r->base - base < bytes : base - r->base < r->bytes)
      return err_set(err, "address 0x%" PRIx64 " has memory already", base);
  }
  if (bus->n_regions == REGIONS) return err_set(err, "more than %d pieces of memory", REGIONS);
  uint8_t *data = calloc(1, bytes);
  if (!data) return err_memory(err, "the simulated memory");
  bus->regions[bus->n_regions++] = (struct region){base, bytes, data};
  return 0;
}

void axi_bus_unmap(struct axi_bus *bus) {
  for (unsigned i = 0; i < bus->n_regions; i++) free(bus->regions[i].data);
  bus->n_regions = 0;
}

static uint64_t next_random(struct axi_bus *bus) {
  bus->rng ^= bus->rng << 13;
  bus->rng ^= bus->rng >> 7;
  bus->rng ^= bus->rng << 17;
  return bus->rng;
}
static bool stalls(struct axi_bus *bus) {
  return bus->stall_below && next_random(bus) < bus->stall_below;
}

// The response to a transfer, which a test can change.
static unsigned answer(struct axi_bus *bus, bool write, bool there) {
  if (bus->refuse[write] && --bus->refuse[write] == 0) return bus->response[write];
  return there ? OKAY : DECERR;
}

// Sets what the memory offers to a port in this cycle. An offer stays until it is taken.
static void drive_port(struct axi_bus *bus, unsigned p) {
  struct port *port = &bus->port[p];
  struct axi_signals *s = &bus->s;
  const int64_t most = INT64_C(2) << 32;
  port->credit += bus->credit_a_cycle;
  if (port->credit > most) port->credit = most;
  put(s->m_axi_arready_i, p, port->read_count < QUEUE && !stalls(bus));
  put(s->m_axi_awready_i, p, port->address_count + port->write_count < QUEUE && !stalls(bus));
  put(s->m_axi_wready_i, p, port->word_count + port->write_count < QUEUE && !stalls(bus));

  const struct read_burst *r = &port->reads[port->read_first];
  if (!port->offers_read && port->read_count && !bus->held && r->ready <= bus->cycle &&
      port->credit >= INT64_C(1) << 32 && !stalls(bus)) {
    const uint8_t *from = bytes_at(bus, r->address, bus->port_bytes);
    const unsigned response = answer(bus, false, from != NULL);
    uint8_t *to = s->m_axi_rdata_i + (size_t)p * bus->port_bytes;
    if (from && response == OKAY) memcpy(to, from, bus->port_bytes);
    else memset(to, 0x5a, bus->port_bytes);
    put_response(s->m_axi_rresp_i, p, response);
    put(s->m_axi_rlast_i, p, r->left == 1);
    port->offers_read = true;
  }
  put(s->m_axi_rvalid_i, p, port->offers_read);

  const struct write_transfer *w = &port->writes[port->write_first];
  if (!port->offers_answer && port->write_count && !bus->held && w->ready <= bus->cycle &&
      !stalls(bus)) {
    uint8_t *to = bytes_at(bus, w->address, bus->port_bytes);
    const unsigned response = answer(bus, true, to != NULL);
    for (unsigned i = 0; to && response == OKAY && i < bus->port_bytes; i++)
      if (bit(w->beat.strobe, i)) to[i] = w->beat.data[i];
    put_response(s->m_axi_bresp_i, p, response);
    port->offers_answer = true;
  }
  put(s->m_axi_bvalid_i, p, port->offers_answer);
}

static void take_read(struct axi_bus *bus, unsigned p) {
  struct port *port = &bus->port[p];
  const uint64_t address = address_at(bus->s.m_axi_araddr_o, p);
  const unsigned n = bus->s.m_axi_arlen_o[p] + 1u;
  unsigned size = 0;
  for (unsigned i = 0; i < 3; i++) size |= (unsigned)bit(bus->s.m_axi_arsize_o, 3 * p + i) << i;
  if (1u << size != bus->port_bytes) fail(bus, "ARSIZE is not the port's width", p, address);
  if (!bit(bus->s.m_axi_arburst_o, 2 * p) || bit(bus->s.m_axi_arburst_o, 2 * p + 1))
    fail(bus, "ARBURST is not INCR", p, address);
  if (address % bus->port_bytes) fail(bus, "a read is not aligned", p, address);
  if (address % BOUNDARY + n * bus->port_bytes > BOUNDARY)
    fail(bus, "a burst crosses a multiple of 4096", p, address);
  port->reads[(port->read_first + port->read_count++) % QUEUE] =
      (struct read_burst){.address = address, .ready = bus->cycle + bus->latency, .left = n};
}

// A write is complete when its address and its data have arrived, in either order.
static void join_write(struct axi_bus *bus, struct port *port) {
  while (port->address_count && port->word_count) {
    uint64_t ready = bus->cycle + bus->latency;
    if (bus->stall_below) ready += next_random(bus) % (3 * bus->latency + 1);
    port->writes[(port->write_first + port->write_count++) % QUEUE] =
        (struct write_transfer){port->addresses[port->address_first], ready,
                                port->words[port->word_first]};
    port->address_first = (port->address_first + 1) % QUEUE;
    port->word_first = (port->word_first + 1) % QUEUE;
    port->address_count--;
    port->word_count--;
    port->credit -= bus->write_cost;
  }
}

static void take_word(struct axi_bus *bus, unsigned p) {
  struct port *port = &bus->port[p];
  struct write_data *w = &port->words[(port->word_first + port->word_count++) % QUEUE];
  if (!bit(bus->s.m_axi_wlast_o, p)) fail(bus, "WLAST is not set: writes are single", p, 0);
  memcpy(w->data, bus->s.m_axi_wdata_o + (size_t)p * bus->port_bytes, bus->port_bytes);
  memset(w->strobe, 0, sizeof w->strobe);
  for (unsigned i = 0; i < bus->port_bytes; i++)
    if (bit(bus->s.m_axi_wstrb_o, p * bus->port_bytes + i)) {
      put(w->strobe, i, true);
      bus->counts.bytes_written++;
    }
}

// Registers the transfers of this cycle.
static void take_port(struct axi_bus *bus, unsigned p) {
  struct port *port = &bus->port[p];
  struct axi_signals *s = &bus->s;
  const uint64_t before = bus->moved;
  bus->moved = bus->cycle;
  bool moved = false;
  if (port->offers_read && bit(s->m_axi_rready_o, p)) {
    struct read_burst *r = &port->reads[port->read_first];
    port->offers_read = false;
    port->credit -= INT64_C(1) << 32;
    bus->counts.bytes_read += bus->port_bytes;
    r->address += bus->port_bytes;
    if (--r->left == 0) {
      port->read_first = (port->read_first + 1) % QUEUE;
      port->read_count--;
    }
    moved = true;
  }
  if (port->offers_answer && bit(s->m_axi_bready_o, p)) {
    port->offers_answer = false;
    port->write_first = (port->write_first + 1) % QUEUE;
    port->write_count--;
    moved = true;
  }
  if (bit(s->m_axi_arvalid_o, p) && bit(s->m_axi_arready_i, p)) {
    take_read(bus, p);
    moved = true;
  }
  if (bit(s->m_axi_awvalid_o, p) && bit(s->m_axi_awready_i, p)) {
    const uint64_t address = address_at(s->m_axi_awaddr_o, p);
    if (s->m_axi_awlen_o[p] || address % bus->port_bytes)
      fail(bus, "a write is not a single aligned transfer", p, address);
    port->addresses[(port->address_first + port->address_count++) % QUEUE] = address;
    moved = true;
  }
  if (bit(s->m_axi_wvalid_o, p) && bit(s->m_axi_wready_i, p)) {
    take_word(bus, p);
    moved = true;
  }
  join_write(bus, port);
  if (!moved) bus->moved = before;
}

// ---- cycles ---------------------------------------------------------------------------------

static void eval(struct axi_bus *bus) {
  if (bus->code->eval(bus->instance) == 0 || bus->failed) return;
  bus->failed = true;
  err_set(&bus->error,
          "cycle %" PRIu64 ": an assertion of the hardware failed (its message is on standard "
          "output)",
          bus->cycle);
}

// The low half of a cycle, in which outputs follow inputs. The high half begins with the rising
// edge.
static void settle(struct axi_bus *bus) {
  for (unsigned p = 0; p < bus->shape.ports; p++) drive_port(bus, p);
  *bus->s.clk_i = 0;
  eval(bus);
}
static void edge(struct axi_bus *bus) {
  for (unsigned p = 0; *bus->s.rst_ni && p < bus->shape.ports; p++) take_port(bus, p);
  *bus->s.clk_i = 1;
  eval(bus);
  bus->cycle++;
}

void axi_bus_run(struct axi_bus *bus, uint64_t cycles) {
  for (; cycles > 0 && !bus->failed; cycles--) {
    settle(bus);
    edge(bus);
  }
}

void axi_bus_wait(struct axi_bus *bus, uint64_t cycles) {
  for (; cycles > 0 && !bus->failed && !axi_bus_irq(bus); cycles--) {
    settle(bus);
    edge(bus);
  }
}

bool axi_bus_irq(const struct axi_bus *bus) { return *bus->s.irq_o; }
uint64_t axi_bus_cycles(const struct axi_bus *bus) { return bus->cycle; }

bool axi_bus_failed(const struct axi_bus *bus, struct err *err) {
  if (bus->failed && err) *err = bus->error;
  return bus->failed;
}

static void no_answer(struct axi_bus *bus, uint32_t offset) {
  bus->failed = true;
  err_set(&bus->error, "cycle %" PRIu64 ": no answer from register 0x%03x for %d cycles",
          bus->cycle, (unsigned)offset, ANSWER);
}

static uint32_t read_register(void *ctx, uint32_t offset) {
  struct axi_bus *bus = ctx;
  struct axi_signals *s = &bus->s;
  const uint16_t address = (uint16_t)offset;
  memcpy(s->s_axil_araddr_i, &address, sizeof address);
  *s->s_axil_arvalid_i = *s->s_axil_rready_i = 1;
  for (int i = 0; i < ANSWER && !bus->failed; i++) {
    settle(bus);
    const bool asked = *s->s_axil_arvalid_i && *s->s_axil_arready_o;
    const bool came = *s->s_axil_rvalid_o;
    uint32_t value;
    memcpy(&value, s->s_axil_rdata_o, sizeof value);
    if (came && *s->s_axil_rresp_o) fail(bus, "a register refused a read", 0, offset);
    edge(bus);
    if (asked) *s->s_axil_arvalid_i = 0;
    if (!came) continue;
    *s->s_axil_rready_i = 0;
    return bus->failed ? 0 : value;
  }
  if (!bus->failed) no_answer(bus, offset);
  return 0;
}

static void write_register(void *ctx, uint32_t offset, uint32_t value) {
  struct axi_bus *bus = ctx;
  struct axi_signals *s = &bus->s;
  const uint16_t address = (uint16_t)offset;
  memcpy(s->s_axil_awaddr_i, &address, sizeof address);
  memcpy(s->s_axil_wdata_i, &value, sizeof value);
  *s->s_axil_wstrb_i = 15;
  *s->s_axil_awvalid_i = *s->s_axil_wvalid_i = *s->s_axil_bready_i = 1;
  for (int i = 0; i < ANSWER && !bus->failed; i++) {
    settle(bus);
    const bool took_address = *s->s_axil_awready_o, took_word = *s->s_axil_wready_o;
    const bool came = *s->s_axil_bvalid_o;
    if (came && *s->s_axil_bresp_o) fail(bus, "a register refused a write", 0, offset);
    edge(bus);
    if (took_address) *s->s_axil_awvalid_i = 0;
    if (took_word) *s->s_axil_wvalid_i = 0;
    if (!came) continue;
    *s->s_axil_bready_i = 0;
    return;
  }
  if (!bus->failed) no_answer(bus, offset);
}

static int write_memory(void *ctx, uint64_t address, const void *bytes, size_t n) {
  uint8_t *to = bytes_at(ctx, address, n);
  if (!to) return -1;
  memcpy(to, bytes, n);
  return 0;
}

static int idle(void *ctx) {
  struct axi_bus *bus = ctx;
  axi_bus_wait(bus, IDLE);
  if (!bus->failed && bus->cycle - bus->moved > PATIENCE && !bus->held) {
    bus->failed = true;
    err_set(&bus->error, "the hardware made no transfer for %d cycles (cycle %" PRIu64 ")",
            PATIENCE, bus->cycle);
  }
  return bus->failed ? -1 : 0;
}

struct gpt2hw_host axi_bus_host(struct axi_bus *bus) {
  return (struct gpt2hw_host){.ctx = bus,
                              .read = read_register,
                              .write = write_register,
                              .memory_write = write_memory,
                              .idle = idle};
}

void axi_bus_reset(struct axi_bus *bus) {
  for (unsigned p = 0; p < bus->shape.ports; p++) {
    const int64_t credit = bus->port[p].credit;
    bus->port[p] = (struct port){.credit = credit};
  }
  *bus->s.s_axil_awvalid_i = *bus->s.s_axil_wvalid_i = *bus->s.s_axil_arvalid_i = 0;
  *bus->s.s_axil_bready_i = *bus->s.s_axil_rready_i = 0;
  *bus->s.rst_ni = 0;
  axi_bus_run(bus, 4);
  *bus->s.rst_ni = 1;
  bus->moved = bus->cycle;
}

void axi_bus_refuse(struct axi_bus *bus, bool write, uint64_t n, unsigned response) {
  bus->refuse[write] = n;
  bus->response[write] = response;
}
void axi_bus_hold(struct axi_bus *bus, bool held) {
  bus->held = held;
  bus->moved = bus->cycle;
}

struct axi_counts axi_bus_count(const struct axi_bus *bus) {
  struct axi_counts counts = bus->counts;
  for (unsigned p = 0; p < bus->shape.ports; p++)
    counts.outstanding += bus->port[p].read_count + bus->port[p].write_count;
  return counts;
}

// ---- open -----------------------------------------------------------------------------------

static int find_ports(struct axi_bus *bus, struct err *err) {
  const struct verilated_port *ports;
  const unsigned n = bus->code->ports(bus->instance, &ports);
#define FIND(member)                                                    \
  for (unsigned i = 0; i < n; i++)                                      \
    if (!strcmp(ports[i].name, #member)) bus->s.member = ports[i].data; \
  if (!bus->s.member) return err_set(err, "the simulator has no port %s: run make", #member);
  REGISTER_PORTS(FIND)
  MEMORY_PORTS(FIND)
  // Nothing is connected to the streams: logits and ids are taken.
  for (unsigned i = 0; i < n; i++)
    if (!strcmp(ports[i].name, "m_logits_tready_i") || !strcmp(ports[i].name, "m_token_tready_i"))
      *(uint8_t *)ports[i].data = 1;
  return 0;
}

int axi_bus_open(struct axi_bus **out, uint32_t lanes, struct axi_ports ports,
                 const char *parameters, const struct sim_memory *memory, enum sim_build build,
                 struct err *err) {
  struct axi_bus *bus = calloc(1, sizeof *bus);
  char all[128];
  *out = NULL;
  if (!bus) return err_memory(err, "the simulator");
  struct sim_memory settings = *memory;
  sim_memory_resolve(&settings, lanes);
  bus->shape = ports;
  bus->port_bytes = ports.bits / 8;
  bus->rng = sampling_seed(settings.seed);
  bus->stall_below = (uint64_t)(settings.stall * 18446744073709549568.0);
  bus->latency = settings.latency;
  // The number of transfers of each port in a beat.
  const double transfers = 8.0 * lanes / (ports.ports * ports.bits);
  bus->credit_a_cycle = llround(fmin(1, settings.beats * transfers) * 4294967296.0);
  bus->write_cost = settings.preset && settings.beats < 1 ? INT64_C(1) << 32 : 0;
  bus->port = calloc(ports.ports, sizeof *bus->port);
  snprintf(all, sizeof all, "-Ports.%" PRIu32 "-PortBits.%" PRIu32 "%s", ports.ports, ports.bits,
           parameters);
  if (!bus->port) {
    axi_bus_close(bus);
    return err_memory(err, "the simulator");
  }
  if (library_open_module(&bus->library, "gpt2_axi", lanes, all, build, err)) {
    axi_bus_close(bus);
    return -1;
  }
  bus->code = bus->library.code;
  bus->instance = bus->code->create(NULL);
  if (find_ports(bus, err)) {
    axi_bus_close(bus);
    return -1;
  }
  axi_bus_reset(bus);
  if (axi_bus_failed(bus, err)) {
    axi_bus_close(bus);
    return -1;
  }
  *out = bus;
  return 0;
}

void axi_bus_close(struct axi_bus *bus) {
  if (!bus) return;
  if (bus->instance) bus->code->destroy(bus->instance);
  library_close(&bus->library);
  axi_bus_unmap(bus);
  free(bus->port);
  free(bus);
}
