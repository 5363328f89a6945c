// SPDX-License-Identifier: Apache-2.0
//
// axi_bus - simulates gpt2_axi with an AXI4-Lite manager and memory at its AXI4 ports
//
// It replaces a system's interconnect. The driver (driver/gpt2hw.h) accesses registers and memory
// through axi_bus_host, and each access takes as many cycles as on AXI4-Lite.
//
// The memory has sim_memory's latency, bandwidth and stalls (memory.h). The first transfer of a
// read burst comes at least `latency` cycles after the request. A port moves at most its share of
// `beats` beats per cycle, and at most a transfer per cycle. Each channel stalls independently.
// Writes reach memory, and are answered, after the latency. An access to an address that is not
// mapped is answered with DECERR. A violation of AXI4's rules is an error.
#ifndef GPT2RTL_AXI_BUS_H
#define GPT2RTL_AXI_BUS_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "gpt2hw.h"
#include "library.h"
#include "memory.h"

// The memory ports: 1 to 32 of 32 to 1024 bits.
struct axi_ports {
  uint32_t ports, bits;
};
// The fewest and widest ports that carry a beat per cycle.
struct axi_ports axi_ports_default(uint32_t lanes);
// Parses "8x1024". Errors: another form; ports that gpt2_axi cannot have with these lanes.
int axi_ports_parse(struct axi_ports *ports, const char *text, uint32_t lanes, struct err *err);

struct axi_bus;

// Opens the hardware after its reset, and an empty memory. parameters are those that differ from
// gpt2_axi's defaults, as in library_parameters; "" for none. Release with axi_bus_close, which
// also accepts NULL. Errors: library_open_module's; out of memory.
int axi_bus_open(struct axi_bus **bus, uint32_t lanes, struct axi_ports ports,
                 const char *parameters, const struct sim_memory *memory, enum sim_build build,
                 struct err *err);
void axi_bus_close(struct axi_bus *bus);

// Maps `bytes` bytes of zeros from `base` on. Errors: some of them are already mapped; out of
// memory.
int axi_bus_map(struct axi_bus *bus, uint64_t base, uint64_t bytes, struct err *err);
// Unmaps all memory.
void axi_bus_unmap(struct axi_bus *bus);
// The byte at an address, or NULL.
uint8_t *axi_bus_at(struct axi_bus *bus, uint64_t address);

// The host for the driver. idle lets the hardware work until it raises its interrupt, for at most a
// few hundred cycles. After a failure (axi_bus_failed) registers read as 0, and idle ends the wait.
struct gpt2hw_host axi_bus_host(struct axi_bus *bus);
// axi_bus_run clocks the hardware for `cycles` cycles; axi_bus_wait stops earlier if its interrupt
// is high.
void axi_bus_run(struct axi_bus *bus, uint64_t cycles);
void axi_bus_wait(struct axi_bus *bus, uint64_t cycles);
bool axi_bus_irq(const struct axi_bus *bus);
uint64_t axi_bus_cycles(const struct axi_bus *bus);

// Whether a failure occurred that hardware cannot report: an assertion, a million cycles without a
// transfer, a violation of AXI4's rules. err says which.
bool axi_bus_failed(const struct axi_bus *bus, struct err *err);

// Holds ARESETn low for some cycles. Hardware and memory forget all transfers.
void axi_bus_reset(struct axi_bus *bus);

// A fault for tests: answers the n-th read or write transfer from now on, counted over all ports,
// with `response`, 2 (SLVERR) or 3 (DECERR). n = 0 removes the fault.
void axi_bus_refuse(struct axi_bus *bus, bool write, uint64_t n, unsigned response);
// While held, the memory takes requests but answers none.
void axi_bus_hold(struct axi_bus *bus, bool held);

struct axi_counts {
  uint64_t bytes_read, bytes_written;  // written: strobes
  unsigned outstanding;                // bursts and writes without their last answer
};
struct axi_counts axi_bus_count(const struct axi_bus *bus);

#endif
